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
/** As much of the sign as a piece of output may end with. */
const KEPT_CHARS = SIGN.length;

/** Watches one console. */
export class PanicWatch {
  readonly #decoder = new TextDecoder("latin1");
  /** The end of what was seen, while no panic was; from the panic on while its line is not over. */
  #tail = "";
  #message: string | undefined;
  #complete = false;

  /** The line of the first panic, as far as it was seen. */
  get message(): string | undefined {
    return this.#message;
  }

  /** Looks at more output. */
  look(bytes: Uint8Array): void {
    if (this.#complete) return;
    const text = this.#tail + this.#decoder.decode(bytes);
    const at = text.indexOf(SIGN);
    if (at < 0) {
      this.#tail = text.slice(-KEPT_CHARS);
      return;
    }
    this.#tail = text.slice(at);
    this.#message = /^[^\r\n]*/.exec(this.#tail)?.[0];
    this.#complete = /[\r\n]/.test(this.#tail);
  }
}
