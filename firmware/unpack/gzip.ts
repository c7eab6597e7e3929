/**
 * gzip by the runtime's own zlib, imported when first needed.
 *
 * Sources: [1952] RFC 1952.
 * @module
 */

import { ImageError } from "../../hvm/base/errors.ts";

/** First bytes: the identification and the one compression method there is. [1952] 2.3.1 */
export const GZIP_MAGIC: readonly number[] = [0x1f, 0x8b, 0x08];

/**
 * Unpacks a gzip file; its CRC-32 and size are checked by zlib.
 * @param limit The most it may unpack to.
 * @param size The size it must unpack to, when that is known.
 * @throws {ImageError} when the data is damaged, too large, or does not give `size` bytes.
 */
export async function unpackGzip(bytes: Uint8Array, limit: number, size?: number): Promise<Uint8Array> {
  const { gunzipSync } = await import("node:zlib");
  return runZlib("gzip", size, () => gunzipSync(bytes, options(limit, size)));
}

/** Output is made in chunks that are joined at the end; one chunk of the whole size saves the joining. */
export function options(limit: number, size?: number): { maxOutputLength: number; chunkSize: number } {
  return {
    maxOutputLength: Math.max(1, Math.min(limit, size ?? limit)),
    chunkSize: Math.max(64, size === undefined ? 1 << 20 : size + 1),
  };
}

/** Runs one of zlib's functions and turns its complaints into an ImageError. */
export function runZlib(name: string, size: number | undefined, run: () => Uint8Array): Uint8Array {
  let output: Uint8Array;
  try {
    output = run();
  } catch (cause) {
    throw new ImageError(`The ${name} data is damaged: ${reason(cause)}`, { cause });
  }
  if (size !== undefined && output.length !== size) {
    throw new ImageError(
      `The ${name} data is damaged: it gives ${output.length} bytes instead of ${size}`,
    );
  }
  return new Uint8Array(output.buffer, output.byteOffset, output.byteLength);
}

function reason(cause: unknown): string {
  if (cause instanceof Error && "code" in cause && cause.code === "ERR_BUFFER_TOO_LARGE") {
    return "it gives more than it should";
  }
  return cause instanceof Error ? cause.message : String(cause);
}
