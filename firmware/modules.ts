/**
 * Kernel modules: which ones a name stands for, what they need, and in which order they go in.
 *
 * Two ways to know what a module needs: depmod's modules.dep where it was run, or the module's own .modinfo section
 * (packages of kernels come without modules.dep).
 *
 * Sources: [DEP] modules.dep(5); [INFO] Linux include/linux/module.h and scripts/mod/modpost.c (.modinfo strings); [ELF]
 * System V ABI, gABI ch. 4.
 * @module
 */

import { ConfigError, ImageError } from "../hvm/base/errors.ts";
import { packingOf, unpack } from "./unpack/unpack.ts";

/** A module ready for insmod. */
export interface KernelModule {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The name a module file stands for: no directory, no suffix, `-` as `_`. */
export function moduleName(path: string): string {
  return path.replace(/^.*\//, "").replace(/\.ko(\.(xz|gz|zst|lzma))?$/, "").replaceAll("-", "_");
}

/** The names in a modules.builtin file. */
export function builtinModules(modulesBuiltin: string): Set<string> {
  return new Set(
    modulesBuiltin.split("\n").filter((line) => line.trim() !== "").map((line) => moduleName(line.trim())),
  );
}

/**
 * The module files to load for `names`, each after what it needs, none twice. What is built in is left out.
 * @param modulesDep The text of modules.dep.
 * @param modulesBuiltin The text of modules.builtin.
 * @throws {ConfigError} when there is no such module.
 */
export function resolveModules(
  names: readonly string[],
  modulesDep: string,
  modulesBuiltin: string,
): string[] {
  const files = new Map<string, { path: string; needs: string[] }>();
  for (const line of modulesDep.split("\n")) {
    const [path, needs] = line.split(":");
    if (path === undefined || needs === undefined || path.startsWith("#")) continue;
    files.set(moduleName(path), {
      path,
      needs: needs.split(/\s+/).filter((need) => need !== "").map(moduleName),
    });
  }
  const builtin = builtinModules(modulesBuiltin);
  const order = new Set<string>();
  const visit = (name: string, chain: readonly string[]): void => {
    if (builtin.has(name) || chain.includes(name)) return;
    const file = files.get(name);
    if (file === undefined) throw unknown(name, chain);
    if (order.has(file.path)) return;
    for (const need of file.needs.toReversed()) visit(need, [...chain, name]);
    order.add(file.path);
  };
  for (const name of names) visit(moduleName(name), []);
  return [...order];
}

/** Where modules come from when there is no modules.dep. */
export interface ModuleSource {
  /** Every module file there is. */
  readonly paths: readonly string[];
  /** The text of modules.builtin. */
  readonly builtin: string;
  read(path: string): Promise<Uint8Array>;
}

/**
 * The modules to load for `names`, unpacked, each after what it needs (soft dependencies included where they exist).
 * @throws {ConfigError} when there is no such module.
 * @throws {ImageError} when a module file is damaged.
 */
export async function collectModules(
  names: readonly string[],
  source: ModuleSource,
): Promise<KernelModule[]> {
  const paths = new Map(source.paths.map((path) => [moduleName(path), path]));
  const builtin = builtinModules(source.builtin);
  const order = new Map<string, KernelModule>();
  const visit = async (name: string, chain: readonly string[]): Promise<void> => {
    if (builtin.has(name) || order.has(name) || chain.includes(name)) return;
    const path = paths.get(name);
    if (path === undefined) throw unknown(name, chain);
    const bytes = await unpackModule(path, await source.read(path));
    const { depends, softDepends } = moduleNeeds(bytes, path);
    for (const need of depends) await visit(need, [...chain, name]);
    for (const need of softDepends) if (paths.has(need)) await visit(need, [...chain, name]);
    order.set(name, { name, bytes });
  };
  for (const name of names) await visit(moduleName(name), []);
  return [...order.values()];
}

function unknown(name: string, chain: readonly string[]): ConfigError {
  const why = chain.length === 0 ? "" : `, which ${chain.at(-1)} needs`;
  return new ConfigError(`This kernel has no module named ${name}${why}`, { path: "modules" });
}

/** The bytes of a module file, unpacked where they are packed. */
export async function unpackModule(path: string, bytes: Uint8Array): Promise<Uint8Array> {
  const packing = packingOf(bytes);
  if (packing === undefined) return bytes;
  try {
    return await unpack(packing, bytes);
  } catch (cause) {
    if (!(cause instanceof ImageError)) throw cause;
    throw new ImageError(`Cannot unpack the kernel module ${path}: ${cause.message}`, { cause });
  }
}

/** What a module's .modinfo section says it needs: by symbols, and softly before itself. [INFO] */
export function moduleNeeds(bytes: Uint8Array, path: string): { depends: string[]; softDepends: string[] } {
  const depends: string[] = [];
  const softDepends: string[] = [];
  for (const line of new TextDecoder("latin1").decode(modinfo(bytes, path)).split("\0")) {
    if (line.startsWith("depends=")) depends.push(...line.slice(8).split(",").filter((name) => name !== ""));
    const pre = /^softdep=.*?\bpre:([^:]*)(?:\bpost:|$)/.exec(line)?.[1];
    if (pre !== undefined) softDepends.push(...pre.split(/\s+/).filter((name) => name !== ""));
  }
  return { depends: depends.map(moduleName), softDepends: softDepends.map(moduleName) };
}

/** The .modinfo section of an ELF64 object. [ELF] */
function modinfo(bytes: Uint8Array, path: string): Uint8Array {
  const damaged = () => new ImageError(`The kernel module ${path} is damaged or not a module for x86-64`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (
    bytes.length < 64 || view.getUint32(0, false) !== 0x7f454c46 || bytes[4] !== 2 ||
    view.getUint16(18, true) !== 62
  ) {
    throw damaged();
  }
  const tableAt = Number(view.getBigUint64(40, true));
  const count = view.getUint16(60, true);
  const nameIndex = view.getUint16(62, true);
  if (view.getUint16(58, true) !== 64 || tableAt + count * 64 > bytes.length || nameIndex >= count) {
    throw damaged();
  }
  const section = (index: number): Uint8Array => {
    const at = tableAt + index * 64;
    const offset = Number(view.getBigUint64(at + 24, true));
    const size = Number(view.getBigUint64(at + 32, true));
    if (offset + size > bytes.length) throw damaged();
    return bytes.subarray(offset, offset + size);
  };
  const names = new TextDecoder("latin1").decode(section(nameIndex));
  for (let i = 0; i < count; i++) {
    const nameAt = view.getUint32(tableAt + i * 64, true);
    if (names.startsWith(".modinfo\0", nameAt)) return section(i);
  }
  throw damaged();
}
