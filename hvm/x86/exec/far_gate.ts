/**
 * Far jumps and calls through gates of the descriptor tables, and to tasks.
 *
 * Sources: [SDM] Intel SDM vol. 2, CALL, JMP; vol. 3A, 6.8.2 to 6.8.5 (gates, stack switching), 8.3 (tasks).
 * @module
 */

import { type Cpu, SEGMENT } from "../cpu.ts";
import { type FrameStack, innerFrame, longFrame, writeFrame } from "../frame.ts";
import {
  checkStack,
  type Descriptor,
  dplOf,
  install,
  installNull,
  isCode,
  isConforming,
  isNull,
  markAccessed,
  readDescriptor,
  selectorCode,
  SYSTEM_TYPE,
  systemType,
  upperHalf,
} from "../seg.ts";
import { GPR } from "../state.ts";
import { innerStack, longStack, switchTask } from "../task.ts";
import { ATTR, CPU } from "./cpu_memory.ts";
import { goCode, perhapsInNewTask, readStack, targetIn, writeStack } from "./far_common.ts";
import { VECTOR } from "./sem.ts";

interface CallGate {
  readonly selector: number;
  readonly offset: bigint;
  readonly unit: 2 | 4 | 8;
  readonly parameters: number;
}

/** A far jump or call to a system descriptor; a call has what it pushes: CS and RIP. */
export function throughSystem(cpu: Cpu, target: Descriptor, back?: readonly bigint[]): void {
  const type = checkAccess(cpu, target);
  if (isTask(type)) return toTask(cpu, target, back === undefined ? "jump" : "call");
  const gate = readCallGate(cpu, target, type);
  const code = gateTarget(cpu, gate, { jump: back === undefined });
  targetIn(cpu, code, gate.offset);
  if (back === undefined) return goCode(cpu, code, gate.offset, cpu.cpl);
  if (!isConforming(code) && dplOf(code) < cpu.cpl) return callInner(cpu, code, gate, back);
  const pointer = writeStack(cpu, gate.unit, back, code);
  markAccessed(cpu, code);
  cpu.gpr[GPR.RSP] = pointer;
  goCode(cpu, code, gate.offset, cpu.cpl);
}

function isTask(type: number): boolean {
  return type === SYSTEM_TYPE.TSS || type === SYSTEM_TYPE.TSS16 || type === SYSTEM_TYPE.TASK_GATE;
}

/** The type of a system descriptor that a far branch may name. */
function checkAccess(cpu: Cpu, target: Descriptor): number {
  const code = selectorCode(target.selector);
  const type = systemType(target);
  const gate = type === SYSTEM_TYPE.CALL_GATE || type === SYSTEM_TYPE.CALL_GATE16 && !cpu.longMode;
  if (!gate && (!isTask(type) || cpu.longMode)) throw cpu.fault(VECTOR.GP, code);
  if (dplOf(target) < Math.max(cpu.cpl, target.selector & 3)) throw cpu.fault(VECTOR.GP, code);
  if ((target.attr & ATTR.PRESENT) === 0) throw cpu.fault(VECTOR.NP, code);
  return type;
}

/** To a TSS, or the one that a task gate names. */
function toTask(cpu: Cpu, target: Descriptor, cause: "jump" | "call"): void {
  const gate = systemType(target) === SYSTEM_TYPE.TASK_GATE;
  const selector = gate ? Number(target.raw >> 16n & 0xffffn) : target.selector;
  perhapsInNewTask(cpu, () => switchTask(cpu, selector, { cause, returnTo: cpu.nextRip }));
}

function readCallGate(cpu: Cpu, gate: Descriptor, type: number): CallGate {
  const { raw } = gate;
  const wide = type === SYSTEM_TYPE.CALL_GATE;
  const offset = raw & 0xffffn | (wide ? raw >> 48n << 16n : 0n);
  const selector = Number(raw >> 16n & 0xffffn);
  if (cpu.longMode) return { selector, offset: offset | upperHalf(cpu, gate) << 32n, unit: 8, parameters: 0 };
  return { selector, offset, unit: wide ? 4 : 2, parameters: Number(raw >> 32n & 0x1fn) };
}

/** The code segment behind a call gate. */
function gateTarget(cpu: Cpu, gate: CallGate, { jump }: { jump: boolean }): Descriptor {
  if (isNull(gate.selector)) throw cpu.fault(VECTOR.GP, 0);
  const target = readDescriptor(cpu, gate.selector);
  const code = selectorCode(gate.selector);
  const dpl = dplOf(target);
  if (!isCode(target) || dpl > cpu.cpl) throw cpu.fault(VECTOR.GP, code);
  if (jump && !isConforming(target) && dpl !== cpu.cpl) throw cpu.fault(VECTOR.GP, code);
  const bits = target.attr & (ATTR.LONG | ATTR.BIG);
  if (cpu.longMode && bits !== ATTR.LONG) throw cpu.fault(VECTOR.GP, code);
  if ((target.attr & ATTR.PRESENT) === 0) throw cpu.fault(VECTOR.NP, code);
  return target;
}

/** To an inner level: the task has a stack for it, onto which parameters are copied. */
function callInner(cpu: Cpu, target: Descriptor, gate: CallGate, back: readonly bigint[]): void {
  const cpl = dplOf(target);
  const { unit, parameters } = gate;
  // The parameter nearest to the top of the old stack is nearest to it on the new one.
  const copied = Array.from(
    { length: parameters },
    (_, i) => readStack(cpu, unit, (parameters - 1 - i) * unit),
  );
  const values = [BigInt(cpu.selector(SEGMENT.SS)), cpu.gpr[GPR.RSP]!, ...copied, ...back];
  let segment: Descriptor | undefined;
  let stack: FrameStack;
  if (unit === 8) stack = longFrame(longStack(cpu, cpl), { cpl, code: 0 });
  else {
    const { selector, pointer } = innerStack(cpu, cpl);
    segment = checkStack(cpu, selector, { cpl, vector: VECTOR.TS })!;
    stack = innerFrame(segment, pointer, { cpl, code: selectorCode(selector) });
  }
  const pointer = writeFrame(cpu, stack, unit, values);
  markAccessed(cpu, target);
  if (segment !== undefined) {
    markAccessed(cpu, segment);
    install(cpu, SEGMENT.SS, segment);
  }
  cpu.setCell32(CPU.CPL, cpl);
  if (segment === undefined) installNull(cpu, SEGMENT.SS, cpl);
  cpu.gpr[GPR.RSP] = pointer;
  goCode(cpu, target, gate.offset, cpl);
}
