/**
 * What the main thread and a processor's thread say to each other beside shared words and rings. All of it is plain
 * data.
 * @module
 */

import type { RtcState } from "../../devices/timer/rtc_state.ts";
import type { GuestRam } from "../host/guest_ram.ts";
import type { Attachment } from "../io/bus.ts";
import type { KickHandle } from "../kvm/kick.ts";
import type { Outcome } from "../vcpu/outcome.ts";
import type { KvmMachineHandle } from "../vendor/kvm_machine.ts";
import type { IrqchipMode, VendorCaps } from "../vendor/ops.ts";
import type { CpuidRequest } from "../x86/cpuid.ts";
import type { CpuState } from "../x86/state.ts";
import type { TypedText } from "./config_checks.ts";
import type { BoardShape } from "./layout.ts";

/** The name a processor's worker is started with. */
export const VCPU_WORKER = "hvm-vcpu";

/**
 * Makes a processor and its board: what takes a thread's time before a guest can run. The main thread loads the guest
 * meanwhile. A thread may be asked again after an end.
 */
export interface PrepareRequest {
  readonly type: "prepare";
  /** Memory of the machine's `Channel`. */
  readonly channel: SharedArrayBuffer;
  readonly ram: GuestRam;
  /** Absent: the soft engine. */
  readonly machine?: KvmMachineHandle;
  readonly irqchip: IrqchipMode;
  readonly caps: VendorCaps;
  /** What CPUID is to show; what the engine supports and the rate of the time stamp counter the thread asks for itself. */
  readonly cpuid: Omit<CpuidRequest, "supported" | "tscKhz">;
  readonly shape: BoardShape;
  /** The host's calendar now: milliseconds since 1970. */
  readonly epochMs: number;
  readonly soft: SoftOptions;
  /** What is typed at the first serial port, and when. */
  readonly typed: readonly TypedText[];
  /** The kernel's command line, for guests that ask the firmware configuration device. */
  readonly commandLine: string;
  /** What the clock's battery kept of the incarnation before. */
  readonly battery?: RtcState;
  /** A descriptor that trace lines are written to. */
  readonly traceFd?: number;
  /** Instructions at most that are executed in place of the engine before it goes on. */
  readonly finishRun: number;
  /** A debugger may connect, and the guest waits for one before its first instruction. */
  readonly debugged: boolean;
  /** What a diagnosis of an instruction the engine lacks says to do. */
  readonly emulationAdvice: readonly string[];
  /** The same of a crash. */
  readonly crashAdvice: readonly string[];
}

/** What the soft engine is told beside what every engine is. */
export interface SoftOptions {
  readonly blockCacheBytes: number;
  /** The machine's time is the instructions it executed, and nothing in it is random. */
  readonly countsTime: boolean;
}

/** Runs what was prepared until it ends. */
export interface RunRequest {
  readonly type: "run";
  readonly entry: CpuState;
}

/** Gives back what was prepared: the guest could not be loaded. */
export interface CancelRequest {
  readonly type: "cancel";
}

/** What a processor's thread is asked. */
export type ThreadRequest = PrepareRequest | RunRequest | CancelRequest;

/** What the board attached where. */
export interface PlacedWindows {
  readonly ports: readonly Attachment[];
  readonly memory: readonly Attachment[];
}

/** What a processor's thread says. */
export type ThreadMessage =
  /** The thread has loaded its code and listens. */
  | { readonly type: "ready" }
  /** What was prepared is given back. */
  | { readonly type: "cancelled" }
  /** It is about to run, and can be kicked from now on. */
  | { readonly type: "running"; readonly kick: KickHandle; readonly placed: PlacedWindows }
  /** There is output in a ring. */
  | { readonly type: "bell" }
  /** There is room in the input ring again. */
  | { readonly type: "room" }
  | { readonly type: "paused"; readonly paused: boolean }
  /** The debugger's bytes were looked at: there may be bytes for it, room for more, or it is let go. */
  | { readonly type: "debugger" }
  /** The run is over, and everything of it that belonged to the thread is closed. */
  | {
    readonly type: "ended";
    readonly outcome: Outcome;
    readonly counts: Readonly<Record<string, number>>;
    /** Absent when the run failed before there was a board. */
    readonly battery?: RtcState;
    /** Of runs whose time is their instructions. */
    readonly digest?: string;
  };
