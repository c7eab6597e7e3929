/**
 * What a {@linkcode Uart16550} is made of, checked before it is loaded.
 * @module
 */

import * as z from "zod/mini";
import { bits, bitsOf, within } from "../schema.ts";

/** Schema of the state of a 16550A. */
export const UART_STATE = z.strictObject({
  ier: bits(4),
  /** FIFO control: enable, DMA mode, trigger level; the self-clearing bits are never set. */
  fcr: bitsOf(0xc9),
  lcr: bits(8),
  mcr: bits(5),
  scr: bits(8),
  dll: bits(8),
  dlm: bits(8),
  /** The byte the receiver buffer gives when it is empty: the last one read. */
  rbr: bits(8),
  /** Received characters, oldest first; bits 8 and up of each are its line status errors (PE, FE, BI as in LSR). */
  received: z.array(bitsOf(0x1cff)).check(z.maxLength(16)),
  /** The error bits of LSR not read yet: OE, PE, FE, BI. */
  errors: bitsOf(0x1e),
  /** Modem input pins as the upper half of MSR shows them: CTS, DSR, RI, DCD. */
  inputs: bitsOf(0xf0),
  /** The lower half of MSR: what changed since it was read. */
  deltas: bits(4),
  /** The transmitter became empty, or its interrupt was enabled, and IIR has not reported it. */
  emptyPending: z.boolean(),
  /** The character time-out has struck. */
  timedOut: z.boolean(),
  /** Reads of LSR in a row that found no input, with nothing sent in between; counted up to 8. */
  idlePolls: within(0, 8),
  /** Received characters since the guest looked at the receiver or its interrupt. */
  unseen: within(0, 16),
  /** Nanoseconds until the character time-out strikes; null when it is not counting. */
  timeoutNs: z.nullable(within(0, Number.MAX_SAFE_INTEGER)),
}).check(z.refine(
  (state) => (state.fcr & 1) !== 0 || (state.received.length <= 1 && state.timeoutNs === null),
  "without FIFOs there is one receive buffer and no time-out",
));

/** State of a 16550A. */
export type UartState = z.infer<typeof UART_STATE>;
