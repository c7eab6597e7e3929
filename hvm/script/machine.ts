/**
 * `Machine`: a running guest as a script sees it.
 * @module
 */

import type { DebuggerAddress, DebuggerServer } from "../gdb/server.ts";
import { Progress } from "../host/progress.ts";
import { openOutputFile } from "../host/output_file.ts";
import { openTrace } from "../host/trace_writer.ts";
import { debuggerLink } from "../machine/debugger_link.ts";
import { boardResources } from "../machine/layout.ts";
import type { MachineConfig, MachineOptions } from "../machine/config.ts";
import { crashAdvice, GuestMachine, type MachineResult } from "../machine/machine.ts";
import { REQUEST } from "../vcpu/loop.ts";
import { Console, type ConsolePort } from "./console.ts";
import { EventHub, type EventSource } from "./events.ts";
import { PanicWatch } from "./panic_watch.ts";
import type {
  ByteListener,
  EngineChoice,
  GuestConsole,
  MachineEnd,
  MachineEvent,
  MachineHandle,
  MachineMap,
  StartMachine,
  StartOptions,
  StopReason,
} from "./types.ts";

/** A machine from its start on. Make one with {@linkcode Machine.start}. */
export class Machine implements MachineHandle {
  readonly config: MachineConfig;
  readonly engine: EngineChoice;
  readonly console: GuestConsole;
  readonly events: EventSource<MachineEvent>;
  readonly ended: Promise<MachineEnd>;
  /** What to type in gdb, where a debugger may connect. */
  readonly debugger?: string;
  readonly #machine: GuestMachine;
  readonly #console: Console;
  readonly #hub: EventHub<MachineEvent>;
  readonly #port: RingPort;
  readonly #panic: PanicWatch;
  readonly #server: DebuggerServer | undefined;
  readonly #files: DisposableStack;
  #stopReason: StopReason | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  private constructor(parts: Parts) {
    const { machine, port, hub, config } = parts;
    this.config = config;
    this.#machine = machine;
    this.#port = port;
    this.#hub = hub;
    this.#panic = parts.panic;
    this.#server = parts.server;
    if (parts.server !== undefined) this.debugger = parts.server.command;
    this.#files = parts.files;
    this.#console = parts.console;
    this.console = parts.console;
    this.events = hub;
    const { probe, irqchip } = machine.engine;
    this.engine = { vendor: probe.vendor, irqchip, why: probe.reason };
    this.ended = machine.ended.then((result) => this.#over(result));
  }

  /**
   * Builds a machine and starts it.
   *
   * ```ts ignore
   * await using machine = await Machine.start({ kernel: "debian", memory: "512M", timeout: 60_000 });
   * await machine.console.expect(/~ # /);
   * await machine.console.send("uname -r\n");
   * const end = await machine.ended;
   * ```
   *
   * @param options what the machine is to be, as in a configuration file; numbers are bytes and milliseconds
   * @throws {ConfigError} when the options make no sense.
   * @throws {ImageError} when the guest cannot be started: a file is missing, damaged or no kernel.
   * @throws {HostError} when the host refuses, with what to do about it.
   */
  static async start(options: MachineOptions = {}, start: StartOptions = {}): Promise<Machine> {
    // The command line has read its options without the schema, and does without it here too.
    const { parseConfig } = await import("../machine/config.ts");
    return await Machine.startConfigured(parseConfig(options), start);
  }

  /** {@linkcode Machine.start} for a configuration that is checked already. */
  static async startConfigured(config: MachineConfig, start: StartOptions = {}): Promise<Machine> {
    using cleanup = new DisposableStack();
    const trace = config.trace === undefined ? undefined : cleanup.use(openTrace(config.trace));
    const hub = new EventHub<MachineEvent>();
    const port = new RingPort();
    const console = new Console(port);
    const panic = new PanicWatch();
    console.output.subscribe((bytes) => panic.look(bytes));
    if (start.output !== undefined) console.output.subscribe(start.output);
    if (config.serial?.kind === "file") {
      const file = cleanup.use(await openOutputFile(config.serial.path));
      console.output.subscribe((bytes) => file.write(bytes));
    }
    const server = config.debugger === undefined
      ? undefined
      : cleanup.use(await listen(config.debugger, (text) => hub.emit({ type: "notice", text })));
    const machine = await GuestMachine.build(config, {
      output: () => port.deliver(),
      room: () => port.hasRoom(),
      reset: (cause) => hub.emit({ type: "reset", cause }),
      debugger: () => server?.hear(),
    }, {
      progress: (start.progress ?? Progress.silent()) as Progress,
      ...(start.signal === undefined ? {} : { signal: start.signal }),
      ...(trace === undefined ? {} : { traceFd: trace.fd }),
    });
    port.connect(machine);
    const result = new Machine({ config, machine, console, hub, port, panic, server, files: cleanup.move() });
    if (config.timeoutMs !== undefined) {
      result.#timer = setTimeout(() => void result.stop("timeout"), config.timeoutMs);
    }
    machine.start();
    server?.serve(debuggerLink(machine));
    return result;
  }

  stop(reason: StopReason = "script"): Promise<MachineEnd> {
    if (this.#stopReason === undefined) {
      this.#stopReason = reason;
      // Who asks twice is not waited for, and no socket may be left then.
      this.#server?.takeNoMore();
      this.#machine.request(REQUEST.STOP);
    }
    return this.ended;
  }

  /** Presses the power button: a guest that listens shuts down in its own way. */
  pressPowerButton(): void {
    this.#machine.request(REQUEST.POWER_BUTTON);
  }

  describe(): MachineMap {
    const { loaded, shape, placed } = this.#machine;
    const named = ({ base, length, name }: { base: number; length: number; name: string }) => ({
      base,
      length,
      what: name,
    });
    return {
      memory: [...loaded.regions.map(named), ...placed.memory.map(named)],
      ports: placed.ports.map(named),
      resources: boardResources(shape),
    };
  }

  /** Text the guest wrote to the debug consoles E9h and 402h; of much text the first 64 KiB. */
  get debugText(): string {
    return this.#port.debugText;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #over(result: MachineResult): Promise<MachineEnd> {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    await this.#outputTaken();
    const end = this.#name(result);
    await this.#server?.end(end.end === "panic" || end.end === "triple-fault" ? "crashed" : statusOf(end));
    this.#files.dispose();
    this.#console.close(`The guest ended (${end.end})`);
    this.#hub.emit({ type: "ended", end });
    this.#hub.close();
    return end;
  }

  /** A guest that ended by itself waits for its readers; one that was stopped not for ever. */
  async #outputTaken(): Promise<void> {
    const drained = this.#port.drained();
    if (this.#stopReason === undefined) return await drained;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, STOP_PATIENCE_MS);
    await Promise.race([drained, promise]);
    clearTimeout(timer);
  }

  /** What the guest said, and what may be why on an engine that lacks something. */
  #panicMessage(): string {
    const said = this.#panic.message ?? "The guest said that it panicked";
    return [said, ...crashAdvice(this.#machine.engine.probe)].join("; ");
  }

  /** The end in the words of scripts and of `--json`. */
  #name({ outcome, wallMs, counts, digest }: MachineResult): MachineEnd {
    const stats = { wallMs, exits: counts["exit"] ?? 0, counts, ...(digest === undefined ? {} : { digest }) };
    switch (outcome.kind) {
      case "poweroff":
        return { end: "poweroff", stats };
      case "reset":
        // Linux told to reboot after a panic resets like any other reboot; what it said before tells them apart.
        if (this.#panic.message !== undefined) return { end: "panic", message: this.#panicMessage(), stats };
        return { end: "reboot", cause: outcome.cause, stats };
      case "exit-port":
        return { end: "exit-port", value: outcome.value, stats };
      case "command":
        return { end: "command", status: outcome.status, stats };
      case "panic":
        return { end: "panic", message: this.#panicMessage(), stats };
      case "triple-fault": {
        const message = "The guest crashed: triple fault";
        return { end: "triple-fault", message, diagnosis: outcome.diagnosis, stats };
      }
      case "emulation-failure":
      case "host-error":
        return { end: outcome.kind, message: outcome.message, diagnosis: outcome.diagnosis, stats };
      case "stopped": {
        const reason = this.#stopReason ?? "debugger"; // nobody else ends a guest without a word here
        if (reason !== "timeout") return { end: "stopped", reason, stats };
        const message = `The guest did not end within ${this.config.timeoutMs} ms`;
        return { end: "timeout", message, diagnosis: outcome.diagnosis, stats };
      }
    }
  }
}

/** What a debugger is told of an end. */
function statusOf(end: MachineEnd): number {
  if (end.end === "command") return end.status & 0xff;
  return end.end === "exit-port" ? (end.value << 1 | 1) & 0xff : 0;
}

/** Listens for debuggers; the code for it is loaded where it is wanted. */
async function listen(address: DebuggerAddress, say: (text: string) => void): Promise<DebuggerServer> {
  const { listenForDebuggers } = await import("../gdb/server.ts");
  return listenForDebuggers(address, say);
}

interface Parts {
  readonly config: MachineConfig;
  readonly machine: GuestMachine;
  readonly console: Console;
  readonly hub: EventHub<MachineEvent>;
  readonly port: RingPort;
  readonly panic: PanicWatch;
  readonly server: DebuggerServer | undefined;
  /** Closed when the machine has ended. */
  readonly files: DisposableStack;
}

/** How long a machine that was stopped waits for readers of what it said before. */
const STOP_PATIENCE_MS = 1000;
/** Bytes handed to listeners at a time. */
const DELIVERY_BYTES = 1 << 16;
/** Debug text that is kept. */
const DEBUG_CHARS = 1 << 16;

/** A machine's rings as a console's port. */
class RingPort implements ConsolePort {
  debugText = "";
  #machine: GuestMachine | undefined;
  #listener: ByteListener = () => {};
  #room = Promise.withResolvers<void>();
  /** A listener holds back what follows; settles when it is done. */
  #delivering: Promise<void> | undefined;

  connect(machine: GuestMachine): void {
    this.#machine = machine;
  }

  write(bytes: Uint8Array): number {
    const machine = this.#machine;
    if (machine === undefined) return 0;
    const taken = machine.channel.input.write(bytes);
    if (taken < bytes.length) machine.channel.wantRoom();
    if (taken > 0) machine.request(REQUEST.INPUT);
    return taken;
  }

  room(): Promise<void> {
    return this.#room.promise;
  }

  /** The guest took input. */
  hasRoom(): void {
    this.#room.resolve();
    this.#room = Promise.withResolvers();
  }

  onData(listener: ByteListener): void {
    this.#listener = listener;
  }

  /** There may be output: hands it on, unless a listener still holds the last piece. */
  deliver(): void {
    this.#takeDebug();
    this.#delivering ??= this.#deliverAll();
  }

  /** Settles when everything the guest wrote has been handed on. */
  async drained(): Promise<void> {
    this.deliver();
    await this.#delivering;
  }

  #deliverAll(): Promise<void> | undefined {
    const machine = this.#machine;
    if (machine === undefined) return undefined;
    const { output } = machine.channel;
    output.answer();
    for (let bytes = output.read(DELIVERY_BYTES); bytes.length > 0; bytes = output.read(DELIVERY_BYTES)) {
      const slow = this.#listener(bytes);
      machine.outputTaken();
      if (slow !== undefined) {
        return slow.then(() => {
          this.#delivering = undefined;
          this.deliver();
          return this.#delivering;
        });
      }
    }
    return undefined;
  }

  #takeDebug(): void {
    const debug = this.#machine?.channel.debug;
    if (debug === undefined) return;
    debug.answer();
    const bytes = debug.read();
    if (this.debugText.length < DEBUG_CHARS) this.debugText += new TextDecoder("latin1").decode(bytes);
  }
}

/** {@linkcode Machine.start} for a configuration that is checked already: what the command line has. */
export const startMachine: StartMachine = (config, options) => Machine.startConfigured(config, options);
