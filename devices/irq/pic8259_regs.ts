/**
 * Names of the 8259A's command words and of the PIIX3's edge/level registers.
 *
 * Sources: [8259A] Intel 8259A data sheet, order 231468; [PIIX3] Intel 82371SB data sheet, order 290550.
 * @module
 */

/** Ports of one chip: address line A0. */
export const PIC_REG = { COMMAND: 0, DATA: 1 } as const;

/** First initialization word, written to A0 = 0. [8259A] figure 7; LTIM is replaced by ELCR on a PC [PIIX3] ICW1 */
export const ICW1 = { IC4: 1 << 0, SNGL: 1 << 1, LTIM: 1 << 3, INIT: 1 << 4 } as const;

/** Second initialization word: the vector base. [8259A] figure 7 */
export const ICW2 = { BASE: 0xf8 } as const;

/** Third initialization word of the secondary chip: its cascade identity. [8259A] figure 7 */
export const ICW3 = { ID: 0x07 } as const;

/** Fourth initialization word. [8259A] figure 7 */
export const ICW4 = { UPM: 1 << 0, AEOI: 1 << 1, MS: 1 << 2, BUF: 1 << 3, SFNM: 1 << 4 } as const;

/** Second operation word. [8259A] figure 8 */
export const OCW2 = { LEVEL: 0x07, COMMAND: 0xe0 } as const;

/** Values of {@linkcode OCW2}.COMMAND. [8259A] figure 8 */
export const OCW2_COMMAND = {
  ROTATE_IN_AEOI_CLEAR: 0,
  EOI: 1,
  NONE: 2,
  SPECIFIC_EOI: 3,
  ROTATE_IN_AEOI_SET: 4,
  ROTATE_ON_EOI: 5,
  SET_PRIORITY: 6,
  ROTATE_ON_SPECIFIC_EOI: 7,
} as const;

/** Third operation word; bit 3 tells it from the second. [8259A] figure 8 */
export const OCW3 = {
  RIS: 1 << 0,
  RR: 1 << 1,
  POLL: 1 << 2,
  SELECT: 1 << 3,
  SMM: 1 << 5,
  ESMM: 1 << 6,
} as const;

/** A poll's answer: bit 7 says that there was a request. [8259A] "Poll Command" */
export const POLL = { LEVEL: 0x07, REQUEST: 1 << 7 } as const;

/** Lines that ELCR can make level-triggered: not 0, 1, 2, 8 and 13. [PIIX3] ELCR1, ELCR2 */
export const ELCR_WRITABLE: readonly [number, number] = [0xf8, 0xde];
