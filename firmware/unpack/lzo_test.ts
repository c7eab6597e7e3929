import assert from "node:assert/strict";
import fc from "fast-check";
import { ImageError } from "../../hvm/base/errors.ts";
import { LZO } from "./_fixtures.ts";
import { adler32 } from "./checksum.ts";
import { LZOP_MAGIC, unpackLzo } from "./lzo.ts";

const LIMIT = 1 << 20;
const u32be = (value: number) => [value >>> 24, value >>> 16 & 0xff, value >>> 8 & 0xff, value & 0xff];

/** A file of blocks, each with the Adler-32 of its content. [LZOP] */
function file(blocks: { packed: number[]; content: number[] }[], { flags = 1, method = 1 } = {}): Uint8Array {
  const header = [
    0x10,
    0x40,
    0x20,
    0xa0,
    0x09,
    0x40,
    method,
    5,
    ...u32be(flags),
    ...new Array<number>(12).fill(0),
    0,
  ];
  return Uint8Array.from([
    ...LZOP_MAGIC,
    ...header,
    ...u32be(adler32(Uint8Array.from(header))),
    ...blocks.flatMap(({ packed, content }) => [
      ...u32be(content.length),
      ...u32be(packed.length),
      ...u32be(adler32(Uint8Array.from(content))),
      ...packed,
    ]),
    ...u32be(0),
  ]);
}

const END = [0x11, 0, 0];

Deno.test("unpackLzo takes stored blocks", () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.nat(255), { minLength: 1, maxLength: 50 }), { maxLength: 4 }),
      (parts) => {
        const bytes = file(parts.map((content) => ({ packed: content, content })));
        assert.deepEqual(unpackLzo(bytes, LIMIT), Uint8Array.from(parts.flat()));
      },
    ),
  );
});

Deno.test("unpackLzo reads each kind of instruction [LZO]", () => {
  const run = (packed: number[], content: number[]) =>
    assert.deepEqual(
      unpackLzo(file([{ packed: [...packed, ...END], content }]), LIMIT),
      Uint8Array.from(content),
    );
  const [a, b, c, d] = [65, 66, 67, 68];
  const times = (count: number, byte: number) => new Array<number>(count).fill(byte);
  // 21: four literals; 001LLLLL with L 0: length 2 + 31 + 9, distance from two bytes
  run([21, a, b, c, d, 0x20, 9, 0, 0], [a, b, c, d, ...times(42, d)]);
  // 011DDDSS: length 4 at distance 3; its low bits say one literal follows; then a run to make it worth packing
  run([21, a, b, c, d, 0x60 | 2 << 2 | 1, 0, a, 0x20 | 31, 0, 0], [
    a,
    b,
    c,
    d,
    b,
    c,
    d,
    b,
    a,
    ...times(33, a),
  ]);
  // 1LLDDDSS: length 5 + L at distance 4
  run([21, a, b, c, d, 0x80 | 3 << 5 | 3 << 2, 0, 0x20 | 31, 0, 0], [...[a, b, c, d], ...[a, b, c, d], ...[
    a,
    b,
    c,
    d,
  ], ...times(33, d)]);
  // 0000DDSS after one literal: two bytes from distance 1
  run([18, a, 0x00, 0, 0x20 | 31, 0, 0], times(36, a));
  // 0000LLLL after none: 3 + L literals; 0000DDSS after four or more: three bytes from distance 2049 and up
  run([21, a, b, c, d, 0x20, ...times(7, 0), 224, 0, 0, 1, ...times(4, a), 0x00, 0], [
    ...[a, b, c, d],
    ...times(2 + 31 + 7 * 255 + 224, d),
    ...times(4, a),
    ...[b, c, d],
  ]);
  // 0001HLLL: from distance 16384 + 1 and up
  run([21, a, b, c, d, 0x20, ...times(65, 0), 1, 0, 0, 0x10 | 1, 4, 0], [
    ...[a, b, c, d],
    ...times(2 + 31 + 65 * 255 + 1, d),
    ...times(3, d),
  ]);
});

Deno.test("unpackLzo refuses what breaks the format", () => {
  const block = (packed: number[], size: number) =>
    file([{ packed, content: new Array<number>(size).fill(65) }]);
  const cases: Record<string, Uint8Array> = {
    "a distance before the start": block([18, 65, 0x60, 1, ...END], 9),
    "no end marker": block([21, 65, 65, 65, 65], 9),
    "bytes after the end marker": block([21, 65, 65, 65, 65, ...END, 0], 9),
    "less than it claims": block([21, 65, 65, 65, 65, ...END], 9),
    "more than it claims": block([25, ...new Array<number>(8).fill(65)], 10).fill(0x20, 60),
    "a filter": file([], { flags: 0x801 }),
    "an unknown method": file([], { method: 9 }),
  };
  for (const [name, bytes] of Object.entries(cases)) {
    assert.throws(() => unpackLzo(bytes, LIMIT), ImageError, name);
  }
});

Deno.test("unpackLzo checks content against its checksum", () => {
  const bytes = file([{ packed: [1, 2, 3], content: [1, 2, 3] }]);
  bytes[bytes.length - 5]! ^= 1;
  assert.throws(() => unpackLzo(bytes, LIMIT), /fails its check/);
});

Deno.test("unpackLzo gives no memory beyond its limit", () => {
  assert.throws(() => unpackLzo(LZO, 5999), /larger than it can be/);
});
