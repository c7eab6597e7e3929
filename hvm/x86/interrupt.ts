/**
 * Delivery of interrupts and exceptions: real mode, 16- and 32-bit gates, task gates, virtual-8086 mode, IA-32e mode.
 *
 * Sources: [SDM] Intel SDM vol. 3A, chapter 7 (interrupts and exceptions); 7.12, 7.14 (64-bit mode), tables 7-4 and 7-5
 * (double faults); vol. 3B, 21.1.4 (real mode), 21.2, 21.3 (virtual-8086 mode); vol. 2, INT.
 * @module
 */

import { type Cpu, GuestFault, SEGMENT } from "./cpu.ts";
import { ATTR, CPU } from "./exec/cpu_memory.ts";
import { VECTOR } from "./exec/sem.ts";
import { cut } from "./operands.ts";
import { Paging } from "./paging.ts";
import {
  checkLongCode,
  checkStack,
  type Descriptor,
  dplOf,
  install,
  installCode,
  installNull,
  isCode,
  isConforming,
  isNull,
  markAccessed,
  readDescriptor,
  selectorCode,
  SYSTEM_TYPE,
} from "./seg.ts";
import { CR4, GPR, RFLAGS } from "./state.ts";
import { innerStack, switchTask } from "./task.ts";

/** Where an event comes from. */
export type EventSource = "exception" | "software" | "external" | "icebp";

/** What is delivered. */
export interface EventOptions {
  readonly source: EventSource;
  /** Pushed where there is one; absent or negative: none. */
  readonly errorCode?: number;
}

/** Exceptions that push an error code. */
const WITH_CODE: ReadonlySet<number> = new Set([
  VECTOR.DF,
  VECTOR.TS,
  VECTOR.NP,
  VECTOR.SS,
  VECTOR.GP,
  VECTOR.PF,
  VECTOR.AC,
]);
/** [SDM] table 7-4 */
const CONTRIBUTORY: ReadonlySet<number> = new Set([VECTOR.DE, VECTOR.TS, VECTOR.NP, VECTOR.SS, VECTOR.GP]);
/** Faults push RF set, so that an instruction breakpoint is not met again. */
const EXT = 1;
const IDT = 2;

/**
 * Raises an exception at CPU.RIP, with double and triple faults.
 * @returns false when the processor shuts down.
 */
export function raise(cpu: Cpu, vector: number, code = -1): boolean {
  let current = vector;
  let errorCode = code;
  for (let attempts = 0; attempts < 3; attempts++) {
    try {
      const withCode = WITH_CODE.has(current) && (cpu.protectedMode);
      deliver(cpu, current, {
        source: "exception",
        ...(withCode ? { errorCode: Math.max(0, errorCode) } : {}),
      });
      return true;
    } catch (error) {
      if (!(error instanceof GuestFault)) throw error;
      if (current === VECTOR.DF) return false;
      const both = CONTRIBUTORY.has(error.vector) || error.vector === VECTOR.PF;
      const doubles = CONTRIBUTORY.has(current) && CONTRIBUTORY.has(error.vector) ||
        current === VECTOR.PF && both;
      current = doubles ? VECTOR.DF : error.vector;
      errorCode = doubles ? 0 : error.code;
    }
  }
  return false;
}

/**
 * Delivers an event: RIP is what is pushed, and the handler's entry afterwards. Throws a {@linkcode GuestFault}, and has
 * changed nothing but memory below the new stack then.
 */
export function deliver(cpu: Cpu, vector: number, options: EventOptions): void {
  if (vector === VECTOR.DB && options.source === "exception") {
    cpu.setCell64(CPU.DR + 56, cpu.cell64(CPU.DR + 56) & ~(1n << 13n));
  }
  if (!cpu.protectedMode) deliverReal(cpu, vector);
  else if (cpu.longMode) deliverLong(cpu, vector, options);
  else deliverProtected(cpu, vector, options);
}

function deliverReal(cpu: Cpu, vector: number): void {
  const at = cpu.cell64(CPU.IDT) + BigInt(vector * 4);
  if (vector * 4 + 3 > cpu.cell32(CPU.IDT + 8)) throw cpu.fault(VECTOR.GP);
  const entry = Number(cpu.readLinear(at, 4, true));
  const flags = cpu.eflags;
  let sp = Number(cpu.gpr[GPR.RSP]! & 0xffffn);
  const values = [flags & 0xffff, cpu.selector(SEGMENT.CS), Number(cpu.rip & 0xffffn)];
  for (const value of values) {
    sp = sp - 2 & 0xffff;
    cpu.writeLinear(cut(cpu.segBase(SEGMENT.SS) + BigInt(sp), 4), 2, BigInt(value), true);
  }
  cpu.gpr[GPR.RSP] = cpu.gpr[GPR.RSP]! & ~0xffffn | BigInt(sp);
  const selector = entry >>> 16;
  cpu.setSegment(
    SEGMENT.CS,
    selector,
    BigInt(selector << 4),
    cpu.segLimit(SEGMENT.CS),
    cpu.segAttr(SEGMENT.CS),
  );
  cpu.rip = BigInt(entry & 0xffff);
  cpu.eflags = flags & ~(RFLAGS.IF | RFLAGS.TF | RFLAGS.AC | RFLAGS.RF);
}

interface Gate {
  readonly type: number;
  readonly dpl: number;
  readonly present: boolean;
  readonly selector: number;
  readonly offset: bigint;
  readonly ist: number;
  /** The error code that names this vector. */
  readonly code: number;
}

function readGate(cpu: Cpu, vector: number, { source }: EventOptions): Gate {
  const software = source === "software";
  const code = vector << 3 | IDT | (software ? 0 : EXT);
  const bytes = cpu.longMode ? 16 : 8;
  if (vector * bytes + bytes - 1 > cpu.cell32(CPU.IDT + 8)) throw cpu.fault(VECTOR.GP, code);
  const at = cpu.cell64(CPU.IDT) + BigInt(vector * bytes);
  const low = cpu.readLinear(at, 8, true);
  const upper = cpu.longMode ? cpu.readLinear(at + 8n, 8, true) : 0n;
  const type = Number(low >> 40n & 0x1fn);
  const wide = (type & 8) !== 0;
  const gate = {
    type,
    dpl: Number(low >> 45n & 3n),
    present: (low >> 47n & 1n) !== 0n,
    selector: Number(low >> 16n & 0xffffn),
    offset: low & 0xffffn | (wide ? (low >> 48n) << 16n : 0n) | BigInt.asUintN(32, upper) << 32n,
    ist: Number(low >> 32n & 7n),
    code,
  };
  if (!isGate(cpu, type)) throw cpu.fault(VECTOR.GP, code);
  if (software && gate.dpl < cpu.cpl) throw cpu.fault(VECTOR.GP, code);
  if (!gate.present) throw cpu.fault(VECTOR.NP, code);
  return gate;
}

function isGate(cpu: Cpu, type: number): boolean {
  if (type === SYSTEM_TYPE.INTERRUPT_GATE || type === SYSTEM_TYPE.TRAP_GATE) return true;
  if (cpu.longMode) return false;
  return type === SYSTEM_TYPE.INTERRUPT_GATE16 || type === SYSTEM_TYPE.TRAP_GATE16 ||
    type === SYSTEM_TYPE.TASK_GATE;
}

/** The handler's code segment, checked. */
function handlerCode(cpu: Cpu, gate: Gate, ext: number): Descriptor {
  if (isNull(gate.selector)) throw cpu.fault(VECTOR.GP, ext);
  const code = selectorCode(gate.selector) | ext;
  const target = readDescriptor(cpu, gate.selector);
  if (!isCode(target) || dplOf(target) > cpu.cpl) throw cpu.fault(VECTOR.GP, code);
  if ((target.attr & ATTR.PRESENT) === 0) throw cpu.fault(VECTOR.NP, code);
  if (cpu.longMode) {
    if ((target.attr & ATTR.LONG) === 0) throw cpu.fault(VECTOR.GP, code);
    checkLongCode(cpu, target);
  }
  return target;
}

/** The flags an event pushes and the ones its handler starts with. */
function handlerFlags(cpu: Cpu, vector: number, gate: Gate, source: EventSource) {
  const flags = cpu.eflags;
  const fault = source === "exception" && vector !== VECTOR.DB && vector !== VECTOR.BP &&
    vector !== VECTOR.OF;
  const cleared = RFLAGS.TF | RFLAGS.NT | RFLAGS.VM | RFLAGS.RF;
  const interrupt = (gate.type & 1) === 0 ? RFLAGS.IF : 0;
  return { pushed: fault ? flags | RFLAGS.RF : flags, next: flags & ~(cleared | interrupt) };
}

/** 64-bit mode: the stack is aligned, SS and RSP are pushed always. */
function deliverLong(cpu: Cpu, vector: number, options: EventOptions): void {
  const { source, errorCode } = options;
  const ext = source === "software" ? 0 : EXT;
  const gate = readGate(cpu, vector, options);
  const target = handlerCode(cpu, gate, ext);
  const inner = !isConforming(target) && dplOf(target) < cpu.cpl;
  const cpl = inner ? dplOf(target) : cpu.cpl;
  let rsp = cpu.gpr[GPR.RSP]!;
  if (gate.ist !== 0 || inner) {
    const slot = gate.ist !== 0 ? 0x24 + (gate.ist - 1) * 8 : 4 + cpl * 8;
    const tss = cpu.selector(SEGMENT.TR);
    if (slot + 7 > cpu.cell32(CPU.TR + 8)) throw cpu.fault(VECTOR.TS, selectorCode(tss) | ext);
    rsp = cpu.readLinear(cpu.cell64(CPU.TR) + BigInt(slot), 8, true);
  }
  rsp &= ~15n;
  const { pushed, next } = handlerFlags(cpu, vector, gate, source);
  const values = [
    BigInt(cpu.selector(SEGMENT.SS)),
    cpu.gpr[GPR.RSP]!,
    BigInt(pushed >>> 0),
    BigInt(cpu.selector(SEGMENT.CS)),
    cpu.rip,
  ];
  if (errorCode !== undefined && errorCode >= 0) values.push(BigInt(errorCode));
  const bottom = cut(rsp - BigInt(values.length * 8), 8);
  if (!Paging.canonical(bottom) || !Paging.canonical(gate.offset)) {
    throw Paging.canonical(bottom) ? cpu.fault(VECTOR.GP, ext) : cpu.fault(VECTOR.SS, ext);
  }
  writeFrame(cpu, bottom, 8, values);
  markAccessed(cpu, target);
  installCode(cpu, target, cpl);
  if (inner) {
    cpu.setCell32(CPU.CPL, cpl);
    installNull(cpu, SEGMENT.SS, cpl);
  }
  cpu.gpr[GPR.RSP] = bottom;
  cpu.rip = gate.offset;
  cpu.eflags = next;
  cpu.setCpl(cpl);
}

/** Writes values down from the top of a frame that begins at `bottom`; probed as a whole first. */
function writeFrame(cpu: Cpu, bottom: bigint, unit: number, values: readonly bigint[]): void {
  const wrap = (linear: bigint) => cut(linear, unit === 8 ? 8 : 4);
  cpu.probeLinear(bottom, values.length * unit, true, true);
  values.forEach((value, i) => {
    cpu.writeLinear(wrap(bottom + BigInt((values.length - 1 - i) * unit)), unit, cut(value, unit), true);
  });
}

/** 16- and 32-bit protected mode. */
function deliverProtected(cpu: Cpu, vector: number, options: EventOptions): void {
  const { source, errorCode } = options;
  const ext = source === "software" ? 0 : EXT;
  if (cpu.virtual8086 && source === "software" && virtualInterrupt(cpu, vector)) return;
  const gate = readGate(cpu, vector, options);
  if (gate.type === SYSTEM_TYPE.TASK_GATE) {
    switchTask(cpu, gate.selector, { cause: "interrupt", returnTo: cpu.rip, ext });
    if (errorCode !== undefined && errorCode >= 0) pushTaskCode(cpu, errorCode);
    return;
  }
  const target = handlerCode(cpu, gate, ext);
  const unit = (gate.type & 8) !== 0 ? 4 : 2;
  const { pushed, next } = handlerFlags(cpu, vector, gate, source);
  const frame = [BigInt(pushed >>> 0), BigInt(cpu.selector(SEGMENT.CS)), cpu.rip];
  if (errorCode !== undefined && errorCode >= 0) frame.push(BigInt(errorCode));
  const v86 = cpu.virtual8086;
  const inner = !isConforming(target) && dplOf(target) < cpu.cpl;
  if (v86 && (!inner || dplOf(target) !== 0)) throw cpu.fault(VECTOR.GP, selectorCode(gate.selector) | ext);
  if (gate.offset > BigInt(target.limit)) throw cpu.fault(VECTOR.GP, ext);
  if (!inner) {
    const wide = (cpu.segAttr(SEGMENT.SS) & ATTR.BIG) !== 0;
    const esp = cut(cpu.gpr[GPR.RSP]! - BigInt(frame.length * unit), wide ? 4 : 2);
    writeFrame(cpu, cut(cpu.segBase(SEGMENT.SS) + esp, 4), unit, frame);
    cpu.gpr[GPR.RSP] = wide ? esp : cut(cpu.gpr[GPR.RSP]!, 4) & 0xffff0000n | esp;
    markAccessed(cpu, target);
    installCode(cpu, target, cpu.cpl);
    cpu.rip = gate.offset;
    cpu.eflags = next;
    return cpu.updateMode();
  }
  const cpl = dplOf(target);
  const stack = innerStack(cpu, cpl, ext);
  const ss = checkStack(cpu, stack.selector, cpl, VECTOR.TS)!;
  const values = [BigInt(cpu.selector(SEGMENT.SS)), cut(cpu.gpr[GPR.RSP]!, 4), ...frame];
  if (v86) {
    const data = [SEGMENT.GS, SEGMENT.FS, SEGMENT.DS, SEGMENT.ES];
    values.unshift(...data.map((seg) => BigInt(cpu.selector(seg))));
  }
  const wide = (ss.attr & ATTR.BIG) !== 0;
  const esp = cut(stack.pointer - BigInt(values.length * unit), wide ? 4 : 2);
  writeFrame(cpu, cut(ss.base + esp, 4), unit, values);
  markAccessed(cpu, ss);
  markAccessed(cpu, target);
  if (v86) { for (const seg of [SEGMENT.GS, SEGMENT.FS, SEGMENT.DS, SEGMENT.ES]) installNull(cpu, seg, 0); }
  install(cpu, SEGMENT.SS, ss);
  installCode(cpu, target, cpl);
  cpu.gpr[GPR.RSP] = wide ? esp : stack.pointer & 0xffff0000n | esp;
  cpu.rip = gate.offset;
  cpu.eflags = next;
  cpu.setCpl(cpl);
}

/** The error code goes onto the new task's stack. */
function pushTaskCode(cpu: Cpu, code: number): void {
  const unit = (cpu.cell32(CPU.TR + 12) & 8) !== 0 ? 4 : 2;
  const wide = (cpu.segAttr(SEGMENT.SS) & ATTR.BIG) !== 0;
  const esp = cut(cpu.gpr[GPR.RSP]! - BigInt(unit), wide ? 4 : 2);
  writeFrame(cpu, cut(cpu.segBase(SEGMENT.SS) + esp, 4), unit, [BigInt(code)]);
  cpu.gpr[GPR.RSP] = esp;
}

/**
 * INT n of virtual-8086 code: with VME and a clear bit in the redirection map through the interrupt table of the task,
 * else #GP(0) unless IOPL is 3. [SDM] vol. 3B, table 21-2
 * @returns false when the protected-mode handler is to be called.
 */
function virtualInterrupt(cpu: Cpu, vector: number): boolean {
  const flags = cpu.eflags;
  const iopl = flags >>> 12 & 3;
  if ((cpu.cr4 & CR4.VME) !== 0 && !redirected(cpu, vector)) {
    const entry = Number(cpu.readLinear(BigInt(vector * 4), 4));
    let image = flags & 0xffff;
    if (iopl < 3) image = image & ~RFLAGS.IF | RFLAGS.IOPL | ((flags & RFLAGS.VIF) !== 0 ? RFLAGS.IF : 0);
    const sp = cut(cpu.gpr[GPR.RSP]! - 6n, 2);
    const values = [BigInt(image), BigInt(cpu.selector(SEGMENT.CS)), cpu.rip];
    writeFrame(cpu, cpu.segBase(SEGMENT.SS) + sp, 2, values);
    cpu.gpr[GPR.RSP] = cpu.gpr[GPR.RSP]! & ~0xffffn | sp;
    const selector = entry >>> 16;
    cpu.setSegment(SEGMENT.CS, selector, BigInt(selector << 4), 0xffff, cpu.segAttr(SEGMENT.CS));
    cpu.rip = BigInt(entry & 0xffff);
    cpu.eflags = flags & ~(RFLAGS.TF | RFLAGS.NT | RFLAGS.AC | (iopl < 3 ? RFLAGS.VIF : RFLAGS.IF));
    return true;
  }
  if (iopl < 3) throw cpu.fault(VECTOR.GP, 0);
  return false;
}

/** Whether the task's map sends an interrupt to the protected-mode handler. */
function redirected(cpu: Cpu, vector: number): boolean {
  const base = cpu.cell64(CPU.TR);
  const map = Number(cpu.readLinear(base + 0x66n, 2, true)) - 32 + (vector >> 3);
  if (map > cpu.cell32(CPU.TR + 8)) throw cpu.fault(VECTOR.GP, 0);
  return (Number(cpu.readLinear(base + BigInt(map), 1, true)) >> (vector & 7) & 1) !== 0;
}
