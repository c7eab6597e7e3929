/**
 * A cursor over the bytes of an untrusted file: every read past the end is an `ImageError` that says what was cut.
 * @module
 */

import { ImageError } from "../../hvm/base/errors.ts";

/** Reads little- and big-endian numbers in order. */
export class ByteReader {
  readonly bytes: Uint8Array;
  /** The offset of the next byte. */
  at: number;
  readonly #what: string;
  readonly #view: DataView;

  /** @param what Names the data in messages, as `xz data`. */
  constructor(bytes: Uint8Array, what: string, at = 0) {
    this.bytes = bytes;
    this.at = at;
    this.#what = what;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Bytes left. */
  get left(): number {
    return this.bytes.length - this.at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  u16be(): number {
    return this.#view.getUint16(this.#take(2), false);
  }

  u32be(): number {
    return this.#view.getUint32(this.#take(4), false);
  }

  /** The next `length` bytes, not copied. */
  take(length: number): Uint8Array {
    const at = this.#take(length);
    return this.bytes.subarray(at, at + length);
  }

  #take(length: number): number {
    if (!(length <= this.left)) throw new ImageError(`The ${this.#what} ends early, after ${this.at} bytes`);
    const at = this.at;
    this.at += length;
    return at;
  }
}
