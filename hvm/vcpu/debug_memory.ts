/**
 * Guest memory as a debugger sees it: by linear address, through the page tables of the processor as it is now.
 * @module
 */

import { PAGE_SIZE } from "../base/addr.ts";
import type { GuestMemory } from "../base/memory.ts";
import { linearToPhysical, type WalkState } from "../x86/walk.ts";

/** What a debugger can do with memory. */
export interface DebugMemory {
  /** Bytes at a linear address: as many as can be read, perhaps none. Devices are not read. */
  read(linear: bigint, bytes: number): Uint8Array;
  /** Writes all bytes or none. */
  write(linear: bigint, bytes: Uint8Array): boolean;
}

/** What the memory of a debugged processor is made of. */
export interface DebugMemoryParts {
  readonly memory: GuestMemory;
  /** How addresses are translated now. */
  readonly state: () => WalkState;
  /** Physical memory was written. */
  readonly written: (gpa: number, bytes: number) => void;
}

/** A part of a range that lies in one page; without `gpa` where there is no memory. */
interface Piece {
  readonly at: number;
  readonly length: number;
  readonly gpa: number | undefined;
}

/** The memory of one processor. */
export class LinearMemory implements DebugMemory {
  readonly #parts: DebugMemoryParts;

  constructor(parts: DebugMemoryParts) {
    this.#parts = parts;
  }

  read(linear: bigint, bytes: number): Uint8Array {
    const { memory } = this.#parts;
    const result = new Uint8Array(bytes);
    let have = 0;
    for (const { gpa, at, length } of this.#pieces(linear, bytes)) {
      if (gpa === undefined) break;
      result.set(memory.read(gpa, length), at);
      have = at + length;
    }
    return result.subarray(0, have);
  }

  write(linear: bigint, bytes: Uint8Array): boolean {
    const { memory, written } = this.#parts;
    const pieces = this.#pieces(linear, bytes.length);
    if (pieces.some(({ gpa }) => gpa === undefined)) return false;
    for (const { gpa, at, length } of pieces) {
      memory.write(gpa!, bytes.subarray(at, at + length));
      written(gpa!, length);
    }
    return true;
  }

  #pieces(linear: bigint, bytes: number): Piece[] {
    const { memory } = this.#parts;
    const state = this.#parts.state();
    const pieces: Piece[] = [];
    for (let at = 0; at < bytes;) {
      const address = BigInt.asUintN(64, linear + BigInt(at));
      const length = Math.min(bytes - at, PAGE_SIZE - Number(address % BigInt(PAGE_SIZE)));
      const gpa = linearToPhysical(state, address, (physical, width) => {
        if (!memory.isRam(physical, width)) return undefined;
        return width === 8 ? memory.readU64(physical) : BigInt(memory.readU32(physical));
      });
      pieces.push({ at, length, gpa: gpa !== undefined && memory.isRam(gpa, length) ? gpa : undefined });
      at += length;
    }
    return pieces;
  }
}
