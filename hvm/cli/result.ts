/**
 * The JSON result of a run: one line that names the end, whatever it was.
 * @module
 */

import { ConfigError, HostError } from "../base/errors.ts";
import { fileTrouble } from "../host/image_file.ts";

/** Where the result goes. It is opened before the guest runs, so that a bad path costs nothing. */
export class ResultFile implements Disposable {
  readonly #path: string;
  readonly #file: Deno.FsFile | undefined;

  /** @param path `-` is standard output */
  constructor(path: string) {
    this.#path = path;
    if (path === "-") return;
    try {
      this.#file = Deno.openSync(path, { write: true, create: true, truncate: true });
    } catch (error) {
      const why = error instanceof Deno.errors.NotFound ? "there is no such directory" : fileTrouble(error);
      throw new ConfigError(`Cannot write the result to ${path}: ${why}`, {
        path: "json",
        cause: error,
      });
    }
  }

  /**
   * Writes the result.
   * @param midLine the guest's output on standard output ends in the middle of a line
   */
  write(result: object, midLine: boolean): void {
    const text = `${this.#file === undefined && midLine ? "\n" : ""}${JSON.stringify(result)}\n`;
    const bytes = new TextEncoder().encode(text);
    try {
      const file = this.#file ?? Deno.stdout;
      for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
    } catch (error) {
      const where = this.#path === "-" ? "standard output" : this.#path;
      throw new HostError(`Cannot write the result to ${where}: ${fileTrouble(error)}`, {
        operation: "write",
        cause: error,
      });
    }
  }

  [Symbol.dispose](): void {
    this.#file?.close();
  }
}
