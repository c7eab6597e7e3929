/**
 * The decoded record, and what can be asked of it.
 *
 * The decoder fills a caller's record and allocates nothing; what the fields do not say is looked up in the row's
 * tables by the functions below. Values wider than 32 bits are two 32-bit halves.
 *
 * Sources: [SDM] vol. 2A, chapter 2; [APM] vol. 3, chapter 1.
 * @module
 */

import { CLASSES, type InsnClass, TRAIT } from "./isa.ts";
import { isa } from "./isa_build.ts";
import { ACCESS } from "./isa_tables.ts";
import { ISA_FEATURE } from "./isa_features.ts";
import { type OperandCode, type OperandWidth, SOURCE, type Source, WIDTH } from "./isa_operands.ts";

/** Prefixes of an instruction; REP and REPNE are those in force, the last of F3 and F2. */
export const PREFIX = {
  LOCK: 1 << 0,
  /** F3. */
  REP: 1 << 1,
  /** F2. */
  REPNE: 1 << 2,
  /** 66. */
  OPERAND: 1 << 3,
  /** 67. */
  ADDRESS: 1 << 4,
  /** A REX prefix that counts: SPL, BPL, SIL, DIL instead of AH, CH, DH, BH. */
  REX: 1 << 5,
  VEX: 1 << 6,
} as const;

/** Segment registers by the numbers instructions encode. [SDM] vol. 2A, table B-8 */
export const SEG = { ES: 0, CS: 1, SS: 2, DS: 3, FS: 4, GS: 5 } as const;

/** {@linkcode Insn.base} or {@linkcode Insn.index}: no register. */
export const NO_REGISTER = -1;
/** {@linkcode Insn.base}: the address of the next instruction. */
export const BASE_RIP = 16;

/** A decoded instruction. */
export class Insn {
  /** 16, 32 or 64: the code it was decoded as. */
  mode = 16;
  /** In bytes, 1 to 15; what was consumed when decoding failed. */
  length = 0;
  /** The row's number in the tables of {@linkcode isa}; 0 when decoding failed. */
  row = 0;
  /** Bits of {@linkcode PREFIX}. */
  prefixes = 0;
  /** 0 one byte, 1 0F, 2 0F38, 3 0F3A, 5 to 7 the last three behind VEX. */
  map = 0;
  opcode = 0;
  /** Operand size in bytes: 2, 4 or 8. */
  operandSize = 0;
  /** Address size in bytes: 2, 4 or 8. */
  addressSize = 0;
  /** REX.W or VEX.W in 64-bit code. */
  wide = 0;
  /** ModRM.mod, 3 for instructions that take it so; -1 without ModRM. */
  mod = -1;
  /** ModRM.reg with REX.R. */
  reg = 0;
  /** ModRM.rm, or the register in the opcode, with REX.B. */
  rm = 0;
  /** Base register of the address, {@linkcode NO_REGISTER} or {@linkcode BASE_RIP}. */
  base = NO_REGISTER;
  /** Index register of the address or {@linkcode NO_REGISTER}. */
  index = NO_REGISTER;
  /** Shift of the index: 0 to 3. */
  scale = 0;
  /** Displacement, sign-extended to 32 bits; the low half of an address in the instruction. */
  disp = 0;
  /** The high half of it: zero or the sign, but for 64-bit addresses in the instruction. */
  dispHi = 0;
  /** Effective segment of memory operands but ES:rDI. */
  segment = 0;
  /** A segment override prefix that counts, or -1. */
  override = -1;
  /** VEX.vvvv as a register number. */
  vvvv = 0;
  /** VEX.L. */
  vexL = 0;
  /** The immediate or branch displacement, or the offset of a far pointer: the low half. */
  imm = 0;
  /** The high half: zero or the sign. */
  immHi = 0;
  /** The second immediate, or the selector of a far pointer. */
  imm2 = 0;
}

/** Kinds of operands. */
export const OPERAND = {
  NONE: 0,
  /** Register numbers 0 to 15; 16 to 19 are AH, CH, DH, BH. */
  GPR: 1,
  SEGMENT: 2,
  CONTROL: 3,
  DEBUG: 4,
  MMX: 5,
  XMM: 6,
  /** The x87 register so many below the top. */
  X87: 7,
  /** Memory at base, index and displacement. */
  MEMORY: 8,
  /** Memory at rSI in the effective segment, at ES:rDI, at rBX + AL in the effective segment. */
  MEMORY_SI: 9,
  MEMORY_DI: 10,
  MEMORY_BX: 11,
  IMMEDIATE: 12,
  /** A target relative to the next instruction. */
  BRANCH: 13,
  FAR_POINTER: 14,
} as const;
export type OperandKind = typeof OPERAND[keyof typeof OPERAND];

/** AH as a register number; CH, DH and BH follow. */
export const FIRST_HIGH_BYTE = 16;

/** The most operands a row has. */
export const MAX_OPERANDS = 4;

function codeOf(insn: Insn, n: number): OperandCode {
  const { operands, codes } = isa();
  return codes[operands[insn.row]! >>> 8 * n & 0xff] as OperandCode;
}

/** How many operands there are. */
export function operandCount(insn: Insn): number {
  let n = 0;
  while (n < MAX_OPERANDS && codeOf(insn, n).source !== SOURCE.NONE) n++;
  return n;
}

const MEMORY_OR: Readonly<Partial<Record<Source, OperandKind>>> = {
  [SOURCE.E]: OPERAND.GPR,
  [SOURCE.Q]: OPERAND.MMX,
  [SOURCE.W]: OPERAND.XMM,
};

const KIND: Readonly<Record<Source, OperandKind>> = {
  [SOURCE.NONE]: OPERAND.NONE,
  [SOURCE.E]: OPERAND.MEMORY,
  [SOURCE.M]: OPERAND.MEMORY,
  [SOURCE.R]: OPERAND.GPR,
  [SOURCE.R_ANY_MOD]: OPERAND.GPR,
  [SOURCE.G]: OPERAND.GPR,
  [SOURCE.Z]: OPERAND.GPR,
  [SOURCE.B]: OPERAND.GPR,
  [SOURCE.I]: OPERAND.IMMEDIATE,
  [SOURCE.I2]: OPERAND.IMMEDIATE,
  [SOURCE.J]: OPERAND.BRANCH,
  [SOURCE.A]: OPERAND.FAR_POINTER,
  [SOURCE.O]: OPERAND.MEMORY,
  [SOURCE.X]: OPERAND.MEMORY_SI,
  [SOURCE.Y]: OPERAND.MEMORY_DI,
  [SOURCE.T]: OPERAND.MEMORY_BX,
  [SOURCE.S]: OPERAND.SEGMENT,
  [SOURCE.C]: OPERAND.CONTROL,
  [SOURCE.D]: OPERAND.DEBUG,
  [SOURCE.P]: OPERAND.MMX,
  [SOURCE.V]: OPERAND.XMM,
  [SOURCE.Q]: OPERAND.MEMORY,
  [SOURCE.N]: OPERAND.MMX,
  [SOURCE.W]: OPERAND.MEMORY,
  [SOURCE.U]: OPERAND.XMM,
  [SOURCE.H]: OPERAND.XMM,
  [SOURCE.ST]: OPERAND.X87,
  [SOURCE.STI]: OPERAND.X87,
  [SOURCE.FIXED]: OPERAND.GPR,
  [SOURCE.FIXED_SEGMENT]: OPERAND.SEGMENT,
  [SOURCE.FIXED_XMM]: OPERAND.XMM,
  [SOURCE.ONE]: OPERAND.IMMEDIATE,
};

/** The kind of operand `n`; NONE behind the last. */
export function operandKind(insn: Insn, n: number): OperandKind {
  const { source } = codeOf(insn, n);
  return insn.mod === 3 ? MEMORY_OR[source] ?? KIND[source] : KIND[source];
}

/** Whether a kind is one of the four in memory. */
export function isMemory(kind: OperandKind): boolean {
  return kind >= OPERAND.MEMORY && kind <= OPERAND.MEMORY_BX;
}

/** Bits of {@linkcode ACCESS} of operand `n`. */
export function operandAccess(insn: Insn, n: number): number {
  return isa().access[insn.row]! >> 2 * n & ACCESS.RW;
}

/** Bytes of operand `n`; 0 where that depends on more than the instruction (XSAVE) or has no meaning (LEA). */
export function operandSize(insn: Insn, n: number): number {
  const { width } = codeOf(insn, n);
  return widthBytes(insn, width, insn.mod === 3);
}

function widthBytes(insn: Insn, width: OperandWidth, register: boolean): number {
  const { operandSize, mode } = insn;
  switch (width) {
    case WIDTH.NONE:
      return 0;
    case WIDTH.B:
      return 1;
    case WIDTH.W:
      return 2;
    case WIDTH.D:
      return 4;
    case WIDTH.Q:
      return 8;
    case WIDTH.DQ:
      return 16;
    case WIDTH.T:
      return 10;
    case WIDTH.V:
      return operandSize;
    case WIDTH.Z:
      return operandSize === 2 ? 2 : 4;
    case WIDTH.Y:
      return insn.wide === 1 ? 8 : 4;
    case WIDTH.MODE:
      return mode === 64 ? 8 : 4;
    case WIDTH.ADDRESS:
      return insn.addressSize;
    case WIDTH.P:
      return operandSize + 2;
    case WIDTH.S:
      return mode === 64 ? 10 : 6;
    case WIDTH.A:
      return operandSize === 2 ? 4 : 8;
    case WIDTH.ENV:
      return operandSize === 2 ? 14 : 28;
    case WIDTH.STATE:
      return operandSize === 2 ? 94 : 108;
    case WIDTH.X64:
      return 64;
    case WIDTH.X512:
      return 512;
    case WIDTH.V_OR_W:
      return register ? operandSize : 2;
    case WIDTH.D_OR_B:
      return register ? 4 : 1;
    case WIDTH.D_OR_W:
      return register ? 4 : 2;
  }
}

/** The register of operand `n`, as its kind counts registers; 0 for kinds without one. */
export function operandRegister(insn: Insn, n: number): number {
  const { source, fixed } = codeOf(insn, n);
  switch (source) {
    case SOURCE.E:
    case SOURCE.R:
    case SOURCE.R_ANY_MOD:
    case SOURCE.Z:
      return byteRegister(insn, n, insn.rm);
    case SOURCE.G:
      return byteRegister(insn, n, insn.reg);
    case SOURCE.B:
    case SOURCE.H:
      return insn.vvvv;
    case SOURCE.S:
    case SOURCE.P:
      return insn.reg & 7;
    case SOURCE.C:
    case SOURCE.D:
    case SOURCE.V:
      return insn.reg;
    case SOURCE.Q:
    case SOURCE.N:
    case SOURCE.STI:
      return insn.rm & 7;
    case SOURCE.W:
    case SOURCE.U:
      return insn.rm;
    default:
      return fixed;
  }
}

function byteRegister(insn: Insn, n: number, number: number): number {
  const high = number >= 4 && number < 8 && (insn.prefixes & PREFIX.REX) === 0 && operandSize(insn, n) === 1;
  return high ? number - 4 + FIRST_HIGH_BYTE : number;
}

/** The number of the operand in memory, or -1. Implicit ones (stack, MASKMOVQ) do not count; of MOVS and CMPS the first. */
export function memoryOperand(insn: Insn): number {
  for (let n = 0; n < MAX_OPERANDS; n++) if (isMemory(operandKind(insn, n))) return n;
  return -1;
}

/** The value of an immediate operand, sign-extended as the instruction does. Cold. */
export function immediate(insn: Insn, n: number): bigint {
  const { source } = codeOf(insn, n);
  if (source === SOURCE.ONE) return 1n;
  return source === SOURCE.I2 ? BigInt(insn.imm2) : joined(insn.immHi, insn.imm);
}

/** The displacement as one signed number. Cold. */
export function displacement(insn: Insn): bigint {
  return joined(insn.dispHi, insn.disp);
}

function joined(high: number, low: number): bigint {
  return BigInt(high) << 32n | BigInt(low >>> 0);
}

/** Where a branch goes that was decoded at `address`: cut to the operand size. Cold. */
export function branchTarget(insn: Insn, address: bigint): bigint {
  return BigInt.asUintN(insn.operandSize * 8, address + BigInt(insn.length) + joined(insn.immHi, insn.imm));
}

/** The class of an instruction. */
export function classOf(insn: Insn): InsnClass {
  return CLASSES[isa().classOf[insn.row]!] ?? "system";
}

/** Bits of {@linkcode TRAIT}. */
export function traitsOf(insn: Insn): number {
  return isa().traits[insn.row]!;
}

/** The semantics key: a stable name of what an instruction does, whatever its operands. */
export function keyOf(insn: Insn): string {
  return isa().keys[isa().key[insn.row]!] ?? "";
}

/** The name of the CPUID feature an instruction needs, or undefined. A key of {@linkcode ISA_FEATURE}. */
export function gateOf(insn: Insn): keyof typeof ISA_FEATURE | undefined {
  return isa().gates[isa().gate[insn.row]!] || undefined;
}

/** The four bits of the condition of `jcc`, `setcc` and `cmovcc`. [SDM] vol. 1, appendix B */
export function conditionOf(insn: Insn): number {
  return insn.opcode & 15;
}

/** Whether a prefix repeats it. */
export function isRepeated(insn: Insn): boolean {
  return (insn.prefixes & (PREFIX.REP | PREFIX.REPNE)) !== 0 &&
    (traitsOf(insn) & (TRAIT.REP | TRAIT.REPCC)) !== 0;
}

/** EFLAGS bits an instruction concerns. */
export interface FlagEffects {
  readonly read: number;
  readonly written: number;
  readonly undefined: number;
  readonly cleared: number;
  readonly set: number;
  /** Of those changed, which keep their value in some cases. */
  readonly kept: number;
}

/** What an instruction does to EFLAGS. Cold: hot code reads the tables by row. */
export function flagEffects(insn: Insn): FlagEffects {
  const table = isa();
  return {
    read: table.flagsRead[insn.row]!,
    written: table.flagsWritten[insn.row]!,
    undefined: table.flagsUndefined[insn.row]!,
    cleared: table.flagsCleared[insn.row]!,
    set: table.flagsSet[insn.row]!,
    kept: table.flagsKept[insn.row]!,
  };
}
