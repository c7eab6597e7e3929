/**
 * Model-specific registers the processor holds itself; all others are the world's.
 *
 * Sources: [SDM] Intel SDM vol. 4, table 2-2 (architectural MSRs); vol. 3A, 12.11 (MTRRs), 12.12 (PAT).
 * @module
 */

import { type Cpu, SEGMENT } from "./cpu.ts";
import { writeEfer } from "./cr.ts";
import { CPU, MSR_CELL } from "./exec/cpu_memory.ts";
import { VECTOR } from "./exec/sem.ts";
import { Paging } from "./paging.ts";

/** Numbers of registers. */
export const MSR = {
  TSC: 0x10,
  PLATFORM_ID: 0x17,
  FEATURE_CONTROL: 0x3a,
  TSC_ADJUST: 0x3b,
  MICROCODE_TRIGGER: 0x79,
  MICROCODE: 0x8b,
  SPEC_CTRL: 0x48,
  PRED_CMD: 0x49,
  MTRR_CAP: 0xfe,
  ARCH_CAPABILITIES: 0x10a,
  SYSENTER_CS: 0x174,
  SYSENTER_ESP: 0x175,
  SYSENTER_EIP: 0x176,
  MCG_CAP: 0x179,
  MCG_STATUS: 0x17a,
  MISC_ENABLE: 0x1a0,
  DEBUGCTL: 0x1d9,
  MTRR_PHYS: 0x200,
  MTRR_DEF_TYPE: 0x2ff,
  PAT: 0x277,
  XSS: 0xda0,
  EFER: 0xc0000080,
  STAR: 0xc0000081,
  LSTAR: 0xc0000082,
  CSTAR: 0xc0000083,
  FMASK: 0xc0000084,
  FS_BASE: 0xc0000100,
  GS_BASE: 0xc0000101,
  KERNEL_GS_BASE: 0xc0000102,
  TSC_AUX: 0xc0000103,
} as const;

const FIXED_MTRRS: readonly number[] = [
  0x250,
  0x258,
  0x259,
  0x268,
  0x269,
  0x26a,
  0x26b,
  0x26c,
  0x26d,
  0x26e,
  0x26f,
];
const VARIABLE_MTRRS = 8;
/** Write combining, fixed ranges, eight variable ones. */
const MTRR_CAP = 0x508n;
/**
 * Nothing is executed speculatively, so no leak of speculation is there: RDCL_NO, IBRS_ALL, SKIP_L1DFL, SSB_NO, MDS_NO,
 * PSCHANGE_MC_NO, TAA_NO, SBDR_SSDP_NO, FBSDP_NO, PSDP_NO, BHI_NO, PBRSB_NO, GDS_NO, RFDS_NO.
 */
const ARCH_CAPABILITIES = [0, 1, 3, 4, 5, 6, 8, 13, 14, 15, 20, 24, 26, 27]
  .reduce((bits, bit) => bits | 1n << BigInt(bit), 0n);
const MICROCODE_REVISION = 1n << 32n;
/** FAST_STRING, and the performance monitoring and precise events that are not there. */
const MISC_ENABLE_RESET = 0x1801n;

/** Registers that are storage. */
const storage = new WeakMap<Cpu, Map<number, bigint>>();

function stored(cpu: Cpu): Map<number, bigint> {
  let map = storage.get(cpu);
  if (map === undefined) storage.set(cpu, map = new Map());
  return map;
}

function cell(cpu: Cpu, which: number): bigint {
  return cpu.cell64(CPU.MSR + which * 8);
}

function setCell(cpu: Cpu, which: number, value: bigint): void {
  cpu.setCell64(CPU.MSR + which * 8, value);
}

/** Values after RESET. */
export function resetMsrs(cpu: Cpu): void {
  for (let n = 0; n <= MSR_CELL.MISC_ENABLE; n++) setCell(cpu, n, 0n);
  setCell(cpu, MSR_CELL.PAT, 0x0007040600070406n);
  setCell(cpu, MSR_CELL.MISC_ENABLE, MISC_ENABLE_RESET);
  stored(cpu).clear();
}

/** RDMSR. Throws #GP(0). */
export function readMsr(cpu: Cpu, index: number): bigint {
  switch (index) {
    case MSR.TSC:
      return cpu.world.readTsc();
    case MSR.EFER:
      return BigInt(cpu.efer);
    case MSR.STAR:
      return cell(cpu, MSR_CELL.STAR);
    case MSR.LSTAR:
      return cell(cpu, MSR_CELL.LSTAR);
    case MSR.CSTAR:
      return cell(cpu, MSR_CELL.CSTAR);
    case MSR.FMASK:
      return cell(cpu, MSR_CELL.FMASK);
    case MSR.FS_BASE:
      return cpu.segBase(SEGMENT.FS);
    case MSR.GS_BASE:
      return cpu.segBase(SEGMENT.GS);
    case MSR.KERNEL_GS_BASE:
      return cell(cpu, MSR_CELL.KERNEL_GS_BASE);
    case MSR.TSC_AUX:
      return cell(cpu, MSR_CELL.TSC_AUX);
    case MSR.SYSENTER_CS:
      return cell(cpu, MSR_CELL.SYSENTER_CS);
    case MSR.SYSENTER_ESP:
      return cell(cpu, MSR_CELL.SYSENTER_ESP);
    case MSR.SYSENTER_EIP:
      return cell(cpu, MSR_CELL.SYSENTER_EIP);
    case MSR.PAT:
      return cell(cpu, MSR_CELL.PAT);
    case MSR.MISC_ENABLE:
      return cell(cpu, MSR_CELL.MISC_ENABLE);
    case MSR.MTRR_CAP:
      return MTRR_CAP;
    case MSR.ARCH_CAPABILITIES:
      return ARCH_CAPABILITIES;
    case MSR.MICROCODE:
      return MICROCODE_REVISION;
    // Locked, with nothing switched on.
    case MSR.FEATURE_CONTROL:
      return 1n;
    case MSR.PLATFORM_ID:
    case MSR.MCG_CAP:
    case MSR.MCG_STATUS:
    case MSR.DEBUGCTL:
    case MSR.XSS:
      return 0n;
    default: {
      if (isStorage(index)) return stored(cpu).get(index) ?? 0n;
      const value = cpu.world.readMsr(index);
      if (value === undefined) throw cpu.fault(VECTOR.GP, 0);
      return value;
    }
  }
}

/** WRMSR. Throws #GP(0). */
export function writeMsr(cpu: Cpu, index: number, value: bigint): void {
  const bad = () => cpu.fault(VECTOR.GP, 0);
  const canonical = () => {
    if (!Paging.canonical(value)) throw bad();
  };
  const narrow = () => {
    if (value >> 32n !== 0n) throw bad();
  };
  switch (index) {
    case MSR.TSC:
      return cpu.world.writeTsc(value);
    case MSR.EFER:
      return writeEfer(cpu, value);
    case MSR.STAR:
      return setCell(cpu, MSR_CELL.STAR, value);
    case MSR.LSTAR:
      canonical();
      return setCell(cpu, MSR_CELL.LSTAR, value);
    case MSR.CSTAR:
      canonical();
      return setCell(cpu, MSR_CELL.CSTAR, value);
    case MSR.FMASK:
      narrow();
      return setCell(cpu, MSR_CELL.FMASK, value);
    case MSR.FS_BASE:
      canonical();
      return cpu.setCell64(CPU.SEG_BASE + SEGMENT.FS * 8, value);
    case MSR.GS_BASE:
      canonical();
      return cpu.setCell64(CPU.SEG_BASE + SEGMENT.GS * 8, value);
    case MSR.KERNEL_GS_BASE:
      canonical();
      return setCell(cpu, MSR_CELL.KERNEL_GS_BASE, value);
    case MSR.TSC_AUX:
      narrow();
      return setCell(cpu, MSR_CELL.TSC_AUX, value);
    case MSR.SYSENTER_CS:
      return setCell(cpu, MSR_CELL.SYSENTER_CS, BigInt.asUintN(32, value));
    case MSR.SYSENTER_ESP:
      canonical();
      return setCell(cpu, MSR_CELL.SYSENTER_ESP, value);
    case MSR.SYSENTER_EIP:
      canonical();
      return setCell(cpu, MSR_CELL.SYSENTER_EIP, value);
    case MSR.PAT:
      if (!isPat(value)) throw bad();
      return setCell(cpu, MSR_CELL.PAT, value);
    case MSR.MISC_ENABLE:
      return setCell(cpu, MSR_CELL.MISC_ENABLE, value);
    case MSR.TSC_ADJUST: {
      const before = stored(cpu).get(index) ?? 0n;
      stored(cpu).set(index, value);
      return cpu.world.writeTsc(BigInt.asUintN(64, cpu.world.readTsc() + value - before));
    }
    case MSR.PRED_CMD:
    case MSR.MICROCODE:
    case MSR.MICROCODE_TRIGGER:
    case MSR.MCG_STATUS:
      return;
    case MSR.DEBUGCTL:
    case MSR.XSS:
      if (value !== 0n) throw bad();
      return;
    default:
      if (isStorage(index)) return void stored(cpu).set(index, value);
      if (!cpu.world.writeMsr(index, value)) throw bad();
  }
}

function isStorage(index: number): boolean {
  return index === MSR.MTRR_DEF_TYPE || index === MSR.TSC_ADJUST || index === MSR.SPEC_CTRL ||
    FIXED_MTRRS.includes(index) ||
    index >= MSR.MTRR_PHYS && index < MSR.MTRR_PHYS + 2 * VARIABLE_MTRRS;
}

/** Each byte a memory type: 0, 1, 4 to 7. */
function isPat(value: bigint): boolean {
  for (let i = 0n; i < 8n; i++) {
    const type = Number(value >> i * 8n & 0xffn);
    if (type > 7 || type === 2 || type === 3) return false;
  }
  return true;
}
