/**
 * The start structure a PVH guest is given: hvm_start_info version 1, its module list and memory map.
 *
 * Sources: [PVH] Xen public/arch-x86/hvm/start_info.h.
 * @module
 */

import { addr64, struct, u32 } from "../hvm/base/layout.ts";
import type { MemoryMapEntry } from "./e820.ts";

/** `xEn3` with the top bit of the E set. [PVH] */
export const START_INFO_MAGIC = 0x336ec578;
const VERSION = 1;

const START_INFO = struct("hvm_start_info", {
  magic: u32,
  version: u32,
  flags: u32,
  nr_modules: u32,
  modlist_paddr: addr64,
  cmdline_paddr: addr64,
  rsdp_paddr: addr64,
  memmap_paddr: addr64,
  memmap_entries: u32,
  reserved: u32,
}, { size: 56 });

const MODULE = struct("hvm_modlist_entry", {
  paddr: addr64,
  size: addr64,
  cmdline_paddr: addr64,
  reserved: addr64,
}, { size: 32 });

const MEMORY_MAP = struct("hvm_memmap_table_entry", {
  addr: addr64,
  size: addr64,
  type: u32,
  reserved: u32,
}, { size: 24 });

/** A module in memory; command line address 0 for none. */
export interface StartModule {
  readonly base: number;
  readonly length: number;
  readonly commandLine: number;
}

/** What the structure tells; address 0 for what is not provided. */
export interface StartInfo {
  readonly modules: readonly StartModule[];
  readonly commandLine: number;
  readonly rsdp: number;
  readonly map: readonly MemoryMapEntry[];
}

/** Bytes the structure and its lists take. */
export function startInfoSize(info: StartInfo): number {
  return START_INFO.size + info.modules.length * MODULE.size + info.map.length * MEMORY_MAP.size;
}

/** The structure with both lists behind it, to be put at `base`. */
export function encodeStartInfo(info: StartInfo, base: number): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(startInfoSize(info));
  const modulesAt = START_INFO.size;
  const mapAt = modulesAt + info.modules.length * MODULE.size;
  result.set(START_INFO.encode({
    magic: START_INFO_MAGIC,
    version: VERSION,
    nr_modules: info.modules.length,
    modlist_paddr: info.modules.length === 0 ? 0 : base + modulesAt,
    cmdline_paddr: info.commandLine,
    rsdp_paddr: info.rsdp,
    memmap_paddr: base + mapAt,
    memmap_entries: info.map.length,
  }));
  info.modules.forEach((module, i) =>
    result.set(
      MODULE.encode({ paddr: module.base, size: module.length, cmdline_paddr: module.commandLine }),
      modulesAt + i * MODULE.size,
    )
  );
  info.map.forEach((entry, i) =>
    result.set(
      MEMORY_MAP.encode({ addr: entry.base, size: entry.length, type: entry.type }),
      mapAt + i * MEMORY_MAP.size,
    )
  );
  return result;
}
