/**
 * SYSCALL, SYSRET, SYSENTER and SYSEXIT: between flat segments that no table is asked for.
 *
 * Sources: [SDM] Intel SDM vol. 2, SYSCALL, SYSENTER, SYSEXIT, SYSRET; vol. 3A, 6.8.7 and 6.8.8.
 * @module
 */

import { type Cpu, SEGMENT, type SystemOp, type SystemOps } from "../cpu.ts";
import { cut } from "../operands.ts";
import { Paging } from "../paging.ts";
import { EFER, GPR, RFLAGS } from "../state.ts";
import { ATTR, CPU, MSR_CELL } from "./cpu_memory.ts";
import { VECTOR } from "./sem.ts";

/** Flat segments. */
const FLAT_CODE = ATTR.PRESENT | ATTR.CODE_OR_DATA | ATTR.GRANULAR | 0xb;
const FLAT_DATA = ATTR.PRESENT | ATTR.CODE_OR_DATA | ATTR.GRANULAR | ATTR.BIG | 0x3;
const FLAT_LIMIT = 0xffffffff;
const RING3 = 3 << ATTR.DPL_SHIFT;
/** EFLAGS bits that SYSRET takes from R11. */
const RETURNED = 0x3c7fd7n;

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
  if (cpu.cpl !== 0) throw cpu.fault(VECTOR.GP, 0);
  const long = insn.operandSize === 8;
  const target = cpu.gpr[GPR.RCX]!;
  if (long && !Paging.canonical(target)) throw cpu.fault(VECTOR.GP, 0);
  const selector = Number(msr(cpu, MSR_CELL.STAR) >> 48n & 0xffffn);
  cpu.nextRip = long ? target : cut(target, 4);
  flatCode(cpu, (long ? selector + 16 : selector) | 3, { long, cpl: 3 });
  flatStack(cpu, selector + 8 | 3, 3);
  cpu.setCell32(CPU.CPL, 3);
  cpu.eflags = Number(cpu.gpr[GPR.R11]! & RETURNED);
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
export const FAST_CALLS: SystemOps = { syscall, sysret, sysenter, sysexit };
