/**
 * Names of the IOAPIC's registers and redirection entry bits.
 *
 * Sources: [IOAPIC] Intel 82093AA data sheet, order 290566, chapter 3; [ICH2] Intel 82801BA data sheet, order 290687
 * (version 20h and its EOI register).
 * @module
 */

/** Memory offsets. [IOAPIC] 3.1; EOI [ICH2] 9.5.5 */
export const IOAPIC_MMIO = { SELECT: 0x00, WINDOW: 0x10, EOI: 0x40 } as const;

/** Indices of what the window shows. [IOAPIC] 3.2 */
export const IOAPIC_REG = { ID: 0x00, VERSION: 0x01, ARBITRATION: 0x02, REDIRECTION: 0x10 } as const;

/** Pins, and redirection entries. */
export const IOAPIC_PINS = 24;

/** Version 20h: there is an EOI register. */
export const IOAPIC_VERSION = 0x20 | (IOAPIC_PINS - 1) << 16;

/** Where the identification stands in ID and ARBITRATION. [IOAPIC] 3.2.1, 3.2.3 */
export const IOAPIC_ID = 0x0f << 24;

/** The low word of a redirection entry. [IOAPIC] 3.2.4 */
export const REDIR = {
  VECTOR: 0xff,
  DELIVERY: 7 << 8,
  LOGICAL: 1 << 11,
  /** Delivery status, read only; messages leave at once here, so it always reads as idle. */
  STATUS: 1 << 12,
  ACTIVE_LOW: 1 << 13,
  /** Read only. */
  REMOTE_IRR: 1 << 14,
  LEVEL: 1 << 15,
  MASKED: 1 << 16,
} as const;

/** The bits of the low word a guest can write. */
export const REDIR_WRITABLE = REDIR.VECTOR | REDIR.DELIVERY | REDIR.LOGICAL | REDIR.ACTIVE_LOW | REDIR.LEVEL |
  REDIR.MASKED;
