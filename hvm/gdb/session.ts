/**
 * What commands of a debugger work on: the processor, its registers while it stands still, and why it does.
 * @module
 */

import type { DebugTarget, HoldReason } from "../vcpu/debug.ts";
import type { ExtendedState } from "../x86/state.ts";
import { fpuFrom, withFpu } from "./fpu_image.ts";
import type { RegisterFile } from "./registers.ts";

/** The one processor, as GDB numbers threads. */
export const THREAD = "1";
/** Signals by GDB's numbers. [RSP] include/gdb/signals.def */
const SIGNAL = { INT: 0x02, TRAP: 0x05, SEGV: 0x0b } as const;
/** How a stop reply names a data breakpoint that was met. */
const WATCH_NAME = { write: "watch", read: "rwatch", access: "awatch" } as const;

/** A session. */
export class Session {
  /** The debugger knows what `swbreak` and `hwbreak` in a stop reply mean. */
  namesBreaks = false;
  /** The debugger waits for a stop reply. */
  waits = false;
  /** Shows text on the debugger's console. */
  readonly print: (text: string) => void;
  #target: DebugTarget;
  #reason: HoldReason = { kind: "start" };
  #file: RegisterFile | undefined;
  #extended: ExtendedState | undefined;

  constructor(target: DebugTarget, print: (text: string) => void) {
    this.#target = target;
    this.print = print;
  }

  /** The processor as it is now. */
  get target(): DebugTarget {
    return this.#target;
  }

  /**
   * The machine was reset and has another processor, with the breakpoints of the one before. It runs on, unless a debugger
   * takes it for standing still.
   */
  set target(target: DebugTarget) {
    const before = this.#target;
    this.#target = target;
    this.#forget();
    target.attached = before.attached;
    if (before.attached) before.points.copyTo(target.points);
    if (before.attached && !this.waits) this.stop({ kind: "start" });
    else target.resume(false);
  }

  /** A debugger is there: the guest stands still. */
  attach(): void {
    const { target } = this;
    this.namesBreaks = false;
    this.waits = false;
    target.attached = true;
    if (!target.held) this.stop({ kind: "interrupt" });
    target.hold();
  }

  /** It leaves: the guest runs on. */
  release(): void {
    const { target } = this;
    this.waits = false;
    this.#forget();
    target.attached = false;
    target.points.clearAll();
    target.resume(false);
  }

  /** Lets the processor run; a stop reply comes when it stops. */
  resume(step: boolean): void {
    this.waits = true;
    this.#forget();
    if (this.target.held) this.target.resume(step);
  }

  /** The processor stands still. */
  stop(reason: HoldReason): void {
    this.#reason = reason;
    this.#forget();
  }

  /** Why the processor stands still, as a stop reply. [RSP] E.3 */
  stopReply(): string {
    const reason = this.#reason;
    const at = (signal: number, what = "") =>
      `T${signal.toString(16).padStart(2, "0")}thread:${THREAD};${what}`;
    switch (reason.kind) {
      case "interrupt":
        return at(SIGNAL.INT);
      case "crash":
        return at(SIGNAL.SEGV);
      case "watch": {
        const { access, address } = reason.watch;
        return at(SIGNAL.TRAP, `${WATCH_NAME[access]}:${address.toString(16)};`);
      }
      case "software":
        return at(SIGNAL.TRAP, this.namesBreaks ? "swbreak:;" : "");
      case "hardware":
        return at(SIGNAL.TRAP, this.namesBreaks ? "hwbreak:;" : "");
      default:
        return at(SIGNAL.TRAP);
    }
  }

  /** The registers, read once a stop. */
  get file(): RegisterFile {
    if (this.#file !== undefined && this.target.held) return this.#file;
    const { state, extended } = this.target.readRegisters();
    this.#extended = extended;
    return this.#file = { state, fpu: fpuFrom(extended) };
  }

  /** Gives the processor the registers of {@linkcode file} back; those of x87 and SSE only when they changed. */
  commit(withExtended: boolean): void {
    const { state, fpu } = this.#file!;
    const extended = withExtended ? { extended: withFpu(this.#extended!, fpu) } : {};
    this.target.writeRegisters({ state, ...extended });
    this.#forget();
  }

  #forget(): void {
    this.#file = undefined;
    this.#extended = undefined;
  }
}
