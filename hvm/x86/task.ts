/**
 * Tasks: the stacks of inner levels, and switching.
 *
 * Sources: [SDM] Intel SDM vol. 3A, chapter 8 (task management): figures 8-2 and 8-10, 8.3 (steps), table 8-2 (NT, link, busy).
 * @module
 */

import { type Cpu, GuestFault, SEGMENT } from "./cpu.ts";
import { ATTR, CPU } from "./exec/cpu_memory.ts";
import { VECTOR } from "./exec/sem.ts";
import { cut } from "./operands.ts";
import {
  checkStack,
  dplOf,
  install,
  installCode,
  installNull,
  installReal,
  installTask,
  isCode,
  isConforming,
  isNull,
  loadData,
  loadLdt,
  markAccessed,
  readDescriptor,
  selectorCode,
  setBusy,
  SYSTEM_TYPE,
  systemType,
} from "./seg.ts";
import { CR0, RFLAGS } from "./state.ts";

/** The stack that the task has for an inner level. */
export function innerStack(cpu: Cpu, cpl: number, ext = 0): { selector: number; pointer: bigint } {
  const wide = (cpu.cell32(CPU.TR + 12) & 8) !== 0;
  const slot = wide ? 4 + cpl * 8 : 2 + cpl * 4;
  const tss = selectorCode(cpu.selector(SEGMENT.TR));
  if (slot + (wide ? 5 : 3) > cpu.cell32(CPU.TR + 8)) throw cpu.fault(VECTOR.TS, tss | ext);
  const at = cpu.cell64(CPU.TR) + BigInt(slot);
  return {
    pointer: cpu.readLinear(at, wide ? 4 : 2, true),
    selector: Number(cpu.readLinear(at + (wide ? 4n : 2n), 2, true)),
  };
}

/** The same in IA-32e mode: RSP of a level, or of an interrupt stack. [SDM] figure 8-11 */
export function longStack(cpu: Cpu, cpl: number, { ist = 0, ext = 0 } = {}): bigint {
  const slot = ist !== 0 ? 0x24 + (ist - 1) * 8 : 4 + cpl * 8;
  const tss = selectorCode(cpu.selector(SEGMENT.TR));
  if (slot + 7 > cpu.cell32(CPU.TR + 8)) throw cpu.fault(VECTOR.TS, tss | ext);
  return cpu.readLinear(cpu.cell64(CPU.TR) + BigInt(slot), 8, true);
}

/** A fault after a switch: all registers are the new task's already, and RIP is where it happened. */
export class LateFault extends GuestFault {
  constructor({ vector, code }: GuestFault) {
    super();
    this.vector = vector;
    this.code = code;
  }
}

/** Makes faults of something done after a switch late ones. */
export function inNewTask(what: () => void): void {
  try {
    what();
  } catch (error) {
    throw error instanceof GuestFault ? new LateFault(error) : error;
  }
}

/** Why a task is switched to. */
export interface TaskSwitch {
  readonly cause: "jump" | "call" | "interrupt" | "return";
  /** Where the old task goes on. */
  readonly returnTo: bigint;
  readonly ext?: number;
}

/** Where a TSS has what. */
interface Layout {
  readonly unit: 2 | 4;
  readonly least: number;
  readonly ip: number;
  readonly flags: number;
  readonly registers: number;
  readonly segments: number;
  readonly segmentCount: number;
  readonly ldt: number;
}

const TSS16: Layout = {
  unit: 2,
  least: 0x2b,
  ip: 0x0e,
  flags: 0x10,
  registers: 0x12,
  segments: 0x22,
  segmentCount: 4,
  ldt: 0x2a,
};
const TSS32: Layout = {
  unit: 4,
  least: 0x67,
  ip: 0x20,
  flags: 0x24,
  registers: 0x28,
  segments: 0x48,
  segmentCount: 6,
  ldt: 0x60,
};
const CR3_AT = 0x1cn;
const TRAP_AT = 0x64n;
/** EFLAGS bits there are. */
const FLAG_BITS = 0x3f7fd5;

/**
 * Switches to the task of a TSS selector. RIP is the new task's afterwards. Throws a {@linkcode GuestFault} that has
 * changed nothing, or a {@linkcode LateFault}.
 */
export function switchTask(cpu: Cpu, selector: number, { cause, returnTo, ext = 0 }: TaskSwitch): void {
  const code = selectorCode(selector) | ext;
  const vector = cause === "return" ? VECTOR.TS : VECTOR.GP;
  if (isNull(selector) || (selector & 4) !== 0) throw cpu.fault(vector, code);
  const target = readDescriptor(cpu, selector, vector);
  const type = systemType(target);
  const available = type === SYSTEM_TYPE.TSS16 || type === SYSTEM_TYPE.TSS;
  const busy = type === SYSTEM_TYPE.TSS16_BUSY || type === SYSTEM_TYPE.TSS_BUSY;
  if (cause === "return" ? !busy : !available) throw cpu.fault(vector, code);
  if ((target.attr & ATTR.PRESENT) === 0) throw cpu.fault(VECTOR.NP, code);
  const layout = (type & 8) !== 0 ? TSS32 : TSS16;
  if (target.limit < layout.least) throw cpu.fault(VECTOR.TS, code);
  const old = (cpu.cell32(CPU.TR + 12) & 8) !== 0 ? TSS32 : TSS16;
  const oldBase = cpu.cell64(CPU.TR);
  const oldSelector = cpu.selector(SEGMENT.TR);
  cpu.probeLinear(oldBase, old.least + 1, true, true);
  cpu.probeLinear(target.base, layout.least + 1, true, true);
  const next = readTask(cpu, target.base, layout);

  // The old task's state.
  let flags = cpu.eflags;
  if (cause === "return") flags &= ~RFLAGS.NT;
  saveTask(cpu, oldBase, old, returnTo, flags);
  if (cause === "jump" || cause === "return") {
    setBusy(cpu, { at: cpu.cell64(CPU.GDT) + BigInt(oldSelector & 0xfff8) }, false);
  }
  if (cause === "call" || cause === "interrupt") cpu.writeLinear(target.base, 2, BigInt(oldSelector), true);
  if (cause !== "return") setBusy(cpu, target, true);

  // From here on the new task answers for its faults.
  installTask(cpu, target, target.base);
  cpu.setCell64(CPU.CR0, cpu.cell64(CPU.CR0) | BigInt(CR0.TS));
  if (layout.unit === 4 && (cpu.cr0 & CR0.PG) !== 0) {
    cpu.setCell64(CPU.CR3, next.cr3);
    cpu.paging.flush();
  }
  const nested = cause === "call" || cause === "interrupt" ? RFLAGS.NT : 0;
  next.registers.forEach((value, i) => cpu.gpr[i] = value);
  cpu.eflags = next.flags & FLAG_BITS | nested | RFLAGS.ALWAYS_ONE;
  cpu.rip = next.ip;
  cpu.nextRip = next.ip;
  cpu.setCell64(CPU.DR + 56, cpu.cell64(CPU.DR + 56) & ~0x155n);
  cpu.debug.refresh();
  try {
    inNewTask(() => loadTaskSegments(cpu, next));
  } finally {
    cpu.updateMode();
  }
  if (next.trap) throw trapped(cpu);
}

function trapped(cpu: Cpu): LateFault {
  cpu.setCell64(CPU.DR + 48, cpu.cell64(CPU.DR + 48) | 1n << 15n);
  return new LateFault(cpu.fault(VECTOR.DB));
}

interface TaskState {
  readonly cr3: bigint;
  readonly ip: bigint;
  readonly flags: number;
  readonly registers: readonly bigint[];
  /** ES, CS, SS, DS, FS, GS. */
  readonly segments: readonly number[];
  readonly ldt: number;
  readonly trap: boolean;
}

function readTask(cpu: Cpu, base: bigint, layout: Layout): TaskState {
  const { unit } = layout;
  const read = (at: number, bytes: number = unit) => cpu.readLinear(base + BigInt(at), bytes, true);
  return {
    cr3: unit === 4 ? cpu.readLinear(base + CR3_AT, 4, true) : 0n,
    ip: read(layout.ip),
    flags: Number(read(layout.flags)),
    // A 16-bit task leaves ones above its registers.
    registers: Array.from(
      { length: 8 },
      (_, i) => read(layout.registers + i * unit) | (unit === 2 ? 0xffff0000n : 0n),
    ),
    segments: Array.from(
      { length: layout.segmentCount },
      (_, i) => Number(read(layout.segments + i * unit, 2)),
    ),
    ldt: Number(read(layout.ldt, 2)),
    trap: unit === 4 && (cpu.readLinear(base + TRAP_AT, 2, true) & 1n) !== 0n,
  };
}

function saveTask(cpu: Cpu, base: bigint, layout: Layout, ip: bigint, flags: number): void {
  const { unit } = layout;
  const write = (at: number, value: bigint, bytes: number = unit) =>
    cpu.writeLinear(base + BigInt(at), bytes, cut(value, bytes), true);
  write(layout.ip, ip);
  write(layout.flags, BigInt(flags >>> 0));
  for (let i = 0; i < 8; i++) write(layout.registers + i * unit, cpu.gpr[i]!);
  for (let i = 0; i < layout.segmentCount; i++) write(layout.segments + i * unit, BigInt(cpu.selector(i)), 2);
}

/** LDT first, then the segments: all selectors and the level are there before any descriptor is looked at. */
function loadTaskSegments(cpu: Cpu, { segments, ldt }: TaskState): void {
  const cs = segments[SEGMENT.CS]!;
  const v86 = cpu.virtual8086;
  cpu.setCell32(CPU.CPL, v86 ? 3 : cs & 3);
  for (let seg = 0; seg < 6; seg++) {
    if (v86) installReal(cpu, seg, segments[seg]!);
    else installNull(cpu, seg, segments[seg] ?? 0);
  }
  loadLdt(cpu, ldt, VECTOR.TS);
  if (v86) return;
  const code = selectorCode(cs);
  if (isNull(cs)) throw cpu.fault(VECTOR.TS, code);
  const target = readDescriptor(cpu, cs, VECTOR.TS);
  const dpl = dplOf(target);
  const rpl = cs & 3;
  if (!isCode(target) || (isConforming(target) ? dpl > rpl : dpl !== rpl)) throw cpu.fault(VECTOR.TS, code);
  if ((target.attr & ATTR.PRESENT) === 0) throw cpu.fault(VECTOR.NP, code);
  markAccessed(cpu, target);
  installCode(cpu, target, rpl);
  const ss = checkStack(cpu, segments[SEGMENT.SS]!, { cpl: rpl, vector: VECTOR.TS })!;
  markAccessed(cpu, ss);
  install(cpu, SEGMENT.SS, ss);
  for (const seg of [SEGMENT.ES, SEGMENT.DS, SEGMENT.FS, SEGMENT.GS]) {
    loadData(cpu, seg, segments[seg] ?? 0, VECTOR.TS);
  }
  if (cpu.rip > BigInt(target.limit)) throw cpu.fault(VECTOR.GP, 0);
}
