/**
 * The .xz container with LZMA2, alone or behind the x86 branch filter (the chains that kernels and their modules use).
 *
 * Every CRC of the format is checked: headers, index and footer by CRC-32, data by the check the stream names.
 *
 * Sources: [XZ] The .xz file format 1.2.0; LZMA2 chunks: [XZ] 5.3.1 and the LZMA SDK.
 * Deviates: filters other than LZMA2 and x86 are refused; data checks other than CRC-32 and CRC-64 are not verified.
 * @module
 */

import { alignUp } from "../../hvm/base/bits.ts";
import { ImageError } from "../../hvm/base/errors.ts";
import { undoX86Filter } from "./bcj_x86.ts";
import { crc32, crc64 } from "./checksum.ts";
import { LzmaDecoder, propertiesOf } from "./lzma.ts";
import { ByteReader } from "./reader.ts";

/** First bytes of a stream. [XZ] 2.1.1.1 */
export const XZ_MAGIC: readonly number[] = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];

const FOOTER_SIZE = 12;
/** Filter ids. [XZ] 5.3 */
const FILTER = { X86: 0x04, LZMA2: 0x21 } as const;
/** Block flags. [XZ] 3.1.2 */
const BLOCK = { FILTERS: 0x03, RESERVED: 0x3c, COMPRESSED_SIZE: 0x40, UNCOMPRESSED_SIZE: 0x80 } as const;
/** Check ids and the size of each. [XZ] 2.1.1.2 */
const CHECK = { NONE: 0, CRC32: 1, CRC64: 4 } as const;
const CHECK_SIZES = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64] as const;

/** One entry of the index. */
interface BlockRecord {
  readonly unpaddedSize: number;
  readonly uncompressedSize: number;
}

interface Stream {
  readonly check: number;
  readonly records: readonly BlockRecord[];
}

/**
 * Unpacks one stream (padding by zeros may follow it).
 * @param limit The most it may unpack to.
 * @param size The size it must unpack to, when that is known.
 * @throws {ImageError} when the data is damaged, uses a filter that is not known, or does not give `size` bytes.
 */
export function unpackXz(bytes: Uint8Array, limit: number, size?: number): Uint8Array<ArrayBuffer> {
  const stream = readStream(bytes);
  const total = stream.records.reduce((sum, record) => sum + record.uncompressedSize, 0);
  if (size !== undefined && total !== size) throw damaged(`gives ${total} bytes instead of ${size}`);
  if (total > limit) throw damaged("claims to be larger than it can be");
  const output = new Uint8Array(total);
  let from = 12;
  let to = 0;
  for (const record of stream.records) {
    // Padding to four bytes stands between data and check, and the recorded size is without it. [XZ] 3.3
    const length = alignUp(record.unpaddedSize, 4);
    const block = bytes.subarray(from, from + length);
    unpackBlock(block, output.subarray(to, to + record.uncompressedSize), {
      check: stream.check,
      padding: length - record.unpaddedSize,
    });
    from += length;
    to += record.uncompressedSize;
  }
  return output;
}

/** Reads header, footer and index, and checks that the blocks fill what lies between. [XZ] 2.1, 4 */
function readStream(bytes: Uint8Array): Stream {
  let end = bytes.length;
  while (end > 0 && end % 4 === 0 && bytes[end - 1] === 0) end -= 4; // stream padding [XZ] 2.2
  const whole = new ByteReader(bytes.subarray(0, end), "xz data");
  if (XZ_MAGIC.some((byte) => whole.u8() !== byte)) throw damaged("has no stream header");
  const flags = whole.take(2);
  if (crc32(flags) !== whole.u32()) throw damaged("fails the check of its header");
  if (flags[0] !== 0 || flags[1]! > 15) throw new ImageError("The xz data is of a version that is not known");
  if (end < 12 + FOOTER_SIZE || end % 4 !== 0) throw damaged("ends early");
  const footer = new ByteReader(bytes.subarray(end - FOOTER_SIZE, end), "xz data");
  const footerCrc = footer.u32();
  const covered = footer.bytes.subarray(4, 10);
  const indexSize = (footer.u32() + 1) * 4;
  if (footer.bytes[10] !== 0x59 || footer.bytes[11] !== 0x5a || crc32(covered) !== footerCrc) {
    throw damaged("ends early or fails the check of its footer");
  }
  if (footer.bytes[8] !== flags[0] || footer.bytes[9] !== flags[1]) throw damaged("has two kinds of flags");
  const indexAt = end - FOOTER_SIZE - indexSize;
  if (indexAt < 12) throw damaged("has an index larger than itself");
  const records = readIndex(bytes.subarray(indexAt, end - FOOTER_SIZE));
  const blocks = records.reduce((sum, record) => sum + alignUp(record.unpaddedSize, 4), 0);
  if (12 + blocks !== indexAt) throw damaged("has an index that does not fit its blocks");
  return { check: flags[1]!, records };
}

/** Reads the index. [XZ] 4 */
function readIndex(bytes: Uint8Array): BlockRecord[] {
  const reader = new ByteReader(bytes.subarray(0, bytes.length - 4), "xz index");
  if (crc32(reader.bytes) !== new ByteReader(bytes, "xz index", bytes.length - 4).u32()) {
    throw damaged("fails the check of its index");
  }
  if (reader.u8() !== 0) throw damaged("has no index");
  const count = readVarint(reader);
  if (count > reader.left / 2) throw damaged("has an index larger than itself");
  const records = Array.from({ length: count }, () => ({
    unpaddedSize: readVarint(reader),
    uncompressedSize: readVarint(reader),
  }));
  if (reader.left > 3) throw damaged("has bytes after its index");
  return records;
}

/** A number of seven bits a byte, lowest first. [XZ] 1.2 */
function readVarint(reader: ByteReader): number {
  let value = 0;
  for (let i = 0; i < 7; i++) {
    const byte = reader.u8();
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return value;
  }
  throw damaged("has a number out of range"); // past 2^49, which no file reaches
}

/** Unpacks one block into exactly `output`. [XZ] 3 */
function unpackBlock(
  block: Uint8Array,
  output: Uint8Array,
  { check, padding }: { check: number; padding: number },
): void {
  const { dataAt, filters } = readBlockHeader(block, output.length);
  const checkSize = CHECK_SIZES[check]!;
  const dataEnd = block.length - checkSize - padding;
  if (dataEnd < dataAt) throw damaged("has a block that is too short");
  unpackLzma2(block.subarray(dataAt, dataEnd), output);
  if (block.subarray(dataEnd, dataEnd + padding).some((byte) => byte !== 0)) {
    throw damaged("has bytes after a block");
  }
  if (filters.x86 !== undefined) undoX86Filter(output, filters.x86);
  const stored = new DataView(block.buffer, block.byteOffset + block.length - checkSize, checkSize);
  if (check === CHECK.CRC32 && stored.getUint32(0, true) !== crc32(output)) {
    throw damaged("fails the check of its content");
  }
  if (check === CHECK.CRC64) {
    const { low, high } = crc64(output);
    if (stored.getUint32(0, true) !== low || stored.getUint32(4, true) !== high) {
      throw damaged("fails the check of its content");
    }
  }
}

/** Reads the header of a block. [XZ] 3.1 */
function readBlockHeader(block: Uint8Array, size: number): { dataAt: number; filters: { x86?: number } } {
  const dataAt = ((block[0] ?? 0) + 1) * 4;
  if (dataAt < 8 || dataAt > block.length) throw damaged("has a block that is too short");
  const reader = new ByteReader(block.subarray(0, dataAt - 4), "xz block header", 1);
  if (crc32(reader.bytes) !== new ByteReader(block, "xz block header", dataAt - 4).u32()) {
    throw damaged("fails the check of a block header");
  }
  const flags = reader.u8();
  if (flags & BLOCK.RESERVED) throw new ImageError("The xz data is of a version that is not known");
  if (flags & BLOCK.COMPRESSED_SIZE) readVarint(reader);
  if (flags & BLOCK.UNCOMPRESSED_SIZE && readVarint(reader) !== size) {
    throw damaged("has two sizes for a block");
  }
  const filters: { x86?: number } = {};
  const count = (flags & BLOCK.FILTERS) + 1;
  for (let i = 0; i < count; i++) {
    const id = readVarint(reader);
    const properties = new ByteReader(reader.take(readVarint(reader)), "xz filter properties");
    const last = i === count - 1;
    if (id === FILTER.X86 && !last) filters.x86 = properties.left === 0 ? 0 : properties.u32();
    else if (id !== FILTER.LZMA2 || !last) {
      throw new ImageError(`The xz data uses the filter ${id}, which hvm does not know`);
    }
  }
  return { dataAt, filters };
}

/** Control bytes of LZMA2 chunks. */
const CONTROL = { END: 0, COPY_RESET_DICTIONARY: 1, COPY: 2, LZMA: 0x80 } as const;
/** What an LZMA chunk resets, in bits 5 and 6 of its control byte: each includes those before it. */
const RESET = { STATE: 1, PROPERTIES: 2, DICTIONARY: 3 } as const;

/** Unpacks LZMA2 chunks, which must fill all of `bytes`, into exactly `output`. */
function unpackLzma2(bytes: Uint8Array, output: Uint8Array): void {
  const reader = new ByteReader(bytes, "xz data");
  const decoder = new LzmaDecoder(output);
  let needs: number = RESET.DICTIONARY; // the least reset the next LZMA chunk must make
  while (true) {
    const control = reader.u8();
    if (control === CONTROL.END) break;
    if (control < CONTROL.LZMA) {
      if (control > CONTROL.COPY) throw damaged("has a chunk of no known kind");
      if (control === CONTROL.COPY_RESET_DICTIONARY) {
        decoder.dictionaryStart = decoder.at;
        needs = RESET.PROPERTIES;
      } else if (needs === RESET.DICTIONARY) throw damaged("begins in the middle");
      const content = reader.take(reader.u16be() + 1);
      if (content.length > output.length - decoder.at) throw damaged("gives more than it should");
      output.set(content, decoder.at);
      decoder.at += content.length;
      continue;
    }
    const reset = control >>> 5 & 3;
    if (reset < needs) throw damaged("begins in the middle");
    const unpacked = ((control & 0x1f) << 16) + reader.u16be() + 1;
    const packed = reader.u16be() + 1;
    if (reset === RESET.DICTIONARY) decoder.dictionaryStart = decoder.at;
    if (reset >= RESET.PROPERTIES) {
      const properties = propertiesOf(reader.u8());
      if (properties === undefined || properties.lc + properties.lp > 4) {
        throw damaged("has properties out of range");
      }
      decoder.setProperties(properties);
    } else if (reset === RESET.STATE) decoder.resetState();
    needs = 0;
    if (unpacked > output.length - decoder.at) throw damaged("gives more than it should");
    if (decoder.run(reader.take(packed), decoder.at + unpacked) !== packed) {
      throw damaged("has a chunk of the wrong size");
    }
  }
  if (reader.left > 0) throw damaged("has bytes after its end marker");
  if (decoder.at !== output.length) {
    throw damaged(`gives ${decoder.at} bytes instead of ${output.length} in a block`);
  }
}

function damaged(how: string): ImageError {
  return new ImageError(`The xz data is damaged: it ${how}`);
}
