/**
 * A ring of bytes in shared memory, between one thread that writes and one that reads.
 *
 * Positions are counted modulo 2^32 and changed through Atomics only: the writer publishes bytes by storing the new end
 * after them, the reader frees room by storing the new start after copying them out, so neither ever sees bytes that
 * are not there yet. Neither side blocks here; whoever must wait does it by means of its own thread.
 * @module
 */

/** Words in front of the bytes: start, end, bell, one unused. */
const HEADER_WORDS = 4;
const START = 0;
const END = 1;
/** Set by the writer when it has told the reader, cleared by the reader before it looks. */
const BELL = 2;

/** Bytes of shared memory a ring of `capacity` takes. */
export function ringBytes(capacity: number): number {
  return HEADER_WORDS * 4 + capacity;
}

/** One end of a ring; make one in each thread over the same buffer. */
export class ByteRing {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;
  readonly capacity: number;

  /**
   * @param capacity a power of two, the same on both sides
   * @param offset where in `buffer` the ring lies; a multiple of four
   */
  constructor(buffer: SharedArrayBuffer, offset: number, capacity: number) {
    if (capacity < 1 || (capacity & capacity - 1) !== 0) {
      throw new RangeError(`Cannot make a ring of ${capacity}`);
    }
    this.#words = new Int32Array(buffer, offset, HEADER_WORDS);
    this.#bytes = new Uint8Array(buffer, offset + HEADER_WORDS * 4, capacity);
    this.capacity = capacity;
  }

  /** Bytes waiting to be read. */
  get length(): number {
    return Atomics.load(this.#words, END) - Atomics.load(this.#words, START) >>> 0;
  }

  /** Bytes that can be written now. */
  get room(): number {
    return this.capacity - this.length;
  }

  /** Appends one byte; false when the ring is full. Writer only. */
  push(byte: number): boolean {
    const end = Atomics.load(this.#words, END);
    if ((end - Atomics.load(this.#words, START) >>> 0) === this.capacity) return false;
    this.#bytes[end & this.capacity - 1] = byte;
    Atomics.store(this.#words, END, end + 1 | 0);
    return true;
  }

  /** Appends what fits of `source` and says how much that was. Writer only. */
  write(source: Uint8Array): number {
    const count = Math.min(source.length, this.room);
    const end = Atomics.load(this.#words, END);
    const at = end & this.capacity - 1;
    const first = Math.min(count, this.capacity - at);
    this.#bytes.set(source.subarray(0, first), at);
    this.#bytes.set(source.subarray(first, count), 0);
    Atomics.store(this.#words, END, end + count | 0);
    return count;
  }

  /** The oldest `most` bytes without taking them. Reader only. */
  peek(most: number): Uint8Array<ArrayBuffer> {
    const count = Math.min(most, this.length);
    const at = Atomics.load(this.#words, START) & this.capacity - 1;
    const first = Math.min(count, this.capacity - at);
    const result = new Uint8Array(count);
    result.set(this.#bytes.subarray(at, at + first), 0);
    result.set(this.#bytes.subarray(0, count - first), first);
    return result;
  }

  /** Frees the oldest `count` bytes. Reader only. */
  skip(count: number): void {
    Atomics.store(this.#words, START, Atomics.load(this.#words, START) + Math.min(count, this.length) | 0);
  }

  /** Takes at most `most` bytes. Reader only. */
  read(most: number = this.capacity): Uint8Array<ArrayBuffer> {
    const bytes = this.peek(most);
    this.skip(bytes.length);
    return bytes;
  }

  /** True when the reader has to be told: it has not been since it last answered. Writer only. */
  ring(): boolean {
    return Atomics.exchange(this.#words, BELL, 1) === 0;
  }

  /** The reader is about to look: what is written from now on rings again. Reader only. */
  answer(): void {
    Atomics.store(this.#words, BELL, 0);
  }
}
