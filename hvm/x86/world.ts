/**
 * What a processor reaches outside of itself: memory, ports, time, registers that belong to others.
 * @module
 */

/** One answer of CPUID: EAX, EBX, ECX, EDX. */
export type CpuidAnswer = readonly [number, number, number, number];

/** The outside of a processor. Addresses are guest-physical. */
export interface World {
  /** All of RAM as memory 1 has it. */
  readonly ram: Uint8Array<ArrayBufferLike>;
  /** Where a page is in RAM; -1 when it is none. */
  ramOffset(gpa: number): number;
  /** Memory-mapped I/O, 1, 2 or 4 bytes at any alignment; absent memory reads as ones. */
  mmioRead(gpa: number, width: 1 | 2 | 4): number;
  mmioWrite(gpa: number, width: 1 | 2 | 4, value: number): void;
  portRead(port: number, width: 1 | 2 | 4): number;
  portWrite(port: number, width: 1 | 2 | 4, value: number): void;
  /** Registers the processor does not hold itself (APIC, MTRRs, ...); undefined and false where there are none: #GP. */
  readMsr(index: number): bigint | undefined;
  writeMsr(index: number, value: bigint): boolean;
  cpuid(leaf: number, subleaf: number): CpuidAnswer;
  /** Whether CPUID shows the feature of a row's gate (a key of ISA_FEATURE). */
  hasFeature(name: string): boolean;
  /** The time stamp counter. */
  readTsc(): bigint;
  writeTsc(value: bigint): void;
  /** 64 random bits. */
  random(): bigint;
  /** CR8: the upper half of the local APIC's task priority, 0 to 15. */
  taskPriority(): number;
  setTaskPriority(value: number): void;
  /** RAM bytes were written that decoded code may have been made of. */
  codeWritten(offset: number, bytes: number): void;
  /** Whether a page of RAM has decoded code. */
  hasCode(page: number): boolean;
}
