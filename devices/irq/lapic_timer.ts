/**
 * The timer of a local APIC: one-shot, periodic and TSC-deadline.
 *
 * Counts are worked out from the clock when somebody looks. Expiries are counted from where the timer was started, so
 * a periodic timer does not drift; those a late host misses are one interrupt, since IRR holds one. No two are closer
 * than 20 us, whatever period a guest programs.
 *
 * Each operation looks at the clock once, so that all of it happens at one time, and first tells the expiries that are
 * due by then: what is written after cannot undo them.
 *
 * Sources: [SDM] Intel SDM vol. 3A, 11.5.4.
 * @module
 */

import type { Clock, Timer } from "../../hvm/base/clock.ts";
import { Rate } from "../timer/rate.ts";
import { DIVIDE_WRITABLE, TIMER_MODE } from "./lapic_regs.ts";
import type { LapicTimerState } from "./lapic_state.ts";

/** The processor's time stamp counter as a local APIC sees it. */
export interface TscPort {
  /** Its value now. */
  read(): bigint;
  /** The machine time, in ns, at which it reaches a value; any time in the past when it has. */
  deadlineNs(tsc: bigint): number;
}

/** Time between two expiries of a periodic timer at least. */
const LEAST_PERIOD_NS = 20_000;

/** What a timer needs. */
export interface LapicTimerOptions {
  readonly clock: Clock;
  readonly busHz: number;
  readonly tsc?: TscPort;
  /** The count came to zero or the deadline was reached. */
  readonly expired: () => void;
}

/** The counters and their deadline. */
export class LapicTimer {
  readonly #clock: Clock;
  readonly #rate: Rate;
  readonly #tsc: TscPort | undefined;
  readonly #expired: () => void;
  readonly #timer: Timer;
  #mode: number = TIMER_MODE.ONE_SHOT;
  #masked = true;
  #initial = 0;
  #divide = 0;
  /** The count at `#anchor`, 0 when the timer is stopped. */
  #count = 0;
  #anchor = 0;
  /** Expiries since `#anchor` that were told, or that nobody was to be told of. */
  #accounted = 0;
  #deadline = 0n;
  #notBefore = 0;
  /** When the clock was last looked at. */
  #now = 0;

  constructor(options: LapicTimerOptions) {
    this.#clock = options.clock;
    this.#rate = new Rate(options.busHz);
    this.#tsc = options.tsc;
    this.#expired = options.expired;
    this.#timer = options.clock.timer(() => this.#fire());
  }

  /** Stopped, as after reset. */
  reset(): void {
    this.#mode = TIMER_MODE.ONE_SHOT;
    this.#masked = true;
    this.#initial = this.#divide = 0;
    this.#notBefore = 0;
    this.#stop();
    this.#arm();
  }

  save(): LapicTimerState {
    this.settle();
    const current = this.#currentCount();
    const started = this.#anchor + this.#rate.nsOf(this.#countsSince() * this.#divisor);
    return {
      initialCount: this.#initial,
      currentCount: current,
      phaseNs: current === 0 ? 0 : Math.max(0, this.#now - started),
      divide: this.#divide,
      deadlineLow: Number(this.#deadline & 0xffffffffn),
      deadlineHigh: Number(this.#deadline >> 32n),
    };
  }

  load(state: LapicTimerState, mode: number, masked: boolean): void {
    this.#look();
    this.#mode = mode;
    this.#masked = masked;
    this.#initial = state.initialCount;
    this.#count = state.currentCount;
    this.#accounted = 0;
    this.#anchor = this.#now - state.phaseNs;
    this.#divide = state.divide;
    this.#deadline = BigInt(state.deadlineHigh) << 32n | BigInt(state.deadlineLow);
    this.#notBefore = 0;
    this.#arm();
  }

  /**
   * Tells the expiry that is due, if any. For callers that are about to change where it goes (LVT entry, SVR): what is
   * due goes by what was written before.
   * @returns true when there was one, told or masked.
   */
  settle(): boolean {
    this.#look();
    return this.#tellExpiry();
  }

  /**
   * What the LVT entry says of the timer; {@linkcode LapicTimer.settle} comes before the entry is written. A change to or
   * from TSC-deadline mode stops it. [SDM] 11.5.4.1
   */
  configure(mode: number, masked: boolean): void {
    if (mode !== this.#mode) {
      if (mode >= TIMER_MODE.TSC_DEADLINE || this.#mode >= TIMER_MODE.TSC_DEADLINE) this.#stop();
      else this.#rebase();
    }
    this.#mode = mode;
    this.#masked = masked;
    this.#arm();
  }

  get initialCount(): number {
    return this.#initial;
  }

  /** Starts the timer, or stops it by 0; ignored in TSC-deadline mode. [SDM] 11.5.4, 11.5.4.1 */
  set initialCount(count: number) {
    this.settle();
    if (this.#mode >= TIMER_MODE.TSC_DEADLINE) return;
    this.#initial = this.#count = count;
    this.#accounted = 0;
    this.#anchor = this.#now;
    this.#notBefore = 0;
    this.#arm();
  }

  get currentCount(): number {
    this.settle();
    return this.#currentCount();
  }

  get divide(): number {
    return this.#divide;
  }

  /** A running timer goes on from the count it has. */
  set divide(value: number) {
    this.settle();
    this.#rebase();
    this.#divide = value & DIVIDE_WRITABLE;
    this.#arm();
  }

  /** 0 once it has passed. [SDM] 11.5.4.1 */
  get deadline(): bigint {
    this.settle();
    return this.#deadline;
  }

  /** Arms the deadline, or disarms it by 0; ignored in the other modes. [SDM] 11.5.4.1 */
  set deadline(tsc: bigint) {
    this.settle();
    if (this.#mode !== TIMER_MODE.TSC_DEADLINE) return;
    this.#deadline = tsc;
    this.#tellExpiry(); // one in the past comes at once
    this.#arm();
  }

  /** The TSC was set: the deadline comes at another time, or has passed. */
  tscChanged(): void {
    this.settle();
    this.#arm();
  }

  #look(): void {
    this.#now = Math.floor(this.#clock.now());
  }

  /** Bits 0, 1 and 3 choose 2, 4, 8, 16, 32, 64, 128 or 1. [SDM] figure 11-10 */
  get #divisor(): number {
    const code = this.#divide & 3 | this.#divide >> 1 & 4;
    return 1 << (code + 1 & 7);
  }

  #stop(): void {
    this.#initial = this.#count = this.#accounted = 0;
    this.#deadline = 0n;
  }

  /** Counts from now on from the count there is now, because what a count is changes. */
  #rebase(): void {
    if (this.#count === 0) return;
    this.#count = this.#currentCount();
    this.#accounted = 0;
    this.#anchor = this.#now;
  }

  #currentCount(): number {
    if (this.#count === 0) return 0;
    const elapsed = this.#countsSince();
    if (elapsed < this.#count) return this.#count - elapsed;
    return this.#mode === TIMER_MODE.PERIODIC ? this.#initial - (elapsed - this.#count) % this.#initial : 0;
  }

  #countsSince(): number {
    if (this.#count === 0) return 0;
    const ticks = this.#rate.ticksIn(Math.max(0, this.#now - this.#anchor));
    return (ticks - ticks % this.#divisor) / this.#divisor;
  }

  /** How often the count has reached 0 since it was started. */
  #expiries(): number {
    if (this.#count === 0) return 0;
    const beyond = this.#countsSince() - this.#count;
    if (beyond < 0) return 0;
    return this.#mode === TIMER_MODE.PERIODIC ? Math.floor(beyond / this.#initial) + 1 : 1;
  }

  #tellExpiry(): boolean {
    if (!this.#takeExpiry()) return false;
    if (!this.#masked) this.#expired();
    return true;
  }

  /** Takes note of expiries nobody has seen. @returns true when there were any; several are one, as IRR has one bit. */
  #takeExpiry(): boolean {
    if (this.#mode === TIMER_MODE.TSC_DEADLINE) {
      if (this.#deadline === 0n || this.#tsc === undefined || this.#tsc.read() < this.#deadline) return false;
      this.#deadline = 0n;
      return true;
    }
    const expiries = this.#mode > TIMER_MODE.PERIODIC ? 0 : this.#expiries();
    if (expiries <= this.#accounted) return false;
    this.#accounted = expiries;
    return true;
  }

  /**
   * The machine time of the next expiry that nobody has seen, Infinity for none. It may have passed: a short count runs
   * out while it is being started.
   */
  #nextExpiry(): number {
    const periodic = this.#mode === TIMER_MODE.PERIODIC;
    if (this.#accounted > 0 && !periodic) return Infinity;
    return this.#anchor + this.#rate.nsOf((this.#count + this.#accounted * this.#initial) * this.#divisor);
  }

  #arm(): void {
    if (this.#mode === TIMER_MODE.TSC_DEADLINE) {
      if (this.#deadline === 0n || this.#tsc === undefined) this.#timer.cancel();
      else this.#timer.arm(Math.max(this.#now + 1, this.#tsc.deadlineNs(this.#deadline)));
      return;
    }
    const stopped = this.#masked || this.#count === 0 || this.#mode > TIMER_MODE.PERIODIC;
    const at = stopped ? Infinity : Math.max(this.#nextExpiry(), this.#notBefore);
    if (at === Infinity) this.#timer.cancel();
    else this.#timer.arm(at);
  }

  #fire(): void {
    if (this.settle()) this.#notBefore = this.#now + LEAST_PERIOD_NS;
    this.#arm();
  }
}
