/**
 * Says how data is packed and unpacks it: the formats that Linux kernels, their modules and initial ramdisks come in.
 * @module
 */

import { ImageError, unreachable } from "../../hvm/base/errors.ts";
import { BZIP2_MAGIC, unpackBzip2 } from "./bzip2.ts";
import { GZIP_MAGIC, unpackGzip } from "./gzip.ts";
import { LZ4_LEGACY_MAGIC, unpackLz4 } from "./lz4.ts";
import { unpackLzma } from "./lzma.ts";
import { LZOP_MAGIC, unpackLzo } from "./lzo.ts";
import { unpackXz, XZ_MAGIC } from "./xz.ts";
import { unpackZstd, ZSTD_MAGIC } from "./zstd.ts";

/** The ways of packing. */
export type Packing = "gzip" | "zstd" | "lz4" | "xz" | "lzma" | "lzo" | "bzip2";

/** The most anything may unpack to: far above any kernel, far below what would take the host down. */
export const UNPACKED_LIMIT = 2 ** 30;

const LZ4_MAGIC = [0, 8, 16, 24].map((shift) => LZ4_LEGACY_MAGIC >>> shift & 0xff);
/** Properties of lc 3, lp 0, pb 2, and a dictionary of a power of two below 4 GiB: .lzma files have no magic. */
const LZMA_START = [0x5d, 0x00, 0x00];

const MAGICS: readonly (readonly [Packing, readonly number[]])[] = [
  ["gzip", GZIP_MAGIC],
  ["zstd", ZSTD_MAGIC],
  ["lz4", LZ4_MAGIC],
  ["xz", XZ_MAGIC],
  ["lzma", LZMA_START],
  ["lzo", LZOP_MAGIC],
  ["bzip2", BZIP2_MAGIC],
];

/** How `bytes` are packed, by their first bytes; undefined when they are not, or in a way that is not known. */
export function packingOf(bytes: Uint8Array): Packing | undefined {
  return MAGICS.find(([, magic]) => magic.every((byte, i) => bytes[i] === byte))?.[0];
}

/**
 * Unpacks data.
 * @param size The size it must unpack to, when that is known.
 * @throws {ImageError} when the data is damaged or unpacks to more than {@linkcode UNPACKED_LIMIT}.
 */
export async function unpack(packing: Packing, bytes: Uint8Array, size?: number): Promise<Uint8Array> {
  if (size !== undefined && size > UNPACKED_LIMIT) {
    throw new ImageError(`The ${packing} data is damaged: it claims to unpack to ${size} bytes`);
  }
  switch (packing) {
    case "gzip":
      return await unpackGzip(bytes, UNPACKED_LIMIT, size);
    case "zstd":
      return await unpackZstd(bytes, UNPACKED_LIMIT, size);
    case "lz4":
      return unpackLz4(bytes, UNPACKED_LIMIT, size);
    case "xz":
      return unpackXz(bytes, UNPACKED_LIMIT, size);
    case "lzma":
      return unpackLzma(bytes, UNPACKED_LIMIT, size);
    case "lzo":
      return unpackLzo(bytes, UNPACKED_LIMIT, size);
    case "bzip2":
      return unpackBzip2(bytes, UNPACKED_LIMIT, size);
    default:
      return unreachable(packing);
  }
}
