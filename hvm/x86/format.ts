/**
 * Instructions as text, for traces, diagnoses, `hvm disasm` and tests. The text is stable: tests and users compare it.
 *
 * Intel's syntax in lower case: `lock add dword ptr fs:[rax+rcx*4-0x10], 0x7f`.
 * - Prefixes are printed where they do something: `lock`, `rep`, `repe`, `repne`, and a segment override at the operand. One
 *   that does nothing (REX.W before NOP, a branch hint, DS where DS it is) is not.
 * - Memory has its size in front, `byte word dword fword qword tbyte xmmword ptr`, and none where the instruction only
 *   takes an address or a structure (LEA, LGDT, FXSAVE, XSAVE, PREFETCH has `byte`).
 * - Addresses: `[base+index*scale+0x8]`, displacements signed; a lone displacement is cut to the address size; `[rip+0x10]` as it
 *   is encoded. String operands have their segments where these are fixed or overridden: `movs byte ptr es:[rdi], byte ptr [rsi]`.
 * - Immediates are unsigned at the operand's size, `0x` and hexadecimal, and as wide as the operation sees them; the `1` of
 *   the shifts by one is written so.
 * - Branches have their target, computed from the address given; far pointers are `0x10:0x1234`.
 * - x87 registers are `st` and `st(1)`.
 *
 * @module
 */

import { hex } from "../base/bits.ts";
import { TRAIT } from "./isa.ts";
import { isa } from "./isa_build.ts";
import {
  BASE_RIP,
  branchTarget,
  displacement,
  FIRST_HIGH_BYTE,
  immediate,
  type Insn,
  isMemory,
  isRepeated,
  MAX_OPERANDS,
  NO_REGISTER,
  OPERAND,
  type OperandKind,
  operandKind,
  operandRegister,
  operandSize,
  PREFIX,
  SEG,
  traitsOf,
} from "./insn.ts";
import { GPR } from "./state.ts";

const WORDS = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"];
const LOW_BYTES = ["al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil"];
const HIGH_BYTES = ["ah", "ch", "dh", "bh"];
const SEGMENTS = ["es", "cs", "ss", "ds", "fs", "gs"];

/** The name of a general register, of `size` bytes; numbers as in {@linkcode OPERAND.GPR}. */
export function registerName(number: number, size: number): string {
  if (number >= FIRST_HIGH_BYTE) return HIGH_BYTES[number - FIRST_HIGH_BYTE] ?? "?";
  if (number >= 8) return `r${number}${{ 1: "b", 2: "w", 4: "d" }[size] ?? ""}`;
  if (size === 1) return LOW_BYTES[number] ?? "?";
  const word = WORDS[number] ?? "?";
  return size === 2 ? word : (size === 4 ? "e" : "r") + word;
}

/**
 * The text of a decoded instruction.
 * @param address where it was, for the targets of branches.
 */
export function formatInsn(insn: Insn, address = 0n): string {
  if (insn.row === 0) return "(bad)";
  const parts: string[] = [];
  for (let n = 0; n < MAX_OPERANDS; n++) {
    const kind = operandKind(insn, n);
    if (kind === OPERAND.NONE) break;
    parts.push(operandText(insn, n, kind, address));
  }
  return `${prefixText(insn)}${nameOf(insn)}${parts.length > 0 ? " " : ""}${parts.join(", ")}`;
}

/** The name without prefixes and operands. */
export function nameOf(insn: Insn): string {
  const size = (traitsOf(insn) & TRAIT.BYADDR) !== 0 ? insn.addressSize : insn.operandSize;
  return isa().names[insn.row]?.[size >> 2] ?? "";
}

function prefixText(insn: Insn): string {
  if ((insn.prefixes & PREFIX.LOCK) !== 0) return "lock ";
  if (!isRepeated(insn)) return "";
  if ((insn.prefixes & PREFIX.REPNE) !== 0) return "repne ";
  return (traitsOf(insn) & TRAIT.REPCC) !== 0 ? "repe " : "rep ";
}

function operandText(insn: Insn, n: number, kind: OperandKind, address: bigint): string {
  if (isMemory(kind)) return memoryText(insn, kind, operandSize(insn, n));
  const register = operandRegister(insn, n);
  switch (kind) {
    case OPERAND.GPR:
      return registerName(register, operandSize(insn, n));
    case OPERAND.SEGMENT:
      return SEGMENTS[register] ?? "?";
    case OPERAND.CONTROL:
      return `cr${register}`;
    case OPERAND.DEBUG:
      return `dr${register}`;
    case OPERAND.MMX:
      return `mm${register}`;
    case OPERAND.XMM:
      return `xmm${register}`;
    case OPERAND.X87:
      return x87Text(insn, n, register);
    case OPERAND.IMMEDIATE:
      return immediateText(insn, n);
    case OPERAND.BRANCH:
      return hex(branchTarget(insn, address));
    default:
      return `${hex(insn.imm2)}:${hex(insn.imm >>> 0)}`;
  }
}

/** Only `st` itself, not register 0 reached by number, is without its number. */
function x87Text(insn: Insn, n: number, register: number): string {
  const { operands, codes } = isa();
  return codes[operands[insn.row]! >>> 8 * n & 0xff]?.code === "ST" ? "st" : `st(${register})`;
}

/** As wide as the other operand is: `add eax, 0xffffffff`, `push 0xfff8`. */
function immediateText(insn: Insn, n: number): string {
  const { operands, codes } = isa();
  const code = codes[operands[insn.row]! >>> 8 * n & 0xff]?.code;
  const signed = code === "Ibs" || code === "Iz" || code === "Iv";
  if (code === "1") return "1";
  const value = immediate(insn, n);
  return hex(signed ? BigInt.asUintN(insn.operandSize * 8, value) : value);
}

const SIZE_TEXT: Readonly<Record<number, string>> = {
  1: "byte ptr ",
  2: "word ptr ",
  4: "dword ptr ",
  6: "fword ptr ",
  8: "qword ptr ",
  10: "tbyte ptr ",
  16: "xmmword ptr ",
};

function memoryText(insn: Insn, kind: OperandKind, size: number): string {
  const { addressSize } = insn;
  const name = (register: number) => registerName(register, addressSize);
  const fixed = kind === OPERAND.MEMORY_DI ? "es:" : "";
  const segment = fixed || overrideText(insn, kind);
  const at = kind === OPERAND.MEMORY_SI
    ? name(GPR.RSI)
    : kind === OPERAND.MEMORY_DI
    ? name(GPR.RDI)
    : kind === OPERAND.MEMORY_BX
    ? `${name(GPR.RBX)}+al`
    : addressText(insn, name);
  return `${sizeText(insn, size)}${segment}[${at}]`;
}

/** An override that names the segment it would be anyway is nothing. */
function overrideText(insn: Insn, kind: OperandKind): string {
  const stack = kind === OPERAND.MEMORY && (insn.base === GPR.RSP || insn.base === GPR.RBP);
  const own = stack ? SEG.SS : SEG.DS;
  return insn.override < 0 || insn.override === own ? "" : `${SEGMENTS[insn.override]}:`;
}

/** Structures have no size in their text; see the module's comment. */
function sizeText(insn: Insn, size: number): string {
  return isStructure(insn) ? "" : SIZE_TEXT[size] ?? "";
}

function isStructure(insn: Insn): boolean {
  const { operands, codes } = isa();
  const packed = operands[insn.row]!;
  return [0, 8].some((shift) => STRUCTURES.has(codes[packed >>> shift & 0xff]?.code ?? ""));
}

const STRUCTURES: ReadonlySet<string> = new Set(["Ms", "Menv", "Mst", "M64", "M512", "M"]);

function addressText(insn: Insn, name: (register: number) => string): string {
  const terms: string[] = [];
  if (insn.base === BASE_RIP) terms.push(insn.addressSize === 8 ? "rip" : "eip");
  else if (insn.base !== NO_REGISTER) terms.push(name(insn.base));
  if (insn.index !== NO_REGISTER) {
    terms.push(insn.addressSize === 2 ? name(insn.index) : `${name(insn.index)}*${1 << insn.scale}`);
  }
  const disp = displacement(insn);
  if (terms.length === 0) return hex(BigInt.asUintN(insn.addressSize * 8, disp));
  if (disp === 0n) return terms.join("+");
  return `${terms.join("+")}${disp < 0n ? "-" : "+"}${hex(disp < 0n ? -disp : disp)}`;
}
