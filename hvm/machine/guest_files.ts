/**
 * Everything a guest is made of, read and unpacked before a machine exists: kernel, initrd, modules, command line.
 *
 * None of it depends on the engine, so it is read while the processor's thread starts; a reset loads the same bytes
 * again.
 * @module
 */

import { readImageFile } from "../host/image_file.ts";
import type { Progress } from "../host/progress.ts";
import type { MachineConfig } from "./config.ts";
import { commandLineFor, type GuestFiles, unpackCached } from "./kernel_files.ts";

/**
 * Reads what the configuration names.
 * @throws {ImageError} for files that are missing, damaged or no kernel.
 * @throws {ConfigError} {@linkcode HostError} when the default guest cannot be had.
 */
export async function readGuestFiles(
  config: MachineConfig,
  options: { progress: Progress; signal?: AbortSignal },
): Promise<GuestFiles> {
  if (config.kernel.kind === "debian") {
    const { readDefaultGuest } = await import("./default_guest.ts");
    return await readDefaultGuest(config, config.kernel.choice, options);
  }
  const file = await readImageFile(config.kernel.path, "kernel");
  const kernel = config.protocol === "flat" ? file : await unpackCached(file, config.protocol);
  const modules = [];
  for (const module of config.bootModules) {
    const bytes = await readImageFile(module.file, "module");
    modules.push({ bytes, commandLine: module.text });
  }
  const initrd = config.initrd === undefined ? {} : { initrd: await readImageFile(config.initrd, "initrd") };
  return { kernel, ...initrd, modules, commandLine: commandLineFor(kernel, config.append) };
}
