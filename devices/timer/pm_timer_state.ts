/**
 * What a {@linkcode PmTimer} is made of.
 * @module
 */

import * as z from "zod/mini";
import { within } from "../schema.ts";

/** Schema of the state of the power management timer. */
export const PM_TIMER_STATE = z.strictObject({
  /** How often the top bit had toggled, since the machine was built, when it was last looked at. */
  seen: within(0, Number.MAX_SAFE_INTEGER),
});

/** State of the power management timer. */
export type PmTimerState = z.infer<typeof PM_TIMER_STATE>;
