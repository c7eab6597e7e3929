/**
 * What a {@linkcode PvPanic} is made of.
 * @module
 */

import * as z from "zod/mini";
import { bits } from "../schema.ts";

/** Schema of the state of the panic port. */
export const PVPANIC_STATE = z.strictObject({
  /** All events so far, as the port's bits. */
  events: bits(3),
});

/** State of the panic port. */
export type PvPanicState = z.infer<typeof PVPANIC_STATE>;
