import assert from "node:assert/strict";
import fc from "fast-check";
import {
  alignDown,
  alignUp,
  field,
  hex,
  hexBytes,
  isPowerOfTwo,
  mask,
  shiftOf,
  signExtend,
  withBits,
  withField,
} from "./bits.ts";

const u32 = fc.nat(0xffffffff);
/** A contiguous, non-empty mask of 32 bits: width and position. */
const fields = fc.integer({ min: 1, max: 32 }).chain((width) =>
  fc.tuple(fc.constant(width), fc.integer({ min: 0, max: 32 - width }))
);

Deno.test("mask sets the lowest bits, for every width", () => {
  for (let width = 0; width <= 32; width++) assert.equal(mask(width), 2 ** width - 1);
});

Deno.test("shiftOf is the position of the lowest set bit, for every bit", () => {
  for (let bit = 0; bit < 32; bit++) {
    assert.equal(shiftOf(2 ** bit), bit);
    assert.equal(shiftOf(0xffffffff - (2 ** bit - 1)), bit);
  }
});

Deno.test("field and withField take and replace what a mask covers, bit 31 included", () => {
  assert.equal(field(0xffffffff, 0xf0000000), 0xf);
  assert.equal(field(0x80000000, 0x80000000), 1);
  assert.equal(field(0xffffffff, 0xffffffff), 0xffffffff);
  assert.equal(withField(0, 0xf0000000, 0xf), 0xf0000000);
  assert.equal(withField(0xffffffff, 0x00ff0000, 0), 0xff00ffff);
  fc.assert(fc.property(u32, u32, fields, (value, content, [width, shift]) => {
    const fieldMask = Number((2n ** BigInt(width) - 1n) << BigInt(shift));
    const model = BigInt(value) >> BigInt(shift) & (2n ** BigInt(width) - 1n);
    assert.equal(BigInt(field(value, fieldMask)), model);
    const replaced = withField(value, fieldMask, content);
    assert.equal(BigInt(field(replaced, fieldMask)), BigInt(content) & (2n ** BigInt(width) - 1n));
    assert.equal(BigInt(replaced) & ~BigInt(fieldMask), BigInt(value) & ~BigInt(fieldMask));
  }));
});

Deno.test("withBits sets and clears and leaves the rest", () => {
  assert.equal(withBits(0, 0x80000000, true), 0x80000000);
  assert.equal(withBits(0xffffffff, 0x80000001, false), 0x7ffffffe);
  assert.equal(withBits(0x5, 0x2, true), 0x7);
  assert.equal(withBits(0x5, 0x2, false), 0x5);
});

Deno.test("signExtend reads two's complement of every width", () => {
  for (let width = 1; width <= 32; width++) {
    const top = 2 ** (width - 1);
    assert.equal(signExtend(0, width), 0);
    assert.equal(signExtend(top - 1, width), top - 1);
    assert.equal(signExtend(top, width), -top);
    assert.equal(signExtend(2 ** width - 1, width), -1);
  }
  assert.equal(signExtend(0xffffff80, 8), -128, "bits above the width do not count");
});

Deno.test("isPowerOfTwo knows all powers and their neighbours", () => {
  for (let power = 0; power <= 52; power++) {
    assert.ok(isPowerOfTwo(2 ** power), `2^${power}`);
    if (power > 1) {
      assert.ok(!isPowerOfTwo(2 ** power - 1) && !isPowerOfTwo(2 ** power + 1), `beside 2^${power}`);
    }
  }
  for (const value of [0, -1, -2, 0.5, 1.5, NaN, Infinity, 2 ** 53]) {
    assert.ok(!isPowerOfTwo(value), `${value}`);
  }
});

Deno.test("alignDown and alignUp bracket a value by multiples, above 32 bits too", () => {
  assert.equal(alignDown(2 ** 40 + 5, 4096), 2 ** 40);
  assert.equal(alignUp(2 ** 40 + 5, 4096), 2 ** 40 + 4096);
  assert.equal(alignUp(0, 4096), 0);
  fc.assert(fc.property(fc.nat(2 ** 48), fc.integer({ min: 1, max: 2 ** 20 }), (value, alignment) => {
    const low = alignDown(value, alignment);
    const high = alignUp(value, alignment);
    assert.ok(low % alignment === 0 && low <= value && value - low < alignment);
    assert.ok(high % alignment === 0 && high >= value && high - value < alignment);
  }));
});

Deno.test("hex and hexBytes print lower case with leading zeros", () => {
  assert.equal(hex(0), "0x0");
  assert.equal(hex(0xfee00000), "0xfee00000");
  assert.equal(hex(0xab, 4), "0x00ab");
  assert.equal(hex(0xffffffffffffffffn), "0xffffffffffffffff");
  assert.equal(hexBytes([0, 0x0f, 0xff]), "00 0f ff");
  assert.equal(hexBytes([]), "");
});
