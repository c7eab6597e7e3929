/**
 * What an {@linkcode IoApic} is made of, checked before it is loaded.
 * @module
 */

import * as z from "zod/mini";
import { bits, bitsOf } from "../schema.ts";
import { IOAPIC_PINS, REDIR, REDIR_WRITABLE } from "./ioapic_regs.ts";

/** Schema of the state of an IOAPIC. */
export const IOAPIC_STATE = z.strictObject({
  apicId: bits(4),
  /** The index of the register the window shows. */
  select: bits(8),
  /** Levels of the pins. */
  inputs: bits(IOAPIC_PINS),
  /** Redirection entries; the destination is the top byte of the high word. */
  redirections: z.array(z.strictObject({
    low: bitsOf(REDIR_WRITABLE | REDIR.REMOTE_IRR),
    destination: bits(8),
  })).check(z.length(IOAPIC_PINS)),
});

/** State of an IOAPIC. */
export type IoApicState = z.infer<typeof IOAPIC_STATE>;
