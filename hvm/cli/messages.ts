/**
 * hvm's own messages: lines on standard error, each with the program's name, also while the terminal is raw.
 * @module
 */

/** Where messages go; `Deno.stderr` is one. */
export interface MessageOutput {
  writeSync(bytes: Uint8Array): number;
}

/** Says things to whoever runs hvm. */
export class Messages {
  /** The terminal is raw: a line feed alone does not go back to the first column. */
  raw = false;
  /** The guest's output stands in the middle of a line of the same terminal. */
  midLine = false;
  readonly #output: MessageOutput;

  constructor(output: MessageOutput = Deno.stderr) {
    this.#output = output;
  }

  /** One message; further lines of it are printed as they are. */
  say(text: string): void {
    const lines = `${this.midLine ? "\n" : ""}hvm: ${text}\n`;
    this.midLine = false;
    const bytes = new TextEncoder().encode(this.raw ? lines.replace(/\n/g, "\r\n") : lines);
    try {
      for (let at = 0; at < bytes.length;) at += this.#output.writeSync(bytes.subarray(at));
    } catch {
      // Nobody listens: the exit status says it too.
    }
  }
}
