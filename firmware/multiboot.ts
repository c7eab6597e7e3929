/**
 * Multiboot 1: the kernel, its modules and the information structure.
 *
 * Sources: [MB1] Multiboot Specification 0.6.96.
 * Deviates: there is no video mode to set, so header flag 2 is refused as the specification asks of such loaders.
 * @module
 */

import { FOUR_GIB, KIB, MIB } from "../hvm/base/addr.ts";
import { hex } from "../hvm/base/bits.ts";
import { ImageError } from "../hvm/base/errors.ts";
import { addr64, struct, u32 } from "../hvm/base/layout.ts";
import type { CpuState } from "../hvm/x86/state.ts";
import { concatenate } from "./bytes.ts";
import { EBDA_BASE, MEMORY_TYPE, type MemoryMapEntry } from "./e820.ts";
import { isElf, physicalEntry, readElf } from "./elf.ts";
import { multibootState } from "./entry.ts";
import { loadAnywhere, loadAt, loadCommandLine, loadModules, loadSegments, modulesOf } from "./load_parts.ts";
import { MULTIBOOT_FLAGS, type MultibootHeader } from "./multiboot_header.ts";
import type { LoadContext } from "./request.ts";

/** What EAX holds at entry. [MB1] 3.2 */
const BOOT_MAGIC = 0x2badb002;
const LOADER_NAME = "hvm";

/** Which members count. [MB1] 3.3 */
const INFO = {
  MEMORY: 1 << 0,
  COMMAND_LINE: 1 << 2,
  MODULES: 1 << 3,
  MEMORY_MAP: 1 << 6,
  LOADER_NAME: 1 << 9,
} as const;

const INFORMATION = struct("multiboot_info", {
  flags: u32,
  mem_lower: u32,
  mem_upper: u32,
  boot_device: u32,
  cmdline: u32,
  mods_count: u32,
  mods_addr: u32,
  syms_0: u32,
  syms_1: u32,
  syms_2: u32,
  syms_3: u32,
  mmap_length: u32,
  mmap_addr: u32,
  drives_length: u32,
  drives_addr: u32,
  config_table: u32,
  boot_loader_name: u32,
  apm_table: u32,
}, { size: 72 });

const MODULE = struct("multiboot_module", {
  mod_start: u32,
  mod_end: u32,
  string: u32,
  reserved: u32,
}, { size: 16 });

/** `size` does not count itself. [MB1] 3.3 */
const MAP_ENTRY = struct("multiboot_mmap_entry", {
  size: u32,
  base_addr: addr64,
  length: addr64,
  type: u32,
}, { packed: true, size: 24 });

/** Loads a multiboot kernel. */
export function loadMultiboot(context: LoadContext, file: Uint8Array, header: MultibootHeader): CpuState {
  const demands = header.flags & 0xffff & ~(MULTIBOOT_FLAGS.PAGE_ALIGN | MULTIBOOT_FLAGS.MEMORY_INFO);
  if (demands !== 0) {
    throw new ImageError(
      `The multiboot kernel demands what hvm does not have (header flags ${hex(demands)})`,
    );
  }
  const entry = loadKernel(context, file, header);
  if (entry >= FOUR_GIB) throw new ImageError("The multiboot kernel's entry lies above 4 GiB");
  return multibootState(entry, BOOT_MAGIC, loadInformation(context));
}

/** @returns the entry. [MB1] 3.1.3: the header's addresses count before those of an ELF header. */
function loadKernel(context: LoadContext, file: Uint8Array, header: MultibootHeader): number {
  const { addresses, at } = header;
  if (addresses === undefined) {
    if (!isElf(file)) throw new ImageError("The multiboot kernel has no load addresses and is not ELF");
    const elf = readElf(file);
    loadSegments(context, elf);
    return physicalEntry(elf);
  }
  const offset = at - (addresses.header - addresses.load);
  const length = addresses.loadEnd === 0 ? file.length - offset : addresses.loadEnd - addresses.load;
  const memorySize = addresses.bssEnd === 0 ? length : addresses.bssEnd - addresses.load;
  if (addresses.header < addresses.load || offset < 0 || length <= 0 || memorySize < length) {
    throw new ImageError("The multiboot kernel is damaged: its load addresses contradict each other");
  }
  if (offset + length > file.length) {
    throw new ImageError(
      `The multiboot kernel is truncated: it has ${file.length} of ${offset + length} bytes`,
    );
  }
  if (addresses.entry < addresses.load || addresses.entry >= addresses.load + memorySize) {
    throw new ImageError("The multiboot kernel is damaged: its entry is outside of what is loaded");
  }
  loadAt(context, "kernel", {
    base: addresses.load,
    content: file.subarray(offset, offset + length),
    memorySize,
  });
  return addresses.entry;
}

/** Puts modules, map, names and the structure into memory. @returns the structure's address. */
function loadInformation(context: LoadContext): number {
  const { map, request } = context;
  const modules = loadModules(context, modulesOf(context), FOUR_GIB - 1);
  const list = concatenate(
    modules.map((module) =>
      MODULE.encode({
        mod_start: module.base,
        mod_end: module.base + module.length,
        string: module.commandLine,
      })
    ),
  );
  const entries = concatenate(
    map.map(({ base, length, type }) =>
      MAP_ENTRY.encode({ size: MAP_ENTRY.size - 4, base_addr: base, length, type })
    ),
  );
  const commandLine = loadCommandLine(context, request.commandLine, MIB);
  const { lower, upper } = memoryKib(map);
  return loadAnywhere(
    context,
    "multiboot information",
    INFORMATION.encode({
      flags: INFO.MEMORY | INFO.MODULES | INFO.MEMORY_MAP | INFO.LOADER_NAME |
        (commandLine === 0 ? 0 : INFO.COMMAND_LINE),
      mem_lower: lower,
      mem_upper: upper,
      cmdline: commandLine,
      mods_count: modules.length,
      mods_addr: modules.length === 0 ? 0 : loadAnywhere(context, "module list", list),
      mmap_length: entries.length,
      mmap_addr: loadAnywhere(context, "memory map", entries),
      boot_loader_name: loadAnywhere(context, "loader name", new TextEncoder().encode(`${LOADER_NAME}\0`)),
    }),
  );
}

/** KiB from 0, at most 640, and from 1 MiB up to the first hole. [MB1] 3.3 */
function memoryKib(map: readonly MemoryMapEntry[]): { lower: number; upper: number } {
  const ram = (base: number) =>
    map.find((entry) => entry.type === MEMORY_TYPE.RAM && entry.base === base)?.length ?? 0;
  return {
    lower: Math.floor(Math.min(ram(0), EBDA_BASE) / KIB),
    upper: Math.floor(ram(MIB) / KIB),
  };
}
