/**
 * A device on a late host beside the same device on an ideal one: what both tell the guest and their lines must agree.
 *
 * The late one lives on a {@linkcode MovingClock}, whose timers run now and then; the ideal one on a
 * {@linkcode FakeClock}, which fires each timer at its deadline. Each access is made at the same time on both. A deadline
 * that has passed must not be lost or doubled by an access, a save or a load that comes before its timer has run.
 *
 * A device may look at the clock once an access: whatever happens in it then happens at one time.
 * @module
 */

import assert from "node:assert/strict";
import type { Clock } from "../base/clock.ts";
import type { Line } from "../base/line.ts";
import type { Device } from "../io/device.ts";
import { FakeClock, MovingClock } from "./rig.ts";

/** Lines whose changes go into one record, in order. */
export class LineLog {
  /** `name+` for a rise, `name-` for a fall. */
  readonly changes: string[] = [];
  readonly #levels = new Map<string, boolean>();
  #muted = true;

  /** A line of the log; low at first. */
  line(name: string): Line {
    return {
      set: (level) => {
        if (this.#muted || level === (this.#levels.get(name) ?? false)) return;
        this.#levels.set(name, level);
        this.changes.push(name + (level ? "+" : "-"));
      },
    };
  }

  /** Builds something whose first levels are not changes: the wires are those of its predecessor. */
  quietly<T>(build: () => T): T {
    this.#muted = true;
    try {
      return build();
    } finally {
      this.#muted = false;
    }
  }
}

/** A device ready for random accesses. */
export interface LockstepRig {
  readonly device: Device;
  /** One access chosen by a random word of 32 bits. @returns what the guest sees of it. */
  access(word: number): unknown;
}

/** What is run in lockstep. */
export interface LockstepSubject {
  build(clock: Clock, log: LineLog): LockstepRig;
  /** The most time that passes unseen between two steps, in ns. */
  readonly longestNs: number;
  /** Compares the two logs; by default they must be equal. */
  readonly compare?: (late: readonly string[], ideal: readonly string[]) => void;
}

/** A step: what kind, and a random word for it. Kinds 0 to 5 access, 6 and 7 let time pass, 8 runs timers, 9 saves. */
export type LockstepStep = readonly [kind: number, word: number];

/**
 * Makes the steps on both.
 * @param tickNs how far the late host's clock moves at each look.
 * @throws {assert.AssertionError} where they differ.
 */
export function runLockstep(subject: LockstepSubject, tickNs: number, steps: readonly LockstepStep[]): void {
  let moving = new MovingClock(tickNs);
  const lateLog = new LineLog();
  let late = lateLog.quietly(() => subject.build(moving, lateLog));
  const still = new FakeClock(moving.time);
  const idealLog = new LineLog();
  const ideal = idealLog.quietly(() => subject.build(still, idealLog));
  const compare = () => {
    moving.run();
    still.advance(moving.time - still.now());
    if (subject.compare === undefined) assert.deepEqual(lateLog.changes, idealLog.changes);
    else subject.compare(lateLog.changes, idealLog.changes);
  };
  /** Runs one operation of the late device, which may look at the clock once. */
  const once = <T>(operation: () => T): T => {
    const before = moving.looks;
    const result = operation();
    assert.ok(moving.looks - before <= 1, `one operation looked at the clock ${moving.looks - before} times`);
    return result;
  };
  for (const [kind, word] of steps) {
    if (kind < 6) {
      const seen = once(() => late.access(word));
      still.advance(moving.time - still.now());
      assert.deepEqual(seen, ideal.access(word));
    } else if (kind < 8) {
      moving.pass(word % subject.longestNs);
    } else if (kind === 8) {
      compare();
    } else {
      const state = JSON.parse(JSON.stringify(once(() => late.device.save())));
      // Time stands still until the machine goes on.
      moving = new MovingClock(0, moving.time);
      late = lateLog.quietly(() => subject.build(moving, lateLog));
      once(() => late.device.load(state));
      moving.step = tickNs;
    }
  }
  compare();
}
