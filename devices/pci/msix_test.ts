import assert from "node:assert/strict";
import { ConfigSpace } from "./config.ts";
import { Msix, MSIX_CONTROL as CONTROL, MSIX_ENTRY as ENTRY } from "./msix.ts";
import { msixState } from "./msix_state.ts";
import { CAPABILITY, CLASS, PCI_COMMAND, PCI_REG } from "./regs.ts";

function rig(vectors = 3) {
  const sent: [number, number][] = [];
  const parts: Msix[] = [];
  const config = new ConfigSpace(
    { vendor: 1, device: 2, classCode: CLASS.ETHERNET, commandWritable: PCI_COMMAND.BUS_MASTER },
    [],
    { written: () => parts.forEach((part) => part.sync()) },
  );
  const msix = new Msix(config, {
    vectors,
    bar: 1,
    tableOffset: 0x2000,
    pbaOffset: 0x3000,
    send: (address, data) => sent.push([address, data]),
  });
  parts.push(msix);
  const at = config.read(PCI_REG.CAPABILITIES, 1);
  return {
    config,
    msix,
    sent,
    at,
    control: (value: number) => config.write(at + 2, 2, value),
    vector: (vector: number, address: number, data: number, control: number) => {
      [address % 2 ** 32, Math.floor(address / 2 ** 32), data, control].forEach((value, i) =>
        msix.table.write(vector * ENTRY.SIZE + i * 4, 4, value)
      );
    },
  };
}

/** Bus master, MSI-X on, vector 1 open. */
function opened() {
  const r = rig();
  r.config.write(PCI_REG.COMMAND, 2, PCI_COMMAND.BUS_MASTER);
  r.control(CONTROL.ENABLE);
  r.vector(1, 0xfee01000, 0x41, 0);
  return r;
}

Deno.test("Msix capability says where the table is and how long [PCI] 6.8.2", () => {
  const { config, at } = rig(3);
  assert.equal(config.read(at, 1), CAPABILITY.MSI_X);
  assert.equal(config.read(at + 2, 2), 2);
  assert.equal(config.read(at + 4, 4), 0x2001);
  assert.equal(config.read(at + 8, 4), 0x3001);
  config.write(at + 2, 2, 0xffff);
  assert.equal(config.read(at + 2, 2), 0xc002);
});

Deno.test("Msix vectors are masked after reset and keep what is defined [PCI] 6.8.2.9", () => {
  const { msix, vector } = rig(3);
  assert.equal(msix.table.length, 48);
  for (let i = 0; i < 3; i++) assert.equal(msix.table.read(i * 16 + ENTRY.CONTROL, 4), 1);
  vector(0, 0xfffff_ffffffff, 0xffffffff, 0xfffffffe);
  assert.equal(msix.table.read(ENTRY.ADDRESS, 4), 0xfffffffc);
  assert.equal(msix.table.read(ENTRY.DATA, 4), 0xffffffff);
  assert.equal(msix.table.read(ENTRY.CONTROL, 4), 0);
});

Deno.test("Msix sends the message of a vector [PCI] 6.8.2", () => {
  const { msix, sent } = opened();
  msix.raise(1);
  msix.raise(1);
  assert.deepEqual(sent, [[0xfee01000, 0x41], [0xfee01000, 0x41]]);
  assert.equal(msix.pba.read(0, 4), 0);
});

Deno.test("Msix sends to addresses above 4 GiB", () => {
  const { msix, sent, vector } = opened();
  vector(2, 0x1_2345_6780, 7, 0);
  msix.raise(2);
  assert.deepEqual(sent, [[0x1_2345_6780, 7]]);
});

Deno.test("Msix holds a masked vector back, shows it pending, sends it once when unmasked [PCI] 6.8.3.5", () => {
  const { msix, sent } = opened();
  msix.table.write(16 + ENTRY.CONTROL, 4, 1);
  msix.raise(1);
  msix.raise(1);
  assert.deepEqual(sent, []);
  assert.equal(msix.pba.read(0, 4), 1 << 1);
  msix.table.write(16 + ENTRY.CONTROL, 4, 0);
  assert.deepEqual(sent, [[0xfee01000, 0x41]]);
  assert.equal(msix.pba.read(0, 4), 0);
});

Deno.test("Msix function mask and bus master enable hold all vectors back [PCI] 6.8.2.3", () => {
  const { msix, sent, control, config } = opened();
  control(CONTROL.ENABLE | CONTROL.FUNCTION_MASK);
  msix.raise(1);
  assert.deepEqual(sent, []);
  control(CONTROL.ENABLE);
  assert.equal(sent.length, 1);
  config.write(PCI_REG.COMMAND, 2, 0);
  msix.raise(1);
  assert.equal(sent.length, 1);
  config.write(PCI_REG.COMMAND, 2, PCI_COMMAND.BUS_MASTER);
  assert.equal(sent.length, 2);
});

Deno.test("Msix does nothing while it is off, nor for vectors it lacks", () => {
  const { msix, sent, control } = opened();
  for (const vector of [-1, 3, 64, 1e9]) msix.raise(vector);
  control(0);
  assert.ok(!msix.enabled);
  msix.raise(1);
  control(CONTROL.ENABLE);
  assert.deepEqual(sent, []);
});

Deno.test("Msix loads its table silently, and bits past it are dropped", () => {
  const first = opened();
  first.msix.table.write(16 + ENTRY.CONTROL, 4, 1);
  first.msix.raise(1);
  const state = first.msix.save();
  assert.ok(msixState(3).safeParse(state).success);
  assert.ok(!msixState(4).safeParse(state).success);
  const second = rig();
  second.config.load(first.config.save());
  second.msix.load({ ...state, pending: "ffffffffffffffff" });
  assert.deepEqual(second.sent, []);
  assert.equal(second.msix.pba.read(0, 4), 7);
  assert.equal(second.msix.pba.read(4, 4), 0);
  second.msix.table.write(16 + ENTRY.CONTROL, 4, 0);
  assert.deepEqual(second.sent, [[0xfee01000, 0x41]]);
});

Deno.test("Msix refuses tables that are none", () => {
  assert.throws(() => rig(0), RangeError);
  assert.throws(() => rig(2049), RangeError);
});
