/**
 * bzip2, one of the ways a kernel's payload can be packed.
 *
 * Sources: [BZ2] the bzip2 file format as lbzip2's and Joe Tsai's descriptions of it give it ("BZIP2: Format
 * Specification", 2016), cross-checked with the output of bzip2 1.0.8.
 * Deviates: randomised blocks (written by no bzip2 since 0.9.0) are refused.
 * @module
 */

import { ImageError } from "../../hvm/base/errors.ts";

/** First bytes of a stream. [BZ2] 2.2.1 */
export const BZIP2_MAGIC: readonly number[] = [0x42, 0x5a, 0x68];

/** The 48-bit marks of a block and of the end, in halves. [BZ2] 2.2.2 */
const BLOCK_MARK = { high: 0x314159, low: 0x265359 } as const;
const END_MARK = { high: 0x177245, low: 0x385090 } as const;

/** Symbols between two choices of a code. [BZ2] 2.2.4 */
const GROUP_SIZE = 50;
const MAX_CODE_LENGTH = 20;
const RUN_A = 0;
const RUN_B = 1;

/** Reads bits, highest first. */
class BitReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  #buffer = 0;
  #held = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The next `count` bits, 0 to 24. */
  bits(count: number): number {
    while (this.#held < count) {
      if (this.#at >= this.#bytes.length) throw damaged("ends early");
      this.#buffer = (this.#buffer << 8 | this.#bytes[this.#at++]!) & 0x7fffffff;
      this.#held += 8;
    }
    this.#held -= count;
    return this.#buffer >>> this.#held & (1 << count) - 1;
  }

  u32(): number {
    return this.bits(16) * 0x10000 + this.bits(16);
  }

  /** Goes on at the next whole byte. */
  align(): void {
    this.#held -= this.#held % 8;
  }

  /** True when fewer than four bytes are left: less than a stream. */
  get done(): boolean {
    return this.#bytes.length - this.#at + (this.#held >>> 3) < 4;
  }
}

/** Bytes that grow up to a limit. */
class Output {
  bytes: Uint8Array<ArrayBuffer>;
  length = 0;
  readonly #limit: number;

  constructor(limit: number, size: number | undefined) {
    this.#limit = size ?? limit;
    this.bytes = new Uint8Array(size ?? Math.min(limit, 1 << 20));
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed > this.#limit) throw damaged("gives more than it should");
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.min(this.#limit, Math.max(needed, this.bytes.length * 2)));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }
}

/**
 * Unpacks one or more streams.
 * @param limit The most it may unpack to.
 * @param size The size it must unpack to, when that is known.
 * @throws {ImageError} when the data is damaged, too large, or does not give `size` bytes.
 */
export function unpackBzip2(bytes: Uint8Array, limit: number, size?: number): Uint8Array<ArrayBuffer> {
  const reader = new BitReader(bytes);
  const output = new Output(limit, size);
  do unpackStream(reader, output); while (!reader.done);
  if (size !== undefined && output.length !== size) {
    throw damaged(`gives ${output.length} bytes instead of ${size}`);
  }
  return output.bytes.subarray(0, output.length);
}

function unpackStream(reader: BitReader, output: Output): void {
  if (BZIP2_MAGIC.some((byte) => reader.bits(8) !== byte)) throw damaged("has no stream header");
  const level = reader.bits(8) - 0x30;
  if (level < 1 || level > 9) throw damaged("has a block size out of range");
  const chain = new Uint32Array(level * 100_000);
  let combined = 0;
  while (true) {
    const high = reader.bits(24);
    const low = reader.bits(24);
    const stored = reader.u32();
    if (high === END_MARK.high && low === END_MARK.low) {
      if (stored !== combined) throw damaged("fails its check");
      reader.align();
      return;
    }
    if (high !== BLOCK_MARK.high || low !== BLOCK_MARK.low) throw damaged("has no block where one should be");
    const crc = unpackBlock(reader, chain, output);
    if (crc !== stored) throw damaged("fails its check");
    combined = ((combined << 1 | combined >>> 31) ^ crc) >>> 0;
  }
}

/** Unpacks one block and gives the CRC of what it held. [BZ2] 2.2.3 to 2.4 */
function unpackBlock(reader: BitReader, chain: Uint32Array, output: Output): number {
  if (reader.bits(1)) throw new ImageError("The bzip2 data has a randomised block, which hvm does not know");
  const origin = reader.bits(24);
  const symbols = readAlphabet(reader);
  const { selectors, codes } = readCodes(reader, symbols.length + 2);
  const length = readSymbols(reader, { symbols, selectors, codes }, chain);
  if (origin >= length) throw damaged("has an origin outside its block");
  linkChain(chain, length);
  return writeRuns(chain, origin, length, output);
}

/** Which bytes occur in the block. */
function readAlphabet(reader: BitReader): Uint8Array {
  const ranges = reader.bits(16);
  const symbols: number[] = [];
  for (let i = 0; i < 16; i++) {
    if (!(ranges & 0x8000 >> i)) continue;
    const used = reader.bits(16);
    for (let j = 0; j < 16; j++) if (used & 0x8000 >> j) symbols.push(i * 16 + j);
  }
  if (symbols.length === 0) throw damaged("has a block of no bytes");
  return Uint8Array.from(symbols);
}

/** A canonical prefix code: for each length the first code past it, and where its symbols start. */
interface Code {
  readonly limit: Int32Array;
  readonly offset: Int32Array;
  readonly symbols: Uint16Array;
}

function readCodes(reader: BitReader, alphabet: number): { selectors: Uint8Array; codes: Code[] } {
  const count = reader.bits(3);
  const groups = reader.bits(15);
  if (count < 2 || count > 6 || groups === 0) throw damaged("has no codes");
  const order = Array.from({ length: count }, (_, i) => i);
  const selectors = new Uint8Array(groups);
  for (let i = 0; i < groups; i++) {
    let place = 0;
    while (reader.bits(1)) if (++place >= count) throw damaged("chooses a code it has not");
    const [chosen] = order.splice(place, 1);
    order.unshift(selectors[i] = chosen!);
  }
  return { selectors, codes: Array.from({ length: count }, () => buildCode(readLengths(reader, alphabet))) };
}

function readLengths(reader: BitReader, alphabet: number): Uint8Array {
  const lengths = new Uint8Array(alphabet);
  let length = reader.bits(5);
  for (let i = 0; i < alphabet; i++) {
    while (true) {
      if (length < 1 || length > MAX_CODE_LENGTH) throw damaged("has a code out of range");
      if (!reader.bits(1)) break;
      length += reader.bits(1) ? -1 : 1;
    }
    lengths[i] = length;
  }
  return lengths;
}

function buildCode(lengths: Uint8Array): Code {
  const counts = new Int32Array(MAX_CODE_LENGTH + 1);
  for (const length of lengths) counts[length]!++;
  const limit = new Int32Array(MAX_CODE_LENGTH + 1);
  const offset = new Int32Array(MAX_CODE_LENGTH + 1);
  let code = 0;
  let before = 0;
  for (let length = 1; length <= MAX_CODE_LENGTH; length++) {
    offset[length] = before - code;
    code += counts[length]!;
    before += counts[length]!;
    limit[length] = code;
    if (code > 1 << length) throw damaged("has a code that contradicts itself");
    code <<= 1;
  }
  const symbols = new Uint16Array(lengths.length);
  let at = 0;
  for (let length = 1; length <= MAX_CODE_LENGTH; length++) {
    for (let i = 0; i < lengths.length; i++) if (lengths[i] === length) symbols[at++] = i;
  }
  return { limit, offset, symbols };
}

function readSymbol(reader: BitReader, code: Code): number {
  let value = 0;
  for (let length = 1; length <= MAX_CODE_LENGTH; length++) {
    value = value << 1 | reader.bits(1);
    if (value < code.limit[length]!) return code.symbols[value + code.offset[length]!]!;
  }
  throw damaged("has a code out of range");
}

/** Undoes prefix codes, runs of zeros and move-to-front. @returns the bytes stored, one in each word of `chain`. */
function readSymbols(
  reader: BitReader,
  { symbols, selectors, codes }: { symbols: Uint8Array; selectors: Uint8Array; codes: Code[] },
  chain: Uint32Array,
): number {
  const recent = symbols.slice();
  const end = symbols.length + 1;
  let length = 0;
  let run = 0;
  let weight = 1;
  for (let i = 0;; i++) {
    const selector = selectors[Math.floor(i / GROUP_SIZE)];
    if (selector === undefined) throw damaged("runs out of codes");
    const symbol = readSymbol(reader, codes[selector]!);
    if (symbol <= RUN_B) {
      run += symbol === RUN_A ? weight : 2 * weight;
      weight *= 2;
      if (run > chain.length) throw damaged("has a run longer than a block");
      continue;
    }
    if (run > 0) {
      if (run > chain.length - length) throw damaged("has a run longer than a block");
      chain.fill(recent[0]!, length, length += run);
      run = 0;
      weight = 1;
    }
    if (symbol === end) return length;
    if (length >= chain.length) throw damaged("has more than a block");
    const byte = recent[symbol - 1]!;
    recent.copyWithin(1, 0, symbol - 1);
    recent[0] = byte;
    chain[length++] = byte;
  }
}

/** Prepares the inverse of the Burrows-Wheeler transform: above each byte, the place of its successor. */
function linkChain(chain: Uint32Array, length: number): void {
  const starts = new Uint32Array(256);
  for (let i = 0; i < length; i++) starts[chain[i]! & 0xff]!++;
  let sum = 0;
  for (let byte = 0; byte < 256; byte++) {
    const count = starts[byte]!;
    starts[byte] = sum;
    sum += count;
  }
  for (let i = 0; i < length; i++) {
    const place = starts[chain[i]! & 0xff]!++;
    chain[place] = chain[place]! | i << 8;
  }
}

let crcTable: Uint32Array | undefined;

/** bzip2's CRC-32 goes through each byte from its top bit, unlike everybody else's. [BZ2] 2.2.2 */
function tableOfCrc(): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte << 24;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x80000000 ? crc << 1 ^ 0x04c11db7 : crc << 1;
    return crc;
  });
}

/** Walks the chain and undoes the first run-length coding: four equal bytes are followed by a count. */
function writeRuns(chain: Uint32Array, origin: number, length: number, output: Output): number {
  const table = crcTable ??= tableOfCrc();
  let crc = 0xffffffff;
  let place = chain[origin]! >>> 8;
  let previous = -1;
  let equal = 0;
  for (let i = 0; i < length; i++) {
    const word = chain[place]!;
    const byte = word & 0xff;
    place = word >>> 8;
    if (equal === 4) {
      output.reserve(byte);
      for (let n = 0; n < byte; n++) crc = crc << 8 ^ table[crc >>> 24 ^ previous]!;
      output.bytes.fill(previous, output.length, output.length += byte);
      equal = 0;
      previous = -1;
      continue;
    }
    equal = byte === previous ? equal + 1 : 1;
    previous = byte;
    output.reserve(1);
    output.bytes[output.length++] = byte;
    crc = crc << 8 ^ table[crc >>> 24 ^ byte]!;
  }
  return ~crc >>> 0;
}

function damaged(how: string): ImageError {
  return new ImageError(`The bzip2 data is damaged: it ${how}`);
}
