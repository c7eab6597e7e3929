/**
 * `hvm run`: starts a guest, connects it to the terminal or the pipes hvm was given, and waits for its end.
 * @module
 */

import { ConfigError, HostError, ImageError } from "../base/errors.ts";
import { Progress } from "../host/progress.ts";
import { onStopSignals, signalStatus, type StopSignal } from "../host/signals.ts";
import { RawTerminal } from "../host/tty.ts";
import type { MachineConfig } from "../machine/config.ts";
import type { MachineHandle, StartMachine, StopReason } from "../script/types.ts";
import { readConfigFile } from "./config_file.ts";
import { endMessage, exitStatus, type NotStarted, type RunEnd } from "./exit_codes.ts";
import { ESCAPE_HELP, type EscapeCommand, pipeInput, typeInput } from "./guest_input.ts";
import { GuestOutput } from "./guest_output.ts";
import { internalError, type Messages } from "./messages.ts";
import { fieldsFromFlags, spelling } from "./options.ts";
import type { Request } from "./parse.ts";
import { ResultFile } from "./result.ts";

/** What a run needs from outside. */
export interface RunParts {
  readonly start: StartMachine;
  readonly messages: Messages;
  readonly version: string;
}

/** What is to run: a configuration that is complete already, or what the command line said of one. */
export type RunRequest = { readonly config: MachineConfig } | ParsedRun;
type ParsedRun = Request & { readonly kind: "run" };

/**
 * Runs a guest.
 * @returns the exit status.
 * @throws {ConfigError} when the result cannot be written where it should be
 */
export async function runGuest(request: RunRequest, parts: RunParts): Promise<number> {
  const config = "kind" in request ? await configOf(request).catch(notStarted) : request.config;
  const target = "end" in config ? "kind" in request && request.flags.json : config.json;
  using result = typeof target === "string" ? new ResultFile(target) : undefined;
  const run = new Run(parts);
  const end = "end" in config ? config : await run.toEnd(config);
  const status = exitStatus(end);
  run.sayEnd(end);
  result?.write({ ...end, status, ...run.engine, hvm: parts.version }, run.midLine);
  return status;
}

/** The complete configuration: the file's fields, and over them the options'. */
async function configOf(request: ParsedRun): Promise<MachineConfig> {
  const { parseConfig } = await import("../machine/config.ts");
  const { fields, given } = fieldsFromFlags(request.flags, request.command);
  const fromFile = request.file === undefined ? {} : readConfigFile(request.file);
  return parseConfig({ ...fromFile, ...fields }, {
    spell: spelling(given, request.file),
    hostMemoryBytes: Deno.systemMemoryInfo().total,
  });
}

/** The end of a run that an error prevented. */
function notStarted(error: unknown): NotStarted {
  if (error instanceof ConfigError) return { end: "config-error", message: error.message };
  if (error instanceof ImageError) return { end: "image-error", message: error.message };
  if (error instanceof HostError) return { end: "host-error", message: error.message };
  return { end: "host-error", message: internalError(error) };
}

const STOP_REASON: Readonly<Record<StopSignal, StopReason>> = {
  SIGHUP: "sighup",
  SIGINT: "sigint",
  SIGTERM: "sigterm",
};

/** One run. */
class Run {
  /** For the JSON result, once it is known. */
  engine: { engine?: MachineHandle["engine"] } = {};
  readonly #parts: RunParts;
  readonly #output: GuestOutput;
  readonly #starting = new AbortController();
  #machine: MachineHandle | undefined;
  #stopped: StopReason | undefined;
  #signals: Disposable | undefined;

  constructor(parts: RunParts) {
    this.#parts = parts;
    this.#output = new GuestOutput(Deno.stdout, () => this.#stop("output-closed"));
  }

  /** The guest's output on standard output ends in the middle of a line. */
  get midLine(): boolean {
    return this.#output.midLine;
  }

  async toEnd(config: MachineConfig): Promise<RunEnd> {
    // Fetching has something to clean up from the first moment on. Any other start leaves nothing when it is killed, and
    // listening takes time that a short run would notice.
    if (config.kernel.kind === "debian") this.#listen();
    try {
      return await this.#startAndWait(config);
    } catch (error) {
      if (this.#stopped === undefined || this.#stopped === "timeout" || this.#machine !== undefined) {
        return notStarted(error);
      }
      return { end: "stopped", reason: this.#stopped, stats: { wallMs: 0, exits: 0, counts: {} } };
    } finally {
      this.#signals?.[Symbol.dispose]();
    }
  }

  /** Turns signals into a clean stop, from now on. */
  #listen(): void {
    this.#signals ??= onStopSignals(
      (signal) => this.#stop(STOP_REASON[signal]),
      // Whoever asks twice does not want to wait.
      (signal) => Deno.exit(signalStatus(signal)),
    );
  }

  /** Says how the run ended, where that needs words. */
  sayEnd(end: RunEnd): void {
    const { messages } = this.#parts;
    if (Deno.stdout.isTerminal()) messages.midLine = this.#output.midLine;
    const closed = end.end === "stopped" && end.reason === "output-closed";
    const message = closed ? `Cannot write the guest's output: ${this.#output.failure}` : endMessage(end);
    if (message !== undefined) messages.say(message);
    else if (messages.midLine) messages.newLine();
  }

  async #startAndWait(config: MachineConfig): Promise<RunEnd> {
    const serial = config.serial ?? { kind: "stdio" };
    const onStdio = serial.kind === "stdio";
    await using machine = await this.#parts.start(
      { ...config, serial: onStdio ? { kind: "null" } : serial },
      {
        ...(onStdio ? { output: (bytes) => this.#output.write(bytes) } : {}),
        progress: new Progress(),
        signal: this.#starting.signal,
      },
    );
    this.#machine = machine;
    this.#listen();
    this.engine = { engine: machine.engine };
    if (this.#stopped !== undefined) void machine.stop(this.#stopped);
    this.#parts.messages.say(`${machine.engine.why}; irqchip ${machine.engine.irqchip}`);
    if (machine.debugger !== undefined) {
      this.#parts.messages.say(`the guest waits for gdb: ${machine.debugger}`);
    }
    machine.events.subscribe((event) => {
      if (event.type === "notice") this.#parts.messages.say(event.text);
    });
    using _terminal = onStdio ? await this.#connectInput(machine) : undefined;
    const end = await machine.ended;
    await this.#output.flush();
    return end;
  }

  #stop(reason: StopReason): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = reason;
    if (this.#machine === undefined) this.#starting.abort();
    else void this.#machine.stop(reason);
  }

  /** Gives the guest the keys of a terminal, or what is piped in. */
  async #connectInput(machine: MachineHandle): Promise<Disposable | undefined> {
    if (!RawTerminal.possible) {
      // The pipe goes on when the guest has ended; what it still holds is for nobody.
      pipeInput(Deno.stdin, machine.console).catch(() => {});
      return undefined;
    }
    const { messages } = this.#parts;
    const terminal = await RawTerminal.enter();
    messages.raw = true;
    this.#sayHint();
    void typeInput(Deno.stdin, machine.console, (command) => this.#obey(command));
    return {
      [Symbol.dispose]() {
        terminal.restore();
        messages.raw = false;
      },
    };
  }

  #obey(command: EscapeCommand): void {
    if (command === "quit") this.#stop("escape");
    else this.#sayHint();
  }

  #sayHint(): void {
    this.#parts.messages.midLine = this.#output.midLine;
    this.#parts.messages.say(ESCAPE_HELP);
  }
}
