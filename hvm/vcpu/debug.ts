/**
 * Debugging a processor from outside: what the loop asks of a debugger, what a debugger can do, and the processor
 * between the two.
 *
 * Everything here runs on the processor's own thread between two runs of the engine, so what is read and written is
 * always the state between two instructions. How a debugger's wishes reach the thread is not known here.
 * @module
 */

import type { GuestMemory } from "../base/memory.ts";
import { type DebugStop, EXIT, type Exit, type VendorOps } from "../vendor/ops.ts";
import type { CpuState, ExtendedState } from "../x86/state.ts";
import { type DebugMemory, LinearMemory } from "./debug_memory.ts";
import { type DebugPoints, PointSet } from "./debug_points.ts";
import type { Outcome } from "./outcome.ts";

/** What the loop asks of whoever debugs its processor. */
export interface DebugPort {
  /** The processor must not run now. */
  readonly held: boolean;
  /** One instruction is to be executed: no interrupt is delivered before it. */
  readonly stepping: boolean;
  /** Something came from the debugger. */
  serve(): void;
  /** An instruction that the engine could not was executed in its place. */
  finished(): void;
  /** Whether an exit was the debugger's; the processor is held then, and nobody else may act upon the exit. */
  caught(exit: Exit): boolean;
}

/** A processor nobody debugs. */
export const NO_DEBUGGER: DebugPort = {
  held: false,
  stepping: false,
  serve: () => {},
  finished: () => {},
  caught: () => false,
};

/** Why a processor stands still, for the debugger. */
export type HoldReason =
  | DebugStop
  /** It has not run yet. */
  | { readonly kind: "start" }
  | { readonly kind: "interrupt" }
  /** A fault no handler was left for: going on ends the guest. */
  | { readonly kind: "crash" };

/** All registers a debugger sees. */
export interface DebugRegisters {
  readonly state: CpuState;
  readonly extended: ExtendedState;
}

/** What a debugger can do with a processor. */
export interface DebugTarget {
  readonly held: boolean;
  /** There is a debugger, so that the processor may stand still for it. */
  attached: boolean;
  readonly memory: DebugMemory;
  readonly points: DebugPoints;
  readRegisters(): DebugRegisters;
  /** Sets those that are given. */
  writeRegisters(registers: Partial<DebugRegisters>): void;
  /** Lets the processor run: on, or for one instruction. */
  resume(step: boolean): void;
  /** Holds it. */
  hold(): void;
  /** Ends the guest. */
  end(outcome: Outcome): void;
  /** All registers as text. */
  describe(): string;
}

/** What a debugged processor is made of. */
export interface DebuggedParts<V> {
  readonly ops: VendorOps<V>;
  readonly cpu: V;
  readonly memory: GuestMemory;
  readonly end: (outcome: Outcome) => void;
  readonly describe: () => string;
  /** Takes what the debugger sent. */
  readonly serve: () => void;
  /** Tells the debugger that the processor stopped by itself. */
  readonly stopped: (reason: HoldReason) => void;
}

/** A processor with a debugger. Its public members are those of its two sides. */
export class DebuggedCpu<V> implements DebugPort, DebugTarget {
  /** It waits for its debugger before the first instruction. */
  held = true;
  attached = false;
  stepping = false;
  readonly memory: DebugMemory;
  readonly points: PointSet;
  readonly #parts: DebuggedParts<V>;
  /** The guest is over, and is held back to be looked at: it ends when it goes on. */
  #crashed = false;

  constructor(parts: DebuggedParts<V>) {
    this.#parts = parts;
    const { ops, cpu, memory } = parts;
    this.memory = new LinearMemory({
      memory,
      state: () => ops.readState(cpu),
      written: (gpa, bytes) => ops.memoryWritten(cpu, gpa, bytes),
    });
    this.points = new PointSet((plan) => ops.setDebug(cpu, plan));
  }

  // ---- for the loop -----------------------------------------------------------------------------------------------

  serve(): void {
    this.#parts.serve();
  }

  caught(exit: Exit): boolean {
    const { ops, cpu } = this.#parts;
    if (exit.kind === EXIT.SHUTDOWN && this.attached) {
      this.#crashed = true;
      this.#stop({ kind: "crash" });
      return true;
    }
    if (exit.kind === EXIT.HLT && this.stepping) {
      // The halt counts: the processor goes on when an interrupt wakes it.
      this.#stop({ kind: "step" });
      return false;
    }
    if (exit.kind !== EXIT.DEBUG && exit.kind !== EXIT.INTERNAL_ERROR) return false;
    const stop = ops.debugStop(cpu, exit);
    if (stop === "none") return false;
    if (stop !== "guest") this.#stop(stop);
    return true;
  }

  finished(): void {
    if (this.stepping) this.#stop({ kind: "step" });
  }

  #stop(reason: HoldReason): void {
    if (!this.attached) return;
    this.hold();
    this.#parts.stopped(reason);
  }

  // ---- for the debugger -------------------------------------------------------------------------------------------

  hold(): void {
    this.held = true;
    this.stepping = false;
    this.points.disarm();
  }

  resume(step: boolean): void {
    this.held = false;
    this.stepping = step;
    if (this.#crashed) this.end({ kind: "triple-fault", diagnosis: this.describe() });
    else this.points.armFor(step);
  }

  end(outcome: Outcome): void {
    this.held = false;
    this.#parts.end(outcome);
  }

  describe(): string {
    return this.#parts.describe();
  }

  readRegisters(): DebugRegisters {
    const { ops, cpu } = this.#parts;
    return { state: ops.readState(cpu), extended: ops.readExtended(cpu) };
  }

  writeRegisters({ state, extended }: Partial<DebugRegisters>): void {
    const { ops, cpu } = this.#parts;
    if (state !== undefined) ops.changeState(cpu, state);
    if (extended !== undefined) ops.writeExtended(cpu, extended);
  }
}
