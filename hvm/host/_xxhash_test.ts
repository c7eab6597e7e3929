import assert from "node:assert/strict";
import { xxh32 } from "./_xxhash.ts";

/** The generator of the reference implementation's own checks, with the sums it lists for seeds 0 and PRIME_1. */
function sanityBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = 2654435761n;
  for (let i = 0; i < length; i++) {
    bytes[i] = Number(state >> 56n & 0xffn);
    state = state * 11400714785074694797n & 0xffff_ffff_ffff_ffffn;
  }
  return bytes;
}

Deno.test("xxh32 gives the published sums of texts", () => {
  const sum = (text: string, seed = 0) => xxh32(new TextEncoder().encode(text), seed);
  assert.equal(sum(""), 0x02cc5d05);
  assert.equal(sum("a"), 0x550d7456);
  assert.equal(sum("abc"), 0x32d153ff);
  assert.equal(sum("Nobody inspects the spammish repetition"), 0xe2293b2f);
});

Deno.test("xxh32 changes with each byte of every length up to three stripes", () => {
  for (let length = 1; length <= 48; length++) {
    const bytes = sanityBytes(length);
    const whole = xxh32(bytes);
    for (let at = 0; at < length; at++) {
      const damaged = bytes.slice();
      damaged[at] = damaged[at]! ^ 1;
      assert.notEqual(xxh32(damaged), whole, `length ${length}, byte ${at}`);
    }
  }
});
