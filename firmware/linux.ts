/**
 * Linux's own entries: an ELF kernel at its 64-bit or 32-bit entry, or a bzImage that unpacks itself.
 *
 * Sources: [BOOT] Linux Documentation/arch/x86/boot.rst, "32-bit boot protocol", "64-bit boot protocol".
 * @module
 */

import { FOUR_GIB, PAGE_SIZE } from "../hvm/base/addr.ts";
import { alignUp } from "../hvm/base/bits.ts";
import { ImageError } from "../hvm/base/errors.ts";
import type { CpuState } from "../hvm/x86/state.ts";
import { encodeBootParams } from "./boot_params.ts";
import { type BzImage, readSetupHeader, type SetupHeader } from "./bzimage.ts";
import { DEFAULT_COMMAND_LINE_LIMIT } from "./cmdline.ts";
import { type Elf, physicalEntry } from "./elf.ts";
import { linux32State, linux64State, placeGdt, placePageTables, placeStack } from "./entry.ts";
import { DEFAULT_INITRD_MAX } from "./initrd.ts";
import {
  loadAnywhere,
  loadAt,
  loadCommandLine,
  loadInitrd,
  loadSegments,
  refuseModules,
} from "./load_parts.ts";
import type { LoadContext } from "./request.ts";

/** Where the 64-bit entry of a bzImage lies in its protected-mode part. [BOOT] */
const ENTRY64_OFFSET = 0x200;

/** Loads an ELF kernel to be entered at its own entry: 64 or 32 bits as the file is. */
export function loadLinuxElf(context: LoadContext, elf: Elf): CpuState {
  const { kernel } = context.request;
  const setup = kernel instanceof Uint8Array ? undefined : kernel.setupHeader;
  const header = setup === undefined ? undefined : readSetupHeader(setup);
  loadSegments(context, elf);
  const highest = header?.initrdMax ?? DEFAULT_INITRD_MAX[elf.bits];
  return enter(context, {
    entry: physicalEntry(elf),
    long: elf.bits === 64,
    header,
    highest,
    loadAddress: 0,
  });
}

/**
 * Loads the protected-mode part of a bzImage.
 * @param long Enter it in 64-bit mode.
 */
export function loadBzImage(context: LoadContext, image: BzImage, long: boolean): CpuState {
  const { header, system } = image;
  if (long && !header.has64BitEntry) throw new ImageError("The kernel has no 64-bit entry");
  const base = header.relocatable
    ? alignUp(header.preferredAddress, Math.max(header.alignment, PAGE_SIZE))
    : header.version >= 0x20a
    ? header.preferredAddress
    : 0x100000;
  loadAt(context, "kernel", { base, content: system, memorySize: Math.max(header.initSize, system.length) });
  const entry = base + (long ? ENTRY64_OFFSET : 0);
  return enter(context, { entry, long, header, highest: header.initrdMax, loadAddress: base });
}

/** Everything but the kernel itself, and the state. */
function enter(context: LoadContext, options: {
  entry: number;
  long: boolean;
  header: SetupHeader | undefined;
  highest: number;
  loadAddress: number;
}): CpuState {
  const { entry, long, header, highest, loadAddress } = options;
  const { placement, memory, request, map } = context;
  if (entry >= FOUR_GIB) throw new ImageError("The kernel's entry lies above 4 GiB");
  refuseModules(context);
  const commandLineLimit = header?.commandLineLimit ?? DEFAULT_COMMAND_LINE_LIMIT;
  const page = encodeBootParams({
    setupHeader: header?.bytes,
    commandLine: loadCommandLine(context, request.commandLine, commandLineLimit),
    commandLineLimit,
    initrd: loadInitrd(context, highest),
    rsdp: request.rsdp ?? 0,
    map,
    loadAddress,
  });
  const tables = {
    bootParams: loadAnywhere(context, "boot parameters", page),
    gdt: placeGdt(placement, memory, { long }),
    stack: placeStack(placement),
  };
  return long
    ? linux64State(entry, { ...tables, pageTables: placePageTables(placement, memory) })
    : linux32State(entry, tables);
}
