/**
 * Chooses the interrupt controllers of a machine.
 * @module
 */

import { type FabricOptions, type InterruptFabric, kernelFabric } from "./interrupts.ts";
import { ownFabric } from "./own_interrupts.ts";

/** Builds the controllers a mode asks for and attaches the registers of those that are hvm's. */
export function buildFabric(options: FabricOptions): InterruptFabric {
  return options.mode === "kernel" ? kernelFabric(options.kernel) : ownFabric(options);
}
