/**
 * The initramfs of the host lab: busybox, the hvm executable with the libraries it needs, the KVM modules of the
 * lab's kernel, guest kernels and the checks to run. Built as a directory first, packed once.
 * @module
 */

import { run } from "../tools.ts";

/** Files of an initramfs: path inside, then where the bytes come from or the bytes themselves. */
export type Tree = Map<string, { from: string } | { text: string } | { bytes: Uint8Array }>;

/** Where Debian's statically linked busybox is. */
const BUSYBOX = "/bin/busybox";

/** Where hvm's cache is inside. */
export const CACHE_INSIDE = "cache";

/** The lines every /init here starts with. */
const INIT_START = `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp /root
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox --install -s /bin
export PATH=/bin
`;

/** The guest hvm boots in the lab: a shell on the console, nothing else. */
export function guestTree(): Tree {
  return new Map([
    ["bin/busybox", { from: BUSYBOX }],
    ["init", { text: `${INIT_START}export HOME=/root\ncd /root\nexec setsid cttyhack sh\n` }],
  ]);
}

/** What the lab's own system holds. */
export interface LabContents {
  /** The executable under test. */
  readonly hvm: string;
  /** Kernel modules to insert, in order. */
  readonly modules: readonly string[];
  /** The shell script that runs the checks. */
  readonly script: string;
  /** Further files. */
  readonly files: Tree;
}

/** The lab's system: its init loads KVM, runs the script, and powers off whatever the script does. */
export async function labTree(contents: LabContents): Promise<Tree> {
  const names = contents.modules.map((path) => path.slice(path.lastIndexOf("/") + 1));
  const tree: Tree = new Map(contents.files);
  tree.set("bin/busybox", { from: BUSYBOX });
  tree.set("bin/hvm", { from: contents.hvm });
  for (const library of await librariesOf(contents.hvm)) tree.set(library.slice(1), { from: library });
  for (const [index, path] of contents.modules.entries()) tree.set(`modules/${names[index]}`, { from: path });
  tree.set("lab.sh", { text: contents.script });
  tree.set("init", {
    text: `${INIT_START}mount -t tmpfs tmpfs /tmp
export HOME=/tmp HVM_CACHE=/${CACHE_INSIDE}
cd /tmp
ifconfig lo 127.0.0.1 up
${names.map((name) => `insmod /modules/${name}`).join("\n")}
sh /lab.sh
# Setting a terminal's modes waits until all output has left it.
stty -F /dev/ttyS0 sane
poweroff -f
`,
  });
  return tree;
}

/** The shared libraries, the loader among them, that a program is linked with. */
async function librariesOf(program: string): Promise<string[]> {
  const lines = (await run(["ldd", program])).split("\n");
  return lines.flatMap((line) => line.match(/(?:=> |^\s*)(\/\S+) \(0x/)?.[1] ?? []);
}

/**
 * Packs a tree as a newc archive.
 *
 * @param tree the files.
 * @param output the archive to write.
 */
export async function packTree(tree: Tree, output: string): Promise<void> {
  const root = await Deno.makeTempDir({ prefix: "hvm-tree-" });
  try {
    for (const [path, content] of tree) {
      const target = `${root}/${path}`;
      await Deno.mkdir(target.slice(0, target.lastIndexOf("/")), { recursive: true });
      if ("from" in content) await Deno.copyFile(content.from, target);
      else if ("text" in content) await Deno.writeTextFile(target, content.text);
      else await Deno.writeFile(target, content.bytes);
      await Deno.chmod(target, 0o755);
    }
    const pack = `cd "$1" && find . | cpio --quiet -o -H newc -R 0:0 > "$2"`;
    await run(["sh", "-c", pack, "sh", root, output]);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}
