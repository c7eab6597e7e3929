/**
 * F2XM1: two to the power of x, less one.
 *
 * Computed as x ln 2 (1 + y/2! + y^2/3! + ...) with y = x ln 2, which keeps small arguments exact. Outside -1 to 1,
 * where the architecture defines nothing, the argument comes back, as on AMD processors.
 *
 * Sources: [SDM] Intel SDM vol. 2A, F2XM1; vol. 1, 8.3.10 (transcendental accuracy).
 * @module
 */

import type { FunctionRef } from "../emit.ts";
import { type I32, i32, i64, select } from "../emit_value.ts";
import {
  BIAS,
  type Core,
  FSW,
  fullPrecision,
  give,
  INTEGER_BIT,
  operand,
  publish,
  raise,
  SIGN,
  word,
} from "./float80_core.ts";
import {
  giveZero,
  isInfinite,
  isOrdinary,
  isZero,
  type NanFunctions,
  normalise,
  raiseDenormal,
  unpack,
} from "./float80_nan.ts";
import {
  factorial,
  inexact,
  multiplyWide,
  normaliseWide,
  polynomial,
  reciprocals,
  type WideFunctions,
} from "./float80_series.ts";
import { shiftRightSticky, wideConstant, wideLocal, wideValue } from "./float80_wide.ts";

/** ln 2 in units of 2^-128. */
const LN_2 = 0xb17217f7_d1cf79ab_c9e3b398_03f2f6afn;
const SERIES = reciprocals((k) => factorial(k + 1), 0.7);

/** Adds `f2xm1`, `(x, control) -> sig`. */
export function exp2Function(
  core: Core,
  round: FunctionRef,
  nans: NanFunctions,
  wide: WideFunctions,
): FunctionRef {
  return publish(core, "f2xm1", ["i64", "i32", "i32"], ["i64"], (f, params) => {
    const given = operand(params[0], params[1]);
    const x = unpack(f, given);
    f.if(isOrdinary(x).eqz(), () => {
      f.if(f.call(nans.odd, given.sig, given.se) as I32, () => {
        f.returnCall(nans.propagate1, given.sig, given.se);
      });
      f.if(isZero(x), () => giveZero(f, core, x.sign));
      f.if(isInfinite(x), () => give(f, core, INTEGER_BIT, select(x.sign, x.sign.or(BIAS), given.se)));
      raiseDenormal(f, core, x);
      normalise(f, x);
    });
    f.if(x.exponent.value.geS(BIAS), () => {
      // 1 and -1 are exact, and inexact all the same.
      raise(f, core, FSW.PE);
      const minusOne = given.se.eq(SIGN | BIAS).and(given.sig.eq(INTEGER_BIT));
      give(f, core, given.sig, given.se.sub(minusOne));
    });
    const product = multiplyWide(f, core, wide, { hi: x.sig.value, lo: i64(0) }, wideConstant(LN_2));
    // x is below 2^(exponent + 1), so the product, a fraction so far, is y less that power.
    const y = wideLocal(f, product);
    const scale = f.let(x.exponent.value.sub(BIAS - 1));
    const places = normaliseWide(f, y);
    const fixed = wideLocal(f, product);
    shiftRightSticky(f, fixed, f.let(i32(0).sub(scale)));
    const minus = f.let(i64(0).sub(x.sign.ne(0).toI64U()));
    const sum = polynomial(f, core, wide, { z: wideValue(fixed), coefficients: SERIES, minus });
    const result = wideLocal(f, multiplyWide(f, core, wide, wideValue(y), sum));
    const more = normaliseWide(f, result);
    const { hi, lo } = inexact(wideValue(result));
    // y is a fraction of 2^-places, the sum has one place before the point.
    const exponent = scale.add(BIAS).sub(places).sub(more);
    f.returnCall(round, x.sign, exponent, hi, lo, fullPrecision(word(params[2])));
  });
}
