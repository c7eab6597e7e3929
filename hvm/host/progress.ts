/**
 * Progress of long work, on standard error: one line redrawn in place on a terminal, one plain line per step elsewhere.
 *
 * Sources: [ECMA-48] 8.3.41 (EL, erase in line).
 * @module
 */

/** Where progress goes; `Deno.stderr` is one. */
export interface ProgressOutput {
  isTerminal(): boolean;
  writeSync(bytes: Uint8Array): number;
}

/** One step under way. */
export interface ProgressStep {
  /** Tells how far the step is: `fraction` from 0 to 1. */
  update(fraction: number): void;
  /** Ends the step; on a terminal its line is erased. Ending twice does nothing. */
  done(): void;
}

/** Carriage return, then erase to the end of the line. [ECMA-48] 8.3.41 */
const ERASE_LINE = "\r\x1b[K";
const REDRAW_MS = 100;
const BAR_CELLS = 20;

/** Shows steps one after another. */
export class Progress {
  readonly #output: ProgressOutput;
  readonly #terminal: boolean;

  constructor(output: ProgressOutput = Deno.stderr) {
    this.#output = output;
    this.#terminal = output.isTerminal();
  }

  /** Progress that is shown to nobody. */
  static silent(): Progress {
    return new Progress({ isTerminal: () => false, writeSync: (bytes) => bytes.length });
  }

  /** Starts a step named by a short sentence, as `Fetching busybox-static (0.9 MB)`. */
  step(label: string): ProgressStep {
    if (!this.#terminal) {
      this.#write(`hvm: ${label}\n`);
      return { update: () => {}, done: () => {} };
    }
    let drawnAt = -Infinity;
    let ended = false;
    this.#write(`${ERASE_LINE}hvm: ${label}`);
    return {
      update: (fraction) => {
        const now = performance.now();
        if (ended || now - drawnAt < REDRAW_MS) return;
        drawnAt = now;
        this.#write(`${ERASE_LINE}hvm: ${label} ${bar(fraction)}`);
      },
      done: () => {
        if (ended) return;
        ended = true;
        this.#write(ERASE_LINE);
      },
    };
  }

  /** Says one thing that is not a step: a plain line everywhere. */
  note(text: string): void {
    this.#write(`${this.#terminal ? ERASE_LINE : ""}hvm: ${text}\n`);
  }

  #write(text: string): void {
    try {
      this.#output.writeSync(new TextEncoder().encode(text));
    } catch {
      // Nobody listens any more: that is no reason to stop the work.
    }
  }
}

function bar(fraction: number): string {
  const share = Number.isFinite(fraction) ? Math.min(1, Math.max(0, fraction)) : 0;
  const full = Math.round(share * BAR_CELLS);
  return `[${"#".repeat(full)}${".".repeat(BAR_CELLS - full)}] ${
    String(Math.floor(share * 100)).padStart(3)
  }%`;
}
