/**
 * Zstandard by the runtime's own library, imported when first needed.
 *
 * That library takes data that ends in the middle for whole and gives what came before, and it stops after one frame; so
 * frames are told apart here first, by their headers and the sizes of their blocks.
 *
 * Sources: [8878] RFC 8878.
 * @module
 */

import { ImageError } from "../../hvm/base/errors.ts";
import { options, runZlib } from "./gzip.ts";
import { concatenate } from "../bytes.ts";
import { ByteReader } from "./reader.ts";

/** First bytes of a frame. [8878] 3.1.1 */
export const ZSTD_MAGIC: readonly number[] = [0x28, 0xb5, 0x2f, 0xfd];

const MAGIC = 0xfd2fb528;
/** Frames to skip have any of 16 numbers. [8878] 3.1.2 */
const SKIPPABLE = { MAGIC: 0x184d2a50, MASK: 0xfffffff0 } as const;
/** Frame header descriptor. [8878] 3.1.1.1.1 */
const DESCRIPTOR = { DICTIONARY: 0x03, CHECKSUM: 0x04, SINGLE_SEGMENT: 0x20 } as const;
/** The type of a block that repeats its one byte. [8878] 3.1.1.2.2 */
const BLOCK_RLE = 1;

/**
 * Unpacks Zstandard frames; their checksums, where there are any, are checked by the library.
 * @param limit The most it may unpack to.
 * @param size The size it must unpack to, when that is known.
 * @throws {ImageError} when the data is damaged, too large, or does not give `size` bytes.
 */
export async function unpackZstd(bytes: Uint8Array, limit: number, size?: number): Promise<Uint8Array> {
  const frames: Uint8Array[] = [];
  const reader = new ByteReader(bytes, "zstd data");
  do {
    const start = reader.at;
    if (walkFrame(reader)) frames.push(bytes.subarray(start, reader.at));
  } while (reader.left > 0);
  const { zstdDecompressSync } = await import("node:zlib");
  if (frames.length === 1) {
    return runZlib("zstd", size, () => zstdDecompressSync(frames[0]!, options(limit, size)));
  }
  return runZlib("zstd", size, () => {
    let left = size ?? limit;
    return concatenate(frames.map((frame) => {
      const content = zstdDecompressSync(frame, options(left));
      left -= content.length;
      return content;
    }));
  });
}

/** Goes past one frame. @returns false for one that is to be skipped. */
function walkFrame(reader: ByteReader): boolean {
  const magic = reader.u32();
  if ((magic & SKIPPABLE.MASK) >>> 0 === SKIPPABLE.MAGIC) {
    reader.take(reader.u32());
    return false;
  }
  if (magic !== MAGIC) throw new ImageError("The zstd data is damaged: it has no frame where one should be");
  const descriptor = reader.u8();
  const singleSegment = (descriptor & DESCRIPTOR.SINGLE_SEGMENT) !== 0;
  const windowSize = singleSegment ? 0 : 1;
  const dictionarySize = [0, 1, 2, 4][descriptor & DESCRIPTOR.DICTIONARY]!;
  const contentSize = [singleSegment ? 1 : 0, 2, 4, 8][descriptor >>> 6]!;
  reader.take(windowSize + dictionarySize + contentSize);
  for (let last = false; !last;) {
    const header = reader.u16() | reader.u8() << 16;
    last = (header & 1) !== 0;
    reader.take((header >>> 1 & 3) === BLOCK_RLE ? 1 : header >>> 3);
  }
  if (descriptor & DESCRIPTOR.CHECKSUM) reader.take(4);
  return true;
}
