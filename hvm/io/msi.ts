/**
 * Message-signalled interrupts: what an address and a data word mean on x86.
 *
 * Sources: [SDM] Intel SDM vol. 3A, 11.11 (message address and data register formats).
 * @module
 */

/** How an interrupt message is delivered; the values are the ICR's and the IOAPIC's too. [SDM] 11.11.2 */
export const DELIVERY = {
  FIXED: 0,
  LOWEST_PRIORITY: 1,
  SMI: 2,
  NMI: 4,
  INIT: 5,
  STARTUP: 6,
  EXT_INT: 7,
} as const;

/** An interrupt message, whoever sends it: MSI, IOAPIC pin or inter-processor interrupt. */
export interface InterruptMessage {
  readonly vector: number;
  /** One of {@linkcode DELIVERY}. */
  readonly delivery: number;
  readonly destination: number;
  /** `destination` is a logical set rather than one APIC id. */
  readonly logical: boolean;
  readonly level: boolean;
  /** For level-triggered messages: asserted or not. Edge messages are always asserted. */
  readonly asserted: boolean;
}

/** Takes interrupt messages: the local APICs, ours or KVM's. */
export type MessageSink = (message: InterruptMessage) => void;

/** True when a write to `address` is an interrupt message and not a memory write. [SDM] 11.11.1 */
export function isMsiAddress(address: number): boolean {
  return Math.floor(address / 0x100000) === 0xfee;
}

/** Reads an address and data pair. [SDM] 11.11.1, 11.11.2 */
export function decodeMsi(address: number, data: number): InterruptMessage {
  return {
    vector: data & 0xff,
    delivery: data >>> 8 & 7,
    destination: address >>> 12 & 0xff,
    // The destination mode bit counts only with the redirection hint; KVM and hardware take it alone as well.
    logical: (address & 1 << 2) !== 0,
    level: (data & 1 << 15) !== 0,
    asserted: (data & 1 << 15) === 0 || (data & 1 << 14) !== 0,
  };
}

/** The address and data pair of a message: what KVM_SIGNAL_MSI takes. The destination must fit 8 bits. */
export function encodeMsi(message: InterruptMessage): { address: number; data: number } {
  const address = 0xfee00000 + message.destination * 0x1000 + (message.logical ? 1 << 2 : 0);
  const data = message.vector | message.delivery << 8 |
    (message.asserted ? 1 << 14 : 0) | (message.level ? 1 << 15 : 0);
  return { address, data };
}
