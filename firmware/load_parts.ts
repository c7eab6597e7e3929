/**
 * What the loaders of all protocols do: segments, command line, initrd and modules into memory.
 * @module
 */

import { FOUR_GIB, PAGE_SIZE } from "../hvm/base/addr.ts";
import { ConfigError } from "../hvm/base/errors.ts";
import { encodeCommandLine } from "./cmdline.ts";
import type { Elf } from "./elf.ts";
import { placeInitrd } from "./initrd.ts";
import type { GuestModule, LoadContext } from "./request.ts";

/** Something loaded: its address and length. */
export interface Loaded {
  readonly base: number;
  readonly length: number;
}

/**
 * Puts bytes at a fixed address and zeros behind them up to `memorySize`.
 * @throws {ImageError} when the place is not free RAM.
 */
export function loadAt(
  context: LoadContext,
  name: string,
  { base, content, memorySize }: { base: number; content: Uint8Array; memorySize: number },
): void {
  context.placement.claim(name, base, memorySize);
  context.memory.load(base, content);
  if (!context.request.zeroed) context.memory.fill(base + content.length, memorySize - content.length, 0);
}

/** Loads every segment of an ELF file. */
export function loadSegments(context: LoadContext, elf: Elf): void {
  for (const { address, content, memorySize } of elf.segments) {
    loadAt(context, "kernel", { base: address, content, memorySize });
  }
}

/** Puts bytes where there is room. @returns the address. */
export function loadAnywhere(context: LoadContext, name: string, content: Uint8Array): number {
  const base = context.placement.place(name, content.length, { below: FOUR_GIB });
  context.memory.load(base, content);
  return base;
}

/** Puts a zero-terminated command line into memory. @returns its address, or 0 for an empty one. */
export function loadCommandLine(context: LoadContext, text: string, limit?: number): number {
  if (text === "") return 0;
  return loadAnywhere(context, "command line", encodeCommandLine(text, limit));
}

/** Loads the initrd. @returns undefined when there is none. */
export function loadInitrd(context: LoadContext, highest: number): Loaded | undefined {
  const { initrd } = context.request;
  return initrd === undefined ? undefined : loadHigh(context, "initrd", initrd, highest);
}

/** The modules a PVH or multiboot guest gets: the initrd first. */
export function modulesOf(context: LoadContext): GuestModule[] {
  const { initrd, modules = [] } = context.request;
  return initrd === undefined ? [...modules] : [{ bytes: initrd }, ...modules];
}

/** Loads modules page-aligned, each with its command line. */
export function loadModules(
  context: LoadContext,
  modules: readonly GuestModule[],
  highest: number,
): (Loaded & { commandLine: number })[] {
  return modules.map((module, i) => ({
    ...loadHigh(
      context,
      i === 0 && context.request.initrd !== undefined ? "initrd" : "module",
      module.bytes,
      highest,
    ),
    commandLine: loadCommandLine(context, module.commandLine ?? "", PAGE_SIZE),
  }));
}

/** @throws {ConfigError} when modules were given to a protocol that has no place for them. */
export function refuseModules(context: LoadContext): void {
  if ((context.request.modules ?? []).length > 0) {
    throw new ConfigError("This kernel takes an initrd but no modules", { path: "modules" });
  }
}

function loadHigh(context: LoadContext, name: string, bytes: Uint8Array, highest: number): Loaded {
  const base = placeInitrd(context.placement, bytes.length, highest, name);
  context.memory.load(base, bytes);
  return { base, length: bytes.length };
}
