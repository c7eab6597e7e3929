/**
 * Far transfers: jumps and calls between segments, software interrupts, BOUND; returns and fast system calls beside it.
 *
 * Sources: [SDM] Intel SDM vol. 2, BOUND, CALL, INT, JMP, RSM.
 * @module
 */

import { type Cpu, GuestFault, SEGMENT, type SystemOp, type SystemOps } from "../cpu.ts";
import { type Insn, OPERAND, operandKind } from "../insn.ts";
import { deliver, type EventSource } from "../interrupt.ts";
import { cut, readMemoryPart } from "../operands.ts";
import { checkCode, isCode, isNull, markAccessed, readDescriptor } from "../seg.ts";
import { GPR, RFLAGS } from "../state.ts";
import { LateFault } from "../task.ts";
import { checkReal, goCode, goReal, perhapsInNewTask, targetIn, writeStack } from "./far_common.ts";
import { FAST_CALLS } from "./far_fast.ts";
import { throughSystem } from "./far_gate.ts";
import { iret, retf } from "./far_return.ts";
import { VECTOR } from "./sem.ts";

/** The offset and selector a far branch names. */
function farPointer(cpu: Cpu, insn: Insn): { offset: bigint; selector: number } {
  const { operandSize } = insn;
  if (operandKind(insn, 0) === OPERAND.FAR_POINTER) {
    return { offset: cut(BigInt(insn.imm), operandSize), selector: insn.imm2 & 0xffff };
  }
  return {
    offset: readMemoryPart(cpu, insn, 0, operandSize),
    selector: Number(readMemoryPart(cpu, insn, operandSize, 2)),
  };
}

const jmpf: SystemOp = (cpu, insn) => {
  const { offset, selector } = farPointer(cpu, insn);
  if (cpu.realOrV86) {
    checkReal(cpu, offset);
    return goReal(cpu, selector, offset);
  }
  if (isNull(selector)) throw cpu.fault(VECTOR.GP, 0);
  const target = readDescriptor(cpu, selector);
  if (!isCode(target)) return throughSystem(cpu, target);
  checkCode(cpu, target, { rpl: selector & 3 });
  goCode(cpu, target, targetIn(cpu, target, offset), cpu.cpl);
};

const callf: SystemOp = (cpu, insn) => {
  const { offset, selector } = farPointer(cpu, insn);
  const unit = insn.operandSize;
  const back = [BigInt(cpu.selector(SEGMENT.CS)), cpu.nextRip];
  if (cpu.realOrV86) {
    checkReal(cpu, offset);
    cpu.gpr[GPR.RSP] = writeStack(cpu, unit, back);
    return goReal(cpu, selector, offset);
  }
  if (isNull(selector)) throw cpu.fault(VECTOR.GP, 0);
  const target = readDescriptor(cpu, selector);
  if (!isCode(target)) return throughSystem(cpu, target, back);
  checkCode(cpu, target, { rpl: selector & 3 });
  const rip = targetIn(cpu, target, offset);
  const pointer = writeStack(cpu, unit, back, target);
  markAccessed(cpu, target);
  cpu.gpr[GPR.RSP] = pointer;
  goCode(cpu, target, rip, cpu.cpl);
};

/** Delivers an interrupt that returns behind the instruction. */
function interrupt(cpu: Cpu, vector: number, source: EventSource): void {
  const own = cpu.rip;
  cpu.rip = cpu.nextRip;
  perhapsInNewTask(cpu, () => {
    try {
      deliver(cpu, vector, { source });
    } catch (error) {
      if (error instanceof GuestFault && !(error instanceof LateFault)) cpu.rip = own;
      throw error;
    }
  });
}

const into: SystemOp = (cpu) => {
  if ((cpu.eflags & RFLAGS.OF) !== 0) interrupt(cpu, VECTOR.OF, "breakpoint");
};

const bound: SystemOp = (cpu, insn) => {
  const bytes = insn.operandSize;
  const signed = (value: bigint) => BigInt.asIntN(bytes * 8, value);
  const index = signed(cpu.gpr[insn.reg]!);
  // The upper bound is looked at where the lower one is kept.
  if (index < signed(readMemoryPart(cpu, insn, 0, bytes))) throw cpu.fault(VECTOR.BR);
  if (index > signed(readMemoryPart(cpu, insn, bytes, bytes))) throw cpu.fault(VECTOR.BR);
};

/** By key. */
export const FAR: SystemOps = {
  jmpf,
  callf,
  retf,
  iret,
  int: (cpu, insn) => interrupt(cpu, insn.imm & 0xff, "software"),
  int3: (cpu) => interrupt(cpu, VECTOR.BP, "breakpoint"),
  int1: (cpu) => interrupt(cpu, VECTOR.DB, "icebp"),
  into,
  bound,
  ...FAST_CALLS,
  // There is no system management mode to return from.
  rsm: (cpu) => {
    throw cpu.fault(VECTOR.UD);
  },
};
