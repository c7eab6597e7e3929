import assert from "node:assert/strict";
import fc from "fast-check";
import {
  addr64,
  aligned,
  array,
  bytes,
  type FieldType,
  i32,
  i64,
  struct,
  u16,
  u32,
  u64,
  u8,
} from "./layout.ts";

Deno.test("struct lays members out as a C compiler for x86-64 does: kvm_userspace_memory_region", () => {
  const REGION = struct("kvm_userspace_memory_region", {
    slot: u32,
    flags: u32,
    guest_phys_addr: u64,
    memory_size: u64,
    userspace_addr: u64,
  }, { size: 32 });
  assert.deepEqual({ ...REGION.offset }, {
    slot: 0,
    flags: 4,
    guest_phys_addr: 8,
    memory_size: 16,
    userspace_addr: 24,
  });
});

Deno.test("struct pads before members and at the end, and not when packed", () => {
  // struct { u8 a; u16 b; u8 c; u64 d; u8 e; }
  const members = { a: u8, b: u16, c: u8, d: u64, e: u8 };
  const padded = struct("padded", members);
  assert.deepEqual({ ...padded.offset }, { a: 0, b: 2, c: 4, d: 8, e: 16 });
  assert.deepEqual([padded.size, padded.alignment], [24, 8]);
  const packed = struct("packed", members, { packed: true });
  assert.deepEqual({ ...packed.offset }, { a: 0, b: 1, c: 3, d: 4, e: 12 });
  assert.deepEqual([packed.size, packed.alignment], [13, 1]);
});

Deno.test("struct refuses a size that is not what its members take", () => {
  assert.throws(() => struct("short", { a: u32, b: u64 }, { size: 12 }), /take 16 bytes, not 12/);
  assert.equal(struct("short", { a: u32, b: aligned(u64, 4) }, { size: 12 }).size, 12);
});

Deno.test("struct nests, in arrays too, each at its own alignment", () => {
  const POINT = struct("point", { x: u8, y: u32 });
  const LINE = struct("line", { name: bytes(3), ends: array(POINT, 2), after: u8 });
  assert.deepEqual({ ...LINE.offset }, { name: 0, ends: 4, after: 20 });
  assert.equal(LINE.size, 24);
  const encoded = LINE.encode({ ends: [{ x: 1, y: 2 }, { x: 3, y: 4 }], after: 5 });
  assert.deepEqual([...encoded], [0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0]);
  const view = LINE.view(encoded);
  assert.deepEqual([view.ends[1]!.x, view.ends[1]!.y, view.after], [3, 4, 5]);
  view.ends[0]!.y = 0x01020304;
  assert.equal(encoded[8], 4, "a member of a member is live");
});

Deno.test("views read and write the bytes they are over, anywhere in a buffer", () => {
  const PAIR = struct("pair", { low: u16, high: i32 });
  const buffer = new Uint8Array(64);
  const view = PAIR.view(buffer.subarray(16), 4);
  view.low = 0xabcd;
  view.high = -2;
  assert.deepEqual([...buffer.subarray(20, 28)], [0xcd, 0xab, 0, 0, 0xfe, 0xff, 0xff, 0xff]);
  buffer[20] = 0;
  assert.equal(view.low, 0xab00);
  const shared = new SharedArrayBuffer(8);
  PAIR.view(shared).low = 7;
  assert.equal(new Uint8Array(shared)[0], 7);
});

Deno.test("views refuse what their structure does not fit into", () => {
  const PAIR = struct("pair", { low: u32, high: u32 });
  PAIR.view(new Uint8Array(16), 8);
  for (const at of [-1, 9, 16]) assert.throws(() => PAIR.view(new Uint8Array(16), at), /Cannot view pair/);
});

Deno.test("scalars hold their extremes, little-endian", () => {
  const cases: readonly (readonly [FieldType<number | bigint>, readonly (number | bigint)[]])[] = [
    [u8 as FieldType<number | bigint>, [0, 1, 0xff]],
    [u16 as FieldType<number | bigint>, [0, 0xffff]],
    [u32 as FieldType<number | bigint>, [0, 0x80000000, 0xffffffff]],
    [i32 as FieldType<number | bigint>, [0, -1, 0x7fffffff, -0x80000000]],
    [u64 as FieldType<number | bigint>, [0n, 2n ** 63n, 2n ** 64n - 1n]],
    [i64 as FieldType<number | bigint>, [0n, -1n, -(2n ** 63n)]],
    [addr64 as FieldType<number | bigint>, [0, 0xfee00000, 2 ** 53 - 1]],
  ];
  for (const [type, values] of cases) {
    const view = new DataView(new ArrayBuffer(16));
    for (const value of values) {
      type.set(view, 3, value);
      assert.equal(type.get(view, 3), value);
      assert.equal(view.getUint8(3), Number(BigInt(value) & 0xffn));
    }
  }
});

Deno.test("bytes pads a short value, refuses a long one, and may be given its own view", () => {
  const NAMED = struct("named", { name: bytes(4), rest: u8 });
  const whole = NAMED.encode({ name: Uint8Array.of(1, 2, 3, 4), rest: 9 });
  const view = NAMED.view(whole);
  const same = view.name;
  view.name = same;
  assert.deepEqual([...whole], [1, 2, 3, 4, 9], "assigning what is there changes nothing");
  view.name = view.name.subarray(2);
  assert.deepEqual([...whole], [3, 4, 0, 0, 9]);
  assert.throws(() => view.name = new Uint8Array(5), /Cannot store 5 bytes in 4/);
  assert.deepEqual([...whole], [3, 4, 0, 0, 9]);
});

Deno.test("array refuses too many members and leaves what a short one does not reach", () => {
  const LIST = struct("list", { items: array(u16, 3) });
  const whole = LIST.encode({ items: [1, 2, 3] });
  assert.throws(() => LIST.view(whole).items = [1, 2, 3, 4], RangeError);
  LIST.view(whole).items = [9];
  assert.deepEqual(LIST.view(whole).items, [9, 2, 3]);
});

Deno.test("struct gives the offsets of [SysV] 3.1.2 for any members, and encoding them is lossless", () => {
  const types = { u8, u16, u32, u64, b3: bytes(3), a2: array(u32, 2) } as Record<string, FieldType<unknown>>;
  const name = fc.constantFrom(...Object.keys(types));
  fc.assert(fc.property(fc.array(name, { minLength: 1, maxLength: 12 }), fc.boolean(), (names, packed) => {
    const members = Object.fromEntries(names.map((type, i) => [`m${i}`, types[type]!]));
    const described = struct("any", members, { packed });
    let end = 0;
    let most = 1;
    names.forEach((type, i) => {
      const { size, alignment } = types[type]!;
      const step = packed ? 1 : alignment;
      while (end % step !== 0) end++;
      assert.equal(described.offset[`m${i}`], end);
      end += size;
      most = Math.max(most, step);
    });
    while (end % most !== 0) end++;
    assert.equal(described.size, end);
    const noise = Uint8Array.from({ length: end }, (_, i) => i * 37 + 11 & 0xff);
    const view = described.view(noise);
    const copy = described.encode(Object.fromEntries(Object.keys(members).map((key) => [key, view[key]])));
    for (const key of Object.keys(members)) assert.deepEqual(described.view(copy)[key], view[key]);
  }));
});
