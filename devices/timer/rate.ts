/**
 * Exact conversion between nanoseconds and the ticks of a crystal, with no drift however long the machine runs.
 *
 * The frequency over 10^9 is held as a reduced fraction, and whole multiples of its denominator are converted apart
 * from the rest, so that no product leaves the integers a double holds exactly.
 * @module
 */

import { NS_PER_S } from "../../hvm/base/clock.ts";

/** A fixed frequency. */
export class Rate {
  /** Ticks in {@linkcode Rate.#nsPart} nanoseconds. */
  readonly #tickPart: number;
  readonly #nsPart: number;

  /**
   * @param hz a whole number of hertz, at least 1.
   * @throws {RangeError} when the fraction is too fine to be converted exactly.
   */
  constructor(hz: number) {
    const divisor = greatestCommonDivisor(hz, NS_PER_S);
    this.#tickPart = hz / divisor;
    this.#nsPart = NS_PER_S / divisor;
    if (!Number.isSafeInteger(hz) || hz < 1 || !Number.isSafeInteger(this.#tickPart * this.#nsPart)) {
      throw new RangeError(`Cannot count ${hz} Hz exactly in nanoseconds`);
    }
  }

  /** The number of whole ticks in `ns` nanoseconds (0 or more; a fraction is dropped). */
  ticksIn(ns: number): number {
    const whole = Math.floor(ns);
    const rest = whole % this.#nsPart;
    return (whole - rest) / this.#nsPart * this.#tickPart + quotient(rest * this.#tickPart, this.#nsPart);
  }

  /** The first whole nanosecond at which `ticks` ticks (0 or more) have passed. */
  nsOf(ticks: number): number {
    const rest = ticks % this.#tickPart;
    const product = rest * this.#nsPart;
    const up = product % this.#tickPart === 0 ? 0 : 1;
    return (ticks - rest) / this.#tickPart * this.#nsPart + quotient(product, this.#tickPart) + up;
  }
}

/** Whole quotient, exact where a rounded division might reach the next integer. */
function quotient(dividend: number, divisor: number): number {
  return (dividend - dividend % divisor) / divisor;
}

function greatestCommonDivisor(a: number, b: number): number {
  while (b > 0) [a, b] = [b, a % b];
  return a;
}
