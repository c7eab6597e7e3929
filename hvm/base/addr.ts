/**
 * Page and offset arithmetic on physical addresses.
 *
 * A physical address has at most 52 bits and travels as a plain number; JavaScript's bit operators cut to 32 bits, so
 * they are never used on one: these functions are.
 * @module
 */

/** Bytes in the smallest page. [SDM] vol. 3A, 4.1 */
export const PAGE_SIZE = 4096;

/** One past the highest address that fits 32 bits. */
export const FOUR_GIB = 2 ** 32;

/** One past the highest guest-physical address: MAXPHYADDR is at most 52. [SDM] vol. 3A, 4.1.4 */
export const ADDRESS_LIMIT = 2 ** 52;

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

/** The number of the page that holds `address`. */
export function pageOf(address: number): number {
  return Math.floor(address / PAGE_SIZE);
}

/** The offset of `address` within its page. */
export function offsetIn(address: number): number {
  return address % PAGE_SIZE;
}

/** The low 32 bits of an address or length. */
export function low32(value: number): number {
  return value % FOUR_GIB;
}

/** The bits of an address or length above the low 32. */
export function high32(value: number): number {
  return Math.floor(value / FOUR_GIB);
}

/** An address from its two 32-bit halves; exact up to 2^53. */
export function join32(high: number, low: number): number {
  return high * FOUR_GIB + low;
}
