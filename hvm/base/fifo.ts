/**
 * A fixed ring of bytes, as hardware FIFOs are.
 * @module
 */

/** Holds at most `capacity` bytes; what does not fit is refused, never grown for. */
export class Fifo {
  readonly #ring: Uint8Array;
  #head = 0;
  #length = 0;

  constructor(capacity: number) {
    this.#ring = new Uint8Array(capacity);
  }

  get capacity(): number {
    return this.#ring.length;
  }

  get length(): number {
    return this.#length;
  }

  /** Appends a byte; false when the ring is full. */
  push(byte: number): boolean {
    if (this.#length === this.#ring.length) return false;
    this.#ring[(this.#head + this.#length++) % this.#ring.length] = byte;
    return true;
  }

  /** Takes the oldest byte, or undefined when there is none. */
  shift(): number | undefined {
    if (this.#length === 0) return undefined;
    const byte = this.#ring[this.#head]!;
    this.#head = (this.#head + 1) % this.#ring.length;
    this.#length--;
    return byte;
  }

  /** The oldest byte without taking it. */
  peek(): number | undefined {
    return this.#length === 0 ? undefined : this.#ring[this.#head]!;
  }

  clear(): void {
    this.#head = this.#length = 0;
  }

  /** The content, oldest first. */
  toArray(): number[] {
    return Array.from({ length: this.#length }, (_, i) => this.#ring[(this.#head + i) % this.#ring.length]!);
  }

  /** Replaces the content; bytes past the capacity are refused with a RangeError. */
  setAll(bytes: readonly number[]): void {
    if (bytes.length > this.#ring.length) throw new RangeError(`Cannot hold ${bytes.length} bytes`);
    this.clear();
    for (const byte of bytes) this.push(byte);
  }
}
