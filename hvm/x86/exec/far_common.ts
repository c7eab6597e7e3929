/**
 * What far branches and returns share: targets, the present stack, faults of new tasks.
 *
 * Sources: [SDM] Intel SDM vol. 2, CALL, JMP, RET; vol. 3A, 6.8 (control transfers between code segments), 8.3.
 * @module
 */

import { type Cpu, RUN_EXIT, SEGMENT } from "../cpu.ts";
import { presentStack, writeFrame } from "../frame.ts";
import { raise } from "../interrupt.ts";
import { cut, linearOf, stackBytes } from "../operands.ts";
import { Paging } from "../paging.ts";
import { type Descriptor, installCode, installReal, markAccessed } from "../seg.ts";
import { GPR } from "../state.ts";
import { LateFault } from "../task.ts";
import { ATTR, CPU } from "./cpu_memory.ts";
import { VECTOR } from "./sem.ts";

/** Whether a code segment is one of 64-bit code. */
export function isLongCode(cpu: Cpu, { attr }: Descriptor): boolean {
  return cpu.longMode && (attr & ATTR.LONG) !== 0;
}

/** The address an offset is in a code segment: 32 bits of it outside of 64-bit code. #GP(0) where no instruction may lie. */
export function targetIn(cpu: Cpu, target: Descriptor, offset: bigint): bigint {
  const long = isLongCode(cpu, target);
  const rip = long ? offset : cut(offset, 4);
  if (long ? !Paging.canonical(rip) : rip > BigInt(target.limit)) throw cpu.fault(VECTOR.GP, 0);
  return rip;
}

/** #GP(0) unless an offset is within CS, whose limit stays in real-address and virtual-8086 mode. */
export function checkReal(cpu: Cpu, offset: bigint): void {
  if (offset > BigInt(cpu.segLimit(SEGMENT.CS))) throw cpu.fault(VECTOR.GP, 0);
}

/** Goes to a segment of real-address or virtual-8086 mode. */
export function goReal(cpu: Cpu, selector: number, offset: bigint): void {
  installReal(cpu, SEGMENT.CS, selector);
  cpu.nextRip = offset;
  cpu.updateMode();
}

/** Goes to a checked code segment at the level given. */
export function goCode(cpu: Cpu, target: Descriptor, offset: bigint, cpl: number): void {
  markAccessed(cpu, target);
  installCode(cpu, target, cpl);
  cpu.nextRip = offset;
  cpu.setCpl(cpl);
}

/**
 * Puts values on the present stack, the first one uppermost. It is the `target`'s idea of it, RSP in 64-bit code.
 * @returns what rSP becomes; it is not changed.
 */
export function writeStack(cpu: Cpu, unit: number, values: readonly bigint[], target?: Descriptor): bigint {
  const stack = presentStack(cpu);
  const long = target === undefined ? stack.long : isLongCode(cpu, target);
  return writeFrame(cpu, { ...stack, long }, unit, values);
}

/** A value of the present stack, so many bytes above rSP. */
export function readStack(cpu: Cpu, unit: number, above: number): bigint {
  const offset = cut(cpu.gpr[GPR.RSP]! + BigInt(above), stackBytes(cpu));
  return cpu.readLinear(linearOf(cpu, SEGMENT.SS, offset, unit, false), unit);
}

/**
 * Does what may end in another task. A fault of that task is raised here and now, at its own RIP: the engine would take
 * it for one of the instruction.
 */
export function perhapsInNewTask(cpu: Cpu, what: () => void): void {
  try {
    what();
  } catch (error) {
    if (!(error instanceof LateFault)) throw error;
    if (!raise(cpu, error.vector, error.code)) {
      cpu.setCell32(CPU.EXIT, RUN_EXIT.SHUTDOWN);
      cpu.endSoon();
    }
  }
  cpu.nextRip = cpu.rip;
}
