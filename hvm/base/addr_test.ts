import assert from "node:assert/strict";
import fc from "fast-check";
import { ADDRESS_LIMIT, FOUR_GIB, high32, join32, low32, offsetIn, PAGE_SIZE, pageOf } from "./addr.ts";

const EDGES = [
  0,
  1,
  0xfff,
  0x1000,
  0x1001,
  0x7fffffff,
  0x80000000,
  0xffffffff,
  FOUR_GIB,
  FOUR_GIB + 1,
  ADDRESS_LIMIT - 1,
];

Deno.test("pageOf and offsetIn split an address into page and offset, above 4 GiB too", () => {
  for (const address of EDGES) {
    assert.equal(BigInt(pageOf(address)), BigInt(address) >> 12n);
    assert.equal(BigInt(offsetIn(address)), BigInt(address) & 0xfffn);
  }
  assert.equal(pageOf(ADDRESS_LIMIT - 1), 2 ** 40 - 1);
});

Deno.test("low32, high32 and join32 are each other's inverse up to 2^53", () => {
  for (const address of EDGES) {
    assert.equal(BigInt(low32(address)), BigInt(address) & 0xffffffffn);
    assert.equal(BigInt(high32(address)), BigInt(address) >> 32n);
  }
  fc.assert(fc.property(fc.maxSafeNat(), (value) => {
    assert.equal(join32(high32(value), low32(value)), value);
    assert.equal(pageOf(value) * PAGE_SIZE + offsetIn(value), value);
  }));
});
