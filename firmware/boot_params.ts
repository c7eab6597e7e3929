/**
 * The zero page: what Linux's 32-bit and 64-bit entries are told.
 *
 * Sources: [BOOT] Linux Documentation/arch/x86/boot.rst; [ZERO] Documentation/arch/x86/zero-page.rst.
 * @module
 */

import { high32, low32, PAGE_SIZE } from "../hvm/base/addr.ts";
import { LOAD_FLAGS, SETUP } from "./bzimage.ts";
import type { MemoryMapEntry } from "./e820.ts";

/** Offsets outside of the setup header. [ZERO] */
const ZERO_PAGE = {
  RSDP: 0x070,
  RAMDISK_IMAGE_HIGH: 0x0c0,
  RAMDISK_SIZE_HIGH: 0x0c4,
  COMMAND_LINE_HIGH: 0x0c8,
  MAP_ENTRIES: 0x1e8,
  MAP: 0x2d0,
} as const;
const MAP_ENTRY_SIZE = 20;
/** Entries the page holds; a machine has a dozen. [ZERO] */
const MAP_LIMIT = 128;

const BOOT_FLAG = 0xaa55;
const HEADER_MAGIC = 0x53726448;
/** A loader without a number of its own. [BOOT] type_of_loader */
const LOADER_UNDEFINED = 0xff;
/** The version claimed for an ELF kernel that came without a header: the last one hvm knows of. */
const VERSION = 0x20f;
/** Linux's own default, CONFIG_PHYSICAL_ALIGN. */
const DEFAULT_ALIGNMENT = 0x200000;

/** What the page tells; address 0 for what is not provided. */
export interface BootParams {
  /** The beginning of the bzImage up to the end of its setup header, when there is one. */
  readonly setupHeader: Uint8Array | undefined;
  readonly commandLine: number;
  readonly commandLineLimit: number;
  readonly initrd: { readonly base: number; readonly length: number } | undefined;
  readonly rsdp: number;
  readonly map: readonly MemoryMapEntry[];
  /** Where a bzImage's protected-mode part was put; 0 otherwise. */
  readonly loadAddress: number;
}

/** The page. */
export function encodeBootParams(params: BootParams): Uint8Array<ArrayBuffer> {
  const page = new Uint8Array(PAGE_SIZE);
  const view = new DataView(page.buffer);
  if (params.setupHeader !== undefined) {
    page.set(params.setupHeader.subarray(SETUP.SETUP_SECTORS, SETUP.END), SETUP.SETUP_SECTORS);
  } else {
    view.setUint16(SETUP.BOOT_FLAG, BOOT_FLAG, true);
    view.setUint32(SETUP.MAGIC, HEADER_MAGIC, true);
    view.setUint16(SETUP.VERSION, VERSION, true);
    view.setUint8(SETUP.LOAD_FLAGS, LOAD_FLAGS.LOADED_HIGH);
    view.setUint32(SETUP.ALIGNMENT, DEFAULT_ALIGNMENT, true);
    view.setUint32(SETUP.COMMAND_LINE_SIZE, params.commandLineLimit, true);
  }
  view.setUint8(SETUP.LOADER_TYPE, LOADER_UNDEFINED);
  if (params.loadAddress !== 0) view.setUint32(SETUP.CODE32_START, params.loadAddress, true);
  view.setUint32(SETUP.COMMAND_LINE, low32(params.commandLine), true);
  view.setUint32(ZERO_PAGE.COMMAND_LINE_HIGH, high32(params.commandLine), true);
  if (params.initrd !== undefined) {
    view.setUint32(SETUP.RAMDISK_IMAGE, low32(params.initrd.base), true);
    view.setUint32(SETUP.RAMDISK_SIZE, low32(params.initrd.length), true);
    view.setUint32(ZERO_PAGE.RAMDISK_IMAGE_HIGH, high32(params.initrd.base), true);
    view.setUint32(ZERO_PAGE.RAMDISK_SIZE_HIGH, high32(params.initrd.length), true);
  }
  view.setBigUint64(ZERO_PAGE.RSDP, BigInt(params.rsdp), true);
  writeMap(view, params.map.slice(0, MAP_LIMIT));
  return page;
}

function writeMap(view: DataView, map: readonly MemoryMapEntry[]): void {
  view.setUint8(ZERO_PAGE.MAP_ENTRIES, map.length);
  map.forEach((entry, i) => {
    const at = ZERO_PAGE.MAP + i * MAP_ENTRY_SIZE;
    view.setBigUint64(at, BigInt(entry.base), true);
    view.setBigUint64(at + 8, BigInt(entry.length), true);
    view.setUint32(at + 16, entry.type, true);
  });
}
