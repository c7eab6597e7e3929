/**
 * What a {@linkcode FwCfg} is made of.
 * @module
 */

import * as z from "zod/mini";
import { bits } from "../schema.ts";

/** Schema of the state of the firmware configuration device. */
export const FW_CFG_STATE = z.strictObject({
  /** The key selected. */
  selector: bits(16),
  /** How far the selected item has been read. */
  offset: bits(32),
  /** The upper half of the DMA descriptor's address, waiting for the lower. */
  dmaHigh: bits(32),
  /** What the guest may write: the content of items by key, as hexadecimal digits. */
  written: z.record(z.string().check(z.regex(/^\d+$/)), z.string().check(z.regex(/^([0-9a-f]{2})*$/))),
});

/** State of the firmware configuration device. */
export type FwCfgState = z.infer<typeof FW_CFG_STATE>;
