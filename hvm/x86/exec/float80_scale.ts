/**
 * Rounding to an integer, scaling by a power of two, and taking exponent and significand apart.
 *
 * Sources: [SDM] Intel SDM vol. 2A, FRNDINT, FSCALE, FXTRACT.
 * @module
 */

import type { FunctionRef } from "../emit.ts";
import { type I32, i32, i64, select } from "../emit_value.ts";
import {
  BIAS,
  type Core,
  EXPONENT,
  FSW,
  fullPrecision,
  give,
  giveInvalid,
  INTEGER_BIT,
  operand,
  publish,
  raise,
  SIGN,
  word,
} from "./float80_core.ts";
import {
  giveInfinity,
  giveZero,
  isInfinite,
  isZero,
  type NanFunctions,
  normalise,
  raiseDenormal,
  unpack,
} from "./float80_nan.ts";
import { raiseRounded, toWhole } from "./float80_store.ts";

/** Adds `rndint`, `(x, control) -> sig`. */
export function rndintFunction(core: Core, nans: NanFunctions): FunctionRef {
  return publish(core, "rndint", ["i64", "i32", "i32"], ["i64"], (f, params) => {
    const given = operand(params[0], params[1]);
    const x = unpack(f, given);
    f.if(
      f.call(nans.odd, given.sig, given.se) as I32,
      () => f.returnCall(nans.propagate1, given.sig, given.se),
    );
    raiseDenormal(f, core, x);
    // Whole already, or infinite.
    f.if(x.exponent.value.geU(BIAS + 63), () => give(f, core, given.sig, given.se));
    const whole = toWhole(f, x, word(params[2]));
    raiseRounded(f, core, whole);
    f.if(whole.magnitude.eqz(), () => giveZero(f, core, x.sign));
    const places = f.let(whole.magnitude.clz());
    give(f, core, whole.magnitude.shl(places), x.sign.or(i32(BIAS + 63).sub(places.toI32())));
  });
}

/** More than the exponents of two finite numbers are apart, wraps included. */
const FAR = 0x20000;

/** Adds `scale`, `(a, b, control) -> sig`: a times two to the power of b, b cut to an integer. */
export function scaleFunction(core: Core, round: FunctionRef, nans: NanFunctions): FunctionRef {
  return publish(core, "scale", ["i64", "i32", "i64", "i32", "i32"], ["i64"], (f, params) => {
    const [first, second] = [operand(params[0], params[1]), operand(params[2], params[3])];
    const a = unpack(f, first);
    const b = unpack(f, second);
    const { sig: x, se: xe } = first;
    const { sig: y, se: ye } = second;
    const odd = (f.call(nans.odd, x, xe) as I32).or(f.call(nans.odd, y, ye) as I32);
    f.if(odd, () => f.returnCall(nans.propagate2, x, xe, y, ye));
    const invalid = select(b.sign, isInfinite(a), isZero(a));
    f.if(isInfinite(b).and(invalid), () => giveInvalid(f, core));
    raiseDenormal(f, core, a, b);
    f.if(isInfinite(a).or(isZero(a)), () => give(f, core, x, xe));
    f.if(isInfinite(b), () => {
      f.if(b.sign, () => giveZero(f, core, a.sign));
      giveInfinity(f, core, a.sign);
    });
    normalise(f, a);
    const power = f.local("i32");
    f.set(power, i32(0));
    // Below 1 in magnitude nothing is left of b; from 2^17 on every result over- or underflows.
    f.if(b.exponent.value.geU(BIAS), () => {
      const size = b.sig.value.shrU(i32(BIAS + 63).sub(b.exponent.value).toI64U()).toI32();
      f.set(power, select(b.exponent.value.geU(BIAS + 17), i32(FAR), size));
      f.if(b.sign, () => f.set(power, i32(0).sub(power.value)));
    });
    f.returnCall(
      round,
      a.sign,
      a.exponent.value.add(power.value),
      a.sig.value,
      i64(0),
      fullPrecision(word(params[4])),
    );
  });
}

/**
 * Adds `xtract`, `(x) -> sig`: the significand as a number from 1 to 2 with the sign of x, which is pushed; the unbiased
 * exponent as a number, which takes the place of x, is left in `sig2` and `se2`.
 */
export function xtractFunction(core: Core, nans: NanFunctions, fromInt: FunctionRef): FunctionRef {
  return publish(core, "xtract", ["i64", "i32"], ["i64"], (f, params) => {
    const given = operand(params[0], params[1]);
    const x = unpack(f, given);
    const second = (sig: ReturnType<typeof i64>, se: I32) => {
      f.put(core.sig2.set(sig));
      f.put(core.se2.set(se));
    };
    f.if(f.call(nans.odd, given.sig, given.se) as I32, () => {
      const sig = f.let(f.call(nans.propagate1, given.sig, given.se) as typeof given.sig);
      second(sig, core.se.value);
      f.return(sig);
    });
    f.if(isZero(x), () => {
      raise(f, core, FSW.ZE);
      second(i64(INTEGER_BIT), i32(SIGN | EXPONENT));
      give(f, core, given.sig, given.se);
    });
    f.if(isInfinite(x), () => {
      second(i64(INTEGER_BIT), i32(EXPONENT));
      give(f, core, given.sig, given.se);
    });
    raiseDenormal(f, core, x);
    normalise(f, x);
    const exponent = f.let(f.call(fromInt, x.exponent.value.sub(BIAS).toI64S()) as typeof given.sig);
    second(exponent, core.se.value);
    give(f, core, x.sig.value, x.sign.or(BIAS));
  });
}
