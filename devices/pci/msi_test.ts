import assert from "node:assert/strict";
import { ConfigSpace } from "./config.ts";
import { Msi, MSI_CONTROL as CONTROL, MSI_OFFSET as OFFSET } from "./msi.ts";
import { CAPABILITY, CLASS, PCI_COMMAND, PCI_REG } from "./regs.ts";

function rig(messages = 4) {
  const sent: [number, number][] = [];
  const parts: Msi[] = [];
  const config = new ConfigSpace(
    { vendor: 1, device: 2, classCode: CLASS.ETHERNET, commandWritable: PCI_COMMAND.BUS_MASTER },
    [],
    { written: () => parts.forEach((part) => part.sync()) },
  );
  const msi = new Msi(config, { messages, send: (address, data) => sent.push([address, data]) });
  parts.push(msi);
  const at = config.read(PCI_REG.CAPABILITIES, 1);
  const write = (offset: number, width: 2 | 4, value: number) => config.write(at + offset, width, value);
  return { config, msi, sent, write, read: (offset: number) => config.read(at + offset, 4) };
}

/** Bus master, on, all messages allotted, to CPU 2, vector 40h. */
function opened(messages = 4) {
  const r = rig(messages);
  r.config.write(PCI_REG.COMMAND, 2, PCI_COMMAND.BUS_MASTER);
  r.write(OFFSET.ADDRESS, 4, 0xfee02000);
  r.write(OFFSET.DATA, 2, 0x0040);
  r.write(OFFSET.CONTROL, 2, CONTROL.ENABLE | Math.log2(messages) << 4);
  return r;
}

Deno.test("Msi capability says what the function can do [PCI] 6.8.1.3", () => {
  for (const [messages, code] of [[1, 0], [2, 1], [4, 2], [8, 3], [16, 4], [32, 5]] as const) {
    const { read, write } = rig(messages);
    assert.equal(read(0) & 0xff, CAPABILITY.MSI);
    assert.equal(read(0) >>> 16, 0x180 | code << 1);
    write(OFFSET.CONTROL, 2, 0xffff);
    assert.equal(read(0) >>> 16, 0x1f1 | code << 1);
    write(OFFSET.MASK, 4, 0xffffffff);
    assert.equal(read(OFFSET.MASK), 2 ** messages - 1);
    write(OFFSET.PENDING, 4, 0xffffffff);
    assert.equal(read(OFFSET.PENDING), 0);
  }
  assert.throws(() => rig(3), RangeError);
  assert.throws(() => rig(64), RangeError);
});

Deno.test("Msi tells its messages by the low bits of the data [PCI] 6.8.1.6", () => {
  const { msi, sent } = opened(4);
  for (let message = 0; message < 4; message++) msi.raise(message);
  assert.deepEqual(sent, [0x40, 0x41, 0x42, 0x43].map((data) => [0xfee02000, data]));
});

Deno.test("Msi uses no more messages than software allotted, nor than it has", () => {
  const { msi, sent, write } = opened(4);
  write(OFFSET.CONTROL, 2, CONTROL.ENABLE);
  assert.equal(msi.allotted, 1);
  msi.raise(3);
  assert.deepEqual(sent, [[0xfee02000, 0x40]]);
  write(OFFSET.CONTROL, 2, CONTROL.ENABLE | 7 << 4);
  assert.equal(msi.allotted, 4);
});

Deno.test("Msi holds masked messages back and sends them when unmasked [PCI] 6.8.1.7", () => {
  const { msi, sent, write, read } = opened(32);
  write(OFFSET.MASK, 4, 0x80000001);
  msi.raise(31);
  msi.raise(0);
  msi.raise(1);
  assert.deepEqual(sent, [[0xfee02000, 0x41]]);
  assert.equal(read(OFFSET.PENDING), 0x80000001);
  write(OFFSET.MASK, 4, 1);
  assert.deepEqual(sent.slice(1), [[0xfee02000, 0x5f]]);
  assert.equal(read(OFFSET.PENDING), 1);
});

Deno.test("Msi does nothing while it is off, and waits for bus mastering", () => {
  const { msi, sent, write, config } = opened();
  write(OFFSET.CONTROL, 2, 0);
  msi.raise(0);
  write(OFFSET.CONTROL, 2, CONTROL.ENABLE);
  assert.deepEqual(sent, []);
  config.write(PCI_REG.COMMAND, 2, 0);
  msi.raise(0);
  assert.deepEqual(sent, []);
  config.write(PCI_REG.COMMAND, 2, PCI_COMMAND.BUS_MASTER);
  assert.equal(sent.length, 1);
});
