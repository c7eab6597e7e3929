/**
 * FSIN, FCOS, FSINCOS, FPTAN.
 *
 * An argument of pi/4 or more is reduced by the nearest multiple of half of the processor's own pi of 66 bits, without
 * error; the remainder goes into power series. From 2^63 on nothing is done but C2 set.
 *
 * Sources: [SDM] Intel SDM vol. 1, 8.3.8 (approximation of pi), 8.3.10; vol. 2A, FSIN, FCOS, FSINCOS, FPTAN.
 * @module
 */

import type { FunctionEmitter, FunctionRef, GlobalRef } from "../emit.ts";
import { type I32, i32, type I64, i64, select } from "../emit_value.ts";
import {
  BIAS,
  type Core,
  FSW,
  fullPrecision,
  give,
  giveInvalid,
  helper,
  INDEFINITE,
  INTEGER_BIT,
  operand,
  publish,
  quad,
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
  factorial,
  inexact,
  justBelow,
  multiplyWide,
  normaliseWide,
  polynomial,
  reciprocals,
  reciprocalWide,
  selectWide,
  type WideFunctions,
} from "./float80_series.ts";
import {
  ltWide,
  setWide,
  shiftRightSticky,
  shlWide,
  subWide,
  type Wide,
  wideConstant,
  wideLocal,
  wideValue,
} from "./float80_wide.ts";

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

/** Half of pi as the processor has it, in units of 2^-65. [SDM] vol. 1, 8.3.8 */
const HALF_PI = 0x3_243f6a88_85a308d3n;
/** pi/4 to 64 bits: below it nothing is reduced. */
const QUARTER_PI = { sig: 0xc90fdaa2_2168c234n, exponent: BIAS - 1 } as const;
/** The argument's exponent from which on it is out of range. */
const TOO_LARGE = BIAS + 63;

/** Below 2 to this power the cube of an angle is nothing beside 128 bits of it. */
const SMALL_TANGENT = -58;

/** Squares of the reduced argument are at most (pi/4)^2. */
const SINE = reciprocals((k) => factorial(2 * k + 1), 0.617);
const COSINE = reciprocals((k) => factorial(2 * k), 0.617);

/** What reduction leaves besides the remainder. */
interface Reduction {
  /** The remainder's binary exponent, unbiased. */
  readonly exponent: GlobalRef<"i32">;
  /** Which multiple of pi/2 was taken away, modulo 4; bit 2 is set where the remainder is negative. */
  readonly quadrant: GlobalRef<"i32">;
}

interface Trig {
  readonly core: Core;
  readonly wide: WideFunctions;
  readonly round: FunctionRef;
  readonly reduced: Reduction;
  /** `(sig, exponent) -> hi`: the remainder with bit 127 set; the rest in `core.low` and `reduced`. */
  readonly reduce: FunctionRef;
  /** `(hi, lo, exponent, sign, control) -> sig` */
  readonly sine: FunctionRef;
  readonly cosine: FunctionRef;
}

/** Adds them. */
export function trigFunctions(
  core: Core,
  round: FunctionRef,
  nans: NanFunctions,
  wide: WideFunctions,
): TrigFunctions {
  const reduced = {
    exponent: core.module.global("i32", i32(0)),
    quadrant: core.module.global("i32", i32(0)),
  };
  const base = { core, wide, round, reduced, reduce: reduceFunction(core, reduced) };
  const trig: Trig = { ...base, sine: sineFunction(base), cosine: cosineFunction(base) };
  return {
    sin: single(trig, nans, "sin"),
    cos: single(trig, nans, "cos"),
    sincos: sincosFunction(trig, nans),
    ptan: ptanFunction(trig, nans),
  };
}

function reduceFunction(core: Core, reduced: Reduction): FunctionRef {
  return helper(core, "reduce", ["i64", "i32"], ["i64"], (f, params) => {
    const [sig, exponent] = [quad(params[0]), word(params[1])];
    const small = exponent.ltS(QUARTER_PI.exponent).or(
      exponent.eq(QUARTER_PI.exponent).and(sig.leU(QUARTER_PI.sig)),
    );
    f.if(small, () => {
      f.put(reduced.exponent.set(exponent.sub(BIAS)));
      f.put(reduced.quadrant.set(i32(0)));
      f.put(core.low.set(i64(0)));
      f.return(sig);
    });
    const rest = wideLocal(f, { hi: i64(0), lo: sig });
    const [quadrant, left] = [f.local("i32"), f.local("i32")];
    const divisor = wideConstant(HALF_PI);
    f.set(quadrant, i32(0));
    // The last bit of the significand is of weight 2^(exponent - 63), so many places above the unit.
    f.set(left, exponent.sub(BIAS - 2));
    f.loop((again) => {
      setWide(f, rest, shlWide(f, wideValue(rest), i64(1)));
      f.set(quadrant, quadrant.value.shl(1));
      f.if(ltWide(wideValue(rest), divisor).eqz(), () => {
        setWide(f, rest, subWide(f, wideValue(rest), divisor));
        f.set(quadrant, quadrant.value.or(1));
      });
      f.set(left, left.value.sub(1));
      f.brIf(again, left.value);
    });
    const other = subWide(f, divisor, wideValue(rest));
    const negative = f.let(ltWide(other, wideValue(rest)));
    setWide(f, rest, selectWide(f, negative, other, wideValue(rest)));
    f.put(reduced.quadrant.set(quadrant.value.add(negative).and(3).or(negative.shl(2))));
    const places = normaliseWide(f, rest);
    f.put(reduced.exponent.set(i32(127 - 65).sub(places)));
    f.put(core.low.set(rest.lo.value));
    f.return(rest.hi.value);
  });
}

type Base = Omit<Trig, "sine" | "cosine">;

/** The square of the remainder as a fraction. */
function square(f: FunctionEmitter, { core, wide }: Base, value: Wide, exponent: I32): Wide {
  const fixed = wideLocal(f, value);
  shiftRightSticky(f, fixed, f.let(i32(-1).sub(exponent)));
  return multiplyWide(f, core, wide, wideValue(fixed), wideValue(fixed));
}

/** The factor from the remainder to its sine, below 1, in units of 2^-127. */
function sineFactor(f: FunctionEmitter, { core, wide }: Base, z: Wide): Wide {
  return justBelow(f, polynomial(f, core, wide, { z, coefficients: SINE, minus: i64(-1) }));
}

function cosineValue(f: FunctionEmitter, { core, wide }: Base, z: Wide): Wide {
  return justBelow(f, polynomial(f, core, wide, { z, coefficients: COSINE, minus: i64(-1) }));
}

const ANGLE = ["i64", "i64", "i32", "i32", "i32"] as const;

function sineFunction(trig: Base): FunctionRef {
  const { core, wide, round } = trig;
  return helper(core, "sine", [...ANGLE], ["i64"], (f, params) => {
    const r = { hi: quad(params[0]), lo: quad(params[1]) };
    const z = square(f, trig, r, word(params[2]));
    const result = wideLocal(f, multiplyWide(f, core, wide, r, sineFactor(f, trig, z)));
    const places = normaliseWide(f, result);
    const { hi, lo } = inexact(wideValue(result));
    // Two places before the point, so one more than the sine's own.
    const exponent = word(params[2]).add(BIAS + 1).sub(places);
    f.returnCall(round, word(params[3]), exponent, hi, lo, word(params[4]));
  });
}

function cosineFunction(trig: Base): FunctionRef {
  const { core, round } = trig;
  return helper(core, "cosine", [...ANGLE], ["i64"], (f, params) => {
    const z = square(f, trig, { hi: quad(params[0]), lo: quad(params[1]) }, word(params[2]));
    const result = wideLocal(f, cosineValue(f, trig, z));
    const places = normaliseWide(f, result);
    const { hi, lo } = inexact(wideValue(result));
    f.returnCall(round, word(params[3]), i32(BIAS).sub(places), hi, lo, word(params[4]));
  });
}

/** What comes before computing: `decided` ends the function for a NaN, `zero` for a zero. */
function emitSpecial(
  f: FunctionEmitter,
  { core }: Trig,
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

/** The reduced argument. */
interface Angle {
  readonly value: Wide;
  readonly exponent: I32;
  readonly quadrant: I32;
  /** 8000h where the remainder is negative. */
  readonly sign: I32;
}

function emitReduce(f: FunctionEmitter, { core, reduce, reduced }: Trig, x: Unpacked): Angle {
  const hi = f.let(f.call(reduce, x.sig.value, x.exponent.value) as I64);
  const lo = f.let(core.low.value);
  const state = f.let(reduced.quadrant.value);
  const exponent = f.let(reduced.exponent.value);
  return { value: { hi, lo }, exponent, quadrant: f.let(state.and(3)), sign: f.let(state.shrU(2).shl(15)) };
}

/** Sine or cosine of the whole angle: its significand; the rest in `se`. */
function emitSineOrCosine(
  f: FunctionEmitter,
  trig: Trig,
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

function single(trig: Trig, nans: NanFunctions, name: "sin" | "cos"): FunctionRef {
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
  trig: Trig,
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

function sincosFunction(trig: Trig, nans: NanFunctions): FunctionRef {
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

function ptanFunction(trig: Trig, nans: NanFunctions): FunctionRef {
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
