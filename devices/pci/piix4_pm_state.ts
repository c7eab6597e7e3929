/**
 * What a {@linkcode Piix4Pm} is made of.
 * @module
 */

import * as z from "zod/mini";
import { bits, hexOf } from "../schema.ts";
import { PM_TIMER_STATE } from "../timer/pm_timer_state.ts";
import { CONFIG_STATE } from "./config_state.ts";

/** Schema of the state of the power management function. */
export const PIIX4_PM_STATE = z.strictObject({
  config: CONFIG_STATE,
  /** The 64 bytes of the power management block, without what the timer counts. */
  block: hexOf(64),
  timer: PM_TIMER_STATE,
  /** The command and status bytes of the SMI port pair. */
  apmc: bits(8),
  apms: bits(8),
});

/** State of the power management function. */
export type Piix4PmState = z.infer<typeof PIIX4_PM_STATE>;
