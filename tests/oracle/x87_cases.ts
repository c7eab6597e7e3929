/**
 * Operands for the x87 oracle: random, and crowded where something changes.
 *
 * @module
 */

import type { Extended, X87Job } from "./x87_oracle.ts";

/** A repeatable source of 32-bit numbers (a Weyl sequence through a mixing function). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  word(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let mixed = this.#state ^ this.#state >>> 16;
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return (mixed ^ mixed >>> 15) >>> 0;
  }

  /** 0 to n - 1. */
  below(n: number): number {
    return this.word() % n;
  }

  /** One time of n. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  quad(): bigint {
    return BigInt(this.word()) << 32n | BigInt(this.word());
  }
}

const INTEGER_BIT = 1n << 63n;

/** Significands of few ones, few zeros, short and random ones. */
function significand(random: Random): bigint {
  switch (random.below(8)) {
    case 0:
      return 0n;
    case 1:
      return BigInt.asUintN(64, -1n << BigInt(random.below(64)));
    case 2:
      return 1n << BigInt(random.below(64));
    case 3:
      return BigInt.asUintN(64, random.quad() << BigInt(random.below(64)));
    case 4:
      return (1n << BigInt(random.below(64))) - 1n;
    case 5:
      return INTEGER_BIT | BigInt(random.below(4));
    default:
      return random.quad();
  }
}

/** Exponents at the ends of each format, and near `near`, so that two operands meet. */
function exponent(random: Random, near: number): number {
  switch (random.below(16)) {
    case 0:
      return 0;
    case 1:
      return 0x7fff;
    case 2:
      return random.below(3);
    case 3:
      return 0x7ffd + random.below(3);
    case 4:
      return random.below(0x8000);
    case 5:
      return 0x3fff;
    case 6:
      return 0x3fff - 1023 - 60 + random.below(64);
    case 7:
      return 0x3fff - 130 - random.below(40);
    case 8:
      return 0x3fff + 120 + random.below(10);
    case 9:
      return 0x3fff + 1020 + random.below(8);
    default:
      return (near + random.below(140) - 70) & 0x7fff;
  }
}

function extended(random: Random, near: number): Extended {
  if (random.oneIn(30)) return { sig: 0n, se: random.below(2) << 15 };
  let sig = significand(random);
  const e = exponent(random, near);
  if (e !== 0 && !random.oneIn(24)) sig |= INTEGER_BIT;
  if (e === 0 && !random.oneIn(4)) sig &= INTEGER_BIT - 1n;
  return { sig, se: e | random.below(2) << 15 };
}

/** Ten bytes that are a single, a double, an integer or decimal digits of some interest. */
function memoryOperand(random: Random): Extended {
  const sign = BigInt(random.below(2)) << 63n | BigInt(random.below(2)) << 31n;
  switch (random.below(5)) {
    case 0:
      return { sig: sign | BigInt(random.below(4) << 23) | random.quad() & 7n, se: random.below(0x10000) };
    case 1:
      return { sig: 0x7ff00000_7f800000n | random.quad() & 0x800fffff_807fffffn, se: random.below(0x10000) };
    case 2:
      return { sig: random.quad() & 0x800fffff_807fffffn, se: 0 };
    default:
      return { sig: random.quad(), se: random.below(0x10000) & 0x8099 };
  }
}

function decimal(random: Random): Extended {
  let sig = 0n;
  for (let i = 0; i < 16; i++) sig = sig << 4n | BigInt(random.below(10));
  return { sig, se: random.below(10) | random.below(10) << 4 | random.below(2) << 15 };
}

function secondOperand(random: Random, operation: string, a: Extended, near: number): Extended {
  if (operation === "fbld") return decimal(random);
  if (/^(fld|fild|add|mul|divr|com)_m/.test(operation)) return memoryOperand(random);
  if (operation === "scale" && random.oneIn(2)) {
    return { sig: random.quad() | INTEGER_BIT, se: 0x3fff + random.below(18) | random.below(2) << 15 };
  }
  if (random.oneIn(10)) return { sig: a.sig, se: random.oneIn(2) ? a.se : a.se ^ 0x8000 };
  return extended(random, near);
}

/** One job: any rounding and precision, masked in two of three. */
export function randomJob(random: Random, operation: string): X87Job {
  const near = random.oneIn(3) ? random.below(0x8000) : 0x3fff + random.below(200) - 100;
  const masks = random.oneIn(3) ? random.below(0x40) : 0x3f;
  const control = random.below(16) << 8 | 0x40 | masks;
  const prior = random.below(8) << 8 | random.below(2) << 14;
  const a = extended(random, near);
  return { operation, a, b: secondOperand(random, operation, a, near), control, prior };
}

/** pi as the processors have it, in units of 2^-64. */
const PI_66 = 0x3_243f6a88_85a308d3n;

/** The highest exponent at which an argument is still interesting. */
function highestExponent(operation: string): number {
  if (operation === "f2xm1") return -1;
  if (operation === "fyl2xp1") return -2;
  return operation === "fyl2x" || operation === "fpatan" ? 10 : 62;
}

function argument(random: Random, operation: string, highest: number): Extended {
  const sign = operation === "fyl2x" ? 0 : random.below(2) << 15;
  const sig = random.quad() | INTEGER_BIT;
  if (operation === "fyl2x" && random.oneIn(2)) {
    // Around 1, where the logarithm is small.
    const small = random.quad() >> BigInt(random.below(60) + 2);
    return random.oneIn(2) ? { sig: INTEGER_BIT | small, se: 0x3fff } : { sig: ~small & MASK, se: 0x3ffe };
  }
  if (highest === 62 && random.oneIn(4)) {
    // Around multiples of pi/2, where reduction takes most bits away.
    const product = BigInt(random.below(1 << 30) + 1) * PI_66;
    const length = product.toString(2).length;
    return { sig: product >> BigInt(length - 64), se: 0x3fff + length - 66 | sign };
  }
  const spread = [4, 12, 70][random.below(3)] ?? 1;
  return { sig, se: 0x3fff + highest - random.below(spread) | sign };
}

const MASK = (1n << 64n) - 1n;

/** One job for a transcendental function: arguments in its range, or anything. */
export function randomArguments(random: Random, operation: string): X87Job {
  const job = randomJob(random, operation);
  if (random.oneIn(4)) return job;
  const highest = highestExponent(operation);
  const a = argument(random, operation, random.oneIn(2) ? Math.min(highest, 3) : highest);
  return { ...job, a, b: argument(random, "", 10), control: job.control | 0x3f };
}
