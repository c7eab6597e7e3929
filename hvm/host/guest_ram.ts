/**
 * The memory behind a guest's RAM: one memfd, mapped shared, seen by every thread of the machine.
 *
 * A mapping belongs to the process, so a thread needs only the plain numbers of {@linkcode GuestRam} to see it.
 * @module
 */

import { FOUR_GIB } from "../base/addr.ts";
import { GuestMemory } from "../base/memory.ts";
import { closeFile } from "../sys/files.ts";
import { ADVICE, advise, bytesAt, createMemfd, mapFile, unmap } from "../sys/memory.ts";

/** Plain numbers, so that it crosses threads. */
export interface GuestRam {
  readonly fd: number;
  /** Where the process sees its first byte. */
  readonly address: number;
  /** Bytes from guest-physical 0 on. */
  readonly lowBytes: number;
  /** Bytes from 4 GiB on; they follow the low ones in the memfd. */
  readonly highBytes: number;
}

/**
 * Allocates RAM. Nothing is committed until it is touched; the kernel is asked for huge pages.
 * @throws {HostError} when the host refuses.
 */
export function allocateGuestRam(lowBytes: number, highBytes: number): GuestRam {
  const length = lowBytes + highBytes;
  const fd = createMemfd("hvm-ram", length);
  try {
    const { address } = mapFile(fd, length);
    advise(address, length, ADVICE.HUGEPAGE);
    advise(address, length, ADVICE.DONTDUMP);
    return { fd, address, lowBytes, highBytes };
  } catch (error) {
    closeFile(fd);
    throw error;
  }
}

/** The calling thread's view of the RAM. */
export function viewGuestRam(ram: GuestRam): GuestMemory {
  const memory = new GuestMemory();
  memory.map(0, { name: "ram", bytes: bytesAt(ram.address, ram.lowBytes) });
  if (ram.highBytes > 0) {
    memory.map(FOUR_GIB, { name: "ram-high", bytes: bytesAt(ram.address + ram.lowBytes, ram.highBytes) });
  }
  return memory;
}

/** Makes all RAM zero again and gives its pages back. No thread may be using it. */
export function clearGuestRam(ram: GuestRam): void {
  const length = ram.lowBytes + ram.highBytes;
  if (!advise(ram.address, length, ADVICE.REMOVE)) bytesAt(ram.address, length).fill(0);
}

/** Frees the RAM. No view of it may be used afterwards, by any thread. */
export function releaseGuestRam(ram: GuestRam): void {
  unmap(ram.address, ram.lowBytes + ram.highBytes);
  closeFile(ram.fd);
}
