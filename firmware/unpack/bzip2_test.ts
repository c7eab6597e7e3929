import assert from "node:assert/strict";
import { ImageError } from "../../hvm/base/errors.ts";
import { BZIP2 } from "./_fixtures.ts";
import { fromBase64, sample } from "./_sample.ts";
import { unpackBzip2 } from "./bzip2.ts";

const LIMIT = 1 << 20;

Deno.test("unpackBzip2 joins streams", () => {
  const twice = unpackBzip2(Uint8Array.of(...BZIP2, ...BZIP2), LIMIT);
  assert.deepEqual(twice, Uint8Array.of(...sample(), ...sample()));
});

Deno.test("unpackBzip2 undoes long runs", () => {
  // `head -c 1000 /dev/zero | bzip2`
  const zeros = fromBase64("QlpoOTFBWSZTWQHo0GAAAAHAAcAAAIAACCAAIKptQZi6g8XckU4UJAB6NBgA");
  assert.deepEqual(unpackBzip2(zeros, LIMIT), new Uint8Array(1000));
});

Deno.test("unpackBzip2 of nothing gives nothing", () => {
  // `bzip2 </dev/null`
  assert.equal(unpackBzip2(fromBase64("QlpoORdyRThQkAAAAAA="), LIMIT).length, 0);
});

Deno.test("unpackBzip2 refuses randomised blocks and wrong levels", () => {
  const randomised = BZIP2.slice();
  randomised[14]! |= 0x80;
  assert.throws(() => unpackBzip2(randomised, LIMIT), /randomised/);
  const level = BZIP2.slice();
  level[3] = 0x30;
  assert.throws(() => unpackBzip2(level, LIMIT), ImageError);
});

Deno.test("unpackBzip2 gives no memory beyond its limit", () => {
  assert.throws(() => unpackBzip2(BZIP2, 5999), /more than it should/);
});
