/**
 * A bus: windows attached to ports or memory, widths split and merged, ones for nobody.
 *
 * Devices state the widths they take ({@linkcode Window}); guests may use any width from 1 to 8 bytes at any
 * alignment, across window borders too. Nothing here throws for what a guest does.
 * @module
 */

import { Ranges } from "../base/ranges.ts";
import { NO_TRACE, type Trace, type TracePoint } from "../base/trace.ts";
import { ones, type Width, type Window } from "./device.ts";

/** An attached window, as listed by {@linkcode Bus.map}. */
export interface Attachment {
  readonly base: number;
  readonly length: number;
  readonly name: string;
}

interface Slot {
  readonly window: Window;
  readonly name: string;
}

/** One address space (ports or memory-mapped I/O). */
export class Bus {
  readonly name: string;
  /** One past the highest address. */
  readonly limit: number;
  readonly #ranges = new Ranges<Slot>();
  readonly #unclaimedRead: TracePoint;
  readonly #unclaimedWrite: TracePoint;

  constructor(name: string, limit: number, trace: Trace = NO_TRACE) {
    this.name = name;
    this.limit = limit;
    this.#unclaimedRead = trace.point(`${name}.unclaimed-read`);
    this.#unclaimedWrite = trace.point(`${name}.unclaimed-write`);
  }

  /**
   * Attaches a window at `base`; `name` is what `hvm info` and traces call it.
   * @throws {RangeError} when the space is taken or not there.
   */
  attach(base: number, window: Window, name: string): void {
    if (base < 0 || base + window.length > this.limit) {
      throw new RangeError(`Cannot attach ${name} to ${this.name} at 0x${base.toString(16)}: past the end`);
    }
    this.#ranges.add(base, window.length, { window, name });
  }

  /** Removes the window that starts at `base`; true when there was one. */
  detach(base: number): boolean {
    return this.#ranges.remove(base);
  }

  /** True when nothing answers anywhere in the range. */
  isFree(base: number, length: number): boolean {
    return this.#ranges.isFree(base, length);
  }

  /** All attachments in ascending order. */
  map(): Attachment[] {
    return Array.from(
      this.#ranges,
      ({ start, length, value }) => ({ base: start, length, name: value.name }),
    );
  }

  /** Reads 1, 2 or 4 bytes; an address past the end of the space wraps to its start, as address lines do. */
  read(address: number, width: Width): number {
    const range = this.#ranges.find(address);
    if (range === undefined) {
      if (width === 1 || this.#unclaimed(address, width)) {
        this.#unclaimedRead(address, width);
        return ones(width);
      }
    } else {
      const offset = address - range.start;
      const { window } = range.value;
      const least = window.least ?? 1;
      if (offset + width <= range.length && offset % width === 0) {
        if (width >= least && width <= window.unit) return window.read(offset, width);
        if (width < least) {
          const whole = offset - offset % least;
          return (window.read(whole, least) >>> (offset - whole) * 8 & ones(width)) >>> 0;
        }
      }
      if (width === 1) return this.#readByteOf(window, offset);
    }
    const half = width === 4 ? 2 : 1;
    const low = this.read(address, half);
    const high = this.read((address + half) % this.limit, half);
    return (low | high << half * 8) >>> 0;
  }

  /** Writes 1, 2 or 4 bytes; the mirror of {@linkcode Bus.read}. */
  write(address: number, width: Width, value: number): void {
    const range = this.#ranges.find(address);
    if (range === undefined) {
      if (width === 1 || this.#unclaimed(address, width)) {
        this.#unclaimedWrite(address, width, value);
        return;
      }
    } else {
      const offset = address - range.start;
      const { window } = range.value;
      const least = window.least ?? 1;
      if (offset + width <= range.length && offset % width === 0) {
        if (width >= least && width <= window.unit) return window.write(offset, width, value);
        if (width < least) return mergeWrite(window, offset, width, value, least);
      }
      if (width === 1) return mergeWrite(window, offset, 1, value, least);
    }
    const half = width === 4 ? 2 : 1;
    this.write(address, half, (value & ones(half)) >>> 0);
    this.write((address + half) % this.limit, half, (value >>> half * 8 & ones(half)) >>> 0);
  }

  /** Reads `length` bytes (at most 8) into `target`: the form KVM's MMIO exits have. */
  readBytes(address: number, target: Uint8Array, at: number, length: number): void {
    for (let done = 0; done < length;) {
      const width = widthFor(length - done);
      const value = this.read((address + done) % this.limit, width);
      for (let i = 0; i < width; i++) target[at + done + i] = value >>> i * 8;
      done += width;
    }
  }

  /** Writes `length` bytes (at most 8) from `source`. */
  writeBytes(address: number, source: Uint8Array, at: number, length: number): void {
    for (let done = 0; done < length;) {
      const width = widthFor(length - done);
      let value = 0;
      for (let i = width - 1; i >= 0; i--) value = (value << 8 | source[at + done + i]!) >>> 0;
      this.write((address + done) % this.limit, width, value);
      done += width;
    }
  }

  /** Nobody answers anywhere; an access that wraps round the end of the space is for its parts to say. */
  #unclaimed(address: number, width: Width): boolean {
    return address + width <= this.limit && this.#ranges.isFree(address, width);
  }

  #readByteOf(window: Window, offset: number): number {
    const least = window.least ?? 1;
    const whole = offset - offset % least;
    return window.read(whole, least) >>> (offset - whole) * 8 & 0xff;
  }
}

function widthFor(length: number): Width {
  return length >= 4 ? 4 : length >= 2 ? 2 : 1;
}

function mergeWrite(window: Window, offset: number, width: Width, value: number, least: Width): void {
  const whole = offset - offset % least;
  if (window.mergeWrites !== true) return;
  const shift = (offset - whole) * 8;
  const keep = ~(ones(width) << shift);
  window.write(whole, least, ((window.read(whole, least) & keep) | value << shift) >>> 0);
}
