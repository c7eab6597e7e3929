/**
 * What an {@linkcode Rtc} is made of, checked before it is loaded.
 * @module
 */

import * as z from "zod/mini";
import { bits, hexOf, within } from "../schema.ts";
import { RTC_A, RTC_C, RTC_D, RTC_REG } from "./rtc_regs.ts";

/** Schema of the state of a MC146818 on a PC. */
export const RTC_STATE = z.strictObject({
  /** The selected byte of each bank. */
  index: bits(7),
  extendedIndex: bits(7),
  nmiDisabled: z.boolean(),
  /**
   * The 128 bytes of the first bank. The time bytes are those of update number `anchorUpdate`; UIP and IRQF, which are
   * worked out, are clear.
   */
  ram: hexOf(128),
  /** The 128 bytes of the second bank. */
  extended: hexOf(128),
  /** When the divider was last released: seconds since 1970 by the host's calendar, and nanoseconds. */
  dividerSeconds: z.int(),
  dividerNs: within(0, 999_999_999),
  /** Updates since then that registers have been told of; the time bytes in `ram` are those after the last. */
  anchorUpdate: z.int(),
}).check(z.refine((state) => {
  const byte = (index: number) => parseInt(state.ram.slice(2 * index, 2 * index + 2), 16);
  return (byte(RTC_REG.A) & RTC_A.UIP) === 0 &&
    (byte(RTC_REG.C) & ~(RTC_C.UF | RTC_C.AF | RTC_C.PF)) === 0 && byte(RTC_REG.D) === RTC_D.VRT;
}, "registers A, C and D hold bits they cannot have"));

/** State of a MC146818. */
export type RtcState = z.infer<typeof RTC_STATE>;
