/**
 * What an {@linkcode ExitPort} is made of.
 * @module
 */

import * as z from "zod/mini";
import { bits } from "../schema.ts";

/** Schema of the state of the exit port. */
export const EXIT_PORT_STATE = z.strictObject({
  /** The last verdict, null before the first. */
  verdict: z.nullable(bits(32)),
});

/** State of the exit port. */
export type ExitPortState = z.infer<typeof EXIT_PORT_STATE>;
