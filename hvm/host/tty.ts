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
 * The watcher. `$1` is the terminal. It says when it knows the settings, hears a line when raw mode is on, and acts at the
 * end of its input. A shell that took over meanwhile has put the terminal into a state of its own, which stays.
 */
const WATCHER = `
trap '' HUP INT QUIT TERM TSTP TTIN TTOU
exec 3<>"$1" || exit
saved=$(stty -g <&3) || exit
echo ready
read -r line || exit
raw=$(stty -g <&3)
echo watching
read -r line
[ "$(stty -g <&3)" = "$raw" ] && stty "$saved" <&3
`;

/** The terminal on standard input, in raw mode until disposed of. */
export class RawTerminal implements Disposable {
  readonly #lifeline: WritableStreamDefaultWriter<Uint8Array> | undefined;
  readonly #onContinue = () => Deno.stdin.setRaw(true);
  #raw = true;

  /** True when the run is somebody's at a terminal: both input and output are one. Pipes are left alone. */
  static get possible(): boolean {
    return Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
  }

  /** Switches the terminal to raw mode. It takes some milliseconds, most of them the watcher's start. */
  static async enter(): Promise<RawTerminal> {
    const watcher = startWatcher();
    const lifeline = watcher?.stdin.getWriter();
    const heard = watcher?.stdout.getReader();
    await heard?.read().catch(() => {});
    Deno.stdin.setRaw(true);
    const terminal = new RawTerminal(lifeline);
    await lifeline?.write(new TextEncoder().encode("\n")).catch(() => {});
    await heard?.read().catch(() => {});
    return terminal;
  }

  private constructor(lifeline: WritableStreamDefaultWriter<Uint8Array> | undefined) {
    this.#lifeline = lifeline;
    // Whoever stopped the process, or brought it to the foreground, may have left the terminal cooked.
    Deno.addSignalListener("SIGCONT", this.#onContinue);
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
    void this.#lifeline?.close().catch(() => {});
  }

  [Symbol.dispose](): void {
    this.restore();
  }
}

/** Starts the watcher; without a shell or stty there is none, and a crash leaves the terminal to the user's `reset`. */
function startWatcher(): Deno.ChildProcess | undefined {
  try {
    const watcher = new Deno.Command("sh", {
      args: ["-c", WATCHER, "hvm-terminal", terminalPath()],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    watcher.unref();
    return watcher;
  } catch {
    return undefined;
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
