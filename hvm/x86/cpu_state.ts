/**
 * The soft engine's form of a processor's state from and to the neutral one, and RESET.
 *
 * Sources: [SDM] Intel SDM vol. 3A, table 10-1 (state after reset).
 * @module
 */

import { type Cpu, SEGMENT } from "./cpu.ts";
import { ATTR, CPU } from "./exec/cpu_memory.ts";
import { FPU_IMAGE_BYTES, loadFpuImage, storeFpuImage } from "./exec/fpu_image.ts";
import { resetMsrs } from "./msr.ts";
import { type CpuState, CR0, type ExtendedState, resetState, RFLAGS, type SegmentState } from "./state.ts";

const NAMES = ["es", "cs", "ss", "ds", "fs", "gs"] as const;
const LDT_INDEX = 6;
const TR_INDEX = 7;

function attributes(segment: SegmentState): number {
  return segment.type | (segment.codeOrData ? ATTR.CODE_OR_DATA : 0) | segment.dpl << ATTR.DPL_SHIFT |
    (segment.present ? ATTR.PRESENT : 0) | (segment.available ? ATTR.AVL : 0) |
    (segment.long ? ATTR.LONG : 0) | (segment.big ? ATTR.BIG : 0) |
    (segment.granular ? ATTR.GRANULAR : 0) | (segment.unusable ? ATTR.UNUSABLE : 0);
}

function segment(selector: number, base: bigint, limit: number, attr: number): SegmentState {
  return {
    selector,
    base,
    limit,
    type: attr & ATTR.TYPE,
    codeOrData: (attr & ATTR.CODE_OR_DATA) !== 0,
    dpl: (attr & ATTR.DPL) >> ATTR.DPL_SHIFT,
    present: (attr & ATTR.PRESENT) !== 0,
    available: (attr & ATTR.AVL) !== 0,
    long: (attr & ATTR.LONG) !== 0,
    big: (attr & ATTR.BIG) !== 0,
    granular: (attr & ATTR.GRANULAR) !== 0,
    unusable: (attr & ATTR.UNUSABLE) !== 0,
  };
}

/** The processor's state in the neutral form. */
export function saveState(cpu: Cpu): CpuState {
  const of = (seg: number) =>
    segment(cpu.selector(seg), cpu.segBase(seg), cpu.segLimit(seg), cpu.segAttr(seg));
  const system = (at: number, index: number) =>
    segment(cpu.selector(index), cpu.cell64(at), cpu.cell32(at + 8), cpu.cell32(at + 12));
  const table = (at: number) => ({ base: cpu.cell64(at), limit: cpu.cell32(at + 8) });
  return {
    gpr: cpu.gpr.slice(),
    rip: cpu.rip,
    rflags: BigInt(cpu.eflags >>> 0),
    cs: of(SEGMENT.CS),
    ds: of(SEGMENT.DS),
    es: of(SEGMENT.ES),
    fs: of(SEGMENT.FS),
    gs: of(SEGMENT.GS),
    ss: of(SEGMENT.SS),
    tr: system(CPU.TR, TR_INDEX),
    ldt: system(CPU.LDT, LDT_INDEX),
    gdt: table(CPU.GDT),
    idt: table(CPU.IDT),
    cr0: cpu.cell64(CPU.CR0),
    cr2: cpu.cell64(CPU.CR2),
    cr3: cpu.cell64(CPU.CR3),
    cr4: cpu.cell64(CPU.CR4),
    cr8: BigInt(cpu.world.taskPriority()),
    efer: cpu.cell64(CPU.EFER),
  };
}

/** Sets the processor's state. What the neutral form does not have stays. */
export function loadState(cpu: Cpu, state: CpuState): void {
  cpu.gpr.set(state.gpr);
  cpu.rip = state.rip;
  NAMES.forEach((name, seg) => {
    const { selector, base, limit } = state[name];
    cpu.setSegment(seg, selector, base, limit, attributes(state[name]));
  });
  const system = (at: number, index: number, from: SegmentState) => {
    cpu.u32[(CPU.SELECTOR >> 2) + index] = from.selector;
    cpu.setCell64(at, from.base);
    cpu.setCell32(at + 8, from.limit);
    cpu.setCell32(at + 12, attributes(from));
  };
  system(CPU.TR, TR_INDEX, state.tr);
  system(CPU.LDT, LDT_INDEX, state.ldt);
  for (const [at, table] of [[CPU.GDT, state.gdt], [CPU.IDT, state.idt]] as const) {
    cpu.setCell64(at, table.base);
    cpu.setCell32(at + 8, table.limit);
  }
  cpu.setCell64(CPU.CR0, state.cr0);
  cpu.setCell64(CPU.CR2, state.cr2);
  cpu.setCell64(CPU.CR3, state.cr3);
  cpu.setCell64(CPU.CR4, state.cr4);
  cpu.world.setTaskPriority(Number(state.cr8));
  cpu.setCell64(CPU.EFER, state.efer);
  const protectedMode = (Number(state.cr0) & CR0.PE) !== 0;
  const v86 = (Number(state.rflags) & RFLAGS.VM) !== 0;
  cpu.setCell32(CPU.CPL, !protectedMode ? 0 : v86 ? 3 : state.ss.unusable ? state.cs.dpl : state.ss.dpl);
  cpu.eflags = Number(BigInt.asUintN(32, state.rflags));
  cpu.paging.flush();
  cpu.updateMode();
}

/** The extended state of a processor. */
export function saveExtended(cpu: Cpu): ExtendedState {
  const xsave = new Uint8Array(FPU_IMAGE_BYTES);
  storeFpuImage(cpu, xsave);
  const debug = DEBUG_REGISTERS.map((n) => cpu.cell64(CPU.DR + n * 8));
  return { xsave, xcr0: cpu.cell64(CPU.XCR0), debug };
}

/** Sets a processor's extended state; components beyond SSE are not there. */
export function loadExtended(cpu: Cpu, { xsave, xcr0, debug }: ExtendedState): void {
  loadFpuImage(cpu, xsave);
  cpu.setCell64(CPU.XCR0, xcr0);
  DEBUG_REGISTERS.forEach((n, i) => cpu.setCell64(CPU.DR + n * 8, debug[i]!));
  cpu.debug.refresh();
  cpu.updateMode();
}

/** DR4 and DR5 are other names of DR6 and DR7. */
const DEBUG_REGISTERS = [0, 1, 2, 3, 6, 7] as const;

/** RESET. */
export function resetCpu(cpu: Cpu): void {
  cpu.setCell64(CPU.ZERO, 0n);
  cpu.setCell32(CPU.GENERATION, 1);
  cpu.forgetJumps();
  resetMsrs(cpu);
  for (let n = 0; n < 6; n++) cpu.setCell64(CPU.DR + n * 8, 0n);
  cpu.setCell64(CPU.DR + 48, 0xffff0ff0n);
  cpu.setCell64(CPU.DR + 56, 0x400n);
  cpu.debug.refresh();
  cpu.setCell64(CPU.XCR0, 1n);
  cpu.setCell32(CPU.MXCSR, 0x1f80);
  cpu.setCell32(CPU.FCW, 0x40);
  cpu.setCell32(CPU.FSW, 0);
  cpu.setCell32(CPU.FTAG, 0);
  cpu.u8.fill(0, CPU.FOP, CPU.TEMP);
  cpu.nmiBlocked = false;
  loadState(cpu, resetState());
}
