/**
 * The initramfs of the host lab: hvm's own default guest, with the hvm executable and the libraries it needs, the KVM
 * modules of the lab's kernel, guest kernels and the checks to run put in.
 * @module
 */

import { buildInitramfs, type GuestFile } from "../../firmware/initramfs.ts";
import { moduleName, resolveModules } from "../../firmware/modules.ts";
import { cacheDirectory } from "../../hvm/host/cache.ts";
import { type DebianGuest, debianGuest } from "../../hvm/host/debian.ts";
import { run } from "../tools.ts";

/** The lines of kernels hvm knows by name. */
export const KERNEL_LINES: readonly string[] = ["6.1", "6.12"];

/** Where hvm's cache is inside. */
const CACHE = "cache";

/** What the lab's own system holds. */
export interface LabContents {
  /** The kernel it runs, and the busybox. */
  readonly host: DebianGuest;
  readonly vendor: "svm" | "vmx";
  /** The executable under test. */
  readonly hvm: string;
  /** The shell script that runs the checks. */
  readonly script: string;
  /** Further files. */
  readonly files: readonly GuestFile[];
}

/** The kernel the lab runs, fetched where the cache does not have it. */
export async function labHost(): Promise<DebianGuest> {
  return await debianGuest({ series: "6.1", flavour: "cloud" });
}

/** The initrd given to kernels that are files: a shell on the console. */
export async function shellInitrd(host: DebianGuest): Promise<Uint8Array> {
  return buildInitramfs({ busybox: await Deno.readFile(host.busybox) });
}

/** The lab's system: its init loads KVM, runs the script, and powers off whatever the script does. */
export async function labInitramfs(contents: LabContents): Promise<Uint8Array> {
  const { host, vendor, hvm, script, files } = contents;
  const libraries = (await librariesOf(hvm)).map((path) => fileFrom(path, path, 0o755));
  const [dep, builtin] = await Promise.all(
    ["dep", "builtin"].map((name) => Deno.readTextFile(`${host.modulesDir}/modules.${name}`)),
  );
  const modules = resolveModules([vendor === "svm" ? "kvm-amd" : "kvm-intel"], dep ?? "", builtin ?? "");
  return buildInitramfs({
    busybox: await Deno.readFile(host.busybox),
    modules: await Promise.all(modules.map(async (path) => ({
      name: moduleName(path),
      bytes: await Deno.readFile(`${host.modulesDir}/${path}`),
    }))),
    command: ["sh", "/lab.sh"],
    files: [
      await fileFrom("bin/hvm", hvm, 0o755),
      ...await Promise.all(libraries),
      ...files,
      { name: "lab.sh", bytes: new TextEncoder().encode(`${LAB_START}${script}${LAB_END}`) },
    ],
  });
}

const LAB_START = `export HOME=/tmp HVM_CACHE=/${CACHE}\ncd /tmp\n`;
/** Setting a terminal's modes waits until all output has left it. */
const LAB_END = "\nstty -F /dev/ttyS0 sane\n";

/**
 * What of hvm's cache the guests of these lines need, since there is no network inside: records, kernels, busybox, and
 * the index of the modules but no module, since the default guest loads none by itself.
 */
export async function cacheFiles(lines: readonly string[]): Promise<GuestFile[]> {
  const cache = cacheDirectory();
  const paths = new Set<string>();
  for (const series of lines) {
    const { kernel, modulesDir, busybox } = await debianGuest({ series, flavour: "cloud" });
    paths.add(kernel).add(busybox);
    for (const folder of [`${cache}/debian`, modulesDir, kernel.slice(0, kernel.lastIndexOf("/boot/"))]) {
      for await (const { name, isFile } of Deno.readDir(folder)) {
        if (isFile && /\.json$|^modules\./.test(name)) paths.add(`${folder}/${name}`);
      }
    }
  }
  return await Promise.all(
    [...paths].map((path) => fileFrom(`${CACHE}${path.slice(cache.length)}`, path, 0o755)),
  );
}

/** A file of this machine, under another name. */
export async function fileFrom(name: string, path: string, mode = 0o644): Promise<GuestFile> {
  return { name, mode, bytes: await Deno.readFile(path) };
}

/** The shared libraries, the loader among them, that a program is linked with. */
async function librariesOf(program: string): Promise<string[]> {
  const lines = (await run(["ldd", program])).split("\n");
  return lines.flatMap((line) => line.match(/(?:=> |^\s*)(\/\S+) \(0x/)?.[1] ?? []);
}
