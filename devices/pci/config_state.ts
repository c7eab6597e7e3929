/**
 * The schema of a saved configuration space, of which every PCI function's state has one.
 * @module
 */

import * as z from "zod/mini";
import { hexOf } from "../schema.ts";

/** 256 bytes as hexadecimal digits. */
export const CONFIG_STATE: z.ZodMiniString = hexOf(256);

/** State of a function that has nothing but configuration registers. */
export const CONFIG_ONLY_STATE = z.strictObject({ config: CONFIG_STATE });

/** State of a function that has nothing but configuration registers. */
export type ConfigOnlyState = z.infer<typeof CONFIG_ONLY_STATE>;
