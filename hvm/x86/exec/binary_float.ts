/**
 * Arithmetic of binary32 and binary64 as SSE does it, exactly, with MXCSR's rounding, flags and modes. For what the host's own
 * arithmetic cannot give: exceptions, other roundings, denormals as zeros. Numbers are their bits.
 *
 * Sources: [SDM] Intel SDM vol. 1, 11.5.2 (exceptions), 11.5.3 (masked and unmasked), 10.2.3 (MXCSR), 4.8.3 (NaNs); [IEEE 754].
 * @module
 */

/** Bits of MXCSR. */
export const MXCSR = {
  IE: 1,
  DE: 2,
  ZE: 4,
  OE: 8,
  UE: 0x10,
  PE: 0x20,
  DAZ: 0x40,
  FTZ: 0x8000,
  MASK_SHIFT: 7,
  ROUND_SHIFT: 13,
} as const;

/** Exceptions that are met before anything is computed. */
export const BEFORE = MXCSR.IE | MXCSR.DE | MXCSR.ZE;

/** A format. */
export interface Format {
  /** Of a number, in all. */
  readonly bits: bigint;
  /** Of a significand, the leading one included. */
  readonly precision: number;
  /** Exponent of the least normal number. */
  readonly least: number;
  /** Exponent of the greatest numbers. */
  readonly most: number;
}

export const SINGLE: Format = { bits: 32n, precision: 24, least: -126, most: 127 };
export const DOUBLE: Format = { bits: 64n, precision: 53, least: -1022, most: 1023 };

type Kind = "zero" | "denormal" | "normal" | "infinite" | "quiet" | "signalling";

/** A number taken apart: `significand * 2^exponent`. */
interface Parts {
  readonly kind: Kind;
  readonly negative: boolean;
  readonly significand: bigint;
  readonly exponent: number;
  readonly bits: bigint;
}

/** What {@linkcode Arithmetic.compare} finds. */
export type Order = "less" | "equal" | "greater" | "unordered";

function lengthOf(value: bigint): number {
  return value.toString(2).length;
}

function squareRoot(value: bigint): bigint {
  if (value < 2n) return value;
  let x = 1n << BigInt((lengthOf(value) + 1) >> 1);
  for (;;) {
    const next = (x + value / x) >> 1n;
    if (next >= x) return x;
    x = next;
  }
}

/** Operations under one MXCSR; flags are collected. */
export class Arithmetic {
  readonly #mxcsr: number;
  /** Exceptions met, as bits of MXCSR. */
  flags = 0;

  constructor(mxcsr: number) {
    this.#mxcsr = mxcsr;
  }

  add(f: Format, a: bigint, b: bigint): bigint {
    return this.#sum(f, a, b, false);
  }

  subtract(f: Format, a: bigint, b: bigint): bigint {
    return this.#sum(f, a, b, true);
  }

  multiply(f: Format, a: bigint, b: bigint): bigint {
    const [x, y] = [this.#open(f, a), this.#open(f, b)];
    const nan = this.#nan(f, x, y);
    if (nan !== undefined) return nan;
    const negative = x.negative !== y.negative;
    if (x.kind === "infinite" || y.kind === "infinite") {
      if (x.kind === "zero" || y.kind === "zero") return this.#invalid(f);
      this.#denormals(x, y);
      return infinity(f, negative);
    }
    this.#denormals(x, y);
    if (x.kind === "zero" || y.kind === "zero") return zero(f, negative);
    return this.#round(f, negative, x.significand * y.significand, x.exponent + y.exponent);
  }

  divide(f: Format, a: bigint, b: bigint): bigint {
    const [x, y] = [this.#open(f, a), this.#open(f, b)];
    const nan = this.#nan(f, x, y);
    if (nan !== undefined) return nan;
    const negative = x.negative !== y.negative;
    if (x.kind === y.kind && (x.kind === "infinite" || x.kind === "zero")) return this.#invalid(f);
    if (y.kind === "zero" && x.kind !== "infinite") {
      this.flags |= MXCSR.ZE;
      return infinity(f, negative);
    }
    this.#denormals(x, y);
    if (x.kind === "infinite") return infinity(f, negative);
    if (x.kind === "zero" || y.kind === "infinite") return zero(f, negative);
    const shift = BigInt(
      2 * f.precision + 4 + Math.max(0, lengthOf(y.significand) - lengthOf(x.significand)),
    );
    const numerator = x.significand << shift;
    const quotient = numerator / y.significand;
    const sticky = quotient * y.significand === numerator ? 0n : 1n;
    return this.#round(f, negative, quotient << 1n | sticky, x.exponent - y.exponent - Number(shift) - 1);
  }

  squareRoot(f: Format, a: bigint): bigint {
    const x = this.#open(f, a);
    const nan = this.#nan(f, x, x);
    if (nan !== undefined) return nan;
    if (x.kind === "zero") return zero(f, x.negative);
    if (x.negative) return this.#invalid(f);
    this.#denormals(x, x);
    if (x.kind === "infinite") return infinity(f, false);
    let shift = 2 * f.precision + 4;
    if ((x.exponent - shift) % 2 !== 0) shift++;
    const value = x.significand << BigInt(shift);
    const root = squareRoot(value);
    const sticky = root * root === value ? 0n : 1n;
    return this.#round(f, false, root << 1n | sticky, (x.exponent - shift) / 2 - 1);
  }

  /** `quiet`: only signalling NaNs are invalid. */
  compare(f: Format, a: bigint, b: bigint, quiet: boolean): Order {
    const [x, y] = [this.#open(f, a), this.#open(f, b)];
    if (isNan(x) || isNan(y)) {
      if (!quiet || x.kind === "signalling" || y.kind === "signalling") this.flags |= MXCSR.IE;
      return "unordered";
    }
    this.#denormals(x, y);
    const difference = order(x) - order(y);
    return difference < 0n ? "less" : difference > 0n ? "greater" : "equal";
  }

  /** MINPS (`maximum` false) and MAXPS: of NaNs and of two zeros the second operand is the result. */
  extreme(f: Format, a: bigint, b: bigint, maximum: boolean): bigint {
    const found = this.compare(f, a, b, false);
    const kept = (bits: bigint) => {
      const x = this.#open(f, bits);
      return x.kind === "zero" ? zero(f, x.negative) : bits;
    };
    return kept(found === (maximum ? "greater" : "less") ? a : b);
  }

  /** To the other format. */
  convert(from: Format, to: Format, a: bigint): bigint {
    const x = this.#open(from, a);
    if (isNan(x)) {
      if (x.kind === "signalling") this.flags |= MXCSR.IE;
      const fraction = x.bits & (1n << BigInt(from.precision - 1)) - 1n;
      const shift = BigInt(to.precision - from.precision);
      const moved = shift >= 0n ? fraction << shift : fraction >> -shift;
      return infinity(to, x.negative) | moved | 1n << BigInt(to.precision - 2);
    }
    if (x.kind === "infinite") return infinity(to, x.negative);
    this.#denormals(x, x);
    if (x.kind === "zero") return zero(to, x.negative);
    return this.#round(to, x.negative, x.significand, x.exponent);
  }

  fromInteger(f: Format, value: bigint): bigint {
    if (value === 0n) return 0n;
    return this.#round(f, value < 0n, value < 0n ? -value : value, 0);
  }

  /** To a signed integer of `bits`; what does not fit is the indefinite one, the most negative. */
  toInteger(f: Format, a: bigint, bits: number, truncate: boolean): bigint {
    const x = this.#open(f, a);
    const limit = 1n << BigInt(bits - 1);
    const indefinite = () => {
      this.flags |= MXCSR.IE;
      return limit;
    };
    if (isNan(x) || x.kind === "infinite") return indefinite();
    if (x.kind === "zero") return 0n;
    if (x.exponent > bits) return indefinite();
    const { value, exact } = this.#integral(x, truncate ? 3 : this.#rounding);
    const signed = x.negative ? -value : value;
    if (signed >= limit || signed < -limit) return indefinite();
    if (!exact) this.flags |= MXCSR.PE;
    return BigInt.asUintN(bits, signed);
  }

  /** ROUNDPS: to an integral value by `mode` (0 to 3, or MXCSR's); `silent` keeps PE. */
  roundToIntegral(f: Format, a: bigint, mode: number | undefined, silent: boolean): bigint {
    const x = this.#open(f, a);
    const nan = this.#nan(f, x, x);
    if (nan !== undefined) return nan;
    if (x.kind === "infinite" || x.kind === "zero") return x.kind === "zero" ? zero(f, x.negative) : a;
    const { value, exact } = this.#integral(x, mode ?? this.#rounding);
    if (!exact && !silent) this.flags |= MXCSR.PE;
    if (value === 0n) return zero(f, x.negative);
    return this.#round(f, x.negative, value, 0);
  }

  get #rounding(): number {
    return this.#mxcsr >> MXCSR.ROUND_SHIFT & 3;
  }

  #isMasked(exception: number): boolean {
    return (this.#mxcsr >> MXCSR.MASK_SHIFT & exception) !== 0;
  }

  #open(f: Format, bits: bigint): Parts {
    const fractionBits = BigInt(f.precision - 1);
    const fraction = bits & (1n << fractionBits) - 1n;
    const exponentMask = (1n << f.bits - 1n - fractionBits) - 1n;
    const biased = bits >> fractionBits & exponentMask;
    const negative = bits >> f.bits - 1n !== 0n;
    const lowest = f.least - (f.precision - 1);
    const parts = (kind: Kind, significand: bigint, exponent: number): Parts => ({
      kind,
      negative,
      significand,
      exponent,
      bits,
    });
    if (biased === exponentMask) {
      if (fraction === 0n) return parts("infinite", 0n, 0);
      return parts(fraction >> fractionBits - 1n === 0n ? "signalling" : "quiet", fraction, 0);
    }
    if (biased !== 0n) return parts("normal", fraction | 1n << fractionBits, lowest + Number(biased) - 1);
    if (fraction === 0n || (this.#mxcsr & MXCSR.DAZ) !== 0) return parts("zero", 0n, 0);
    return parts("denormal", fraction, lowest);
  }

  #denormals(...numbers: readonly Parts[]): void {
    if (numbers.some(({ kind }) => kind === "denormal")) this.flags |= MXCSR.DE;
  }

  #invalid(f: Format): bigint {
    this.flags |= MXCSR.IE;
    return infinity(f, true) | 1n << BigInt(f.precision - 2);
  }

  /** The first operand that is a NaN, made quiet. */
  #nan(f: Format, x: Parts, y: Parts): bigint | undefined {
    if (x.kind === "signalling" || y.kind === "signalling") this.flags |= MXCSR.IE;
    const chosen = isNan(x) ? x : isNan(y) ? y : undefined;
    return chosen === undefined ? undefined : chosen.bits | 1n << BigInt(f.precision - 2);
  }

  #sum(f: Format, a: bigint, b: bigint, subtract: boolean): bigint {
    const [x, y] = [this.#open(f, a), this.#open(f, b)];
    const nan = this.#nan(f, x, y);
    if (nan !== undefined) return nan;
    const yNegative = y.negative !== subtract;
    if (x.kind === "infinite" && y.kind === "infinite" && x.negative !== yNegative) return this.#invalid(f);
    this.#denormals(x, y);
    if (x.kind === "infinite") return infinity(f, x.negative);
    if (y.kind === "infinite") return infinity(f, yNegative);
    const exponent = x.kind === "zero"
      ? y.exponent
      : y.kind === "zero"
      ? x.exponent
      : Math.min(x.exponent, y.exponent);
    const scaled = ({ significand, exponent: own }: Parts, negative: boolean) => {
      const value = significand === 0n ? 0n : significand << BigInt(own - exponent);
      return negative ? -value : value;
    };
    const sum = scaled(x, x.negative) + scaled(y, yNegative);
    if (sum !== 0n) return this.#round(f, sum < 0n, sum < 0n ? -sum : sum, exponent);
    // Zeros of one sign keep it; else it is negative only when rounding down.
    const bothZero = x.kind === "zero" && y.kind === "zero";
    if (bothZero && x.negative === yNegative) return zero(f, x.negative);
    return zero(f, this.#rounding === 1);
  }

  /** Drops `drop` low bits of a magnitude by a rounding mode. */
  #shorten(value: bigint, drop: number, negative: boolean, mode: number): { value: bigint; exact: boolean } {
    if (drop <= 0) return { value: value << BigInt(-drop), exact: true };
    const kept = value >> BigInt(drop);
    const rest = value & (1n << BigInt(drop)) - 1n;
    if (rest === 0n) return { value: kept, exact: true };
    const half = 1n << BigInt(drop - 1);
    const up = mode === 0
      ? rest > half || rest === half && (kept & 1n) !== 0n
      : mode === 1
      ? negative
      : mode === 2
      ? !negative
      : false;
    return { value: up ? kept + 1n : kept, exact: false };
  }

  #integral({ significand, exponent, negative }: Parts, mode: number): { value: bigint; exact: boolean } {
    return this.#shorten(significand, -exponent, negative, mode);
  }

  /** The nearest number of a format, with overflow, underflow and their flags. */
  #round(f: Format, negative: boolean, significand: bigint, exponent: number): bigint {
    const mode = this.#rounding;
    const length = lengthOf(significand);
    const wide = this.#shorten(significand, length - f.precision, negative, mode);
    let top = exponent + length - 1;
    let { value } = wide;
    if (value >> BigInt(f.precision) !== 0n) {
      value >>= 1n;
      top++;
    }
    if (top < f.least) return this.#underflow(f, negative, { significand, exponent, exact: wide.exact });
    if (!wide.exact) this.flags |= MXCSR.PE;
    if (top > f.most) {
      this.flags |= MXCSR.OE | (this.#isMasked(MXCSR.OE) ? MXCSR.PE : 0);
      const toInfinity = mode === 0 || mode === (negative ? 1 : 2);
      return toInfinity ? infinity(f, negative) : infinity(f, negative) - 1n;
    }
    const fractionBits = BigInt(f.precision - 1);
    return zero(f, negative) | BigInt(top - f.least + 1) << fractionBits |
      value & (1n << fractionBits) - 1n;
  }

  /** `wide.exact`: with an exponent of any size nothing would be lost. */
  #underflow(
    f: Format,
    negative: boolean,
    wide: { significand: bigint; exponent: number; exact: boolean },
  ): bigint {
    const { significand, exponent } = wide;
    const lowest = f.least - (f.precision - 1);
    const { value, exact } = this.#shorten(significand, lowest - exponent, negative, this.#rounding);
    const masked = this.#isMasked(MXCSR.UE);
    if (!masked) {
      this.flags |= MXCSR.UE | (wide.exact ? 0 : MXCSR.PE);
      return zero(f, negative);
    }
    if ((this.#mxcsr & MXCSR.FTZ) !== 0) {
      this.flags |= MXCSR.UE | MXCSR.PE;
      return zero(f, negative);
    }
    if (!exact) this.flags |= MXCSR.UE | MXCSR.PE;
    // A significand that was rounded up to the least normal number has its exponent's bit in the right place.
    return zero(f, negative) | value;
  }
}

function isNan({ kind }: Parts): boolean {
  return kind === "quiet" || kind === "signalling";
}

function zero(f: Format, negative: boolean): bigint {
  return negative ? 1n << f.bits - 1n : 0n;
}

function infinity(f: Format, negative: boolean): bigint {
  const fractionBits = BigInt(f.precision - 1);
  return zero(f, negative) | (1n << f.bits - 1n) - (1n << fractionBits);
}

/** Numbers in their order, zeros alike. */
function order({ kind, negative, bits }: Parts): bigint {
  if (kind === "zero") return 0n;
  const magnitude = negative ? BigInt.asUintN(63, bits) : bits;
  return negative ? -magnitude : magnitude;
}
