/**
 * Guest-physical memory as ranges over buffers.
 *
 * The machine maps its RAM where it likes (one shared buffer, a hole for PCI below 4 GiB, ROMs under the top of it);
 * everything else sees this: copies in and out, numbers of every width, views of contiguous pieces, and which pages
 * were written by anything but the CPU. Addresses with nothing behind them read as ones and swallow writes, as the bus
 * of a PC does.
 * @module
 */

import { ADDRESS_LIMIT, offsetIn, PAGE_SIZE, pageOf } from "./addr.ts";
import { type Range, Ranges } from "./ranges.ts";

/** One mapped piece. */
export interface MemoryRegion {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBufferLike>;
  /** A ROM: reads as memory, takes no writes from the guest. */
  readonly readonly: boolean;
}

interface Mapped extends MemoryRegion {
  readonly view: DataView<ArrayBufferLike>;
  readonly dirty: Uint8Array;
  /** Where in its first page the region starts. */
  readonly skew: number;
}

/** All memory of one machine. */
export class GuestMemory {
  readonly #ranges = new Ranges<Mapped>();
  #last: Range<Mapped> | undefined;
  #written: ((gpa: number, length: number) => void) | undefined;

  /** Maps `bytes` at `gpa`. Throws a RangeError when something is there. */
  map(gpa: number, region: { name: string; bytes: Uint8Array<ArrayBufferLike>; readonly?: boolean }): void {
    const { bytes } = region;
    const skew = offsetIn(gpa);
    this.#ranges.add(gpa, bytes.length, {
      name: region.name,
      bytes,
      readonly: region.readonly ?? false,
      view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
      dirty: new Uint8Array(Math.ceil((skew + bytes.length) / PAGE_SIZE / 8)),
      skew,
    });
  }

  unmap(gpa: number): boolean {
    this.#last = undefined;
    return this.#ranges.remove(gpa);
  }

  /** Every region in ascending order. */
  regions(): Range<MemoryRegion>[] {
    return [...this.#ranges];
  }

  /** True when all of `gpa` to `gpa + length` is memory the guest may write. */
  isRam(gpa: number, length: number): boolean {
    // Guests hand over 64-bit numbers; past 2^53 the sum below would not move on.
    if (gpa + length > ADDRESS_LIMIT) return false;
    for (let at = gpa; at < gpa + length;) {
      const range = this.#find(at);
      if (range === undefined || range.value.readonly) return false;
      at = range.start + range.length;
    }
    return true;
  }

  /**
   * The bytes at `gpa` themselves, without a copy.
   * @returns undefined when the piece is not wholly inside one region.
   */
  slice(gpa: number, length: number): Uint8Array<ArrayBufferLike> | undefined {
    const range = this.#find(gpa);
    if (range === undefined || gpa + length > range.start + range.length) return undefined;
    return range.value.bytes.subarray(gpa - range.start, gpa - range.start + length);
  }

  /** A copy of `length` bytes; what is not there reads as ones. */
  read(gpa: number, length: number): Uint8Array<ArrayBuffer> {
    const result = new Uint8Array(length);
    this.readInto(gpa, result);
    return result;
  }

  /** Fills `target` from `gpa` on; what is not there reads as ones. */
  readInto(gpa: number, target: Uint8Array): void {
    this.#pieces(gpa, target.length, (range, offset, at, count) => {
      if (range === undefined) target.fill(0xff, at, at + count);
      else target.set(range.value.bytes.subarray(offset, offset + count), at);
    });
  }

  /** Writes as a device does: ROM and absent memory swallow it, pages are marked dirty. */
  write(gpa: number, source: Uint8Array): void {
    this.#pieces(gpa, source.length, (range, offset, at, count) => {
      if (range === undefined || range.value.readonly) return;
      range.value.bytes.set(source.subarray(at, at + count), offset);
      markDirty(range.value, offset, count);
      this.#written?.(gpa + at, count);
    });
  }

  /** Has `listener` told of every piece that is written or filled from now on, by address and length. */
  watch(listener: (gpa: number, length: number) => void): void {
    this.#written = listener;
  }

  /** Fills ROM and RAM alike: what a loader does before the guest runs. Throws a RangeError where there is no memory. */
  load(gpa: number, source: Uint8Array): void {
    this.#pieces(gpa, source.length, (range, offset, at, count) => {
      if (range === undefined) {
        throw new RangeError(`Cannot load at 0x${(gpa + at).toString(16)}: no memory there`);
      }
      range.value.bytes.set(source.subarray(at, at + count), offset);
      markDirty(range.value, offset, count);
    });
  }

  /** Fills with one byte, by the rules of {@linkcode GuestMemory.write}. */
  fill(gpa: number, length: number, byte: number): void {
    this.#pieces(gpa, length, (range, offset, at, count) => {
      if (range === undefined || range.value.readonly) return;
      range.value.bytes.fill(byte, offset, offset + count);
      markDirty(range.value, offset, count);
      this.#written?.(gpa + at, count);
    });
  }

  readU8(gpa: number): number {
    const range = this.#whole(gpa, 1);
    return range === undefined ? 0xff : range.value.view.getUint8(gpa - range.start);
  }

  readU16(gpa: number): number {
    const range = this.#whole(gpa, 2);
    return range === undefined
      ? this.readU8(gpa) | this.readU8(gpa + 1) << 8
      : range.value.view.getUint16(gpa - range.start, true);
  }

  readU32(gpa: number): number {
    const range = this.#whole(gpa, 4);
    return range === undefined
      ? (this.readU16(gpa) | this.readU16(gpa + 2) << 16) >>> 0
      : range.value.view.getUint32(gpa - range.start, true);
  }

  readU64(gpa: number): bigint {
    const range = this.#whole(gpa, 8);
    return range === undefined
      ? BigInt(this.readU32(gpa)) | BigInt(this.readU32(gpa + 4)) << 32n
      : range.value.view.getBigUint64(gpa - range.start, true);
  }

  writeU8(gpa: number, value: number): void {
    this.write(gpa, Uint8Array.of(value));
  }

  writeU16(gpa: number, value: number): void {
    this.write(gpa, Uint8Array.of(value, value >> 8));
  }

  writeU32(gpa: number, value: number): void {
    this.write(gpa, Uint8Array.of(value, value >> 8, value >> 16, value >> 24));
  }

  writeU64(gpa: number, value: bigint): void {
    this.write(gpa, new Uint8Array(BigUint64Array.of(value).buffer));
  }

  /** The pages written through this object since the last call, as page numbers; the marks are cleared. */
  takeDirty(): number[] {
    const pages: number[] = [];
    for (const { start, value: { dirty } } of this.#ranges) {
      for (let i = 0; i < dirty.length; i++) {
        const marks = dirty[i]!;
        if (marks === 0) continue;
        for (let bit = 0; bit < 8; bit++) if (marks & 1 << bit) pages.push(pageOf(start) + i * 8 + bit);
        dirty[i] = 0;
      }
    }
    return pages;
  }

  #find(gpa: number): Range<Mapped> | undefined {
    const last = this.#last;
    if (last !== undefined && gpa >= last.start && gpa < last.start + last.length) return last;
    const range = this.#ranges.find(gpa);
    if (range !== undefined) this.#last = range;
    return range;
  }

  #whole(gpa: number, length: number): Range<Mapped> | undefined {
    const range = this.#find(gpa);
    return range !== undefined && gpa + length <= range.start + range.length ? range : undefined;
  }

  #pieces(
    gpa: number,
    length: number,
    visit: (range: Range<Mapped> | undefined, offset: number, at: number, count: number) => void,
  ): void {
    for (let at = 0; at < length;) {
      const range = this.#find(gpa + at);
      const offset = range === undefined ? 0 : gpa + at - range.start;
      // A hole is crossed a page at a time: its end is not known without a search.
      const room = range === undefined ? PAGE_SIZE - (gpa + at) % PAGE_SIZE : range.length - offset;
      const count = Math.min(room, length - at);
      visit(range, offset, at, count);
      at += count;
    }
  }
}

function markDirty(region: Mapped, offset: number, length: number): void {
  const first = region.skew + offset;
  for (let page = pageOf(first); page <= pageOf(first + length - 1); page++) {
    region.dirty[page >>> 3] = region.dirty[page >>> 3]! | 1 << (page & 7);
  }
}
