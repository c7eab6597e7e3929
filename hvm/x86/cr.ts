/**
 * Control registers: which changes are legal, and what follows from them.
 *
 * Sources: [SDM] Intel SDM vol. 3A, 2.5 (control registers), 5.1 (paging modes), 11.8.5 (entering IA-32e mode).
 * @module
 */

import { type Cpu, SEGMENT } from "./cpu.ts";
import { ATTR, CPU } from "./exec/cpu_memory.ts";
import { VECTOR } from "./exec/sem.ts";
import { PHYSICAL_BITS } from "./paging.ts";
import { CR0, CR4, EFER } from "./state.ts";

/** Bits of CR0 there are. */
const CR0_KNOWN =
  (CR0.PE | CR0.MP | CR0.EM | CR0.TS | CR0.NE | CR0.WP | CR0.AM | CR0.NW | CR0.CD | CR0.PG) >>> 0;
/** Bits of CR4 there are; those that CPUID has to show come with their features. */
const CR4_PLAIN = CR4.VME | CR4.PVI | CR4.TSD | CR4.DE | CR4.PSE | CR4.PAE | CR4.MCE | CR4.PGE | CR4.PCE |
  CR4.OSFXSR | CR4.OSXMMEXCPT;
const CR4_FEATURES: readonly (readonly [number, string])[] = [
  [CR4.UMIP, "UMIP"],
  [CR4.FSGSBASE, "FSGSBASE"],
  [CR4.PCIDE, "PCID"],
  [CR4.OSXSAVE, "XSAVE"],
  [CR4.SMEP, "SMEP"],
  [CR4.SMAP, "SMAP"],
];
/** Changes of these change what translations mean. */
const CR0_PAGING = (CR0.PG | CR0.WP | CR0.PE) >>> 0;
const CR4_PAGING = CR4.PSE | CR4.PAE | CR4.PGE | CR4.SMEP | CR4.SMAP | CR4.PCIDE;
const EFER_KNOWN = EFER.SCE | EFER.LME | EFER.LMA | EFER.NXE;

/** MOV to CR0, LMSW, CLTS. Throws #GP(0). */
export function writeCr0(cpu: Cpu, value: bigint): void {
  const bad = () => cpu.fault(VECTOR.GP, 0);
  if (value >> 32n !== 0n) throw bad();
  const next = (Number(value) & CR0_KNOWN | CR0.ET) >>> 0;
  const old = cpu.cr0;
  const has = (bit: number) => (next & bit) !== 0;
  if (has(CR0.PG) && !has(CR0.PE) || has(CR0.NW) && !has(CR0.CD)) throw bad();
  const pagingOn = has(CR0.PG) && (old & CR0.PG) === 0;
  const pagingOff = !has(CR0.PG) && (old & CR0.PG) !== 0;
  const { efer, cr4 } = cpu;
  if (pagingOn && (efer & EFER.LME) !== 0) {
    if ((cr4 & CR4.PAE) === 0 || (cpu.segAttr(SEGMENT.CS) & ATTR.LONG) !== 0) throw bad();
  }
  if (pagingOff && (cpu.code64 || (cr4 & CR4.PCIDE) !== 0)) throw bad();
  if (pagingOn && (efer & EFER.LME) !== 0) cpu.setCell64(CPU.EFER, BigInt(efer | EFER.LMA));
  if (pagingOff) cpu.setCell64(CPU.EFER, BigInt(efer & ~EFER.LMA));
  cpu.setCell64(CPU.CR0, BigInt(next));
  if (((next ^ old) & CR0_PAGING) !== 0) cpu.paging.flush();
  cpu.updateMode();
}

/** MOV to CR3. Throws #GP(0). */
export function writeCr3(cpu: Cpu, value: bigint): void {
  const pcid = (cpu.cr4 & CR4.PCIDE) !== 0;
  const keep = pcid && value >> 63n === 1n;
  const address = BigInt.asUintN(63, value);
  if (cpu.longMode && address >> BigInt(PHYSICAL_BITS) !== 0n) throw cpu.fault(VECTOR.GP, 0);
  if (!pcid && value >> 63n === 1n) throw cpu.fault(VECTOR.GP, 0);
  cpu.setCell64(CPU.CR3, address);
  // Translations are not kept by process: another one's must go.
  void keep;
  cpu.paging.flush();
}

/** MOV to CR4. Throws #GP(0). */
export function writeCr4(cpu: Cpu, value: bigint): void {
  let known = CR4_PLAIN;
  for (const [bit, feature] of CR4_FEATURES) if (cpu.world.hasFeature(feature)) known |= bit;
  const bad = () => cpu.fault(VECTOR.GP, 0);
  if (value >> 32n !== 0n || (Number(value) & ~known) !== 0) throw bad();
  const next = Number(value);
  const old = cpu.cr4;
  if (cpu.longMode && (next & CR4.PAE) === 0) throw bad();
  if ((next & CR4.PCIDE) !== 0 && (old & CR4.PCIDE) === 0) {
    if (!cpu.longMode || (cpu.u32[CPU.CR3 >> 2]! & 0xfff) !== 0) throw bad();
  }
  cpu.setCell64(CPU.CR4, BigInt(next));
  if (((next ^ old) & CR4_PAGING) !== 0) cpu.paging.flush();
  cpu.updateMode();
}

/** MOV to CR8. Throws #GP(0). */
export function writeCr8(cpu: Cpu, value: bigint): void {
  if (value > 15n) throw cpu.fault(VECTOR.GP, 0);
  cpu.world.setTaskPriority(Number(value));
}

/** WRMSR to IA32_EFER. Throws #GP(0). */
export function writeEfer(cpu: Cpu, value: bigint): void {
  const old = cpu.efer;
  const bad = () => cpu.fault(VECTOR.GP, 0);
  if (value >> 32n !== 0n || (Number(value) & ~EFER_KNOWN) !== 0) throw bad();
  // LMA is read-only and follows from the others.
  const next = Number(value) & ~EFER.LMA | old & EFER.LMA;
  if (((next ^ old) & EFER.LME) !== 0 && (cpu.cr0 & CR0.PG) !== 0) throw bad();
  cpu.setCell64(CPU.EFER, BigInt(next));
  if (((next ^ old) & EFER.NXE) !== 0) cpu.paging.flush();
  cpu.updateMode();
}
