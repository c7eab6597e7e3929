/**
 * The registers of a clock by number, for tests.
 * @module
 */

import type { Rtc } from "./rtc.ts";
import { RTC_PORT } from "./rtc_regs.ts";

/** Writes and reads bytes through the index port. */
export function rtcRegisters(rtc: Rtc) {
  const select = (reg: number) => rtc.ports.write(RTC_PORT.INDEX, 1, reg);
  return {
    put: (reg: number, value: number) => {
      select(reg);
      rtc.ports.write(RTC_PORT.DATA, 1, value);
    },
    get: (reg: number) => {
      select(reg);
      return rtc.ports.read(RTC_PORT.DATA, 1);
    },
  };
}
