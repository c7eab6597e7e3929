/**
 * Instructions of the system class: control and debug registers, MSRs, CPUID, time, segment bases.
 *
 * Sources: [SDM] Intel SDM vol. 2, their own pages; vol. 3A, 2.8; vol. 3B, 18.2 (debug registers).
 * @module
 */

import { type Cpu, RUN_EXIT, SEGMENT, type SystemOp, type SystemOps } from "../cpu.ts";
import { writeCr0, writeCr3, writeCr4, writeCr8 } from "../cr.ts";
import type { Insn } from "../insn.ts";
import { readMsr, writeMsr } from "../msr.ts";
import {
  effectiveOffset,
  getGpr,
  linearOf,
  memoryAddress,
  readOperand,
  setGpr,
  writeOperand,
} from "../operands.ts";
import { Paging } from "../paging.ts";
import { CR0, CR4, GPR, RFLAGS } from "../state.ts";
import { CPU, MSR_CELL } from "./cpu_memory.ts";
import { VECTOR } from "./sem.ts";

const RAX = GPR.RAX;
const RDX = GPR.RDX;
const LOW = 0xffffffffn;

function edxEax(cpu: Cpu): bigint {
  return getGpr(cpu, RDX, 4) << 32n | getGpr(cpu, RAX, 4);
}

function setEdxEax(cpu: Cpu, value: bigint): void {
  setGpr(cpu, RAX, 4, value & LOW);
  setGpr(cpu, RDX, 4, value >> 32n);
}

const undefinedOpcode: SystemOp = (cpu) => {
  throw cpu.fault(VECTOR.UD);
};

const hlt: SystemOp = (cpu) => {
  cpu.setCell32(CPU.EXIT, RUN_EXIT.HALT);
  cpu.endSoon();
};

/** Registers without a cell of their own. */
const readCr = (cpu: Cpu, number: number): bigint => {
  switch (number) {
    case 0:
      return cpu.cell64(CPU.CR0);
    case 2:
      return cpu.cell64(CPU.CR2);
    case 3:
      return cpu.cell64(CPU.CR3);
    case 4:
      return cpu.cell64(CPU.CR4);
    default:
      return BigInt(cpu.world.taskPriority());
  }
};

/** The width of moves to and from control and debug registers. */
function systemWidth(cpu: Cpu): 4 | 8 {
  return cpu.code64 ? 8 : 4;
}

const movtocr: SystemOp = (cpu, insn) => {
  const value = getGpr(cpu, insn.rm, systemWidth(cpu));
  switch (insn.reg) {
    case 0:
      return writeCr0(cpu, value);
    case 2:
      return cpu.setCell64(CPU.CR2, value);
    case 3:
      return writeCr3(cpu, value);
    case 4:
      return writeCr4(cpu, value);
    default:
      return writeCr8(cpu, value);
  }
};

/** DR4 and DR5 are DR6 and DR7 unless CR4.DE; DR7.GD guards all. */
function debugRegister(cpu: Cpu, insn: Insn): number {
  let { reg } = insn;
  if (reg === 4 || reg === 5) {
    if ((cpu.cr4 & CR4.DE) !== 0) throw cpu.fault(VECTOR.UD);
    reg += 2;
  }
  const dr7 = cpu.cell64(CPU.DR + 56);
  if ((dr7 >> 13n & 1n) !== 0n) {
    cpu.setCell64(CPU.DR + 48, cpu.cell64(CPU.DR + 48) | 1n << 13n);
    throw cpu.fault(VECTOR.DB);
  }
  return reg;
}

const movtodr: SystemOp = (cpu, insn) => {
  const reg = debugRegister(cpu, insn);
  let value = getGpr(cpu, insn.rm, systemWidth(cpu));
  if (reg >= 6 && value >> 32n !== 0n) throw cpu.fault(VECTOR.GP, 0);
  if (reg === 6) value = value & 0xe00fn | 0xffff0ff0n;
  if (reg === 7) value = value & 0xffff2fffn | 0x400n;
  cpu.setCell64(CPU.DR + reg * 8, value);
  cpu.debug.refresh();
};

const lmsw: SystemOp = (cpu, insn) => {
  const value = Number(readOperand(cpu, insn, 0)) & 0xf;
  // PE can be set but not cleared.
  const kept = cpu.cr0 & ~0xe;
  writeCr0(cpu, BigInt((kept | value) >>> 0));
};

const cpuid: SystemOp = (cpu) => {
  const leaf = Number(getGpr(cpu, RAX, 4));
  const [eax, ebx, ecx, edx] = cpu.world.cpuid(leaf, Number(getGpr(cpu, GPR.RCX, 4)));
  // OSXSAVE is CR4's bit as CPUID shows it.
  const os = leaf === 1 && (cpu.cr4 & CR4.OSXSAVE) !== 0 ? 1 << 27 : 0;
  setGpr(cpu, RAX, 4, BigInt(eax >>> 0));
  setGpr(cpu, GPR.RBX, 4, BigInt(ebx >>> 0));
  setGpr(cpu, GPR.RCX, 4, BigInt((ecx | os) >>> 0));
  setGpr(cpu, RDX, 4, BigInt(edx >>> 0));
};

const rdtsc: SystemOp = (cpu) => {
  if ((cpu.cr4 & CR4.TSD) !== 0 && cpu.cpl !== 0) throw cpu.fault(VECTOR.GP, 0);
  setEdxEax(cpu, cpu.world.readTsc());
};

const rdtscp: SystemOp = (cpu, insn) => {
  rdtsc(cpu, insn);
  setGpr(cpu, GPR.RCX, 4, cpu.cell64(CPU.MSR + MSR_CELL.TSC_AUX * 8) & LOW);
};

/** There are no performance counters. */
const rdpmc: SystemOp = (cpu) => {
  throw cpu.fault(VECTOR.GP, 0);
};

/** Random bits into operand 0; CF is 1, the other five are 0. */
const random: SystemOp = (cpu, insn) => {
  writeOperand(cpu, insn, 0, BigInt.asUintN(insn.operandSize * 8, cpu.world.random()));
  const cleared = RFLAGS.OF | RFLAGS.SF | RFLAGS.ZF | RFLAGS.AF | RFLAGS.PF;
  cpu.eflags = cpu.eflags & ~cleared | RFLAGS.CF;
};

const invlpg: SystemOp = (cpu, insn) => {
  const offset = effectiveOffset(cpu, insn);
  const base = cpu.code64 && insn.segment < SEGMENT.FS ? 0n : cpu.segBase(insn.segment);
  const linear = cpu.code64 ? BigInt.asUintN(64, base + offset) : BigInt.asUintN(32, base + offset);
  // A non-canonical address is no translation of anything: nothing happens.
  if (!cpu.longMode || Paging.canonical(linear)) cpu.paging.invalidate(linear);
};

const invpcid: SystemOp = (cpu, insn) => {
  const type = getGpr(cpu, insn.reg, systemWidth(cpu));
  const at = memoryAddress(cpu, insn, 16, false);
  const pcid = cpu.readLinear(at, 8);
  const linear = cpu.readLinear(BigInt.asUintN(64, at + 8n), 8);
  if (type > 3n || pcid >> 12n !== 0n) throw cpu.fault(VECTOR.GP, 0);
  if (type === 0n && !Paging.canonical(linear)) throw cpu.fault(VECTOR.GP, 0);
  if ((cpu.cr4 & CR4.PCIDE) === 0 && type < 2n && pcid !== 0n) throw cpu.fault(VECTOR.GP, 0);
  if (type === 0n) cpu.paging.invalidate(linear);
  else cpu.paging.flush();
};

function setAc(on: boolean): SystemOp {
  return (cpu) => {
    if (cpu.cpl !== 0) throw cpu.fault(VECTOR.UD);
    const flags = cpu.cell32(CPU.EFLAGS);
    cpu.setCell32(CPU.EFLAGS, on ? flags | RFLAGS.AC : flags & ~RFLAGS.AC);
    cpu.updateMode();
  };
}

function baseCell(seg: number): number {
  return CPU.SEG_BASE + seg * 8;
}

function readBase(seg: number): SystemOp {
  return (cpu, insn) => {
    if ((cpu.cr4 & CR4.FSGSBASE) === 0) throw cpu.fault(VECTOR.UD);
    setGpr(cpu, insn.rm, insn.wide === 1 ? 8 : 4, cpu.cell64(baseCell(seg)));
  };
}

function writeBase(seg: number): SystemOp {
  return (cpu, insn) => {
    if ((cpu.cr4 & CR4.FSGSBASE) === 0) throw cpu.fault(VECTOR.UD);
    const value = getGpr(cpu, insn.rm, insn.wide === 1 ? 8 : 4);
    if (!Paging.canonical(value)) throw cpu.fault(VECTOR.GP, 0);
    cpu.setCell64(baseCell(seg), value);
  };
}

const swapgs: SystemOp = (cpu) => {
  const kernel = CPU.MSR + MSR_CELL.KERNEL_GS_BASE * 8;
  const base = cpu.cell64(baseCell(SEGMENT.GS));
  cpu.setCell64(baseCell(SEGMENT.GS), cpu.cell64(kernel));
  cpu.setCell64(kernel, base);
};

/** 64 bytes at rAX become zero. */
const clzero: SystemOp = (cpu, insn) => {
  const offset = getGpr(cpu, RAX, insn.addressSize) & ~63n;
  const linear = linearOf(cpu, insn.override >= 0 ? insn.override : SEGMENT.DS, offset, 64, true);
  cpu.probeLinear(linear, 64, true);
  for (let i = 0n; i < 64n; i += 8n) cpu.writeLinear(linear + i, 8, 0n);
};

const nothing: SystemOp = () => {};

/** By key. */
export const SYSTEM: SystemOps = {
  hlt,
  movtocr,
  movtodr,
  movfromcr: (cpu, insn) => setGpr(cpu, insn.rm, systemWidth(cpu), readCr(cpu, insn.reg)),
  movfromdr: (cpu, insn) =>
    setGpr(cpu, insn.rm, systemWidth(cpu), cpu.cell64(CPU.DR + debugRegister(cpu, insn) * 8)),
  smsw: (cpu, insn) => {
    const value = cpu.cell64(CPU.CR0);
    writeOperand(cpu, insn, 0, insn.mod === 3 ? value : value & 0xffffn);
  },
  lmsw,
  clts: (cpu) => {
    cpu.setCell64(CPU.CR0, BigInt((cpu.cr0 & ~CR0.TS) >>> 0));
    cpu.updateMode();
  },
  cpuid,
  rdtsc,
  rdtscp,
  rdpmc,
  rdpid: (cpu, insn) => setGpr(cpu, insn.rm, systemWidth(cpu), cpu.cell64(CPU.MSR + MSR_CELL.TSC_AUX * 8)),
  rdrand: random,
  rdseed: random,
  rdmsr: (cpu) => setEdxEax(cpu, readMsr(cpu, Number(getGpr(cpu, GPR.RCX, 4)))),
  wrmsr: (cpu) => writeMsr(cpu, Number(getGpr(cpu, GPR.RCX, 4)), edxEax(cpu)),
  invlpg,
  invpcid,
  invd: nothing,
  wbinvd: nothing,
  wbnoinvd: nothing,
  serialize: nothing,
  clac: setAc(false),
  stac: setAc(true),
  rdfsbase: readBase(SEGMENT.FS),
  rdgsbase: readBase(SEGMENT.GS),
  wrfsbase: writeBase(SEGMENT.FS),
  wrgsbase: writeBase(SEGMENT.GS),
  swapgs,
  clzero,
  ud: undefinedOpcode,
  vmcall: undefinedOpcode,
  vmmcall: undefinedOpcode,
};
