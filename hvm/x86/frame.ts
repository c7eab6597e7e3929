/**
 * Frames: several values put on a stack at once, all or none.
 *
 * Sources: [SDM] Intel SDM vol. 1, 6.2 (stack), 6.4 (calls and interrupts); vol. 3A, 7.12.1 and 7.14.2 (frames of
 * interrupts).
 * @module
 */

import { type Cpu, SEGMENT } from "./cpu.ts";
import { ATTR } from "./exec/cpu_memory.ts";
import { VECTOR } from "./exec/sem.ts";
import { canonicalRange, cut, withinLimit } from "./operands.ts";
import type { Descriptor } from "./seg.ts";
import { GPR } from "./state.ts";

/** A stack, in use or about to be. */
export interface FrameStack {
  readonly base: bigint;
  readonly limit: number;
  /** Bits of {@linkcode ATTR}. */
  readonly attr: number;
  /** rSP. */
  readonly pointer: bigint;
  /** The stack of 64-bit code: no segment, 64 bits of RSP. */
  readonly long: boolean;
  /** Error code of the #SS where the frame does not fit. */
  readonly code: number;
  /** The stack of a level below 3: pages are accessed as a supervisor, whatever CPL is. */
  readonly supervisor: boolean;
}

/** The stack in use. */
export function presentStack(cpu: Cpu, code = 0): FrameStack {
  return {
    base: cpu.segBase(SEGMENT.SS),
    limit: cpu.segLimit(SEGMENT.SS),
    attr: cpu.segAttr(SEGMENT.SS),
    pointer: cpu.gpr[GPR.RSP]!,
    long: cpu.code64,
    code,
    supervisor: false,
  };
}

/** The stack of an inner level, by its segment. */
export function innerFrame(
  segment: Descriptor,
  pointer: bigint,
  { cpl, code }: { cpl: number; code: number },
): FrameStack {
  const { base, limit, attr } = segment;
  return { base, limit, attr, pointer, long: false, code, supervisor: cpl < 3 };
}

/** A stack of 64-bit code that has no segment. */
export function longFrame(pointer: bigint, { cpl, code }: { cpl: number; code: number }): FrameStack {
  return { base: 0n, limit: 0, attr: 0, pointer, long: true, code, supervisor: cpl < 3 };
}

/**
 * Puts values of `unit` bytes on a stack, the first one uppermost. No register changes; throws before anything is
 * written.
 * @returns rSP below them.
 */
export function writeFrame(cpu: Cpu, stack: FrameStack, unit: number, values: readonly bigint[]): bigint {
  const bytes = stack.long ? 8 : (stack.attr & ATTR.BIG) !== 0 ? 4 : 2;
  const places = values.map((_, i) =>
    placeOf(cpu, stack, cut(stack.pointer - BigInt((i + 1) * unit), bytes), unit)
  );
  for (const place of places) cpu.probeLinear(place, unit, true, stack.supervisor);
  values.forEach((value, i) => cpu.writeLinear(places[i]!, unit, cut(value, unit), stack.supervisor));
  const pointer = cut(stack.pointer - BigInt(values.length * unit), bytes);
  return bytes === 2 ? stack.pointer & ~0xffffn | pointer : pointer;
}

/** The linear address of an offset, checked. */
function placeOf(cpu: Cpu, stack: FrameStack, offset: bigint, unit: number): bigint {
  const fits = stack.long ? canonicalRange(offset, unit) : withinLimit(offset, unit, stack.limit, stack.attr);
  if (!fits) throw cpu.fault(VECTOR.SS, stack.code);
  return stack.long ? offset : cut(stack.base + offset, 4);
}
