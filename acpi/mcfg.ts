/**
 * The table of memory-mapped configuration space.
 *
 * Sources: [PCIFW] PCI Firmware Specification 3.3, 4.1.2 (table 4-2, MCFG).
 * @module
 */

import type { BoardResources } from "../hvm/io/resources.ts";
import { join, littleEndian } from "./_bytes.ts";
import { sdt } from "./sdt.ts";

const REVISION = 1;
const SEGMENT = 0;
const FIRST_BUS = 0;

/** The whole table; undefined for a board without memory-mapped configuration space. */
export function mcfg({ ecam }: BoardResources): Uint8Array<ArrayBuffer> | undefined {
  if (ecam === undefined) return undefined;
  const allocation = join(
    littleEndian(ecam.base, 8),
    littleEndian(SEGMENT, 2),
    FIRST_BUS,
    littleEndian(FIRST_BUS + ecam.buses - 1, 1),
    littleEndian(0, 4),
  );
  return sdt("MCFG", REVISION, join(littleEndian(0, 8), allocation));
}
