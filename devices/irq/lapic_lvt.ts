/**
 * The local vector table of a local APIC, and the pins LINT0 and LINT1.
 *
 * Sources: [SDM] Intel SDM vol. 3A, 11.5.1 (local vector table), 11.4.7.2 (software disable).
 * @module
 */

import { field } from "../../hvm/base/bits.ts";
import type { Line } from "../../hvm/base/line.ts";
import { DELIVERY } from "../../hvm/io/msi.ts";
import { LVT, LVT_ENTRIES, LVT_INDEX, LVT_WRITABLE } from "./lapic_regs.ts";
import { acceptEvent, acceptVector, APIC_EVENT, APIC_MODE, WORD } from "./lapic_words.ts";

/** What the table needs of its APIC. */
export interface LapicLvtOptions {
  readonly words: Int32Array;
  /** Bits of the timer's entry that are reserved here. */
  readonly timerReserved: number;
  /** Follows up one of the results of `acceptVector`. @returns true when the interrupt was taken. */
  readonly accepted: (result: number) => boolean;
  /** The level of an ExtINT may have changed. */
  readonly changed: () => void;
}

/** Six entries and two pins. */
export class LapicLvt {
  /** Writable bits by entry. */
  readonly writable: readonly number[];
  readonly pins: readonly [Line, Line];
  readonly #options: LapicLvtOptions;
  readonly #words: Int32Array;
  readonly #entries = new Uint32Array(LVT_ENTRIES);
  #lint0 = false;
  #lint1 = false;

  constructor(options: LapicLvtOptions) {
    this.#options = options;
    this.#words = options.words;
    this.writable = LVT_WRITABLE.map((bits, i) =>
      i === LVT_INDEX.TIMER ? bits & ~options.timerReserved : bits
    );
    this.pins = [{ set: (level) => this.#setPin(0, level) }, { set: (level) => this.#setPin(1, level) }];
  }

  /** All masked; the pins are as they are. */
  reset(): void {
    this.#entries.fill(LVT.MASKED);
  }

  /** Takes levels without edges, and entries where given. */
  load(lint0: boolean, lint1: boolean, entries?: readonly number[]): void {
    this.#lint0 = lint0;
    this.#lint1 = lint1;
    if (entries !== undefined) this.#entries.set(entries);
  }

  /** The level of a pin. */
  level(pin: 0 | 1): boolean {
    return pin === 0 ? this.#lint0 : this.#lint1;
  }

  /** An entry by {@linkcode LVT_INDEX}. */
  entry(index: number): number {
    return this.#entries[index]!;
  }

  /** A guest's write; while the APIC is disabled by software the mask stays. [SDM] 11.4.7.2 */
  write(index: number, value: number): void {
    const forced = (this.#mode & APIC_MODE.SOFTWARE_ENABLED) === 0 ? LVT.MASKED : 0;
    const isLevel = index === LVT_INDEX.LINT0 && (value & (LVT.LEVEL | LVT.DELIVERY)) === LVT.LEVEL;
    const kept = isLevel ? this.#entries[index]! & LVT.REMOTE_IRR : 0;
    this.#entries[index] = value & this.writable[index]! | forced | kept;
    if (index === LVT_INDEX.LINT0) this.#syncLevel();
    if (this.extInt) this.#options.changed();
  }

  /** What disabling by software does. */
  maskAll(): void {
    for (let i = 0; i < LVT_ENTRIES; i++) this.mask(i);
  }

  mask(index: number): void {
    this.#entries[index]! |= LVT.MASKED;
  }

  /** Sends what an entry says, unless it is masked. Entries without a delivery mode read as fixed. */
  deliver(index: number): void {
    const entry = this.#entries[index]!;
    if ((entry & LVT.MASKED) !== 0) return;
    switch (field(entry, LVT.DELIVERY)) {
      case DELIVERY.FIXED:
        this.#options.accepted(acceptVector(this.#words, entry & LVT.VECTOR, false));
        return;
      case DELIVERY.NMI:
        this.#options.accepted(acceptEvent(this.#words, APIC_EVENT.NMI));
        return;
      case DELIVERY.INIT:
        this.#options.accepted(acceptEvent(this.#words, APIC_EVENT.INIT));
    }
  }

  /** A level-triggered vector ended: LINT0 may send it again. */
  ended(vector: number): void {
    const entry = this.#entries[LVT_INDEX.LINT0]!;
    if ((entry & LVT.REMOTE_IRR) === 0 || (entry & LVT.VECTOR) !== vector) return;
    this.#entries[LVT_INDEX.LINT0] = entry & ~LVT.REMOTE_IRR;
    this.#syncLevel();
  }

  /** A pin asks for an interrupt of the PIC. */
  get extInt(): boolean {
    if ((this.#mode & APIC_MODE.ENABLED) === 0) return this.#lint0;
    return (this.#asserted(0) && this.passesExtInt(0)) || (this.#asserted(1) && this.passesExtInt(1));
  }

  /** The entry of a pin is set to ExtINT and not masked. */
  passesExtInt(pin: 0 | 1): boolean {
    return (this.#entries[LVT_INDEX.LINT0 + pin]! & (LVT.DELIVERY | LVT.MASKED)) === DELIVERY.EXT_INT << 8;
  }

  get #mode(): number {
    return Atomics.load(this.#words, WORD.MODE);
  }

  #setPin(pin: 0 | 1, level: boolean): void {
    if (this.level(pin) === level) return;
    if (pin === 0) this.#lint0 = level;
    else this.#lint1 = level;
    if ((this.#mode & APIC_MODE.ENABLED) === 0) return this.#drivePlainPin(pin, level);
    const index = LVT_INDEX.LINT0 + pin;
    if (field(this.#entries[index]!, LVT.DELIVERY) === DELIVERY.EXT_INT) this.#options.changed();
    else if (pin === 0 && this.#isLevel) this.#syncLevel();
    else if (this.#asserted(pin)) this.deliver(index);
  }

  /** While the APIC is disabled the pins are INTR and NMI. [SDM] 11.4.3 */
  #drivePlainPin(pin: 0 | 1, level: boolean): void {
    if (pin === 0) this.#options.changed();
    else if (level) this.#options.accepted(acceptEvent(this.#words, APIC_EVENT.NMI));
  }

  #asserted(pin: 0 | 1): boolean {
    return this.level(pin) !== ((this.#entries[LVT_INDEX.LINT0 + pin]! & LVT.ACTIVE_LOW) !== 0);
  }

  /** Only LINT0 in fixed mode can be level-triggered. */
  get #isLevel(): boolean {
    return (this.#entries[LVT_INDEX.LINT0]! & (LVT.LEVEL | LVT.DELIVERY)) === LVT.LEVEL;
  }

  /** Sends LINT0's level, once until its interrupt ends. */
  #syncLevel(): void {
    const entry = this.#entries[LVT_INDEX.LINT0]!;
    if (!this.#isLevel || (entry & (LVT.MASKED | LVT.REMOTE_IRR)) !== 0 || !this.#asserted(0)) return;
    if (this.#options.accepted(acceptVector(this.#words, entry & LVT.VECTOR, true))) {
      this.#entries[LVT_INDEX.LINT0] = entry | LVT.REMOTE_IRR;
    }
  }
}
