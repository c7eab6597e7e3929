/**
 * What a {@linkcode DebugConsole} is made of: nothing that changes.
 * @module
 */

import * as z from "zod/mini";

/** Schema of the state of a debug console. */
export const DEBUGCON_STATE = z.strictObject({});

/** State of a debug console. */
export type DebugconState = z.infer<typeof DEBUGCON_STATE>;
