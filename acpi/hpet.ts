/**
 * The table of the high precision event timer.
 *
 * Sources: [HPET] Intel IA-PC HPET Specification 1.0a, 3.2.4 (table), 2.3.4 (GCAP_ID).
 * @module
 */

import { struct, u16, u32, u8 } from "../hvm/base/layout.ts";
import type { BoardResources } from "../hvm/io/resources.ts";
import { ACCESS_SIZE, ADDRESS_SPACE, GENERIC_ADDRESS, sdt } from "./sdt.ts";

const HPET = struct("HPET", {
  eventTimerBlockId: u32,
  baseAddress: GENERIC_ADDRESS,
  number: u8,
  minimumTick: u16,
  attributes: u8,
}, { packed: true, size: 20 });

const REVISION = 1;

/**
 * The low half of the timer block's GCAP_ID: Intel's vendor id, replacement of the legacy interrupts, a 64-bit
 * counter, the number of the last of three comparators, hardware revision 1. [HPET] 2.3.4
 */
export const HPET_BLOCK_ID = 0x8086_a201;

/** The shortest period, in counter ticks, that a guest can set without losing interrupts. [HPET] 3.2.4 */
const MINIMUM_TICK = 0x80;

/** The whole table; undefined for a board without an HPET. */
export function hpet({ hpetBase }: BoardResources): Uint8Array<ArrayBuffer> | undefined {
  if (hpetBase === undefined) return undefined;
  const body = HPET.encode({
    eventTimerBlockId: HPET_BLOCK_ID,
    baseAddress: {
      space: ADDRESS_SPACE.SYSTEM_MEMORY,
      bitWidth: 64,
      bitOffset: 0,
      accessSize: ACCESS_SIZE.UNDEFINED,
      address: BigInt(hpetBase),
    },
    minimumTick: MINIMUM_TICK,
  });
  return sdt("HPET", REVISION, body);
}
