/**
 * A run of registers described by rows: which bits reset to what, which can be written, which a written 1 clears.
 *
 * Configuration spaces and chipset register blocks are mostly that; the chip adds what a bit means. Accesses of every
 * width and alignment work on bytes, as byte enables do.
 * @module
 */

import type { Width } from "../../hvm/io/device.ts";

/** One register. Bits that no mask names are fixed at their reset value. */
export interface RegisterRow {
  readonly at: number;
  /** Bytes, 1 when absent. */
  readonly width?: Width;
  /** Value after reset, 0 when absent. */
  readonly reset?: number;
  /** Bits the guest can write. */
  readonly writable?: number;
  /** Bits that a written 1 clears and the chip sets. */
  readonly clearable?: number;
  /** Bits only the chip changes. */
  readonly internal?: number;
}

/** The registers' content and rules. */
export class RegisterFile {
  readonly length: number;
  readonly #bytes: Uint8Array;
  readonly #initial: Uint8Array;
  readonly #writable: Uint8Array;
  readonly #clearable: Uint8Array;
  readonly #internal: Uint8Array;

  constructor(length: number, rows: readonly RegisterRow[]) {
    this.length = length;
    this.#bytes = new Uint8Array(length);
    this.#initial = new Uint8Array(length);
    this.#writable = new Uint8Array(length);
    this.#clearable = new Uint8Array(length);
    this.#internal = new Uint8Array(length);
    for (const row of rows) this.define(row);
  }

  /**
   * Adds a register at build time and gives it its reset value.
   * @throws {RangeError} when it does not fit.
   */
  define(row: RegisterRow): void {
    const width = row.width ?? 1;
    if (row.at < 0 || row.at + width > this.length) {
      throw new RangeError(`Cannot define a register at 0x${row.at.toString(16)}: past the end`);
    }
    for (let i = 0; i < width; i++) {
      this.#initial[row.at + i] = (row.reset ?? 0) >>> i * 8;
      this.#bytes[row.at + i] = (row.reset ?? 0) >>> i * 8;
      this.#writable[row.at + i] = (row.writable ?? 0) >>> i * 8;
      this.#clearable[row.at + i] = (row.clearable ?? 0) >>> i * 8;
      this.#internal[row.at + i] = (row.internal ?? 0) >>> i * 8;
    }
  }

  /** The unsigned value of `width` bytes; the guest's and the chip's reads alike. */
  get(at: number, width: Width = 1): number {
    let value = 0;
    for (let i = width - 1; i >= 0; i--) value = value << 8 | this.#bytes[at + i]!;
    return value >>> 0;
  }

  /** A write by the chip: every bit is taken. */
  set(at: number, width: Width, value: number): void {
    for (let i = 0; i < width; i++) this.#bytes[at + i] = value >>> i * 8;
  }

  /** A write by the guest: writable bits are taken, written ones clear what they may. */
  write(at: number, width: Width, value: number): void {
    for (let i = 0; i < width; i++) {
      const byte = value >>> i * 8 & 0xff;
      const writable = this.#writable[at + i]!;
      const kept = this.#bytes[at + i]! & ~writable & ~(byte & this.#clearable[at + i]!);
      this.#bytes[at + i] = kept | (byte & writable);
    }
  }

  /** The bits at `at` a guest can write. */
  writable(at: number, width: Width = 1): number {
    let value = 0;
    for (let i = width - 1; i >= 0; i--) value = value << 8 | this.#writable[at + i]!;
    return value >>> 0;
  }

  /** Changes which bits of a byte the guest can write: what locks do. */
  setWritable(at: number, mask: number): void {
    this.#writable[at] = mask;
  }

  reset(): void {
    this.#bytes.set(this.#initial);
  }

  /** The content as hexadecimal digits. */
  save(): string {
    return this.#bytes.toHex();
  }

  /** Takes the bits that can change from a saved content; fixed bits stay what they are. */
  load(content: string): void {
    const saved = Uint8Array.fromHex(content);
    for (let at = 0; at < this.length; at++) {
      const changing = this.#writable[at]! | this.#clearable[at]! | this.#internal[at]!;
      this.#bytes[at] = (this.#initial[at]! & ~changing) | (saved[at]! & changing);
    }
  }
}
