/**
 * Kernel modules in a directory as a package unpacks it: the index files that `depmod` would write there.
 *
 * Packages carry modules but no index (it is made when a kernel is installed), and `depmod` is not on every host. What
 * it needs is in each module: section `.modinfo`, a list of `name=value` strings.
 *
 * Sources: [depmod] depmod(8); [modules.dep] modules.dep(5); [softdep] modprobe.d(5), "softdep"; [ELF] System V gABI 4.1,
 * chapter 4.
 * Deviates: dependencies come from `depends=`, which the kernel's build writes, not from a symbol search; no binary indexes.
 * @module
 */

/** File endings of modules, plain and compressed. */
const MODULE_FILE = /\.ko(\.xz|\.zst|\.gz)?$/;

/** The name by which the kernel knows a module: file name without endings, dashes as underscores. */
export function moduleName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1).replace(MODULE_FILE, "").replaceAll("-", "_");
}

/**
 * The strings of a module's `.modinfo`, by name.
 * @returns undefined when the bytes are not a 64-bit little-endian ELF object with that section.
 */
export function modinfo(bytes: Uint8Array): Map<string, string[]> | undefined {
  const section = elfSection(bytes, ".modinfo");
  if (section === undefined) return undefined;
  const result = new Map<string, string[]>();
  for (const text of new TextDecoder().decode(section).split("\0")) {
    const equals = text.indexOf("=");
    if (equals <= 0) continue;
    const name = text.slice(0, equals);
    result.set(name, [...result.get(name) ?? [], text.slice(equals + 1)]);
  }
  return result;
}

/**
 * Writes `modules.dep`, `modules.softdep` and `modules.alias` for the plain modules below `directory`. [depmod]
 * @param directory the directory of one kernel release
 * @returns the number of modules.
 */
export async function indexModules(directory: string): Promise<number> {
  const paths = (await listModules(directory, "")).sort();
  const pathOf = new Map(paths.map((path) => [moduleName(path), path]));
  const direct = new Map<string, string[]>();
  const aliases: string[] = [];
  const softdeps: string[] = [];
  for (const path of paths) {
    const info = modinfo(await Deno.readFile(`${directory}/${path}`));
    const name = moduleName(path);
    const depends = (info?.get("depends") ?? []).flatMap((list) => list.split(",")).map(moduleName);
    direct.set(name, depends.filter((one) => pathOf.has(one)));
    for (const alias of info?.get("alias") ?? []) aliases.push(`alias ${alias} ${name}`);
    for (const softdep of info?.get("softdep") ?? []) softdeps.push(`softdep ${name} ${softdep}`);
  }
  const dep = paths.map((path) => {
    // Each line lists what must be loaded before the module, the last to be loaded first. [modules.dep]
    const before = closure([moduleName(path)], (name) => direct.get(name) ?? []).slice(0, -1).reverse();
    return [`${path}:`, ...before.map((name) => pathOf.get(name) ?? "")].join(" ");
  });
  await writeLines(`${directory}/modules.alias`, aliases);
  await writeLines(`${directory}/modules.softdep`, softdeps);
  await writeLines(`${directory}/modules.dep`, dep);
  return paths.length;
}

/** `names` and all they need, needs first; a cycle is cut where it closes. */
function closure(names: readonly string[], needsOf: (name: string) => readonly string[]): string[] {
  const seen = new Set<string>();
  const result: string[] = [];
  const visit = (name: string): void => {
    if (seen.has(name)) return;
    seen.add(name);
    needsOf(name).forEach(visit);
    result.push(name);
  };
  names.forEach(visit);
  return result;
}

async function listModules(root: string, below: string): Promise<string[]> {
  const result: string[] = [];
  for await (const entry of Deno.readDir(`${root}/${below}`)) {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory) result.push(...await listModules(root, path));
    else if (entry.isFile && entry.name.endsWith(".ko")) result.push(path);
  }
  return result;
}

async function writeLines(path: string, lines: readonly string[]): Promise<void> {
  await Deno.writeTextFile(path, lines.map((line) => `${line}\n`).join(""));
}

/** ELF64 header and section header fields used here. [ELF] figures 4-3 and 4-8, in their 64-bit form */
const EHDR = { SHOFF: 0x28, SHENTSIZE: 0x3a, SHNUM: 0x3c, SHSTRNDX: 0x3e, SIZE: 0x40 } as const;
const SHDR = { NAME: 0x00, OFFSET: 0x18, LENGTH: 0x20, SIZE: 0x40 } as const;
const ELF64_LITTLE_ENDIAN = [0x7f, 0x45, 0x4c, 0x46, 2, 1];

function elfSection(bytes: Uint8Array, name: string): Uint8Array | undefined {
  if (bytes.length < EHDR.SIZE || ELF64_LITTLE_ENDIAN.some((byte, i) => bytes[i] !== byte)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const table = Number(view.getBigUint64(EHDR.SHOFF, true));
  const step = view.getUint16(EHDR.SHENTSIZE, true);
  const count = view.getUint16(EHDR.SHNUM, true);
  if (step < SHDR.SIZE || table + step * count > bytes.length) return undefined;
  const content = (index: number): Uint8Array => {
    const at = table + index * step;
    const offset = Number(view.getBigUint64(at + SHDR.OFFSET, true));
    return bytes.subarray(offset, offset + Number(view.getBigUint64(at + SHDR.LENGTH, true)));
  };
  const namesIndex = view.getUint16(EHDR.SHSTRNDX, true);
  if (namesIndex >= count) return undefined;
  const names = content(namesIndex);
  for (let index = 0; index < count; index++) {
    const start = view.getUint32(table + index * step + SHDR.NAME, true);
    const end = names.indexOf(0, start);
    if (end !== -1 && new TextDecoder().decode(names.subarray(start, end)) === name) return content(index);
  }
  return undefined;
}
