/**
 * Sees to it that the programs a task needs are installed: Debian's packages, by apt-get when this is root.
 * @module
 */

import { fail, hasProgram, pass, say } from "./tools.ts";

/** What a task may need. */
export type Need = "test" | "svm" | "vmx" | "bench";

/** Programs by the Debian package they come in; a path where the package has no program of its own. */
const PACKAGES: Record<Need, Record<string, string>> = {
  test: {
    iasl: "acpica-tools",
    gcc: "gcc",
    "/usr/include/stdio.h": "libc6-dev",
    "/usr/include/linux/kvm.h": "linux-libc-dev",
    busybox: "busybox-static",
  },
  svm: { "qemu-system-x86_64": "qemu-system-x86", ldd: "libc-bin" },
  vmx: {
    bochs: "bochs",
    "/usr/share/bochs/BIOS-bochs-latest": "bochsbios",
    "/usr/share/bochs/VGABIOS-lgpl-latest": "vgabios",
    "grub-mkrescue": "grub-common",
    "/usr/lib/grub/i386-pc/moddep.lst": "grub-pc-bin",
    xorriso: "xorriso",
    mformat: "mtools",
  },
  bench: { gcc: "gcc", "/usr/include/stdio.h": "libc6-dev", "qemu-system-x86_64": "qemu-system-x86" },
};

/**
 * Installs what is missing.
 *
 * @throws Error with one sentence that says what to install when this cannot be done here.
 */
export async function ensurePrograms(...needs: Need[]): Promise<void> {
  const missing = missingPackages(...needs);
  if (missing.length === 0) return;
  const words = missing.join(" ");
  if (!hasProgram("apt-get")) {
    throw new Error(`Please install what Debian calls ${words}: there is no apt-get here`);
  }
  if (Deno.uid() !== 0) throw new Error(`Please run as root: apt-get install ${words}`);
  say(`Installing Debian packages: ${words}`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  await pass(["apt-get", "update", "-q"], { env });
  const status = await pass(["apt-get", "install", "-q", "-y", "--no-install-recommends", ...missing], {
    env,
  });
  if (status !== 0) throw new Error(`apt-get could not install ${words}: its own words are above`);
}

/** The packages of which something is not there. */
export function missingPackages(...needs: Need[]): string[] {
  const wanted = needs.flatMap((need) => Object.entries(PACKAGES[need]));
  return [...new Set(wanted.filter(([thing]) => !isThere(thing)).map(([, name]) => name))];
}

function isThere(thing: string): boolean {
  if (!thing.startsWith("/")) return hasProgram(thing);
  try {
    Deno.statSync(thing);
    return true;
  } catch {
    return false;
  }
}

if (import.meta.main) {
  const unknown = Deno.args.find((need) => !(need in PACKAGES));
  if (unknown !== undefined) fail(`There is nothing called ${unknown} to prepare for`);
  try {
    await ensurePrograms(...Deno.args as Need[]);
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error));
  }
}
