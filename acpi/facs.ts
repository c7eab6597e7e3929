/**
 * The firmware ACPI control structure: the global lock and the waking vector, in memory the guest writes.
 *
 * Sources: [ACPI] 6.5, 5.2.10 (table 5.12).
 * @module
 */

import { bytes, struct, u32, u64, u8 } from "../hvm/base/layout.ts";
import { ascii } from "./_bytes.ts";

const FACS = struct("FACS", {
  signature: bytes(4),
  length: u32,
  hardwareSignature: u32,
  firmwareWakingVector: u32,
  globalLock: u32,
  flags: u32,
  xFirmwareWakingVector: u64,
  version: u8,
  reserved0: bytes(3),
  ospmFlags: u32,
  reserved1: bytes(24),
}, { packed: true, size: 64 });

/** The structure's alignment in memory. [ACPI] 5.2.10 */
export const FACS_ALIGNMENT = 64;

const VERSION = 2;

/** The whole structure; it has no checksum. */
export function facs(): Uint8Array<ArrayBuffer> {
  return FACS.encode({ signature: ascii("FACS"), length: FACS.size, version: VERSION });
}
