/**
 * The memory map given to guests: RAM as the machine has it, less what is reserved.
 *
 * All protocols carry the same entries and the same type numbers: e820, the PVH memory map, and multiboot.
 *
 * Sources: [ACPI] 6.5, 15 (INT 15h E820h, table 15.1); [PVH] Xen public/arch-x86/hvm/start_info.h.
 * @module
 */

import { FOUR_GIB, KIB, MIB } from "../hvm/base/addr.ts";

/** Address range types. [ACPI] table 15.1 */
export const MEMORY_TYPE = { RAM: 1, RESERVED: 2, ACPI: 3, NVS: 4, UNUSABLE: 5 } as const;
export type MemoryType = typeof MEMORY_TYPE[keyof typeof MEMORY_TYPE];

/** One range of the map. */
export interface MemoryMapEntry {
  readonly base: number;
  readonly length: number;
  readonly type: MemoryType;
}

/** The machine's RAM, and what is not to be used of the address space. */
export interface MemoryLayout {
  /** RAM from address 0 on, up to the hole below 4 GiB. */
  readonly lowBytes: number;
  /** RAM from 4 GiB on. */
  readonly highBytes: number;
  /** Ranges the guest must leave alone beyond those of every PC: ACPI tables, windows of devices. */
  readonly reserved?: readonly MemoryMapEntry[];
}

/** Where the extended BIOS data area begins: 1 KiB below 640 KiB. */
export const EBDA_BASE = 639 * KIB;
const VIDEO_BASE = 640 * KIB;
/** ROMs and ACPI tables live from here to 1 MiB. */
export const BIOS_BASE = 0xe0000;

/** Reserved in every PC. */
const ALWAYS_RESERVED: readonly MemoryMapEntry[] = [
  { base: EBDA_BASE, length: VIDEO_BASE - EBDA_BASE, type: MEMORY_TYPE.RESERVED },
  { base: BIOS_BASE, length: MIB - BIOS_BASE, type: MEMORY_TYPE.RESERVED },
];

/** The map of `layout`, in ascending order, without overlaps, neighbours of one type joined. */
export function memoryMap(layout: MemoryLayout): MemoryMapEntry[] {
  const reserved = [...ALWAYS_RESERVED, ...layout.reserved ?? []].filter((entry) => entry.length > 0);
  const ram = [
    { base: 0, end: Math.min(layout.lowBytes, EBDA_BASE) },
    { base: MIB, end: layout.lowBytes },
    { base: FOUR_GIB, end: FOUR_GIB + layout.highBytes },
  ];
  const usable = ram.flatMap(({ base, end }) => without(base, end, reserved));
  return joined([...usable, ...disjoint(reserved)]);
}

/** What is left of `base` to `end` as RAM. */
function without(base: number, end: number, reserved: readonly MemoryMapEntry[]): MemoryMapEntry[] {
  let pieces = base < end ? [{ base, end }] : [];
  for (const hole of reserved) {
    const holeEnd = hole.base + hole.length;
    pieces = pieces.flatMap((piece) => [
      { base: piece.base, end: Math.min(piece.end, hole.base) },
      { base: Math.max(piece.base, holeEnd), end: piece.end },
    ]).filter((piece) => piece.base < piece.end);
  }
  return pieces.map((piece) => ({ base: piece.base, length: piece.end - piece.base, type: MEMORY_TYPE.RAM }));
}

/** Reserved ranges may overlap each other; where they do, the later one names the type. */
function disjoint(entries: readonly MemoryMapEntry[]): MemoryMapEntry[] {
  const edges = [...new Set(entries.flatMap(({ base, length }) => [base, base + length]))].sort((a, b) =>
    a - b
  );
  return edges.slice(0, -1).flatMap((base, i) => {
    const owner = entries.findLast((entry) => entry.base <= base && base < entry.base + entry.length);
    return owner === undefined ? [] : [{ base, length: edges[i + 1]! - base, type: owner.type }];
  });
}

function joined(entries: MemoryMapEntry[]): MemoryMapEntry[] {
  const result: MemoryMapEntry[] = [];
  for (const entry of entries.sort((a, b) => a.base - b.base)) {
    const last = result.at(-1);
    if (last !== undefined && last.type === entry.type && last.base + last.length === entry.base) {
      result[result.length - 1] = { ...last, length: last.length + entry.length };
    } else result.push(entry);
  }
  return result;
}
