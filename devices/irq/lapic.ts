/**
 * The local APIC of one processor, in xAPIC mode (memory window) and x2APIC mode (MSRs).
 *
 * The vCPU loop asks {@linkcode Lapic.highestPending} and acknowledges; messages come in by {@linkcode Lapic.accept}, on
 * this thread, or on any other by the functions of lapic_words.ts over the same words. `changed` is called whenever
 * something the loop looks at may have come up; the constructor calls nothing.
 *
 * While the APIC is disabled as a whole (IA32_APIC_BASE), LINT0 and LINT1 are the processor's INTR and NMI pins.
 *
 * Sources: [SDM] Intel SDM vol. 3A, chapter 11 (chapter 10 in editions before 2023); [APM] AMD APM vol. 2, chapter 16;
 * [MPS] Intel MultiProcessor Specification 1.4 (virtual wire mode).
 * Deviates: the identification is read only, as in current processors; SMI is dropped; remote read and focus checking
 * are not there; LVT CMCI is not there (six LVT entries); delivery status always reads as idle.
 * @module
 */

import { field } from "../../hvm/base/bits.ts";
import type { Clock } from "../../hvm/base/clock.ts";
import type { Line } from "../../hvm/base/line.ts";
import type { Device, Window } from "../../hvm/io/device.ts";
import { DELIVERY, type InterruptMessage } from "../../hvm/io/msi.ts";
import { LapicIdentity } from "./lapic_identity.ts";
import { type ApicTarget, classifyCommand, COMMAND, type IpiMessage, messageOf } from "./lapic_ipi.ts";
import { LapicLvt } from "./lapic_lvt.ts";
import {
  ESR,
  ICR,
  ICR_WRITABLE,
  isReadOnly,
  LAPIC_BYTES,
  LAPIC_MSR,
  LAPIC_REG,
  LAPIC_VERSION,
  LVT,
  LVT_ENTRIES,
  LVT_INDEX,
  lvtIndexOf,
  MSR_ICR,
  SHORTHAND,
  SVR,
  TIMER_MODE,
} from "./lapic_regs.ts";
import type { LapicState } from "./lapic_state.ts";
import { LapicTimer, type TscPort } from "./lapic_timer.ts";
import { LapicVectors } from "./lapic_vectors.ts";
import {
  ACCEPTED,
  acceptMessage,
  acceptVector,
  APIC_EVENT,
  APIC_MODE,
  type ApicMessage,
  hasVector,
  LAPIC_WORDS,
  loadWords,
  matchesDestination,
  noteError,
  saveWords,
  takeEvent,
  WORD,
  wordOf,
} from "./lapic_words.ts";
import { checkApicBase, checkX2apicWrite, isX2apicReadable } from "./lapic_x2apic.ts";

/** What the board gives a local APIC. */
export interface LapicOptions {
  readonly id?: string;
  /** The identification, unique among processors; the low byte of it in xAPIC mode. */
  readonly apicId: number;
  /** The processor that starts at reset; the others wait for a start-up message. */
  readonly bsp: boolean;
  readonly clock: Clock;
  /** At least {@linkcode LAPIC_WORDS} words, over shared memory where other threads send. */
  readonly words: Int32Array;
  /** Takes inter-processor interrupts, those to the sender itself included unless by the self shorthand. */
  readonly send: (message: IpiMessage) => void;
  /** A level-triggered interrupt ended, for the IOAPICs. */
  readonly eoi: (vector: number) => void;
  /** An interrupt, event or ExtINT may be there to be taken. */
  readonly changed: () => void;
  /** The memory window moved, or went (undefined): IA32_APIC_BASE was written. */
  readonly moved?: (base: number | undefined) => void;
  /** Absent: no TSC-deadline mode. */
  readonly tsc?: TscPort;
  /** What the timer counts, before its divider; 1 GHz by default. */
  readonly busHz?: number;
  /** False: x2APIC mode cannot be entered. */
  readonly x2apic?: boolean;
  /** Width of physical addresses, for IA32_APIC_BASE; 40 by default. */
  readonly physicalBits?: number;
}

/** A local APIC. */
export class Lapic implements Device<LapicState>, ApicTarget {
  readonly id: string;
  readonly apicId: number;
  /** The registers of xAPIC mode, 4 KiB. */
  readonly window: Window;

  readonly #options: LapicOptions;
  readonly #words: Int32Array;
  readonly #identity: LapicIdentity;
  readonly #vectors: LapicVectors;
  readonly #lvt: LapicLvt;
  readonly #timer: LapicTimer;
  #svr = 0;
  #esr = 0;
  #icrLow = 0;
  #icrHigh = 0;
  #waitingForSipi = false;

  constructor(options: LapicOptions) {
    if (options.words.length < LAPIC_WORDS) throw new RangeError(`A local APIC needs ${LAPIC_WORDS} words`);
    this.id = options.id ?? `lapic${options.apicId}`;
    this.apicId = options.apicId;
    this.#options = options;
    this.#words = options.words;
    this.#identity = new LapicIdentity(options.words, options.apicId);
    this.#vectors = new LapicVectors(options.words);
    this.#lvt = new LapicLvt({
      words: options.words,
      timerReserved: options.tsc === undefined ? TIMER_MODE.TSC_DEADLINE << 17 : 0,
      accepted: (result) => this.#accepted(result),
      changed: options.changed,
    });
    this.#timer = new LapicTimer({
      clock: options.clock,
      busHz: options.busHz ?? 1_000_000_000,
      expired: () => this.#lvt.deliver(LVT_INDEX.TIMER),
      ...(options.tsc === undefined ? {} : { tsc: options.tsc }),
    });
    this.window = {
      length: LAPIC_BYTES,
      unit: 4,
      least: 4,
      read: (offset) => this.#readMemory(offset),
      write: (offset, _width, value) => this.#writeMemory(offset, value),
    };
    this.#powerOn();
  }

  /** An interrupt pin: 0 is wired to the PIC's INT, 1 to NMI. */
  lint(pin: 0 | 1): Line {
    return this.#lvt.pins[pin];
  }

  /** Power-on. [SDM] 11.4.7.1 */
  reset(): void {
    this.#powerOn();
    this.#announce();
  }

  /**
   * What firmware leaves on the boot processor: LINT0 passes the PIC's interrupts, LINT1 is NMI. For machines that start
   * a kernel without firmware; call it after {@linkcode Lapic.reset}. [MPS] 3.6.2.2
   */
  enterVirtualWire(): void {
    this.#writeSvr(SVR.ENABLE | SVR.VECTOR);
    this.#lvt.write(LVT_INDEX.LINT0, DELIVERY.EXT_INT << 8);
    this.#lvt.write(LVT_INDEX.LINT1, DELIVERY.NMI << 8);
  }

  save(): LapicState {
    const timer = this.#timer.save(); // first: an expiry that is due now still sets its vector
    return {
      ...this.#identity.save(),
      ...saveWords(this.#words),
      tpr: this.#vectors.tpr,
      svr: this.#svr,
      esr: this.#esr,
      icrLow: this.#icrLow,
      icrHigh: this.#icrHigh,
      lvt: Array.from({ length: LVT_ENTRIES }, (_, i) => this.#lvt.entry(i)),
      timer,
      lint0: this.#lvt.level(0),
      lint1: this.#lvt.level(1),
      waitingForSipi: this.#waitingForSipi,
    };
  }

  load(state: LapicState): void {
    this.#svr = state.svr;
    this.#esr = state.esr;
    this.#icrLow = state.icrLow;
    this.#icrHigh = state.icrHigh;
    this.#waitingForSipi = state.waitingForSipi;
    loadWords(this.#words, state);
    this.#identity.load(state, (state.svr & SVR.ENABLE) !== 0);
    this.#vectors.restart(state.tpr);
    this.#lvt.load(state.lint0, state.lint1, state.lvt);
    const timer = this.#lvt.entry(LVT_INDEX.TIMER);
    this.#timer.load(state.timer, field(timer, LVT.TIMER_MODE), (timer & LVT.MASKED) !== 0);
    this.#announce();
  }

  /** The vector to be taken now, -1 when there is none above the processor's priority. [SDM] 11.8.3 */
  highestPending(): number {
    return this.#vectors.highestPending();
  }

  /** Takes the interrupt into service. @returns its vector, the spurious one when there is none. [SDM] 11.9 */
  acknowledge(): number {
    const vector = this.#vectors.acknowledge();
    return vector < 0 ? this.#svr & SVR.VECTOR : vector;
  }

  /** True when the destination of a message, shorthands apart, names this APIC. */
  matches(message: ApicMessage): boolean {
    return matchesDestination(this.#words, message);
  }

  /** Takes a message that is meant for this APIC. @returns false when it does not take such a one. */
  accept(message: InterruptMessage): boolean {
    return this.#accepted(acceptMessage(this.#words, message));
  }

  /** The processor priority register. */
  get priority(): number {
    return this.#vectors.priority;
  }

  /** Enabled as a whole and by SVR. */
  get takesVectors(): boolean {
    return (Atomics.load(this.#words, WORD.MODE) & APIC_MODE.SOFTWARE_ENABLED) !== 0;
  }

  get nmiPending(): boolean {
    return this.#hasEvent(APIC_EVENT.NMI);
  }

  /** Takes a pending NMI away. @returns true when there was one. */
  takeNmi(): boolean {
    return takeEvent(this.#words, APIC_EVENT.NMI);
  }

  get initPending(): boolean {
    return this.#hasEvent(APIC_EVENT.INIT);
  }

  /**
   * Takes a pending INIT: the APIC is reset as INIT does it, and a processor that is not the boot processor waits for a
   * start-up message then. [SDM] 11.4.7.3
   * @returns true when there was one.
   */
  takeInit(): boolean {
    if (!takeEvent(this.#words, APIC_EVENT.INIT)) return false;
    this.#waitingForSipi = !this.#identity.bsp;
    this.#resetRegisters();
    return true;
  }

  /** The processor does nothing until a start-up message comes. */
  get waitingForSipi(): boolean {
    return this.#waitingForSipi;
  }

  /** The vector of a start-up message the processor waits for, -1 for none. */
  get sipiVector(): number {
    const pending = this.#waitingForSipi && this.#hasEvent(APIC_EVENT.STARTUP);
    return pending ? Atomics.load(this.#words, WORD.SIPI_VECTOR) : -1;
  }

  /** Takes a start-up message; one that nobody waits for is dropped. @returns its vector or -1. [SDM] 9.4.2 */
  takeSipi(): number {
    const vector = this.sipiVector;
    takeEvent(this.#words, APIC_EVENT.STARTUP);
    if (vector >= 0) this.#waitingForSipi = false;
    return vector;
  }

  /** An interrupt of the PIC is passed on now: acknowledge it there, then call {@linkcode Lapic.takeExtInt}. */
  get extIntPending(): boolean {
    return this.#hasEvent(APIC_EVENT.EXT_INT) || this.#lvt.extInt;
  }

  /** Forgets an ExtINT that a message asked for; one from a pin is its level. */
  takeExtInt(): void {
    takeEvent(this.#words, APIC_EVENT.EXT_INT);
  }

  /** LINT0 passes the PIC's interrupts: as ExtINT, or as the INTR pin while the APIC is disabled. */
  get acceptsExtInt(): boolean {
    return !this.#identity.enabled || this.#lvt.passesExtInt(0);
  }

  /** The task priority class, which is CR8. [SDM] 11.8.6.1 */
  get cr8(): number {
    return this.#vectors.tpr >> 4;
  }

  set cr8(value: number) {
    this.#writeTpr((value & 0xf) << 4);
  }

  /** A performance counter overflowed or the thermal sensor tripped. [SDM] 11.5.1 */
  raiseLocal(source: "performance" | "thermal"): void {
    if (source === "thermal") return this.#lvt.deliver(LVT_INDEX.THERMAL);
    // The processor masks this entry with its interrupt.
    this.#lvt.deliver(LVT_INDEX.PERFORMANCE);
    this.#lvt.mask(LVT_INDEX.PERFORMANCE);
  }

  /** The guest set its TSC: the deadline is looked at anew. */
  tscChanged(): void {
    this.#timer.tscChanged();
  }

  /** IA32_APIC_BASE. */
  get apicBase(): bigint {
    return BigInt(this.#identity.base);
  }

  /** RDMSR of IA32_APIC_BASE, IA32_TSC_DEADLINE and 800h to 83Fh. @returns undefined where it takes #GP. */
  readMsr(msr: number): bigint | undefined {
    if (msr === LAPIC_MSR.APIC_BASE) return this.apicBase;
    if (msr === LAPIC_MSR.TSC_DEADLINE) {
      return this.#options.tsc === undefined ? undefined : this.#timer.deadline;
    }
    const offset = this.#identity.x2apicOffset(msr);
    if (!isX2apicReadable(offset)) return undefined;
    if (msr === MSR_ICR) return BigInt(this.#icrHigh) << 32n | BigInt(this.#icrLow);
    return BigInt(this.#readRegister(offset));
  }

  /** WRMSR of the same. @returns false where it takes #GP. */
  writeMsr(msr: number, value: bigint): boolean {
    if (msr === LAPIC_MSR.APIC_BASE) return this.#writeApicBase(value);
    if (msr === LAPIC_MSR.TSC_DEADLINE) {
      if (this.#options.tsc === undefined) return false;
      this.#timer.deadline = value;
      return true;
    }
    const offset = this.#identity.x2apicOffset(msr);
    if (!checkX2apicWrite(offset, value, this.#lvt.writable)) return false;
    if (msr === MSR_ICR) {
      this.#icrHigh = Number(value >> 32n);
      this.#icrLow = Number(value & 0xffffffffn);
      this.#command(this.#icrLow);
    } else if (offset === LAPIC_REG.SELF_IPI) {
      this.#command(Number(value) | SHORTHAND.SELF << 18);
    } else {
      this.#writeRegister(offset, Number(value));
    }
    return true;
  }

  #hasEvent(event: number): boolean {
    return (Atomics.load(this.#words, WORD.EVENTS) & event) !== 0;
  }

  #powerOn(): void {
    this.#identity.powerOn(this.#options.bsp);
    this.#waitingForSipi = !this.#options.bsp;
    Atomics.store(this.#words, WORD.EVENTS, 0);
    Atomics.store(this.#words, WORD.SIPI_VECTOR, 0);
    this.#lvt.load(false, false);
    this.#resetRegisters();
  }

  /** What power-on and INIT both do; identification and IA32_APIC_BASE stay. [SDM] 11.4.7.1, 11.4.7.3 */
  #resetRegisters(): void {
    this.#esr = this.#icrLow = this.#icrHigh = 0;
    this.#svr = SVR.VECTOR;
    Atomics.store(this.#words, WORD.ERRORS, 0);
    takeEvent(this.#words, APIC_EVENT.EXT_INT);
    this.#vectors.reset();
    this.#lvt.reset();
    this.#timer.reset();
    this.#identity.reset();
  }

  /** Tells the board after what was not a guest's doing, or may have moved the window. */
  #announce(): void {
    this.#options.moved?.(this.#identity.memoryBase);
    this.#options.changed();
  }

  #offerPending(): void {
    if (this.highestPending() >= 0) this.#options.changed();
  }

  /** Follows up what became of a message or a local interrupt. */
  #accepted(result: number): boolean {
    if (result === ACCEPTED.ILLEGAL_VECTOR) this.#error(ESR.RECEIVE_ILLEGAL_VECTOR);
    if (result !== ACCEPTED.YES) return false;
    this.#options.changed();
    return true;
  }

  /** The first error since ESR was written interrupts. [SDM] 11.5.3 */
  #error(error: typeof ESR[keyof typeof ESR]): void {
    if (noteError(this.#words, error)) this.#lvt.deliver(LVT_INDEX.ERROR);
  }

  /** The registers answer in memory: xAPIC mode. */
  get #hasMemory(): boolean {
    return this.#identity.enabled && !this.#identity.x2apic;
  }

  #readMemory(offset: number): number {
    if (!this.#hasMemory) return 0xffffffff;
    return offset % 16 === 0 ? this.#readRegister(offset) : 0;
  }

  #writeMemory(offset: number, value: number): void {
    if (!this.#hasMemory || offset % 16 !== 0) return;
    if (offset === LAPIC_REG.ICR_HIGH) {
      this.#icrHigh = (value & 0xff000000) >>> 0;
    } else if (offset === LAPIC_REG.ICR_LOW) {
      this.#icrLow = value & ICR_WRITABLE;
      this.#command(this.#icrLow);
    } else {
      this.#writeRegister(offset, value);
    }
  }

  #readRegister(offset: number): number {
    switch (offset) {
      case LAPIC_REG.ID:
        return this.#identity.idRegister;
      case LAPIC_REG.VERSION:
        return LAPIC_VERSION;
      case LAPIC_REG.TPR:
        return this.#vectors.tpr;
      case LAPIC_REG.PPR:
        return this.priority;
      case LAPIC_REG.LDR:
        return this.#identity.ldr;
      case LAPIC_REG.DFR:
        return this.#identity.dfr;
      case LAPIC_REG.SVR:
        return this.#svr;
      case LAPIC_REG.ESR:
        return this.#esr;
      case LAPIC_REG.ICR_LOW:
        return this.#icrLow;
      case LAPIC_REG.ICR_HIGH:
        return this.#icrHigh;
      case LAPIC_REG.INITIAL_COUNT:
        return this.#timer.initialCount;
      case LAPIC_REG.CURRENT_COUNT:
        return this.#timer.currentCount;
      case LAPIC_REG.DIVIDE:
        return this.#timer.divide;
      case LAPIC_REG.APR:
      case LAPIC_REG.RRD:
      case LAPIC_REG.EOI:
        return 0;
    }
    if (offset >= LAPIC_REG.ISR && offset < LAPIC_REG.ESR) {
      return Atomics.load(this.#words, wordOf(offset)) >>> 0;
    }
    const index = lvtIndexOf(offset);
    if (index >= 0) return this.#lvt.entry(index);
    this.#error(ESR.ILLEGAL_REGISTER);
    return 0;
  }

  #writeRegister(offset: number, value: number): void {
    switch (offset) {
      case LAPIC_REG.TPR:
        return this.#writeTpr(value & 0xff);
      case LAPIC_REG.EOI:
        return this.#endOfInterrupt();
      case LAPIC_REG.LDR:
        this.#identity.ldr = value;
        return;
      case LAPIC_REG.DFR:
        this.#identity.dfr = value;
        return;
      case LAPIC_REG.SVR:
        return this.#writeSvr(value);
      case LAPIC_REG.ESR:
        this.#esr = Atomics.exchange(this.#words, WORD.ERRORS, 0);
        return;
      case LAPIC_REG.INITIAL_COUNT:
        this.#timer.initialCount = value;
        return;
      case LAPIC_REG.DIVIDE:
        this.#timer.divide = value;
        return;
    }
    const index = lvtIndexOf(offset);
    if (index === LVT_INDEX.TIMER) {
      this.#timer.settle();
      this.#lvt.write(index, value);
      this.#configureTimer();
    } else if (index >= 0) {
      this.#lvt.write(index, value);
    } else if (!isReadOnly(offset)) {
      this.#error(ESR.ILLEGAL_REGISTER);
    }
  }

  #writeTpr(value: number): void {
    const lowered = value < this.#vectors.tpr;
    this.#vectors.tpr = value;
    if (lowered) this.#offerPending();
  }

  /** Disabling by software masks all local interrupts. [SDM] 11.4.7.2 */
  #writeSvr(value: number): void {
    this.#timer.settle();
    this.#svr = value & (SVR.VECTOR | SVR.ENABLE | SVR.SUPPRESS_EOI);
    const enabled = (this.#svr & SVR.ENABLE) !== 0;
    this.#identity.softwareEnabled = enabled;
    if (enabled) return;
    this.#lvt.maskAll();
    this.#configureTimer();
  }

  #configureTimer(): void {
    const entry = this.#lvt.entry(LVT_INDEX.TIMER);
    this.#timer.configure(field(entry, LVT.TIMER_MODE), (entry & LVT.MASKED) !== 0);
  }

  /** EOI: the end of a level-triggered interrupt is told to its sender. [SDM] 11.8.5 */
  #endOfInterrupt(): void {
    const vector = this.#vectors.end();
    if (vector < 0) return;
    if (hasVector(this.#words, WORD.TMR, vector)) {
      this.#lvt.ended(vector);
      if ((this.#svr & SVR.SUPPRESS_EOI) === 0) this.#options.eoi(vector);
    }
    this.#offerPending();
  }

  /** Sends an inter-processor interrupt. */
  #command(low: number): void {
    const what = classifyCommand(low);
    if (what === COMMAND.ILLEGAL_VECTOR) return this.#error(ESR.SEND_ILLEGAL_VECTOR);
    if (what === COMMAND.NOTHING) return;
    if (field(low, ICR.SHORTHAND) === SHORTHAND.SELF) {
      this.#accepted(acceptVector(this.#words, low & ICR.VECTOR, false));
      return;
    }
    const wide = this.#identity.x2apic;
    this.#options.send(messageOf(low, wide ? this.#icrHigh : this.#icrHigh >>> 24, wide, this.apicId));
  }

  /** IA32_APIC_BASE: what an APIC held is lost when it is disabled. [SDM] 11.4.3, 11.12.5 */
  #writeApicBase(value: bigint): boolean {
    const { x2apic = true, physicalBits = 40 } = this.#options;
    const identity = this.#identity;
    if (!checkApicBase(identity.flags, value, { x2apic, physicalBits })) return false;
    const wasEnabled = identity.enabled;
    identity.base = Number(value);
    if (wasEnabled && !identity.enabled) this.#resetRegisters();
    this.#announce();
    return true;
  }
}
