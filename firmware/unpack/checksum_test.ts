import assert from "node:assert/strict";
import { crc32 as zlibCrc32 } from "node:zlib";
import fc from "fast-check";
import { adler32, crc32, crc64 } from "./checksum.ts";

const ascii = (text: string) => new TextEncoder().encode(text);

Deno.test("checksums have their published check values", () => {
  assert.equal(crc32(ascii("123456789")), 0xcbf43926);
  assert.deepEqual(crc64(ascii("123456789")), { high: 0x995dc9bb, low: 0xdf1939fa });
  assert.equal(adler32(ascii("Wikipedia")), 0x11e60398);
});

Deno.test("checksums of nothing", () => {
  const none = new Uint8Array(0);
  assert.equal(crc32(none), 0);
  assert.deepEqual(crc64(none), { high: 0, low: 0 });
  assert.equal(adler32(none), 1);
});

Deno.test("crc32 agrees with zlib at every length and offset", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(7), (bytes, skip) => {
    assert.equal(crc32(bytes.subarray(skip)), zlibCrc32(bytes.subarray(skip)));
  }));
});

Deno.test("adler32 does not overflow on long runs of FFh", () => {
  const bytes = new Uint8Array(100_000).fill(0xff);
  let [a, b] = [1n, 0n];
  for (const byte of bytes) b += a += BigInt(byte);
  assert.equal(BigInt(adler32(bytes)), (b % 65521n) << 16n | a % 65521n);
});
