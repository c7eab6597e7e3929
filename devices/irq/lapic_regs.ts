/**
 * Names of the local APIC's registers, fields and MSRs.
 *
 * Sources: [SDM] Intel SDM vol. 3A, chapter 11 (chapter 10 in editions before 2023); [APM] AMD APM vol. 2, chapter 16.
 * @module
 */

/** Registers by memory offset; an x2APIC MSR is 800h plus a sixteenth of it. [SDM] tables 11-1 and 11-6 */
export const LAPIC_REG = {
  ID: 0x020,
  VERSION: 0x030,
  TPR: 0x080,
  /** Arbitration priority and remote read: of older APICs; they read as 0 and are no error. */
  APR: 0x090,
  PPR: 0x0a0,
  EOI: 0x0b0,
  RRD: 0x0c0,
  LDR: 0x0d0,
  DFR: 0x0e0,
  SVR: 0x0f0,
  /** The first of eight each. */
  ISR: 0x100,
  TMR: 0x180,
  IRR: 0x200,
  ESR: 0x280,
  ICR_LOW: 0x300,
  ICR_HIGH: 0x310,
  LVT_TIMER: 0x320,
  LVT_THERMAL: 0x330,
  LVT_PERFORMANCE: 0x340,
  LVT_LINT0: 0x350,
  LVT_LINT1: 0x360,
  LVT_ERROR: 0x370,
  INITIAL_COUNT: 0x380,
  CURRENT_COUNT: 0x390,
  DIVIDE: 0x3e0,
  SELF_IPI: 0x3f0,
} as const;

/** Bytes of memory a local APIC answers, and of the part that has registers. */
export const LAPIC_BYTES = 0x1000;
export const LAPIC_PAGE_BYTES = 0x400;

/** Version 14h, six LVT entries, EOI broadcasts can be suppressed. [SDM] 11.4.8 */
export const LAPIC_VERSION = 0x14 | 5 << 16 | 1 << 24;

/** Model-specific registers. [SDM] vol. 4, table 2-2 */
export const LAPIC_MSR = {
  APIC_BASE: 0x1b,
  TSC_DEADLINE: 0x6e0,
  X2APIC_FIRST: 0x800,
  X2APIC_LAST: 0x83f,
} as const;

/** The MSR of the interrupt command register, 64 bits wide in x2APIC mode. [SDM] 11.12.9 */
export const MSR_ICR = 0x830;

/** IA32_APIC_BASE below its address. [SDM] 11.4.4, 11.12.1 */
export const APIC_BASE = { BSP: 1 << 8, X2APIC: 1 << 10, ENABLE: 1 << 11 } as const;

/** The address after reset. */
export const APIC_BASE_ADDRESS = 0xfee00000;

/** Spurious vector register; reset FFh. [SDM] 11.9 */
export const SVR = { VECTOR: 0xff, ENABLE: 1 << 8, SUPPRESS_EOI: 1 << 12 } as const;

/** Local vector table. [SDM] figure 11-8 */
export const LVT = {
  VECTOR: 0xff,
  DELIVERY: 7 << 8,
  STATUS: 1 << 12,
  ACTIVE_LOW: 1 << 13,
  REMOTE_IRR: 1 << 14,
  LEVEL: 1 << 15,
  MASKED: 1 << 16,
  TIMER_MODE: 3 << 17,
} as const;

/** Values of {@linkcode LVT}.TIMER_MODE; 3 is reserved. [SDM] 11.5.4 */
export const TIMER_MODE = { ONE_SHOT: 0, PERIODIC: 1, TSC_DEADLINE: 2 } as const;

/** Entries of the local vector table in the order of their registers. */
export const LVT_INDEX = { TIMER: 0, THERMAL: 1, PERFORMANCE: 2, LINT0: 3, LINT1: 4, ERROR: 5 } as const;
export const LVT_ENTRIES = 6;

const LVT_PIN_WRITABLE = LVT.VECTOR | LVT.DELIVERY | LVT.ACTIVE_LOW | LVT.LEVEL | LVT.MASKED;

/** Writable bits of each entry. [SDM] figure 11-8 */
export const LVT_WRITABLE: readonly number[] = [
  LVT.VECTOR | LVT.MASKED | LVT.TIMER_MODE,
  LVT.VECTOR | LVT.DELIVERY | LVT.MASKED,
  LVT.VECTOR | LVT.DELIVERY | LVT.MASKED,
  LVT_PIN_WRITABLE,
  LVT_PIN_WRITABLE,
  LVT.VECTOR | LVT.MASKED,
];

/** Interrupt command register, low word. [SDM] 11.6.1 */
export const ICR = {
  VECTOR: 0xff,
  DELIVERY: 7 << 8,
  LOGICAL: 1 << 11,
  ASSERT: 1 << 14,
  LEVEL: 1 << 15,
  SHORTHAND: 3 << 18,
} as const;

/** What a guest can write of it; delivery status reads as idle, since messages leave at once. */
export const ICR_WRITABLE = ICR.VECTOR | ICR.DELIVERY | ICR.LOGICAL | ICR.ASSERT | ICR.LEVEL | ICR.SHORTHAND;

/** Values of {@linkcode ICR}.SHORTHAND. [SDM] 11.6.1 */
export const SHORTHAND = { NONE: 0, SELF: 1, ALL: 2, OTHERS: 3 } as const;

/** Error status register. [SDM] 11.5.3 */
export const ESR = {
  SEND_ILLEGAL_VECTOR: 1 << 5,
  RECEIVE_ILLEGAL_VECTOR: 1 << 6,
  ILLEGAL_REGISTER: 1 << 7,
} as const;

/** Bits of the divide configuration register; bit 2 is reserved. [SDM] figure 11-10 */
export const DIVIDE_WRITABLE = 0x0b;

/** Vectors below this are illegal. [SDM] 11.5.2 */
export const FIRST_VECTOR = 16;

/** The LVT entry at a memory offset, -1 for none. */
export function lvtIndexOf(offset: number): number {
  const index = (offset - LAPIC_REG.LVT_TIMER) / 16;
  return index >= 0 && index < LVT_ENTRIES ? index : -1;
}

/** True for registers whose writes do nothing and are no error. */
export function isReadOnly(offset: number): boolean {
  return offset === LAPIC_REG.ID || offset === LAPIC_REG.VERSION || offset === LAPIC_REG.APR ||
    offset === LAPIC_REG.PPR || offset === LAPIC_REG.RRD || offset === LAPIC_REG.CURRENT_COUNT ||
    (offset >= LAPIC_REG.ISR && offset < LAPIC_REG.ESR);
}
