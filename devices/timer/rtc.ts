/**
 * Motorola MC146818A real-time clock with the CMOS bytes of a PC: index and data ports 70h and 71h, and a second bank of
 * 128 bytes at 72h and 73h.
 *
 * The clock is worked out when somebody looks; a timer is armed only for an interrupt that is enabled and not pending.
 * Its time is that of the host's calendar, plus whatever the guest has set: it goes on while a machine is saved, as one
 * with a battery does, and an alarm that passed meanwhile is due when the machine is loaded.
 *
 * The divider chain decides all timing: n seconds and 500 ms after it is released an update begins; an update ends 1984
 * us later, when the new time shows, UF is set and UIP falls; UIP rises 244 us before it begins. Interrupts the guest has
 * not taken are not counted: a flag of register C is either set or not. [146818] figure 12, "Update Cycle"
 *
 * Each access looks at the clock once, so that all of it happens at one time, and first raises the interrupt that is due
 * by then: reading C takes back only what has been shown.
 *
 * Sources: [146818] Motorola MC146818A data sheet; [PCAT] IBM PC AT Technical Reference (byte 32h); [PIIX3] Intel
 * 82371SB data sheet, order 290550 (ports 70h to 73h).
 * Deviates: the 32.768 kHz crystal of the PC is the only one (other divider settings stop the clock); the SQW pin is not
 * connected; DSE is kept and changes nothing, as in later chips; index ports read as ones; reads during an update
 * give the old time.
 * @module
 */

import { field } from "../../hvm/base/bits.ts";
import { type Clock, NS_PER_S, type Timer } from "../../hvm/base/clock.ts";
import { type Line, UNCONNECTED } from "../../hvm/base/line.ts";
import type { Device, Window } from "../../hvm/io/device.ts";
import { advance, bytesOfUnixTime, secondsToAlarm, TIME_REGS } from "./rtc_calendar.ts";
import { DIVIDER, INDEX_NMI_DISABLE, RTC_A, RTC_B, RTC_C, RTC_D, RTC_PORT, RTC_REG } from "./rtc_regs.ts";
import type { RtcState } from "./rtc_state.ts";

const BANK_BYTES = 128;

/** From the release of the divider to the end of the first update, and the time UIP is set before each. */
const FIRST_UPDATE_NS = 500_000_000 + 1_984_000;
const UIP_NS = 244_000 + 1_984_000;

/** One cycle of the crystal; a whole number of 1/64 ns, so that multiples are exact. */
const CRYSTAL_NS = NS_PER_S / 32_768;

/** The flags of register C that a guest can enable in B. */
const FLAGS = RTC_C.UF | RTC_C.AF | RTC_C.PF;

/** What the board gives the clock. */
export interface RtcOptions {
  readonly id?: string;
  readonly clock: Clock;
  /** The host's calendar when the machine's clock showed 0: milliseconds since 1970. */
  readonly epochMs: number;
  /** The interrupt request; true is asserted. */
  readonly irq: Line;
  /** High while bit 7 of the index port disables NMI. */
  readonly nmiDisable?: Line;
  /**
   * What the battery kept: up to 128 bytes of the first bank, then up to 128 of the second. Time and registers A to D in
   * it do not count.
   */
  readonly cmos?: Uint8Array;
}

/** The clock and its RAM. */
export class Rtc implements Device<RtcState> {
  readonly id: string;
  /** Ports 70h and 71h. */
  readonly ports: Window;
  /** Ports 72h and 73h. */
  readonly extendedPorts: Window;

  readonly #clock: Clock;
  readonly #irq: Line;
  readonly #nmiDisable: Line;
  readonly #timer: Timer;
  readonly #initial: Uint8Array;
  readonly #wallSeconds: number;
  readonly #wallNs: number;
  readonly #ram = new Uint8Array(BANK_BYTES);
  readonly #extended = new Uint8Array(BANK_BYTES);
  #index = 0;
  #extendedIndex = 0;
  #nmiDisabled = true;
  /** When the clock was last looked at. */
  #now = 0;
  /** Machine time at which the divider was released. */
  #divider = 0;
  /** The update whose time bytes are in RAM, and the last one accounted for with its time bytes. */
  #anchorUpdate = 0;
  #update = 0;
  #time: readonly number[] = [];
  /** Periodic ticks accounted for. */
  #periodic = 0;

  constructor(options: RtcOptions) {
    this.id = options.id ?? "rtc";
    this.#clock = options.clock;
    this.#irq = options.irq;
    this.#nmiDisable = options.nmiDisable ?? UNCONNECTED;
    this.#initial = options.cmos?.slice(0, 2 * BANK_BYTES) ?? new Uint8Array(0);
    this.#wallSeconds = Math.floor(options.epochMs / 1000);
    this.#wallNs = Math.round((options.epochMs - this.#wallSeconds * 1000) * 1e6);
    this.#timer = options.clock.timer(() => {
      this.#catchUp();
      this.#arm();
    });
    this.ports = {
      length: 2,
      unit: 1,
      read: (offset) => offset === RTC_PORT.INDEX ? 0xff : this.#read(this.#index),
      write: (offset, _width, value) => {
        if (offset === RTC_PORT.DATA) return this.#write(this.#index, value);
        this.#index = value & ~INDEX_NMI_DISABLE;
        this.#nmiDisabled = (value & INDEX_NMI_DISABLE) !== 0;
        this.#nmiDisable.set(this.#nmiDisabled);
      },
    };
    this.extendedPorts = {
      length: 2,
      unit: 1,
      read: (offset) => offset === RTC_PORT.INDEX ? 0xff : this.#extended[this.#extendedIndex]!,
      write: (offset, _width, value) => {
        if (offset === RTC_PORT.DATA) this.#extended[this.#extendedIndex] = value;
        else this.#extendedIndex = value % BANK_BYTES;
      },
    };
    this.reset();
  }

  /** Power-on with a charged battery: CMOS as the board gave it, time as the host's. */
  reset(): void {
    this.#index = this.#extendedIndex = 0;
    this.#nmiDisabled = true;
    this.#ram.fill(0);
    this.#ram.set(this.#initial.subarray(0, BANK_BYTES));
    this.#extended.fill(0);
    this.#extended.set(this.#initial.subarray(BANK_BYTES));
    this.#ram[RTC_REG.A] = DIVIDER.RUN_32K << 4 | 6;
    this.#ram[RTC_REG.B] = RTC_B.H24;
    this.#ram[RTC_REG.C] = 0;
    this.#ram[RTC_REG.D] = RTC_D.VRT;
    // The last update ended when the second began that the host's calendar is in.
    this.#divider = -this.#wallNs - FIRST_UPDATE_NS;
    this.#anchorUpdate = 1;
    this.#storeTime(bytesOfUnixTime(this.#wallSeconds, RTC_B.H24));
    this.#now = Math.floor(this.#clock.now());
    this.#restart(this.#updatesUntil(this.#now));
  }

  /**
   * The RESET# pin, which a PC pulls with every reset: interrupts off, time and RAM as they were. What a board does to the
   * clock when the guest resets the machine; {@linkcode Rtc.reset} is power-on. [146818] "RESET"
   */
  resetPin(): void {
    this.#catchUp();
    this.#disarm();
    this.#nmiDisable.set(true);
    this.#sync();
  }

  save(): RtcState {
    this.#catchUp();
    this.#anchor();
    const dividerNs = this.#wallNs + this.#divider;
    const seconds = Math.floor(dividerNs / NS_PER_S);
    return {
      index: this.#index,
      extendedIndex: this.#extendedIndex,
      nmiDisabled: this.#nmiDisabled,
      ram: toHex(this.#ram),
      extended: toHex(this.#extended),
      dividerSeconds: this.#wallSeconds + seconds,
      dividerNs: dividerNs - seconds * NS_PER_S,
      anchorUpdate: this.#anchorUpdate,
    };
  }

  load(state: RtcState): void {
    this.#take(state);
    // A host whose calendar was set back takes the guest's with it.
    this.#restart(Math.min(state.anchorUpdate, this.#updatesUntil(this.#now)));
  }

  /**
   * Power-on after another machine, or another life of this one, kept the battery: its time and RAM go on from a state of
   * its clock, and everything else is as RESET# leaves it. No line moves on account of what was enabled then.
   */
  loadBattery(state: RtcState): void {
    this.#take(state);
    this.#index = this.#extendedIndex = 0;
    this.#disarm();
    this.#restart(this.#updatesUntil(this.#now));
  }

  #take(state: RtcState): void {
    this.#index = state.index;
    this.#extendedIndex = state.extendedIndex;
    this.#nmiDisabled = state.nmiDisabled;
    fromHex(state.ram, this.#ram);
    fromHex(state.extended, this.#extended);
    this.#divider = (state.dividerSeconds - this.#wallSeconds) * NS_PER_S + state.dividerNs - this.#wallNs;
    this.#anchorUpdate = state.anchorUpdate;
    this.#now = Math.floor(this.#clock.now());
  }

  /** What RESET# does to the registers. [146818] "RESET" */
  #disarm(): void {
    this.#ram[RTC_REG.B]! &= ~(RTC_B.PIE | RTC_B.AIE | RTC_B.UIE | RTC_B.SQWE);
    this.#ram[RTC_REG.C] = 0;
    this.#nmiDisabled = true;
  }

  /** Goes on from where so many updates are accounted for: those that came since are due now, periodic ticks are not. */
  #restart(update: number): void {
    this.#update = update;
    this.#periodic = this.#periodicsUntil(this.#now);
    this.#time = this.#timeAt(update);
    this.#nmiDisable.set(this.#nmiDisabled);
    this.#account();
    this.#sync();
  }

  get #a(): number {
    return this.#ram[RTC_REG.A]!;
  }

  get #b(): number {
    return this.#ram[RTC_REG.B]!;
  }

  /** The divider runs. */
  get #running(): boolean {
    return field(this.#a, RTC_A.DV) === DIVIDER.RUN_32K;
  }

  /** The time is updated each second. */
  get #updating(): boolean {
    return this.#running && (this.#b & RTC_B.SET) === 0;
  }

  /** Nanoseconds between periodic interrupts, Infinity for none. [146818] table 5 */
  get #period(): number {
    const rate = field(this.#a, RTC_A.RS);
    if (rate === 0) return Infinity;
    return CRYSTAL_NS * 2 ** (rate < 3 ? rate + 6 : rate - 1);
  }

  #updatesUntil(now: number): number {
    return Math.floor((now - this.#divider - FIRST_UPDATE_NS) / NS_PER_S) + 1;
  }

  #periodicsUntil(now: number): number {
    return Math.floor((now - this.#divider) / this.#period);
  }

  #timeAt(update: number): readonly number[] {
    const anchor = TIME_REGS.map((reg) => this.#ram[reg]!);
    if (!this.#updating || update === this.#anchorUpdate) return anchor;
    return advance(anchor, update - this.#anchorUpdate, this.#b);
  }

  #storeTime(bytes: readonly number[]): void {
    TIME_REGS.forEach((reg, i) => this.#ram[reg] = bytes[i]!);
  }

  /** Makes the time as it is now the one in RAM, because what it will be from now on changes. */
  #anchor(): void {
    this.#storeTime(this.#time);
    this.#anchorUpdate = this.#update;
  }

  /** Brings the clock to the time there is now, its interrupt included. */
  #catchUp(): void {
    this.#now = Math.floor(this.#clock.now());
    this.#account();
    this.#drive();
  }

  /** Accounts for updates and periodic ticks since the last call. */
  #account(): void {
    if (!this.#running) return;
    const now = this.#now;
    const update = this.#updatesUntil(now);
    if (update > this.#update) {
      if (this.#updating) {
        if (this.#secondsToAlarm() <= update - this.#update) this.#ram[RTC_REG.C]! |= RTC_C.AF;
        this.#ram[RTC_REG.C]! |= RTC_C.UF;
        this.#time = this.#timeAt(update);
      }
      this.#update = update;
    }
    const periodic = this.#periodicsUntil(now);
    if (periodic > this.#periodic) {
      this.#ram[RTC_REG.C]! |= RTC_C.PF;
      this.#periodic = periodic;
    }
  }

  #secondsToAlarm(): number {
    const alarm = [
      this.#ram[RTC_REG.SECONDS_ALARM]!,
      this.#ram[RTC_REG.MINUTES_ALARM]!,
      this.#ram[RTC_REG.HOURS_ALARM]!,
    ] as const;
    return secondsToAlarm(this.#time, alarm, this.#b);
  }

  #read(index: number): number {
    this.#catchUp();
    if (index === RTC_REG.A) return this.#a | (this.#updateInProgress() ? RTC_A.UIP : 0);
    if (index === RTC_REG.C) return this.#readC();
    const field = timeFieldOf(index);
    return field < 0 ? this.#ram[index]! : this.#time[field]!;
  }

  #updateInProgress(): boolean {
    if (!this.#updating) return false;
    const toEnd = this.#divider + FIRST_UPDATE_NS + this.#update * NS_PER_S - this.#now;
    return toEnd <= UIP_NS;
  }

  #readC(): number {
    const flags = this.#ram[RTC_REG.C]!;
    const value = flags | ((flags & this.#b) !== 0 ? RTC_C.IRQF : 0);
    this.#ram[RTC_REG.C] = 0;
    this.#sync();
    return value;
  }

  #write(index: number, value: number): void {
    this.#catchUp();
    switch (index) {
      case RTC_REG.A:
        this.#writeA(value);
        break;
      case RTC_REG.B:
        this.#anchor();
        // Setting SET clears UIE. [146818] "Register B"
        this.#ram[RTC_REG.B] = (value & RTC_B.SET) !== 0 ? value & ~RTC_B.UIE : value;
        break;
      case RTC_REG.C:
      case RTC_REG.D:
        return;
      default:
        if (timeFieldOf(index) >= 0) this.#anchor();
        this.#ram[index] = value;
        this.#time = this.#timeAt(this.#update);
    }
    this.#sync();
  }

  #writeA(value: number): void {
    const ran = this.#running;
    this.#anchor();
    this.#ram[RTC_REG.A] = value & ~RTC_A.UIP;
    if (!this.#running) return;
    if (!ran) {
      this.#divider = this.#now;
      this.#update = this.#anchorUpdate = this.#updatesUntil(this.#now);
    }
    this.#periodic = this.#periodicsUntil(this.#now);
  }

  /** Derives the interrupt and the timer; the caller has caught up. */
  #sync(): void {
    this.#drive();
    this.#arm();
  }

  #drive(): void {
    this.#irq.set((this.#ram[RTC_REG.C]! & this.#b & FLAGS) !== 0);
  }

  /** The next moment at which an enabled flag that is clear will be set. */
  #arm(): void {
    const wanted = this.#running ? this.#b & ~this.#ram[RTC_REG.C]! : 0;
    let at = Infinity;
    if (this.#updating && (wanted & (RTC_C.UF | RTC_C.AF)) !== 0) {
      const seconds = (wanted & RTC_C.UF) !== 0 ? 1 : this.#secondsToAlarm();
      at = this.#divider + FIRST_UPDATE_NS + (this.#update + seconds - 1) * NS_PER_S;
    }
    if ((wanted & RTC_C.PF) !== 0 && this.#period !== Infinity) {
      at = Math.min(at, this.#divider + Math.ceil((this.#periodic + 1) * this.#period));
    }
    if (at === Infinity) this.#timer.cancel();
    else this.#timer.arm(at);
  }
}

/** The place of an index among the time bytes, -1 when it is none. */
function timeFieldOf(index: number): number {
  if (index > RTC_REG.YEAR) return index === RTC_REG.CENTURY ? TIME_REGS.length - 1 : -1;
  return TIME_REGS.indexOf(index as typeof TIME_REGS[number]);
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function fromHex(text: string, target: Uint8Array): void {
  for (let i = 0; i < target.length; i++) target[i] = parseInt(text.slice(2 * i, 2 * i + 2), 16);
}
