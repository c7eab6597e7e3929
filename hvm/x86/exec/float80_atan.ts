/**
 * FPATAN: the angle of the point (x, y).
 *
 * t, the smaller of |x| and |y| over the larger, is taken to the nearest k/8, k from 0 to 7: atan t = atan(k/8) + atan u
 * with u = (t - k/8) / (1 + t k/8), at most 1/14, and u - u^3/3 + u^5/5 - ... The octant gives what to take it from.
 *
 * Sources: [SDM] Intel SDM vol. 2A, FPATAN (table of results).
 * @module
 */

import type { FunctionEmitter, FunctionRef } from "../emit.ts";
import { type I32, i32, type I64, i64, select } from "../emit_value.ts";
import { BIAS, type Core, fullPrecision, operand, publish, word } from "./float80_core.ts";
import {
  bothOrdinary,
  giveZero,
  isInfinite,
  isZero,
  type NanFunctions,
  normalise,
  raiseDenormal,
  unpack,
  type Unpacked,
} from "./float80_nan.ts";
import {
  inexact,
  justBelow,
  multiplyWide,
  negateIf,
  normaliseWide,
  ONE_127,
  polynomial,
  reciprocals,
  reciprocalWide,
  selectWide,
  type WideFunctions,
} from "./float80_series.ts";
import {
  addWide,
  divideWide,
  setWide,
  shiftRightSticky,
  shlWide,
  shrWide,
  subWide,
  type Wide,
  wideConstant,
  wideLocal,
  wideValue,
} from "./float80_wide.ts";

const SERIES = reciprocals((k) => BigInt(2 * k + 1), 0.0052);
/** pi in units of 2^-126. */
const PI = 0xc90fdaa2_2168c234_c4c6628b_80dc1cd1n;

/** atan(k/8) for k from 1 to 7, in units of 2^-127. */
const TABLE: readonly bigint[] = Array.from({ length: 7 }, (_, i) => arctangent(BigInt(i + 1)));

/** atan(k/8) by Euler's series, every term of which is positive: 2^(2n) (n!)^2 / (2n + 1)! t^(2n + 1) / (1 + t^2)^(n + 1). */
function arctangent(k: bigint): bigint {
  const guard = 32n;
  let term = (k * 8n << 127n + guard) / (64n + k * k);
  let sum = 0n;
  for (let n = 1n; term > 0n; n++) {
    sum += term;
    term = term * 2n * n * k * k / ((2n * n + 1n) * (64n + k * k));
  }
  return sum + (1n << guard - 1n) >> guard;
}

interface Atan {
  readonly core: Core;
  readonly wide: WideFunctions;
  readonly round: FunctionRef;
}

/** Adds `patan`, `(x, y, control) -> sig`, x from ST(0), y from ST(1): the angle, from -pi to pi. */
export function atanFunction(
  core: Core,
  round: FunctionRef,
  nans: NanFunctions,
  wide: WideFunctions,
): FunctionRef {
  return publish(core, "patan", ["i64", "i32", "i64", "i32", "i32"], ["i64"], (f, params) => {
    const [first, second] = [operand(params[0], params[1]), operand(params[2], params[3])];
    const control = f.let(fullPrecision(word(params[4])));
    const x = unpack(f, first);
    const y = unpack(f, second);
    const angle = angleGiver(f, round, { sign: y.sign, control });
    f.if(bothOrdinary(x, y).eqz(), () => {
      const odd = (f.call(nans.odd, first.sig, first.se) as I32).or(
        f.call(nans.odd, second.sig, second.se) as I32,
      );
      f.if(odd, () => f.returnCall(nans.propagate2, first.sig, first.se, second.sig, second.se));
      raiseDenormal(f, core, x, y);
      const onAxis = isZero(y).or(isInfinite(x).and(isInfinite(y).eqz()));
      f.if(onAxis, () => {
        f.if(x.sign.eqz(), () => giveZero(f, core, y.sign));
        angle(wideConstant(PI));
      });
      f.if(isInfinite(x).and(isInfinite(y)), () => {
        angle(selectWide(f, x.sign, wideConstant(PI / 4n * 3n), wideConstant(PI / 4n)));
      });
      f.if(isInfinite(y).or(isZero(x)), () => angle(wideConstant(PI / 2n)));
      normalise(f, x);
      normalise(f, y);
    });
    emitGeneral(f, { core, wide, round }, { x, y, control, angle });
  });
}

/** Ends the function with an angle in units of 2^-126 that is not exact. */
function angleGiver(f: FunctionEmitter, round: FunctionRef, at: { sign: I32; control: I32 }) {
  return (value: Wide) => {
    const local = wideLocal(f, value);
    const places = normaliseWide(f, local);
    const { hi, lo } = inexact(wideValue(local));
    f.returnCall(round, at.sign, i32(BIAS + 1).sub(places), hi, lo, at.control);
  };
}

interface Point {
  readonly x: Unpacked;
  readonly y: Unpacked;
  readonly control: I32;
  readonly angle: (value: Wide) => void;
}

function emitGeneral(f: FunctionEmitter, atan: Atan, { x, y, control, angle }: Point): void {
  const [ex, ey] = [x.exponent.value, y.exponent.value];
  const steep = f.let(ex.ltS(ey).or(ex.eq(ey).and(x.sig.value.ltU(y.sig.value))));
  const n = f.let(select(steep, x.sig.value, y.sig.value));
  const d = f.let(select(steep, y.sig.value, x.sig.value));
  const difference = f.let(ex.sub(ey));
  const distance = f.let(select(steep, i32(0).sub(difference), difference));
  // n/d in units of 2^-127, cut off; t is less by 2^distance.
  const first = divideWide(f, { hi: f.let(n.shrU(1)), lo: f.let(n.shl(63)) }, d);
  const second = divideWide(f, { hi: first.remainder, lo: i64(0) }, d);
  const q = { hi: first.quotient, lo: second.quotient };
  const t = wideLocal(f, q);
  shiftRightSticky(f, t, distance);
  const nearest = f.let(wideValue(t).hi.shrU(59).toI32().add(1).shrU(1));
  const k = f.let(select(nearest.gtU(7), i32(7), nearest));
  const small = wideLocal(f);
  f.if(k.eqz(), () => {
    const p = factor(f, atan, wideValue(t));
    const value = wideLocal(f, multiplyWide(f, atan.core, atan.wide, q, p));
    f.if(steep.eqz().and(x.sign.eqz()), () => {
      const places = normaliseWide(f, value);
      const { hi, lo } = inexact(wideValue(value));
      f.returnCall(atan.round, y.sign, i32(BIAS + 1).sub(distance).sub(places), hi, lo, control);
    });
    shiftRightSticky(f, value, distance);
    setWide(f, small, wideValue(value));
  }, () => {
    setWide(f, small, shrWide(f, atEighths(f, atan, wideValue(t), k), i64(1)));
  });
  emitOctant(f, { steep, left: f.let(x.sign.ne(0)), small: wideValue(small), angle });
}

/** Ends the function with what the octant makes of an angle up to pi/4. */
function emitOctant(
  f: FunctionEmitter,
  at: { steep: I32; left: I32; small: Wide; angle: (value: Wide) => void },
): void {
  const { steep, left, small, angle } = at;
  const base = selectWide(
    f,
    steep,
    wideConstant(PI / 2n),
    selectWide(f, left, wideConstant(PI), wideConstant(0n)),
  );
  // Of the axis nearest to it, the angle goes back from the vertical on the right and from the left half axis.
  const minus = f.let(i64(0).sub(steep.ne(left).toI64U()));
  angle(addWide(f, base, negateIf(f, small, minus)));
}

/** atan(u)/u, just below 1, for u in units of 2^-127. */
function factor(f: FunctionEmitter, { core, wide }: Atan, u: Wide): Wide {
  const z = shlWide(f, multiplyWide(f, core, wide, u, u), i64(2));
  return justBelow(f, polynomial(f, core, wide, { z, coefficients: SERIES, minus: i64(-1) }));
}

/** atan(t) in units of 2^-127, for t in the same, by way of k/8. */
function atEighths(f: FunctionEmitter, atan: Atan, t: Wide, k: I32): Wide {
  const { core, wide } = atan;
  const k64 = f.let(k.toI64U());
  const difference = subWide(f, t, { hi: k64.shl(60), lo: i64(0) });
  const below = f.let(difference.hi.shrS(63));
  const n = negateIf(f, difference, below);
  // (1 + t k/8) / 2 in units of 2^-128; k/8 in those of 2^-64.
  const scaled = multiplyWide(f, core, wide, t, { hi: f.let(k64.shl(61)), lo: i64(0) });
  const d = addWide(f, wideConstant(ONE_127), scaled);
  const u = multiplyWide(f, core, wide, n, reciprocalWide(f, core, wide, d));
  // Two places before the point after each product, and a factor of 2 is still to go: u is in units of 2^-127.
  const product = shlWide(f, multiplyWide(f, core, wide, u, factor(f, atan, u)), i64(1));
  return addWide(f, tableEntry(f, k), negateIf(f, product, below));
}

function tableEntry(f: FunctionEmitter, k: I32): Wide {
  let entry: { hi: I64; lo: I64 } = wideConstant(0n);
  TABLE.forEach((value, i) => entry = selectWide(f, k.eq(i + 1), wideConstant(value), entry));
  return entry;
}
