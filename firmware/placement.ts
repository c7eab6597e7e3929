/**
 * Who gets which piece of guest memory while a guest is loaded: nothing overlaps, nothing leaves RAM.
 * @module
 */

import { MIB, PAGE_SIZE } from "../hvm/base/addr.ts";
import { alignDown, alignUp, hex } from "../hvm/base/bits.ts";
import { ImageError } from "../hvm/base/errors.ts";
import { Ranges } from "../hvm/base/ranges.ts";
import { MEMORY_TYPE, type MemoryMapEntry } from "./e820.ts";

/** Something that was put into guest memory. */
export interface PlacedRegion {
  readonly name: string;
  readonly base: number;
  readonly length: number;
}

/** Where a free piece may be. */
export interface PlaceOptions {
  /** A power of two; 16 when not given. */
  readonly align?: number;
  /** 1000h when not given: the first page is left to real mode. */
  readonly from?: number;
  /** The piece ends at or below this address. */
  readonly below?: number;
  /** Take the highest fitting address instead of the lowest. */
  readonly top?: boolean;
}

/** Interrupt vectors and the BIOS data area end here. */
const REAL_MODE_DATA_END = 0x500;

/** The pieces of RAM that are taken. */
export class Placement {
  readonly #ram: readonly MemoryMapEntry[];
  readonly #taken = new Ranges<string>();

  /** @param map As {@linkcode memoryMap} gives it: only its RAM is used, and of that not the real-mode data. */
  constructor(map: readonly MemoryMapEntry[]) {
    this.#ram = map.filter((entry) => entry.type === MEMORY_TYPE.RAM);
    this.#taken.add(0, REAL_MODE_DATA_END, "real-mode data");
  }

  /** What was placed, in ascending order. */
  get regions(): PlacedRegion[] {
    return [...this.#taken].map(({ start, length, value }) => ({ name: value, base: start, length }))
      .filter(({ base }) => base !== 0);
  }

  /** One past the highest address taken. */
  get end(): number {
    const last = this.regions.at(-1);
    return last === undefined ? 0 : last.base + last.length;
  }

  /**
   * Takes `length` bytes at `base`.
   * @throws {ImageError} when that is not RAM, or taken.
   */
  claim(name: string, base: number, length: number): void {
    const span = `${hex(base)} to ${hex(base + length)}`;
    if (!this.#ram.some((ram) => base >= ram.base && base + length <= ram.base + ram.length)) {
      const end = this.#ram.reduce((most, ram) => Math.max(most, ram.base + ram.length), 0);
      throw new ImageError(
        base + length > end
          ? `The ${name} needs memory from ${span}, which the guest has not: give it more than ` +
            `${Math.ceil((base + length) / MIB)} MiB`
          : `The ${name} needs memory from ${span}, part of which is reserved in a PC`,
      );
    }
    if (!this.#taken.isFree(base, length)) {
      const other = [...this.#taken].find(({ start, length: size }) =>
        start < base + length && base < start + size
      );
      throw new ImageError(`The ${name} needs memory from ${span}, which the ${other?.value} takes`);
    }
    this.#taken.add(base, length, name);
  }

  /**
   * Takes a free piece and gives its address.
   * @throws {ImageError} when there is none.
   */
  place(name: string, length: number, options: PlaceOptions = {}): number {
    const { align = 16, from = PAGE_SIZE, below = Infinity, top = false } = options;
    const size = Math.max(length, 1);
    const gaps = this.#ram.flatMap((ram) => this.#taken.gaps(ram.base, ram.length));
    const fitting = gaps.flatMap((gap) => {
      const low = alignUp(Math.max(gap.start, from), align);
      const high = Math.min(gap.start + gap.length, below) - size;
      if (high < low) return [];
      return [top ? alignDown(high, align) : low];
    });
    const base = top ? fitting.at(-1) : fitting[0];
    if (base === undefined) {
      const where = below === Infinity ? "" : ` below ${hex(below)}`;
      throw new ImageError(
        `The ${name} (${
          describeSize(length)
        }) does not fit into the guest's memory${where}: give the guest more`,
      );
    }
    this.#taken.add(base, size, name);
    return base;
  }
}

function describeSize(bytes: number): string {
  return bytes < MIB ? `${bytes} bytes` : `${Math.ceil(bytes / MIB)} MiB`;
}
