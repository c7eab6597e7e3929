/**
 * What {@linkcode ConfigPorts} are made of.
 * @module
 */

import * as z from "zod/mini";
import { bitsOf } from "../schema.ts";

/** Schema of the state of the configuration ports. */
export const CONFIG_PORTS_STATE = z.strictObject({
  /** The address register: enable, bus, device, function, register. */
  address: bitsOf(0x80fffffc),
});

/** State of the configuration ports. */
export type ConfigPortsState = z.infer<typeof CONFIG_PORTS_STATE>;
