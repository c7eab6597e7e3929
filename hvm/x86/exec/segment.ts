/**
 * Instructions that load, store and ask about segments and descriptor tables.
 *
 * Sources: [SDM] Intel SDM vol. 2, ARPL, LAR, LDS to LSS, LGDT, LIDT, LLDT, LSL, LTR, MOV, POP, PUSH, SGDT, SIDT, SLDT, STR,
 * VERR, VERW.
 * @module
 */

import { type Cpu, GuestFault, SEGMENT, type SystemOp, type SystemOps } from "../cpu.ts";
import { type Insn, operandRegister } from "../insn.ts";
import {
  adjustStack,
  cut,
  effectiveOffset,
  linearOf,
  memoryAddress,
  peek,
  poke,
  push,
  readMemoryPart,
  readOperand,
  setGpr,
  stackBytes,
  writeOperand,
} from "../operands.ts";
import { Paging } from "../paging.ts";
import {
  type Descriptor,
  dplOf,
  installTask,
  isCode,
  isConforming,
  isNull,
  loadLdt,
  loadSegment,
  readDescriptor,
  selectorCode,
  setBusy,
  SYSTEM_TYPE,
  systemType,
  wideBase,
} from "../seg.ts";
import { GPR, RFLAGS } from "../state.ts";
import { ATTR, CPU } from "./cpu_memory.ts";
import { VECTOR } from "./sem.ts";

function setZf(cpu: Cpu, on: boolean): void {
  cpu.eflags = on ? cpu.eflags | RFLAGS.ZF : cpu.eflags & ~RFLAGS.ZF;
}

const movtoseg: SystemOp = (cpu, insn) => {
  const seg = operandRegister(insn, 0);
  loadSegment(cpu, seg, Number(readOperand(cpu, insn, 1) & 0xffffn));
  if (seg === SEGMENT.SS) cpu.inhibitInterrupts();
};

const popseg: SystemOp = (cpu, insn) => {
  const seg = operandRegister(insn, 0);
  const selector = Number(peek(cpu, insn.operandSize) & 0xffffn);
  // A new stack segment may have another width of the pointer than the one that was popped from.
  const bytes = stackBytes(cpu);
  loadSegment(cpu, seg, selector);
  setGpr(cpu, GPR.RSP, bytes, cpu.gpr[GPR.RSP]! + BigInt(insn.operandSize));
  if (seg === SEGMENT.SS) cpu.inhibitInterrupts();
};

/** Of four bytes Intel's processors write two: "all recent Intel Core and Intel Atom processors". [SDM] vol. 2, PUSH */
const pushseg: SystemOp = (cpu, insn) => {
  const { operandSize } = insn;
  const selector = BigInt(cpu.selector(operandRegister(insn, 0)));
  if (operandSize !== 4) return push(cpu, operandSize, selector);
  poke(cpu, 2, selector, 2);
  adjustStack(cpu, -4);
};

/** LDS, LES, LSS, LFS, LGS: the opcode names the segment. */
const LSEG: Readonly<Record<number, number>> = {
  0xc4: SEGMENT.ES,
  0xc5: SEGMENT.DS,
  0xb2: SEGMENT.SS,
  0xb4: SEGMENT.FS,
  0xb5: SEGMENT.GS,
};

const lseg: SystemOp = (cpu, insn) => {
  const { operandSize } = insn;
  const offset = readMemoryPart(cpu, insn, 0, operandSize);
  const selector = Number(readMemoryPart(cpu, insn, operandSize, 2));
  loadSegment(cpu, LSEG[insn.opcode]!, selector);
  setGpr(cpu, insn.reg, operandSize, offset);
};

const arpl: SystemOp = (cpu, insn) => {
  const destination = readOperand(cpu, insn, 0);
  const source = readOperand(cpu, insn, 1);
  const lower = (destination & 3n) < (source & 3n);
  if (lower) writeOperand(cpu, insn, 0, destination & ~3n | source & 3n);
  setZf(cpu, lower);
};

// ---- questions -----------------------------------------------------------------------------------------------------

/** The descriptor of a selector, undefined where asking is in vain. */
function lookUp(cpu: Cpu, selector: number): Descriptor | undefined {
  if (isNull(selector)) return undefined;
  try {
    return readDescriptor(cpu, selector);
  } catch (error) {
    // A selector beyond its table is an answer, a page fault is one's own.
    if (error instanceof GuestFault && error.vector === VECTOR.GP) return undefined;
    throw error;
  }
}

function visible(cpu: Cpu, descriptor: Descriptor): boolean {
  if (isCode(descriptor) && isConforming(descriptor)) return true;
  return dplOf(descriptor) >= Math.max(cpu.cpl, descriptor.selector & 3);
}

/** Types of system descriptors LAR and LSL know; IA-32e mode has fewer. */
const LAR_TYPES: readonly number[] = [1, 2, 3, 4, 5, 9, 11, 12];
const LAR_LONG: readonly number[] = [2, 9, 11, 12];
const LSL_TYPES: readonly number[] = [1, 2, 3, 9, 11];
const LSL_LONG: readonly number[] = [2, 9, 11];

function question(
  types: readonly number[],
  longTypes: readonly number[],
  answer: (descriptor: Descriptor) => bigint,
): SystemOp {
  return (cpu, insn) => {
    const descriptor = lookUp(cpu, Number(readOperand(cpu, insn, 1) & 0xffffn));
    const type = descriptor === undefined ? -1 : systemType(descriptor);
    const known = type < 0 || (cpu.longMode ? longTypes : types).includes(type);
    const good = descriptor !== undefined && known && visible(cpu, descriptor);
    if (good) setGpr(cpu, insn.reg, insn.operandSize, answer(descriptor));
    setZf(cpu, good);
  };
}

function verify(write: boolean): SystemOp {
  return (cpu, insn) => {
    const descriptor = lookUp(cpu, Number(readOperand(cpu, insn, 0) & 0xffffn));
    setZf(cpu, descriptor !== undefined && visible(cpu, descriptor) && allowed(descriptor, write));
  };
}

function allowed({ attr }: Descriptor, write: boolean): boolean {
  if ((attr & ATTR.CODE_OR_DATA) === 0) return false;
  if ((attr & ATTR.CODE) !== 0) return !write && (attr & ATTR.WRITE_OR_READ) !== 0;
  return !write || (attr & ATTR.WRITE_OR_READ) !== 0;
}

// ---- tables --------------------------------------------------------------------------------------------------------

function loadTable(cell: number): SystemOp {
  return (cpu, insn) => {
    const bytes = cpu.code64 ? 8 : 4;
    const limit = readMemoryPart(cpu, insn, 0, 2);
    let base = readMemoryPart(cpu, insn, 2, bytes);
    if (cpu.code64 && !Paging.canonical(base)) throw cpu.fault(VECTOR.GP, 0);
    if (!cpu.code64 && insn.operandSize === 2) base &= 0xffffffn;
    cpu.setCell64(cell, base);
    cpu.setCell32(cell + 8, Number(limit));
  };
}

function storeTable(cell: number): SystemOp {
  return (cpu, insn) => {
    const bytes = cpu.code64 ? 8 : 4;
    const at = memoryAddress(cpu, insn, 2 + bytes, true);
    cpu.probeLinear(at, 2 + bytes, true);
    cpu.writeLinear(at, 2, BigInt(cpu.cell32(cell + 8)));
    const offset = cut(effectiveOffset(cpu, insn) + 2n, insn.addressSize);
    cpu.writeLinear(linearOf(cpu, insn.segment, offset, bytes, true), bytes, cut(cpu.cell64(cell), bytes));
  };
}

const ltr: SystemOp = (cpu, insn) => {
  const selector = Number(readOperand(cpu, insn, 0) & 0xffffn);
  const code = selectorCode(selector);
  if (isNull(selector)) throw cpu.fault(VECTOR.GP, 0);
  if ((selector & 4) !== 0) throw cpu.fault(VECTOR.GP, code);
  const descriptor = readDescriptor(cpu, selector);
  const type = systemType(descriptor);
  const good = type === SYSTEM_TYPE.TSS || type === SYSTEM_TYPE.TSS16 && !cpu.longMode;
  if (!good) throw cpu.fault(VECTOR.GP, code);
  if ((descriptor.attr & ATTR.PRESENT) === 0) throw cpu.fault(VECTOR.NP, code);
  const base = wideBase(cpu, descriptor);
  setBusy(cpu, descriptor, true);
  installTask(cpu, descriptor, base);
};

/** To a register as wide as the operand, to memory 16 bits. */
function storeSelector(which: (insn: Insn) => number): SystemOp {
  return (cpu, insn) => writeOperand(cpu, insn, 0, BigInt(cpu.selector(which(insn))));
}

/** By key. */
export const SEGMENT_OPS: SystemOps = {
  movtoseg,
  popseg,
  pushseg,
  lseg,
  arpl,
  lar: question(LAR_TYPES, LAR_LONG, ({ raw }) => raw >> 32n & 0x00ffff00n),
  lsl: question(LSL_TYPES, LSL_LONG, ({ limit }) => BigInt(limit)),
  verr: verify(false),
  verw: verify(true),
  lgdt: loadTable(CPU.GDT),
  lidt: loadTable(CPU.IDT),
  sgdt: storeTable(CPU.GDT),
  sidt: storeTable(CPU.IDT),
  lldt: (cpu, insn) => loadLdt(cpu, Number(readOperand(cpu, insn, 0) & 0xffffn)),
  ltr,
  sldt: storeSelector(() => SEGMENT.LDT),
  str: storeSelector(() => SEGMENT.TR),
};
