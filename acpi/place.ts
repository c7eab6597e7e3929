/**
 * Puts the tables into guest memory, where there is no firmware that would.
 *
 * They go below 1 MiB, where every memory map says reserved and where a guest that was told nothing looks for the
 * root pointer; a set that is too large for that goes to the end of low memory.
 *
 * Sources: [ACPI] 6.5, 5.2.5.1 (finding the RSDP on IA-PC systems), 15.1 (address ranges).
 * @module
 */

import { PAGE_SIZE } from "../hvm/base/addr.ts";
import { alignDown, alignUp } from "../hvm/base/bits.ts";
import type { GuestMemory } from "../hvm/base/memory.ts";
import type { BoardResources } from "../hvm/io/resources.ts";
import { type AcpiTables, acpiTables } from "./tables.ts";

/** The BIOS areas: the root pointer is looked for from here to 1 MiB. [ACPI] 5.2.5.1 */
const BIOS_AREA = { SMALL: 0xf0000, LARGE: 0xe0000, END: 0x100000 } as const;

/** What came of {@linkcode placeAcpi}. */
export interface PlacedAcpi extends AcpiTables {
  /** What the memory map must say is reserved (not reclaimable: the FACS is written by the guest for ever). */
  readonly reserved: { readonly base: number; readonly length: number };
}

/**
 * Builds the tables and writes them into `memory`.
 * @param options.lowRamEnd one past the last byte of RAM below 4 GiB
 * @throws {RangeError} when there is no memory for them.
 */
export function placeAcpi(
  memory: GuestMemory,
  board: BoardResources,
  options: { lowRamEnd: number },
): PlacedAcpi {
  const tables = fittingTables(board, options.lowRamEnd);
  const base = tables.tables[0]!.address;
  memory.load(base, tables.image);
  return { ...tables, reserved: { base, length: alignUp(tables.image.length, PAGE_SIZE) } };
}

/** The tables for the first place they fit. They are built for the likely one at once: this is on the way to each start. */
function fittingTables(board: BoardResources, lowRamEnd: number): AcpiTables {
  const likely = acpiTables(board, BIOS_AREA.SMALL);
  const base = chooseBase(likely.image.length, lowRamEnd);
  return base === BIOS_AREA.SMALL ? likely : acpiTables(board, base);
}

function chooseBase(length: number, lowRamEnd: number): number {
  for (const base of [BIOS_AREA.SMALL, BIOS_AREA.LARGE]) {
    if (base + length <= BIOS_AREA.END) return base;
  }
  const base = alignDown(lowRamEnd - length, PAGE_SIZE);
  if (base < BIOS_AREA.END) {
    throw new RangeError(`Cannot place ${length} bytes of ACPI tables in ${lowRamEnd}`);
  }
  return base;
}
