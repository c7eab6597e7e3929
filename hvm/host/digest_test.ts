import assert from "node:assert/strict";
import { digestOf } from "./digest.ts";

Deno.test("digestOf is SHA-256 of its parts in a row, shared memory and long ones included", async () => {
  const abc = new TextEncoder().encode("abc");
  // [FIPS 180-4] example of SHA-256
  const known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  assert.equal(await digestOf(abc), known);
  const shared = new Uint8Array(new SharedArrayBuffer(3));
  shared.set(abc);
  assert.equal(await digestOf(shared.subarray(0, 1), shared.subarray(1)), known);
  // A million times the letter a. [FIPS 180-4] the third example
  assert.equal(
    await digestOf(new Uint8Array(1_500_000).fill(0x61).subarray(0, 1_000_000)),
    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
  );
});
