/**
 * What a {@linkcode PostCode} is made of.
 * @module
 */

import * as z from "zod/mini";
import { bits, within } from "../schema.ts";

/** Codes kept. */
export const POST_CODES_KEPT = 32;

/** Schema of the state of port 80h and the spare page registers. */
export const POST_CODE_STATE = z.strictObject({
  /** The last codes, oldest first. */
  codes: z.array(bits(8)).check(z.maxLength(POST_CODES_KEPT)),
  /** All codes ever written. */
  total: within(0, Number.MAX_SAFE_INTEGER),
  /** The latches at 80h, 84h to 86h, 88h and 8Ch to 8Eh, in this order. */
  latches: z.array(bits(8)).check(z.length(8)),
}).check(z.refine(
  (state) => state.codes.length === Math.min(state.total, POST_CODES_KEPT),
  "the codes kept are all, or the last of them",
));

/** State of port 80h and the spare page registers. */
export type PostCodeState = z.infer<typeof POST_CODE_STATE>;
