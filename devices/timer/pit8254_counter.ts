/**
 * One counter of the 8254, brought up to date on demand.
 *
 * Nothing happens at a clock pulse: `settle` works out in closed form what all pulses since the last call have done.
 * Ticks are whole clock pulses; a count written during tick t is loaded by pulse t + 1, as in the data sheet's diagrams.
 *
 * Sources: [8254] Intel 8254 data sheet, order 231164, "Operational Description" and "Mode Definitions".
 * Deviates: a count of 1 in modes 2 and 3, which the data sheet calls illegal, counts as 0 does; BCD digits above 9 count
 * with their decimal weight.
 * @module
 */

import { field } from "../../hvm/base/bits.ts";
import { ACCESS, CONTROL, CONTROL_KEPT, STATUS } from "./pit8254_regs.ts";
import type { CounterState } from "./pit8254_state.ts";

/** The state of a counter at power-on; the data sheet leaves it open until a control word is written. */
export function initialCounter(gate: boolean): CounterState {
  return {
    programmed: false,
    control: 0,
    reload: 0,
    firstByte: -1,
    readHigh: false,
    nullCount: false,
    latchedCount: -1,
    latchedStatus: -1,
    gate,
    out: false,
    element: 0,
    loaded: false,
    loading: false,
    odd: false,
    expired: false,
    rises: 0,
  };
}

/** A counter: its state and the tick it was brought to. */
export class Counter {
  state: CounterState;
  #at = 0;

  constructor(gate: boolean) {
    this.state = initialCounter(gate);
  }

  /** Takes a state that is true at `tick`. */
  restart(state: CounterState, tick: number): void {
    this.state = state;
    this.#at = tick;
  }

  /** The mode, 0 to 5; bit 2 does not count in modes 2 and 3. [8254] "Control Word Format" */
  get mode(): number {
    const mode = field(this.state.control, CONTROL.MODE);
    return mode > 5 ? mode - 4 : mode;
  }

  /** Modes 2 and 3, which reload by themselves. */
  get periodic(): boolean {
    return this.mode === 2 || this.mode === 3;
  }

  /** Applies all clock pulses up to and including `tick`. */
  settle(tick: number): void {
    const { state } = this;
    let pulses = tick - this.#at;
    if (pulses <= 0) return;
    this.#at = tick;
    if (state.loading) {
      this.#load();
      pulses--;
    }
    if (pulses === 0 || !state.loaded) return;
    const mode = this.mode;
    if (mode === 2) this.#runRate(pulses);
    else if (mode === 3) this.#runSquare(pulses);
    else this.#runOnce(pulses, mode);
  }

  /** A control word for this counter that is no latch command; the caller has settled. */
  program(control: number): void {
    const { gate } = this.state;
    this.state = initialCounter(gate);
    this.state.programmed = true;
    this.state.control = control & CONTROL_KEPT;
    this.state.out = this.mode !== 0;
    this.state.nullCount = true;
  }

  /** A byte for the count register; the caller has settled. */
  write(byte: number): void {
    const { state } = this;
    if (!state.programmed) return;
    switch (field(state.control, CONTROL.ACCESS)) {
      case ACCESS.LOW:
        return this.#newCount(byte);
      case ACCESS.HIGH:
        return this.#newCount(byte << 8);
    }
    if (state.firstByte < 0) {
      state.firstByte = byte;
      // The first byte stops mode 0 and takes its output low at once. [8254] mode 0
      if (this.mode === 0) state.out = false;
    } else {
      const low = state.firstByte;
      state.firstByte = -1;
      this.#newCount(byte << 8 | low);
    }
  }

  /** The next byte a read gives: latched status, latched count, or the count as it is; the caller has settled. */
  read(): number {
    const { state } = this;
    if (state.latchedStatus >= 0) {
      const status = state.latchedStatus;
      state.latchedStatus = -1;
      return status;
    }
    const count = state.latchedCount >= 0 ? state.latchedCount : this.#count();
    const access = field(state.control, CONTROL.ACCESS);
    const high = access === ACCESS.HIGH || (access === ACCESS.BOTH && state.readHigh);
    if (access === ACCESS.BOTH) state.readHigh = !state.readHigh;
    if (high || access !== ACCESS.BOTH) state.latchedCount = -1;
    return high ? count >> 8 : count & 0xff;
  }

  /**
   * Latches the count, the status or both, each unless it is latched already; the caller has settled. [8254] "Counter
   * Latch Command", "Read-Back Command"
   */
  latch(count: boolean, status: boolean): void {
    const { state } = this;
    if (count && state.latchedCount < 0) state.latchedCount = this.#count();
    if (status && state.latchedStatus < 0) {
      state.latchedStatus = state.control | (state.nullCount ? STATUS.NULL_COUNT : 0) |
        (state.out ? STATUS.OUT : 0);
    }
  }

  /** Drives the gate; the caller has settled. [8254] gate pin operations */
  setGate(level: boolean): void {
    const { state } = this;
    if (level === state.gate) return;
    state.gate = level;
    if (this.mode === 0 || this.mode === 4) return;
    if (level) {
      if (state.reload > 0) state.loading = true;
    } else if (this.periodic) {
      state.out = true;
    }
  }

  /**
   * Clock pulses from the settled tick to the next change of OUT that is worth waking for, Infinity when none will come
   * by itself. The one-pulse lows of modes 2, 4 and 5 are worth it at their end only.
   */
  pulsesToEdge(): number {
    const { state } = this;
    const { loading } = state;
    const mode = this.mode;
    if (state.reload === 0 || !(loading || state.loaded)) return Infinity;
    const before = loading ? 1 : 0;
    const counting = mode === 1 || mode === 5 || (state.gate && !this.#halted);
    if (mode === 2 || mode === 3) {
      if (!counting) return loading && !state.out ? 1 : Infinity;
      if (mode === 2) return before + (loading ? state.reload : state.element);
      if (loading) return state.out ? 1 + Math.ceil(state.reload / 2) : 1;
      return this.#halfLeft();
    }
    // A trigger while the output is low already only makes it stay so for longer.
    if (mode === 1 && loading && state.out) return 1;
    if (!state.out && mode >= 4) return 1;
    if (!counting || (state.expired && !loading)) return Infinity;
    return before + (loading ? state.reload : state.element) + (mode >= 4 ? 1 : 0);
  }

  get #modulus(): number {
    return (this.state.control & CONTROL.BCD) !== 0 ? 10_000 : 65_536;
  }

  /** Mode 0 between the two bytes of a count. */
  get #halted(): boolean {
    return this.mode === 0 && this.state.firstByte >= 0;
  }

  /** The count as the data bus shows it. */
  #count(): number {
    const count = this.state.element % this.#modulus;
    return (this.state.control & CONTROL.BCD) !== 0 ? toBcd(count) : count;
  }

  #newCount(written: number): void {
    const { state } = this;
    const count = (state.control & CONTROL.BCD) !== 0 ? fromBcd(written) : written;
    const mode = this.mode;
    state.reload = count === 0 || (count === 1 && this.periodic) ? this.#modulus : count;
    state.nullCount = true;
    if (mode === 0) state.out = false;
    // Modes 2 and 3 take a new count at the end of the cycle, 1 and 5 at the next trigger.
    if (mode === 0 || mode === 4 || (this.periodic && !state.loaded)) state.loading = true;
  }

  /** The clock pulse that copies the count register to the counting element. */
  #load(): void {
    const { state } = this;
    state.loading = false;
    state.loaded = true;
    state.expired = false;
    const mode = this.mode;
    const before = state.out;
    state.out = mode !== 0 && mode !== 1;
    if (state.out && !before) state.rises++;
    this.#reload();
  }

  #reload(): void {
    const { state } = this;
    state.nullCount = false;
    state.odd = this.mode === 3 && state.reload % 2 === 1;
    state.element = state.odd ? state.reload - 1 : state.reload;
  }

  /** Modes 0, 1, 4, 5: down to zero once, then round and round without effect. */
  #runOnce(pulses: number, mode: number): void {
    const { state } = this;
    // The strobe of modes 4 and 5 lasts one pulse, whatever the gate does.
    if (mode >= 4 && !state.out) this.#rise();
    if ((mode === 0 || mode === 4) && (!state.gate || this.#halted)) return;
    const left = state.element;
    state.element = modulo(left - pulses, this.#modulus);
    if (state.expired || pulses < left) return;
    state.expired = true;
    if (mode < 4 || pulses > left) this.#rise();
    else state.out = false;
  }

  #rise(): void {
    this.state.out = true;
    this.state.rises++;
  }

  /** Mode 2: low for the one pulse at which the count is 1. */
  #runRate(pulses: number): void {
    const { state } = this;
    if (!state.gate) return;
    if (pulses < state.element) {
      state.element -= pulses;
    } else {
      const past = pulses - state.element;
      const period = state.reload;
      state.rises += 1 + Math.floor(past / period);
      this.#reload();
      state.element = period - past % period;
    }
    state.out = state.element !== 1;
  }

  /** Mode 3: steps of two, once for each half of the wave. */
  #runSquare(pulses: number): void {
    const { state } = this;
    if (!state.gate) return;
    let left = this.#halfLeft();
    if (pulses >= left) {
      pulses -= left;
      this.#toggle();
      state.rises += Math.floor(pulses / state.reload);
      pulses %= state.reload;
      left = this.#halfLeft();
      if (pulses >= left) {
        pulses -= left;
        this.#toggle();
      }
    }
    state.element -= 2 * pulses;
  }

  /** The end of a half of mode 3's wave. */
  #toggle(): void {
    const { state } = this;
    state.out = !state.out;
    if (state.out) state.rises++;
    this.#reload();
  }

  /** Pulses to the end of the half of the wave mode 3 is in. */
  #halfLeft(): number {
    const { state } = this;
    return state.element / 2 + (state.odd && state.out ? 1 : 0);
  }
}

function modulo(value: number, modulus: number): number {
  const rest = value % modulus;
  return rest < 0 ? rest + modulus : rest;
}

function toBcd(value: number): number {
  return value % 10 | Math.floor(value / 10) % 10 << 4 | Math.floor(value / 100) % 10 << 8 |
    Math.floor(value / 1000) % 10 << 12;
}

function fromBcd(value: number): number {
  return (value & 15) + (value >> 4 & 15) * 10 + (value >> 8 & 15) * 100 + (value >> 12 & 15) * 1000;
}
