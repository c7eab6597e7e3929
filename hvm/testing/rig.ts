/**
 * Stand-ins for what surrounds a device in tests: clocks that move by hand or when looked at, lines that remember.
 * @module
 */

import { type Clock, type Timer, TimerQueue } from "../base/clock.ts";
import type { Line } from "../base/line.ts";

/** A clock that stands still until told. */
export class FakeClock implements Clock {
  #now: number;
  readonly #queue = new TimerQueue();

  constructor(now = 0) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  timer(fire: () => void): Timer {
    return this.#queue.timer(fire);
  }

  /** The earliest deadline, Infinity when nothing is armed. */
  deadline(): number {
    return this.#queue.deadline();
  }

  /** Moves time on by `ns`, stopping at each deadline on the way to fire it there. */
  advance(ns: number): void {
    const end = this.#now + ns;
    for (let turns = 0; this.#queue.deadline() <= end; turns++) {
      if (turns > 1_000_000) throw new Error("A timer re-arms itself without end");
      this.#now = Math.max(this.#now, this.#queue.deadline());
      this.#queue.run(this.#now);
    }
    this.#now = end;
  }
}

/**
 * A clock that moves on by a step whenever somebody looks at it, and fires nothing by itself: real time, on a host that
 * is late. What a device does wrong when two looks at the clock differ shows here and never on a {@linkcode FakeClock}.
 */
export class MovingClock implements Clock {
  /** Nanoseconds between two looks. */
  step: number;
  readonly #queue = new TimerQueue();
  #now: number;
  #looks = 0;

  constructor(step: number, now = 0) {
    this.step = step;
    this.#now = now;
  }

  now(): number {
    this.#looks++;
    return this.#now += this.step;
  }

  timer(fire: () => void): Timer {
    return this.#queue.timer(fire);
  }

  /** The time of the last look and what has passed since; asking does not move it. */
  get time(): number {
    return this.#now;
  }

  /** How often somebody looked. */
  get looks(): number {
    return this.#looks;
  }

  /** The earliest deadline, Infinity when nothing is armed. */
  deadline(): number {
    return this.#queue.deadline();
  }

  /** Time passes, and nobody runs the timers. */
  pass(ns: number): void {
    this.#now += ns;
  }

  /** Fires what is due. @returns true when anything was. */
  run(): boolean {
    return this.#queue.run(this.#now);
  }

  /** Time passes, and each timer runs at its deadline. */
  advance(ns: number): void {
    const end = this.#now + ns;
    while (this.#queue.deadline() <= end) {
      this.#now = Math.max(this.#now, this.#queue.deadline());
      this.run();
    }
    this.#now = end;
  }
}

/** A line that records its changes. */
export class RecordedLine implements Line {
  level = false;
  /** Every change, in order. */
  readonly changes: boolean[] = [];

  set(level: boolean): void {
    if (level === this.level) return;
    this.level = level;
    this.changes.push(level);
  }

  /** How often the line went high. */
  get rises(): number {
    return this.changes.filter((level) => level).length;
  }
}
