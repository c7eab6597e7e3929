/**
 * Encodes resource descriptors: what a device uses or could use, as `_CRS`, `_PRS` and `_SRS` carry it.
 *
 * Sources: [ACPI] 6.5, 6.4 (resource data types).
 * @module
 */

import { FOUR_GIB } from "../hvm/base/addr.ts";
import { join, littleEndian } from "./_bytes.ts";
import { buffer, type Term } from "./aml.ts";

/** The encoding of one descriptor. */
export type Descriptor = Uint8Array;

/** First bytes of small descriptors, their length included. [ACPI] table 6.27 */
const SMALL = { IRQ: 0x22, IRQ_WITH_FLAGS: 0x23, IO: 0x47, FIXED_IO: 0x4b, END: 0x79 } as const;

/** First bytes of large descriptors. [ACPI] table 6.40 */
const LARGE = {
  MEMORY32_FIXED: 0x86,
  DWORD_ADDRESS: 0x87,
  WORD_ADDRESS: 0x88,
  EXTENDED_INTERRUPT: 0x89,
  QWORD_ADDRESS: 0x8a,
} as const;

/** Offset of the first interrupt number in the only descriptor of a template. [ACPI] 6.4.3.6 */
export const EXTENDED_INTERRUPT_NUMBER = 5;

/** Resource type of an address space descriptor. [ACPI] 6.4.3.5, byte 3 */
const RESOURCE_TYPE = { MEMORY: 0, IO: 1, BUS: 2 } as const;

/** General flags of an address space descriptor. [ACPI] 6.4.3.5, byte 4 */
const GENERAL = { MIN_FIXED: 1 << 2, MAX_FIXED: 1 << 3 } as const;

/** Type-specific flags of memory: writeable, and cacheable and prefetchable. [ACPI] table 6.49 */
const MEMORY_FLAGS = { READ_WRITE: 1 << 0, PREFETCHABLE: 3 << 1 } as const;

/** Type-specific flags of I/O: both ISA and other addresses. [ACPI] table 6.50 */
const IO_ENTIRE_RANGE = 3;

/** How an interrupt is signalled. */
export interface Signalling {
  readonly level: boolean;
  readonly activeLow: boolean;
  readonly shared: boolean;
}

/** An ISA bus's own way of signalling. */
export const ISA_SIGNALLING: Signalling = { level: false, activeLow: false, shared: false };

/** Interrupts 0 to 15 of which a device uses, or could use, one. [ACPI] 6.4.2.1 */
export function irq(numbers: readonly number[], signalling: Signalling = ISA_SIGNALLING): Descriptor {
  const mask = littleEndian(numbers.reduce((bits, number) => bits + 2 ** number, 0), 2);
  const { level, activeLow, shared } = signalling;
  if (!level && !activeLow && !shared) return join(SMALL.IRQ, mask);
  return join(SMALL.IRQ_WITH_FLAGS, mask, (level ? 0 : 1) | Number(activeLow) << 3 | Number(shared) << 4);
}

/** Ports a device decodes with all 16 address bits; `length` 1 to 255. [ACPI] 6.4.2.5 */
export function io(base: number, length: number): Descriptor {
  const decode16 = 1;
  return join(SMALL.IO, decode16, littleEndian(base, 2), littleEndian(base, 2), 1, littleEndian(length, 1));
}

/** Ports a device decodes with 10 address bits, as old ISA cards do. [ACPI] 6.4.2.6 */
export function fixedIo(base: number, length: number): Descriptor {
  if (base > 0x3ff) throw new RangeError(`Cannot describe port ${base} with 10 address bits`);
  return join(SMALL.FIXED_IO, littleEndian(base, 2), littleEndian(length, 1));
}

/** Memory below 4 GiB. [ACPI] 6.4.3.4 */
export function memory32Fixed(base: number, length: number, writeable = true): Descriptor {
  return large(
    LARGE.MEMORY32_FIXED,
    join(Number(writeable), littleEndian(base, 4), littleEndian(length, 4)),
  );
}

/** System interrupts of which a device uses, or could use, one. [ACPI] 6.4.3.6 */
export function extendedInterrupt(numbers: readonly number[], signalling: Signalling): Descriptor {
  const { level, activeLow, shared } = signalling;
  const consumer = 1;
  const flags = consumer | (level ? 0 : 1) << 1 | Number(activeLow) << 2 | Number(shared) << 3;
  const list = numbers.map((number) => littleEndian(number, 4));
  return large(LARGE.EXTENDED_INTERRUPT, join(flags, littleEndian(numbers.length, 1), ...list));
}

/** PCI bus numbers a bridge passes on. [ACPI] 6.4.3.5.3 */
export function wordBusNumber(first: number, length: number): Descriptor {
  return addressSpace(2, RESOURCE_TYPE.BUS, 0, { base: first, length });
}

/** Ports a bridge passes on; all 65,536 of them need the wider form. [ACPI] 6.4.3.5.2, 6.4.3.5.3 */
export function ioWindow(base: number, length: number): Descriptor {
  return addressSpace(length > 0xffff ? 4 : 2, RESOURCE_TYPE.IO, IO_ENTIRE_RANGE, { base, length });
}

/** Memory below 4 GiB a bridge passes on. [ACPI] 6.4.3.5.2 */
export function dwordMemory(window: MemoryWindow): Descriptor {
  return addressSpace(4, RESOURCE_TYPE.MEMORY, memoryFlags(window), window);
}

/** Memory anywhere a bridge passes on. [ACPI] 6.4.3.5.1 */
export function qwordMemory(window: MemoryWindow): Descriptor {
  return addressSpace(8, RESOURCE_TYPE.MEMORY, memoryFlags(window), window);
}

/** A window as a bridge passes it on. */
export interface MemoryWindow {
  readonly base: number;
  readonly length: number;
  readonly prefetchable: boolean;
}

/** {@linkcode dwordMemory} or {@linkcode qwordMemory}, whichever can say it in fewer bytes. */
export function memoryWindow(window: MemoryWindow): Descriptor {
  return window.base + window.length <= FOUR_GIB ? dwordMemory(window) : qwordMemory(window);
}

/** A buffer of descriptors with the end tag; its checksum byte is zero, which says that there is none. [ACPI] 6.4.2.9 */
export function resourceTemplate(...descriptors: readonly Descriptor[]): Term {
  return buffer(join(...descriptors, SMALL.END, 0));
}

function memoryFlags({ prefetchable }: MemoryWindow): number {
  return MEMORY_FLAGS.READ_WRITE | (prefetchable ? MEMORY_FLAGS.PREFETCHABLE : 0);
}

function addressSpace(
  size: 2 | 4 | 8,
  type: number,
  specific: number,
  { base, length }: { base: number; length: number },
): Descriptor {
  if (!(length > 0)) throw new RangeError(`Cannot describe an empty window at ${base}`);
  const opcode = { 2: LARGE.WORD_ADDRESS, 4: LARGE.DWORD_ADDRESS, 8: LARGE.QWORD_ADDRESS }[size];
  const granularity = 0;
  const translation = 0;
  const numbers = [granularity, base, base + length - 1, translation, length];
  return large(
    opcode,
    join(
      type,
      GENERAL.MIN_FIXED | GENERAL.MAX_FIXED,
      specific,
      ...numbers.map((number) => littleEndian(number, size)),
    ),
  );
}

function large(opcode: number, content: Uint8Array): Descriptor {
  return join(opcode, littleEndian(content.length, 2), content);
}
