/**
 * Runs the command line as a user does: a process with arguments, input, signals, and what it says and ends with.
 * @module
 */

const ROOT = new URL("../../", import.meta.url).pathname;

/** The real program, and the same over the fake guest of fake_hvm.ts. */
export const PROGRAM = {
  hvm: `${ROOT}main.ts`,
  fake: `${ROOT}tests/cli/fake_hvm.ts`,
} as const;

/** The words of a shell command that runs `program`. */
export function shellWords(program: keyof typeof PROGRAM): string {
  return `'${Deno.execPath()}' run -A --no-check --quiet '${PROGRAM[program]}'`;
}

/** What a process said and how it ended. */
export interface Said {
  readonly status: number;
  readonly out: string;
  readonly errors: string;
}

/** How a process is run. */
export interface RunOptions {
  readonly input?: string;
  readonly cwd?: string;
  readonly env?: Record<string, string>;
}

/** Runs a program to its end. */
export async function hvm(
  program: keyof typeof PROGRAM,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Said> {
  await using running = new Running([
    Deno.execPath(),
    "run",
    "-A",
    "--no-check",
    "--quiet",
    PROGRAM[program],
    ...args,
  ], {
    ...options,
    keepInput: false,
  });
  return await running.end();
}

/** Runs a shell command to its end. */
export async function shell(command: string, options: RunOptions = {}): Promise<Said> {
  await using running = new Running(["bash", "-c", command], { ...options, keepInput: false });
  return await running.end();
}

/** A process that takes this long hangs, and is killed so that its test can say so. */
const LIMIT_MS = 60_000;

/** A process one can talk with. */
export class Running implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #errors: Promise<string>;
  readonly #reader: ReadableStreamDefaultReader<string>;
  readonly #limit: ReturnType<typeof setTimeout>;
  #out = "";
  #ended = false;

  /** @param options.keepInput the input stays open after what is given */
  constructor(words: readonly string[], options: RunOptions & { readonly keepInput?: boolean } = {}) {
    const [program = "", ...args] = words;
    this.#child = new Deno.Command(program, {
      args,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { NO_COLOR: "1", ...options.env },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#errors = new Response(this.#child.stderr).text();
    this.#reader = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#limit = setTimeout(() => this.kill("SIGKILL"), LIMIT_MS);
    if (options.input !== undefined) this.send(options.input);
    if (options.keepInput === false) void this.#input.close().catch(() => {});
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Sends input; a process that has ended takes none. */
  send(text: string): void {
    this.#input.write(new TextEncoder().encode(text)).catch(() => {});
  }

  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Waits for output that matches. @returns all output so far. */
  async until(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.#out)) {
      const { value, done } = await this.#reader.read();
      if (done) throw new Error(`The output ended before ${pattern}: ${this.#out}\n${await this.#errors}`);
      this.#out += value;
    }
    return this.#out;
  }

  /** Waits for the end. */
  async end(): Promise<Said> {
    for (;;) {
      const { value, done } = await this.#reader.read();
      if (done) break;
      this.#out += value;
    }
    const { code } = await this.#child.status;
    this.#ended = true;
    clearTimeout(this.#limit);
    return { status: code, out: this.#out, errors: await this.#errors };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close().catch(() => {});
    if (this.#ended) return;
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.end();
  }
}
