/**
 * Fetches the default guest's packages into the cache: which package, from which lists, unpacked and completed.
 *
 * Sources: [linux-image] the package names of Debian's kernel team (kernel-team.pages.debian.net/kernel-handbook, ch. 4);
 * [policy] Debian Policy 4.7, 5.6.12 (versions).
 * @module
 */

import { MIB } from "../base/addr.ts";
import { ConfigError, HostError } from "../base/errors.ts";
import {
  choiceFile,
  type ChoiceRecord,
  type DebianChoice,
  KERNEL_RECORD,
  type KernelRecord,
  readBusybox,
  readKernel,
} from "./_debian_files.ts";
import { Apt, KERNEL_FILE_ADVICE, type PackageRecord, type RunCommand } from "./apt.ts";
import { indexModules } from "./modules.ts";
import type { Progress } from "./progress.ts";

const TEMPORARY_PREFIX = ".tmp-";
/** Files given to one `xz`: well below the shortest limit of a command line, few enough for a bar to move. */
const XZ_BATCH = 100;

/** One fetch; whoever makes one holds the lock of the cache. */
export class DebianFetch {
  readonly #directory: string;
  readonly #progress: Progress;
  readonly #run: RunCommand;
  readonly #signal: AbortSignal | undefined;
  readonly #apt: Apt;

  constructor(
    options: { directory: string; progress: Progress; run: RunCommand; signal: AbortSignal | undefined },
  ) {
    this.#directory = options.directory;
    this.#progress = options.progress;
    this.#run = options.run;
    this.#signal = options.signal;
    this.#apt = new Apt({ directory: `${this.#directory}/apt`, run: this.#run, signal: this.#signal });
  }

  /** Brings all packages of `choice` into the cache and writes down which they are. */
  async run(choice: DebianChoice): Promise<void> {
    await removeTemporaries(this.#directory);
    try {
      const record = await this.#withFreshLists(async () => ({
        kernel: await this.#kernel(await findKernel(this.#apt, choice)),
        busybox: await this.#busybox(),
      }));
      await this.#remember(choice, record);
    } finally {
      await removeTemporaries(this.#directory);
    }
  }

  /** Runs `fetch` with the host's lists, and once more with fresh ones of our own when those do not do. */
  async #withFreshLists<T>(fetch: () => Promise<T>): Promise<T> {
    try {
      return await fetch();
    } catch (error) {
      const lists = error instanceof NoPackage ||
        error instanceof HostError && error.operation === "apt-get download";
      if (!lists) throw error;
    }
    const step = this.#progress.step("Fetching package lists");
    const trouble = await this.#apt.update().finally(step.done);
    try {
      return await fetch();
    } catch (error) {
      if (!(error instanceof NoPackage)) throw error;
      const because = trouble === "" ? "" : ` (${trouble})`;
      throw new ConfigError(`${error.message}${because}; ${KERNEL_FILE_ADVICE}`, {
        path: "kernel",
        cause: error,
      });
    }
  }

  /** @returns the name of the kernel's directory. */
  #kernel(wanted: PackageRecord): Promise<string> {
    return this.#package(wanted, async (root) => await readKernel(root) !== undefined, async (root) => {
      const modules = await findModules(root);
      const release = modules.slice(modules.lastIndexOf("/") + 1);
      await this.#plainModules(`${root}/${modules}`);
      const step = this.#progress.step(`Indexing the modules of ${release}`);
      await indexModules(`${root}/${modules}`).finally(step.done);
      const { size } = await Deno.stat(`${root}/boot/vmlinuz-${release}`);
      const record: KernelRecord = { release, version: wanted.version, modules, bytes: size };
      await Deno.writeTextFile(`${root}/${KERNEL_RECORD}`, JSON.stringify(record));
    });
  }

  /** @returns the name of busybox's directory. */
  async #busybox(): Promise<string> {
    const whole = async (root: string) => await readBusybox(root) !== undefined;
    return await this.#package(await this.#candidate("busybox-static"), whole);
  }

  async #candidate(name: string): Promise<PackageRecord> {
    const found = await this.#apt.candidate(name);
    if (found === undefined) throw new NoPackage(`Cannot find the package ${name} in apt's sources`);
    return found;
  }

  /**
   * Fetches and unpacks a package unless it is there whole. Its directory is completed before it appears.
   * @returns the name of the directory.
   */
  async #package(
    wanted: PackageRecord,
    whole: (root: string) => Promise<boolean>,
    complete: (root: string) => Promise<void> = () => Promise.resolve(),
  ): Promise<string> {
    const name = `${wanted.name}_${wanted.version.replaceAll(":", "_")}`;
    const home = `${this.#directory}/${name}`;
    if (await whole(home)) return name;
    const temporary = await Deno.makeTempDir({ dir: this.#directory, prefix: TEMPORARY_PREFIX });
    const fetching = this.#progress.step(`Fetching ${wanted.name} (${(wanted.size / MIB).toFixed(1)} MiB)`);
    const file = await this.#apt.download(wanted, temporary, fetching.update).finally(fetching.done);
    const unpacking = this.#progress.step(`Unpacking ${wanted.name}`);
    const root = `${temporary}/root`;
    await this.#apt.unpack(file, root).finally(unpacking.done);
    await removeIfThere(`${root}/usr/share`);
    await complete(root);
    if (!await whole(root)) {
      throw new HostError(
        `Cannot use the package ${wanted.name} ${wanted.version}: files are missing in it`,
        {
          operation: "dpkg-deb --extract",
        },
      );
    }
    this.#signal?.throwIfAborted();
    // What is there is damaged, else it would have been taken.
    await removeIfThere(home);
    await Deno.rename(root, home);
    return name;
  }

  /** Replaces compressed modules by plain ones: an initramfs takes them as they are. */
  async #plainModules(modules: string): Promise<void> {
    const compressed = await listFiles(modules, ".ko.xz");
    if (compressed.length === 0) return;
    const xz = await this.#xz();
    const step = this.#progress.step(`Decompressing ${compressed.length} modules`);
    try {
      for (let at = 0; at < compressed.length; at += XZ_BATCH) {
        const { code, stderr } = await this.#command(xz, [
          "--decompress",
          "--",
          ...compressed.slice(at, at + XZ_BATCH),
        ]);
        if (code !== 0) {
          throw new HostError(`Cannot decompress modules: xz failed: ${stderr.trim()}`, { operation: "xz" });
        }
        step.update((at + XZ_BATCH) / compressed.length);
      }
    } finally {
      step.done();
    }
  }

  /** The host's `xz`, or that of a package fetched for it: its library is part of every Debian. */
  async #xz(): Promise<string> {
    try {
      await this.#command("xz", ["--version"]);
      return "xz";
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    const program = "usr/bin/xz";
    const name = await this.#package(
      await this.#candidate("xz-utils"),
      (root) => exists(`${root}/${program}`),
    );
    return `${this.#directory}/${name}/${program}`;
  }

  #command(command: string, args: string[]): ReturnType<RunCommand> {
    return this.#run(command, args, this.#signal === undefined ? {} : { signal: this.#signal });
  }

  /** Writes down what was chosen, for this choice and for the same kernel named by its series. */
  async #remember(choice: DebianChoice, record: ChoiceRecord): Promise<void> {
    const series = seriesOf(record.kernel);
    const choices = [choice, ...(series === undefined ? [] : [{ ...choice, series }])];
    for (const one of choices) {
      const temporary = `${this.#directory}/${TEMPORARY_PREFIX}${crypto.randomUUID()}`;
      await Deno.writeTextFile(temporary, JSON.stringify(record));
      await Deno.rename(temporary, `${this.#directory}/${choiceFile(one)}`);
    }
  }
}

/** The lists have no such package: fresh lists may. */
class NoPackage extends ConfigError {}

/** The package of the kernel itself, which the meta package of the choice depends on. [linux-image] */
async function findKernel(apt: Apt, { series, flavour }: DebianChoice): Promise<PackageRecord> {
  const suffix = flavour === "cloud" ? "cloud-amd64" : "amd64";
  const metas = series === undefined
    ? [`linux-image-${suffix}`]
    : [`linux-image-${series}-${suffix}`, `linux-image-${suffix}`];
  for (const meta of metas) {
    const depends = (await apt.candidate(meta))?.depends ?? [];
    const name = depends.find((one) => isKernelPackage(one, series, suffix));
    const found = name === undefined ? undefined : await apt.candidate(name);
    if (found !== undefined) return found;
  }
  if (series !== undefined) {
    // No meta package leads there: the newest of the series that the archive still has.
    const names = (await apt.names(`linux-image-${series}.`)).filter((one) =>
      isKernelPackage(one, series, suffix)
    );
    for (const name of names.sort(byNumbers).reverse()) {
      const found = await apt.candidate(name);
      if (found !== undefined) return found;
    }
  }
  throw new NoPackage(
    series === undefined
      ? `Cannot find the package linux-image-${suffix} in apt's sources`
      : `Cannot find a ${flavour} kernel ${series} of Debian in apt's sources`,
  );
}

/** True for names as `linux-image-6.1.0-42-cloud-amd64` and `linux-image-6.12.9+bpo-amd64`. [linux-image] */
function isKernelPackage(name: string, series: string | undefined, suffix: string): boolean {
  const prefix = series === undefined ? "linux-image-" : `linux-image-${series}.`;
  if (!name.startsWith(prefix) || !name.endsWith(`-${suffix}`)) return false;
  const middle = name.slice("linux-image-".length, -suffix.length - 1);
  return /^\d+\.\d+\.\d+(-\d+)?([+~][a-z0-9.+~]+)?$/.test(middle);
}

function seriesOf(kernelDirectory: string): string | undefined {
  return /^linux-image-(\d+\.\d+)\./.exec(kernelDirectory)?.[1];
}

/** Orders names by the numbers in them, as versions of one form are ordered. [policy] 5.6.12 */
function byNumbers(a: string, b: string): number {
  const left = a.match(/\d+/g) ?? [];
  const right = b.match(/\d+/g) ?? [];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = Number(left[i] ?? -1) - Number(right[i] ?? -1);
    if (difference !== 0) return difference;
  }
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Both places packages put modules: before and after Debian moved /lib below /usr. */
async function findModules(root: string): Promise<string> {
  for (const below of ["lib/modules", "usr/lib/modules"]) {
    if (!await exists(`${root}/${below}`)) continue;
    for await (const { name, isDirectory } of Deno.readDir(`${root}/${below}`)) {
      if (isDirectory) return `${below}/${name}`;
    }
  }
  throw new HostError("Cannot use the fetched kernel: its package has no modules", { operation: "stat" });
}

async function listFiles(directory: string, ending: string): Promise<string[]> {
  const result: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory) result.push(...await listFiles(path, ending));
    else if (name.endsWith(ending)) result.push(path);
  }
  return result;
}

/** Removes what an interrupted fetch left; the lock says that nobody else is fetching. */
async function removeTemporaries(directory: string): Promise<void> {
  for await (const { name } of Deno.readDir(directory)) {
    if (name.startsWith(TEMPORARY_PREFIX)) await removeIfThere(`${directory}/${name}`);
  }
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, (error) => {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  });
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
