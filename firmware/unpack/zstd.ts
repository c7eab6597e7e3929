/**
 * Zstandard by the runtime's own library, imported when first needed.
 *
 * Sources: [8878] RFC 8878.
 * @module
 */

import { options, runZlib } from "./gzip.ts";

/** First bytes of a frame. [8878] 3.1.1 */
export const ZSTD_MAGIC: readonly number[] = [0x28, 0xb5, 0x2f, 0xfd];

/**
 * Unpacks Zstandard frames; their checksums, where there are any, are checked by the library.
 * @param limit The most it may unpack to.
 * @param size The size it must unpack to, when that is known.
 * @throws {ImageError} when the data is damaged, too large, or does not give `size` bytes.
 */
export async function unpackZstd(bytes: Uint8Array, limit: number, size?: number): Promise<Uint8Array> {
  const { zstdDecompressSync } = await import("node:zlib");
  return runZlib("zstd", size, () => zstdDecompressSync(bytes, options(limit, size)));
}
