/**
 * What the MSI-X table of a function is made of; its capability registers are part of the configuration space.
 * @module
 */

import * as z from "zod/mini";
import { hexOf } from "../schema.ts";

/** Schema of the state of a table of `vectors` entries. */
export function msixState(vectors: number) {
  return z.strictObject({
    /** Address, upper address, data and control of each vector. */
    table: hexOf(vectors * 16),
    /** A bit for each vector that waits to be unmasked. */
    pending: hexOf(Math.ceil(vectors / 64) * 8),
  });
}

/** State of an MSI-X table. */
export type MsixState = z.infer<ReturnType<typeof msixState>>;
