/**
 * Debian's kernels for the lab: fetched through hvm's own cache, and a copy of that cache for inside, where there is
 * no network.
 * @module
 */

import { cacheDirectory } from "../../hvm/host/cache.ts";
import { debianGuest, type DebianKernel } from "../../hvm/host/debian.ts";
import { moduleFiles } from "../../hvm/host/modules.ts";
import type { Tree } from "./image.ts";

/** The lines of kernels hvm knows by name. */
export const KERNEL_LINES: readonly string[] = ["6.1", "6.12"];

/** The modules KVM needs, as files in the order they are inserted in. */
export async function kvmModules(kernel: DebianKernel, vendor: "svm" | "vmx"): Promise<string[]> {
  const paths = await moduleFiles(kernel.modulesDir, [vendor === "svm" ? "kvm-amd" : "kvm-intel"]);
  return paths.map((path) => `${kernel.modulesDir}/${path}`);
}

/** The kernel the lab itself runs. */
export async function labKernel(): Promise<DebianKernel> {
  return await debianGuest({ series: "6.1", flavour: "cloud" });
}

/**
 * What of the cache the guests of these lines need, below `to`: records, kernels, busybox, and the index of the
 * modules but no module, since the default guest loads none by itself.
 */
export async function cacheTree(lines: readonly string[], to: string): Promise<Tree> {
  const cache = cacheDirectory();
  const tree: Tree = new Map();
  const add = (path: string) => tree.set(`${to}${path.slice(cache.length)}`, { from: path });
  for (const series of lines) {
    const { kernel, modulesDir, busybox } = await debianGuest({ series, flavour: "cloud" });
    const files = [kernel, busybox];
    for (const folder of [`${cache}/debian`, modulesDir, kernel.slice(0, kernel.lastIndexOf("/boot/"))]) {
      for await (const entry of Deno.readDir(folder)) {
        if (entry.isFile && /\.json$|^modules\./.test(entry.name)) files.push(`${folder}/${entry.name}`);
      }
    }
    for (const file of files) add(file);
  }
  return tree;
}
