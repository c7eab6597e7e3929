/**
 * Time as devices see it: nanoseconds since the machine was built, and timers on it.
 *
 * A device never reads real time. The machine hands it a {@linkcode Clock}; `TimerQueue` is the part every clock
 * shares: it keeps timers in deadline order and fires those that are due when its owner says what time it is. The
 * owner (a vCPU loop, a test) asks `deadline()` how long it may sleep.
 * @module
 */

/** One deadline. Arming an armed timer moves it; cancelling an idle one does nothing. */
export interface Timer {
  /** Fires once when the clock reaches `at` (ns). A deadline in the past fires at the next turn of the queue. */
  arm(at: number): void;
  cancel(): void;
  readonly armed: boolean;
}

/** What a device is given. */
export interface Clock {
  /** Nanoseconds since the machine was built; stands still while it is paused; never goes back. */
  now(): number;
  timer(fire: () => void): Timer;
}

/** Nanoseconds in one second. */
export const NS_PER_S = 1_000_000_000;

class QueuedTimer implements Timer {
  at = Infinity;
  readonly #queue: TimerQueue;
  readonly fire: () => void;

  constructor(queue: TimerQueue, fire: () => void) {
    this.#queue = queue;
    this.fire = fire;
  }

  get armed(): boolean {
    return this.at !== Infinity;
  }

  arm(at: number): void {
    this.at = at;
    this.#queue.changed(at);
  }

  cancel(): void {
    this.at = Infinity;
  }
}

/**
 * The timers of one clock.
 *
 * A board has a dozen timers, so a linear scan behind a cached lower bound of the earliest deadline is the fastest
 * structure for them (arming, the hot operation, is two stores).
 */
export class TimerQueue {
  readonly #timers: QueuedTimer[] = [];
  #earliest = Infinity;

  timer(fire: () => void): Timer {
    const timer = new QueuedTimer(this, fire);
    this.#timers.push(timer);
    return timer;
  }

  /** A timer's deadline moved to `at`. */
  changed(at: number): void {
    if (at < this.#earliest) this.#earliest = at;
  }

  /** The earliest armed deadline, Infinity when none; may be early by a cancelled timer, never late. */
  deadline(): number {
    return this.#earliest;
  }

  /**
   * Fires every timer that is due at `now`, in order of deadline. A timer may arm itself or others again; one that
   * re-arms for the past fires again only at the next call, so a guest cannot hold the caller here.
   * @returns true when any timer fired.
   */
  run(now: number): boolean {
    if (now < this.#earliest) return false;
    const due = this.#timers.filter((timer) => timer.at <= now).sort((a, b) => a.at - b.at);
    let fired = false;
    for (const timer of due) {
      if (timer.at > now) continue; // cancelled or moved by one that fired before it
      timer.at = Infinity;
      timer.fire();
      fired = true;
    }
    this.#earliest = this.#timers.reduce((least, timer) => Math.min(least, timer.at), Infinity);
    return fired;
  }
}
