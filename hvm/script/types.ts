/**
 * What a script, and the command line, see of a running machine.
 * @module
 */

import type { BoardResources } from "../io/resources.ts";
import type { MachineConfig } from "../machine/config.ts";
import type { IrqchipMode, VendorName } from "../vendor/ops.ts";
import type { EventSource } from "./events.ts";

/** Who or what asked a machine to stop. */
export type StopReason =
  | "timeout"
  | "sigint"
  | "sigterm"
  | "sighup"
  /** A script called {@linkcode MachineHandle.stop}. */
  | "script"
  /** A debugger killed the guest. */
  | "debugger"
  /** The terminal's escape key. */
  | "escape"
  /** Nobody reads the guest's output any more. */
  | "output-closed";

/** What a run took. */
export interface MachineStats {
  /** From the first entry into the guest to its end, by the host's clock. */
  readonly wallMs: number;
  /** Times the engine came back to hvm. */
  readonly exits: number;
  /** Hits of every trace point that was hit. */
  readonly counts: Readonly<Record<string, number>>;
  /** SHA-256 of memory and processors at the end, where the clock is `instructions`: equal for equal runs. */
  readonly digest?: string;
}

/** How a run ended; plain data, and what `--json` writes. */
export type MachineEnd =
  & { readonly stats: MachineStats }
  & (
    /** ACPI S5, or an equal request of the guest. */
    | { readonly end: "poweroff" }
    /** The guest asked for a reset, by the way named, and a reboot was to end the run. */
    | { readonly end: "reboot"; readonly cause: string }
    /** The guest wrote `value` to port F4h. */
    | { readonly end: "exit-port"; readonly value: number }
    /** The command given after `--` ended with `status`, as a shell counts: 127 not found, 128+n by signal n. */
    | { readonly end: "command"; readonly status: number }
    /** The guest said that it died. */
    | { readonly end: "panic"; readonly message: string }
    | { readonly end: "triple-fault"; readonly message: string; readonly diagnosis: string }
    /** The engine met an instruction it cannot emulate. */
    | { readonly end: "emulation-failure"; readonly message: string; readonly diagnosis: string }
    /** The host, or hvm itself, failed while the guest ran. */
    | { readonly end: "host-error"; readonly message: string; readonly diagnosis?: string }
    /** The time given to the run is over; `diagnosis` shows where the guest was then. */
    | { readonly end: "timeout"; readonly message: string; readonly diagnosis?: string }
    | { readonly end: "stopped"; readonly reason: Exclude<StopReason, "timeout"> }
  );

/** The word for an end. */
export type EndKind = MachineEnd["end"];

/** Something that happened to a running machine. */
export type MachineEvent =
  /** The guest rebooted and is started again. */
  | { readonly type: "reset"; readonly cause: string }
  /** A device or the engine has something to say to whoever runs the machine: one sentence. */
  | { readonly type: "notice"; readonly text: string }
  | { readonly type: "ended"; readonly end: MachineEnd };

/** The engine a machine runs on. */
export interface EngineChoice {
  readonly vendor: VendorName;
  readonly irqchip: IrqchipMode;
  /** One sentence that names the engine and says why it was taken. */
  readonly why: string;
}

/** Where a device is, for `hvm info`. */
export interface MachineMap {
  readonly memory: readonly { readonly base: number; readonly length: number; readonly what: string }[];
  readonly ports: readonly { readonly base: number; readonly length: number; readonly what: string }[];
  readonly resources: BoardResources;
}

/** Limits of one wait. */
export interface WaitOptions {
  /** Milliseconds; without it the wait lasts as long as the guest does. */
  readonly timeout?: number;
  /** Ends the wait from outside. */
  readonly signal?: AbortSignal;
}

/** Receives bytes; a promise holds back what follows, and in the end the guest, until it settles. */
export type ByteListener = (bytes: Uint8Array) => void | Promise<void>;

/** The console of a guest: its first serial port. */
export interface GuestConsole {
  /** The bytes as they come. */
  readonly output: {
    /** Calls `listener` with everything from now on. @returns the way to end that. */
    subscribe(listener: ByteListener): () => void;
    /** The bytes from now on, until the console closes. */
    [Symbol.asyncIterator](): AsyncIterator<Uint8Array>;
  };
  /** All output so far as text; of very long output the last part. */
  readonly transcript: string;
  /** Sends bytes to the guest; settled when the port has taken them all, rejected when the guest ends first. */
  write(bytes: Uint8Array): Promise<void>;
  /** Sends text as UTF-8; see {@linkcode write}. */
  send(text: string): Promise<void>;
  /**
   * Waits until the output holds `pattern`, looking at what no earlier wait has consumed, and consumes up to the end of
   * the match.
   * @throws {ExpectError} with what was seen last, when time runs out, the signal fires or the guest ends.
   */
  expect(pattern: RegExp | string, options?: WaitOptions): Promise<RegExpExecArray>;
}

/** A running machine. Disposing of it stops it. */
export interface MachineHandle extends AsyncDisposable {
  readonly config: MachineConfig;
  readonly engine: EngineChoice;
  readonly console: GuestConsole;
  readonly events: EventSource<MachineEvent>;
  /**
   * Settles once, with how the run ended; never rejects. By then the console has delivered all output, but for what a
   * listener held back for more than a second after a stop or a time-out.
   */
  readonly ended: Promise<MachineEnd>;
  /** What to type in gdb, where a debugger may connect; the guest waits for it. */
  readonly debugger?: string;
  /** Ends the run, whatever the guest does. Stopping twice is stopping once. */
  stop(reason?: StopReason): Promise<MachineEnd>;
  /** What was loaded and what the board placed where; the windows of devices once the guest runs. */
  describe(): MachineMap;
}

/** Progress of long work before the guest runs; hvm/host/progress.ts has one for terminals. */
export interface StartProgress {
  step(label: string): { update(fraction: number): void; done(): void };
  note(text: string): void;
}

/** What goes with a start beside the configuration. */
export interface StartOptions {
  /** Subscribed to the console before the guest runs, so that no byte of it is missed. */
  readonly output?: ByteListener;
  readonly progress?: StartProgress;
  /** Gives up while the machine is being built; a running machine is stopped with its handle. */
  readonly signal?: AbortSignal;
}

/**
 * Builds a machine and starts it.
 * @throws {ConfigError} {@linkcode ImageError} {@linkcode HostError} before the guest runs; nothing is left behind.
 */
export type StartMachine = (config: MachineConfig, options?: StartOptions) => Promise<MachineHandle>;
