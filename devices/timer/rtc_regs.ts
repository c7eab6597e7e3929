/**
 * Names of the MC146818's registers and bits.
 *
 * Sources: [146818] Motorola MC146818A data sheet; [PCAT] IBM PC AT Technical Reference, real-time clock (CMOS bytes);
 * [PIIX3] Intel 82371SB data sheet, order 290550 (ports 70h and 72h).
 * @module
 */

/** Bytes of the clock by index. [146818] figure 15 ("Address Map"); CENTURY is the PC's own. [PCAT] */
export const RTC_REG = {
  SECONDS: 0x00,
  SECONDS_ALARM: 0x01,
  MINUTES: 0x02,
  MINUTES_ALARM: 0x03,
  HOURS: 0x04,
  HOURS_ALARM: 0x05,
  DAY_OF_WEEK: 0x06,
  DAY: 0x07,
  MONTH: 0x08,
  YEAR: 0x09,
  A: 0x0a,
  B: 0x0b,
  C: 0x0c,
  D: 0x0d,
  CENTURY: 0x32,
} as const;

/** Register A. [146818] "Register A" */
export const RTC_A = { RS: 0x0f, DV: 0x70, UIP: 1 << 7 } as const;

/** Values of {@linkcode RTC_A}.DV: the PC's crystal, and the lower of the two that hold the divider in reset. */
export const DIVIDER = { RUN_32K: 2, RESET: 6 } as const;

/** Register B. [146818] "Register B" */
export const RTC_B = {
  DSE: 1 << 0,
  H24: 1 << 1,
  DM: 1 << 2,
  SQWE: 1 << 3,
  UIE: 1 << 4,
  AIE: 1 << 5,
  PIE: 1 << 6,
  SET: 1 << 7,
} as const;

/** Register C; reading clears it. The flags have the places of their enables in B. [146818] "Register C" */
export const RTC_C = { UF: 1 << 4, AF: 1 << 5, PF: 1 << 6, IRQF: 1 << 7 } as const;

/** Register D: the RAM and time are valid. [146818] "Register D" */
export const RTC_D = { VRT: 1 << 7 } as const;

/** Ports of each bank; bit 7 of the first bank's index disables NMI. [PIIX3] */
export const RTC_PORT = { INDEX: 0, DATA: 1 } as const;
export const INDEX_NMI_DISABLE = 1 << 7;
