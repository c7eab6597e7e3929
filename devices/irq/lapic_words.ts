/**
 * The part of a local APIC that other threads may touch: interrupt request, in-service and trigger mode bits, what is
 * needed to tell whether a message is meant for it, and a mailbox for events that have no vector.
 *
 * All of it is words of one Int32Array, which may lie in shared memory. Any thread may match and accept messages; only
 * the processor's own thread changes the rest. Bits are set and taken by Atomics.
 *
 * Sources: [SDM] Intel SDM vol. 3A, chapter 11.
 * Deviates: SMI is taken and dropped; there is no system management mode.
 * @module
 */

import { DELIVERY, type InterruptMessage } from "../../hvm/io/msi.ts";
import { type ESR, FIRST_VECTOR, LAPIC_REG } from "./lapic_regs.ts";
import type { LapicState } from "./lapic_state.ts";

/** How many words a local APIC needs. */
export const LAPIC_WORDS = 32;

/** Words by index; the first three are of eight words each. */
export const WORD = {
  IRR: 0,
  ISR: 8,
  TMR: 16,
  /** A set of {@linkcode APIC_EVENT} bits. */
  EVENTS: 24,
  /** The vector of the last start-up message. */
  SIPI_VECTOR: 25,
  ID: 26,
  LDR: 27,
  DFR: 28,
  /** A set of {@linkcode APIC_MODE} bits. */
  MODE: 29,
  /** The processor priority register. */
  PRIORITY: 30,
  /** Errors since the error status register was last written. */
  ERRORS: 31,
} as const;

/** The word of a register of ISR, TMR or IRR at its memory offset. */
export function wordOf(offset: number): number {
  if (offset >= LAPIC_REG.IRR) return WORD.IRR + (offset - LAPIC_REG.IRR) / 16;
  if (offset >= LAPIC_REG.TMR) return WORD.TMR + (offset - LAPIC_REG.TMR) / 16;
  return WORD.ISR + (offset - LAPIC_REG.ISR) / 16;
}

/** Events without a vector. */
export const APIC_EVENT = { NMI: 1 << 0, INIT: 1 << 1, STARTUP: 1 << 2, EXT_INT: 1 << 3 } as const;

/** State that decides whether messages are taken. */
export const APIC_MODE = { ENABLED: 1 << 0, X2APIC: 1 << 1, SOFTWARE_ENABLED: 1 << 2 } as const;

/** What became of a message. */
export const ACCEPTED = { NO: 0, YES: 1, ILLEGAL_VECTOR: 2 } as const;

/** A message whose destination may be 32 bits wide, as x2APIC's are; 8 bits where `wide` is absent. */
export interface ApicMessage extends InterruptMessage {
  readonly wide?: boolean;
}

/** Sets the bit of a vector in one of the three registers. */
export function setVector(words: Int32Array, register: number, vector: number): void {
  Atomics.or(words, register + (vector >> 5), 1 << (vector & 31));
}

/** Clears the bit of a vector. */
export function clearVector(words: Int32Array, register: number, vector: number): void {
  Atomics.and(words, register + (vector >> 5), ~(1 << (vector & 31)));
}

/** The bit of a vector. */
export function hasVector(words: Int32Array, register: number, vector: number): boolean {
  return (Atomics.load(words, register + (vector >> 5)) & 1 << (vector & 31)) !== 0;
}

/**
 * The highest vector whose bit is set, -1 for none.
 *
 * Plain reads, ten times as fast as atomic ones: whoever sets a bit from another thread wakes this one after it, which
 * then looks again.
 */
export function highestVector(words: Int32Array, register: number): number {
  for (let i = 7; i >= 0; i--) {
    const bits = words[register + i]!;
    if (bits !== 0) return i * 32 + 31 - Math.clz32(bits);
  }
  return -1;
}

/**
 * True when the destination of a message names this APIC. Shorthands are not looked at. All ones is everybody, in both
 * destination modes. [SDM] 11.6.2, 11.12.10
 */
export function matchesDestination(words: Int32Array, message: ApicMessage): boolean {
  const mode = Atomics.load(words, WORD.MODE);
  if ((mode & APIC_MODE.ENABLED) === 0) return false;
  const { destination } = message;
  if (destination === (message.wide === true ? 0xffffffff : 0xff)) return true;
  const x2apic = (mode & APIC_MODE.X2APIC) !== 0;
  if (!message.logical) {
    const id = Atomics.load(words, WORD.ID) >>> 0;
    return destination === (x2apic ? id : id & 0xff);
  }
  const ldr = Atomics.load(words, WORD.LDR);
  if (x2apic) return (destination ^ ldr) >>> 16 === 0 && (destination & ldr & 0xffff) !== 0;
  if (destination > 0xff) return false;
  const logicalId = ldr >>> 24;
  switch (Atomics.load(words, WORD.DFR) >>> 28) {
    case 0xf:
      return (destination & logicalId) !== 0;
    case 0:
      return destination >> 4 === logicalId >> 4 && (destination & logicalId & 0xf) !== 0;
    default:
      return false;
  }
}

/** Takes a message that is meant for this APIC. [SDM] 11.8 @returns one of {@linkcode ACCEPTED}. */
export function acceptMessage(words: Int32Array, message: InterruptMessage): number {
  // De-assertion of a level says nothing: an INIT ends by itself, the rest is withdrawn at its source.
  if (message.level && !message.asserted) return ACCEPTED.NO;
  switch (message.delivery) {
    case DELIVERY.FIXED:
    case DELIVERY.LOWEST_PRIORITY:
      return acceptVector(words, message.vector, message.level);
    case DELIVERY.NMI:
      return acceptEvent(words, APIC_EVENT.NMI);
    case DELIVERY.INIT:
      Atomics.and(words, WORD.EVENTS, ~APIC_EVENT.STARTUP);
      return acceptEvent(words, APIC_EVENT.INIT);
    case DELIVERY.STARTUP:
      Atomics.store(words, WORD.SIPI_VECTOR, message.vector);
      return acceptEvent(words, APIC_EVENT.STARTUP);
    case DELIVERY.EXT_INT:
      if (!softwareEnabled(words)) return ACCEPTED.NO;
      return acceptEvent(words, APIC_EVENT.EXT_INT);
    default:
      return ACCEPTED.NO;
  }
}

/** Takes a vector into IRR, with its trigger mode into TMR. [SDM] 11.8.4 @returns one of {@linkcode ACCEPTED}. */
export function acceptVector(words: Int32Array, vector: number, level: boolean): number {
  if (!softwareEnabled(words)) return ACCEPTED.NO;
  if (vector < FIRST_VECTOR) return ACCEPTED.ILLEGAL_VECTOR;
  if (level) setVector(words, WORD.TMR, vector);
  else clearVector(words, WORD.TMR, vector);
  setVector(words, WORD.IRR, vector);
  return ACCEPTED.YES;
}

/** Notes an error for the error status register. @returns true when it is the first since that was written. */
export function noteError(words: Int32Array, error: typeof ESR[keyof typeof ESR]): boolean {
  return Atomics.or(words, WORD.ERRORS, error) === 0;
}

/** Takes an event away. @returns true when it was there. */
export function takeEvent(words: Int32Array, event: number): boolean {
  return (Atomics.and(words, WORD.EVENTS, ~event) & event) !== 0;
}

/** Takes an event into the mailbox. @returns ACCEPTED.YES. */
export function acceptEvent(words: Int32Array, event: number): number {
  Atomics.or(words, WORD.EVENTS, event);
  return ACCEPTED.YES;
}

/** Enabled as a whole and by SVR: only then are vectors taken. [SDM] 11.4.7.2 */
function softwareEnabled(words: Int32Array): boolean {
  return (Atomics.load(words, WORD.MODE) & APIC_MODE.SOFTWARE_ENABLED) !== 0;
}

/** What the words hold of a state. */
export type WordsState = Pick<
  LapicState,
  "irr" | "isr" | "tmr" | "errors" | "nmiPending" | "initPending" | "extIntPending" | "sipiVector"
>;

/** The words as state. */
export function saveWords(words: Int32Array): WordsState {
  const register = (first: number) =>
    Array.from({ length: 8 }, (_, i) => Atomics.load(words, first + i) >>> 0);
  const events = Atomics.load(words, WORD.EVENTS);
  return {
    irr: register(WORD.IRR),
    isr: register(WORD.ISR),
    tmr: register(WORD.TMR),
    errors: Atomics.load(words, WORD.ERRORS),
    nmiPending: (events & APIC_EVENT.NMI) !== 0,
    initPending: (events & APIC_EVENT.INIT) !== 0,
    extIntPending: (events & APIC_EVENT.EXT_INT) !== 0,
    sipiVector: (events & APIC_EVENT.STARTUP) !== 0 ? Atomics.load(words, WORD.SIPI_VECTOR) : -1,
  };
}

/** Puts a state into the words. */
export function loadWords(words: Int32Array, state: WordsState): void {
  for (let i = 0; i < 8; i++) {
    Atomics.store(words, WORD.IRR + i, state.irr[i]!);
    Atomics.store(words, WORD.ISR + i, state.isr[i]!);
    Atomics.store(words, WORD.TMR + i, state.tmr[i]!);
  }
  Atomics.store(words, WORD.ERRORS, state.errors);
  Atomics.store(words, WORD.SIPI_VECTOR, Math.max(0, state.sipiVector));
  const events = (state.nmiPending ? APIC_EVENT.NMI : 0) | (state.initPending ? APIC_EVENT.INIT : 0) |
    (state.extIntPending ? APIC_EVENT.EXT_INT : 0) | (state.sipiVector >= 0 ? APIC_EVENT.STARTUP : 0);
  Atomics.store(words, WORD.EVENTS, events);
}
