import assert from "node:assert/strict";
import fc from "fast-check";
import { ImageError } from "../../hvm/base/errors.ts";
import { unpackLz4 } from "./lz4.ts";

const LIMIT = 1 << 20;
const u32 = (value: number) => [value & 0xff, value >>> 8 & 0xff, value >>> 16 & 0xff, value >>> 24];
const frame = (...blocks: number[][]) =>
  Uint8Array.from([
    ...u32(0x184c2102),
    ...blocks.flatMap((block) => [...u32(block.length), ...block]),
  ]);

/** A length of 15 or more goes on in bytes of 255 and a last smaller one. [LZ4B] */
function more(length: number): number[] {
  const bytes: number[] = [];
  for (let rest = length - 15; rest >= 0; rest -= 255) bytes.push(Math.min(rest, 255));
  return bytes;
}

/** A sequence as the format description lays it out. */
function sequence(literals: number[], match?: { distance: number; length: number }): number[] {
  const matchField = match === undefined ? 0 : Math.min(match.length - 4, 15);
  return [
    Math.min(literals.length, 15) << 4 | matchField,
    ...more(literals.length),
    ...literals,
    ...match === undefined ? [] : [match.distance & 0xff, match.distance >>> 8, ...more(match.length - 4)],
  ];
}

Deno.test("unpackLz4 copies literals and overlapping matches of every length [LZ4B]", () => {
  const literals = fc.array(fc.nat(255), { minLength: 1, maxLength: 40 });
  const step = fc.record({ literals, back: fc.nat(), length: fc.integer({ min: 4, max: 600 }) });
  fc.assert(fc.property(fc.array(step, { maxLength: 12 }), literals, (steps, last) => {
    const content: number[] = [];
    const block: number[] = [];
    for (const { literals, back, length } of steps) {
      content.push(...literals);
      const distance = back % content.length + 1;
      block.push(...sequence(literals, { distance, length }));
      for (let i = 0; i < length; i++) content.push(content[content.length - distance]!);
    }
    block.push(...sequence(last));
    content.push(...last);
    const bytes = frame(block);
    assert.deepEqual(unpackLz4(bytes, LIMIT, content.length), Uint8Array.from(content));
    assert.deepEqual(unpackLz4(bytes, LIMIT), Uint8Array.from(content));
  }));
});

Deno.test("unpackLz4 joins blocks and frames [LZ4F]", () => {
  const two = frame(sequence([1, 2]), sequence([3]));
  assert.deepEqual(unpackLz4(two, LIMIT), Uint8Array.of(1, 2, 3));
  assert.deepEqual(unpackLz4(Uint8Array.of(...two, ...two), LIMIT), Uint8Array.of(1, 2, 3, 1, 2, 3));
});

Deno.test("unpackLz4 refuses what breaks the format", () => {
  const cases: [string, Uint8Array][] = [
    ["a distance of 0", frame([...sequence([1], { distance: 0, length: 4 }), ...sequence([2])])],
    ["a distance before the start", frame([...sequence([1], { distance: 2, length: 4 }), ...sequence([2])])],
    ["a match across blocks", frame(sequence([1]), [...sequence([2], { distance: 2, length: 4 })])],
    ["half an offset", frame([0x10, 1, 1])],
    ["a length without an end", frame([0xf0, 255, 255])],
    ["an empty block", frame([])],
    ["another magic number", Uint8Array.of(4, 0x22, 0x4d, 0x18)],
    ["a block larger than the file", Uint8Array.of(...u32(0x184c2102), ...u32(0xffffffff), 0)],
  ];
  for (const [name, bytes] of cases) assert.throws(() => unpackLz4(bytes, LIMIT), ImageError, name);
});

Deno.test("unpackLz4 gives no memory beyond its limit", () => {
  const bytes = frame([...sequence([1], { distance: 1, length: 5000 }), ...sequence([2])]);
  assert.equal(unpackLz4(bytes, 5002).length, 5002);
  assert.throws(() => unpackLz4(bytes, 5001), /more than it should/);
});
