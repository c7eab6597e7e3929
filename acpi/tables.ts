/**
 * The whole set of tables as one run of bytes for a given address.
 *
 * Sources: [ACPI] 6.5, 5.2 (how tables point to each other).
 * @module
 */

import { alignUp } from "../hvm/base/bits.ts";
import type { BoardResources } from "../hvm/io/resources.ts";
import { dsdt } from "./dsdt.ts";
import { facs, FACS_ALIGNMENT } from "./facs.ts";
import { fadt } from "./fadt.ts";
import { hpet } from "./hpet.ts";
import { madt } from "./madt.ts";
import { mcfg } from "./mcfg.ts";
import { rsdp } from "./rsdp.ts";
import { signatureOf } from "./sdt.ts";
import { rsdt, xsdt } from "./xsdt.ts";

/** One table at its address; the root pointer is among them. */
export interface PlacedTable {
  /** Its signature without blanks, as `FACP`; `RSDP` for the root pointer. */
  readonly name: string;
  readonly address: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** All tables of a board. */
export interface AcpiTables {
  /** Address of the root pointer. */
  readonly rsdp: number;
  /** In ascending order, without overlaps. */
  readonly tables: readonly PlacedTable[];
  /** Everything from the first table to the end of the last, gaps zero, for the address asked for. */
  readonly image: Uint8Array<ArrayBuffer>;
}

/** Tables start at multiples of this; more than the root pointer needs, and what other firmware does. */
const TABLE_ALIGNMENT = 16;

/**
 * Builds every table of `board`, the root pointer first, for the address `base`.
 * @param base a multiple of 64, below 4 GiB
 * @throws {RangeError} for another base.
 */
export function acpiTables(board: BoardResources, base: number): AcpiTables {
  if (base % FACS_ALIGNMENT !== 0) {
    throw new RangeError(`Cannot place ACPI tables at ${base}: not a multiple of 64`);
  }
  const layout = new Layout(base);
  // The root pointer's size is known, its content only when all else has a place.
  const root = layout.add("RSDP", rsdp({ rsdt: 0, xsdt: 0 }));
  const facsAt = layout.add("FACS", facs(), FACS_ALIGNMENT);
  const dsdtAt = layout.addSdt(dsdt(board));
  const listed = [
    fadt(board, { facs: facsAt, dsdt: dsdtAt }),
    madt(board),
    mcfg(board),
    hpet(board),
  ].filter((table) => table !== undefined).map((table) => layout.addSdt(table));
  const lists = { rsdt: layout.addSdt(rsdt(listed)), xsdt: layout.addSdt(xsdt(listed)) };
  layout.replace(root, rsdp(lists));
  return { rsdp: root, tables: layout.tables, image: layout.image() };
}

/** Puts tables one after another. */
class Layout {
  readonly tables: PlacedTable[] = [];
  readonly #base: number;
  #end: number;

  constructor(base: number) {
    this.#base = base;
    this.#end = base;
  }

  /** @returns the address. */
  add(name: string, bytes: Uint8Array<ArrayBuffer>, alignment = TABLE_ALIGNMENT): number {
    const address = alignUp(this.#end, alignment);
    this.tables.push({ name, address, bytes });
    this.#end = address + bytes.length;
    return address;
  }

  addSdt(bytes: Uint8Array<ArrayBuffer>): number {
    return this.add(signatureOf(bytes), bytes);
  }

  /** Gives the table at `address` other content of the same length. */
  replace(address: number, bytes: Uint8Array<ArrayBuffer>): void {
    const at = this.tables.findIndex((table) => table.address === address);
    const old = this.tables[at];
    if (old === undefined || old.bytes.length !== bytes.length) {
      throw new RangeError(`Cannot replace the table at ${address}`);
    }
    this.tables[at] = { ...old, bytes };
  }

  image(): Uint8Array<ArrayBuffer> {
    const result = new Uint8Array(this.#end - this.#base);
    for (const { address, bytes } of this.tables) result.set(bytes, address - this.#base);
    return result;
  }
}
