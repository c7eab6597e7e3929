/**
 * Delivery of interrupts and exceptions: real mode, 16- and 32-bit gates, task gates, virtual-8086 mode, IA-32e mode.
 *
 * Sources: [SDM] Intel SDM vol. 3A, chapter 7 (interrupts and exceptions); 7.12, 7.14 (64-bit mode), tables 7-4 and 7-5
 * (double faults); vol. 3B, 19.2.4 (DR7.GD), 22.1.4 (real mode); vol. 2, INT.
 * @module
 */

import { type Cpu, GuestFault, SEGMENT } from "./cpu.ts";
import { ATTR, CPU } from "./exec/cpu_memory.ts";
import { VECTOR } from "./exec/sem.ts";
import { innerFrame, longFrame, presentStack, writeFrame } from "./frame.ts";
import { type EventSource, extOf, type Gate, handlerCode, handlerFlags, readGate } from "./idt.ts";
import { virtualInterrupt } from "./interrupt_v86.ts";
import { cut } from "./operands.ts";
import { Paging } from "./paging.ts";
import {
  checkStack,
  type Descriptor,
  dplOf,
  install,
  installCode,
  installNull,
  isConforming,
  markAccessed,
  selectorCode,
  SYSTEM_TYPE,
} from "./seg.ts";
import { GPR, RFLAGS } from "./state.ts";
import { innerStack, inNewTask, longStack, switchTask } from "./task.ts";

export type { EventSource } from "./idt.ts";

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
/** More faults in a row than any chain has: benign, contributory, page fault, double fault; new tasks may add some. */
const LONGEST_CHAIN = 8;
/** DR7.GD. */
const GENERAL_DETECT = 1n << 13n;
const DATA_SEGMENTS = [SEGMENT.GS, SEGMENT.FS, SEGMENT.DS, SEGMENT.ES] as const;

/**
 * Raises an exception at CPU.RIP, with double and triple faults.
 * @returns false when the processor shuts down.
 */
export function raise(cpu: Cpu, vector: number, code = -1): boolean {
  let current = vector;
  let errorCode = code;
  for (let faults = 0; faults < LONGEST_CHAIN; faults++) {
    try {
      const withCode = WITH_CODE.has(current) && cpu.protectedMode;
      deliver(cpu, current, {
        source: "exception",
        ...(withCode ? { errorCode: Math.max(0, errorCode) } : {}),
      });
      return true;
    } catch (error) {
      if (!(error instanceof GuestFault)) throw error;
      if (current === VECTOR.DF) return false;
      const doubles = makeDouble(current, error.vector);
      errorCode = doubles ? 0 : error.code;
      current = doubles ? VECTOR.DF : error.vector;
    }
  }
  return false;
}

/** Whether an exception while another is delivered is a double fault. [SDM] table 7-5 */
function makeDouble(first: number, second: number): boolean {
  if (first === VECTOR.PF) return CONTRIBUTORY.has(second) || second === VECTOR.PF;
  return CONTRIBUTORY.has(first) && CONTRIBUTORY.has(second);
}

/**
 * Delivers an event: RIP is what is pushed, and the handler's entry afterwards. Throws a {@linkcode GuestFault}, and has
 * changed nothing then; but a LateFault of task.ts belongs to the new task.
 */
export function deliver(cpu: Cpu, vector: number, options: EventOptions): void {
  const { source } = options;
  if (vector === VECTOR.DB && source === "exception") {
    cpu.setCell64(CPU.DR + 56, cpu.cell64(CPU.DR + 56) & ~GENERAL_DETECT);
  }
  if (!cpu.protectedMode) deliverReal(cpu, vector);
  else if (cpu.longMode) deliverLong(cpu, vector, options);
  else if (!(source === "software" && cpu.virtual8086 && virtualInterrupt(cpu, vector))) {
    deliverProtected(cpu, vector, options);
  }
}

function deliverReal(cpu: Cpu, vector: number): void {
  const at = cpu.cell64(CPU.IDT) + BigInt(vector * 4);
  if (vector * 4 + 3 > cpu.cell32(CPU.IDT + 8)) throw cpu.fault(VECTOR.GP, vector << 3 | 2);
  const entry = Number(cpu.readLinear(at, 4, true));
  const flags = cpu.eflags;
  const values = [BigInt(flags & 0xffff), BigInt(cpu.selector(SEGMENT.CS)), cpu.rip];
  cpu.gpr[GPR.RSP] = writeFrame(cpu, presentStack(cpu), 2, values);
  const selector = entry >>> 16;
  const attr = cpu.segAttr(SEGMENT.CS);
  cpu.setSegment(SEGMENT.CS, selector, BigInt(selector << 4), cpu.segLimit(SEGMENT.CS), attr);
  cpu.rip = BigInt(entry & 0xffff);
  cpu.eflags = flags & ~(RFLAGS.IF | RFLAGS.TF | RFLAGS.AC | RFLAGS.RF);
}

/** An error code to push, if there is one. */
function codeOf({ errorCode }: EventOptions): readonly bigint[] {
  return errorCode !== undefined && errorCode >= 0 ? [BigInt(errorCode)] : [];
}

/** Whether a handler runs at an inner level. */
function isInner(cpu: Cpu, target: Descriptor): boolean {
  return !isConforming(target) && dplOf(target) < cpu.cpl;
}

/** IA-32e mode: the stack is aligned, SS and RSP are pushed always. [SDM] 7.14 */
function deliverLong(cpu: Cpu, vector: number, options: EventOptions): void {
  const { source } = options;
  const ext = extOf(source);
  const gate = readGate(cpu, vector, source);
  const target = handlerCode(cpu, gate, ext);
  const inner = isInner(cpu, target);
  const cpl = inner ? dplOf(target) : cpu.cpl;
  const old = cpu.gpr[GPR.RSP]!;
  const rsp = gate.ist !== 0 || inner ? longStack(cpu, cpl, { ist: gate.ist, ext }) : old;
  if (!Paging.canonical(gate.offset)) throw cpu.fault(VECTOR.GP, ext);
  const { pushed, next } = handlerFlags(cpu, vector, gate, source);
  const stack = longFrame(rsp & ~15n, { cpl, code: ext });
  const pointer = writeFrame(cpu, stack, 8, [
    BigInt(cpu.selector(SEGMENT.SS)),
    old,
    BigInt(pushed >>> 0),
    BigInt(cpu.selector(SEGMENT.CS)),
    cpu.rip,
    ...codeOf(options),
  ]);
  markAccessed(cpu, target);
  cpu.setCell32(CPU.CPL, cpl);
  if (inner) installNull(cpu, SEGMENT.SS, cpl);
  cpu.gpr[GPR.RSP] = pointer;
  enter(cpu, target, { gate, cpl, flags: next });
}

/** Control goes to the handler. */
function enter(
  cpu: Cpu,
  target: Descriptor,
  { gate, cpl, flags }: { gate: Gate; cpl: number; flags: number },
): void {
  installCode(cpu, target, cpl);
  cpu.rip = gate.offset;
  cpu.setCell32(CPU.CPL, cpl);
  cpu.eflags = flags;
}

/** 16- and 32-bit protected mode. [SDM] 7.12 */
function deliverProtected(cpu: Cpu, vector: number, options: EventOptions): void {
  const { source } = options;
  const ext = extOf(source);
  const gate = readGate(cpu, vector, source);
  if (gate.type === SYSTEM_TYPE.TASK_GATE) return deliverToTask(cpu, gate, options);
  const target = handlerCode(cpu, gate, ext);
  const inner = isInner(cpu, target);
  if (cpu.virtual8086 && !(inner && dplOf(target) === 0)) {
    throw cpu.fault(VECTOR.GP, selectorCode(gate.selector) | ext);
  }
  if (gate.offset > BigInt(target.limit)) throw cpu.fault(VECTOR.GP, ext);
  const { pushed, next } = handlerFlags(cpu, vector, gate, source);
  const frame = [BigInt(pushed >>> 0), BigInt(cpu.selector(SEGMENT.CS)), cpu.rip, ...codeOf(options)];
  const unit = (gate.type & 8) !== 0 ? 4 : 2;
  if (inner) return deliverInner(cpu, target, { gate, frame, unit, ext, flags: next });
  const pointer = writeFrame(cpu, presentStack(cpu, ext), unit, frame);
  markAccessed(cpu, target);
  cpu.gpr[GPR.RSP] = pointer;
  enter(cpu, target, { gate, cpl: cpu.cpl, flags: next });
}

interface InnerDelivery {
  readonly gate: Gate;
  readonly frame: readonly bigint[];
  readonly unit: number;
  readonly ext: number;
  readonly flags: number;
}

/** A handler at an inner level, with a stack of its own. */
function deliverInner(cpu: Cpu, target: Descriptor, { gate, frame, unit, ext, flags }: InnerDelivery): void {
  const cpl = dplOf(target);
  const { selector, pointer } = innerStack(cpu, cpl, ext);
  const segment = checkStack(cpu, selector, { cpl, vector: VECTOR.TS, ext })!;
  const values = [BigInt(cpu.selector(SEGMENT.SS)), cpu.gpr[GPR.RSP]!, ...frame];
  const v86 = cpu.virtual8086;
  if (v86) values.unshift(...DATA_SEGMENTS.map((seg) => BigInt(cpu.selector(seg))));
  const stack = innerFrame(segment, pointer, { cpl, code: selectorCode(selector) | ext });
  const esp = writeFrame(cpu, stack, unit, values);
  markAccessed(cpu, segment);
  markAccessed(cpu, target);
  if (v86) { for (const seg of DATA_SEGMENTS) installNull(cpu, seg, 0); }
  install(cpu, SEGMENT.SS, segment);
  cpu.gpr[GPR.RSP] = esp;
  enter(cpu, target, { gate, cpl, flags });
}

/** The handler is a task; an error code goes onto its stack. */
function deliverToTask(cpu: Cpu, gate: Gate, options: EventOptions): void {
  const ext = extOf(options.source);
  switchTask(cpu, gate.selector, { cause: "interrupt", returnTo: cpu.rip, ext });
  const code = codeOf(options);
  if (code.length === 0) return;
  const unit = (cpu.cell32(CPU.TR + 12) & ATTR.CODE) !== 0 ? 4 : 2;
  inNewTask(() => cpu.gpr[GPR.RSP] = cut(writeFrame(cpu, presentStack(cpu, ext), unit, code), 4));
}
