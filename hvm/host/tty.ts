/**
 * The terminal in raw mode, and back again on every way out.
 *
 * A normal end, an exit, an uncaught error and a rejected promise are covered by disposal and by Deno itself; the signals
 * of signals.ts by a clean stop. What kills the process outright (SIGQUIT, SIGABRT, SIGSEGV, SIGKILL) leaves no code of
 * ours to run, so a small shell waits for that: it keeps the terminal's settings, notices the end of the process by the
 * end of a pipe, and puts the settings back when the terminal is still as raw as it was left.
 *
 * Sources: termios(3), tcsetattr(3) on SIGTTOU, stty(1).
 * @module
 */

/**
 * The watcher. `$1` is the terminal. It says when it knows the settings. For every line it hears it makes the terminal
 * fully raw, which Deno does not (output stays processed, and a guest's bare line feed would return the carriage); at the
 * end of its input it acts. A shell that took over meanwhile has put the terminal into a state of its own, which stays.
 */
const WATCHER = `
trap '' HUP INT QUIT TERM TSTP TTIN TTOU
exec 3<>"$1" || exit
saved=$(stty -g <&3) || exit
raw=
echo ready
while read -r line; do
  stty raw -echo <&3
  raw=$(stty -g <&3)
  echo raw
done
[ "$(stty -g <&3)" = "$raw" ] && stty "$saved" <&3
`;

/** The terminal on standard input, in raw mode until disposed of. */
export class RawTerminal implements Disposable {
  readonly #watcher: Watcher | undefined;
  readonly #onContinue = () => void this.#makeRaw();
  #raw = true;

  /** True when the run is somebody's at a terminal: both input and output are one. Pipes are left alone. */
  static get possible(): boolean {
    return Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
  }

  /** Switches the terminal to raw mode. It takes some milliseconds, most of them the watcher's start. */
  static async enter(): Promise<RawTerminal> {
    const terminal = new RawTerminal(await Watcher.start());
    await terminal.#makeRaw();
    return terminal;
  }

  private constructor(watcher: Watcher | undefined) {
    this.#watcher = watcher;
    // Whoever stopped the process, or brought it to the foreground, may have left the terminal cooked.
    Deno.addSignalListener("SIGCONT", this.#onContinue);
  }

  async #makeRaw(): Promise<void> {
    Deno.stdin.setRaw(true);
    await this.#watcher?.makeRaw();
  }

  /** Puts the terminal back as it was. Doing it twice does nothing. */
  restore(): void {
    if (!this.#raw) return;
    this.#raw = false;
    Deno.removeSignalListener("SIGCONT", this.#onContinue);
    try {
      Deno.stdin.setRaw(false);
    } catch {
      // The terminal has gone away; there is nothing to restore.
    }
    this.#watcher?.release();
  }

  [Symbol.dispose](): void {
    this.restore();
  }
}

/** The shell that outlives us. Where it cannot be, a crash leaves the terminal to the user's `reset`. */
class Watcher {
  readonly #lines: WritableStreamDefaultWriter<Uint8Array>;
  readonly #answers: ReadableStreamDefaultReader<Uint8Array>;

  /** Starts it and waits until it knows the terminal's settings; undefined without a shell or stty. */
  static async start(): Promise<Watcher | undefined> {
    try {
      const process = new Deno.Command("sh", {
        args: ["-c", WATCHER, "hvm-terminal", terminalPath()],
        stdin: "piped",
        stdout: "piped",
        stderr: "null",
      }).spawn();
      process.unref();
      const watcher = new Watcher(process);
      const { done } = await watcher.#answers.read();
      return done ? undefined : watcher;
    } catch {
      return undefined;
    }
  }

  private constructor(process: Deno.ChildProcess) {
    this.#lines = process.stdin.getWriter();
    this.#answers = process.stdout.getReader();
  }

  async makeRaw(): Promise<void> {
    try {
      await this.#lines.write(new TextEncoder().encode("raw\n"));
      await this.#answers.read();
    } catch {
      // It was killed: the terminal is as raw as Deno makes it.
    }
  }

  /** Ends it: the terminal is not raw any more, so it leaves that alone. */
  release(): void {
    this.#lines.close().catch(() => {});
    this.#answers.cancel().catch(() => {});
  }
}

/** The terminal's own device where it has a name here (in a container it may not), else that of the session. */
function terminalPath(): string {
  try {
    const path = Deno.readLinkSync("/proc/self/fd/0");
    if (Deno.statSync(path).isCharDevice) return path;
  } catch {
    // No name for it in this mount namespace.
  }
  return "/dev/tty";
}
