/**
 * FYL2X and FYL2XP1: y times the binary logarithm of x, and of x + 1.
 *
 * Sources: [SDM] Intel SDM vol. 2A, FYL2X, FYL2XP1 (tables of results). Outside its range FYL2XP1 gives what AMD
 * processors give: the logarithm for all x above -1, x itself from there on down.
 * @module
 */

import type { FunctionEmitter, FunctionRef } from "../emit.ts";
import { type I32, i32, type I64, i64, select } from "../emit_value.ts";
import {
  BIAS,
  type Core,
  FSW,
  fullPrecision,
  give,
  giveInvalid,
  INTEGER_BIT,
  operand,
  publish,
  quad,
  raise,
  SIGN,
  word,
} from "./float80_core.ts";
import { logarithmFunctions, type Logarithms } from "./float80_logarithm.ts";
import {
  giveInfinity,
  giveZero,
  isInfinite,
  isZero,
  type NanFunctions,
  normalise,
  raiseDenormal,
  unpack,
  type Unpacked,
} from "./float80_nan.ts";
import { normaliseWide, ONE_127, type WideFunctions } from "./float80_series.ts";
import {
  addWide,
  ltWide,
  setWide,
  shiftRightSticky,
  shrWide,
  subWide,
  wideConstant,
  type WideLocal,
  wideLocal,
  wideValue,
} from "./float80_wide.ts";

/** The two functions. */
export interface LogFunctions {
  /** `(x, y, control) -> sig`, x from ST(0), y from ST(1) */
  readonly yl2x: FunctionRef;
  readonly yl2xp1: FunctionRef;
}

/** Adds them. */
export function logFunctions(
  core: Core,
  round: FunctionRef,
  nans: NanFunctions,
  wide: WideFunctions,
): LogFunctions {
  const log = logarithmFunctions(core, round, wide);
  return { yl2x: yl2xFunction(log, nans), yl2xp1: yl2xp1Function(log, nans) };
}

/** y as the inner functions take it. */
function factorOf(y: Unpacked, control: I32): [I64, I32, I32, I32] {
  return [y.sig.value, y.exponent.value.sub(BIAS), y.sign, fullPrecision(control)];
}

function yl2xFunction(log: Logarithms, nans: NanFunctions): FunctionRef {
  const { core, mantissa } = log;
  return publish(core, "yl2x", ["i64", "i32", "i64", "i32", "i32"], ["i64"], (f, params) => {
    const [x, y] = emitOperands(f, nans, params);
    const invalid = () => giveInvalid(f, core);
    f.if(isZero(x), () => {
      f.if(isZero(y), invalid);
      // The pole comes before a denormal operand; an infinity is no pole.
      f.if(isInfinite(y).eqz(), () => raise(f, core, FSW.ZE));
      giveInfinity(f, core, y.sign.xor(SIGN));
    });
    f.if(x.sign, invalid);
    const isOne = x.exponent.value.eq(BIAS).and(x.sig.value.eq(INTEGER_BIT));
    f.if(isInfinite(x).and(isZero(y)).or(isOne.and(isInfinite(y))), invalid);
    raiseDenormal(f, core, x, y);
    const below = f.let(select(x.exponent.value.ltS(BIAS), i32(SIGN), i32(0)));
    f.if(isInfinite(x).or(isInfinite(y)), () => giveInfinity(f, core, y.sign.xor(below)));
    f.if(isZero(y), () => giveZero(f, core, y.sign.xor(below)));
    normalise(f, x);
    normalise(f, y);
    f.returnCall(
      mantissa,
      x.sig.value,
      i64(0),
      x.exponent.value.sub(BIAS),
      ...factorOf(y, word(params[4])),
    );
  });
}

/** Both operands; a NaN or an unsupported encoding ends the function. */
function emitOperands(
  f: FunctionEmitter,
  nans: NanFunctions,
  params: readonly Parameters<typeof quad>[0][],
): [Unpacked, Unpacked] {
  const [first, second] = [operand(params[0], params[1]), operand(params[2], params[3])];
  const { sig: x, se: xe } = first;
  const { sig: y, se: ye } = second;
  const odd = (f.call(nans.odd, x, xe) as I32).or(f.call(nans.odd, y, ye) as I32);
  f.if(odd, () => f.returnCall(nans.propagate2, x, xe, y, ye));
  return [unpack(f, first), unpack(f, second)];
}

function yl2xp1Function(log: Logarithms, nans: NanFunctions): FunctionRef {
  const { core } = log;
  return publish(core, "yl2xp1", ["i64", "i32", "i64", "i32", "i32"], ["i64"], (f, params) => {
    const [x, y] = emitOperands(f, nans, params);
    const invalid = isInfinite(x).and(x.sign.ne(0).or(isZero(y))).or(isZero(x).and(isInfinite(y)));
    f.if(invalid, () => giveInvalid(f, core));
    raiseDenormal(f, core, x, y);
    f.if(isInfinite(x).or(isInfinite(y)), () => giveInfinity(f, core, y.sign.xor(x.sign)));
    f.if(isZero(x).or(isZero(y)), () => giveZero(f, core, y.sign.xor(x.sign)));
    f.if(x.sign.ne(0).and(x.exponent.value.geS(BIAS)), () => {
      raise(f, core, FSW.PE);
      give(f, core, x.sig.value, x.sign.or(x.exponent.value));
    });
    normalise(f, x);
    normalise(f, y);
    const rest = factorOf(y, word(params[4]));
    const e = f.let(x.exponent.value.sub(BIAS));
    const shifted = wideLocal(f, { hi: x.sig.value, lo: i64(0) });
    // Up to a quarter in magnitude s is x / (2 + x).
    f.if(e.ltS(-2), () => emitSmall(f, log, x, { e, shifted, rest }));
    emitLarge(f, log, x, { e, shifted, rest });
  });
}

interface PlusOne {
  /** The unbiased exponent of x. */
  readonly e: I32;
  /** The significand of x. */
  readonly shifted: WideLocal;
  readonly rest: [I64, I32, I32, I32];
}

function emitSmall(
  f: FunctionEmitter,
  { tail }: Logarithms,
  x: Unpacked,
  { e, shifted, rest }: PlusOne,
): void {
  const w = wideValue(shifted);
  f.if(x.sign.eqz(), () => {
    // (2 + x) / 4
    shiftRightSticky(f, shifted, f.let(i32(1).sub(e)));
    const d = addWide(f, wideConstant(ONE_127), w);
    f.returnCall(tail, x.sig.value, i64(0), d.hi, d.lo, i32(0).sub(e), i32(0), x.sign, ...rest);
  });
  // (2 - |x|) / 2
  shiftRightSticky(f, shifted, f.let(i32(0).sub(e)));
  const d = subWide(f, { hi: i64(0), lo: i64(0) }, w);
  f.returnCall(tail, x.sig.value, i64(0), d.hi, d.lo, i32(-1).sub(e), i32(0), x.sign, ...rest);
}

function emitLarge(
  f: FunctionEmitter,
  { mantissa }: Logarithms,
  x: Unpacked,
  { e, shifted, rest }: PlusOne,
): void {
  const w = wideValue(shifted);
  f.if(e.ltS(0), () => {
    shiftRightSticky(f, shifted, f.let(i32(0).sub(e)));
    f.if(x.sign, () => {
      setWide(f, shifted, subWide(f, wideConstant(ONE_127), w));
      const places = normaliseWide(f, shifted);
      f.returnCall(mantissa, w.hi, w.lo, i32(0).sub(places), ...rest);
    });
    setWide(f, shifted, addWide(f, wideConstant(ONE_127), w));
    f.returnCall(mantissa, w.hi, w.lo, i32(0), ...rest);
  });
  const one = wideLocal(f, wideConstant(ONE_127));
  shiftRightSticky(f, one, e);
  const sum = wideLocal(f, addWide(f, w, wideValue(one)));
  const carried = f.let(ltWide(wideValue(sum), w));
  f.if(carried, () => {
    const half = shrWide(f, wideValue(sum), i64(1));
    setWide(f, sum, { hi: half.hi.or(INTEGER_BIT), lo: half.lo });
  });
  f.returnCall(mantissa, sum.hi.value, sum.lo.value, e.add(carried), ...rest);
}
