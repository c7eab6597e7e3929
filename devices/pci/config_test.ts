import assert from "node:assert/strict";
import { ConfigSpace } from "./config.ts";
import { CAPABILITY, CLASS, PCI_COMMAND, PCI_REG as REG, PCI_STATUS } from "./regs.ts";

function rig() {
  const writes: [number, number][] = [];
  const config = new ConfigSpace(
    {
      vendor: 0x1af4,
      device: 0x1041,
      revision: 1,
      classCode: CLASS.ETHERNET,
      subsystemVendor: 0x1af4,
      subsystem: 0x0040,
      interruptPin: 1,
      commandWritable: PCI_COMMAND.IO_SPACE | PCI_COMMAND.MEMORY_SPACE | PCI_COMMAND.BUS_MASTER |
        PCI_COMMAND.INTX_DISABLE,
      status: PCI_STATUS.DEVSEL_MEDIUM,
    },
    [{ at: 0x40, width: 4, writable: 0xff }],
    { written: (offset, width) => writes.push([offset, width]) },
  );
  return { config, writes };
}

Deno.test("ConfigSpace shows its header where the specification has it [PCI] 6.1", () => {
  const { config } = rig();
  assert.equal(config.read(REG.VENDOR_ID, 4), 0x10411af4);
  assert.equal(config.read(REG.REVISION_ID, 4), 0x02000001);
  assert.equal(config.read(REG.CLASS_CODE, 1), 0x00);
  assert.equal(config.read(0x0a, 2), 0x0200);
  assert.equal(config.read(REG.SUBSYSTEM_VENDOR_ID, 4), 0x00401af4);
  assert.equal(config.read(REG.INTERRUPT_PIN, 1), 1);
  assert.equal(config.read(REG.HEADER_TYPE, 1), 0);
});

Deno.test("ConfigSpace identity cannot be written, the interrupt line can [PCI] 6.2", () => {
  const { config, writes } = rig();
  config.write(REG.VENDOR_ID, 4, 0);
  config.write(REG.REVISION_ID, 4, 0);
  assert.equal(config.read(REG.VENDOR_ID, 4), 0x10411af4);
  assert.equal(config.read(REG.REVISION_ID, 4), 0x02000001);
  config.write(REG.INTERRUPT_LINE, 1, 11);
  assert.equal(config.read(REG.INTERRUPT_LINE, 1), 11);
  assert.deepEqual(writes, [[0, 4], [8, 4], [0x3c, 1]]);
});

Deno.test("ConfigSpace error bits of the status register are cleared by a written 1 [PCI] 6.2.3", () => {
  const { config } = rig();
  config.registers.set(REG.STATUS, 2, 0xfb00);
  config.write(REG.STATUS, 2, 0x2000);
  assert.equal(config.read(REG.STATUS, 2), 0xdb00);
  config.write(REG.COMMAND, 4, 0xffff0000);
  assert.equal(config.read(REG.STATUS, 2), 0x0200);
});

Deno.test("ConfigSpace drives the pin when wanted and not disabled [PCI] 6.2.2, 6.2.3", () => {
  const { config } = rig();
  assert.ok(!config.intx);
  config.setInterrupt(true);
  assert.ok(config.intx);
  assert.equal(config.read(REG.STATUS, 2) & PCI_STATUS.INTERRUPT, PCI_STATUS.INTERRUPT);
  config.write(REG.COMMAND, 2, PCI_COMMAND.INTX_DISABLE);
  assert.ok(!config.intx);
  assert.equal(config.read(REG.STATUS, 2) & PCI_STATUS.INTERRUPT, PCI_STATUS.INTERRUPT, "still shown");
  config.write(REG.COMMAND, 2, 0);
  config.setInterrupt(false);
  assert.ok(!config.intx);
});

Deno.test("ConfigSpace links its capabilities [PCI] 6.7", () => {
  const { config } = rig();
  assert.equal(config.read(REG.STATUS, 2) & PCI_STATUS.CAPABILITIES, 0);
  const first = config.addCapability(
    CAPABILITY.MSI_X,
    12,
    [{ at: 2, width: 2, reset: 3, writable: 0xc000 }],
    0x50,
  );
  const second = config.addCapability(CAPABILITY.VENDOR, 7, []);
  const third = config.addCapability(CAPABILITY.VENDOR, 16, []);
  assert.deepEqual([first, second, third], [0x50, 0x5c, 0x64]);
  assert.equal(config.read(REG.STATUS, 2), PCI_STATUS.DEVSEL_MEDIUM | PCI_STATUS.CAPABILITIES);
  const ids: number[] = [];
  for (let at = config.read(REG.CAPABILITIES, 1); at !== 0; at = config.read(at + 1, 1)) {
    ids.push(config.read(at, 1));
  }
  assert.deepEqual(ids, [CAPABILITY.MSI_X, CAPABILITY.VENDOR, CAPABILITY.VENDOR]);
  config.write(0x52, 2, 0xffff);
  assert.equal(config.read(0x52, 2), 0xc003);
  config.reset();
  assert.equal(config.read(0x50, 4), 0x00035c11);
});

Deno.test("ConfigSpace refuses a capability that does not fit", () => {
  const { config } = rig();
  assert.throws(() => config.addCapability(CAPABILITY.MSI, 24, [], 0xf0), RangeError);
  assert.throws(() => config.addCapability(CAPABILITY.MSI, 8, [], 0x30), RangeError);
  assert.throws(() => config.addCapability(CAPABILITY.MSI, 8, [], 0x42), RangeError);
});
