/**
 * The binary logarithm times a factor, of numbers that are taken apart already.
 *
 * The argument is a power of two times m, m from sqrt(1/2) to sqrt(2), and log2 m = 2/ln 2 (s + s^3/3 + s^5/5 + ...) with
 * s = (m - 1) / (m + 1). For an argument near 1, m - 1 is exact.
 *
 * @module
 */

import type { FunctionEmitter, FunctionRef, Local } from "../emit.ts";
import { type I32, i32, type I64, i64, select } from "../emit_value.ts";
import {
  BIAS,
  type Core,
  EXPONENT,
  FSW,
  give,
  helper,
  INTEGER_BIT,
  quad,
  raise,
  SIGN,
  word,
} from "./float80_core.ts";
import {
  inexact,
  multiplyWide,
  normaliseWide,
  ONE_127,
  polynomial,
  reciprocals,
  reciprocalWide,
  type WideFunctions,
} from "./float80_series.ts";
import {
  addWide,
  ltWide,
  mulWide,
  setWide,
  shiftRightSticky,
  shrWide,
  subWide,
  type Wide,
  wideConstant,
  type WideLocal,
  wideLocal,
  wideValue,
} from "./float80_wide.ts";

/** s is at most 0.1716 where m is at the ends of its range. */
const SERIES = reciprocals((k) => BigInt(2 * k + 1), 0.03);
/** 2 / ln 2 = 2.885..., a quarter of it in units of 2^-128. */
const TWO_OVER_LN_2 = 0xb8aa3b29_5c17f0bb_be87fed0_691d3e89n;
/** sqrt 2 in units of 2^-127. */
const SQRT_2 = 0xb504f333_f9de6484_597d89b3_754abe9fn;

/** The functions of this file and what they are made of. */
export interface Logarithms {
  readonly core: Core;
  readonly wide: WideFunctions;
  readonly round: FunctionRef;
  /** `(n, d, c, e, negative, y...) -> sig`, see {@linkcode tailFunction}. */
  readonly tail: FunctionRef;
  /** `(m, e, y...) -> sig`, see {@linkcode mantissaFunction}. */
  readonly mantissa: FunctionRef;
}

/** Adds them. */
export function logarithmFunctions(core: Core, round: FunctionRef, wide: WideFunctions): Logarithms {
  const tail = tailFunction(core, round, wide);
  return { core, wide, round, tail, mantissa: mantissaFunction(core, round, tail) };
}

/** The second factor as the inner functions take it: significand, unbiased exponent, sign; then the control word. */
const Y = ["i64", "i32", "i32", "i32"] as const;

interface Factor {
  readonly sig: I64;
  readonly exponent: I32;
  readonly sign: I32;
  readonly control: I32;
}

function factor(params: readonly Parameters<typeof quad>[0][], at: number): Factor {
  return {
    sig: quad(params[at]),
    exponent: word(params[at + 1]),
    sign: word(params[at + 2]),
    control: word(params[at + 3]),
  };
}

/**
 * `(n, d, c, e, negative, y)`: s = n/d 2^(-1 - c), n and d fractions from 1/2 on, c from 1 on; the result is y (e +- log2
 * ((1 + s) / (1 - s))).
 */
function tailFunction(core: Core, round: FunctionRef, wide: WideFunctions): FunctionRef {
  const params = ["i64", "i64", "i64", "i64", "i32", "i32", "i32", ...Y] as const;
  return helper(core, "log_tail", [...params], ["i64"], (f, given) => {
    const n = { hi: quad(given[0]), lo: quad(given[1]) };
    const d = { hi: quad(given[2]), lo: quad(given[3]) };
    const [c, e, negative] = [word(given[4]), word(given[5]), word(given[6])];
    const y = factor(given, 7);
    // q = n/d in units of 2^-127; as a fraction in units of 2^-128, s is q moved down by c.
    const q = multiplyWide(f, core, wide, n, reciprocalWide(f, core, wide, d));
    const s = wideLocal(f, q);
    shiftRightSticky(f, s, c);
    const z = multiplyWide(f, core, wide, wideValue(s), wideValue(s));
    const series = polynomial(f, core, wide, { z, coefficients: SERIES, minus: i64(0) });
    const scaled = multiplyWide(f, core, wide, series, wideConstant(TWO_OVER_LN_2));
    // h is of two places: log2 = h 2^(1 - c).
    const logarithm = wideLocal(f, multiplyWide(f, core, wide, q, scaled));
    const [power, sign] = [f.local("i32"), f.local("i32")];
    f.set(power, i32(2).sub(c));
    f.set(sign, negative);
    f.if(e, () => emitWholePart(f, logarithm, { e, c, negative, power, sign }));
    const places = normaliseWide(f, logarithm);
    f.set(power, power.value.sub(places));
    const number = { value: wideValue(logarithm), power: power.value, sign: sign.value };
    f.returnCall(round, ...product(f, { core, wide }, number, y));
  });
}

/** Adds the whole number e to the logarithm of m, which is at most 1/2 in magnitude. */
function emitWholePart(
  f: FunctionEmitter,
  logarithm: WideLocal,
  at: { e: I32; c: I32; negative: I32; power: Local<"i32">; sign: Local<"i32"> },
): void {
  const below = f.let(at.e.ltS(0));
  const size = f.let(select(below, i32(0).sub(at.e), at.e));
  // 16 places before the point.
  shiftRightSticky(f, logarithm, f.let(at.c.add(13)));
  const whole = { hi: f.let(size.toI64U().shl(48)), lo: i64(0) };
  f.if(
    below.ne(at.negative.ne(0)),
    () => setWide(f, logarithm, subWide(f, whole, wideValue(logarithm))),
    () => {
      setWide(f, logarithm, addWide(f, whole, wideValue(logarithm)));
    },
  );
  f.set(at.sign, select(below, i32(SIGN), i32(0)));
  f.set(at.power, i32(15));
}

/** The arguments of `round` for a normalised number times y, neither exact. */
function product(
  f: FunctionEmitter,
  { core, wide }: Pick<Logarithms, "core" | "wide">,
  number: { value: Wide; power: I32; sign: I32 },
  y: Factor,
): [I32, I32, I64, I64, I32] {
  const { value, power, sign } = number;
  const local = wideLocal(f, multiplyWide(f, core, wide, value, { hi: y.sig, lo: i64(0) }));
  const places = normaliseWide(f, local);
  const { hi, lo } = inexact(wideValue(local));
  const exponent = power.add(y.exponent).add(BIAS + 1).sub(places);
  return [sign.xor(y.sign), exponent, hi, lo, y.control];
}

/** `(m, e, y)`: y (e + log2 m), m from 1 to 2 in units of 2^-127. */
function mantissaFunction(core: Core, round: FunctionRef, tail: FunctionRef): FunctionRef {
  return helper(core, "log_mantissa", ["i64", "i64", "i32", ...Y], ["i64"], (f, given) => {
    const m = { hi: quad(given[0]), lo: quad(given[1]) };
    const y = factor(given, 3);
    const e = f.local("i32");
    f.set(e, word(given[2]));
    const rest = [y.sig, y.exponent, y.sign, y.control] as const;
    const n = wideLocal(f);
    f.if(ltWide(m, wideConstant(SQRT_2)), () => {
      setWide(f, n, subWide(f, m, wideConstant(ONE_127)));
      f.if(n.hi.value.or(n.lo.value).eqz(), () => {
        f.if(e.value.eqz(), () => give(f, core, 0, y.sign));
        emitPowerOfTwo(f, { core, round }, e.value, y);
      });
      const places = normaliseWide(f, n);
      const half = shrWide(f, m, i64(1));
      const d = { hi: half.hi.add(1n << 62n), lo: half.lo };
      f.returnCall(tail, n.hi.value, n.lo.value, d.hi, d.lo, places, e.value, i32(0), ...rest);
    });
    // Half of m, a little below 1.
    setWide(f, n, subWide(f, { hi: i64(0), lo: i64(0) }, m));
    const places = normaliseWide(f, n);
    const half = shrWide(f, m, i64(1));
    const d = { hi: half.hi.add(INTEGER_BIT), lo: half.lo };
    f.returnCall(tail, n.hi.value, n.lo.value, d.hi, d.lo, places, e.value.add(1), i32(SIGN), ...rest);
  });
}

/** The logarithm of a power of two is exact; the processor calls it inexact all the same. */
function emitPowerOfTwo(
  f: FunctionEmitter,
  { core, round }: Pick<Logarithms, "core" | "round">,
  e: I32,
  y: Factor,
): void {
  raise(f, core, FSW.PE);
  const below = f.let(e.ltS(0));
  const size = f.let(select(below, i32(0).sub(e), e).toI64U());
  // 64 bits times at most 16: the product is exact in two words.
  const whole = wideLocal(f, mulWide(f, y.sig, size));
  const shift = normaliseWide(f, whole);
  const sign = select(below, i32(SIGN), i32(0)).xor(y.sign);
  const { hi, lo } = wideValue(whole);
  const sig = f.let(f.call(round, sign, y.exponent.add(BIAS + 64).sub(shift), hi, lo, y.control) as I64);
  // Tiny and taken for inexact: an underflow.
  f.if(core.se.value.and(EXPONENT).eqz(), () => raise(f, core, FSW.UE));
  f.return(sig);
}
