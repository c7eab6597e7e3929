/**
 * SSE arithmetic with exceptions, roundings and modes: what the emitted forms leave to it (sse_float.ts says when).
 *
 * All lanes are computed; where an exception that was met is not masked nothing is written, and #XM is raised.
 *
 * Sources: [SDM] Intel SDM vol. 2, ADDPD to SUBSS, CMPPD to UCOMISS, CVT..., DPPD, DPPS, ROUND...; vol. 1, 11.5.3.
 * @module
 */

import type { Cpu, SystemOp, SystemOps } from "../cpu.ts";
import { type Insn, OPERAND, operandKind, operandRegister, operandSize } from "../insn.ts";
import { readOperand, setGpr } from "../operands.ts";
import { CR4, RFLAGS } from "../state.ts";
import { Arithmetic, BEFORE, DOUBLE, type Format, MXCSR, type Order, SINGLE } from "./binary_float.ts";
import { CPU } from "./cpu_memory.ts";
import { VECTOR } from "./sem.ts";
import { vector } from "./sse_rare.ts";

const ARITHMETIC = RFLAGS.CF | RFLAGS.PF | RFLAGS.AF | RFLAGS.ZF | RFLAGS.SF | RFLAGS.OF;

/** Computes under MXCSR, raises what is not masked, and leaves the flags. */
function compute<T>(cpu: Cpu, work: (a: Arithmetic) => T): T {
  const mxcsr = cpu.cell32(CPU.MXCSR);
  const arithmetic = new Arithmetic(mxcsr);
  const result = work(arithmetic);
  const masks = mxcsr >>> MXCSR.MASK_SHIFT & 0x3f;
  // What is met before a computation and not masked prevents it.
  const before = arithmetic.flags & BEFORE;
  const flags = (before & ~masks) !== 0 ? before : arithmetic.flags;
  cpu.setCell32(CPU.MXCSR, mxcsr | flags);
  if ((flags & ~masks) !== 0) throw cpu.fault((cpu.cr4 & CR4.OSXMMEXCPT) !== 0 ? VECTOR.XM : VECTOR.UD);
  return result;
}

function lanesOf(f: Format, bytes: Uint8Array<ArrayBuffer>): bigint[] {
  return f === SINGLE
    ? Array.from(new Uint32Array(bytes.buffer), BigInt)
    : [...new BigUint64Array(bytes.buffer)];
}

function bytesOf(f: Format, lanes: readonly bigint[]): Uint8Array {
  return f === SINGLE
    ? new Uint8Array(Uint32Array.from(lanes, Number).buffer)
    : new Uint8Array(BigUint64Array.from(lanes).buffer);
}

/** Where a vector register is. */
function placeOf(insn: Insn, n: number): number {
  const file = operandKind(insn, n) === OPERAND.MMX ? CPU.X87 : CPU.XMM;
  return file + operandRegister(insn, n) * 16;
}

function enterMmx(cpu: Cpu): void {
  cpu.setCell32(CPU.FSW, cpu.cell32(CPU.FSW) & ~0x3800);
  cpu.setCell32(CPU.FTAG, 0);
}

type Binary = (a: Arithmetic, f: Format, x: bigint, y: bigint) => bigint;

/** All lanes, or the lowest. */
function lanewise(f: Format, scalar: boolean, operation: Binary): SystemOp {
  return (cpu, insn) => {
    const b = lanesOf(f, vector(cpu, insn, 1));
    const a = lanesOf(f, vector(cpu, insn, 0));
    const result = compute(
      cpu,
      (arithmetic) => a.map((x, i) => scalar && i > 0 ? x : operation(arithmetic, f, x, b[i]!)),
    );
    cpu.u8.set(bytesOf(f, result), placeOf(insn, 0));
  };
}

function four(name: string, operation: Binary): SystemOps {
  return {
    [`${name}ps`]: lanewise(SINGLE, false, operation),
    [`${name}pd`]: lanewise(DOUBLE, false, operation),
    [`${name}ss`]: lanewise(SINGLE, true, operation),
    [`${name}sd`]: lanewise(DOUBLE, true, operation),
  };
}

/** The predicates of CMPPS; those of 1, 2, 5 and 6 signal quiet NaNs. */
const PREDICATES: readonly ((order: Order) => boolean)[] = [
  (order) => order === "equal",
  (order) => order === "less",
  (order) => order === "less" || order === "equal",
  (order) => order === "unordered",
  (order) => order !== "equal",
  (order) => order !== "less",
  (order) => order !== "less" && order !== "equal",
  (order) => order !== "unordered",
];

function comparing(f: Format, scalar: boolean): SystemOp {
  return (cpu, insn) => {
    const predicate = insn.imm & 7;
    const quiet = (predicate & 3) === 0 || (predicate & 3) === 3;
    lanewise(
      f,
      scalar,
      (arithmetic, _f, x, y) =>
        PREDICATES[predicate]!(arithmetic.compare(f, x, y, quiet)) ? (1n << f.bits) - 1n : 0n,
    )(cpu, insn);
  };
}

function ordering(f: Format, quiet: boolean): SystemOp {
  return (cpu, insn) => {
    const b = lanesOf(f, vector(cpu, insn, 1))[0]!;
    const a = lanesOf(f, vector(cpu, insn, 0))[0]!;
    const order = compute(cpu, (arithmetic) => arithmetic.compare(f, a, b, quiet));
    const flags = order === "unordered"
      ? RFLAGS.ZF | RFLAGS.PF | RFLAGS.CF
      : order === "less"
      ? RFLAGS.CF
      : order === "equal"
      ? RFLAGS.ZF
      : 0;
    cpu.eflags = cpu.eflags & ~ARITHMETIC | flags;
  };
}

/** The lanes of one operand as another format; `count` of them, zeros above in a register of 16 bytes. */
function converting(
  from: Format,
  count: number,
  convert: (a: Arithmetic, x: bigint) => bigint,
  to: Format,
): SystemOp {
  return (cpu, insn) => {
    const source = lanesOf(from, vector(cpu, insn, 1)).slice(0, count);
    const mmx = operandKind(insn, 0) === OPERAND.MMX;
    // That the registers become MMX ones an exception does not take back.
    if (mmx) enterMmx(cpu);
    const result = compute(cpu, (arithmetic) => source.map((x) => convert(arithmetic, x)));
    const lanes = Array.from({ length: 128 / Number(to.bits) }, (_, i) => result[i] ?? 0n);
    const bytes = bytesOf(to, lanes);
    cpu.u8.set(mmx ? bytes.subarray(0, 8) : bytes, placeOf(insn, 0));
    // Values of MMX registers have an exponent of all ones.
    if (mmx) cpu.u16[(placeOf(insn, 0) + 8) >> 1] = 0xffff;
  };
}

/** Of a scalar, or of an integer register or memory, to the lowest lane. */
function toLowest(f: Format, convert: (cpu: Cpu, insn: Insn, a: Arithmetic) => bigint): SystemOp {
  return (cpu, insn) => {
    const result = compute(cpu, (arithmetic) => convert(cpu, insn, arithmetic));
    cpu.u8.set(bytesOf(f, [result]), placeOf(insn, 0));
  };
}

function fromInteger(f: Format): SystemOp {
  return toLowest(f, (cpu, insn, a) => {
    const value = readOperand(cpu, insn, 1);
    return a.fromInteger(f, BigInt.asIntN(operandSize(insn, 1) * 8, value));
  });
}

function toInteger(f: Format, truncate: boolean): SystemOp {
  return (cpu, insn) => {
    const x = lanesOf(f, vector(cpu, insn, 1))[0]!;
    const bytes = operandSize(insn, 0);
    setGpr(cpu, operandRegister(insn, 0), bytes, compute(cpu, (a) => a.toInteger(f, x, bytes * 8, truncate)));
  };
}

const INTEGERS: Format = SINGLE;

function toIntegers(from: Format, truncate: boolean): SystemOp {
  return converting(from, from === SINGLE ? 4 : 2, (a, x) => a.toInteger(from, x, 32, truncate), INTEGERS);
}

function rounding(f: Format, scalar: boolean): SystemOp {
  return (cpu, insn) => {
    const { imm } = insn;
    const mode = (imm & 4) !== 0 ? undefined : imm & 3;
    lanewise(f, scalar, (a, _f, _x, y) => a.roundToIntegral(f, y, mode, (imm & 8) !== 0))(cpu, insn);
  };
}

/** Neighbours of the first operand, then of the second. */
function horizontal(f: Format, subtract: boolean): SystemOp {
  return (cpu, insn) => {
    const b = lanesOf(f, vector(cpu, insn, 1));
    const a = lanesOf(f, vector(cpu, insn, 0));
    const result = compute(
      cpu,
      (arithmetic) =>
        [a, b].flatMap((lanes) =>
          Array.from({ length: lanes.length / 2 }, (_, i) => {
            const [x, y] = [lanes[2 * i]!, lanes[2 * i + 1]!];
            return subtract ? arithmetic.subtract(f, x, y) : arithmetic.add(f, x, y);
          })
        ),
    );
    cpu.u8.set(bytesOf(f, result), placeOf(insn, 0));
  };
}

function addSubtract(f: Format): SystemOp {
  return (cpu, insn) => {
    const b = lanesOf(f, vector(cpu, insn, 1));
    const a = lanesOf(f, vector(cpu, insn, 0));
    const result = compute(
      cpu,
      (arithmetic) =>
        a.map((x, i) => i % 2 === 0 ? arithmetic.subtract(f, x, b[i]!) : arithmetic.add(f, x, b[i]!)),
    );
    cpu.u8.set(bytesOf(f, result), placeOf(insn, 0));
  };
}

/** Chosen products, added in pairs, then the pairs; the sum to chosen lanes. */
function dotProduct(f: Format): SystemOp {
  return (cpu, insn) => {
    const { imm } = insn;
    const b = lanesOf(f, vector(cpu, insn, 1));
    const a = lanesOf(f, vector(cpu, insn, 0));
    const result = compute(cpu, (arithmetic) => {
      const products = a.map((x, i) => (imm >> i + 4 & 1) !== 0 ? arithmetic.multiply(f, x, b[i]!) : 0n);
      let sum = arithmetic.add(f, products[0]!, products[1]!);
      if (f === SINGLE) sum = arithmetic.add(f, sum, arithmetic.add(f, products[2]!, products[3]!));
      return a.map((_, i) => (imm >> i & 1) !== 0 ? sum : 0n);
    });
    cpu.u8.set(bytesOf(f, result), placeOf(insn, 0));
  };
}

/** By key. */
export const SSE_EXACT: SystemOps = {
  ...four("add", (a, f, x, y) => a.add(f, x, y)),
  ...four("sub", (a, f, x, y) => a.subtract(f, x, y)),
  ...four("mul", (a, f, x, y) => a.multiply(f, x, y)),
  ...four("div", (a, f, x, y) => a.divide(f, x, y)),
  ...four("sqrt", (a, f, _x, y) => a.squareRoot(f, y)),
  ...four("min", (a, f, x, y) => a.extreme(f, x, y, false)),
  ...four("max", (a, f, x, y) => a.extreme(f, x, y, true)),
  cmpps: comparing(SINGLE, false),
  cmppd: comparing(DOUBLE, false),
  cmpss: comparing(SINGLE, true),
  cmpsd: comparing(DOUBLE, true),
  ucomiss: ordering(SINGLE, true),
  comiss: ordering(SINGLE, false),
  ucomisd: ordering(DOUBLE, true),
  comisd: ordering(DOUBLE, false),
  cvtsi2ss: fromInteger(SINGLE),
  cvtsi2sd: fromInteger(DOUBLE),
  cvtss2si: toInteger(SINGLE, false),
  cvtsd2si: toInteger(DOUBLE, false),
  cvttss2si: toInteger(SINGLE, true),
  cvttsd2si: toInteger(DOUBLE, true),
  cvtps2pd: converting(SINGLE, 2, (a, x) => a.convert(SINGLE, DOUBLE, x), DOUBLE),
  cvtpd2ps: converting(DOUBLE, 2, (a, x) => a.convert(DOUBLE, SINGLE, x), SINGLE),
  cvtdq2ps: converting(INTEGERS, 4, (a, x) => a.fromInteger(SINGLE, BigInt.asIntN(32, x)), SINGLE),
  cvtpi2ps: (cpu, insn) => {
    const source = lanesOf(INTEGERS, mmxVector(cpu, insn));
    if (operandKind(insn, 1) === OPERAND.MMX) enterMmx(cpu);
    const result = compute(
      cpu,
      (a) => [0, 1].map((i) => a.fromInteger(SINGLE, BigInt.asIntN(32, source[i]!))),
    );
    cpu.u8.set(bytesOf(SINGLE, result), placeOf(insn, 0));
  },
  cvtps2dq: toIntegers(SINGLE, false),
  cvttps2dq: toIntegers(SINGLE, true),
  cvtpd2dq: toIntegers(DOUBLE, false),
  cvttpd2dq: toIntegers(DOUBLE, true),
  cvtps2pi: converting(SINGLE, 2, (a, x) => a.toInteger(SINGLE, x, 32, false), INTEGERS),
  cvttps2pi: converting(SINGLE, 2, (a, x) => a.toInteger(SINGLE, x, 32, true), INTEGERS),
  cvtpd2pi: toIntegers(DOUBLE, false),
  cvttpd2pi: toIntegers(DOUBLE, true),
  cvtss2sd: toLowest(
    DOUBLE,
    (cpu, insn, a) => a.convert(SINGLE, DOUBLE, lanesOf(SINGLE, vector(cpu, insn, 1))[0]!),
  ),
  cvtsd2ss: toLowest(
    SINGLE,
    (cpu, insn, a) => a.convert(DOUBLE, SINGLE, lanesOf(DOUBLE, vector(cpu, insn, 1))[0]!),
  ),
  roundps: rounding(SINGLE, false),
  roundpd: rounding(DOUBLE, false),
  roundss: rounding(SINGLE, true),
  roundsd: rounding(DOUBLE, true),
  haddps: horizontal(SINGLE, false),
  haddpd: horizontal(DOUBLE, false),
  hsubps: horizontal(SINGLE, true),
  hsubpd: horizontal(DOUBLE, true),
  addsubps: addSubtract(SINGLE),
  addsubpd: addSubtract(DOUBLE),
  dpps: dotProduct(SINGLE),
  dppd: dotProduct(DOUBLE),
};

/** An MMX register or 8 bytes of memory. */
function mmxVector(cpu: Cpu, insn: Insn): Uint8Array<ArrayBuffer> {
  if (operandKind(insn, 1) !== OPERAND.MMX) return vector(cpu, insn, 1);
  const bytes = new Uint8Array(16);
  const at = placeOf(insn, 1);
  bytes.set(cpu.u8.subarray(at, at + 8));
  return bytes;
}
