import assert from "node:assert/strict";
import fc from "fast-check";
import { PAGE_SIZE } from "./addr.ts";
import { GuestMemory } from "./memory.ts";

/** RAM at 0 and at 3 pages, a ROM right behind it, nothing else. */
function rig(): { memory: GuestMemory; low: Uint8Array; high: Uint8Array; rom: Uint8Array } {
  const memory = new GuestMemory();
  const [low, high, rom] = [new Uint8Array(2 * PAGE_SIZE), new Uint8Array(PAGE_SIZE), new Uint8Array(256)];
  memory.map(0, { name: "low", bytes: low });
  memory.map(3 * PAGE_SIZE, { name: "high", bytes: high });
  memory.map(4 * PAGE_SIZE, { name: "rom", bytes: rom, readonly: true });
  return { memory, low, high, rom };
}

const HOLE = 2 * PAGE_SIZE;

Deno.test("GuestMemory reads ones and swallows writes where nothing is", () => {
  const { memory } = rig();
  memory.writeU32(HOLE, 0x12345678);
  assert.deepEqual([memory.readU8(HOLE), memory.readU16(HOLE), memory.readU32(HOLE)], [
    0xff,
    0xffff,
    0xffffffff,
  ]);
  assert.equal(memory.readU64(2 ** 51), 0xffffffffffffffffn);
  assert.deepEqual(memory.takeDirty(), []);
});

Deno.test("GuestMemory numbers are little-endian and cross borders of regions and holes", () => {
  const { memory, low, high, rom } = rig();
  memory.writeU64(HOLE - 4, 0x1122334455667788n);
  assert.deepEqual([...low.subarray(-4)], [0x88, 0x77, 0x66, 0x55]);
  assert.equal(memory.readU64(HOLE - 4), 0xffffffff55667788n);
  assert.equal(memory.readU32(HOLE - 2), 0xffff5566);
  assert.equal(memory.readU16(HOLE - 1), 0xff55);
  memory.writeU32(3 * PAGE_SIZE - 2, 0xaabbccdd);
  assert.deepEqual([...high.subarray(0, 2)], [0xbb, 0xaa]);
  rom.set([1, 2, 3, 4]);
  memory.writeU32(4 * PAGE_SIZE - 2, 0x55667788);
  assert.equal(memory.readU32(4 * PAGE_SIZE - 2), 0x02017788, "RAM took its half, the ROM did not");
});

Deno.test("GuestMemory loads ROM and RAM alike and refuses where there is neither", () => {
  const { memory, rom } = rig();
  memory.load(4 * PAGE_SIZE, Uint8Array.of(9, 8, 7));
  assert.deepEqual([...rom.subarray(0, 3)], [9, 8, 7]);
  assert.throws(() => memory.load(HOLE, Uint8Array.of(1)), /Cannot load at 0x2000/);
  assert.throws(() => memory.load(HOLE - 1, Uint8Array.of(1, 2)), /Cannot load at 0x2000/);
});

Deno.test("GuestMemory knows RAM from ROM, holes and what is past the physical space", () => {
  const { memory } = rig();
  assert.ok(memory.isRam(0, 2 * PAGE_SIZE));
  assert.ok(!memory.isRam(0, 2 * PAGE_SIZE + 1));
  assert.ok(memory.isRam(3 * PAGE_SIZE, PAGE_SIZE));
  assert.ok(!memory.isRam(3 * PAGE_SIZE, PAGE_SIZE + 1), "the ROM is not to be written");
  assert.ok(!memory.isRam(HOLE, 1));
  for (const address of [2 ** 52, 2 ** 53, 2 ** 63]) assert.ok(!memory.isRam(address, 4));
});

Deno.test("GuestMemory gives the bytes themselves within one region only", () => {
  const { memory, low } = rig();
  const slice = memory.slice(16, 4)!;
  slice[0] = 0x77;
  assert.equal(low[16], 0x77);
  assert.equal(memory.slice(PAGE_SIZE, PAGE_SIZE)?.length, PAGE_SIZE);
  assert.equal(memory.slice(PAGE_SIZE, PAGE_SIZE + 1), undefined);
  assert.equal(memory.slice(3 * PAGE_SIZE + 1, PAGE_SIZE), undefined, "RAM and ROM are two regions");
  assert.equal(memory.slice(HOLE, 1), undefined);
});

Deno.test("GuestMemory marks every page a write touches, once, and no other", () => {
  const { memory } = rig();
  memory.writeU32(PAGE_SIZE - 2, 1);
  memory.writeU8(3 * PAGE_SIZE, 1);
  memory.fill(3 * PAGE_SIZE + 5, 3, 9);
  memory.write(4 * PAGE_SIZE, Uint8Array.of(1));
  assert.deepEqual(memory.takeDirty(), [0, 1, 3]);
  assert.deepEqual(memory.takeDirty(), []);
});

Deno.test("GuestMemory marks pages rightly in a region that starts within one", () => {
  const memory = new GuestMemory();
  memory.map(0x1800, { name: "odd", bytes: new Uint8Array(PAGE_SIZE) });
  memory.writeU8(0x1fff, 1);
  assert.deepEqual(memory.takeDirty(), [1]);
  memory.writeU8(0x2000, 1);
  memory.writeU8(0x27ff, 1);
  assert.deepEqual(memory.takeDirty(), [2]);
  memory.fill(0x1800, PAGE_SIZE, 1);
  assert.deepEqual(memory.takeDirty(), [1, 2]);
});

Deno.test("GuestMemory lists, removes and refuses overlapping regions", () => {
  const { memory } = rig();
  const names = () => memory.regions().map(({ start, value }) => `${value.name}@${start}`);
  assert.deepEqual(names(), ["low@0", "high@12288", "rom@16384"]);
  assert.throws(() => memory.map(PAGE_SIZE, { name: "x", bytes: new Uint8Array(1) }), RangeError);
  assert.equal(memory.readU8(0), 0);
  assert.deepEqual([memory.unmap(0), memory.unmap(0)], [true, false]);
  assert.equal(memory.readU8(0), 0xff, "no memory of where it was");
  assert.deepEqual(names(), ["high@12288", "rom@16384"]);
});

Deno.test("GuestMemory takes a part of a buffer", () => {
  const whole = new Uint8Array(3 * PAGE_SIZE);
  const memory = new GuestMemory();
  memory.map(0, { name: "part", bytes: whole.subarray(PAGE_SIZE, 2 * PAGE_SIZE) });
  memory.writeU16(2, 0xabcd);
  assert.deepEqual([whole[PAGE_SIZE + 2], whole[PAGE_SIZE + 3]], [0xcd, 0xab]);
  assert.equal(memory.readU16(PAGE_SIZE), 0xffff);
});

Deno.test("GuestMemory agrees with one flat array, whatever is read and written", () => {
  const SPACE = 5 * PAGE_SIZE;
  const near = fc.oneof(
    fc.nat(SPACE),
    ...[1, 2, 3, 4].map((page) => fc.integer({ min: page * PAGE_SIZE - 9, max: page * PAGE_SIZE + 1 })),
  );
  const step = fc.record({
    op: fc.constantFrom("u8", "u16", "u32", "u64", "bytes", "fill"),
    at: near,
    value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    length: fc.nat(3 * PAGE_SIZE),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const { memory } = rig();
      const flat = new Uint8Array(SPACE + 3 * PAGE_SIZE + 16).fill(0xff);
      const writable = (at: number) => at < HOLE || at >= 3 * PAGE_SIZE && at < 4 * PAGE_SIZE;
      for (let at = 0; at < flat.length; at++) if (writable(at)) flat[at] = 0;
      flat.fill(0, 4 * PAGE_SIZE, 4 * PAGE_SIZE + 256);
      const dirty = new Set<number>();
      const put = (at: number, byte: number) => {
        if (!writable(at)) return;
        flat[at] = byte;
        dirty.add(Math.floor(at / PAGE_SIZE));
      };
      for (const { op, at, value, length } of steps) {
        const bytes = new Uint8Array(BigUint64Array.of(value).buffer);
        const low = Number(value & 0xffffffffn);
        if (op === "bytes") {
          const source = Uint8Array.from({ length }, (_, i) => bytes[i % 8]!);
          memory.write(at, source);
          source.forEach((byte, i) => put(at + i, byte));
        } else if (op === "fill") {
          memory.fill(at, length, bytes[0]!);
          for (let i = 0; i < length; i++) put(at + i, bytes[0]!);
        } else {
          const width = Number(op.slice(1)) / 8;
          if (op === "u8") memory.writeU8(at, low);
          else if (op === "u16") memory.writeU16(at, low);
          else if (op === "u32") memory.writeU32(at, low);
          else memory.writeU64(at, value);
          for (let i = 0; i < width; i++) put(at + i, bytes[i]!);
        }
        const view = new DataView(flat.buffer);
        assert.equal(memory.readU8(at), view.getUint8(at));
        assert.equal(memory.readU16(at), view.getUint16(at, true));
        assert.equal(memory.readU32(at), view.getUint32(at, true));
        assert.equal(memory.readU64(at), view.getBigUint64(at, true));
      }
      const all = memory.read(0, SPACE);
      assert.equal(all.findIndex((byte, i) => byte !== flat[i]), -1, "the first byte that differs");
      assert.deepEqual(memory.takeDirty(), [...dirty].sort((a, b) => a - b));
    }),
    { numRuns: 60 },
  );
});

Deno.test("GuestMemory tells a watcher of every piece that is written or filled, and of no load", () => {
  const memory = new GuestMemory();
  memory.map(0x1000, { name: "ram", bytes: new Uint8Array(0x2000) });
  memory.map(0x3000, { name: "rom", bytes: new Uint8Array(0x1000), readonly: true });
  const seen: [number, number][] = [];
  memory.watch((gpa, length) => seen.push([gpa, length]));
  memory.write(0x1ffe, Uint8Array.of(1, 2, 3, 4));
  memory.fill(0x2ff0, 0x20, 0);
  memory.write(0x3000, Uint8Array.of(1));
  memory.load(0x1000, Uint8Array.of(1));
  assert.deepEqual(seen, [[0x1ffe, 4], [0x2ff0, 0x10]]);
});
