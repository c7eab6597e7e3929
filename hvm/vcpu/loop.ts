/**
 * The life of one virtual processor: requests, timers, interrupts, run, exit, again.
 *
 * The loop owns its thread: it blocks in the engine while the guest runs and in `Thread.wait` while it is halted or
 * paused. Everything from outside reaches it as a request bit and a kick.
 * @module
 */

import { EXIT, type Exit, type VendorOps } from "../vendor/ops.ts";
import type { DebugPort } from "./debug.ts";
import type { EventDelivery } from "./events.ts";
import { type ExitWorld, handleExit, NEXT } from "./exits.ts";
import type { Outcome } from "./outcome.ts";

/** The clock of a machine as its owner drives it. */
export interface DrivenClock {
  now(): number;
  /** The earliest deadline in ns, Infinity when none. */
  deadline(): number;
  /** Fires what is due. */
  run(): void;
  pause(): void;
  resume(): void;
}

/** How a processor's thread waits and is woken. */
export interface Thread {
  /** Requests others left since the last call, and clears them; a set of {@linkcode REQUEST} bits. */
  takeRequests(): number;
  /** Sleeps until kicked, or until the clock reaches `deadline` (ns, Infinity for ever). */
  wait(deadline: number): void;
  /** Makes the run end with INTERRUPTED once the clock reaches `deadline` (Infinity: no more). */
  setAlarm(deadline: number): void;
  /** Takes away the kick that ended the run. */
  takeKick(): void;
}

/** What others may ask of a running processor. */
export const REQUEST = {
  STOP: 1 << 0,
  PAUSE: 1 << 1,
  RESUME: 1 << 2,
  /** Bytes for a console are waiting. */
  INPUT: 1 << 3,
  /** There is room again for output that was held back. */
  OUTPUT: 1 << 4,
  POWER_BUTTON: 1 << 5,
  NMI: 1 << 6,
  /** A debugger came, went or said something. */
  DEBUG: 1 << 7,
} as const;

/** What the loop needs around it. */
export interface LoopParts<V> {
  readonly ops: VendorOps<V>;
  readonly cpu: V;
  readonly exit: Exit;
  readonly delivery: EventDelivery;
  readonly clock: DrivenClock;
  readonly thread: Thread;
  readonly world: ExitWorld;
  /** Batched writes that were not exits; called before an exit is acted upon. */
  readonly drain: () => void;
  /** The outcome somebody set, if any. */
  readonly outcome: () => Outcome | undefined;
  /** Who debugs the processor. */
  readonly debug: DebugPort;
  /** A request other than stop, pause, resume and debug. */
  readonly onRequest: (bits: number) => void;
  /** Told when the processor has come to rest in a pause, and when it goes on. */
  readonly onPaused: (paused: boolean) => void;
}

/**
 * Runs a processor until its machine has an outcome, or an exit needs what takes turns of the thread's event loop.
 * @param again the last exit was not handled yet: it is, before the processor runs on
 * @returns undefined in the latter case.
 */
export function runLoop<V>(parts: LoopParts<V>, again = false): Outcome | undefined {
  const { ops, cpu, exit, delivery, clock, thread, world, debug } = parts;
  let halted = again && handleExit(parts.exit, parts.world) === NEXT.HALT;
  let alarm = Infinity;
  while (true) {
    if (attend(parts)) return { kind: "stopped", diagnosis: world.diagnose("it was stopped") };
    clock.run();
    const outcome = parts.outcome();
    if (outcome !== undefined) return outcome;
    if (halted && !delivery.canWake()) {
      thread.wait(clock.deadline());
      continue;
    }
    halted = false;
    if (!debug.stepping) delivery.beforeRun();
    const deadline = clock.deadline();
    if (deadline !== alarm) thread.setAlarm(alarm = deadline);
    ops.run(cpu, exit);
    delivery.afterRun();
    parts.drain();
    world.traceExit(exit.kind);
    if (exit.kind === EXIT.INTERRUPTED) {
      thread.takeKick();
      alarm = Infinity; // it may have been the alarm, which rings once
    } else if (!debug.caught(exit)) {
      const next = handleExit(exit, world);
      if (next === NEXT.LEAVE) return undefined;
      halted = next === NEXT.HALT;
    }
  }
}

/** Handles requests; true when the machine is to stop. Blocks while paused or held by a debugger. */
function attend<V>(parts: LoopParts<V>): boolean {
  const { thread, clock, debug } = parts;
  let bits = thread.takeRequests();
  if (bits === 0 && !debug.held) return false;
  let paused = false;
  let resting = false;
  while (true) {
    if ((bits & REQUEST.STOP) !== 0) return true;
    const was: boolean = paused;
    if ((bits & REQUEST.PAUSE) !== 0 && (bits & REQUEST.RESUME) === 0) paused = true;
    else if ((bits & REQUEST.RESUME) !== 0) paused = false;
    if ((bits & REQUEST.DEBUG) !== 0) debug.serve();
    const rests = paused || debug.held;
    if (rests !== resting) {
      resting = rests;
      if (rests) clock.pause();
      else clock.resume();
    }
    if (paused !== was) parts.onPaused(paused);
    const rest = bits & ~(REQUEST.STOP | REQUEST.PAUSE | REQUEST.RESUME | REQUEST.DEBUG);
    if (rest !== 0) parts.onRequest(rest);
    if (!resting) return false;
    bits = thread.takeRequests();
    if (bits === 0) thread.wait(Infinity);
  }
}
