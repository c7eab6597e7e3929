/**
 * Names of the 8254's registers and of port 61h.
 *
 * Sources: [8254] Intel 8254 data sheet, order 231164; [PIIX3] Intel 82371SB data sheet, order 290550, NMISC register.
 * @module
 */

/** Ports of the timer. [8254] table 1 */
export const PIT_REG = { COUNTER0: 0, COUNTER1: 1, COUNTER2: 2, CONTROL: 3 } as const;

/** The control word, and the status byte in its low six bits. [8254] "Control Word Format", "Read-Back Command" */
export const CONTROL = {
  BCD: 1 << 0,
  MODE: 7 << 1,
  ACCESS: 3 << 4,
  SELECT: 3 << 6,
} as const;

/** What a counter remembers of its control word. */
export const CONTROL_KEPT = CONTROL.BCD | CONTROL.MODE | CONTROL.ACCESS;

/** Values of {@linkcode CONTROL}.ACCESS. */
export const ACCESS = { LATCH: 0, LOW: 1, HIGH: 2, BOTH: 3 } as const;

/** The value of {@linkcode CONTROL}.SELECT that is the read-back command. [8254] "Read-Back Command" */
export const READ_BACK = 3;

/** The read-back command: both latch bits are active low. [8254] "Read-Back Command" */
export const READ_BACK_COMMAND = {
  COUNTER0: 1 << 1,
  NO_STATUS: 1 << 4,
  NO_COUNT: 1 << 5,
} as const;

/** The two upper bits of a latched status byte. [8254] "Read-Back Command" */
export const STATUS = { NULL_COUNT: 1 << 6, OUT: 1 << 7 } as const;

/** Port 61h. [PIIX3] NMISC, reset 00h */
export const NMISC = {
  GATE2: 1 << 0,
  SPEAKER: 1 << 1,
  SERR_DISABLE: 1 << 2,
  IOCHK_DISABLE: 1 << 3,
  REFRESH: 1 << 4,
  OUT2: 1 << 5,
  IOCHK: 1 << 6,
  SERR: 1 << 7,
} as const;

/** The bits of port 61h a guest can write. */
export const NMISC_WRITABLE = NMISC.GATE2 | NMISC.SPEAKER | NMISC.SERR_DISABLE | NMISC.IOCHK_DISABLE;
