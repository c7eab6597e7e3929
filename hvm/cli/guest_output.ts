/**
 * The guest's output on hvm's standard output.
 * @module
 */

import { fileTrouble } from "../host/image_file.ts";

/** Where output goes; `Deno.stdout` is one. */
export interface OutputSink {
  write(bytes: Uint8Array): Promise<number>;
}

const LINE_FEED = 0x0a;

/** Writes one thing after another, at the speed of the reader. */
export class GuestOutput {
  /** Why nothing can be written any more, as the end of a sentence. */
  failure: string | undefined;
  /** What was written last does not end a line. */
  midLine = false;
  readonly #sink: OutputSink;
  readonly #onFailure: () => void;
  #pending: Promise<void> = Promise.resolve();

  /** @param onFailure called once, when the sink takes nothing any more; what comes later is dropped */
  constructor(sink: OutputSink, onFailure: () => void) {
    this.#sink = sink;
    this.#onFailure = onFailure;
  }

  /** Settles when the bytes are written or dropped; never rejects. */
  write(bytes: Uint8Array): Promise<void> {
    return this.#pending = this.#pending.then(() => this.#writeNow(bytes));
  }

  /** Settles when everything so far is written or dropped. */
  flush(): Promise<void> {
    return this.#pending;
  }

  async #writeNow(bytes: Uint8Array): Promise<void> {
    if (this.failure !== undefined || bytes.length === 0) return;
    try {
      for (let at = 0; at < bytes.length;) at += await this.#sink.write(bytes.subarray(at));
      this.midLine = bytes.at(-1) !== LINE_FEED;
    } catch (error) {
      this.failure = error instanceof Deno.errors.BrokenPipe
        ? "standard output was closed"
        : fileTrouble(error);
      this.#onFailure();
    }
  }
}
