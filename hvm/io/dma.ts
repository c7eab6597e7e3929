/**
 * Guest memory as a bus master sees it.
 *
 * A PCI function moves data only while its bus-master enable bit is set; until then its reads return ones and its
 * writes go nowhere (a master abort). [PCI] 3.0, 6.2.2
 * @module
 */

import type { GuestMemory } from "../base/memory.ts";

/** What a device that moves data by itself is given. */
export interface Dma {
  readonly enabled: boolean;
  read(gpa: number, length: number): Uint8Array<ArrayBuffer>;
  readInto(gpa: number, target: Uint8Array): void;
  write(gpa: number, source: Uint8Array): void;
  readU16(gpa: number): number;
  readU32(gpa: number): number;
  readU64(gpa: number): bigint;
  writeU8(gpa: number, value: number): void;
  writeU16(gpa: number, value: number): void;
  writeU32(gpa: number, value: number): void;
  writeU64(gpa: number, value: bigint): void;
  /** The bytes themselves when the piece is contiguous RAM and mastering is on: for zero-copy transfers. */
  slice(gpa: number, length: number): Uint8Array<ArrayBufferLike> | undefined;
}

/** A view of guest memory that is open while `enabled()` says so. */
export function dmaView(memory: GuestMemory, enabled: () => boolean = () => true): Dma {
  return {
    get enabled() {
      return enabled();
    },
    read: (gpa, length) => enabled() ? memory.read(gpa, length) : new Uint8Array(length).fill(0xff),
    readInto: (gpa, target) => {
      if (enabled()) memory.readInto(gpa, target);
      else target.fill(0xff);
    },
    write: (gpa, source) => {
      if (enabled()) memory.write(gpa, source);
    },
    readU16: (gpa) => enabled() ? memory.readU16(gpa) : 0xffff,
    readU32: (gpa) => enabled() ? memory.readU32(gpa) : 0xffffffff,
    readU64: (gpa) => enabled() ? memory.readU64(gpa) : 0xffffffff_ffffffffn,
    writeU8: (gpa, value) => {
      if (enabled()) memory.writeU8(gpa, value);
    },
    writeU16: (gpa, value) => {
      if (enabled()) memory.writeU16(gpa, value);
    },
    writeU32: (gpa, value) => {
      if (enabled()) memory.writeU32(gpa, value);
    },
    writeU64: (gpa, value) => {
      if (enabled()) memory.writeU64(gpa, value);
    },
    slice: (gpa, length) => enabled() && memory.isRam(gpa, length) ? memory.slice(gpa, length) : undefined,
  };
}
