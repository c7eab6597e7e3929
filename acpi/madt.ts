/**
 * The multiple APIC description table: processors, IOAPIC, and where ISA interrupts arrive.
 *
 * Sources: [ACPI] 6.5, 5.2.12 (tables 5.19 to 5.32).
 * @module
 */

import type { BoardResources, IrqOverride } from "../hvm/io/resources.ts";
import { join, littleEndian } from "./_bytes.ts";
import { sdt } from "./sdt.ts";

/** The revision of ACPI 6.3 and later. [ACPI] table 5.19 */
const REVISION = 5;

/** A pair of 8259s is there too, to be masked when the APICs are used. [ACPI] table 5.20 */
const PCAT_COMPAT = 1 << 0;

/** Types of structures. [ACPI] table 5.21 */
export const MADT_TYPE = {
  LOCAL_APIC: 0,
  IO_APIC: 1,
  INTERRUPT_OVERRIDE: 2,
  LOCAL_APIC_NMI: 4,
  LOCAL_X2APIC: 9,
  LOCAL_X2APIC_NMI: 10,
} as const;

/** Local APIC flags. [ACPI] table 5.23 */
const ENABLED = 1 << 0;

/** MPS INTI flags: 0 in a field means as the bus does it. [ACPI] table 5.26 */
const INTI = { ACTIVE_HIGH: 1, ACTIVE_LOW: 3, EDGE: 1 << 2, LEVEL: 3 << 2 } as const;

const ISA_BUS = 0;
const ALL_PROCESSORS = 0xff;
const ALL_X2APIC_PROCESSORS = 0xffff_ffff;
/** APIC ids below this are told by the short structure, the others by the long one. [ACPI] 5.2.12.12 */
const FIRST_X2APIC_ID = 255;
/** NMI arrives at this pin of every local APIC. */
const NMI_LINT = 1;

/**
 * The whole table.
 * @returns undefined for a board without local APICs: there is nothing to describe.
 * @throws {RangeError} when the IOAPIC's id has more than 8 bits.
 */
export function madt(board: BoardResources): Uint8Array<ArrayBuffer> | undefined {
  const { lapicBase, ioapic } = board;
  if (lapicBase === undefined) return undefined;
  const head = join(littleEndian(lapicBase, 4), littleEndian(board.hasPic ? PCAT_COMPAT : 0, 4));
  const long = board.apicIds.some((id) => id >= FIRST_X2APIC_ID);
  return sdt(
    "APIC",
    REVISION,
    join(
      head,
      ...board.apicIds.map((id, uid) => id < FIRST_X2APIC_ID ? localApic(uid, id) : localX2apic(uid, id)),
      ...(ioapic === undefined ? [] : [ioApic(ioapic), ...board.overrides.map(interruptOverride)]),
      localApicNmi(),
      ...(long ? [localX2apicNmi()] : []),
    ),
  );
}

function structure(type: number, content: Uint8Array): Uint8Array {
  return join(type, content.length + 2, content);
}

/** [ACPI] 5.2.12.2 */
function localApic(uid: number, id: number): Uint8Array {
  return structure(
    MADT_TYPE.LOCAL_APIC,
    join(littleEndian(uid, 1), littleEndian(id, 1), littleEndian(ENABLED, 4)),
  );
}

/** [ACPI] 5.2.12.12 */
function localX2apic(uid: number, id: number): Uint8Array {
  const reserved = littleEndian(0, 2);
  return structure(
    MADT_TYPE.LOCAL_X2APIC,
    join(reserved, littleEndian(id, 4), littleEndian(ENABLED, 4), littleEndian(uid, 4)),
  );
}

/** [ACPI] 5.2.12.3 */
function ioApic({ id, base, gsiBase }: { id: number; base: number; gsiBase: number }): Uint8Array {
  const reserved = 0;
  return structure(
    MADT_TYPE.IO_APIC,
    join(littleEndian(id, 1), reserved, littleEndian(base, 4), littleEndian(gsiBase, 4)),
  );
}

/** [ACPI] 5.2.12.5 */
function interruptOverride({ irq, gsi, activeLow, level }: IrqOverride): Uint8Array {
  const flags = (activeLow ? INTI.ACTIVE_LOW : INTI.ACTIVE_HIGH) | (level ? INTI.LEVEL : INTI.EDGE);
  return structure(
    MADT_TYPE.INTERRUPT_OVERRIDE,
    join(ISA_BUS, littleEndian(irq, 1), littleEndian(gsi, 4), littleEndian(flags, 2)),
  );
}

/** [ACPI] 5.2.12.7 */
function localApicNmi(): Uint8Array {
  return structure(MADT_TYPE.LOCAL_APIC_NMI, join(ALL_PROCESSORS, littleEndian(0, 2), NMI_LINT));
}

/** [ACPI] 5.2.12.13 */
function localX2apicNmi(): Uint8Array {
  const reserved = new Uint8Array(3);
  return structure(
    MADT_TYPE.LOCAL_X2APIC_NMI,
    join(littleEndian(0, 2), littleEndian(ALL_X2APIC_PROCESSORS, 4), NMI_LINT, reserved),
  );
}
