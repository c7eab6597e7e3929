/**
 * Intel 8254 interval timer: three counters at +0 to +2, control at +3, and port 61h with the gate and output of
 * counter 2, the refresh toggle and the NMI status bits of the PIIX3.
 *
 * Counters are worked out when somebody looks; a timer is armed only for the next change of OUT0. The pulses of modes 2,
 * 4 and 5, low for one clock, are shown on the OUT0 line at their end: low and high again at once.
 *
 * When the host is late, periodic ticks of counter 0 are neither lost nor sent in a burst. The counter itself is always
 * exact; edges that were due are owed, and one is shown each millisecond (or half period, where that is less) until none
 * is, so that guests that count ticks keep time on the average and have the time to take each. At most one second's worth
 * is owed; what is beyond is dropped. No two edges are closer than 20 us, whatever a guest programs. A control word for
 * counter 0 ends the account: of what is owed then, one edge is shown, which is what an interrupt controller would hold.
 *
 * Each access and each timer looks at the clock once, so that all of it happens at one time.
 *
 * Sources: [8254] Intel 8254 data sheet, order 231164; [PIIX3] Intel 82371SB data sheet, order 290550, NMISC register.
 * Deviates: the speaker is not heard (its data bit is only kept); the control port reads as ones. See also
 * pit8254_counter.ts.
 * @module
 */

import { field } from "../../hvm/base/bits.ts";
import type { Clock, Timer } from "../../hvm/base/clock.ts";
import { type Line, UNCONNECTED } from "../../hvm/base/line.ts";
import type { Device, Window } from "../../hvm/io/device.ts";
import { Counter, initialCounter } from "./pit8254_counter.ts";
import {
  ACCESS,
  CONTROL,
  NMISC,
  NMISC_WRITABLE,
  PIT_REG,
  READ_BACK,
  READ_BACK_COMMAND,
} from "./pit8254_regs.ts";
import type { PitState } from "./pit8254_state.ts";
import { Rate } from "./rate.ts";

/** The clock of all three counters on a PC. */
export const PIT_HZ = 1_193_182;

/** Pulses between two edges of the OUT0 line at least: 20 us. */
const LEAST_EDGE_TICKS = 24;

/** Pulses between two edges of the OUT0 line that come late: 1 ms. */
const CATCH_UP_TICKS = 1193;

/** Pulses between two refreshes where no firmware has programmed counter 1: the usual 15 us. */
const REFRESH_TICKS = 18;

/** After so many pulses both the crystal's fraction of a nanosecond and the refresh toggle are as they were: 18 s. */
const PHASE_TICKS = PIT_HZ * REFRESH_TICKS;

/** What the board gives the timer. */
export interface PitOptions {
  readonly id?: string;
  readonly clock: Clock;
  /** Output of counter 0: the interrupt. */
  readonly out0: Line;
  /** High while an enabled error of port 61h is latched. */
  readonly nmi?: Line;
}

/** The timer with its port 61h. */
export class Pit8254 implements Device<PitState> {
  readonly id: string;
  /** Counters and control, four ports. */
  readonly counters: Window;
  /** Port 61h. */
  readonly port61: Window;
  /** Inputs: a board agent pulls SERR# or IOCHK#; true is asserted. */
  readonly serr: Line;
  readonly iochk: Line;

  readonly #clock: Clock;
  readonly #out0: Line;
  readonly #nmi: Line;
  readonly #timer: Timer;
  readonly #rate = new Rate(PIT_HZ);
  readonly #counters = [new Counter(true), new Counter(true), new Counter(false)] as const;
  /** Machine time of tick 0, and of the last look at the clock. */
  #origin = 0;
  #now = 0;
  #tick = 0;
  #nmisc = 0;
  #serrLatched = false;
  #iochkLatched = false;
  #serrLevel = false;
  #iochkLevel = false;
  #line = false;
  /** The tick before which the OUT0 line keeps its level. */
  #holdUntil = 0;

  constructor(options: PitOptions) {
    this.id = options.id ?? "pit";
    this.#clock = options.clock;
    this.#out0 = options.out0;
    this.#nmi = options.nmi ?? UNCONNECTED;
    this.#timer = options.clock.timer(() => {
      this.#settle();
      this.#sync();
    });
    this.counters = {
      length: 4,
      unit: 1,
      read: (offset) => this.#readCounters(offset),
      write: (offset, _width, value) => this.#writeCounters(offset, value),
    };
    this.port61 = {
      length: 1,
      unit: 1,
      read: () => this.#readPort61(),
      write: (_offset, _width, value) => this.#writePort61(value),
    };
    this.serr = { set: (level) => this.#pullErrors(level, this.#iochkLevel) };
    this.iochk = { set: (level) => this.#pullErrors(this.#serrLevel, level) };
    this.reset();
  }

  reset(): void {
    this.#origin = this.#now = Math.floor(this.#clock.now());
    this.#tick = this.#holdUntil = 0;
    this.#counters.forEach((counter, index) => counter.restart(initialCounter(index !== 2), 0));
    this.#nmisc = 0;
    this.#serrLatched =
      this.#iochkLatched =
      this.#serrLevel =
      this.#iochkLevel =
      this.#line =
        false;
    this.#sync();
  }

  save(): PitState {
    this.#settle();
    return {
      counters: this.#counters.map(({ state }) => ({ ...state })),
      nmisc: this.#nmisc,
      serrLatched: this.#serrLatched,
      iochkLatched: this.#iochkLatched,
      serr: this.#serrLevel,
      iochk: this.#iochkLevel,
      line: this.#line,
      holdTicks: Math.max(0, this.#holdUntil - this.#tick),
      tick: this.#tick % PHASE_TICKS,
      phaseNs: this.#now - this.#origin - this.#rate.nsOf(this.#tick),
    };
  }

  load(state: PitState): void {
    this.#now = Math.floor(this.#clock.now());
    this.#tick = state.tick;
    this.#origin = this.#now - state.phaseNs - this.#rate.nsOf(this.#tick);
    this.#counters.forEach((counter, index) => counter.restart({ ...state.counters[index]! }, this.#tick));
    this.#nmisc = state.nmisc;
    this.#serrLatched = state.serrLatched;
    this.#iochkLatched = state.iochkLatched;
    this.#serrLevel = state.serr;
    this.#iochkLevel = state.iochk;
    this.#holdUntil = this.#tick + state.holdTicks;
    this.#drive(state.line);
    this.#sync();
  }

  /** Brings the counters to the time there is now. */
  #settle(): void {
    this.#now = Math.floor(this.#clock.now());
    this.#tick = this.#rate.ticksIn(this.#now - this.#origin);
    for (const counter of this.#counters) counter.settle(this.#tick);
  }

  #readCounters(offset: number): number {
    if (offset === PIT_REG.CONTROL) return 0xff;
    this.#settle();
    return this.#counters[offset as 0 | 1 | 2].read();
  }

  #writeCounters(offset: number, value: number): void {
    this.#settle();
    if (offset === PIT_REG.CONTROL) this.#writeControl(value);
    else this.#counters[offset as 0 | 1 | 2].write(value);
    this.#sync();
  }

  #writeControl(value: number): void {
    const select = field(value, CONTROL.SELECT);
    if (select === READ_BACK) {
      this.#counters.forEach((counter, index) => {
        if ((value & READ_BACK_COMMAND.COUNTER0 << index) === 0) return;
        counter.latch(
          (value & READ_BACK_COMMAND.NO_COUNT) === 0,
          (value & READ_BACK_COMMAND.NO_STATUS) === 0,
        );
      });
      return;
    }
    const counter = this.#counters[select as 0 | 1 | 2];
    if (field(value, CONTROL.ACCESS) === ACCESS.LATCH) return counter.latch(true, false);
    if (select === 0) {
      // What is due on the line goes out before the counter forgets it.
      this.#showOnce();
      this.#holdUntil = this.#tick;
    }
    counter.program(value);
  }

  #readPort61(): number {
    this.#settle();
    return this.#nmisc | (this.#refreshed() ? NMISC.REFRESH : 0) |
      (this.#counters[2].state.out ? NMISC.OUT2 : 0) |
      (this.#iochkLatched ? NMISC.IOCHK : 0) | (this.#serrLatched ? NMISC.SERR : 0);
  }

  /** The refresh toggle: counter 1 asks for refreshes, and each turns it over. */
  #refreshed(): boolean {
    const { state } = this.#counters[1];
    const refreshes = state.loaded ? state.rises : Math.floor(this.#tick / REFRESH_TICKS);
    return refreshes % 2 === 1;
  }

  #writePort61(value: number): void {
    this.#settle();
    this.#nmisc = value & NMISC_WRITABLE;
    this.#counters[2].setGate((value & NMISC.GATE2) !== 0);
    this.#latchErrors();
    this.#sync();
  }

  #pullErrors(serr: boolean, iochk: boolean): void {
    this.#settle();
    this.#serrLevel = serr;
    this.#iochkLevel = iochk;
    this.#latchErrors();
    this.#sync();
  }

  /** An error input that is asserted sets its latch; a disable bit clears it for as long as it is set. [PIIX3] NMISC */
  #latchErrors(): void {
    const enabled = ~this.#nmisc;
    this.#serrLatched = (this.#serrLatched || this.#serrLevel) && (enabled & NMISC.SERR_DISABLE) !== 0;
    this.#iochkLatched = (this.#iochkLatched || this.#iochkLevel) && (enabled & NMISC.IOCHK_DISABLE) !== 0;
  }

  /** Derives the lines and the timer; the caller has settled. */
  #sync(): void {
    this.#nmi.set(this.#serrLatched || this.#iochkLatched);
    if (this.#counters[0].periodic) this.#showPeriodic();
    else this.#showOnce();
    this.#arm();
  }

  #drive(level: boolean): void {
    this.#line = level;
    this.#out0.set(level);
  }

  #showOnce(): void {
    const { state } = this.#counters[0];
    if (state.rises > 0) {
      state.rises = 0;
      this.#drive(false);
      this.#drive(true);
    }
    this.#drive(state.out);
  }

  #showPeriodic(): void {
    const { state } = this.#counters[0];
    if (this.#tick < this.#holdUntil) {
      // Whatever is due comes when the hold is over.
    } else if (state.rises === 0) {
      this.#drive(state.out);
    } else {
      this.#drive(false);
      this.#drive(true);
      state.rises = Math.min(state.rises - 1, Math.ceil(PIT_HZ / state.reload));
      const hold = Math.min(Math.ceil(state.reload / 2), CATCH_UP_TICKS);
      this.#holdUntil = this.#tick + Math.max(hold, LEAST_EDGE_TICKS);
    }
  }

  #arm(): void {
    const counter = this.#counters[0];
    const held = counter.periodic && this.#tick < this.#holdUntil;
    let at = this.#tick + counter.pulsesToEdge();
    if (held) {
      // A level or an edge that waits is shown as soon as the hold ends, and nothing before that.
      const waiting = counter.state.rises > 0 || counter.state.out !== this.#line;
      at = waiting ? this.#holdUntil : Math.max(at, this.#holdUntil);
    }
    if (at === Infinity) this.#timer.cancel();
    else this.#timer.arm(this.#origin + this.#rate.nsOf(at));
  }
}
