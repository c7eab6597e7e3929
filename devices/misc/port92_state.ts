/**
 * What a {@linkcode Port92} is made of.
 * @module
 */

import * as z from "zod/mini";
import { bits } from "../schema.ts";

/** Schema of the state of system control port A. */
export const PORT92_STATE = z.strictObject({
  /** The register: INIT and A20. */
  value: bits(2),
});

/** State of system control port A. */
export type Port92State = z.infer<typeof PORT92_STATE>;
