/**
 * A base address register: says how much space a function wants and where it was put.
 *
 * Address bits below the size are fixed at 0, so writing ones and reading back gives the size. [PCI] 6.2.5.1
 *
 * Sources: [PCI] PCI Local Bus Specification 3.0, 6.2.5 (base addresses, expansion ROM).
 * @module
 */

import { ADDRESS_LIMIT, high32, join32, low32 } from "../../hvm/base/addr.ts";
import { isPowerOfTwo } from "../../hvm/base/bits.ts";
import type { ConfigSpace } from "./config.ts";
import type { Place } from "./placement.ts";
import { BAR_BITS, PCI_COMMAND, PCI_REG } from "./regs.ts";

/** What kind of space a register asks for. */
export type BarKind = "io" | "memory32" | "memory64" | "rom";

/** Ports there are on x86. */
const PORT_LIMIT = 0x10000;
const BARS = 6;

/** What a function says of one of its registers. */
export interface BarOptions {
  /** 0 to 5; a 64-bit one takes the next as well; ignored for the expansion ROM. */
  readonly index: number;
  readonly kind: BarKind;
  /** Bytes, a power of two: at least 4 for ports, 16 for memory, 2 KiB for a ROM. */
  readonly size: number;
  readonly prefetchable?: boolean;
  /** Moves the window behind it. */
  readonly place: Place;
}

/** One base address register; its function calls `sync` after every change of its configuration space. */
export class Bar {
  readonly kind: BarKind;
  readonly size: number;
  readonly #config: ConfigSpace;
  readonly #at: number;
  readonly #place: Place;
  #base: number | undefined;

  /** @throws {RangeError} when there is no such register, or its size is none. */
  constructor(config: ConfigSpace, options: BarOptions) {
    const { kind, size, index } = options;
    const least = kind === "io" ? 4 : kind === "rom" ? 2048 : 16;
    if (!isPowerOfTwo(size) || size < least || (kind !== "memory64" && size > 2 ** 31)) {
      throw new RangeError(`Cannot make a base address register of ${size} bytes of ${kind}`);
    }
    if (kind !== "rom" && !(index >= 0 && index + (kind === "memory64" ? 2 : 1) <= BARS)) {
      throw new RangeError(`Cannot make base address register ${index}: there are ${BARS}`);
    }
    this.kind = kind;
    this.size = size;
    this.#config = config;
    this.#place = options.place;
    this.#at = kind === "rom" ? PCI_REG.ROM_BASE : PCI_REG.BAR0 + index * 4;
    this.#define(options);
  }

  /** Where the window is, undefined while it answers nowhere. */
  get base(): number | undefined {
    return this.#base;
  }

  /** Derives where the window is from the register and the command register. */
  sync(): void {
    this.#base = this.#decoded();
    this.#place(this.#base);
  }

  #define({ kind, size, prefetchable }: BarOptions): void {
    const { registers } = this.#config;
    const at = this.#at;
    const low = low32(2 ** 53 - size);
    if (kind === "io") registers.define({ at, width: 4, reset: BAR_BITS.IO, writable: low });
    else if (kind === "rom") registers.define({ at, width: 4, writable: low + BAR_BITS.ROM_ENABLE });
    else {
      const flags = (kind === "memory64" ? BAR_BITS.MEMORY_64 : 0) |
        (prefetchable ? BAR_BITS.PREFETCHABLE : 0);
      registers.define({ at, width: 4, reset: flags, writable: low });
      // Above 32 bits every address bit that is not part of the size can be written.
      const writable = size >= 2 ** 32 ? low32(2 ** 32 - size / 2 ** 32) : 0xffffffff;
      if (kind === "memory64") registers.define({ at: at + 4, width: 4, writable });
    }
  }

  #decoded(): number | undefined {
    const { registers, command } = this.#config;
    const raw = registers.get(this.#at, 4);
    const space = this.kind === "io" ? PCI_COMMAND.IO_SPACE : PCI_COMMAND.MEMORY_SPACE;
    if ((command & space) === 0) return undefined;
    if (this.kind === "rom" && (raw & BAR_BITS.ROM_ENABLE) === 0) return undefined;
    const low = raw - raw % Math.min(this.size, 2 ** 32);
    const base = this.kind === "memory64" ? join32(registers.get(this.#at + 4, 4), low) : low;
    // A base of 0 is that of a register nobody has set, and all ones is how it is sized: no window is meant there.
    const unset = base === 0 || this.#allOnes(base);
    const limit = this.kind === "io" ? PORT_LIMIT : this.kind === "memory64" ? ADDRESS_LIMIT : 2 ** 32;
    return unset || base + this.size > limit ? undefined : base;
  }

  #allOnes(base: number): boolean {
    return low32(base) === low32(2 ** 53 - this.size) && (high32(base) === 0 || high32(base) === 0xffffffff);
  }
}
