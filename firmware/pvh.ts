/**
 * The PVH entry of an ELF kernel (the HVMlite ABI): found by its note, entered in 32-bit protected mode.
 *
 * Sources: [PVH] Xen docs/misc/pvh.pandoc and public/elfnote.h.
 * @module
 */

import { FOUR_GIB } from "../hvm/base/addr.ts";
import { ImageError } from "../hvm/base/errors.ts";
import { readSetupHeader } from "./bzimage.ts";
import type { Elf } from "./elf.ts";
import { pvhState } from "./entry.ts";
import { DEFAULT_INITRD_MAX } from "./initrd.ts";
import { loadCommandLine, loadModules, loadSegments, modulesOf } from "./load_parts.ts";
import type { LoadContext } from "./request.ts";
import { encodeStartInfo, startInfoSize } from "./start_info.ts";
import type { CpuState } from "../hvm/x86/state.ts";

/** XEN_ELFNOTE_PHYS32_ENTRY. [PVH] elfnote.h */
const PHYS32_ENTRY = 18;

/**
 * The 32-bit physical entry a kernel's note names; undefined when it has no such note.
 * @throws {ImageError} when the note is damaged.
 */
export function pvhEntry(elf: Elf): number | undefined {
  const note = elf.notes.find(({ owner, type }) => owner === "Xen" && type === PHYS32_ENTRY);
  if (note === undefined) return undefined;
  const { data } = note;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const entry = data.length === 4
    ? view.getUint32(0, true)
    : data.length === 8
    ? Number(view.getBigUint64(0, true))
    : -1;
  const inside = elf.segments.some((s) => entry >= s.address && entry < s.address + s.memorySize);
  if (!inside || entry >= FOUR_GIB) {
    throw new ImageError("The ELF file is damaged: its PVH entry is in none of its segments");
  }
  return entry;
}

/** Loads a kernel with its start info. @param entry As {@linkcode pvhEntry} gives it. */
export function loadPvh(context: LoadContext, elf: Elf, entry: number): CpuState {
  const { kernel, commandLine, rsdp = 0 } = context.request;
  const header = kernel instanceof Uint8Array || kernel.setupHeader === undefined
    ? undefined
    : readSetupHeader(kernel.setupHeader);
  loadSegments(context, elf);
  const info = {
    commandLine: loadCommandLine(context, commandLine, header?.commandLineLimit),
    modules: loadModules(context, modulesOf(context), header?.initrdMax ?? DEFAULT_INITRD_MAX[elf.bits]),
    rsdp,
    map: context.map,
  };
  const base = context.placement.place("start info", startInfoSize(info), { align: 8, below: FOUR_GIB });
  context.memory.load(base, encodeStartInfo(info, base));
  return pvhState(entry, base);
}
