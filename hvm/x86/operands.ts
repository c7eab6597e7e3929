/**
 * Operands of an instruction that is done in TypeScript: registers, effective addresses, segment checks, the stack.
 *
 * Whatever reads or checks throws a GuestFault before anything has changed; what writes is the last that may fault.
 *
 * Sources: [SDM] Intel SDM vol. 1, 3.3.7 (canonical addresses), 3.7.5 (offsets), 6.2 (stack); vol. 3A, 6.3 and 6.4
 * (limit and type checks; 5.3 and 5.4 in older editions).
 * @module
 */

import { type Cpu, SEGMENT } from "./cpu.ts";
import { ATTR, CPU, MODE } from "./exec/cpu_memory.ts";
import { VECTOR } from "./exec/sem.ts";
import {
  BASE_RIP,
  branchTarget,
  displacement,
  FIRST_HIGH_BYTE,
  immediate,
  type Insn,
  memoryOperand,
  NO_REGISTER,
  OPERAND,
  operandKind,
  operandRegister,
  operandSize,
} from "./insn.ts";
import { Paging } from "./paging.ts";
import { GPR } from "./state.ts";

/** Cuts a value to so many bytes. */
export function cut(value: bigint, bytes: number): bigint {
  return BigInt.asUintN(bytes * 8, value);
}

// ---- registers ----------------------------------------------------------------------------------------------------

/** A general register, zero-extended from `bytes`; numbers 16 to 19 are AH, CH, DH, BH. */
export function getGpr(cpu: Cpu, number: number, bytes: number): bigint {
  if (number >= FIRST_HIGH_BYTE) return BigInt(cpu.u8[(number - FIRST_HIGH_BYTE) * 8 + 1]!);
  return cut(cpu.gpr[number]!, bytes);
}

/** Writes a general register: 32 bits clear the high half, narrower writes keep the rest. */
export function setGpr(cpu: Cpu, number: number, bytes: number, value: bigint): void {
  if (number >= FIRST_HIGH_BYTE) {
    cpu.u8[(number - FIRST_HIGH_BYTE) * 8 + 1] = Number(value & 0xffn);
    return;
  }
  const { gpr } = cpu;
  if (bytes >= 4) gpr[number] = cut(value, bytes);
  else gpr[number] = gpr[number]! - cut(gpr[number]!, bytes) + cut(value, bytes);
}

// ---- addresses ----------------------------------------------------------------------------------------------------

/** The offset of the memory operand within its segment, cut to the address size. */
export function effectiveOffset(cpu: Cpu, insn: Insn): bigint {
  let offset = displacement(insn);
  if (insn.base === BASE_RIP) offset += cpu.rip + BigInt(insn.length);
  else if (insn.base !== NO_REGISTER) offset += cpu.gpr[insn.base]!;
  if (insn.index !== NO_REGISTER) offset += cpu.gpr[insn.index]! << BigInt(insn.scale);
  return cut(offset, insn.addressSize);
}

/** The offset of operand `n`, of any of the four kinds in memory. */
function operandOffset(cpu: Cpu, insn: Insn, n: number): bigint {
  const bytes = insn.addressSize;
  switch (operandKind(insn, n)) {
    case OPERAND.MEMORY_SI:
      return getGpr(cpu, GPR.RSI, bytes);
    case OPERAND.MEMORY_DI:
      return getGpr(cpu, GPR.RDI, bytes);
    case OPERAND.MEMORY_BX:
      return cut(cpu.gpr[GPR.RBX]! + (cpu.gpr[GPR.RAX]! & 0xffn), bytes);
    default:
      return effectiveOffset(cpu, insn);
  }
}

/** Whether `bytes` bytes at an offset lie within a segment. [SDM] vol. 3A, 6.3 */
export function withinLimit(offset: bigint, bytes: number, limit: number, attr: number): boolean {
  const first = Number(offset);
  const last = first + bytes - 1;
  const down = (attr & (ATTR.CODE_OR_DATA | ATTR.CODE | ATTR.DOWN_OR_CONFORMING)) ===
    (ATTR.CODE_OR_DATA | ATTR.DOWN_OR_CONFORMING);
  if (down) return first > limit && last <= ((attr & ATTR.BIG) !== 0 ? 0xffffffff : 0xffff);
  return last <= limit || limit === 0xffffffff;
}

/** Whether a segment may be read or written; real-address and virtual-8086 mode do not ask. [SDM] vol. 3A, 6.4.1 */
function allows(attr: number, write: boolean): boolean {
  if ((attr & ATTR.UNUSABLE) !== 0) return false;
  const type = attr & ATTR.TYPE;
  if ((type & ATTR.CODE) !== 0) return !write && (type & ATTR.WRITE_OR_READ) !== 0;
  return !write || (type & ATTR.WRITE_OR_READ) !== 0;
}

/** The linear address of `bytes` bytes at an offset in a segment (0 to 5), checked. Throws #GP(0) or #SS(0). */
export function linearOf(cpu: Cpu, seg: number, offset: bigint, bytes: number, write: boolean): bigint {
  const vector = seg === SEGMENT.SS ? VECTOR.SS : VECTOR.GP;
  if (cpu.code64) {
    const base = seg === SEGMENT.FS || seg === SEGMENT.GS ? cpu.segBase(seg) : 0n;
    const linear = cut(base + offset, 8);
    if (!canonicalRange(linear, bytes)) throw cpu.fault(vector, 0);
    return linear;
  }
  const attr = cpu.segAttr(seg);
  if (!cpu.realOrV86 && !allows(attr, write)) throw cpu.fault(vector, 0);
  if (!withinLimit(offset, bytes, cpu.segLimit(seg), attr)) throw cpu.fault(vector, 0);
  return cut(cpu.segBase(seg) + offset, 4);
}

/** Whether the first and the last byte have canonical addresses. */
export function canonicalRange(linear: bigint, bytes: number): boolean {
  return Paging.canonical(linear) && Paging.canonical(cut(linear + BigInt(bytes - 1), 8));
}

/** The linear address of the instruction's memory operand, checked for an access to `bytes` bytes. */
export function memoryAddress(cpu: Cpu, insn: Insn, bytes: number, write: boolean): bigint {
  const n = memoryOperand(insn);
  return addressOf(cpu, insn, Math.max(n, 0), bytes, write);
}

function addressOf(cpu: Cpu, insn: Insn, n: number, bytes: number, write: boolean): bigint {
  const seg = operandKind(insn, n) === OPERAND.MEMORY_DI ? SEGMENT.ES : insn.segment;
  return linearOf(cpu, seg, operandOffset(cpu, insn, n), bytes, write);
}

/**
 * Reads `bytes` bytes at `skip` bytes behind the start of the memory operand: parts of what is wider than 8 bytes (far
 * pointers, pseudo-descriptors, bounds).
 */
export function readMemoryPart(cpu: Cpu, insn: Insn, skip: number, bytes: number): bigint {
  const offset = cut(effectiveOffset(cpu, insn) + BigInt(skip), insn.addressSize);
  return cpu.readLinear(linearOf(cpu, insn.segment, offset, bytes, false), bytes);
}

// ---- operands -----------------------------------------------------------------------------------------------------

/**
 * The value of operand `n`, at most 8 bytes: general and segment registers and memory zero-extended, immediates
 * sign-extended to 64 bits as the instruction does, branches as their target. May fault.
 */
export function readOperand(cpu: Cpu, insn: Insn, n: number): bigint {
  const kind = operandKind(insn, n);
  const bytes = operandSize(insn, n);
  switch (kind) {
    case OPERAND.GPR:
      return getGpr(cpu, operandRegister(insn, n), bytes);
    case OPERAND.SEGMENT:
      return BigInt(cpu.selector(operandRegister(insn, n)));
    case OPERAND.IMMEDIATE:
      return cut(immediate(insn, n), 8);
    case OPERAND.BRANCH:
      return branchTarget(insn, cpu.rip);
    case OPERAND.MEMORY:
    case OPERAND.MEMORY_SI:
    case OPERAND.MEMORY_DI:
    case OPERAND.MEMORY_BX:
      return cpu.readLinear(addressOf(cpu, insn, n, bytes, false), bytes);
    default:
      throw new RangeError(`operand ${n} of kind ${kind} is no integer`);
  }
}

/** Writes operand `n`, a general register or memory. May fault. */
export function writeOperand(cpu: Cpu, insn: Insn, n: number, value: bigint): void {
  const bytes = operandSize(insn, n);
  if (operandKind(insn, n) === OPERAND.GPR) return setGpr(cpu, operandRegister(insn, n), bytes, value);
  cpu.writeLinear(addressOf(cpu, insn, n, bytes, true), bytes, cut(value, bytes));
}

/** Throws what writing operand `n` would throw. */
export function probeOperand(cpu: Cpu, insn: Insn, n: number): void {
  if (operandKind(insn, n) === OPERAND.GPR) return;
  const bytes = operandSize(insn, n);
  cpu.probeLinear(addressOf(cpu, insn, n, bytes, true), bytes, true);
}

// ---- the stack ------------------------------------------------------------------------------------------------------

/** Bytes of the stack pointer: 2, 4 or 8. */
export function stackBytes(cpu: Cpu): 2 | 4 | 8 {
  const width = cpu.cell32(CPU.MODE) >> MODE.STACK_SHIFT & 3;
  return width === 2 ? 8 : width === 1 ? 4 : 2;
}

/** Moves rSP by so many bytes. */
export function adjustStack(cpu: Cpu, by: number): void {
  const bytes = stackBytes(cpu);
  setGpr(cpu, GPR.RSP, bytes, cpu.gpr[GPR.RSP]! + BigInt(by));
}

/** Reads from the stack at `skip` bytes above rSP, which stays. */
export function peek(cpu: Cpu, bytes: number, skip = 0): bigint {
  const offset = cut(cpu.gpr[GPR.RSP]! + BigInt(skip), stackBytes(cpu));
  return cpu.readLinear(linearOf(cpu, SEGMENT.SS, offset, bytes, false), bytes);
}

/** Writes to the stack so that it ends `skip` bytes below rSP, which stays: the next push by `push` has skip 0. */
export function poke(cpu: Cpu, bytes: number, value: bigint, skip = 0): void {
  const offset = cut(cpu.gpr[GPR.RSP]! - BigInt(skip + bytes), stackBytes(cpu));
  cpu.writeLinear(linearOf(cpu, SEGMENT.SS, offset, bytes, true), bytes, cut(value, bytes));
}

/** Pushes a value. May fault, and has changed nothing then. */
export function push(cpu: Cpu, bytes: number, value: bigint): void {
  poke(cpu, bytes, value);
  adjustStack(cpu, -bytes);
}

/** Pops a value. */
export function pop(cpu: Cpu, bytes: number): bigint {
  const value = peek(cpu, bytes);
  adjustStack(cpu, bytes);
  return value;
}
