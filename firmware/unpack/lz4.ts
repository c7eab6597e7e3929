/**
 * The legacy LZ4 frame, which kernels compress their payload with: magic, then blocks of at most 8 MiB each preceded
 * by its compressed size, up to the end of the data. It carries no checksum: damage shows only where it breaks the
 * format or the size.
 *
 * Sources: [LZ4F] LZ4 frame format description 1.6, "Legacy frame"; [LZ4B] LZ4 block format description.
 * @module
 */

import { ImageError } from "../../hvm/base/errors.ts";
import { ByteReader } from "./reader.ts";

/** First bytes of the legacy frame. [LZ4F] */
export const LZ4_LEGACY_MAGIC = 0x184c2102;

/** Most a block of the legacy frame unpacks to. [LZ4F] */
const BLOCK_LIMIT = 8 << 20;

/**
 * Unpacks a legacy frame.
 * @param limit The most it may unpack to.
 * @param size The size it must unpack to; known for kernels, else found by a first pass over the tokens.
 * @throws {ImageError} when the data is damaged or does not give `size` bytes.
 */
export function unpackLz4(bytes: Uint8Array, limit: number, size?: number): Uint8Array<ArrayBuffer> {
  const blocks = splitBlocks(bytes);
  const total = size ?? blocks.reduce((sum, block) => sum + sizeOfBlock(block), 0);
  if (total > limit) throw damaged("gives more than it should");
  const output = new Uint8Array(total);
  let at = 0;
  for (const block of blocks) at = unpackBlock(block, output, at, Math.min(output.length, at + BLOCK_LIMIT));
  if (at !== output.length) throw damaged(`gives ${at} bytes instead of ${output.length}`);
  return output;
}

function splitBlocks(bytes: Uint8Array): Uint8Array[] {
  const reader = new ByteReader(bytes, "lz4 data");
  if (reader.u32() !== LZ4_LEGACY_MAGIC) throw damaged("has no legacy frame");
  const blocks: Uint8Array[] = [];
  while (reader.left > 0) {
    const length = reader.u32();
    if (length === LZ4_LEGACY_MAGIC) continue; // frames may follow each other
    if (length === 0) throw damaged("has an empty block");
    blocks.push(reader.take(length));
  }
  return blocks;
}

/** What a block claims to unpack to; nothing is checked here, the second pass does. */
function sizeOfBlock(block: Uint8Array): number {
  let size = 0;
  for (let at = 0; at < block.length;) {
    const token = block[at++]!;
    let literals = token >>> 4;
    if (literals === 15) {
      let more: number;
      do literals += more = block[at++] ?? 0; while (more === 255);
    }
    at += literals;
    size += literals;
    if (at >= block.length) break;
    at += 2;
    let match = (token & 15) + 4;
    if (match === 19) {
      let more: number;
      do match += more = block[at++] ?? 0; while (more === 255);
    }
    size += match;
  }
  return Math.min(size, BLOCK_LIMIT);
}

/**
 * Unpacks one block to `output` at `to`, up to `limit`; matches reach back to `start` at most. [LZ4B]
 * @returns the offset after the last byte written.
 */
function unpackBlock(block: Uint8Array, output: Uint8Array, start: number, limit: number): number {
  const end = block.length;
  let at = 0;
  let to = start;
  while (at < end) {
    const token = block[at++]!;
    let literals = token >>> 4;
    if (literals === 15) {
      let more: number;
      do {
        if (at >= end) throw damaged("ends within a length");
        literals += more = block[at++]!;
      } while (more === 255);
    }
    if (literals > end - at || literals > limit - to) throw damaged("has a run of literals past its end");
    if (literals > 32) {
      output.set(block.subarray(at, at + literals), to);
      at += literals;
      to += literals;
    } else {
      for (const stop = at + literals; at < stop;) output[to++] = block[at++]!;
    }
    if (at === end) return to; // the last sequence has literals only
    if (end - at < 2) throw damaged("ends within an offset");
    const distance = block[at]! | block[at + 1]! << 8;
    at += 2;
    let match = (token & 15) + 4;
    if (match === 19) {
      let more: number;
      do {
        if (at >= end) throw damaged("ends within a length");
        match += more = block[at++]!;
      } while (more === 255);
    }
    if (distance === 0 || distance > to - start) throw damaged("refers to data before its start");
    if (match > limit - to) throw damaged("gives more than it should");
    if (match > 64 && distance >= match) {
      output.copyWithin(to, to - distance, to - distance + match);
      to += match;
    } else {
      for (const stop = to + match; to < stop; to++) output[to] = output[to - distance]!;
    }
  }
  return to;
}

function damaged(how: string): ImageError {
  return new ImageError(`The lz4 data is damaged: it ${how}`);
}
