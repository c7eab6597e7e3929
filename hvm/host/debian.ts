/**
 * The default guest: Debian's kernel and busybox, fetched once through the package manager and kept in the cache.
 *
 * A fetched package is a directory `NAME_VERSION` that appears by a rename when it is complete; a small record names the
 * packages of each choice (`cloud`, `cloud-6.12`, ...), so that a later run touches neither network nor apt. Processes
 * that fetch at the same time take turns by a lock on a file, which the system releases when its holder dies.
 * @module
 */

import { ConfigError, HostError } from "../base/errors.ts";
import { DebianFetch } from "./_debian_fetch.ts";
import { type DebianChoice, type DebianFlavour, type DebianGuest, readGuest } from "./_debian_files.ts";
import { type RunCommand, runCommand } from "./apt.ts";
import { cacheDirectory } from "./cache.ts";
import { Progress } from "./progress.ts";

export type { DebianChoice, DebianFlavour, DebianGuest, DebianKernel } from "./_debian_files.ts";

/** How {@linkcode debianGuest} does its work. */
export interface DebianOptions {
  /** The cache; {@linkcode cacheDirectory} by default. */
  readonly directory?: string;
  readonly progress?: Progress;
  /** Ends a fetch; nothing is left of it. */
  readonly signal?: AbortSignal;
  /** Runs commands; tests put their own here. */
  readonly run?: RunCommand;
}

const WAIT_NOTE_MS = 500;
const CHOICE_FORM = /^debian(?::(?:(\d+\.\d+)(?:-(cloud|generic))?|(cloud|generic)))?$/;

/**
 * Reads `debian`, `debian:6.12`, `debian:generic` or `debian:6.12-generic`.
 * @returns undefined when the text is something else, as a path.
 * @throws {ConfigError} when it starts with `debian:` and goes on otherwise.
 */
export function parseDebianChoice(text: string): DebianChoice | undefined {
  if (text !== "debian" && !text.startsWith("debian:")) return undefined;
  const match = CHOICE_FORM.exec(text);
  if (match === null) {
    throw new ConfigError(
      `Cannot understand the kernel ${
        JSON.stringify(text)
      }: write debian, debian:6.12 or debian:6.12-generic`,
      { path: "kernel" },
    );
  }
  const [, series, ofSeries, alone] = match;
  const flavour = (ofSeries ?? alone ?? "cloud") as DebianFlavour;
  return series === undefined ? { flavour } : { series, flavour };
}

/**
 * The files of a Debian kernel and busybox, fetched when the cache does not have them.
 * @throws {ConfigError} when the host has no apt or its sources have no such kernel.
 * @throws {HostError} when a package cannot be fetched, unpacked or kept.
 */
export async function debianGuest(choice: DebianChoice, options: DebianOptions = {}): Promise<DebianGuest> {
  const directory = `${options.directory ?? cacheDirectory()}/debian`;
  try {
    return await readGuest(directory, choice) ?? await fetchGuest(directory, choice, options);
  } catch (error) {
    if (!isFileTrouble(error)) throw error;
    throw new HostError(
      `Cannot keep the default guest in ${directory}: ${error.message}; ` +
        "set HVM_CACHE to a directory you may write, with half a gigabyte free",
      { operation: "fetch", errno: error.code, cause: error },
    );
  }
}

async function fetchGuest(
  directory: string,
  choice: DebianChoice,
  options: DebianOptions,
): Promise<DebianGuest> {
  const progress = options.progress ?? new Progress();
  using _lock = await lock(directory, progress);
  // Another process may have fetched it while this one waited.
  const found = await readGuest(directory, choice);
  if (found !== undefined) return found;
  const run = options.run ?? runCommand;
  await new DebianFetch({ directory, progress, run, signal: options.signal }).run(choice);
  const fetched = await readGuest(directory, choice);
  if (fetched !== undefined) return fetched;
  throw new HostError(`Cannot use the fetched kernel: files vanished from ${directory}`, {
    operation: "fetch",
  });
}

/** Takes the lock of the cache; disposing gives it back. */
async function lock(directory: string, progress: Progress): Promise<Deno.FsFile> {
  await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
  const file = await Deno.open(`${directory}/lock`, { write: true, create: true, mode: 0o600 });
  const note = setTimeout(() => progress.note("Waiting for another hvm that fetches packages"), WAIT_NOTE_MS);
  try {
    await file.lock(true);
  } finally {
    clearTimeout(note);
  }
  return file;
}

/** True for the errors of the file system, which Deno gives a code. */
function isFileTrouble(error: unknown): error is Error & { code: string } {
  return error instanceof Error && "code" in error && typeof error.code === "string";
}
