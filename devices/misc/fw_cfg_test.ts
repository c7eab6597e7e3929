import assert from "node:assert/strict";
import fc from "fast-check";
import { GuestMemory } from "../../hvm/base/memory.ts";
import { Bus } from "../../hvm/io/bus.ts";
import { deviceContract } from "../../hvm/testing/device_contract.ts";
import { FW_CFG_DMA as DMA, FwCfg } from "./fw_cfg.ts";
import { FW_CFG_KEY as KEY, fwCfgNumber, fwCfgText } from "./fw_cfg_items.ts";
import { FW_CFG_STATE } from "./fw_cfg_state.ts";

const RAM_SIZE = 0x10000;
/** Where the tests keep their descriptor. */
const DESCRIPTOR = 0x100;

function rig() {
  const memory = new GuestMemory();
  const ram = new Uint8Array(RAM_SIZE);
  memory.map(0, { name: "ram", bytes: ram });
  memory.map(0x20000, { name: "rom", bytes: new Uint8Array(0x1000), readonly: true });
  const device = new FwCfg({ id: "fw_cfg", memory });
  const bus = new Bus("port", 0x10000);
  bus.attach(0x510, device.window, "fw_cfg");
  const select = (key: number) => bus.write(0x510, 2, key);
  const bytes = (count: number) => Array.from({ length: count }, () => bus.read(0x511, 1));
  /** Writes a descriptor and its address, both big-endian, and gives the control word that comes back. */
  const dma = (control: number, length: number, address: number, at = DESCRIPTOR) => {
    const view = new DataView(ram.buffer);
    view.setUint32(at, control);
    view.setUint32(at + 4, length);
    view.setBigUint64(at + 8, BigInt(address));
    trigger(bus, at);
    return view.getUint32(at);
  };
  return { memory, ram, device, bus, select, bytes, dma };
}

function trigger(bus: Bus, address: number): void {
  const halves = new DataView(new ArrayBuffer(8));
  halves.setBigUint64(0, BigInt(address));
  bus.write(0x514, 4, halves.getUint32(0, true));
  bus.write(0x518, 4, halves.getUint32(4, true));
}

const text = (bytes: Iterable<number>) => String.fromCharCode(...bytes);

deviceContract("FwCfg", {
  build: () => {
    const { device } = rig();
    device.addFile("etc/test", new Uint8Array(40).fill(7));
    device.addFile("etc/writable", new Uint8Array(8), { written: () => {} });
    return { device, windows: [device.window] };
  },
  schema: FW_CFG_STATE,
});

Deno.test("FwCfg signs itself and offers both interfaces [FWCFG]", () => {
  const { select, bytes } = rig();
  select(KEY.SIGNATURE);
  assert.equal(text(bytes(4)), "QEMU");
  select(KEY.ID);
  assert.deepEqual(bytes(4), [3, 0, 0, 0]);
});

Deno.test("FwCfg DMA register reads as QEMU CFG, first byte lowest [FWCFG]", () => {
  const { bus } = rig();
  assert.equal(text(Array.from({ length: 8 }, (_, i) => bus.read(0x514 + i, 1))), "QEMU CFG");
  assert.equal(bus.read(0x514, 4), 0x554d4551);
  assert.equal(bus.read(0x518, 4), 0x47464320);
});

Deno.test("FwCfg gives zeros past an item's end and for keys without one [FWCFG]", () => {
  const { device, select, bytes } = rig();
  device.add(KEY.CPUS, fwCfgNumber(4, 2));
  select(KEY.CPUS);
  assert.deepEqual(bytes(5), [4, 0, 0, 0, 0]);
  select(KEY.CPUS);
  assert.deepEqual(bytes(2), [4, 0], "selecting starts anew");
  select(0x1234);
  assert.deepEqual(bytes(2), [0, 0]);
  select(KEY.CPUS | 0x4000);
  assert.deepEqual(bytes(2), [4, 0], "the old write bit names the same item");
});

Deno.test("FwCfg values are little-endian [FWCFG]", () => {
  assert.deepEqual([...fwCfgNumber(0x1234, 2)], [0x34, 0x12]);
  assert.deepEqual([...fwCfgNumber(0x12345678, 4)], [0x78, 0x56, 0x34, 0x12]);
  assert.deepEqual([...fwCfgNumber(2 ** 40 + 1, 8)], [1, 0, 0, 0, 0, 1, 0, 0]);
  assert.deepEqual([...fwCfgText("ab")], [0x61, 0x62, 0]);
});

Deno.test("FwCfg lists its files big-endian [FWCFG]", () => {
  const { device, select, bytes } = rig();
  select(KEY.FILE_DIRECTORY);
  assert.deepEqual(bytes(4), [0, 0, 0, 0]);
  assert.equal(device.addFile("etc/acpi/tables", new Uint8Array(0x1234)), 0x20);
  assert.equal(device.addFile("bootorder", new Uint8Array(3)), 0x21);
  select(KEY.FILE_DIRECTORY);
  assert.deepEqual(bytes(4), [0, 0, 0, 2]);
  const entry = bytes(64);
  assert.deepEqual(entry.slice(0, 8), [0, 0, 0x12, 0x34, 0x00, 0x20, 0, 0]);
  assert.equal(text(entry.slice(8)), "etc/acpi/tables".padEnd(56, "\0"));
  assert.deepEqual(bytes(6), [0, 0, 0, 3, 0x00, 0x21]);
});

Deno.test("FwCfg refuses names and keys that are none or taken", () => {
  const { device } = rig();
  device.addFile("a".repeat(55), new Uint8Array(1));
  for (const name of ["", "a".repeat(55), "b".repeat(56), "with space", "caf\u00e9"]) {
    assert.throws(() => device.addFile(name, new Uint8Array(1)), RangeError);
  }
  assert.throws(() => device.add(KEY.SIGNATURE, new Uint8Array(1)), RangeError);
  assert.throws(() => device.add(0x4001, new Uint8Array(1)), RangeError);
  assert.throws(() => device.add(0x10000, new Uint8Array(1)), RangeError);
});

Deno.test("FwCfg ignores writes to the data register and narrow ones to the others", () => {
  const { device, bus, select, bytes, ram } = rig();
  device.add(KEY.UUID, Uint8Array.of(1, 2, 3));
  select(KEY.UUID);
  bus.write(0x511, 1, 0xee);
  bus.write(0x510, 1, 0x01);
  assert.deepEqual(bytes(3), [1, 2, 3]);
  const before = ram.slice();
  for (let port = 0x514; port < 0x51c; port++) bus.write(port, 1, 0);
  assert.deepEqual(ram, before);
});

Deno.test("FwCfg reads by DMA: select, read on, zeros past the end [FWCFG]", () => {
  const { device, dma, ram } = rig();
  const key = device.addFile("f", Uint8Array.of(1, 2, 3, 4, 5));
  ram.fill(0xee, 0x200, 0x220);
  assert.equal(dma(key << 16 | DMA.SELECT | DMA.READ, 2, 0x200), 0);
  assert.equal(dma(DMA.READ, 6, 0x210), 0);
  assert.deepEqual([...ram.subarray(0x200, 0x204)], [1, 2, 0xee, 0xee]);
  assert.deepEqual([...ram.subarray(0x210, 0x218)], [3, 4, 5, 0, 0, 0, 0xee, 0xee]);
});

Deno.test("FwCfg skips by DMA, and DMA and the data register share their place [FWCFG]", () => {
  const { device, dma, bytes } = rig();
  const key = device.addFile("f", Uint8Array.of(1, 2, 3, 4, 5));
  assert.equal(dma((key << 16 | DMA.SELECT | DMA.SKIP) >>> 0, 3, 0xdead0000), 0);
  assert.deepEqual(bytes(1), [4]);
  assert.equal(dma(DMA.SKIP, 0xffffffff, 0), 0);
  assert.deepEqual(bytes(2), [0, 0]);
  assert.equal(dma((key << 16 | DMA.SELECT) >>> 0, 0, 0), 0);
  assert.deepEqual(bytes(1), [1]);
});

Deno.test("FwCfg writes by DMA into writable items only, and within them [FWCFG]", () => {
  const { device, dma, ram, select, bytes } = rig();
  const seen: number[][] = [];
  const open = device.addFile("open", new Uint8Array(4), { written: (content) => seen.push([...content]) });
  const closed = device.addFile("closed", Uint8Array.of(9, 9));
  ram.set([1, 2, 3, 4, 5], 0x200);
  assert.equal(dma(open << 16 | DMA.SELECT | DMA.WRITE, 3, 0x200), 0);
  assert.deepEqual(seen, [[1, 2, 3, 0]]);
  assert.equal(dma(DMA.WRITE, 2, 0x200), DMA.ERROR, "past the end");
  assert.equal(dma(closed << 16 | DMA.SELECT | DMA.WRITE, 1, 0x200), DMA.ERROR);
  assert.equal(dma(0x7777 << 16 | DMA.SELECT | DMA.WRITE, 1, 0x200), DMA.ERROR);
  select(closed);
  assert.deepEqual(bytes(2), [9, 9]);
  assert.equal(seen.length, 1);
});

Deno.test("FwCfg sets the error bit for a buffer that is not all RAM, and moves nothing", () => {
  const { device, dma, ram, memory } = rig();
  const key = device.addFile("f", new Uint8Array(64).fill(0x77));
  const select = (key << 16 | DMA.SELECT | DMA.READ) >>> 0;
  for (const address of [RAM_SIZE - 8, RAM_SIZE, 0x20000, 0x1fff8, 2 ** 40, 2 ** 52, 2 ** 63]) {
    assert.equal(dma(select, 64, address), DMA.ERROR, address.toString(16));
  }
  assert.equal(dma(select, 0xffffffff, 0x200), DMA.ERROR);
  assert.equal(ram.indexOf(0x77), -1);
  assert.equal(memory.readU8(0x20000), 0);
});

Deno.test("FwCfg ignores a descriptor that is not in RAM", () => {
  const { bus, device, memory } = rig();
  const before = device.save();
  for (const address of [RAM_SIZE - 8, 0x20000, 2 ** 32, 2 ** 52]) trigger(bus, address);
  assert.deepEqual(device.save(), before);
  assert.equal(memory.readU32(0x20000), 0);
});

Deno.test("FwCfg bears a buffer that overlaps its own descriptor", () => {
  const { device, dma } = rig();
  const key = device.addFile("f", new Uint8Array(32).fill(0x55));
  assert.equal(dma((key << 16 | DMA.SELECT | DMA.READ) >>> 0, 32, DESCRIPTOR), 0);
});

Deno.test("FwCfg bears any descriptor", () => {
  fc.assert(fc.property(
    fc.record({
      control: fc.nat(0xffffffff),
      length: fc.nat(0xffffffff),
      address: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    }),
    ({ control, length, address }) => {
      const { device, bus, ram } = rig();
      device.addFile("f", new Uint8Array(100));
      device.addFile("w", new Uint8Array(100), { written: () => {} });
      const view = new DataView(ram.buffer);
      view.setUint32(DESCRIPTOR, control);
      view.setUint32(DESCRIPTOR + 4, length);
      view.setBigUint64(DESCRIPTOR + 8, address);
      trigger(bus, DESCRIPTOR);
      assert.ok(FW_CFG_STATE.safeParse(device.save()).success);
    },
  ));
});

Deno.test("FwCfg saves what the guest wrote, and a reset takes it back", () => {
  const first = rig();
  const key = first.device.addFile("w", Uint8Array.of(1, 2), { written: () => {} });
  first.ram.set([8, 9], 0x200);
  first.dma((key << 16 | DMA.SELECT | DMA.WRITE) >>> 0, 2, 0x200);
  const second = rig();
  const told: number[] = [];
  second.device.addFile("w", Uint8Array.of(1, 2), { written: () => told.push(1) });
  second.device.load(first.device.save());
  second.select(key);
  assert.deepEqual(second.bytes(2), [8, 9]);
  assert.deepEqual(told, [], "loading is silent");
  second.device.reset();
  second.select(key);
  assert.deepEqual(second.bytes(2), [1, 2]);
});
