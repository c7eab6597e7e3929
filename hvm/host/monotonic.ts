/**
 * Real time behind a machine's clock: nanoseconds of the host's monotonic clock since the machine was built, without
 * the times it was paused.
 *
 * One object is the clock of all devices of one thread. It does nothing by itself: its owner asks `deadline()` how long
 * it may run or sleep and calls `run()` to fire what is due.
 * @module
 */

import { type Clock, type Timer, TimerQueue } from "../base/clock.ts";
import { monotonicNs } from "../sys/timers.ts";

export { monotonicNs };

/** The clock of a running machine. */
export class MonotonicClock implements Clock {
  readonly #queue = new TimerQueue();
  readonly #host: () => number;
  /** Host time at which the machine's time was zero, as if it had never been paused. */
  #origin: number;
  /** The machine's time while it stands still. */
  #paused: number | undefined;

  /**
   * @param options.origin host time of the machine's zero (default now); threads of one machine share it.
   * @param options.host nanoseconds that never go back; default the host's monotonic clock.
   */
  constructor(options: { origin?: number; host?: () => number } = {}) {
    this.#host = options.host ?? monotonicNs;
    this.#origin = options.origin ?? this.#host();
  }

  /** Host time of the machine's zero; changes with every pause. */
  get origin(): number {
    return this.#origin;
  }

  get paused(): boolean {
    return this.#paused !== undefined;
  }

  now(): number {
    return this.#paused ?? this.#host() - this.#origin;
  }

  timer(fire: () => void): Timer {
    return this.#queue.timer(fire);
  }

  /** The earliest deadline in the machine's time, Infinity when there is none. */
  deadline(): number {
    return this.#queue.deadline();
  }

  /** The host time of a moment of the machine's; Infinity for one that never comes, which is any while it is paused. */
  hostTime(at: number): number {
    return this.#paused === undefined ? at + this.#origin : Infinity;
  }

  /** Fires what is due. @returns true when anything was. */
  run(): boolean {
    // Most calls find nothing armed, and then even asking for the time is too much.
    return this.#queue.deadline() !== Infinity && this.#queue.run(this.now());
  }

  /** Stops time. */
  pause(): void {
    this.#paused ??= this.now();
  }

  /** Lets time go on from where it stood. */
  resume(): void {
    if (this.#paused === undefined) return;
    this.#origin = this.#host() - this.#paused;
    this.#paused = undefined;
  }

  /** Sets the machine's time, as a snapshot does. Armed timers keep their deadlines. */
  set(now: number): void {
    if (this.#paused !== undefined) this.#paused = now;
    this.#origin = this.#host() - now;
  }
}
