/**
 * The console of a guest as a script uses it: bytes out, bytes in, and waits for what the guest says.
 *
 * Nothing here polls: the port calls with output as it comes, and every wait looks again then. A listener that returns a
 * promise holds back the port, so that in the end a slow reader slows the guest down instead of losing its output.
 * @module
 */

import type { ByteListener, GuestConsole, WaitOptions } from "./types.ts";

/** The machine's side of a console. */
export interface ConsolePort {
  /** Takes what there is room for. @returns how many bytes that was. */
  write(bytes: Uint8Array): number;
  /** Settles when there may be room again. */
  room(): Promise<void>;
  /** Calls `listener` with output as it comes, and not again before what it returns has settled. */
  onData(listener: ByteListener): void;
}

/** Characters of output that are kept: some ten boot logs. */
const KEPT_CHARS = 1 << 20;
/** A match lies within this many characters of the output's end. */
const WINDOW_CHARS = 1 << 16;
/** Evidence of a failed wait. */
const EVIDENCE_LINES = 10;
const EVIDENCE_CHARS = 1000;
/** An async loop over the output holds back the guest when this much waits for it. */
const LOOP_BYTES = 1 << 16;

/** A wait for output that did not come. */
export class ExpectError extends Error {
  override readonly name = "ExpectError";
  readonly pattern: string;
  readonly reason: "timeout" | "aborted" | "ended";
  /** The last lines of output, readable: control characters are escaped. */
  readonly seen: string;

  constructor(
    why: string,
    options: { pattern: string; reason: ExpectError["reason"]; seen: string; cause?: unknown },
  ) {
    const evidence = options.seen === ""
      ? "the console was silent"
      : `the console's last lines:\n${options.seen.replace(/^/gm, "  | ")}`;
    super(`${why} before ${options.pattern} was seen; ${evidence}`, { cause: options.cause });
    this.pattern = options.pattern;
    this.reason = options.reason;
    this.seen = options.seen;
  }
}

/** Bytes were sent to a guest that has ended. */
export class ConsoleClosedError extends Error {
  override readonly name = "ConsoleClosedError";
}

interface Waiter {
  readonly regexp: RegExp;
  /** Where it looks from, counted from the first character ever. */
  readonly start: number;
  resolve(match: RegExpExecArray): void;
  reject(why: string, reason: ExpectError["reason"], cause?: unknown): void;
}

/** A console over a port. */
export class Console implements GuestConsole {
  readonly output: GuestConsole["output"];
  readonly #port: ConsolePort;
  readonly #decoder = new TextDecoder();
  readonly #listeners = new Set<ByteListener>();
  readonly #waiters = new Set<Waiter>();
  readonly #closing = Promise.withResolvers<void>();
  /** Output from character `#keptFrom` on. */
  #kept = "";
  #keptFrom = 0;
  /** Waits begin here. */
  #consumed = 0;
  #sending: Promise<void> = Promise.resolve();
  /** Why the console is closed, as `The guest ended (poweroff)`. */
  #closed: string | undefined;

  constructor(port: ConsolePort) {
    this.#port = port;
    this.output = {
      subscribe: (listener) => this.#subscribe(listener),
      [Symbol.asyncIterator]: () => this.#loop(),
    };
    port.onData((bytes) => this.#receive(bytes));
  }

  get transcript(): string {
    return this.#kept;
  }

  write(bytes: Uint8Array): Promise<void> {
    const sent = this.#sending.then(() => this.#push(bytes));
    // What failed for one writer fails for the next by itself.
    this.#sending = sent.catch(() => {});
    return sent;
  }

  send(text: string): Promise<void> {
    return this.write(new TextEncoder().encode(text));
  }

  expect(pattern: RegExp | string, options: WaitOptions = {}): Promise<RegExpExecArray> {
    const shown = typeof pattern === "string" ? JSON.stringify(pattern) : String(pattern);
    const source = typeof pattern === "string"
      ? pattern.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")
      : pattern.source;
    const flags = typeof pattern === "string" ? "" : pattern.flags.replace(/[gy]/g, "");
    const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>();
    const waiter: Waiter = {
      regexp: new RegExp(source, flags),
      start: this.#consumed,
      resolve,
      reject: (why, reason, cause) =>
        reject(new ExpectError(why, { pattern: shown, reason, seen: this.#evidence(), cause })),
    };
    this.#waiters.add(waiter);
    this.#look(waiter);
    if (this.#waiters.has(waiter)) this.#limit(waiter, promise, options);
    return promise;
  }

  /** The guest has ended: waits fail with `why`, loops end. For whoever made the console. */
  close(why: string): void {
    if (this.#closed !== undefined) return;
    this.#take(this.#decoder.decode());
    this.#closed = why;
    for (const waiter of [...this.#waiters]) this.#giveUp(waiter, why, "ended");
    this.#closing.resolve();
    this.#listeners.clear();
  }

  async #push(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      if (this.#closed !== undefined) {
        throw new ConsoleClosedError(`Cannot send to the guest: ${this.#closed}`);
      }
      const taken = this.#port.write(bytes.subarray(at));
      at += taken;
      if (taken === 0) await Promise.race([this.#port.room(), this.#closing.promise]);
    }
  }

  #receive(bytes: Uint8Array): void | Promise<void> {
    if (this.#closed !== undefined) return;
    this.#take(this.#decoder.decode(bytes, { stream: true }));
    const pending = [...this.#listeners].map((listener) => this.#hand(listener, bytes));
    const slow = pending.filter((result) => result !== undefined);
    if (slow.length > 0) return Promise.all(slow).then(() => {});
  }

  /** A listener that fails has failed for good and for itself. */
  #hand(listener: ByteListener, bytes: Uint8Array): Promise<void> | undefined {
    const failed = (error: unknown) => {
      this.#listeners.delete(listener);
      reportError(error);
    };
    try {
      return listener(bytes)?.catch(failed);
    } catch (error) {
      failed(error);
    }
  }

  /** Adds text and lets every wait look at it. */
  #take(text: string): void {
    if (text === "") return;
    this.#kept += text;
    if (this.#kept.length > 2 * KEPT_CHARS) {
      this.#keptFrom += this.#kept.length - KEPT_CHARS;
      this.#kept = this.#kept.slice(-KEPT_CHARS);
    }
    for (const waiter of [...this.#waiters]) this.#look(waiter);
  }

  #look(waiter: Waiter): void {
    const from = Math.max(waiter.start - this.#keptFrom, this.#kept.length - WINDOW_CHARS, 0);
    const match = waiter.regexp.exec(this.#kept.slice(from));
    if (match !== null) {
      this.#waiters.delete(waiter);
      this.#consumed = Math.max(this.#consumed, this.#keptFrom + from + match.index + match[0].length);
      waiter.resolve(match);
    } else if (this.#closed !== undefined) {
      this.#giveUp(waiter, this.#closed, "ended");
    }
  }

  #giveUp(waiter: Waiter, why: string, reason: ExpectError["reason"], cause?: unknown): void {
    if (this.#waiters.delete(waiter)) waiter.reject(why, reason, cause);
  }

  /** Ends the wait when its time is over or its signal fires, and takes both away when it ends otherwise. */
  #limit(waiter: Waiter, promise: Promise<unknown>, { timeout, signal }: WaitOptions): void {
    const abort = () => this.#giveUp(waiter, "The wait was aborted", "aborted", signal?.reason);
    if (signal?.aborted) return abort();
    const late = () => this.#giveUp(waiter, `Waited ${timeout} ms in vain`, "timeout");
    const timer = timeout === undefined ? undefined : setTimeout(late, timeout);
    signal?.addEventListener("abort", abort);
    const over = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };
    promise.then(over, over);
  }

  #evidence(): string {
    const lines = this.#kept.slice(-EVIDENCE_CHARS).replace(/\r+\n/g, "\n").trimEnd().split("\n");
    return lines.slice(-EVIDENCE_LINES).join("\n").replace(
      // deno-lint-ignore no-control-regex
      /[\x00-\x09\x0b-\x1f\x7f]/g,
      (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`,
    );
  }

  #subscribe(listener: ByteListener): () => void {
    const own: ByteListener = (bytes) => listener(bytes);
    if (this.#closed === undefined) this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  #loop(): AsyncIterator<Uint8Array> {
    const waiting: Uint8Array[] = [];
    let size = 0;
    let over = this.#closed !== undefined;
    let arrived = Promise.withResolvers<void>();
    let taken = Promise.withResolvers<void>();
    const unsubscribe = this.#subscribe((bytes) => {
      waiting.push(bytes);
      size += bytes.length;
      arrived.resolve();
      return size > LOOP_BYTES ? taken.promise : undefined;
    });
    const stop = () => {
      over = true;
      unsubscribe();
      arrived.resolve();
      taken.resolve();
    };
    void this.#closing.promise.then(stop);
    return {
      next: async () => {
        while (waiting.length === 0 && !over) {
          await arrived.promise;
          arrived = Promise.withResolvers();
        }
        const value = waiting.shift();
        if (value === undefined) return { done: true, value };
        size -= value.length;
        if (size <= LOOP_BYTES) {
          taken.resolve();
          taken = Promise.withResolvers();
        }
        return { done: false, value };
      },
      return: () => {
        waiting.length = 0;
        stop();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }
}
