/**
 * Bit masks, fields taken by mask, alignment and hex text, for values held as plain numbers.
 *
 * `field`, `withField` and `bit` work on 32-bit values; the alignment helpers and `hex` work on any safe integer
 * (52-bit physical addresses included).
 * @module
 */

/** The lowest `width` bits set; `width` 0 to 32. */
export function mask(width: number): number {
  return width >= 32 ? 0xffffffff : (1 << width) - 1 >>> 0;
}

/** The field of `value` under the contiguous `fieldMask`, moved down to bit 0. */
export function field(value: number, fieldMask: number): number {
  return (value & fieldMask) >>> shiftOf(fieldMask);
}

/** `value` with the field under `fieldMask` replaced by `content`. */
export function withField(value: number, fieldMask: number, content: number): number {
  return ((value & ~fieldMask) | ((content << shiftOf(fieldMask)) & fieldMask)) >>> 0;
}

/** `value` with the bits of `bits` set or cleared. */
export function withBits(value: number, bits: number, on: boolean): number {
  return (on ? value | bits : value & ~bits) >>> 0;
}

/** The position of the lowest set bit of a non-zero 32-bit mask. */
export function shiftOf(fieldMask: number): number {
  return 31 - Math.clz32(fieldMask & -fieldMask);
}

/** The low `width` bits of `value` as a two's complement number; `width` 1 to 32. */
export function signExtend(value: number, width: number): number {
  const unused = 32 - width;
  return value << unused >> unused;
}

/** True for 1, 2, 4, 8, ... */
export function isPowerOfTwo(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0 && 2 ** Math.round(Math.log2(value)) === value;
}

/** The greatest multiple of `alignment` that is not above `value`. */
export function alignDown(value: number, alignment: number): number {
  return value - value % alignment;
}

/** The least multiple of `alignment` that is not below `value`. */
export function alignUp(value: number, alignment: number): number {
  return alignDown(value + alignment - 1, alignment);
}

/** `0x` and at least `digits` lower-case hexadecimal digits. */
export function hex(value: number | bigint, digits = 1): string {
  return `0x${value.toString(16).padStart(digits, "0")}`;
}

/** Bytes as two-digit hexadecimal numbers, separated by spaces. */
export function hexBytes(bytes: Iterable<number>): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}
