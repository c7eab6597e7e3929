/**
 * A growing run of bytes with WebAssembly's number encodings.
 *
 * Sources: [WASM] WebAssembly Core Specification 3.0, 5.2 (values).
 * @module
 */

/** Collects bytes. */
export class WasmWriter {
  #bytes = new Uint8Array(256);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  byte(value: number): void {
    if (this.#length === this.#bytes.length) this.#grow(1);
    this.#bytes[this.#length++] = value;
  }

  bytes(source: Uint8Array): void {
    if (this.#length + source.length > this.#bytes.length) this.#grow(source.length);
    this.#bytes.set(source, this.#length);
    this.#length += source.length;
  }

  /** Unsigned LEB128 of an integer below 2^53. */
  unsigned(value: number): void {
    while (value >= 0x80) {
      this.byte(value % 0x80 | 0x80);
      value = Math.floor(value / 0x80);
    }
    this.byte(value);
  }

  /** Signed LEB128. */
  signed(value: number | bigint): void {
    let rest = BigInt(value);
    while (true) {
      const low = Number(rest & 0x7fn);
      rest >>= 7n;
      if (rest === 0n && (low & 0x40) === 0 || rest === -1n && (low & 0x40) !== 0) return this.byte(low);
      this.byte(low | 0x80);
    }
  }

  /** A name: its length in bytes and its UTF-8. */
  name(text: string): void {
    this.sized(new TextEncoder().encode(text));
  }

  /** Bytes with their count in front. */
  sized(source: Uint8Array): void {
    this.unsigned(source.length);
    this.bytes(source);
  }

  /** A copy of what was written. */
  result(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  #grow(more: number): void {
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
