/**
 * Looks for a Linux panic in what the console says.
 *
 * Stock kernels have no driver built in that would tell a virtual machine monitor of a panic, and reset like any other
 * reboot afterwards; the one sure sign is the line every panic prints.
 *
 * Sources: Linux kernel/panic.c (`Kernel panic - not syncing: ...`).
 * @module
 */

const SIGN = "Kernel panic - not syncing";
/** More than the line can be cut into. */
const KEPT_CHARS = 1024;

/** Watches one console. */
export class PanicWatch {
  readonly #decoder = new TextDecoder("latin1");
  #tail = "";
  #message: string | undefined;

  /** The panic's line, once it was seen. */
  get message(): string | undefined {
    return this.#message;
  }

  /** Looks at more output. */
  look(bytes: Uint8Array): void {
    const text = this.#tail + this.#decoder.decode(bytes);
    const at = text.indexOf(SIGN);
    // The line may come in pieces: what follows it is added until it ends.
    if (at >= 0) this.#message = /^[^\r\n]*/.exec(text.slice(at))?.[0];
    this.#tail = at >= 0 && !/[\r\n]/.test(text.slice(at)) ? text.slice(at) : text.slice(-KEPT_CHARS);
    if (at >= 0 && /[\r\n]/.test(text.slice(at))) this.#tail = "";
  }
}
