/**
 * Descriptors, and loading them into segment registers with all checks.
 *
 * Sources: [SDM] Intel SDM vol. 3A, 3.4 (segments), 3.5 (system descriptors), 6.5 to 6.9 (privilege checks); vol. 2, MOV.
 * @module
 */

import { type Cpu, SEGMENT } from "./cpu.ts";
import { ATTR, CPU } from "./exec/cpu_memory.ts";
import { VECTOR } from "./exec/sem.ts";
import { Paging } from "./paging.ts";

/** A descriptor as its table has it. */
export interface Descriptor {
  readonly selector: number;
  /** Linear address of its first byte. */
  readonly at: bigint;
  readonly base: bigint;
  /** In bytes, granularity applied. */
  readonly limit: number;
  /** Bits of {@linkcode ATTR}. */
  readonly attr: number;
  /** All eight bytes. */
  readonly raw: bigint;
}

/** Types of system descriptors. [SDM] table 3-2 */
export const SYSTEM_TYPE = {
  TSS16: 1,
  LDT: 2,
  TSS16_BUSY: 3,
  CALL_GATE16: 4,
  TASK_GATE: 5,
  INTERRUPT_GATE16: 6,
  TRAP_GATE16: 7,
  TSS: 9,
  TSS_BUSY: 11,
  CALL_GATE: 12,
  INTERRUPT_GATE: 14,
  TRAP_GATE: 15,
} as const;

const LDT_INDEX = 6;
const REAL_DATA = ATTR.PRESENT | ATTR.CODE_OR_DATA | ATTR.WRITE_OR_READ | ATTR.ACCESSED;
/** A busy TSS, or an accessed segment, has this bit set too. */
const BUSY = 2;

/** The error code of a selector: without its RPL. */
export function selectorCode(selector: number): number {
  return selector & 0xfffc;
}

export function isNull(selector: number): boolean {
  return (selector & 0xfffc) === 0;
}

export function dplOf({ attr }: { readonly attr: number }): number {
  return (attr & ATTR.DPL) >> ATTR.DPL_SHIFT;
}

export function isCode({ attr }: { readonly attr: number }): boolean {
  return (attr & (ATTR.CODE_OR_DATA | ATTR.CODE)) === (ATTR.CODE_OR_DATA | ATTR.CODE);
}

export function isConforming({ attr }: { readonly attr: number }): boolean {
  return (attr & ATTR.DOWN_OR_CONFORMING) !== 0;
}

/** Writable data, which is what a stack is. */
export function isStack({ attr }: { readonly attr: number }): boolean {
  const wanted = ATTR.CODE_OR_DATA | ATTR.WRITE_OR_READ;
  return (attr & (wanted | ATTR.CODE)) === wanted;
}

/** The type of a system descriptor; -1 for code and data. */
export function systemType({ attr }: { readonly attr: number }): number {
  return (attr & ATTR.CODE_OR_DATA) === 0 ? attr & ATTR.TYPE : -1;
}

/**
 * Reads the descriptor of a selector that is not null; throws `vector` with its code where the table ends before it.
 * @param ext 1 while an event is delivered, and in the error code.
 */
export function readDescriptor(cpu: Cpu, selector: number, vector: number = VECTOR.GP, ext = 0): Descriptor {
  const local = (selector & 4) !== 0;
  const table = local ? CPU.LDT : CPU.GDT;
  const usable = !local || !isNull(cpu.selector(LDT_INDEX));
  if (!usable || (selector | 7) > cpu.cell32(table + 8)) {
    throw cpu.fault(vector, selectorCode(selector) | ext);
  }
  const at = cpu.cell64(table) + BigInt(selector & 0xfff8);
  return parse(selector, at, cpu.readLinear(at, 8, true));
}

function parse(selector: number, at: bigint, raw: bigint): Descriptor {
  const low = Number(BigInt.asUintN(32, raw));
  const high = Number(raw >> 32n);
  const pages = (high & 1 << 23) !== 0;
  const units = low & 0xffff | high & 0xf0000;
  return {
    selector,
    at,
    base: BigInt((low >>> 16 | (high & 0xff) << 16 | high & 0xff000000) >>> 0),
    limit: pages ? (units << 12 | 0xfff) >>> 0 : units,
    attr: high >>> 8 & 0xf0ff,
    raw,
  };
}

/** The base of a system descriptor, which IA-32e mode makes 16 bytes long. */
export function wideBase(cpu: Cpu, descriptor: Descriptor): bigint {
  if (!cpu.longMode) return descriptor.base;
  const base = descriptor.base | upperHalf(cpu, descriptor) << 32n;
  if (!Paging.canonical(base)) throw cpu.fault(VECTOR.GP, selectorCode(descriptor.selector));
  return base;
}

/** What the second half of a 16-byte descriptor adds to its base or offset. [SDM] figure 3-33 */
export function upperHalf(cpu: Cpu, { selector, at }: Descriptor): bigint {
  const table = (selector & 4) !== 0 ? CPU.LDT : CPU.GDT;
  const last = (selector & 0xfff8) + 15;
  if (last > cpu.cell32(table + 8)) throw cpu.fault(VECTOR.GP, selectorCode(selector));
  const upper = cpu.readLinear(at + 8n, 8, true);
  if ((upper >> 40n & 0x1fn) !== 0n) throw cpu.fault(VECTOR.GP, selectorCode(selector));
  return BigInt.asUintN(32, upper);
}

/** Sets the accessed bit in the table, where it is not. */
export function markAccessed(cpu: Cpu, { at, attr }: Descriptor): void {
  if ((attr & ATTR.ACCESSED) !== 0) return;
  cpu.writeLinear(at + 5n, 1, BigInt(attr & 0xff | ATTR.ACCESSED), true);
}

/** Marks a TSS in its table as busy or available. */
export function setBusy(cpu: Cpu, { at }: { readonly at: bigint }, busy: boolean): void {
  const byte = Number(cpu.readLinear(at + 5n, 1, true));
  cpu.writeLinear(at + 5n, 1, BigInt(busy ? byte | BUSY : byte & ~BUSY), true);
}

/** Puts a descriptor into a segment register; no checks. */
export function install(cpu: Cpu, seg: number, descriptor: Descriptor, selector = descriptor.selector): void {
  cpu.setSegment(seg, selector, descriptor.base, descriptor.limit, descriptor.attr | ATTR.ACCESSED);
}

/** A null selector: the register cannot be used, but as SS of 64-bit code. */
export function installNull(cpu: Cpu, seg: number, selector: number): void {
  // The base survives on no processor that matters, and 64-bit code must find FS and GS at 0.
  const attr = ATTR.UNUSABLE | (seg === SEGMENT.SS ? cpu.cpl << ATTR.DPL_SHIFT | ATTR.BIG : 0);
  cpu.setSegment(seg, selector, 0n, 0, attr);
}

/** A segment of real-address or virtual-8086 mode. Limit and attributes stay in the first (unreal mode), not in the second. */
export function installReal(cpu: Cpu, seg: number, selector: number): void {
  const base = BigInt(selector << 4);
  if (cpu.virtual8086) {
    return cpu.setSegment(seg, selector, base, 0xffff, REAL_DATA | ATTR.DPL);
  }
  const attr = cpu.segAttr(seg);
  // A null selector of protected mode leaves nothing to keep.
  if ((attr & ATTR.UNUSABLE) !== 0) return cpu.setSegment(seg, selector, base, 0xffff, REAL_DATA);
  cpu.setSegment(seg, selector, base, cpu.segLimit(seg), attr);
}

/** MOV, POP and LxS: loads a data or stack segment register with the checks of the mode. */
export function loadSegment(cpu: Cpu, seg: number, selector: number): void {
  if (cpu.realOrV86) installReal(cpu, seg, selector);
  else if (seg === SEGMENT.SS) loadStack(cpu, selector);
  else loadData(cpu, seg, selector);
  cpu.updateMode();
}

/** DS, ES, FS, GS. [SDM] vol. 3A, 6.6 */
export function loadData(cpu: Cpu, seg: number, selector: number, vector: number = VECTOR.GP): void {
  if (isNull(selector)) return installNull(cpu, seg, selector);
  const descriptor = readDescriptor(cpu, selector, vector);
  const code = selectorCode(selector);
  const { attr } = descriptor;
  const data = (attr & ATTR.CODE_OR_DATA) !== 0 &&
    ((attr & ATTR.CODE) === 0 || (attr & ATTR.WRITE_OR_READ) !== 0);
  if (!data) throw cpu.fault(vector, code);
  const conforming = isCode(descriptor) && isConforming(descriptor);
  if (!conforming && dplOf(descriptor) < Math.max(cpu.cpl, selector & 3)) throw cpu.fault(vector, code);
  if ((attr & ATTR.PRESENT) === 0) throw cpu.fault(VECTOR.NP, code);
  markAccessed(cpu, descriptor);
  install(cpu, seg, descriptor);
}

/** Checks a stack segment for a privilege level. Undefined: the null selector, where 64-bit code may have it. */
export function checkStack(
  cpu: Cpu,
  selector: number,
  { cpl, vector, ext = 0 }: { cpl: number; vector: number; ext?: number },
): Descriptor | undefined {
  const code = selectorCode(selector) | ext;
  if (isNull(selector)) {
    if (cpu.code64 && cpl < 3 && (selector & 3) === cpl) return undefined;
    throw cpu.fault(vector, code);
  }
  const descriptor = readDescriptor(cpu, selector, vector, ext);
  if ((selector & 3) !== cpl || !isStack(descriptor) || dplOf(descriptor) !== cpl) {
    throw cpu.fault(vector, code);
  }
  if ((descriptor.attr & ATTR.PRESENT) === 0) throw cpu.fault(VECTOR.SS, code);
  return descriptor;
}

/** SS. */
function loadStack(cpu: Cpu, selector: number): void {
  const descriptor = checkStack(cpu, selector, { cpl: cpu.cpl, vector: VECTOR.GP });
  if (descriptor === undefined) return installNull(cpu, SEGMENT.SS, selector);
  markAccessed(cpu, descriptor);
  install(cpu, SEGMENT.SS, descriptor);
}

/** Checks a code segment for a target at the same level, or of a conforming one at a lower. */
export function checkCode(
  cpu: Cpu,
  descriptor: Descriptor,
  { rpl, vector = VECTOR.GP }: { rpl: number; vector?: number },
): void {
  const code = selectorCode(descriptor.selector);
  const dpl = dplOf(descriptor);
  const { cpl } = cpu;
  if (!isCode(descriptor)) throw cpu.fault(vector, code);
  if (isConforming(descriptor) ? dpl > cpl : dpl !== cpl || rpl > cpl) throw cpu.fault(vector, code);
  checkLongCode(cpu, descriptor, vector);
  if ((descriptor.attr & ATTR.PRESENT) === 0) throw cpu.fault(VECTOR.NP, code);
}

/** L and D together are reserved in IA-32e mode. */
export function checkLongCode(cpu: Cpu, { attr, selector }: Descriptor, vector: number = VECTOR.GP): void {
  if (cpu.longMode && (attr & ATTR.LONG) !== 0 && (attr & ATTR.BIG) !== 0) {
    throw cpu.fault(vector, selectorCode(selector));
  }
}

/** Puts a checked code segment into CS with a privilege level. */
export function installCode(cpu: Cpu, descriptor: Descriptor, cpl: number): void {
  install(cpu, SEGMENT.CS, descriptor, descriptor.selector & ~3 | cpl);
}

/** After a return to an outer level: data segments that level may not have become null. [SDM] vol. 2, RET */
export function dropInnerSegments(cpu: Cpu): void {
  for (const seg of [SEGMENT.ES, SEGMENT.DS, SEGMENT.FS, SEGMENT.GS]) {
    const attr = cpu.segAttr(seg);
    const conforming = (attr & ATTR.CODE) !== 0 && (attr & ATTR.DOWN_OR_CONFORMING) !== 0;
    if ((attr & ATTR.UNUSABLE) !== 0 || conforming) continue;
    if ((attr & ATTR.DPL) >> ATTR.DPL_SHIFT < cpu.cpl) installNull(cpu, seg, 0);
  }
}

/** LLDT, and the LDT of a task. */
export function loadLdt(cpu: Cpu, selector: number, vector: number = VECTOR.GP): void {
  const set = (base: bigint, limit: number, attr: number) => {
    cpu.u32[(CPU.SELECTOR >> 2) + LDT_INDEX] = selector;
    cpu.setCell64(CPU.LDT, base);
    cpu.setCell32(CPU.LDT + 8, limit);
    cpu.setCell32(CPU.LDT + 12, attr);
  };
  if (isNull(selector)) return set(0n, 0, ATTR.UNUSABLE);
  const code = selectorCode(selector);
  if ((selector & 4) !== 0) throw cpu.fault(vector, code);
  const descriptor = readDescriptor(cpu, selector, vector);
  if (systemType(descriptor) !== SYSTEM_TYPE.LDT) throw cpu.fault(vector, code);
  if ((descriptor.attr & ATTR.PRESENT) === 0) {
    throw cpu.fault(vector === VECTOR.TS ? VECTOR.TS : VECTOR.NP, code);
  }
  set(wideBase(cpu, descriptor), descriptor.limit, descriptor.attr);
}

/** Puts a TSS into TR, as busy. */
export function installTask(cpu: Cpu, descriptor: Descriptor, base: bigint): void {
  cpu.u32[(CPU.SELECTOR >> 2) + SEGMENT.TR] = descriptor.selector;
  cpu.setCell64(CPU.TR, base);
  cpu.setCell32(CPU.TR + 8, descriptor.limit);
  cpu.setCell32(CPU.TR + 12, descriptor.attr | BUSY);
}
