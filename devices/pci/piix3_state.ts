/**
 * What a {@linkcode Piix3} is made of.
 * @module
 */

import * as z from "zod/mini";
import { bitsOf } from "../schema.ts";
import { CONFIG_STATE } from "./config_state.ts";

/** Schema of the state of the ISA bridge. */
export const PIIX3_STATE = z.strictObject({
  config: CONFIG_STATE,
  /** The reset control register at CF9h. */
  rc: bitsOf(0x06),
});

/** State of the ISA bridge. */
export type Piix3State = z.infer<typeof PIIX3_STATE>;
