/**
 * What the transcendental functions are made of: 128-bit fixed-point numbers, reciprocals, power series.
 *
 * A fraction below 1 is held in units of 2^-128, a number below 2 in units of 2^-127, below 4 in units of 2^-126. The
 * upper half of the product of two such numbers is one with their integer places together. All errors are a few
 * units; a result of 64 bits is therefore wrong in its last place only where the exact value is nearer than about 2^-50
 * of a place to the middle between two neighbours.
 *
 * @module
 */

import type { FunctionEmitter, FunctionRef } from "../emit.ts";
import { type I32, i32, type I64, i64, select } from "../emit_value.ts";
import { type Core, helper, quad } from "./float80_core.ts";
import {
  addWide,
  divideWide,
  mulHigh,
  mulWide,
  shlWide,
  subWide,
  type Wide,
  wideConstant,
  type WideLocal,
  wideValue,
} from "./float80_wide.ts";

/** 1 in units of 2^-127. */
export const ONE_127: bigint = 1n << 127n;

/** The functions that others call. */
export interface WideFunctions {
  /** `(a, b) -> hi`, low half in `core.low`: the upper half of a product of two 128-bit numbers. */
  readonly multiply: FunctionRef;
  /** `(d) -> hi`: 1/d in units of 2^-127, d a fraction from 1/2 on. */
  readonly reciprocal: FunctionRef;
}

/** Adds them. */
export function wideFunctions(core: Core): WideFunctions {
  const multiply = helper(core, "multiply", ["i64", "i64", "i64", "i64"], ["i64"], (f, params) => {
    const [aHi, aLo, bHi, bLo] = [quad(params[0]), quad(params[1]), quad(params[2]), quad(params[3])];
    const top = mulWide(f, aHi, bHi);
    const cross = addWide(f, { hi: i64(0), lo: mulHigh(f, aHi, bLo) }, {
      hi: i64(0),
      lo: mulHigh(f, aLo, bHi),
    });
    const sum = addWide(f, top, cross);
    f.put(core.low.set(sum.lo));
    f.return(sum.hi);
  });
  const reciprocal = helper(core, "reciprocal", ["i64", "i64"], ["i64"], (f, params) => {
    const d = { hi: quad(params[0]), lo: quad(params[1]) };
    // 63 bits by division, and one step of Newton's: y + y (1 - d y).
    const start = divideWide(f, { hi: i64((1n << 63n) - 1n), lo: i64(-1) }, d.hi).quotient;
    const y = { hi: start, lo: i64(0) };
    const error = subWide(
      f,
      wideConstant(ONE_127),
      multiplyWide(f, core, { multiply, reciprocal: multiply }, d, y),
    );
    const below = f.let(error.hi.shrS(63));
    const size = negateIf(f, error, below);
    const step = shlWide(f, multiplyWide(f, core, { multiply, reciprocal: multiply }, y, size), i64(1));
    const result = addWide(f, y, negateIf(f, step, below));
    f.put(core.low.set(result.lo));
    f.return(result.hi);
  });
  return { multiply, reciprocal };
}

/** The upper half of a product. */
export function multiplyWide(f: FunctionEmitter, core: Core, wide: WideFunctions, a: Wide, b: Wide): Wide {
  const hi = f.let(f.call(wide.multiply, a.hi, a.lo, b.hi, b.lo) as I64);
  return { hi, lo: f.let(core.low.value) };
}

/** 1/d; see {@linkcode WideFunctions}. */
export function reciprocalWide(f: FunctionEmitter, core: Core, wide: WideFunctions, d: Wide): Wide {
  const hi = f.let(f.call(wide.reciprocal, d.hi, d.lo) as I64);
  return { hi, lo: f.let(core.low.value) };
}

/** The negative where `mask` is all ones, the value itself where it is 0. */
export function negateIf(f: FunctionEmitter, value: Wide, mask: I64): Wide {
  const flipped = { hi: f.let(value.hi.xor(mask)), lo: f.let(value.lo.xor(mask)) };
  return subWide(f, flipped, { hi: mask, lo: mask });
}

/** Shifts a number that is not 0 up until bit 127 is set; gives the count of places. */
export function normaliseWide(f: FunctionEmitter, local: WideLocal): I32 {
  const { hi, lo } = wideValue(local);
  const places = f.local("i32");
  f.set(places, i32(0));
  f.if(hi.eqz(), () => {
    f.set(local.hi, lo);
    f.set(local.lo, i64(0));
    f.set(places, i32(64));
  });
  const count = f.let(hi.clz());
  const shifted = shlWide(f, wideValue(local), count);
  f.set(local.hi, shifted.hi);
  f.set(local.lo, shifted.lo);
  return f.let(places.value.add(count.toI32()));
}

/**
 * The sum of coefficients times powers of `z`, by Horner's rule.
 * @param z a fraction in units of 2^-128.
 * @param coefficients in units of 2^-127, falling fast enough that every partial sum lies from 0 to 2.
 * @param minus all ones where the signs of the terms alternate, 0 where all are positive.
 */
export function polynomial(
  f: FunctionEmitter,
  core: Core,
  wide: WideFunctions,
  series: { z: Wide; coefficients: readonly bigint[]; minus: I64 },
): Wide {
  const { z, coefficients, minus } = series;
  const sum = { hi: f.local("i64"), lo: f.local("i64") };
  const set = (value: Wide) => {
    f.set(sum.hi, value.hi);
    f.set(sum.lo, value.lo);
  };
  set(wideConstant(coefficients.at(-1) ?? 0n));
  for (const coefficient of coefficients.slice(0, -1).reverse()) {
    f.scope(() => {
      const term = multiplyWide(f, core, wide, z, wideValue(sum));
      const signed = minus.known === 0n ? term : negateIf(f, term, minus);
      set(addWide(f, wideConstant(coefficient), signed));
    });
  }
  return wideValue(sum);
}

/** One unit less, for a series that stays below its first term: it never rounds to it. */
export function justBelow(f: FunctionEmitter, value: Wide): Wide {
  return subWide(f, value, { hi: i64(0), lo: i64(1) });
}

/** The lowest bit set: whatever it was, the value is not exact. */
export function inexact(value: Wide): Wide {
  return { hi: value.hi, lo: value.lo.or(1) };
}

/** `yes` or `no`, halves together. */
export function selectWide(f: FunctionEmitter, condition: I32, yes: Wide, no: Wide): Wide {
  const chosen = f.let(condition);
  return { hi: f.let(select(chosen, yes.hi, no.hi)), lo: f.let(select(chosen, yes.lo, no.lo)) };
}

/** Coefficients `1 / divisor(k)` in units of 2^-127, as many as count where z is at most `largest`. */
export function reciprocals(divisor: (k: number) => bigint, largest: number): bigint[] {
  const list: bigint[] = [];
  for (let k = 0; k < 64; k++) {
    const coefficient = (ONE_127 + divisor(k) / 2n) / divisor(k);
    if (Number(coefficient) * largest ** k < 0.5) break;
    list.push(coefficient);
  }
  return list;
}

/** n! */
export function factorial(n: number): bigint {
  let product = 1n;
  for (let i = 2n; i <= BigInt(n); i++) product *= i;
  return product;
}
