/**
 * SSE instructions that are rare or work element by element: string comparison, and a few of SSE4.1. In TypeScript.
 *
 * Sources: [SDM] Intel SDM vol. 2, 4.1 (imm8 of PCMPxSTRx), INSERTPS, MASKMOVDQU, MPSADBW, PCLMULQDQ, PCMPESTRI,
 * PCMPESTRM, PCMPISTRI, PCMPISTRM, PHMINPOSUW.
 * @module
 */

import { type Cpu, SEGMENT, type SystemOp, type SystemOps } from "../cpu.ts";
import { type Insn, OPERAND, operandKind, operandRegister, operandSize } from "../insn.ts";
import { getGpr, linearOf, memoryAddress, setGpr } from "../operands.ts";
import { GPR, RFLAGS } from "../state.ts";
import { CPU } from "./cpu_memory.ts";
import { VECTOR } from "./sem.ts";

const ARITHMETIC = RFLAGS.CF | RFLAGS.PF | RFLAGS.AF | RFLAGS.ZF | RFLAGS.SF | RFLAGS.OF;

/** A copy of the 16 bytes of a vector operand. */
export function vector(cpu: Cpu, insn: Insn, n: number, unaligned = false): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(16);
  if (operandKind(insn, n) === OPERAND.XMM) {
    const at = CPU.XMM + operandRegister(insn, n) * 16;
    bytes.set(cpu.u8.subarray(at, at + 16));
    return bytes;
  }
  const size = operandSize(insn, n);
  const linear = memoryAddress(cpu, insn, size, false);
  if (size === 16 && !unaligned && (linear & 15n) !== 0n) throw cpu.fault(VECTOR.GP, 0);
  const words = new BigUint64Array(bytes.buffer);
  if (size < 8) words[0] = cpu.readLinear(linear, size);
  else {
    cpu.probeLinear(linear, size, false);
    for (let i = 0; i < size / 8; i++) words[i] = cpu.readLinear(linear + BigInt(i * 8), 8);
  }
  return bytes;
}

function setXmm(cpu: Cpu, number: number, bytes: Uint8Array): void {
  cpu.u8.set(bytes, CPU.XMM + number * 16);
}

// ---- PCMPxSTRx -----------------------------------------------------------------------------------------------------

interface Elements {
  readonly values: readonly number[];
  /** How many of them belong to the string. */
  readonly length: number;
}

/** The elements of one operand; `explicit` is the register with their number, or undefined where a zero ends them. */
function elements(bytes: Uint8Array<ArrayBuffer>, imm: number, explicit: bigint | undefined): Elements {
  const wide = (imm & 1) !== 0;
  const signed = (imm & 2) !== 0;
  const typed = wide
    ? signed ? new Int16Array(bytes.buffer) : new Uint16Array(bytes.buffer)
    : signed
    ? new Int8Array(bytes.buffer)
    : bytes;
  const values = Array.from(typed);
  if (explicit !== undefined) {
    const magnitude = explicit < 0n ? -explicit : explicit;
    return { values, length: magnitude > BigInt(values.length) ? values.length : Number(magnitude) };
  }
  const zero = values.indexOf(0);
  return { values, length: zero < 0 ? values.length : zero };
}

/** IntRes2. [SDM] vol. 2B, 4.1.3 to 4.1.5 */
function aggregate(a: Elements, b: Elements, imm: number): number {
  const count = a.values.length;
  let result = 0;
  for (let j = 0; j < count; j++) {
    if (matches(a, b, imm >> 2 & 3, j, count)) result |= 1 << j;
  }
  const polarity = imm >> 4 & 3;
  const all = (1 << count) - 1;
  if (polarity === 1) return result ^ all;
  if (polarity === 3) return result ^ (1 << b.length) - 1;
  return result;
}

/** Whether element `j` of the second operand meets the comparison with the first. */
function matches(a: Elements, b: Elements, how: number, j: number, count: number): boolean {
  const valid = j < b.length;
  const value = b.values[j]!;
  switch (how) {
    case 0:
      return valid && a.values.slice(0, a.length).includes(value);
    case 1:
      for (let i = 0; i + 1 < a.length; i += 2) {
        if (valid && a.values[i]! <= value && value <= a.values[i + 1]!) return true;
      }
      return false;
    case 2: {
      const inA = j < a.length;
      return inA && valid ? a.values[j] === value : !inA && !valid;
    }
    default:
      // The first operand is looked for from place j on; what lies behind the register counts as found.
      for (let i = 0; i < a.length && i + j < count; i++) {
        if (i + j >= b.length || a.values[i] !== b.values[i + j]) return false;
      }
      return true;
  }
}

function stringCompare(explicit: boolean, index: boolean): SystemOp {
  return (cpu, insn) => {
    const imm = insn.imm & 0xff;
    const second = vector(cpu, insn, 1, true);
    const first = vector(cpu, insn, 0);
    const bytes = insn.wide === 1 ? 8 : 4;
    const length = (register: number) =>
      explicit ? BigInt.asIntN(bytes * 8, getGpr(cpu, register, bytes)) : undefined;
    const a = elements(first, imm, length(GPR.RAX));
    const b = elements(second, imm, length(GPR.RDX));
    const count = a.values.length;
    const result = aggregate(a, b, imm);
    if (index) {
      const found = result === 0
        ? count
        : (imm & 0x40) !== 0
        ? 31 - Math.clz32(result)
        : 31 - Math.clz32(result & -result);
      setGpr(cpu, GPR.RCX, 4, BigInt(found));
    } else setXmm(cpu, 0, mask(result, count, (imm & 0x40) !== 0));
    const flags = (result !== 0 ? RFLAGS.CF : 0) | (b.length < count ? RFLAGS.ZF : 0) |
      (a.length < count ? RFLAGS.SF : 0) | ((result & 1) !== 0 ? RFLAGS.OF : 0);
    cpu.eflags = cpu.eflags & ~ARITHMETIC | flags;
  };
}

/** Bits as they are, or spread over elements. */
function mask(result: number, count: number, spread: boolean): Uint8Array {
  if (!spread) {
    const bytes = new Uint8Array(16);
    bytes[0] = result;
    bytes[1] = result >> 8;
    return bytes;
  }
  return Uint8Array.from(
    { length: 16 },
    (_, i) => (result >> Math.floor(i * count / 16) & 1) !== 0 ? 0xff : 0,
  );
}

// ---- others --------------------------------------------------------------------------------------------------------

const insertps: SystemOp = (cpu, insn) => {
  const imm = insn.imm & 0xff;
  const source = new Uint32Array(vector(cpu, insn, 1).buffer);
  const bytes = vector(cpu, insn, 0);
  const lanes = new Uint32Array(bytes.buffer);
  const from = operandKind(insn, 1) === OPERAND.XMM ? imm >> 6 : 0;
  lanes[imm >> 4 & 3] = source[from]!;
  for (let i = 0; i < 4; i++) if ((imm >> i & 1) !== 0) lanes[i] = 0;
  setXmm(cpu, operandRegister(insn, 0), bytes);
};

/** Sums of four absolute differences at eight places. */
const mpsadbw: SystemOp = (cpu, insn) => {
  const imm = insn.imm;
  const b = vector(cpu, insn, 1);
  const a = vector(cpu, insn, 0);
  const from = (imm & 3) * 4;
  const first = (imm >> 2 & 1) * 4;
  const result = Uint16Array.from({ length: 8 }, (_, i) => {
    let sum = 0;
    for (let k = 0; k < 4; k++) sum += Math.abs(a[first + i + k]! - b[from + k]!);
    return sum;
  });
  setXmm(cpu, operandRegister(insn, 0), new Uint8Array(result.buffer));
};

const phminposuw: SystemOp = (cpu, insn) => {
  const words = new Uint16Array(vector(cpu, insn, 1).buffer);
  const least = Math.min(...words);
  const result = new Uint16Array(8);
  result[0] = least;
  result[1] = words.indexOf(least);
  setXmm(cpu, operandRegister(insn, 0), new Uint8Array(result.buffer));
};

/** A product without carries of one half of each operand. */
const pclmulqdq: SystemOp = (cpu, insn) => {
  const b = new BigUint64Array(vector(cpu, insn, 1).buffer)[insn.imm >> 4 & 1]!;
  const a = new BigUint64Array(vector(cpu, insn, 0).buffer)[insn.imm & 1]!;
  let product = 0n;
  for (let i = 0n; i < 64n; i++) if ((b >> i & 1n) !== 0n) product ^= a << i;
  const result = BigUint64Array.of(BigInt.asUintN(64, product), product >> 64n);
  setXmm(cpu, operandRegister(insn, 0), new Uint8Array(result.buffer));
};

/** Bytes whose mask has its top bit go to DS:rDI. */
function maskedMove(width: 8 | 16): SystemOp {
  return (cpu, insn) => {
    if (width === 8 && (cpu.cell32(CPU.FSW) & 0x80) !== 0) throw cpu.fault(VECTOR.MF);
    const file = width === 16 ? CPU.XMM : CPU.X87;
    const bytes = (n: number) => {
      const at = file + operandRegister(insn, n) * 16;
      return cpu.u8.slice(at, at + width);
    };
    const [data, chosen] = [bytes(0), bytes(1)];
    const { addressSize } = insn;
    const segment = insn.override >= 0 ? insn.override : SEGMENT.DS;
    const offset = getGpr(cpu, GPR.RDI, addressSize);
    const linear = linearOf(cpu, segment, offset, width, true);
    chosen.forEach((bits, i) => {
      if (bits >= 0x80) cpu.probeLinear(linear + BigInt(i), 1, true);
    });
    chosen.forEach((bits, i) => {
      if (bits >= 0x80) cpu.writeLinear(linear + BigInt(i), 1, BigInt(data[i]!));
    });
    if (width === 16) return;
    cpu.setCell32(CPU.FSW, cpu.cell32(CPU.FSW) & ~0x3800);
    cpu.setCell32(CPU.FTAG, 0);
  };
}

/** By key. */
export const SSE_RARE: SystemOps = {
  pcmpestrm: stringCompare(true, false),
  pcmpestri: stringCompare(true, true),
  pcmpistrm: stringCompare(false, false),
  pcmpistri: stringCompare(false, true),
  insertps,
  mpsadbw,
  phminposuw,
  pclmulqdq,
  maskmovq: maskedMove(8),
  maskmovdqu: maskedMove(16),
};
