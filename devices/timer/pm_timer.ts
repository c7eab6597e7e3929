/**
 * The ACPI power management timer: 24 bits at 3.579545 MHz, never written, with an event each time its top bit toggles.
 *
 * It is a function of machine time and costs nothing while nobody looks; a timer is armed only while somebody wants
 * the event.
 *
 * Sources: [ACPI] 6.5, 4.8.2.1 (power management timer); [PIIX4] Intel 290562-001, PMTMR register.
 * @module
 */

import type { Clock, Timer } from "../../hvm/base/clock.ts";
import type { PmTimerState } from "./pm_timer_state.ts";
import { Rate } from "./rate.ts";

/** Counts a second. [ACPI] 4.8.2.1 */
export const PM_TIMER_HZ = 3_579_545;

/** Values before it wraps. */
const PERIOD = 2 ** 24;
/** Counts between two toggles of bit 23. */
const HALF_PERIOD = PERIOD / 2;

/** The counter; part of the chip that shows it to the guest. */
export class PmTimer {
  readonly #clock: Clock;
  readonly #alarm: Timer;
  readonly #rate = new Rate(PM_TIMER_HZ);
  /** Machine time at which the counter was 0. */
  #origin = 0;
  /** Toggles of the top bit since then that somebody has seen. */
  #seen = 0;
  #watched = false;

  /** @param toggled runs when the top bit toggles while {@linkcode PmTimer.watch} is on; ask `takeToggled` there. */
  constructor(options: { clock: Clock; toggled: () => void }) {
    this.#clock = options.clock;
    this.#alarm = options.clock.timer(options.toggled);
    this.reset();
  }

  /** The counter, 0 to FFFFFFh. */
  value(): number {
    return this.#ticks() % PERIOD;
  }

  /** True when the top bit toggled since the last call. */
  takeToggled(): boolean {
    const toggles = this.#toggles();
    const toggled = toggles !== this.#seen;
    this.#seen = toggles;
    if (this.#watched) this.#arm();
    return toggled;
  }

  /** Wants `toggled` to be called at the next toggle, or no longer. */
  watch(wanted: boolean): void {
    if (wanted === this.#watched) return;
    this.#watched = wanted;
    if (wanted) this.#arm();
    else this.#alarm.cancel();
  }

  /** Counts from 0, as after power-on. [PIIX4] PMTMR */
  reset(): void {
    this.#origin = this.#now();
    this.#seen = 0;
    this.watch(false);
  }

  save(): PmTimerState {
    return { elapsedNs: this.#now() - this.#origin, seen: this.#seen };
  }

  load(state: PmTimerState): void {
    this.#origin = this.#now() - state.elapsedNs;
    this.#seen = state.seen;
    if (this.#watched) this.#arm();
  }

  #now(): number {
    return Math.floor(this.#clock.now());
  }

  #ticks(): number {
    return this.#rate.ticksIn(this.#now() - this.#origin);
  }

  #toggles(): number {
    return Math.floor(this.#ticks() / HALF_PERIOD);
  }

  #arm(): void {
    this.#alarm.arm(this.#origin + this.#rate.nsOf((this.#seen + 1) * HALF_PERIOD));
  }
}
