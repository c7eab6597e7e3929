/**
 * What a {@linkcode Lapic} is made of, checked before it is loaded.
 *
 * Times are relative to the moment of saving, so a state may be loaded on a clock that shows something else.
 * @module
 */

import * as z from "zod/mini";
import { bits, bitsOf, within } from "../schema.ts";
import {
  APIC_BASE,
  DIVIDE_WRITABLE,
  ICR_WRITABLE,
  LVT,
  LVT_ENTRIES,
  LVT_WRITABLE,
  SVR,
} from "./lapic_regs.ts";

/** 256 bits, one a vector, lowest first; vectors 0 to 15 cannot be set. */
const VECTORS = z.array(bits(32)).check(
  z.length(8),
  z.refine((words) => (words[0]! & 0xffff) === 0, "a vector below 16 is set"),
);

/** Schema of the timer. */
const LAPIC_TIMER_STATE = z.strictObject({
  initialCount: bits(32),
  /** 0 when it is not counting. */
  currentCount: bits(32),
  /** Nanoseconds since the current count began. */
  phaseNs: within(0, Number.MAX_SAFE_INTEGER),
  divide: bitsOf(DIVIDE_WRITABLE),
  /** The halves of IA32_TSC_DEADLINE. */
  deadlineLow: bits(32),
  deadlineHigh: bits(32),
}).check(z.refine((timer) => timer.currentCount <= timer.initialCount, "the count is above where it began"));

/** Schema of the state of a local APIC. */
export const LAPIC_STATE = z.strictObject({
  /** IA32_APIC_BASE. */
  apicBase: within(0, 2 ** 52 - 1),
  irr: VECTORS,
  isr: VECTORS,
  tmr: VECTORS,
  tpr: bits(8),
  /** As written in xAPIC mode; that of x2APIC mode follows from the identification. */
  ldr: bitsOf(0xff000000),
  /** The model, the top four bits; the others read as ones. */
  dfr: bits(4),
  svr: bitsOf(SVR.VECTOR | SVR.ENABLE | SVR.SUPPRESS_EOI),
  esr: bits(8),
  /** Errors since ESR was last written. */
  errors: bits(8),
  icrLow: bitsOf(ICR_WRITABLE),
  icrHigh: bits(32),
  /** Timer, thermal, performance, LINT0, LINT1, error. */
  lvt: z.array(bits(32)).check(
    z.length(LVT_ENTRIES),
    z.refine(
      (lvt) => lvt.every((entry, i) => (entry & ~(LVT_WRITABLE[i]! | LVT.REMOTE_IRR)) === 0),
      "an LVT entry has reserved bits set",
    ),
  ),
  timer: LAPIC_TIMER_STATE,
  /** Levels of the LINT pins. */
  lint0: z.boolean(),
  lint1: z.boolean(),
  nmiPending: z.boolean(),
  initPending: z.boolean(),
  /** An interrupt of the PIC was asked for by a message. */
  extIntPending: z.boolean(),
  /** The vector of a start-up message that waits, -1 for none. */
  sipiVector: within(-1, 255),
  waitingForSipi: z.boolean(),
}).check(z.refine((state) => {
  const flags = state.apicBase % 0x1000;
  return (flags & ~(APIC_BASE.BSP | APIC_BASE.X2APIC | APIC_BASE.ENABLE)) === 0 &&
    (flags & (APIC_BASE.X2APIC | APIC_BASE.ENABLE)) !== APIC_BASE.X2APIC;
}, "IA32_APIC_BASE holds flags it cannot have"));

/** State of the timer. */
export type LapicTimerState = z.infer<typeof LAPIC_TIMER_STATE>;

/** State of a local APIC. */
export type LapicState = z.infer<typeof LAPIC_STATE>;
