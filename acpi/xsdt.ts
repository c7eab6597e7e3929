/**
 * The two lists of all tables: by 64-bit addresses, and by 32-bit ones for guests that know no other.
 *
 * Sources: [ACPI] 6.5, 5.2.7 (RSDT), 5.2.8 (XSDT).
 * @module
 */

import { join, littleEndian } from "./_bytes.ts";
import { sdt } from "./sdt.ts";

const REVISION = 1;

/** The list of 64-bit addresses; the FADT comes first by custom, DSDT and FACS are not in it. */
export function xsdt(addresses: readonly number[]): Uint8Array<ArrayBuffer> {
  return sdt("XSDT", REVISION, join(...addresses.map((address) => littleEndian(address, 8))));
}

/** The list of 32-bit addresses. @throws {RangeError} for an address from 4 GiB on. */
export function rsdt(addresses: readonly number[]): Uint8Array<ArrayBuffer> {
  return sdt("RSDT", REVISION, join(...addresses.map((address) => littleEndian(address, 4))));
}
