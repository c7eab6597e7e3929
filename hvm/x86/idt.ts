/**
 * Gates of the interrupt descriptor table, and the code segments behind them.
 *
 * Sources: [SDM] Intel SDM vol. 3A, 7.10 and 7.11 (IDT), 7.12.1.1 (protection), 7.13 (error code), 7.14.1 (64-bit mode).
 * @module
 */

import type { Cpu } from "./cpu.ts";
import { ATTR, CPU } from "./exec/cpu_memory.ts";
import { VECTOR } from "./exec/sem.ts";
import { type Descriptor, dplOf, isCode, isNull, readDescriptor, selectorCode, SYSTEM_TYPE } from "./seg.ts";
import { RFLAGS } from "./state.ts";

/**
 * Where an event comes from. Of those that instructions raise on purpose INT n is `software`, INT3 and INTO are
 * `breakpoint` (virtual-8086 mode does not redirect them), INT1 is `icebp` (and asks for no privilege).
 */
export type EventSource = "exception" | "software" | "breakpoint" | "external" | "icebp";

/** Bits of error codes. [SDM] figure 7-7 */
const EXT = 1;
const IDT = 2;

/** An entry of the IDT. */
export interface Gate {
  readonly type: number;
  readonly selector: number;
  readonly offset: bigint;
  /** Which of the TSS's stacks, 0: none. IA-32e mode only. */
  readonly ist: number;
}

/** The EXT bit in error codes of faults that come up while an event is delivered. */
export function extOf(source: EventSource): number {
  return source === "software" || source === "breakpoint" ? 0 : EXT;
}

/** Reads and checks the gate of a vector. */
export function readGate(cpu: Cpu, vector: number, source: EventSource): Gate {
  const ext = extOf(source);
  const code = vector << 3 | IDT | ext;
  const bytes = cpu.longMode ? 16 : 8;
  if (vector * bytes + bytes - 1 > cpu.cell32(CPU.IDT + 8)) throw cpu.fault(VECTOR.GP, code);
  const at = cpu.cell64(CPU.IDT) + BigInt(vector * bytes);
  const low = cpu.readLinear(at, 8, true);
  const upper = cpu.longMode ? BigInt.asUintN(32, cpu.readLinear(at + 8n, 8, true)) : 0n;
  const type = Number(low >> 40n & 0x1fn);
  if (!isGate(cpu, type)) throw cpu.fault(VECTOR.GP, code);
  const dpl = Number(low >> 45n & 3n);
  if (ext === 0 && dpl < cpu.cpl) throw cpu.fault(VECTOR.GP, code);
  if ((low >> 47n & 1n) === 0n) throw cpu.fault(VECTOR.NP, code);
  const wide = (type & 8) !== 0;
  return {
    type,
    selector: Number(low >> 16n & 0xffffn),
    offset: low & 0xffffn | (wide ? low >> 48n << 16n : 0n) | upper << 32n,
    ist: cpu.longMode ? Number(low >> 32n & 7n) : 0,
  };
}

function isGate(cpu: Cpu, type: number): boolean {
  if (type === SYSTEM_TYPE.INTERRUPT_GATE || type === SYSTEM_TYPE.TRAP_GATE) return true;
  if (cpu.longMode) return false;
  return type === SYSTEM_TYPE.INTERRUPT_GATE16 || type === SYSTEM_TYPE.TRAP_GATE16 ||
    type === SYSTEM_TYPE.TASK_GATE;
}

/** The handler's code segment, checked. */
export function handlerCode(cpu: Cpu, { selector }: Gate, ext: number): Descriptor {
  if (isNull(selector)) throw cpu.fault(VECTOR.GP, ext);
  const code = selectorCode(selector) | ext;
  const target = readDescriptor(cpu, selector, VECTOR.GP, ext);
  if (!isCode(target) || dplOf(target) > cpu.cpl) throw cpu.fault(VECTOR.GP, code);
  const bits = target.attr & (ATTR.LONG | ATTR.BIG);
  if (cpu.longMode && bits !== ATTR.LONG) throw cpu.fault(VECTOR.GP, code);
  if ((target.attr & ATTR.PRESENT) === 0) throw cpu.fault(VECTOR.NP, code);
  return target;
}

/**
 * The flags that are pushed, and those the handler starts with. Faults push RF set, so that an instruction breakpoint
 * is not met again on return. [SDM] vol. 3B, 19.3.1.1
 */
export function handlerFlags(cpu: Cpu, vector: number, gate: Gate, source: EventSource) {
  const flags = cpu.eflags;
  const cleared = RFLAGS.TF | RFLAGS.NT | RFLAGS.VM | RFLAGS.RF;
  const interrupt = (gate.type & 1) === 0 ? RFLAGS.IF : 0;
  const fault = source === "exception" && !NO_FAULTS.has(vector);
  return { pushed: fault ? flags | RFLAGS.RF : flags, next: flags & ~(cleared | interrupt) };
}

/** Traps, and what never returns. */
const NO_FAULTS: ReadonlySet<number> = new Set([
  VECTOR.DB,
  VECTOR.NMI,
  VECTOR.BP,
  VECTOR.OF,
  VECTOR.DF,
  VECTOR.MC,
]);
