/**
 * Far transfers: jumps, calls and returns between segments, gates and tasks, software interrupts, IRET, and fast system calls.
 *
 * Sources: [SDM] Intel SDM vol. 2, BOUND, CALL, INT, IRET, JMP, RET, SYSCALL, SYSENTER, SYSEXIT, SYSRET; vol. 3A, 6.8 (gates).
 * @module
 */

import { type Cpu, SEGMENT, type SystemOp, type SystemOps } from "../cpu.ts";
import { type Insn, OPERAND, operandKind } from "../insn.ts";
import { deliver } from "../interrupt.ts";
import { adjustStack, cut, linearOf, memoryAddress, readMemoryPart, stackBytes } from "../operands.ts";
import { Paging } from "../paging.ts";
import {
  checkCode,
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
  SYSTEM_TYPE,
  systemType,
} from "../seg.ts";
import { EFER, GPR, RFLAGS } from "../state.ts";
import { innerStack, switchTask } from "../task.ts";
import { ATTR, CPU, MSR_CELL } from "./cpu_memory.ts";
import { VECTOR } from "./sem.ts";

/** Flat segments of the fast system calls. */
const FLAT_CODE = ATTR.PRESENT | ATTR.CODE_OR_DATA | ATTR.GRANULAR | 0xb;
const FLAT_DATA = ATTR.PRESENT | ATTR.CODE_OR_DATA | ATTR.GRANULAR | ATTR.BIG | 0x3;
const FLAT_LIMIT = 0xffffffff;
const RING3 = 3 << ATTR.DPL_SHIFT;

/** #GP(0) unless an instruction may lie there. */
function checkTarget(cpu: Cpu, rip: bigint, { attr, limit }: Descriptor): void {
  const long = cpu.longMode && (attr & ATTR.LONG) !== 0;
  if (long ? !Paging.canonical(rip) : rip > BigInt(limit)) throw cpu.fault(VECTOR.GP, 0);
}

/** The offset and selector a far branch names. */
function farPointer(cpu: Cpu, insn: Insn): { offset: bigint; selector: number } {
  if (operandKind(insn, 0) === OPERAND.FAR_POINTER) {
    return { offset: cut(BigInt(insn.imm), insn.operandSize), selector: insn.imm2 };
  }
  return {
    offset: readMemoryPart(cpu, insn, 0, insn.operandSize),
    selector: Number(readMemoryPart(cpu, insn, insn.operandSize, 2)),
  };
}

/** Goes to a segment of real-address or virtual-8086 mode. */
function goReal(cpu: Cpu, selector: number, offset: bigint): void {
  if (offset > BigInt(cpu.segLimit(SEGMENT.CS))) throw cpu.fault(VECTOR.GP, 0);
  installReal(cpu, SEGMENT.CS, selector);
  cpu.nextRip = offset;
  cpu.updateMode();
}

/** Goes to a code segment at the level given. */
function goCode(cpu: Cpu, target: Descriptor, offset: bigint, cpl: number): void {
  markAccessed(cpu, target);
  installCode(cpu, target, cpl);
  cpu.nextRip = offset;
  cpu.setCpl(cpl);
}

/** Values on the present stack, below rSP, the first one uppermost; rSP is not changed. */
function writeStack(cpu: Cpu, unit: number, values: readonly bigint[]): void {
  const bytes = stackBytes(cpu);
  const at = (i: number) => {
    const offset = cut(cpu.gpr[GPR.RSP]! - BigInt((i + 1) * unit), bytes);
    return linearOf(cpu, SEGMENT.SS, offset, unit, true);
  };
  values.forEach((_, i) => cpu.probeLinear(at(i), unit, true));
  values.forEach((value, i) => cpu.writeLinear(at(i), unit, cut(value, unit)));
}

/** A value on the present stack, `index` units above rSP. */
function readStack(cpu: Cpu, unit: number, index: number): bigint {
  const offset = cut(cpu.gpr[GPR.RSP]! + BigInt(index * unit), stackBytes(cpu));
  return cpu.readLinear(linearOf(cpu, SEGMENT.SS, offset, unit, false), unit);
}

const jmpf: SystemOp = (cpu, insn) => {
  const { offset, selector } = farPointer(cpu, insn);
  if (cpu.realOrV86) return goReal(cpu, selector, offset);
  if (isNull(selector)) throw cpu.fault(VECTOR.GP, 0);
  const target = readDescriptor(cpu, selector);
  if (isCode(target)) {
    checkCode(cpu, target, { rpl: selector & 3 });
    checkTarget(cpu, offset, target);
    return goCode(cpu, target, offset, cpu.cpl);
  }
  const type = checkGateAccess(cpu, target);
  if (isTask(type)) {
    return switchTask(cpu, taskSelector(cpu, target), { cause: "jump", returnTo: cpu.nextRip });
  }
  const gate = readCallGate(cpu, target, type);
  const code = gateTarget(cpu, gate, { jump: true });
  checkTarget(cpu, gate.offset, code);
  goCode(cpu, code, gate.offset, cpu.cpl);
};

const callf: SystemOp = (cpu, insn) => {
  const { offset, selector } = farPointer(cpu, insn);
  const unit = insn.operandSize;
  const back = [BigInt(cpu.selector(SEGMENT.CS)), cpu.nextRip];
  if (cpu.realOrV86) {
    if (offset > BigInt(cpu.segLimit(SEGMENT.CS))) throw cpu.fault(VECTOR.GP, 0);
    writeStack(cpu, unit, back);
    adjustStack(cpu, -2 * unit);
    return goReal(cpu, selector, offset);
  }
  if (isNull(selector)) throw cpu.fault(VECTOR.GP, 0);
  const target = readDescriptor(cpu, selector);
  if (isCode(target)) {
    checkCode(cpu, target, { rpl: selector & 3 });
    checkTarget(cpu, offset, target);
    writeStack(cpu, unit, back);
    adjustStack(cpu, -2 * unit);
    return goCode(cpu, target, offset, cpu.cpl);
  }
  const type = checkGateAccess(cpu, target);
  if (isTask(type)) {
    return switchTask(cpu, taskSelector(cpu, target), { cause: "call", returnTo: cpu.nextRip });
  }
  callThroughGate(cpu, readCallGate(cpu, target, type), back);
};

// ---- gates ---------------------------------------------------------------------------------------------------------

function isTask(type: number): boolean {
  return type === SYSTEM_TYPE.TSS || type === SYSTEM_TYPE.TSS16 || type === SYSTEM_TYPE.TASK_GATE;
}

/** The type of a system descriptor that a far branch may name. */
function checkGateAccess(cpu: Cpu, target: Descriptor): number {
  const code = selectorCode(target.selector);
  const type = systemType(target);
  const gate = type === SYSTEM_TYPE.CALL_GATE || type === SYSTEM_TYPE.CALL_GATE16 && !cpu.longMode;
  if (!gate && (!isTask(type) || cpu.longMode)) throw cpu.fault(VECTOR.GP, code);
  if (dplOf(target) < Math.max(cpu.cpl, target.selector & 3)) throw cpu.fault(VECTOR.GP, code);
  if ((target.attr & ATTR.PRESENT) === 0) throw cpu.fault(VECTOR.NP, code);
  return type;
}

/** The TSS of a task gate, or the TSS itself. */
function taskSelector(_cpu: Cpu, target: Descriptor): number {
  return systemType(target) === SYSTEM_TYPE.TASK_GATE ? Number(target.raw >> 16n & 0xffffn) : target.selector;
}

interface CallGate {
  readonly selector: number;
  readonly offset: bigint;
  readonly unit: 2 | 4 | 8;
  readonly parameters: number;
}

function readCallGate(cpu: Cpu, gate: Descriptor, type: number): CallGate {
  const { raw } = gate;
  let offset = raw & 0xffffn;
  if (type === SYSTEM_TYPE.CALL_GATE) offset |= raw >> 48n << 16n;
  const selector = Number(raw >> 16n & 0xffffn);
  if (!cpu.longMode) {
    const parameters = Number(raw >> 32n & 0x1fn);
    return { selector, offset, unit: type === SYSTEM_TYPE.CALL_GATE ? 4 : 2, parameters };
  }
  const upper = cpu.readLinear(gate.at + 8n, 8, true);
  if ((upper >> 40n & 0x1fn) !== 0n) throw cpu.fault(VECTOR.GP, selectorCode(gate.selector));
  return { selector, offset: offset | BigInt.asUintN(32, upper) << 32n, unit: 8, parameters: 0 };
}

/** The code segment behind a call gate. */
function gateTarget(cpu: Cpu, gate: CallGate, { jump }: { jump: boolean }): Descriptor {
  if (isNull(gate.selector)) throw cpu.fault(VECTOR.GP, 0);
  const target = readDescriptor(cpu, gate.selector);
  const code = selectorCode(gate.selector);
  const dpl = dplOf(target);
  if (!isCode(target) || dpl > cpu.cpl) throw cpu.fault(VECTOR.GP, code);
  if (jump && !isConforming(target) && dpl !== cpu.cpl) throw cpu.fault(VECTOR.GP, code);
  if (cpu.longMode) {
    if ((target.attr & ATTR.LONG) === 0) throw cpu.fault(VECTOR.GP, code);
    checkLongCode(cpu, target);
  }
  if ((target.attr & ATTR.PRESENT) === 0) throw cpu.fault(VECTOR.NP, code);
  return target;
}

function callThroughGate(cpu: Cpu, gate: CallGate, back: readonly bigint[]): void {
  const target = gateTarget(cpu, gate, { jump: false });
  checkTarget(cpu, gate.offset, target);
  const { unit } = gate;
  if (isConforming(target) || dplOf(target) === cpu.cpl) {
    writeStack(cpu, unit, back);
    adjustStack(cpu, -2 * unit);
    return goCode(cpu, target, gate.offset, cpu.cpl);
  }
  const cpl = dplOf(target);
  const old = [BigInt(cpu.selector(SEGMENT.SS)), cpu.gpr[GPR.RSP]!];
  const parameters = Array.from(
    { length: gate.parameters },
    (_, i) => readStack(cpu, unit, gate.parameters - 1 - i),
  );
  const values = [...old, ...parameters, ...back];
  if (unit === 8) {
    const slot = 4 + cpl * 8;
    if (slot + 7 > cpu.cell32(CPU.TR + 8)) throw cpu.fault(VECTOR.TS, selectorCode(cpu.selector(SEGMENT.TR)));
    const rsp = cpu.readLinear(cpu.cell64(CPU.TR) + BigInt(slot), 8, true);
    const bottom = cut(rsp - BigInt(values.length * 8), 8);
    if (!Paging.canonical(bottom)) throw cpu.fault(VECTOR.SS, 0);
    writeInner(cpu, bottom, 8, values);
    cpu.setCell32(CPU.CPL, cpl);
    installNull(cpu, SEGMENT.SS, cpl);
    cpu.gpr[GPR.RSP] = bottom;
    return goCode(cpu, target, gate.offset, cpl);
  }
  const stack = innerStack(cpu, cpl);
  const ss = checkStack(cpu, stack.selector, cpl, VECTOR.TS)!;
  const wide = (ss.attr & ATTR.BIG) !== 0;
  const esp = cut(stack.pointer - BigInt(values.length * unit), wide ? 4 : 2);
  writeInner(cpu, cut(ss.base + esp, 4), unit, values);
  markAccessed(cpu, ss);
  install(cpu, SEGMENT.SS, ss);
  cpu.gpr[GPR.RSP] = wide ? esp : stack.pointer & 0xffff0000n | esp;
  goCode(cpu, target, gate.offset, cpl);
}

/** A frame on the stack of an inner level. */
function writeInner(cpu: Cpu, bottom: bigint, unit: number, values: readonly bigint[]): void {
  cpu.probeLinear(bottom, values.length * unit, true, true);
  values.forEach((value, i) => {
    cpu.writeLinear(bottom + BigInt((values.length - 1 - i) * unit), unit, cut(value, unit), true);
  });
}

// ---- returns -------------------------------------------------------------------------------------------------------

const retf: SystemOp = (cpu, insn) => {
  const unit = insn.operandSize;
  const extra = operandKind(insn, 0) === OPERAND.IMMEDIATE ? insn.imm & 0xffff : 0;
  const offset = readStack(cpu, unit, 0);
  const selector = Number(readStack(cpu, unit, 1) & 0xffffn);
  if (cpu.realOrV86) {
    if (offset > BigInt(cpu.segLimit(SEGMENT.CS))) throw cpu.fault(VECTOR.GP, 0);
    adjustStack(cpu, 2 * unit + extra);
    return goReal(cpu, selector, offset);
  }
  const target = returnTarget(cpu, selector, offset);
  const rpl = selector & 3;
  if (rpl === cpu.cpl) {
    adjustStack(cpu, 2 * unit + extra);
    return goCode(cpu, target, offset, rpl);
  }
  const bytes = stackBytes(cpu);
  const above = (index: number) => {
    const at = cut(cpu.gpr[GPR.RSP]! + BigInt((2 + index) * unit + extra), bytes);
    return cpu.readLinear(linearOf(cpu, SEGMENT.SS, at, unit, false), unit);
  };
  const rsp = above(0);
  goOuter(cpu, target, offset, { rpl, ss: Number(above(1) & 0xffffn), rsp });
  adjustStack(cpu, extra);
  dropInnerSegments(cpu);
};

/** The code segment a return names, checked. */
function returnTarget(cpu: Cpu, selector: number, offset: bigint): Descriptor {
  if (isNull(selector)) throw cpu.fault(VECTOR.GP, 0);
  const target = readDescriptor(cpu, selector);
  const code = selectorCode(selector);
  const rpl = selector & 3;
  if (!isCode(target) || rpl < cpu.cpl) throw cpu.fault(VECTOR.GP, code);
  const dpl = dplOf(target);
  if (isConforming(target) ? dpl > rpl : dpl !== rpl) throw cpu.fault(VECTOR.GP, code);
  checkLongCode(cpu, target);
  if ((target.attr & ATTR.PRESENT) === 0) throw cpu.fault(VECTOR.NP, code);
  checkTarget(cpu, offset, target);
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
  const stack = nullStack ? undefined : checkStack(cpu, ss, rpl, VECTOR.GP);
  markAccessed(cpu, target);
  installCode(cpu, target, rpl);
  cpu.setCell32(CPU.CPL, rpl);
  if (stack === undefined) installNull(cpu, SEGMENT.SS, ss);
  else {
    markAccessed(cpu, stack);
    install(cpu, SEGMENT.SS, stack);
  }
  cpu.setCpl(rpl);
  const bytes = stackBytes(cpu);
  cpu.gpr[GPR.RSP] = bytes === 2 ? cpu.gpr[GPR.RSP]! & ~0xffffn | cut(rsp, 2) : cut(rsp, bytes);
  cpu.nextRip = offset;
}

/** What IRET changes in EFLAGS at a level. */
function returnFlags(cpu: Cpu, image: number, unit: number, cpl: number): number {
  const flags = cpu.eflags;
  let changeable = 0x4dd5 | RFLAGS.RF | RFLAGS.AC | RFLAGS.ID;
  if (cpl <= (flags >>> 12 & 3)) changeable |= RFLAGS.IF;
  if (cpl === 0) changeable |= RFLAGS.IOPL | RFLAGS.VIF | RFLAGS.VIP;
  if (unit === 2) changeable &= 0xffff;
  return flags & ~changeable | image & changeable;
}

const iret: SystemOp = (cpu, insn) => {
  const unit = insn.operandSize;
  if (cpu.realOrV86) return iretReal(cpu, unit);
  if ((cpu.eflags & RFLAGS.NT) !== 0) {
    if (cpu.longMode) throw cpu.fault(VECTOR.GP, 0);
    const back = Number(cpu.readLinear(cpu.cell64(CPU.TR), 2, true));
    return switchTask(cpu, back, { cause: "return", returnTo: cpu.nextRip });
  }
  const offset = readStack(cpu, unit, 0);
  const selector = Number(readStack(cpu, unit, 1) & 0xffffn);
  const image = Number(BigInt.asUintN(32, readStack(cpu, unit, 2)));
  if (!cpu.longMode && unit === 4 && cpu.cpl === 0 && (image & RFLAGS.VM) !== 0) {
    return iretToV86(cpu, offset, selector, image);
  }
  const target = returnTarget(cpu, selector, offset);
  const rpl = selector & 3;
  const flags = returnFlags(cpu, image, unit, cpu.cpl) & ~RFLAGS.VM;
  if (rpl > cpu.cpl || cpu.code64) {
    const outer = rpl > cpu.cpl;
    goOuter(cpu, target, offset, {
      rpl,
      rsp: readStack(cpu, unit, 3),
      ss: Number(readStack(cpu, unit, 4) & 0xffffn),
    });
    if (outer) dropInnerSegments(cpu);
  } else {
    adjustStack(cpu, 3 * unit);
    goCode(cpu, target, offset, rpl);
  }
  cpu.eflags = flags;
  cpu.nmiBlocked = false;
};

/** In virtual-8086 mode IOPL must be 3, or VME keeps IF for itself. */
function iretReal(cpu: Cpu, unit: number): void {
  const v86 = cpu.virtual8086;
  if (v86 && (cpu.eflags >>> 12 & 3) < 3) throw cpu.fault(VECTOR.GP, 0);
  const offset = readStack(cpu, unit, 0);
  const selector = Number(readStack(cpu, unit, 1) & 0xffffn);
  const image = Number(BigInt.asUintN(32, readStack(cpu, unit, 2)));
  if (offset > BigInt(cpu.segLimit(SEGMENT.CS))) throw cpu.fault(VECTOR.GP, 0);
  adjustStack(cpu, 3 * unit);
  goReal(cpu, selector, offset);
  const kept = v86 ? RFLAGS.IOPL | RFLAGS.VM | RFLAGS.VIF | RFLAGS.VIP : RFLAGS.VM | RFLAGS.VIF | RFLAGS.VIP;
  const width = unit === 2 ? 0xffff : 0x3fffff;
  const flags = cpu.eflags;
  cpu.eflags = flags & (kept | ~width) | image & width & ~kept & 0x277fd7;
  cpu.nmiBlocked = false;
}

function iretToV86(cpu: Cpu, offset: bigint, cs: number, image: number): void {
  const values = [3, 4, 5, 6, 7, 8].map((i) => readStack(cpu, 4, i));
  const [esp, ss, es, ds, fs, gs] = values as [bigint, bigint, bigint, bigint, bigint, bigint];
  cpu.eflags = image & 0x3f7fd7 | RFLAGS.VM;
  cpu.setCell32(CPU.CPL, 3);
  const selectors = [es, BigInt(cs), ss, ds, fs, gs];
  selectors.forEach((selector, seg) => installReal(cpu, seg, Number(selector & 0xffffn)));
  cpu.gpr[GPR.RSP] = cut(esp, 4);
  cpu.nextRip = offset & 0xffffn;
  cpu.nmiBlocked = false;
  cpu.updateMode();
}

// ---- interrupts ----------------------------------------------------------------------------------------------------

function interrupt(cpu: Cpu, vector: number, source: "software" | "icebp"): void {
  const own = cpu.rip;
  cpu.rip = cpu.nextRip;
  try {
    deliver(cpu, vector, { source });
  } catch (error) {
    cpu.rip = own;
    throw error;
  }
  cpu.nextRip = cpu.rip;
}

/** In virtual-8086 mode INT3 and INTO do not look at IOPL, INT n does. */
const into: SystemOp = (cpu) => {
  if ((cpu.eflags & RFLAGS.OF) !== 0) interrupt(cpu, VECTOR.OF, "software");
};

const bound: SystemOp = (cpu, insn) => {
  const bytes = insn.operandSize;
  const signed = (value: bigint) => BigInt.asIntN(bytes * 8, value);
  memoryAddress(cpu, insn, 2 * bytes, false);
  const low = signed(readMemoryPart(cpu, insn, 0, bytes));
  const high = signed(readMemoryPart(cpu, insn, bytes, bytes));
  const index = signed(cpu.gpr[insn.reg]!);
  if (index < low || index > high) throw cpu.fault(VECTOR.BR);
};

// ---- fast system calls ---------------------------------------------------------------------------------------------

function msr(cpu: Cpu, which: number): bigint {
  return cpu.cell64(CPU.MSR + which * 8);
}

function flatCode(cpu: Cpu, selector: number, { long, cpl }: { long: boolean; cpl: number }): void {
  const attr = FLAT_CODE | (long ? ATTR.LONG : ATTR.BIG) | (cpl === 3 ? RING3 : 0);
  cpu.setSegment(SEGMENT.CS, selector, 0n, FLAT_LIMIT, attr);
}

function flatStack(cpu: Cpu, selector: number, cpl: number): void {
  cpu.setSegment(SEGMENT.SS, selector, 0n, FLAT_LIMIT, FLAT_DATA | (cpl === 3 ? RING3 : 0));
}

/** Only in 64-bit code, as on Intel's processors. */
const syscall: SystemOp = (cpu) => {
  if ((cpu.efer & EFER.SCE) === 0 || !cpu.code64) throw cpu.fault(VECTOR.UD);
  const flags = cpu.eflags & ~RFLAGS.RF;
  cpu.gpr[GPR.RCX] = cpu.nextRip;
  cpu.gpr[GPR.R11] = BigInt(flags >>> 0);
  const selector = Number(msr(cpu, MSR_CELL.STAR) >> 32n & 0xfffcn);
  cpu.nextRip = msr(cpu, MSR_CELL.LSTAR);
  flatCode(cpu, selector, { long: true, cpl: 0 });
  flatStack(cpu, selector + 8, 0);
  cpu.setCell32(CPU.CPL, 0);
  cpu.eflags = flags & ~Number(BigInt.asUintN(32, msr(cpu, MSR_CELL.FMASK)));
  cpu.setCpl(0);
};

const sysret: SystemOp = (cpu, insn) => {
  if ((cpu.efer & EFER.SCE) === 0 || !cpu.code64) throw cpu.fault(VECTOR.UD);
  const long = insn.operandSize === 8;
  const target = cpu.gpr[GPR.RCX]!;
  if (long && !Paging.canonical(target)) throw cpu.fault(VECTOR.GP, 0);
  const selector = Number(msr(cpu, MSR_CELL.STAR) >> 48n & 0xffffn);
  cpu.nextRip = long ? target : cut(target, 4);
  flatCode(cpu, (long ? selector + 16 : selector) | 3, { long, cpl: 3 });
  flatStack(cpu, selector + 8 | 3, 3);
  cpu.setCell32(CPU.CPL, 3);
  cpu.eflags = Number(cpu.gpr[GPR.R11]! & 0x3c7fd7n);
  cpu.setCpl(3);
};

const sysenter: SystemOp = (cpu) => {
  const base = Number(msr(cpu, MSR_CELL.SYSENTER_CS) & 0xfffcn);
  if (base === 0) throw cpu.fault(VECTOR.GP, 0);
  const long = cpu.longMode;
  const bytes = long ? 8 : 4;
  cpu.eflags = cpu.eflags & ~(RFLAGS.VM | RFLAGS.IF | RFLAGS.RF);
  flatCode(cpu, base, { long, cpl: 0 });
  flatStack(cpu, base + 8, 0);
  cpu.gpr[GPR.RSP] = cut(msr(cpu, MSR_CELL.SYSENTER_ESP), bytes);
  cpu.nextRip = cut(msr(cpu, MSR_CELL.SYSENTER_EIP), bytes);
  cpu.setCpl(0);
};

const sysexit: SystemOp = (cpu, insn) => {
  const base = Number(msr(cpu, MSR_CELL.SYSENTER_CS) & 0xfffcn);
  if (base === 0 || cpu.realOrV86) throw cpu.fault(VECTOR.GP, 0);
  const long = insn.operandSize === 8;
  const target = cpu.gpr[GPR.RDX]!;
  const stack = cpu.gpr[GPR.RCX]!;
  if (long && !(Paging.canonical(target) && Paging.canonical(stack))) throw cpu.fault(VECTOR.GP, 0);
  flatCode(cpu, base + (long ? 32 : 16) | 3, { long, cpl: 3 });
  flatStack(cpu, base + (long ? 40 : 24) | 3, 3);
  cpu.gpr[GPR.RSP] = long ? stack : cut(stack, 4);
  cpu.nextRip = long ? target : cut(target, 4);
  cpu.setCpl(3);
};

/** By key. */
export const FAR: SystemOps = {
  jmpf,
  callf,
  retf,
  iret,
  int: (cpu, insn) => interrupt(cpu, insn.imm & 0xff, "software"),
  int3: (cpu) => interrupt(cpu, VECTOR.BP, "software"),
  int1: (cpu) => interrupt(cpu, VECTOR.DB, "icebp"),
  into,
  bound,
  syscall,
  sysret,
  sysenter,
  sysexit,
  // There is no system management mode to return from.
  rsm: (cpu) => {
    throw cpu.fault(VECTOR.UD);
  },
};
