/**
 * A file that takes a guest's output as it comes.
 * @module
 */

import { HostError } from "../base/errors.ts";
import { fileTrouble } from "./image_file.ts";

/** An open file; disposing closes it. */
export interface OutputFile extends Disposable {
  /** Settles when the bytes are written. @throws {HostError} when the file takes no more. */
  write(bytes: Uint8Array): Promise<void>;
}

/**
 * Opens `path` for writing, empty. A pipe or device is fine.
 * @throws {HostError} when it cannot be written.
 */
export async function openOutputFile(path: string): Promise<OutputFile> {
  const refuse = (error: unknown) =>
    new HostError(`Cannot write the guest's output to ${path}: ${fileTrouble(error)}`, {
      operation: "write",
      cause: error,
    });
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { write: true, create: true, truncate: true });
  } catch (error) {
    throw refuse(error);
  }
  return {
    write: async (bytes) => {
      try {
        for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
      } catch (error) {
        throw refuse(error);
      }
    },
    [Symbol.dispose]: () => file.close(),
  };
}
