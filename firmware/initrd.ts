/**
 * Where a ramdisk goes: as high as kernel and RAM allow, so that it is out of the way of a kernel that unpacks itself.
 *
 * Sources: [BOOT] Linux Documentation/arch/x86/boot.rst, field initrd_addr_max.
 * @module
 */

import { FOUR_GIB, PAGE_SIZE } from "../hvm/base/addr.ts";
import { ImageError } from "../hvm/base/errors.ts";
import type { Placement } from "./placement.ts";

/** The highest address for a ramdisk where the kernel does not say. [BOOT] */
export const DEFAULT_INITRD_MAX = { 32: 0x37ffffff, 64: 0x7fffffff } as const;

/**
 * Takes memory for a ramdisk.
 * @param highest The highest address its last byte may have.
 * @returns its address.
 * @throws {ImageError} when the ramdisk is empty or does not fit.
 */
export function placeInitrd(placement: Placement, length: number, highest: number, name = "initrd"): number {
  if (length === 0) throw new ImageError(`The ${name} is empty`);
  const below = Math.min(highest + 1, FOUR_GIB);
  return placement.place(name, length, { align: PAGE_SIZE, below, top: true });
}
