/**
 * Files a guest is started with, read whole, with a sentence for everything that may be wrong with one.
 * @module
 */

import { ImageError } from "../base/errors.ts";

/** No kernel or RAM disk comes near; and one typed array holds it on any host. */
const MOST_BYTES = 2 ** 31;

/**
 * Reads the file a guest is started with.
 * @param what what it is to be, for the error: `kernel`, `initrd`
 * @throws {ImageError} when it is missing, a directory, a device, unreadable, empty or beyond 2 GiB.
 */
export async function readImageFile(path: string, what: string): Promise<Uint8Array<ArrayBuffer>> {
  const refuse = (why: string, cause?: unknown) =>
    new ImageError(`Cannot read ${what} ${path}: ${why}`, { cause });
  let info: Deno.FileInfo;
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    info = Deno.statSync(path);
    if (info.isDirectory) throw refuse("it is a directory");
    // A pipe is fine: the shell's <(...) makes one.
    if (!info.isFile && !info.isFifo) throw refuse("it is not a file");
    if (info.size > MOST_BYTES) throw refuse("it is larger than 2G");
    // Somebody writes into a pipe as it is read; a file is read faster in one go.
    bytes = info.isFile ? Deno.readFileSync(path) : await Deno.readFile(path);
  } catch (error) {
    throw error instanceof ImageError ? error : refuse(fileTrouble(error), error);
  }
  if (bytes.length === 0) throw refuse("it is empty");
  return bytes;
}

/** Why a file could not be used, as the end of a sentence. */
export function fileTrouble(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.PermissionDenied) return "you may not (EACCES)";
  if (error instanceof Deno.errors.IsADirectory) return "it is a directory";
  if (error instanceof Deno.errors.NotADirectory) return "a part of its path is not a directory";
  if (error instanceof Deno.errors.FilesystemLoop) return "it is a loop of links";
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/ \(os error \d+\).*$/s, "").replace(
    /^[A-Z](?=[a-z])/,
    (letter) => letter.toLowerCase(),
  );
}
