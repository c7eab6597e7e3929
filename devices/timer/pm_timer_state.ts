/**
 * What a {@linkcode PmTimer} is made of.
 * @module
 */

import * as z from "zod/mini";
import { within } from "../schema.ts";

/** Schema of the state of the power management timer. */
export const PM_TIMER_STATE = z.strictObject({
  /** Nanoseconds since the counter was 0 and had never toggled. */
  elapsedNs: within(0, Number.MAX_SAFE_INTEGER),
  /** How often the top bit had toggled since then when it was last looked at. */
  seen: within(0, Number.MAX_SAFE_INTEGER),
}).check(
  z.refine(({ seen, elapsedNs }) => seen <= elapsedNs, "more toggles were seen than there can have been"),
);

/** State of the power management timer. */
export type PmTimerState = z.infer<typeof PM_TIMER_STATE>;
