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
    this.#write(`${this.midLine ? "\n" : ""}hvm: ${text}\n`);
  }

  /** Ends the line the guest left open. */
  newLine(): void {
    this.#write("\n");
  }

  #write(lines: string): void {
    this.midLine = false;
    const bytes = new TextEncoder().encode(this.raw ? lines.replace(/\n/g, "\r\n") : lines);
    try {
      for (let at = 0; at < bytes.length;) at += this.#output.writeSync(bytes.subarray(at));
    } catch {
      // Nobody listens: the exit status says it too.
    }
  }
}

/** What is said of an error that should not exist: short, and with the stack when `HVM_DEBUG` is set. */
export function internalError(error: unknown): string {
  const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const stack = error instanceof Error ? error.stack : undefined;
  if (Deno.env.get("HVM_DEBUG") && stack !== undefined) return `Internal error: ${stack}`;
  return `Internal error, sorry: this is a fault of hvm (${what}); HVM_DEBUG=1 shows where it happened`;
}
