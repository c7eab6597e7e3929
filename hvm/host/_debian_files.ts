/**
 * What the cache holds of the default guest and whether it is whole: nothing here fetches or changes anything.
 * @module
 */

/** Kernels for virtual machines, or those with drivers for all hardware. */
export type DebianFlavour = "cloud" | "generic";

/** Which of Debian's kernels. */
export interface DebianChoice {
  /** The first two numbers of its version, as `6.12`; absent: the one this Debian release has as its default. */
  readonly series?: string;
  readonly flavour: DebianFlavour;
}

/** A kernel package unpacked. */
export interface DebianKernel {
  /** The bzImage. */
  readonly kernel: string;
  /** What `uname -r` says, as `6.1.0-42-cloud-amd64`. */
  readonly release: string;
  /** The version of the package. */
  readonly version: string;
  /** Modules (`.ko`, not compressed) with `modules.dep`, `modules.alias`, `modules.softdep`. */
  readonly modulesDir: string;
}

/** A kernel and what goes with it, as files on the host. */
export interface DebianGuest extends DebianKernel {
  /** A static busybox. */
  readonly busybox: string;
}

/** What is kept of one choice: the directories of its packages. */
export interface ChoiceRecord {
  readonly kernel: string;
  readonly busybox: string;
}

/** What is kept of a kernel package beside its files. */
export interface KernelRecord {
  readonly release: string;
  readonly version: string;
  /** The directory of its modules, relative to the package's. */
  readonly modules: string;
  /** Size of the bzImage. */
  readonly bytes: number;
}

/** The file with the {@linkcode KernelRecord}, written last. */
export const KERNEL_RECORD = "kernel.json";

/** The file with the {@linkcode ChoiceRecord} of a choice. */
export function choiceFile({ series, flavour }: DebianChoice): string {
  return `${flavour}${series === undefined ? "" : `-${series}`}.json`;
}

/** The guest of a choice, when all its files are in the cache. */
export async function readGuest(directory: string, choice: DebianChoice): Promise<DebianGuest | undefined> {
  const record = await readJson<ChoiceRecord>(`${directory}/${choiceFile(choice)}`);
  if (record === undefined) return undefined;
  const kernel = await readKernel(`${directory}/${record.kernel}`);
  const busybox = await readBusybox(`${directory}/${record.busybox}`);
  return kernel === undefined || busybox === undefined ? undefined : { ...kernel, busybox };
}

/** The files of a kernel package in `root`; undefined when one is missing or cut short. */
export async function readKernel(root: string): Promise<DebianKernel | undefined> {
  const record = await readJson<KernelRecord>(`${root}/${KERNEL_RECORD}`);
  if (record === undefined) return undefined;
  const { release, version, modules, bytes } = record;
  const kernel = `${root}/boot/vmlinuz-${release}`;
  const modulesDir = `${root}/${modules}`;
  const whole = await fileSize(kernel) === bytes && await fileSize(`${modulesDir}/modules.dep`) !== undefined;
  return whole ? { kernel, release, version, modulesDir } : undefined;
}

/** The busybox of a package in `root`, in the places it has before and after Debian moved /bin below /usr. */
export async function readBusybox(root: string): Promise<string | undefined> {
  for (const path of [`${root}/bin/busybox`, `${root}/usr/bin/busybox`]) {
    if (await fileSize(path)) return path;
  }
  return undefined;
}

async function fileSize(path: string): Promise<number | undefined> {
  try {
    return (await Deno.stat(path)).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
