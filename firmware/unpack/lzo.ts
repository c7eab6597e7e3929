/**
 * The .lzo file of lzop with LZO1X, one of the ways a kernel's payload can be packed.
 *
 * Sources: [LZO] Linux Documentation/staging/lzo.rst (the stream as a decoder sees it); [LZOP] the header as lzop 1.04
 * writes it, cross-checked with its output.
 * Deviates: lzop's optional filter is refused; kernels do not use it.
 * @module
 */

import { ImageError } from "../../hvm/base/errors.ts";
import { adler32, crc32 } from "./checksum.ts";
import { ByteReader } from "./reader.ts";

/** First bytes of a file. [LZOP] */
export const LZOP_MAGIC: readonly number[] = [0x89, 0x4c, 0x5a, 0x4f, 0x00, 0x0d, 0x0a, 0x1a, 0x0a];

/** Header flags. [LZOP] */
const FLAGS = {
  ADLER32_DATA: 0x1,
  ADLER32_PACKED: 0x2,
  EXTRA_FIELD: 0x40,
  CRC32_DATA: 0x100,
  CRC32_PACKED: 0x200,
  FILTER: 0x800,
  HEADER_CRC32: 0x1000,
} as const;
/** Most a block unpacks to. [LZOP] */
const BLOCK_LIMIT = 64 << 20;

interface Block {
  readonly packed: Uint8Array;
  readonly size: number;
  readonly adler: number | undefined;
  readonly crc: number | undefined;
}

/**
 * Unpacks one file.
 * @param limit The most it may unpack to.
 * @param size The size it must unpack to, when that is known.
 * @throws {ImageError} when the data is damaged or does not give `size` bytes.
 */
export function unpackLzo(bytes: Uint8Array, limit: number, size?: number): Uint8Array<ArrayBuffer> {
  const blocks = readBlocks(bytes);
  const total = blocks.reduce((sum, block) => sum + block.size, 0);
  if (size !== undefined && total !== size) throw damaged(`gives ${total} bytes instead of ${size}`);
  if (total > limit) throw damaged("claims to be larger than it can be");
  const output = new Uint8Array(total);
  let at = 0;
  for (const block of blocks) {
    const target = output.subarray(at, at += block.size);
    if (block.packed.length === block.size) target.set(block.packed);
    else unpackBlock(block.packed, target);
    if (block.adler !== undefined && adler32(target) !== block.adler) throw damaged("fails its check");
    if (block.crc !== undefined && crc32(target) !== block.crc) throw damaged("fails its check");
  }
  return output;
}

/** Reads the header's flags and goes to the first block. [LZOP] */
function readHeader(reader: ByteReader): number {
  if (LZOP_MAGIC.some((byte) => reader.u8() !== byte)) throw damaged("has no header");
  const from = reader.at;
  const version = reader.u16be();
  if (version < 0x0940) throw new ImageError("The lzo data is of a version that is too old");
  reader.take(4); // library version, version needed
  const method = reader.u8();
  if (method < 1 || method > 3) {
    throw new ImageError(`The lzo data uses method ${method}, which hvm does not know`);
  }
  reader.u8(); // level
  const flags = reader.u32be();
  if (flags & FLAGS.FILTER) throw new ImageError("The lzo data uses a filter, which hvm does not know");
  reader.take(12); // mode and time
  reader.take(reader.u8()); // name
  const header = reader.bytes.subarray(from, reader.at);
  if (reader.u32be() !== (flags & FLAGS.HEADER_CRC32 ? crc32(header) : adler32(header))) {
    throw damaged("fails the check of its header");
  }
  if (flags & FLAGS.EXTRA_FIELD) {
    reader.take(reader.u32be());
    reader.u32be();
  }
  return flags;
}

function readBlocks(bytes: Uint8Array): Block[] {
  const reader = new ByteReader(bytes, "lzo data");
  const flags = readHeader(reader);
  const blocks: Block[] = [];
  for (let size = reader.u32be(); size !== 0; size = reader.u32be()) {
    const length = reader.u32be();
    if (size > BLOCK_LIMIT || length > size || size > length * 256 + 64) {
      throw damaged("has a block of no possible size");
    }
    const adler = flags & FLAGS.ADLER32_DATA ? reader.u32be() : undefined;
    const crc = flags & FLAGS.CRC32_DATA ? reader.u32be() : undefined;
    if (length < size && flags & FLAGS.ADLER32_PACKED) reader.u32be(); // the check of the data covers it
    if (length < size && flags & FLAGS.CRC32_PACKED) reader.u32be();
    blocks.push({ packed: reader.take(length), size, adler, crc });
  }
  return blocks;
}

/** A length that goes on in further bytes: each zero adds 255, the first other byte ends it. [LZO] */
function longLength(reader: ByteReader, base: number): number {
  let length = base;
  for (let byte = reader.u8();; byte = reader.u8()) {
    if (byte !== 0) return length + byte;
    length += 255;
  }
}

/** Unpacks one LZO1X block into exactly `output`. [LZO] */
function unpackBlock(packed: Uint8Array, output: Uint8Array): void {
  const reader = new ByteReader(packed, "lzo data");
  let to = 0;
  /** Literals copied by the last instruction; 4 stands for four or more. */
  let state = 0;
  const literals = (count: number) => {
    if (count > output.length - to) throw damaged("gives more than it should");
    output.set(reader.take(count), to);
    to += count;
  };
  const first = reader.u8();
  if (first > 17) {
    literals(first - 17);
    state = Math.min(first - 17, 4);
  } else reader.at--;
  while (true) {
    const code = reader.u8();
    let distance: number;
    let length: number;
    let tail: number; // literals after the match
    if (code >= 64) { // near match of 3 to 8 bytes
      length = code >= 128 ? 5 + (code >>> 5 & 3) : 3 + (code >>> 5 & 1);
      distance = (reader.u8() << 3) + (code >>> 2 & 7) + 1;
      tail = code & 3;
    } else if (code >= 16) { // match within 16 KiB, or within 48 KiB
      const far = code < 32;
      const lengthMask = far ? 7 : 31;
      length = 2 + (code & lengthMask || longLength(reader, lengthMask));
      const low = reader.u16();
      distance = (low >>> 2) + (far ? 16384 + ((code & 8) << 11) : 1);
      if (far && distance === 16384) break; // the end marker
      tail = low & 3;
    } else if (state === 0) { // a long run of literals
      literals(3 + (code || longLength(reader, 15)));
      state = 4;
      continue;
    } else { // a short match after literals
      length = state === 4 ? 3 : 2;
      distance = (reader.u8() << 2) + (code >>> 2) + (state === 4 ? 2049 : 1);
      tail = code & 3;
    }
    if (distance > to) throw damaged("refers to data before its start");
    if (length > output.length - to) throw damaged("gives more than it should");
    for (const stop = to + length; to < stop; to++) output[to] = output[to - distance]!;
    state = tail;
    literals(tail);
  }
  if (reader.left > 0 || to !== output.length) throw damaged("ends early");
}

function damaged(how: string): ImageError {
  return new ImageError(`The lzo data is damaged: it ${how}`);
}
