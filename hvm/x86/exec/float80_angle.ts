/**
 * Angles: reduction by multiples of pi/2, sine and cosine of what is left.
 *
 * An argument of pi/4 or more is reduced by the nearest multiple of half of the processor's own pi of 66 bits, without
 * error; the remainder goes into power series.
 *
 * Sources: [SDM] Intel SDM vol. 1, 8.3.8 (approximation of pi).
 * @module
 */

import type { FunctionEmitter, FunctionRef, GlobalRef } from "../emit.ts";
import { type I32, i32, type I64, i64 } from "../emit_value.ts";
import { BIAS, type Core, helper, quad, word } from "./float80_core.ts";
import { type Unpacked } from "./float80_nan.ts";
import {
  factorial,
  inexact,
  justBelow,
  multiplyWide,
  normaliseWide,
  polynomial,
  reciprocals,
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

/** Half of pi as the processor has it, in units of 2^-65. [SDM] vol. 1, 8.3.8 */
const HALF_PI = 0x3_243f6a88_85a308d3n;
/** pi/4 to 64 bits: below it nothing is reduced. */
const QUARTER_PI = { sig: 0xc90fdaa2_2168c234n, exponent: BIAS - 1 } as const;
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

type Base = Omit<Angles, "sine" | "cosine">;

/** The functions of this file and what they are made of. */
export interface Angles {
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
export function angleFunctions(core: Core, round: FunctionRef, wide: WideFunctions): Angles {
  const reduced = {
    exponent: core.module.global("i32", i32(0)),
    quadrant: core.module.global("i32", i32(0)),
  };
  const base = { core, wide, round, reduced, reduce: reduceFunction(core, reduced) };
  return { ...base, sine: sineFunction(base), cosine: cosineFunction(base) };
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

/** The square of the remainder as a fraction. */
export function square(f: FunctionEmitter, { core, wide }: Base, value: Wide, exponent: I32): Wide {
  const fixed = wideLocal(f, value);
  shiftRightSticky(f, fixed, f.let(i32(-1).sub(exponent)));
  return multiplyWide(f, core, wide, wideValue(fixed), wideValue(fixed));
}

/** The factor from the remainder to its sine, below 1, in units of 2^-127. */
export function sineFactor(f: FunctionEmitter, { core, wide }: Base, z: Wide): Wide {
  return justBelow(f, polynomial(f, core, wide, { z, coefficients: SINE, minus: i64(-1) }));
}

/** The cosine, just below 1, in units of 2^-127. */
export function cosineValue(f: FunctionEmitter, { core, wide }: Base, z: Wide): Wide {
  return justBelow(f, polynomial(f, core, wide, { z, coefficients: COSINE, minus: i64(-1) }));
}

const ANGLE = ["i64", "i64", "i32", "i32", "i32"] as const;

function sineFunction(angles: Base): FunctionRef {
  const { core, wide, round } = angles;
  return helper(core, "sine", [...ANGLE], ["i64"], (f, params) => {
    const r = { hi: quad(params[0]), lo: quad(params[1]) };
    const z = square(f, angles, r, word(params[2]));
    const result = wideLocal(f, multiplyWide(f, core, wide, r, sineFactor(f, angles, z)));
    const places = normaliseWide(f, result);
    const { hi, lo } = inexact(wideValue(result));
    // Two places before the point, so one more than the sine's own.
    const exponent = word(params[2]).add(BIAS + 1).sub(places);
    f.returnCall(round, word(params[3]), exponent, hi, lo, word(params[4]));
  });
}

function cosineFunction(angles: Base): FunctionRef {
  const { core, round } = angles;
  return helper(core, "cosine", [...ANGLE], ["i64"], (f, params) => {
    const z = square(f, angles, { hi: quad(params[0]), lo: quad(params[1]) }, word(params[2]));
    const result = wideLocal(f, cosineValue(f, angles, z));
    const places = normaliseWide(f, result);
    const { hi, lo } = inexact(wideValue(result));
    f.returnCall(round, word(params[3]), i32(BIAS).sub(places), hi, lo, word(params[4]));
  });
}

/** The reduced argument. */
export interface Angle {
  readonly value: Wide;
  readonly exponent: I32;
  readonly quadrant: I32;
  /** 8000h where the remainder is negative. */
  readonly sign: I32;
}

/** Reduces an operand. */
export function emitReduce(f: FunctionEmitter, { core, reduce, reduced }: Angles, x: Unpacked): Angle {
  const hi = f.let(f.call(reduce, x.sig.value, x.exponent.value) as I64);
  const lo = f.let(core.low.value);
  const state = f.let(reduced.quadrant.value);
  const exponent = f.let(reduced.exponent.value);
  return { value: { hi, lo }, exponent, quadrant: f.let(state.and(3)), sign: f.let(state.shrU(2).shl(15)) };
}
