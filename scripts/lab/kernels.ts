/**
 * Debian's cloud kernels for the lab, taken from the package manager and kept in a cache.
 * @module
 */

import { run } from "../tools.ts";

/** An unpacked kernel package. */
export interface KernelPackage {
  /** The kernel image. */
  readonly image: string;
  /** The directory of its modules. */
  readonly modules: string;
}

/** The packages that always name the newest kernel of their line. */
const META_PACKAGES: Record<string, string> = {
  "6.1": "linux-image-cloud-amd64",
  "6.12": "linux-image-6.12-cloud-amd64",
};

/** The lines of kernels there are. */
export const KERNEL_LINES: readonly string[] = Object.keys(META_PACKAGES);

/**
 * Fetches and unpacks a kernel, once.
 *
 * @param line `6.1` or `6.12`.
 * @param cache the directory to keep it in.
 * @throws Error when there is no such package or it cannot be fetched.
 */
export async function kernelPackage(line: string, cache: string): Promise<KernelPackage> {
  const meta = META_PACKAGES[line];
  if (meta === undefined) {
    throw new Error(`There is no kernel ${line}; there are ${KERNEL_LINES.join(" and ")}`);
  }
  const depends = await run(["apt-cache", "depends", "--important", meta]);
  const name = depends.match(/Depends: (linux-image-\S+)/)?.[1];
  if (name === undefined) {
    throw new Error(
      `apt knows no package ${meta}: run apt-get update, on Debian 12 with security updates enabled`,
    );
  }
  const home = `${cache}/${name}`;
  if (!await isDirectory(home)) {
    const fresh = `${home}.${Deno.pid}.new`;
    await Deno.mkdir(fresh, { recursive: true });
    await run(["apt-get", "download", "-q", name], { cwd: fresh });
    for await (const { name: file } of Deno.readDir(fresh)) {
      if (file.endsWith(".deb")) await run(["dpkg-deb", "-x", `${fresh}/${file}`, `${fresh}/root`]);
    }
    await Deno.rename(`${fresh}/root`, home);
    await Deno.remove(fresh, { recursive: true });
  }
  const release = name.slice("linux-image-".length);
  return { image: `${home}/boot/vmlinuz-${release}`, modules: `${home}/lib/modules/${release}/kernel` };
}

/** The modules KVM needs, in the order they are inserted in; those that the kernel has built in are left out. */
export async function kvmModules(kernel: KernelPackage, vendor: "svm" | "vmx"): Promise<string[]> {
  const wanted = [
    "virt/lib/irqbypass.ko",
    ...(vendor === "svm" ? ["drivers/crypto/ccp/ccp.ko"] : []),
    "arch/x86/kvm/kvm.ko",
    `arch/x86/kvm/kvm-${vendor === "svm" ? "amd" : "intel"}.ko`,
  ];
  const found: string[] = [];
  for (const path of wanted) {
    try {
      await Deno.stat(`${kernel.modules}/${path}`);
      found.push(`${kernel.modules}/${path}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return found;
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch {
    return false;
  }
}
