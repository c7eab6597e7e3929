/**
 * Ordered, non-overlapping intervals of addresses, each carrying a value.
 * @module
 */

/** One interval: `start` is its first address, `length` its size. */
export interface Range<T> {
  readonly start: number;
  readonly length: number;
  readonly value: T;
}

/** Intervals kept in order, found by binary search. */
export class Ranges<T> {
  readonly #entries: Range<T>[] = [];

  /**
   * Adds an interval.
   * @throws {RangeError} when it is empty or overlaps one that is there.
   */
  add(start: number, length: number, value: T): void {
    if (!(length > 0) || !(start >= 0)) {
      throw new RangeError(`Cannot add an empty or negative range at ${start}`);
    }
    const at = this.#firstEndingAfter(start);
    const next = this.#entries[at];
    if (next !== undefined && next.start < start + length) {
      throw new RangeError(
        `Cannot add 0x${start.toString(16)}+0x${length.toString(16)}: it overlaps ` +
          `0x${next.start.toString(16)}+0x${next.length.toString(16)}`,
      );
    }
    this.#entries.splice(at, 0, { start, length, value });
  }

  /** Removes the interval that starts at `start`; true when there was one. */
  remove(start: number): boolean {
    const at = this.#firstEndingAfter(start);
    if (this.#entries[at]?.start !== start) return false;
    this.#entries.splice(at, 1);
    return true;
  }

  /** The interval that holds `address`. */
  find(address: number): Range<T> | undefined {
    const entry = this.#entries[this.#firstEndingAfter(address)];
    return entry !== undefined && entry.start <= address ? entry : undefined;
  }

  /** True when no interval touches `start` to `start + length`. */
  isFree(start: number, length: number): boolean {
    const next = this.#entries[this.#firstEndingAfter(start)];
    return next === undefined || next.start >= start + length;
  }

  /** What is left free of `start` to `start + length`, in order. */
  gaps(start: number, length: number): { start: number; length: number }[] {
    const result: { start: number; length: number }[] = [];
    const end = start + length;
    let at = start;
    for (let i = this.#firstEndingAfter(start); i < this.#entries.length; i++) {
      const entry = this.#entries[i]!;
      if (entry.start >= end) break;
      if (entry.start > at) result.push({ start: at, length: entry.start - at });
      at = entry.start + entry.length;
    }
    if (at < end) result.push({ start: at, length: end - at });
    return result;
  }

  /** All intervals in ascending order. */
  [Symbol.iterator](): IterableIterator<Range<T>> {
    return this.#entries[Symbol.iterator]();
  }

  get size(): number {
    return this.#entries.length;
  }

  #firstEndingAfter(address: number): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = this.#entries[middle]!;
      if (entry.start + entry.length > address) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
