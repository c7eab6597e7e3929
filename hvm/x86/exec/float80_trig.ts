/**
 * FSIN, FCOS, FSINCOS, FPTAN. From 2^63 on nothing is done but C2 set.
 *
 * Sources: [SDM] Intel SDM vol. 1, 8.3.10 (transcendental accuracy); vol. 2A, FSIN, FCOS, FSINCOS, FPTAN.
 * @module
 */

import type { FunctionEmitter, FunctionRef } from "../emit.ts";
import { type I32, i32, type I64, i64, select } from "../emit_value.ts";
import {
  type Angle,
  angleFunctions,
  type Angles,
  cosineValue,
  emitReduce,
  sineFactor,
  square,
} from "./float80_angle.ts";
import {
  BIAS,
  type Core,
  FSW,
  fullPrecision,
  give,
  giveInvalid,
  INDEFINITE,
  INTEGER_BIT,
  operand,
  publish,
  raise,
  word,
} from "./float80_core.ts";
import {
  isInfinite,
  isOrdinary,
  isZero,
  type NanFunctions,
  normalise,
  raiseDenormal,
  unpack,
  type Unpacked,
} from "./float80_nan.ts";
import {
  inexact,
  multiplyWide,
  normaliseWide,
  reciprocalWide,
  selectWide,
  type WideFunctions,
} from "./float80_series.ts";
import { type Wide, wideLocal, wideValue } from "./float80_wide.ts";

/** The four functions. */
export interface TrigFunctions {
  /** `(x, control) -> sig`. With C2 set the operand stays as it is. */
  readonly sin: FunctionRef;
  readonly cos: FunctionRef;
  /** `(x, control) -> sig`: the cosine, which is pushed; the sine is in `sig2` and `se2`. */
  readonly sincos: FunctionRef;
  /** `(x, control) -> sig`: 1 or a NaN, which is pushed; the tangent is in `sig2` and `se2`. */
  readonly ptan: FunctionRef;
}

/** The argument's exponent from which on it is out of range. */
const TOO_LARGE = BIAS + 63;

/** Below 2 to this power the cube of an angle is nothing beside 128 bits of it. */
const SMALL_TANGENT = -58;

/** Adds them. */
export function trigFunctions(
  core: Core,
  round: FunctionRef,
  nans: NanFunctions,
  wide: WideFunctions,
): TrigFunctions {
  const trig = angleFunctions(core, round, wide);
  return {
    sin: single(trig, nans, "sin"),
    cos: single(trig, nans, "cos"),
    sincos: sincosFunction(trig, nans),
    ptan: ptanFunction(trig, nans),
  };
}

/** What comes before computing: `ends` are the ways the function ends for a special operand. */
function emitSpecial(
  f: FunctionEmitter,
  { core }: Angles,
  nans: NanFunctions,
  given: { sig: I64; se: I32 },
  ends: { invalid: () => void; same: (sig: I64, se: I32) => void; zero: (x: Unpacked) => void },
): Unpacked {
  const x = unpack(f, given);
  f.if(isOrdinary(x).eqz(), () => {
    f.if(f.call(nans.odd, given.sig, given.se) as I32, () => {
      const sig = f.let(f.call(nans.propagate1, given.sig, given.se) as I64);
      ends.same(sig, f.let(core.se.value));
    });
    f.if(isInfinite(x), () => ends.invalid());
    f.if(isZero(x), () => ends.zero(x));
    raiseDenormal(f, core, x);
    normalise(f, x);
  });
  f.if(x.exponent.value.geS(TOO_LARGE), () => {
    raise(f, core, FSW.C2);
    give(f, core, given.sig, given.se);
  });
  return x;
}

/** Sine or cosine of the whole angle: its significand; the rest in `se`. */
function emitSineOrCosine(
  f: FunctionEmitter,
  trig: Angles,
  angle: Angle,
  which: { name: "sin" | "cos"; sign: I32; control: I32 },
): I64 {
  const { value, exponent, quadrant } = angle;
  // The cosine is the sine a quarter turn further on.
  const turn = f.let(which.name === "sin" ? quadrant : quadrant.add(1));
  const negative = f.let(turn.and(2).shl(14));
  const result = f.local("i64");
  const control = fullPrecision(which.control);
  const sign = which.name === "sin" ? which.sign : i32(0);
  const odd = turn.and(1);
  f.if(odd, () => {
    f.set(result, f.call(trig.cosine, value.hi, value.lo, exponent, negative.xor(sign), control) as I64);
  }, () => {
    const sineSign = negative.xor(sign).xor(angle.sign);
    f.set(result, f.call(trig.sine, value.hi, value.lo, exponent, sineSign, control) as I64);
  });
  return result.value;
}

function single(trig: Angles, nans: NanFunctions, name: "sin" | "cos"): FunctionRef {
  const { core } = trig;
  return publish(core, name, ["i64", "i32", "i32"], ["i64"], (f, params) => {
    const x = emitSpecial(f, trig, nans, operand(params[0], params[1]), {
      invalid: () => giveInvalid(f, core),
      same: (sig, se) => give(f, core, sig, se),
      zero: ({ sign }) => name === "sin" ? give(f, core, 0, sign) : give(f, core, INTEGER_BIT, BIAS),
    });
    const angle = emitReduce(f, trig, x);
    f.return(emitSineOrCosine(f, trig, angle, { name, sign: x.sign, control: word(params[2]) }));
  });
}

/** Ends the function with two results. */
function givePair(
  f: FunctionEmitter,
  core: Core,
  pushed: { sig: I64; se: I32 },
  replacing: { sig: I64; se: I32 },
) {
  f.put(core.sig2.set(replacing.sig));
  f.put(core.se2.set(replacing.se));
  give(f, core, pushed.sig, pushed.se);
}

const ONE = { sig: i64(INTEGER_BIT), se: i32(BIAS) };

/** The special cases of the functions with two results. */
function emitSpecialPair(
  f: FunctionEmitter,
  trig: Angles,
  nans: NanFunctions,
  given: { sig: I64; se: I32 },
): Unpacked {
  const { core } = trig;
  return emitSpecial(f, trig, nans, given, {
    invalid: () => {
      raise(f, core, FSW.IE);
      const indefinite = { sig: i64(INDEFINITE.sig), se: i32(INDEFINITE.se) };
      givePair(f, core, indefinite, indefinite);
    },
    same: (sig, se) => givePair(f, core, { sig, se }, { sig, se }),
    zero: ({ sign }) => givePair(f, core, ONE, { sig: i64(0), se: sign }),
  });
}

function sincosFunction(trig: Angles, nans: NanFunctions): FunctionRef {
  const { core } = trig;
  return publish(core, "sincos", ["i64", "i32", "i32"], ["i64"], (f, params) => {
    const x = emitSpecialPair(f, trig, nans, operand(params[0], params[1]));
    const angle = emitReduce(f, trig, x);
    const [sign, control] = [x.sign, word(params[2])];
    const sine = f.let(emitSineOrCosine(f, trig, angle, { name: "sin", sign, control }));
    const sineSe = f.let(core.se.value);
    // C1 is of the sine, as on AMD processors: the manuals do not say.
    const rounded = f.let(core.status.value.and(FSW.C1));
    const cosine = f.let(emitSineOrCosine(f, trig, angle, { name: "cos", sign, control }));
    f.put(core.status.set(core.status.value.and(~FSW.C1).or(rounded)));
    givePair(f, core, { sig: cosine, se: f.let(core.se.value) }, { sig: sine, se: sineSe });
  });
}

function ptanFunction(trig: Angles, nans: NanFunctions): FunctionRef {
  const { core, wide, round } = trig;
  return publish(core, "ptan", ["i64", "i32", "i32"], ["i64"], (f, params) => {
    const x = emitSpecialPair(f, trig, nans, operand(params[0], params[1]));
    const { value, exponent, quadrant, sign } = emitReduce(f, trig, x);
    const control = fullPrecision(word(params[2]));
    const finish = (resultSign: I32, power: I32, { hi, lo }: Wide) => {
      const result = f.let(f.call(round, resultSign, power, hi, lo, control) as I64);
      givePair(f, core, ONE, { sig: result, se: f.let(core.se.value) });
    };
    const odd = f.let(quadrant.and(1));
    // The tangent of a very small angle is just above the angle.
    f.if(odd.eqz().and(exponent.ltS(SMALL_TANGENT)), () => {
      finish(x.sign.xor(sign), exponent.add(BIAS), inexact(value));
    });
    const z = square(f, trig, value, exponent);
    const factor = normalised(f, sineFactor(f, trig, z));
    const cosine = normalised(f, cosineValue(f, trig, z));
    const sine = normalised(f, multiplyWide(f, core, wide, value, factor.value));
    // sin = sine 2^(1 - sine.places - factor.places) 2^exponent, cos = cosine 2^-cosine.places, both from 1 to 2
    const sinePower = f.let(exponent.add(1).sub(sine.places).sub(factor.places));
    const cosinePower = f.let(i32(0).sub(cosine.places));
    const above = selectWide(f, odd, cosine.value, sine.value);
    const below = selectWide(f, odd, sine.value, cosine.value);
    const difference = f.let(sinePower.sub(cosinePower));
    const power = f.let(select(odd, i32(0).sub(difference), difference));
    const inverse = reciprocalWide(f, core, wide, below);
    const quotient = normalised(f, multiplyWide(f, core, wide, above, inverse));
    // `above` over `below`, read as a fraction over a fraction, has one place before the point.
    const resultSign = x.sign.xor(sign).xor(odd.shl(15));
    finish(resultSign, power.add(BIAS).sub(quotient.places), inexact(quotient.value));
  });
}

function normalised(f: FunctionEmitter, value: Wide): { value: Wide; places: I32 } {
  const local = wideLocal(f, value);
  const places = normaliseWide(f, local);
  return { value: wideValue(local), places };
}
