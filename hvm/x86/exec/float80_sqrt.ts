/**
 * Square root.
 *
 * Sources: [SDM] Intel SDM vol. 2A, FSQRT (table of results).
 * @module
 */

import type { FunctionEmitter, FunctionRef } from "../emit.ts";
import { i32, type I64, i64, op, op64, select } from "../emit_value.ts";
import { BIAS, type Core, giveInvalid, INTEGER_BIT, operand, publish, word } from "./float80_core.ts";
import {
  giveInfinity,
  giveZero,
  isInfinite,
  isOrdinary,
  isZero,
  type NanFunctions,
  normalise,
  raiseDenormal,
  unpack,
} from "./float80_nan.ts";
import { mulWide, subWide, type Wide } from "./float80_wide.ts";

/** Adds `sqrt`, `(x, control) -> sig`. */
export function sqrtFunction(core: Core, round: FunctionRef, nans: NanFunctions): FunctionRef {
  return publish(core, "sqrt", ["i64", "i32", "i32"], ["i64"], (f, params) => {
    const given = operand(params[0], params[1]);
    const x = unpack(f, given);
    f.if(isOrdinary(x).and(x.sign.eqz()).eqz(), () => {
      f.if(f.call(nans.odd, given.sig, given.se) as typeof x.sign, () => {
        f.returnCall(nans.propagate1, given.sig, given.se);
      });
      f.if(isZero(x), () => giveZero(f, core, x.sign));
      f.if(x.sign, () => giveInvalid(f, core));
      f.if(isInfinite(x), () => giveInfinity(f, core, x.sign));
      raiseDenormal(f, core, x);
      normalise(f, x);
    });
    // The significand as 128 bits, times 2 where the exponent is odd, has a root of 64 bits with the highest set.
    const unbiased = f.let(x.exponent.value.sub(BIAS));
    const odd = f.let(unbiased.and(1));
    const sig = x.sig.value;
    const square = { hi: f.let(select(odd, sig, sig.shrU(1))), lo: f.let(select(odd, i64(0), sig.shl(63))) };
    const { root, rest } = integerRoot(f, square);
    // (root + 1/2)^2 is root^2 + root + 1/4, so a rest above the root is more than a half; a half itself cannot be.
    const below = select(rest.hi.ne(0).or(rest.lo.gtU(root)), i64(INTEGER_BIT | 1n), rest.lo.ne(0).toI64U());
    f.returnCall(round, i32(0), unbiased.shrS(1).add(BIAS), root, below, word(params[2]));
  });
}

/** The root of a number of at least 2^126, rounded down, and what its square leaves. */
function integerRoot(f: FunctionEmitter, square: Wide): { root: I64; rest: Wide } {
  // 53 bits by the hardware; one step of Newton's in floating point makes it right to within one.
  const high = op("f64.convert_i64_u", [square.hi]);
  const estimate = f.let(op("f64.sqrt", [high]));
  const two32 = op("f64.convert_i64_u", [i64(1n << 32n)]);
  const first = f.let(op64("i64.trunc_sat_f64_u", op("f64.mul", [estimate, two32])));
  const error = subWide(f, square, mulWide(f, first, first));
  const signed = op("f64.mul", [
    op("f64.convert_i64_s", [error.hi]),
    op("f64.convert_i64_u", [i64(INTEGER_BIT)]),
  ]);
  const unsigned = op("f64.convert_i64_u", [error.lo.shrU(1)]);
  const step = op("f64.div", [op("f64.add", [signed, unsigned]), op("f64.convert_i64_u", [first])]);
  const root = f.local("i64");
  f.set(root, first.add(op64("i64.trunc_sat_f64_s", step)));
  // The step may leave the range of roots at either end; the end itself is then as near.
  const end = select(first.shl(1).ltS(0), i64(-1), i64(INTEGER_BIT));
  f.set(root, select(root.value.ltS(0), root.value, end));
  const rest = { hi: f.local("i64"), lo: f.local("i64") };
  const set = (value: Wide) => {
    f.set(rest.hi, value.hi);
    f.set(rest.lo, value.lo);
  };
  set(subWide(f, square, mulWide(f, root.value, root.value)));
  const r = { hi: rest.hi.value, lo: rest.lo.value };
  f.block((done) => {
    f.loop((again) => {
      f.brIf(done, r.hi.geS(0));
      // (root - 1)^2 is root^2 - 2 root + 1
      f.set(root, root.value.sub(1));
      const more = f.let(r.lo.add(root.value.shl(1)).add(1));
      f.set(rest.hi, r.hi.add(root.value.shrU(63)).add(more.leU(r.lo).toI64U()));
      f.set(rest.lo, more);
      f.br(again);
    });
  });
  f.block((done) => {
    f.loop((again) => {
      // While the rest is above twice the root, the next root is not too large.
      const twice = { hi: root.value.shrU(63), lo: root.value.shl(1) };
      f.brIf(done, r.hi.ltU(twice.hi).or(r.hi.eq(twice.hi).and(r.lo.leU(twice.lo))));
      const less = f.let(r.lo.sub(twice.lo).sub(1));
      f.set(rest.hi, r.hi.sub(twice.hi).sub(r.lo.leU(twice.lo).toI64U()));
      f.set(rest.lo, less);
      f.set(root, root.value.add(1));
      f.br(again);
    });
  });
  return { root: root.value, rest: r };
}
