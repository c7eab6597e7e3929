/**
 * Who a local APIC is and where it answers: IA32_APIC_BASE with its modes, the logical destination, and the part of both
 * that other threads read to tell whether a message is for it.
 *
 * Sources: [SDM] Intel SDM vol. 3A, 11.4.3 and 11.4.4 (enabling), 11.6.2 (destinations), 11.12 (x2APIC).
 * @module
 */

import { APIC_BASE, APIC_BASE_ADDRESS, LAPIC_MSR } from "./lapic_regs.ts";
import type { LapicState } from "./lapic_state.ts";
import { APIC_MODE, WORD } from "./lapic_words.ts";

/** What it holds of a state. */
export type IdentityState = Pick<LapicState, "apicBase" | "ldr" | "dfr">;

/** Modes and destinations, published in the shared words with every change. */
export class LapicIdentity {
  readonly apicId: number;
  /** Enabled as a whole. */
  enabled = false;
  /** The registers are MSRs. */
  x2apic = false;
  readonly #words: Int32Array;
  #base = 0;
  #ldr = 0;
  /** The model, the top four bits of DFR. */
  #dfr = 0xf;
  #softwareEnabled = false;

  constructor(words: Int32Array, apicId: number) {
    this.#words = words;
    this.apicId = apicId;
  }

  /** IA32_APIC_BASE at power-on. [SDM] 11.4.4 */
  powerOn(bsp: boolean): void {
    this.base = APIC_BASE_ADDRESS + APIC_BASE.ENABLE + (bsp ? APIC_BASE.BSP : 0);
  }

  /** What power-on and INIT both do: identification and base stay. [SDM] 11.4.7.1, 11.4.7.3 */
  reset(): void {
    this.#ldr = 0;
    this.#dfr = 0xf;
    this.softwareEnabled = false;
  }

  save(): IdentityState {
    return { apicBase: this.#base, ldr: this.#ldr, dfr: this.#dfr };
  }

  load(state: IdentityState, softwareEnabled: boolean): void {
    this.#ldr = state.ldr;
    this.#dfr = state.dfr;
    this.#softwareEnabled = softwareEnabled;
    this.base = state.apicBase;
  }

  /** IA32_APIC_BASE, whose values are checked by the caller. */
  get base(): number {
    return this.#base;
  }

  set base(value: number) {
    this.#base = value;
    this.enabled = (this.flags & APIC_BASE.ENABLE) !== 0;
    this.x2apic = (this.flags & APIC_BASE.X2APIC) !== 0;
    this.#publish();
  }

  /** IA32_APIC_BASE below its address. */
  get flags(): number {
    return this.#base % 0x1000;
  }

  /** The processor that starts at reset. */
  get bsp(): boolean {
    return (this.flags & APIC_BASE.BSP) !== 0;
  }

  /** Where the memory window is, undefined when there is none. */
  get memoryBase(): number | undefined {
    return this.enabled && !this.x2apic ? this.#base - this.flags : undefined;
  }

  /** Enabled by SVR. */
  set softwareEnabled(enabled: boolean) {
    this.#softwareEnabled = enabled;
    this.#publish();
  }

  /** The identification register. */
  get idRegister(): number {
    return this.x2apic ? this.apicId : (this.apicId & 0xff) * 0x1000000;
  }

  /** The logical destination register; in x2APIC mode cluster and bit of the identification. [SDM] 11.12.10.2 */
  get ldr(): number {
    return this.x2apic ? (this.apicId >>> 4 << 16 | 1 << (this.apicId & 15)) >>> 0 : this.#ldr;
  }

  set ldr(value: number) {
    this.#ldr = (value & 0xff000000) >>> 0;
    this.#publish();
  }

  /** The destination format register: below the model all ones. */
  get dfr(): number {
    return (this.#dfr << 28 | 0x0fffffff) >>> 0;
  }

  set dfr(value: number) {
    this.#dfr = value >>> 28;
    this.#publish();
  }

  /** The register an x2APIC MSR stands for, -1 for other MSRs and in other modes. */
  x2apicOffset(msr: number): number {
    const isOne = this.x2apic && msr >= LAPIC_MSR.X2APIC_FIRST && msr <= LAPIC_MSR.X2APIC_LAST;
    return isOne ? (msr - LAPIC_MSR.X2APIC_FIRST) * 16 : -1;
  }

  /** Writes into the shared words what other threads need to tell whether a message is for this APIC. */
  #publish(): void {
    const mode = this.enabled
      ? APIC_MODE.ENABLED | (this.x2apic ? APIC_MODE.X2APIC : 0) |
        (this.#softwareEnabled ? APIC_MODE.SOFTWARE_ENABLED : 0)
      : 0;
    Atomics.store(this.#words, WORD.ID, this.apicId);
    Atomics.store(this.#words, WORD.LDR, this.ldr);
    Atomics.store(this.#words, WORD.DFR, this.#dfr << 28);
    Atomics.store(this.#words, WORD.MODE, mode);
  }
}
