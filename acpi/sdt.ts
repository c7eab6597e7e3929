/**
 * The header that every system description table starts with, and its checksum.
 *
 * Sources: [ACPI] Advanced Configuration and Power Interface Specification 6.5, 5.2.6.
 * @module
 */

import { bytes, type FieldType, struct, u32, u64, u8 } from "../hvm/base/layout.ts";
import { ascii, join } from "./_bytes.ts";

/** DESCRIPTION_HEADER. [ACPI] table 5.4 */
export const SDT_HEADER = struct("DESCRIPTION_HEADER", {
  signature: bytes(4),
  length: u32,
  revision: u8,
  checksum: u8,
  oemId: bytes(6),
  oemTableId: bytes(8),
  oemRevision: u32,
  creatorId: bytes(4),
  creatorRevision: u32,
}, { packed: true, size: 36 });

/** Who made the tables, as every header names it. */
export const OEM = { ID: "HVM   ", TABLE_ID: "HVM PC  ", REVISION: 1, CREATOR: "HVM " } as const;

/** Generic Address Structure. [ACPI] table 5.1 */
export interface GenericAddress {
  space: number;
  bitWidth: number;
  bitOffset: number;
  accessSize: number;
  address: bigint;
}

/** Address spaces of a generic address. [ACPI] table 5.1 */
export const ADDRESS_SPACE = { SYSTEM_MEMORY: 0, SYSTEM_IO: 1 } as const;

/** Access sizes of a generic address. [ACPI] table 5.1 */
export const ACCESS_SIZE = { UNDEFINED: 0, BYTE: 1, WORD: 2, DWORD: 3, QWORD: 4 } as const;

/** The layout of a {@linkcode GenericAddress}. */
export const GENERIC_ADDRESS: FieldType<GenericAddress> = struct("GAS", {
  space: u8,
  bitWidth: u8,
  bitOffset: u8,
  accessSize: u8,
  address: u64,
}, { packed: true, size: 12 });

/** The byte that makes the sum of `data` and itself zero. */
export function checksum(data: Uint8Array): number {
  return -data.reduce((sum, byte) => sum + byte, 0) & 0xff;
}

/** A whole table: header with length and checksum, then `body`. */
export function sdt(signature: string, revision: number, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const header = SDT_HEADER.encode({
    signature: ascii(signature),
    length: SDT_HEADER.size + body.length,
    revision,
    oemId: ascii(OEM.ID),
    oemTableId: ascii(OEM.TABLE_ID),
    oemRevision: OEM.REVISION,
    creatorId: ascii(OEM.CREATOR),
    creatorRevision: OEM.REVISION,
  });
  const table = join(header, body);
  SDT_HEADER.view(table).checksum = checksum(table);
  return table;
}

/** Four characters of a table's signature. */
export function signatureOf(table: Uint8Array): string {
  return new TextDecoder().decode(table.subarray(0, 4));
}
