/**
 * Data breakpoints of one processor: the ranges that are watched, and which accesses meet them.
 *
 * Sources: [SDM] Intel SDM vol. 3B, 19.2.4, 19.2.5.
 * @module
 */

/** A debugger's data breakpoint. */
export interface DataPoint {
  readonly access: "write" | "read" | "access";
  readonly address: bigint;
  readonly length: number;
}

/** What an access does. */
export interface Access {
  readonly read: boolean;
  readonly write: boolean;
}

/** A watched range. */
export interface DataRange extends Access {
  readonly first: bigint;
  readonly last: bigint;
  /** The guest's breakpoint as a bit of DR6, 0 when it is the debugger's. */
  readonly guest: bigint;
  readonly watch?: DataPoint;
}

/**
 * An instruction's accesses come in pieces, and whoever stops it before a later piece must find nothing changed: so
 * whatever comes within these bytes of a data breakpoint is executed by itself.
 */
const NEAR = 64n;
const PAGE_BITS = 12n;

/** The ranges. */
export class DataBreakpoints {
  /** There are some. */
  watching = false;
  /** An instruction met one, and what it met has not been taken. */
  met = false;
  #ranges: readonly DataRange[] = [];
  readonly #pages = new Set<bigint>();
  #guest = 0n;
  #watch: DataPoint | undefined;

  /** Watches these ranges in place of those before. */
  set(ranges: readonly DataRange[]): void {
    this.#ranges = ranges;
    this.#pages.clear();
    for (const { first, last } of ranges) {
      const from = first > NEAR ? first - NEAR : 0n;
      for (let page = from >> PAGE_BITS; page <= last + NEAR >> PAGE_BITS; page++) this.#pages.add(page);
    }
    this.watching = ranges.length > 0;
  }

  /** Whether accesses to the page of an address have to be told. */
  watchesPage(linear: bigint): boolean {
    return this.#pages.has(linear >> PAGE_BITS);
  }

  /** Whether an access comes near a range. */
  isNear(linear: bigint, bytes: number): boolean {
    const last = linear + BigInt(bytes) + NEAR;
    return this.#ranges.some((range) => linear <= range.last + NEAR && last >= range.first);
  }

  /** An access is made: what it meets is remembered. @returns whether it met anything. */
  accessed(linear: bigint, bytes: number, { read, write }: Access): boolean {
    const last = BigInt.asUintN(64, linear + BigInt(bytes) - 1n);
    let met = false;
    for (const range of this.#ranges) {
      if (linear > range.last || last < range.first) continue;
      if (!(read && range.read || write && range.write)) continue;
      met = this.met = true;
      this.#guest |= range.guest;
      this.#watch ??= range.watch;
    }
    return met;
  }

  /** What was met since the last call: the guest's as bits of DR6, and one of the debugger's. */
  take(): { readonly guest: bigint; readonly watch: DataPoint | undefined } {
    const found = { guest: this.#guest, watch: this.#watch };
    this.met = false;
    this.#guest = 0n;
    this.#watch = undefined;
    return found;
  }
}
