/**
 * Trace points as lines of a file, written by the thread that hits them.
 * @module
 */

import type { TraceSink } from "../base/trace.ts";
import { closeFile, OPEN, openFile, writeSome } from "../sys/files.ts";

const BUFFER_BYTES = 1 << 16;

/** Collects lines and writes them in large pieces; {@linkcode TraceWriter.flush} at the end. */
export class TraceWriter {
  readonly #fd: number;
  readonly #bytes = new Uint8Array(BUFFER_BYTES);
  readonly #encoder = new TextEncoder();
  #length = 0;

  /** @param fd an open descriptor, which stays the caller's. */
  constructor(fd: number) {
    this.#fd = fd;
  }

  /** One line a hit: the name, then its arguments in hexadecimal. */
  readonly sink: TraceSink = (name, args) => {
    let line = name;
    for (const arg of args) line += ` ${arg.toString(16)}`;
    if (this.#length + line.length + 1 > BUFFER_BYTES) this.flush();
    this.#length += this.#encoder.encodeInto(`${line}\n`, this.#bytes.subarray(this.#length)).written;
  };

  /** Writes what was collected. @throws {HostError} when the file takes no more. */
  flush(): void {
    for (let at = 0; at < this.#length;) at += writeSome(this.#fd, this.#bytes.subarray(at, this.#length));
    this.#length = 0;
  }
}

/** An open trace file; disposing closes it. */
export interface TraceFile extends Disposable {
  readonly fd: number;
}

/**
 * Opens the file trace lines go to, empty.
 * @throws {HostError} when it cannot be written.
 */
export function openTrace(path: string): TraceFile {
  const fd = openFile(path, OPEN.WRITE_ONLY | OPEN.CREATE | OPEN.TRUNCATE);
  return { fd, [Symbol.dispose]: () => closeFile(fd) };
}
