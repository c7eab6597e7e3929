/**
 * Exact arithmetic to measure the extended-precision library by: rationals of bigints, rounded once, as the manual says
 * what rounding is. Nothing here shares a line or an idea with what is measured. For tests.
 *
 * Sources: [SDM] Intel SDM vol. 1, 4.8.4 (rounding), 8.1.5 (control word), 8.5.4 to 8.5.6 (overflow to inexact result).
 * @module
 */

import { BIAS, EXPONENT, FCW, FSW, PC, RC, SIGN } from "./float80_core.ts";
import type { Extended } from "./float80_rig.ts";

/** numerator / denominator; the denominator is above 0. */
export interface Rational {
  readonly n: bigint;
  readonly d: bigint;
}

/** A masked result and the status word's bits for it. */
export interface Rounded {
  readonly value: Extended;
  readonly status: number;
}

function magnitude(value: bigint): bigint {
  return value < 0n ? -value : value;
}

/** 2 to any power. */
function power(exponent: number): Rational {
  return exponent >= 0 ? { n: 1n << BigInt(exponent), d: 1n } : { n: 1n, d: 1n << BigInt(-exponent) };
}

/** Product of two rationals. */
export function times(a: Rational, b: Rational): Rational {
  return { n: a.n * b.n, d: a.d * b.d };
}

/** Sum of two rationals. */
export function plus(a: Rational, b: Rational): Rational {
  return { n: a.n * b.d + b.n * a.d, d: a.d * b.d };
}

/** Quotient of two rationals, the second not 0. */
export function over(a: Rational, b: Rational): Rational {
  return b.n < 0n ? { n: -a.n * b.d, d: a.d * -b.n } : { n: a.n * b.d, d: a.d * b.n };
}

/** The root of a positive rational, cut off far below any extended value's last place, and odd there if not exact. */
export function root({ n, d }: Rational): Rational {
  const places = 400n + BigInt(Math.max(0, d.toString(2).length - n.toString(2).length));
  const scaled = (n << 2n * places) / d;
  const whole = integerRoot(scaled);
  const exact = whole * whole === scaled && scaled * d === n << 2n * places;
  return { n: 2n * whole + (exact ? 0n : 1n), d: 2n << places };
}

function integerRoot(square: bigint): bigint {
  let guess = 1n << BigInt(square.toString(2).length / 2 + 1 | 0);
  while (true) {
    const next = guess + square / guess >> 1n;
    if (next >= guess) return guess;
    guess = next;
  }
}

/** What a finite extended value is. */
export function exactly({ sig, se }: Extended): Rational {
  const exponent = Math.max(se & EXPONENT, 1) - BIAS - 63;
  return times({ n: se & SIGN ? -sig : sig, d: 1n }, power(exponent));
}

/** floor(log2) of a positive rational. */
function binaryExponent({ n, d }: Rational): number {
  const guess = n.toString(2).length - d.toString(2).length;
  const scaled = times({ n, d }, power(-guess));
  return scaled.n >= scaled.d ? guess : guess - 1;
}

/** A positive rational as a multiple of 2^quantum, rounded. */
function toMultiple(value: Rational, quantum: number, mode: number, negative: boolean) {
  const { n, d } = times(value, power(-quantum));
  const whole = n / d;
  const rest = n % d;
  const up = rest !== 0n && (
    mode === RC.NEAREST
      ? 2n * rest > d || 2n * rest === d && (whole & 1n) === 1n
      : mode === (negative ? RC.DOWN : RC.UP)
  );
  return { whole: whole + (up ? 1n : 0n), inexact: rest !== 0n, up };
}

/** The masked result of an operation whose exact result is `value`, not 0. */
export function rounded(value: Rational, control: number): Rounded {
  const negative = value.n < 0n;
  const sign = negative ? SIGN : 0;
  const size = { n: magnitude(value.n), d: value.d };
  const field = control & FCW.PC;
  const precision = field === PC.BITS24 ? 24 : field === PC.BITS53 ? 53 : 64;
  const mode = control & FCW.RC;
  const lowest = 1 - BIAS;
  const exponent = binaryExponent(size);
  const unbounded = toMultiple(size, exponent - precision + 1, mode, negative);
  const tiny = exponent < lowest - 1 || exponent === lowest - 1 && unbounded.whole < 1n << BigInt(precision);
  const quantum = Math.max(exponent, lowest) - precision + 1;
  const { whole, inexact, up } = toMultiple(size, quantum, mode, negative);
  const status = (inexact ? FSW.PE : 0) | (up ? FSW.C1 : 0) | (tiny && inexact ? FSW.UE : 0);
  if (whole === 0n) return { value: { sig: 0n, se: sign }, status };
  const highest = whole.toString(2).length - 1 + quantum;
  if (highest > BIAS) return overflow(sign, mode, precision);
  const places = BigInt(Math.max(highest, lowest) - 63 - quantum);
  const sig = places >= 0n ? whole >> places : whole << -places;
  const se = sign | (highest < lowest ? 0 : highest + BIAS);
  return { value: { sig, se }, status };
}

function overflow(sign: number, mode: number, precision: number): Rounded {
  const away = mode === RC.NEAREST || mode === (sign ? RC.DOWN : RC.UP);
  if (away) return { value: { sig: 1n << 63n, se: sign | EXPONENT }, status: FSW.OE | FSW.PE | FSW.C1 };
  const sig = (1n << 64n) - (1n << BigInt(64 - precision));
  return { value: { sig, se: sign | EXPONENT - 1 }, status: FSW.OE | FSW.PE };
}
