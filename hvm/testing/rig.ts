/**
 * Stand-ins for what surrounds a device in tests: a clock that moves by hand, lines that remember.
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
