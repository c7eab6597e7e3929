import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { ImageError } from "../../hvm/base/errors.ts";
import { XZ, XZ_BLOCKS, XZ_DENSE } from "./_fixtures.ts";
import { dense, sample } from "./_sample.ts";
import { unpackXz } from "./xz.ts";

const LIMIT = 1 << 20;
const u32 = (value: number) => [value & 0xff, value >>> 8 & 0xff, value >>> 16 & 0xff, value >>> 24];
const withCrc = (bytes: number[]) => [...bytes, ...u32(crc32(Uint8Array.from(bytes)))];
const padded = (bytes: number[]) => [...bytes, ...new Array<number>(-bytes.length & 3).fill(0)];

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [value & 0x7f | 0x80, ...varint(value >>> 7)];
}

/** LZMA2 chunks of content as it is, at most 64 KiB each. [XZ] 5.3.1 */
function storedChunks(content: Uint8Array, chunk: number): number[] {
  const bytes: number[] = [];
  for (let at = 0; at < content.length; at += chunk) {
    const part = content.subarray(at, at + chunk);
    bytes.push(at === 0 ? 1 : 2, part.length - 1 >>> 8, part.length - 1 & 0xff, ...part);
  }
  return [...bytes, 0];
}

/** A whole file of one block. [XZ] 2.1 */
function stored(
  content: Uint8Array,
  {
    chunk = 0x10000,
    filter = [0x21, 1, 8],
    uncompressed = content.length,
    data = storedChunks(content, chunk),
  } = {},
): Uint8Array {
  const flags = [0, 1]; // CRC-32
  const header = withCrc(padded([2, 0, ...filter, 0, 0, 0].slice(0, 8)));
  header[0] = header.length / 4 - 1;
  const blockHeader = withCrc([header[0]!, ...header.slice(1, -4)]);
  const unpadded = blockHeader.length + data.length + 4;
  const block = [...padded([...blockHeader, ...data]), ...u32(crc32(content))];
  const index = withCrc(padded([0, 1, ...varint(unpadded), ...varint(uncompressed)]));
  const footer = [...u32(index.length / 4 - 1), ...flags];
  return Uint8Array.from([
    ...[0xfd, 0x37, 0x7a, 0x58, 0x5a, 0],
    ...withCrc(flags),
    ...block,
    ...index,
    ...u32(crc32(Uint8Array.from(footer))),
    ...footer,
    0x59,
    0x5a,
  ]);
}

Deno.test("unpackXz reads stored chunks as the format lays them out [XZ] 5.3.1", () => {
  const content = fc.uint8Array({ minLength: 1, maxLength: 2000 });
  fc.assert(fc.property(content, fc.integer({ min: 1, max: 500 }), (bytes, chunk) => {
    assert.deepEqual(unpackXz(stored(bytes, { chunk }), LIMIT, bytes.length), bytes);
  }));
});

Deno.test("unpackXz undoes the x86 filter where opcodes crowd together [BCJ]", () => {
  assert.deepEqual(unpackXz(XZ_DENSE, LIMIT, 4000), dense());
});

Deno.test("unpackXz detects every single flipped bit [XZ] 6", () => {
  for (const file of [XZ_BLOCKS, stored(sample().subarray(0, 100))]) {
    const damaged = file.slice();
    for (let at = 0; at < file.length; at++) {
      damaged[at]! ^= 1 << at * 5 % 8;
      assert.throws(() => unpackXz(damaged, LIMIT), ImageError, `byte ${at}`);
      damaged[at] = file[at]!;
    }
  }
});

Deno.test("unpackXz takes padding behind the stream, in fours [XZ] 2.2", () => {
  assert.deepEqual(unpackXz(Uint8Array.of(...XZ, 0, 0, 0, 0), LIMIT), sample());
  assert.throws(() => unpackXz(Uint8Array.of(...XZ, 0), LIMIT), ImageError);
});

Deno.test("unpackXz names a filter it does not know", () => {
  assert.throws(() => unpackXz(stored(sample(), { filter: [0x03, 1, 0] }), LIMIT), /filter 3,/);
});

Deno.test("unpackXz refuses sizes that contradict each other", () => {
  const content = sample().subarray(0, 64);
  for (const uncompressed of [0, 63, 65, 1000]) {
    assert.throws(() => unpackXz(stored(content, { uncompressed }), LIMIT), ImageError, `${uncompressed}`);
  }
  assert.throws(() => unpackXz(stored(content, { uncompressed: LIMIT + 1 }), LIMIT), /larger than it can be/);
});

Deno.test("unpackXz refuses chunks that make no sense", () => {
  const content = Uint8Array.of(7);
  const cases: [RegExp, number[]][] = [
    [/begins in the middle/, [2, 0, 0, 7, 0]],
    [/begins in the middle/, [0xc0, 0, 0, 0, 4, 0x5d, 0, 0, 0, 0, 0, 0]],
    [/begins in the middle/, [1, 0, 0, 7, 0xa0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0]],
    [/begins in the middle/, [1, 0, 0, 7, 0x80, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0]],
    [/no known kind/, [3, 0, 0, 7, 0]],
    [/ends early/, [1, 0, 0, 7]],
    [/ends early/, []],
    [/bytes after its end marker/, [1, 0, 0, 7, 0, 0]],
    [/properties out of range/, [0xe0, 0, 0, 0, 4, 225, 0, 0, 0, 0, 0, 0]],
    [/properties out of range/, [0xe0, 0, 0, 0, 4, 4 + 9 * 1, 0, 0, 0, 0, 0, 0]],
  ];
  for (const [message, data] of cases) {
    assert.throws(() => unpackXz(stored(content, { data }), LIMIT), { name: "ImageError", message });
  }
});
