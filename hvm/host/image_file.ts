/**
 * Guest images as files: read whole, with a sentence for everything that can be wrong with the file itself.
 * @module
 */

import { MIB } from "../base/addr.ts";
import { ImageError } from "../base/errors.ts";

/**
 * Reads a file that becomes part of a guest.
 * @param what what the file is to the user, as `kernel` or `initrd`
 * @param limitBytes the guest's memory: a larger file cannot be meant
 * @throws {ImageError} when it is missing, a directory, not readable, empty or larger than the guest's memory.
 */
export async function readImageFile(
  path: string,
  what: string,
  limitBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const { size, isDirectory } = await Deno.stat(path);
    if (isDirectory) throw new ImageError(`Cannot read the ${what} ${path}: it is a directory`);
    if (size > limitBytes) {
      throw new ImageError(
        `The ${what} ${path} (${mebibytes(size)}) does not fit the guest's memory (${
          mebibytes(limitBytes)
        }): ` +
          "give the guest more with --memory",
      );
    }
    const bytes = await Deno.readFile(path);
    if (bytes.length === 0) throw new ImageError(`The ${what} ${path} is empty`);
    return bytes;
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) {
      throw new ImageError(`Cannot find the ${what} ${path}`, { cause });
    }
    if (cause instanceof Deno.errors.PermissionDenied) {
      throw new ImageError(`Cannot read the ${what} ${path}: permission denied`, { cause });
    }
    throw cause;
  }
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / MIB * 10) / 10} MiB`;
}
