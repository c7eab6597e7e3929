/**
 * The root pointer: what a guest looks for, or is told by its start structure, to find all other tables.
 *
 * Sources: [ACPI] 6.5, 5.2.5 (table 5.3), 5.2.5.1 (where it is looked for).
 * @module
 */

import { bytes, struct, u32, u64, u8 } from "../hvm/base/layout.ts";
import { ascii } from "./_bytes.ts";
import { checksum, OEM } from "./sdt.ts";

const RSDP = struct("RSDP", {
  signature: bytes(8),
  checksum: u8,
  oemId: bytes(6),
  revision: u8,
  rsdtAddress: u32,
  length: u32,
  xsdtAddress: u64,
  extendedChecksum: u8,
  reserved: bytes(3),
}, { packed: true, size: 36 });

/** The pointer's alignment in memory. [ACPI] 5.2.5.1 */
export const RSDP_ALIGNMENT = 16;

/** The part that the first checksum covers: what ACPI 1.0 had. [ACPI] table 5.3 */
const LENGTH_1_0 = 20;
const REVISION = 2;

/** The whole structure. @param at addresses of the two lists, below 4 GiB */
export function rsdp(at: { rsdt: number; xsdt: number }): Uint8Array<ArrayBuffer> {
  const result = RSDP.encode({
    signature: ascii("RSD PTR "),
    oemId: ascii(OEM.ID),
    revision: REVISION,
    rsdtAddress: at.rsdt,
    length: RSDP.size,
    xsdtAddress: BigInt(at.xsdt),
  });
  const view = RSDP.view(result);
  view.checksum = checksum(result.subarray(0, LENGTH_1_0));
  view.extendedChecksum = checksum(result);
  return result;
}
