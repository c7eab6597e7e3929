/**
 * String instructions where segments have limits, unit by unit; the others are emitted (string.ts).
 *
 * Sources: [SDM] Intel SDM vol. 2, CMPS, LODS, MOVS, SCAS, STOS, REP.
 * @module
 */

import { type Cpu, SEGMENT, type SystemOp, type SystemOps } from "../cpu.ts";
import { type Insn, isRepeated, PREFIX } from "../insn.ts";
import { getGpr, linearOf, setGpr } from "../operands.ts";
import { GPR, RFLAGS } from "../state.ts";
import { CPU, MODE } from "./cpu_memory.ts";

/** Units done in one turn before events are looked at. */
const TURN = 4096;
/** Instructions that last about as long as a turn: that many are counted, or runs would not end. */
const TURN_WEIGHT = 512n;
const ARITHMETIC = RFLAGS.CF | RFLAGS.PF | RFLAGS.AF | RFLAGS.ZF | RFLAGS.SF | RFLAGS.OF;

/** Does `unit` once, or as often as rCX says; a unit that returns true is the last. */
export function repeatUnits(cpu: Cpu, insn: Insn, unit: () => boolean | void): void {
  const { addressSize } = insn;
  if (!isRepeated(insn)) return void unit();
  // A single step is one unit. [SDM] vol. 3B, 19.3.1.4
  const stepping = (cpu.cell32(CPU.MODE) & MODE.STEP) !== 0;
  for (let turn = 0;; turn++) {
    const left = getGpr(cpu, GPR.RCX, addressSize);
    if (left === 0n) return;
    if (turn === (stepping ? 1 : TURN)) {
      cpu.nextRip = cpu.rip;
      if (!stepping) cpu.i64[CPU.RETIRED >> 3]! += TURN_WEIGHT;
      return;
    }
    const last = unit() === true;
    setGpr(cpu, GPR.RCX, addressSize, left - 1n);
    if (last || left === 1n) return;
  }
}

/** Moves rSI or rDI behind a unit. */
export function advance(cpu: Cpu, insn: Insn, register: number, width: number): void {
  const { addressSize } = insn;
  const down = (cpu.cell32(CPU.EFLAGS) & RFLAGS.DF) !== 0;
  const next = getGpr(cpu, register, addressSize) + BigInt(down ? -width : width);
  setGpr(cpu, register, addressSize, BigInt.asUintN(addressSize * 8, next));
}

function widthOf({ opcode, operandSize }: Insn): number {
  return (opcode & 1) === 0 ? 1 : operandSize;
}

function at(cpu: Cpu, insn: Insn, register: number, write: boolean): bigint {
  const segment = register === GPR.RDI ? SEGMENT.ES : insn.segment;
  return linearOf(cpu, segment, getGpr(cpu, register, insn.addressSize), widthOf(insn), write);
}

function read(cpu: Cpu, insn: Insn, register: number): bigint {
  return cpu.readLinear(at(cpu, insn, register, false), widthOf(insn));
}

/** Flags of `a - b`; true when REPE or REPNE ends. */
function compare(cpu: Cpu, insn: Insn, a: bigint, b: bigint): boolean {
  const bits = widthOf(insn) * 8;
  const r = BigInt.asUintN(bits, a - b);
  const sign = (value: bigint) => (value >> BigInt(bits - 1) & 1n) !== 0n;
  let parity = Number(r & 0xffn);
  parity ^= parity >> 4;
  const flags = (a < b ? RFLAGS.CF : 0) | (r === 0n ? RFLAGS.ZF : 0) | (sign(r) ? RFLAGS.SF : 0) |
    (sign((a ^ b) & (a ^ r)) ? RFLAGS.OF : 0) | (((a ^ b ^ r) & 0x10n) !== 0n ? RFLAGS.AF : 0) |
    ((0x9669 >> (parity & 15) & 1) !== 0 ? RFLAGS.PF : 0);
  cpu.eflags = cpu.eflags & ~ARITHMETIC | flags;
  return (r === 0n) === ((insn.prefixes & PREFIX.REPNE) !== 0);
}

const movs: SystemOp = (cpu, insn) =>
  repeatUnits(cpu, insn, () => {
    const width = widthOf(insn);
    const value = read(cpu, insn, GPR.RSI);
    cpu.writeLinear(at(cpu, insn, GPR.RDI, true), width, value);
    advance(cpu, insn, GPR.RSI, width);
    advance(cpu, insn, GPR.RDI, width);
  });

const stos: SystemOp = (cpu, insn) =>
  repeatUnits(cpu, insn, () => {
    const width = widthOf(insn);
    cpu.writeLinear(at(cpu, insn, GPR.RDI, true), width, getGpr(cpu, GPR.RAX, width));
    advance(cpu, insn, GPR.RDI, width);
  });

const lods: SystemOp = (cpu, insn) =>
  repeatUnits(cpu, insn, () => {
    const width = widthOf(insn);
    setGpr(cpu, GPR.RAX, width, read(cpu, insn, GPR.RSI));
    advance(cpu, insn, GPR.RSI, width);
  });

const cmps: SystemOp = (cpu, insn) =>
  repeatUnits(cpu, insn, () => {
    const width = widthOf(insn);
    const [a, b] = [read(cpu, insn, GPR.RSI), read(cpu, insn, GPR.RDI)];
    advance(cpu, insn, GPR.RSI, width);
    advance(cpu, insn, GPR.RDI, width);
    return compare(cpu, insn, a, b);
  });

const scas: SystemOp = (cpu, insn) =>
  repeatUnits(cpu, insn, () => {
    const width = widthOf(insn);
    const value = read(cpu, insn, GPR.RDI);
    advance(cpu, insn, GPR.RDI, width);
    return compare(cpu, insn, getGpr(cpu, GPR.RAX, width), value);
  });

/** By key. */
export const STRING_CHECKED: SystemOps = { movs, stos, lods, cmps, scas };
