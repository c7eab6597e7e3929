/**
 * The default guest: Debian's kernel and busybox from the cache, with an initramfs made here.
 * @module
 */

import { buildInitramfs } from "../../firmware/initramfs.ts";
import { type KernelModule, moduleName, resolveModules, unpackModule } from "../../firmware/modules.ts";
import { type DebianChoice, debianGuest } from "../host/debian.ts";
import { readImageFile } from "../host/image_file.ts";
import type { Progress } from "../host/progress.ts";
import type { MachineConfig } from "./config.ts";
import { commandLineFor, type GuestFiles, unpackCached } from "./kernel_files.ts";
import { PORT } from "./layout.ts";

/** Kernel messages below errors are for those who ask: the console is the user's. */
const QUIET = "quiet";

/**
 * Reads the default guest's files, fetching them first when the cache has none.
 * @throws {ConfigError} {@linkcode HostError} when they cannot be had.
 */
export async function readDefaultGuest(
  config: MachineConfig,
  choice: DebianChoice,
  options: { progress: Progress; signal?: AbortSignal },
): Promise<GuestFiles> {
  const guest = await debianGuest(choice, options);
  const kernel = await unpackCached(await readImageFile(guest.kernel, "kernel"));
  const commandLine = commandLineFor(kernel, [QUIET, config.append].filter((part) => part !== "").join(" "));
  if (config.initrd !== undefined) {
    return { kernel, commandLine, modules: [], initrd: await readImageFile(config.initrd, "initrd") };
  }
  const initrd = buildInitramfs({
    busybox: await readImageFile(guest.busybox, "busybox"),
    modules: await readModules(guest.modulesDir, config.modules),
    statusPort: PORT.COMMAND_STATUS,
    ...(config.command.length > 0 ? { command: config.command } : {}),
  });
  return { kernel, commandLine, modules: [], initrd };
}

/** The named modules of a kernel with all they need, in the order in which they are loaded. */
async function readModules(directory: string, names: readonly string[]): Promise<KernelModule[]> {
  if (names.length === 0) return [];
  const text = async (name: string) =>
    new TextDecoder().decode(await readImageFile(`${directory}/${name}`, "module index"));
  const paths = resolveModules(names, await text("modules.dep"), await text("modules.builtin"));
  return await Promise.all(paths.map(async (path) => ({
    name: moduleName(path),
    bytes: await unpackModule(path, await readImageFile(`${directory}/${path}`, "kernel module")),
  })));
}
