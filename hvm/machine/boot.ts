/**
 * Puts a guest into memory: ACPI tables first, then the kernel and what belongs to it.
 *
 * A pure function over memory, run by the main thread before there is a processor, and again for every reset.
 * @module
 */

import { placeAcpi } from "../../acpi/mod.ts";
import { type LoadedGuest, loadGuest, MEMORY_TYPE } from "../../firmware/mod.ts";
import { ImageError } from "../base/errors.ts";
import type { GuestMemory } from "../base/memory.ts";
import type { BoardResources } from "../io/resources.ts";
import type { MachineConfig } from "./config.ts";
import type { GuestFiles } from "./kernel_files.ts";
import { ramLayout } from "./layout.ts";

/** Memory below this cannot hold the tables and structures of a PC, whatever the guest. */
const LEAST_BYTES = 1 << 20;

/**
 * Fills memory, which must be all zeros, and says how the first processor starts.
 * @throws {ImageError} when the guest does not fit or its image is damaged.
 * @throws {ConfigError} when command line or modules do not suit it.
 */
export function bootGuest(
  config: MachineConfig,
  files: GuestFiles,
  memory: GuestMemory,
  resources: BoardResources,
): LoadedGuest {
  const { lowBytes, highBytes } = ramLayout(config.memoryBytes);
  if (lowBytes < LEAST_BYTES) {
    throw new ImageError(
      "The guest does not fit: a PC has at least 1 MiB of memory; give it more with --memory",
    );
  }
  const acpi = config.acpi ? placeAcpi(memory, resources, { lowRamEnd: lowBytes }) : undefined;
  return loadGuest({
    kernel: files.kernel,
    commandLine: files.commandLine,
    ...(files.initrd === undefined ? {} : { initrd: files.initrd }),
    modules: files.modules,
    layout: {
      lowBytes,
      highBytes,
      reserved: acpi === undefined ? [] : [{ ...acpi.reserved, type: MEMORY_TYPE.RESERVED }],
    },
    ...(acpi === undefined ? {} : { rsdp: acpi.rsdp }),
    protocol: config.protocol,
    zeroed: true,
  }, memory);
}
