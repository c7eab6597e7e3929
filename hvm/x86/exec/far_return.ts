/**
 * Far returns and IRET: to the same level, to outer ones, to virtual-8086 mode, to the task before.
 *
 * Sources: [SDM] Intel SDM vol. 2, IRET, RET; vol. 3A, 6.8.6 (returns), 8.4 (NT), 7.14.3 (64-bit IRET); vol. 3B, 22.2.5
 * (virtual-8086 mode), 22.3.3 (VME).
 * @module
 */

import { type Cpu, SEGMENT, type SystemOp } from "../cpu.ts";
import { OPERAND, operandKind } from "../insn.ts";
import { adjustStack, cut, stackBytes } from "../operands.ts";
import {
  checkLongCode,
  checkStack,
  type Descriptor,
  dplOf,
  dropInnerSegments,
  install,
  installCode,
  installNull,
  installReal,
  isCode,
  isConforming,
  isNull,
  markAccessed,
  readDescriptor,
  selectorCode,
} from "../seg.ts";
import { CR4, GPR, RFLAGS } from "../state.ts";
import { switchTask } from "../task.ts";
import { ATTR, CPU } from "./cpu_memory.ts";
import { checkReal, goCode, goReal, perhapsInNewTask, readStack, targetIn } from "./far_common.ts";
import { VECTOR } from "./sem.ts";

/** CF, PF, AF, ZF, SF, TF, DF, OF, NT. */
const ANYBODY = 0xdd5 | RFLAGS.NT;
/** EFLAGS bits there are. */
const FLAG_BITS = 0x3f7fd5;

/** RET to another segment, with or without bytes to release. */
export const retf: SystemOp = (cpu, insn) => {
  const unit = insn.operandSize;
  const extra = operandKind(insn, 0) === OPERAND.IMMEDIATE ? insn.imm & 0xffff : 0;
  const offset = readStack(cpu, unit, 0);
  const selector = readSelector(cpu, unit, unit);
  if (cpu.realOrV86) {
    checkReal(cpu, offset);
    adjustStack(cpu, 2 * unit + extra);
    return goReal(cpu, selector, offset);
  }
  const target = returnTarget(cpu, selector);
  const rip = targetIn(cpu, target, offset);
  const rpl = selector & 3;
  if (rpl === cpu.cpl) {
    // The stack pointer is as wide as where control goes has it.
    goCode(cpu, target, rip, rpl);
    return adjustStack(cpu, 2 * unit + extra);
  }
  const above = 2 * unit + extra;
  const rsp = readStack(cpu, unit, above);
  const ss = readSelector(cpu, unit, above + unit);
  goOuter(cpu, target, rip, { rpl, ss, rsp });
  adjustStack(cpu, extra);
  dropInnerSegments(cpu);
};

function readSelector(cpu: Cpu, unit: number, above: number): number {
  return Number(readStack(cpu, unit, above) & 0xffffn);
}

/** The code segment a return names, checked. */
function returnTarget(cpu: Cpu, selector: number): Descriptor {
  if (isNull(selector)) throw cpu.fault(VECTOR.GP, 0);
  const target = readDescriptor(cpu, selector);
  const code = selectorCode(selector);
  const rpl = selector & 3;
  if (!isCode(target) || rpl < cpu.cpl) throw cpu.fault(VECTOR.GP, code);
  const dpl = dplOf(target);
  if (isConforming(target) ? dpl > rpl : dpl !== rpl) throw cpu.fault(VECTOR.GP, code);
  checkLongCode(cpu, target);
  if ((target.attr & ATTR.PRESENT) === 0) throw cpu.fault(VECTOR.NP, code);
  return target;
}

interface OuterStack {
  readonly rpl: number;
  readonly ss: number;
  readonly rsp: bigint;
}

/** Goes to an outer level, or to the same with a stack of its own. */
function goOuter(cpu: Cpu, target: Descriptor, offset: bigint, { rpl, ss, rsp }: OuterStack): void {
  const long = cpu.longMode && (target.attr & ATTR.LONG) !== 0;
  const nullStack = isNull(ss) && long && rpl < 3 && (ss & 3) === rpl;
  const stack = nullStack ? undefined : checkStack(cpu, ss, { cpl: rpl, vector: VECTOR.GP });
  // A null SS passes checkStack only in 64-bit code, where the target must be, too.
  if (stack === undefined && !nullStack) throw cpu.fault(VECTOR.GP, 0);
  markAccessed(cpu, target);
  if (stack !== undefined) markAccessed(cpu, stack);
  installCode(cpu, target, rpl);
  cpu.setCell32(CPU.CPL, rpl);
  if (stack === undefined) installNull(cpu, SEGMENT.SS, ss);
  else install(cpu, SEGMENT.SS, stack);
  cpu.setCpl(rpl);
  const bytes = stackBytes(cpu);
  cpu.gpr[GPR.RSP] = bytes === 2 ? cpu.gpr[GPR.RSP]! & ~0xffffn | cut(rsp, 2) : cut(rsp, bytes);
  cpu.nextRip = offset;
}

// ---- IRET ----------------------------------------------------------------------------------------------------------

export const iret: SystemOp = (cpu, insn) => {
  const unit = insn.operandSize;
  if (cpu.realOrV86) iretReal(cpu, unit);
  else if ((cpu.cell32(CPU.EFLAGS) & RFLAGS.NT) === 0) iretProtected(cpu, unit);
  else {
    if (cpu.longMode) throw cpu.fault(VECTOR.GP, 0);
    const back = Number(cpu.readLinear(cpu.cell64(CPU.TR), 2, true));
    perhapsInNewTask(cpu, () => switchTask(cpu, back, { cause: "return", returnTo: cpu.nextRip }));
  }
  cpu.nmiBlocked = false;
};

function iretProtected(cpu: Cpu, unit: number): void {
  const offset = readStack(cpu, unit, 0);
  const selector = readSelector(cpu, unit, unit);
  const image = readFlags(cpu, unit);
  if (!cpu.longMode && unit === 4 && cpu.cpl === 0 && (image & RFLAGS.VM) !== 0) {
    return iretToV86(cpu, offset, selector, image);
  }
  const target = returnTarget(cpu, selector);
  const rip = targetIn(cpu, target, offset);
  const rpl = selector & 3;
  const flags = returnFlags(cpu, image, unit);
  const outer = rpl > cpu.cpl;
  if (outer || cpu.code64) {
    const rsp = readStack(cpu, unit, 3 * unit);
    goOuter(cpu, target, rip, { rpl, rsp, ss: readSelector(cpu, unit, 4 * unit) });
    if (outer) dropInnerSegments(cpu);
  } else {
    goCode(cpu, target, rip, rpl);
    adjustStack(cpu, 3 * unit);
  }
  cpu.eflags = flags;
}

function readFlags(cpu: Cpu, unit: number): number {
  return Number(BigInt.asUintN(32, readStack(cpu, unit, 2 * unit)));
}

/** EFLAGS after an IRET that leaves the present level. */
function returnFlags(cpu: Cpu, image: number, unit: number): number {
  const flags = cpu.eflags;
  const { cpl } = cpu;
  let changeable = ANYBODY | RFLAGS.RF | RFLAGS.AC | RFLAGS.ID;
  if (cpl <= (flags >>> 12 & 3)) changeable |= RFLAGS.IF;
  if (cpl === 0) changeable |= RFLAGS.IOPL | RFLAGS.VIF | RFLAGS.VIP;
  if (unit === 2) changeable &= 0xffff;
  return flags & ~changeable | image & changeable;
}

/** In real-address mode, and in virtual-8086 mode, where IOPL must be 3 or VME have a virtual IF. */
function iretReal(cpu: Cpu, unit: number): void {
  const flags = cpu.eflags;
  const v86 = cpu.virtual8086;
  const virtual = v86 && (flags >>> 12 & 3) < 3;
  if (virtual && ((cpu.cr4 & CR4.VME) === 0 || unit !== 2)) throw cpu.fault(VECTOR.GP, 0);
  const offset = readStack(cpu, unit, 0);
  const selector = readSelector(cpu, unit, unit);
  const image = readFlags(cpu, unit);
  checkReal(cpu, offset);
  const pending = (image & RFLAGS.IF) !== 0 && (flags & RFLAGS.VIP) !== 0;
  if (virtual && (pending || (image & RFLAGS.TF) !== 0)) throw cpu.fault(VECTOR.GP, 0);
  let kept = RFLAGS.VM | RFLAGS.VIF | RFLAGS.VIP | ~FLAG_BITS;
  if (v86) kept |= RFLAGS.IOPL;
  if (virtual) kept |= RFLAGS.IF;
  if (unit === 2) kept |= ~0xffff;
  let next = flags & kept | image & ~kept;
  if (virtual) next = (image & RFLAGS.IF) !== 0 ? next | RFLAGS.VIF : next & ~RFLAGS.VIF;
  adjustStack(cpu, 3 * unit);
  goReal(cpu, selector, offset);
  cpu.eflags = next;
}

/** ESP, SS, ES, DS, FS and GS lie above EFLAGS. */
function iretToV86(cpu: Cpu, offset: bigint, cs: number, image: number): void {
  if (offset > 0xffffn) throw cpu.fault(VECTOR.GP, 0);
  const esp = readStack(cpu, 4, 12);
  const [ss, es, ds, fs, gs] = [16, 20, 24, 28, 32].map((above) => readSelector(cpu, 4, above));
  cpu.setCell32(CPU.CPL, 3);
  cpu.eflags = image & FLAG_BITS | RFLAGS.VM;
  [es, cs, ss, ds, fs, gs].forEach((selector, seg) => installReal(cpu, seg, selector!));
  cpu.gpr[GPR.RSP] = esp;
  cpu.nextRip = offset;
  cpu.updateMode();
}
