/**
 * The number schemas that device states are made of.
 *
 * Only `x_state.ts` files import this: schemas run on the main thread, so a vCPU's worker never loads zod.
 * @module
 */

import * as z from "zod/mini";

/** A whole number from `low` to `high`. */
export function within(low: number, high: number): z.ZodMiniNumber {
  return z.int().check(z.gte(low), z.lte(high));
}

/** A register of `width` bits. */
export function bits(width: number): z.ZodMiniNumber {
  return within(0, 2 ** width - 1);
}

/** A 32-bit register in which only the bits of `allowed` can be set. */
export function bitsOf(allowed: number): z.ZodMiniNumber {
  return bits(32).check(z.refine((value) => (value & ~allowed) === 0, "reserved bits are set"));
}

/** `length` bytes as lower-case hexadecimal digits. */
export function hexOf(length: number): z.ZodMiniString {
  return z.string().check(z.regex(new RegExp(`^[0-9a-f]{${length * 2}}$`)));
}
