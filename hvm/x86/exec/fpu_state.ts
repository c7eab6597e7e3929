/**
 * Saving, restoring and initialising of x87, MMX and SSE state.
 *
 * Sources: [SDM] Intel SDM vol. 2, FINIT, FLDENV, FNSAVE, FNSTENV, FRSTOR, FXRSTOR, FXSAVE, XGETBV, XRSTOR, XSAVE, XSAVEC,
 * XSETBV; vol. 1, 8.1 (environment), 10.5 (FXSAVE area), chapter 13 (XSAVE).
 * @module
 */

import type { Cpu, ForeignComponent, SystemOp, SystemOps } from "../cpu.ts";
import type { Insn } from "../insn.ts";
import { getGpr, memoryAddress, setGpr } from "../operands.ts";
import { CR0, CR4, GPR } from "../state.ts";
import { CPU } from "./cpu_memory.ts";
import { VECTOR } from "./sem.ts";

const MXCSR_RESET = 0x1f80;
/** Bits of MXCSR there are. */
const MXCSR_MASK = 0xffff;
/** Components: x87, SSE. */
const X87_BIT = 1n;
const SSE_BIT = 2n;
const KNOWN = X87_BIT | SSE_BIT;
const HEADER = 512n;
const COMPACTED = 1n << 63n;
const LOW = 0xffffffffn;

/** FNINIT. */
export function initFpu(cpu: Cpu): void {
  cpu.setCell32(CPU.FCW, 0x37f);
  cpu.setCell32(CPU.FSW, 0);
  cpu.setCell32(CPU.FTAG, 0xff);
  cpu.u8.fill(0, CPU.FOP, CPU.FDS + 4);
}

/** After RESET. [SDM] vol. 3A, table 10-1 */
export function resetFpu(cpu: Cpu): void {
  cpu.u8.fill(0, CPU.FCW, CPU.FDS + 4);
  cpu.u8.fill(0, CPU.X87, CPU.X87 + 128);
  cpu.setCell32(CPU.FCW, 0x40);
}

function top(cpu: Cpu): number {
  return cpu.cell32(CPU.FSW) >>> 11 & 7;
}

function stAddress(cpu: Cpu, i: number): number {
  return CPU.X87 + (top(cpu) + i & 7) * 16;
}

/** The two bits of a full tag word for a physical register. [SDM] vol. 1, 8.1.7 */
function fullTag(cpu: Cpu, physical: number): number {
  if ((cpu.cell32(CPU.FTAG) >>> physical & 1) !== 0) return 3;
  const at = CPU.X87 + physical * 16;
  const significand = cpu.cell64(at);
  const exponent = cpu.u16[(at + 8) >> 1]! & 0x7fff;
  if (exponent === 0 && significand === 0n) return 1;
  return exponent === 0 || exponent === 0x7fff || significand >> 63n === 0n ? 2 : 0;
}

function fullTags(cpu: Cpu): number {
  let word = 0;
  for (let i = 0; i < 8; i++) word |= fullTag(cpu, i) << 2 * i;
  return word;
}

function setFullTags(cpu: Cpu, word: number): void {
  let tags = 0;
  for (let i = 0; i < 8; i++) if ((word >>> 2 * i & 3) === 3) tags |= 1 << i;
  cpu.setCell32(CPU.FTAG, tags);
}

/** ES and B follow from the exceptions and their masks. */
export function settleStatus(cpu: Cpu): void {
  const status = cpu.cell32(CPU.FSW);
  const unmasked = status & ~cpu.cell32(CPU.FCW) & 0x3f;
  cpu.setCell32(CPU.FSW, unmasked !== 0 ? status | 0x8080 : status & ~0x8080);
}

/** Where an area is: the guest's memory, or bytes outside of it. */
export interface Area {
  read(offset: number | bigint, bytes: number): bigint;
  write(offset: number | bigint, bytes: number, value: bigint): void;
}

/** The guest's memory from a linear address on. */
class LinearArea implements Area {
  readonly cpu: Cpu;
  readonly base: bigint;

  constructor(cpu: Cpu, base: bigint) {
    this.cpu = cpu;
    this.base = base;
  }

  at(offset: number | bigint): bigint {
    const linear = this.base + BigInt(offset);
    return this.cpu.code64 ? BigInt.asUintN(64, linear) : BigInt.asUintN(32, linear);
  }

  read(offset: number | bigint, bytes: number): bigint {
    return this.cpu.readLinear(this.at(offset), bytes);
  }

  write(offset: number | bigint, bytes: number, value: bigint): void {
    this.cpu.writeLinear(this.at(offset), bytes, BigInt.asUintN(bytes * 8, value));
  }
}

// ---- the environment of FNSTENV and FNSAVE ---------------------------------------------------------------------------

/** 14 or 28 bytes; real-address mode has its own layout of pointers. */
function storeEnvironment(cpu: Cpu, insn: Insn, area: Area): void {
  const wide = insn.operandSize !== 2;
  const unit = wide ? 4 : 2;
  const fip = cpu.cell64(CPU.FIP);
  const fdp = cpu.cell64(CPU.FDP);
  const high = wide ? 0xffff0000n : 0n;
  const words = [
    BigInt(cpu.cell32(CPU.FCW)) | high,
    BigInt(cpu.cell32(CPU.FSW)) | high,
    BigInt(fullTags(cpu)) | high,
  ];
  const opcode = BigInt(cpu.cell32(CPU.FOP) & 0x7ff);
  if (cpu.realOrV86) {
    const pointer = (p: bigint, extra: bigint) => (p >> 16n & (wide ? 0xffffn : 0xfn)) << 12n | extra;
    words.push(fip & 0xffffn | high, pointer(fip, opcode), fdp & 0xffffn | high, pointer(fdp, 0n));
  } else {
    words.push(
      fip,
      BigInt(cpu.cell32(CPU.FCS)) | (wide ? opcode << 16n : 0n),
      fdp,
      BigInt(cpu.cell32(CPU.FDS)) | high,
    );
  }
  words.forEach((word, i) => area.write(i * unit, unit, word));
}

function loadEnvironment(cpu: Cpu, insn: Insn, area: Area): void {
  const wide = insn.operandSize !== 2;
  const unit = wide ? 4 : 2;
  const words = Array.from({ length: 7 }, (_, i) => area.read(i * unit, unit));
  const [control, status, tags, ip, cs, dp, ds] = words as [
    bigint,
    bigint,
    bigint,
    bigint,
    bigint,
    bigint,
    bigint,
  ];
  cpu.setCell32(CPU.FCW, Number(control & 0x1f3fn) | 0x40);
  cpu.setCell32(CPU.FSW, Number(status & 0xffffn));
  setFullTags(cpu, Number(tags & 0xffffn));
  if (cpu.realOrV86) {
    cpu.setCell64(CPU.FIP, ip & 0xffffn | (cs >> 12n) << 16n);
    cpu.setCell64(CPU.FDP, dp & 0xffffn | (ds >> 12n) << 16n);
    cpu.setCell32(CPU.FOP, Number(cs & 0x7ffn));
  } else {
    cpu.setCell64(CPU.FIP, ip);
    cpu.setCell32(CPU.FCS, Number(cs & 0xffffn));
    if (wide) cpu.setCell32(CPU.FOP, Number(cs >> 16n & 0x7ffn));
    cpu.setCell64(CPU.FDP, dp);
    cpu.setCell32(CPU.FDS, Number(ds & 0xffffn));
  }
  settleStatus(cpu);
}

function environmentBytes(insn: Insn): number {
  return insn.operandSize === 2 ? 14 : 28;
}

const fnstenv: SystemOp = (cpu, insn) => {
  const bytes = environmentBytes(insn);
  const base = memoryAddress(cpu, insn, bytes, true);
  cpu.probeLinear(base, bytes, true);
  storeEnvironment(cpu, insn, new LinearArea(cpu, base));
  // All exceptions are masked afterwards.
  cpu.setCell32(CPU.FCW, cpu.cell32(CPU.FCW) | 0x3f);
  settleStatus(cpu);
};

const fldenv: SystemOp = (cpu, insn) => {
  checkPending(cpu);
  loadEnvironment(cpu, insn, new LinearArea(cpu, memoryAddress(cpu, insn, environmentBytes(insn), false)));
};

const fnsave: SystemOp = (cpu, insn) => {
  const bytes = environmentBytes(insn);
  const base = memoryAddress(cpu, insn, bytes + 80, true);
  cpu.probeLinear(base, bytes + 80, true);
  const area = new LinearArea(cpu, base);
  storeEnvironment(cpu, insn, area);
  for (let i = 0; i < 8; i++) {
    const at = stAddress(cpu, i);
    area.write(bytes + i * 10, 8, cpu.cell64(at));
    area.write(bytes + i * 10 + 8, 2, BigInt(cpu.u16[(at + 8) >> 1]!));
  }
  initFpu(cpu);
};

const frstor: SystemOp = (cpu, insn) => {
  checkPending(cpu);
  const bytes = environmentBytes(insn);
  const area = new LinearArea(cpu, memoryAddress(cpu, insn, bytes + 80, false));
  const values = Array.from({ length: 8 }, (_, i) => ({
    significand: area.read(bytes + i * 10, 8),
    exponent: Number(area.read(bytes + i * 10 + 8, 2)),
  }));
  loadEnvironment(cpu, insn, area);
  values.forEach(({ significand, exponent }, i) => {
    const at = stAddress(cpu, i);
    cpu.setCell64(at, significand);
    cpu.u16[(at + 8) >> 1] = exponent;
  });
};

/** #MF for an unmasked exception that is pending. */
function checkPending(cpu: Cpu): void {
  if ((cpu.cell32(CPU.FSW) & 0x80) !== 0) throw cpu.fault(VECTOR.MF);
}

// ---- the area of FXSAVE and XSAVE ------------------------------------------------------------------------------------

/** `wide`: offsets of 64 bits, not selectors and offsets of 32. */
export function storeLegacyX87(cpu: Cpu, wide: boolean, area: Area): void {
  area.write(0, 2, BigInt(cpu.cell32(CPU.FCW)));
  area.write(2, 2, BigInt(cpu.cell32(CPU.FSW)));
  // One bit a register, 1: not empty.
  area.write(4, 2, BigInt(~cpu.cell32(CPU.FTAG) & 0xff));
  area.write(6, 2, BigInt(cpu.cell32(CPU.FOP)));
  if (wide) {
    area.write(8, 8, cpu.cell64(CPU.FIP));
    area.write(16, 8, cpu.cell64(CPU.FDP));
  } else {
    area.write(8, 4, cpu.cell64(CPU.FIP));
    area.write(12, 4, BigInt(cpu.cell32(CPU.FCS)));
    area.write(16, 4, cpu.cell64(CPU.FDP));
    area.write(20, 4, BigInt(cpu.cell32(CPU.FDS)));
  }
  for (let i = 0; i < 8; i++) {
    const at = stAddress(cpu, i);
    area.write(32 + i * 16, 8, cpu.cell64(at));
    area.write(40 + i * 16, 8, BigInt(cpu.u16[(at + 8) >> 1]!));
  }
}

export function loadLegacyX87(cpu: Cpu, wide: boolean, area: Area): void {
  const control = Number(area.read(0, 2));
  const status = Number(area.read(2, 2));
  const tags = Number(area.read(4, 1));
  const opcode = Number(area.read(6, 2)) & 0x7ff;
  const fip = area.read(8, wide ? 8 : 4);
  const fdp = area.read(16, wide ? 8 : 4);
  const registers = Array.from({ length: 8 }, (_, i) => ({
    significand: area.read(32 + i * 16, 8),
    exponent: Number(area.read(40 + i * 16, 2)),
  }));
  cpu.setCell32(CPU.FCW, control & 0x1f3f | 0x40);
  cpu.setCell32(CPU.FSW, status);
  cpu.setCell32(CPU.FTAG, ~tags & 0xff);
  cpu.setCell32(CPU.FOP, opcode);
  cpu.setCell64(CPU.FIP, fip);
  cpu.setCell64(CPU.FDP, fdp);
  registers.forEach(({ significand, exponent }, i) => {
    const at = stAddress(cpu, i);
    cpu.setCell64(at, significand);
    cpu.u16[(at + 8) >> 1] = exponent;
  });
  settleStatus(cpu);
}

/** Eight registers outside 64-bit code, else sixteen. */
function xmmCount(cpu: Cpu): number {
  return cpu.code64 ? 16 : 8;
}

function storeXmm(cpu: Cpu, area: Area): void {
  for (let i = 0; i < xmmCount(cpu) * 2; i++) area.write(160 + i * 8, 8, cpu.cell64(CPU.XMM + i * 8));
}

function loadXmm(cpu: Cpu, area: Area): void {
  const count = xmmCount(cpu) * 2;
  const values = Array.from({ length: count }, (_, i) => area.read(160 + i * 8, 8));
  values.forEach((value, i) => cpu.setCell64(CPU.XMM + i * 8, value));
}

function storeMxcsr(cpu: Cpu, area: Area): void {
  area.write(24, 4, BigInt(cpu.cell32(CPU.MXCSR)));
  area.write(28, 4, BigInt(MXCSR_MASK));
}

function readMxcsr(cpu: Cpu, area: Area): number {
  const mxcsr = Number(area.read(24, 4));
  if ((mxcsr & ~MXCSR_MASK) !== 0) throw cpu.fault(VECTOR.GP, 0);
  return mxcsr;
}

/** The operand's address, which must be a multiple of `alignment`. */
function alignedArea(cpu: Cpu, insn: Insn, bytes: number, write: boolean, alignment: bigint): LinearArea {
  const base = memoryAddress(cpu, insn, bytes, write);
  if ((base & alignment - 1n) !== 0n) throw cpu.fault(VECTOR.GP, 0);
  if (write) cpu.probeLinear(base, bytes, true);
  return new LinearArea(cpu, base);
}

const fxsave: SystemOp = (cpu, insn) => {
  const area = alignedArea(cpu, insn, 512, true, 16n);
  storeLegacyX87(cpu, insn.wide === 1, area);
  storeMxcsr(cpu, area);
  if ((cpu.cr4 & CR4.OSFXSR) !== 0) storeXmm(cpu, area);
};

const fxrstor: SystemOp = (cpu, insn) => {
  const area = alignedArea(cpu, insn, 512, false, 16n);
  cpu.probeLinear(area.base, 512, false);
  const mxcsr = readMxcsr(cpu, area);
  loadLegacyX87(cpu, insn.wide === 1, area);
  if ((cpu.cr4 & CR4.OSFXSR) === 0) return;
  cpu.setCell32(CPU.MXCSR, mxcsr);
  loadXmm(cpu, area);
};

/** #UD without CR4.OSXSAVE, #NM while CR0.TS. */
function checkXsave(cpu: Cpu): void {
  if ((cpu.cr4 & CR4.OSXSAVE) === 0) throw cpu.fault(VECTOR.UD);
  if ((cpu.cr0 & CR0.TS) !== 0) throw cpu.fault(VECTOR.NM);
}

/** EDX:EAX and XCR0. */
function requested(cpu: Cpu): bigint {
  const wanted = getGpr(cpu, GPR.RDX, 4) << 32n | getGpr(cpu, GPR.RAX, 4);
  return wanted & cpu.cell64(CPU.XCR0);
}

/** Components that are not in their initial state. */
export function inUse(cpu: Cpu): bigint {
  let used = 0n;
  if (cpu.cell32(CPU.FCW) !== 0x37f || cpu.cell32(CPU.FSW) !== 0 || cpu.cell32(CPU.FTAG) !== 0xff) {
    used |= X87_BIT;
  }
  for (let i = CPU.XMM >> 3; i < CPU.TEMP >> 3; i++) {
    if (cpu.u64[i] !== 0n) {
      used |= SSE_BIT;
      break;
    }
  }
  for (const { bit, offset, size } of cpu.foreign?.components ?? []) {
    if (cpu.foreign!.image.subarray(offset, offset + size).some((byte) => byte !== 0)) used |= bit;
  }
  return used;
}

/** Components that may be in XCR0. */
function known(cpu: Cpu): bigint {
  return (cpu.foreign?.components ?? []).reduce((bits, { bit }) => bits | bit, KNOWN);
}

/** The components of `layout` beyond SSE, and where each is in an area. [SDM] vol. 1, 13.4.3 */
function* foreignPlaces(cpu: Cpu, layout: bigint, compact: boolean): Generator<[ForeignComponent, number]> {
  let next = Number(HEADER) + 64;
  for (const component of cpu.foreign?.components ?? []) {
    if ((layout & component.bit) === 0n) continue;
    if (component.aligned) next = Math.ceil(next / 64) * 64;
    yield [component, compact ? next : component.offset];
    next += component.size;
  }
}

function storeForeign(cpu: Cpu, area: Area, written: bigint, layout: bigint, compact: boolean): void {
  for (const [{ bit, offset, size }, place] of foreignPlaces(cpu, layout, compact)) {
    if ((written & bit) === 0n) continue;
    const { image } = cpu.foreign!;
    for (let i = 0; i < size; i++) area.write(place + i, 1, BigInt(image[offset + i]!));
  }
}

/** Loads what is present of the components wanted, and initialises the others. */
function loadForeign(cpu: Cpu, area: Area, wanted: bigint, present: bigint, layout: bigint): void {
  const compact = (layout & COMPACTED) !== 0n;
  const all = compact ? layout : present;
  const places = new Map(foreignPlaces(cpu, all, compact));
  for (const component of cpu.foreign?.components ?? []) {
    const { bit, offset, size } = component;
    if ((wanted & bit) === 0n) continue;
    const place = (present & bit) === 0n ? undefined : places.get(component);
    const bytes = Array.from(
      { length: size },
      (_, i) => place === undefined ? 0 : Number(area.read(place + i, 1)),
    );
    cpu.foreign!.image.set(bytes, offset);
  }
}

function save(compact: boolean, optimised: boolean): SystemOp {
  return (cpu, insn) => {
    checkXsave(cpu);
    const area = alignedArea(cpu, insn, 576, true, 64n);
    const wanted = requested(cpu);
    const used = inUse(cpu);
    const written = compact || optimised ? wanted & used : wanted;
    if ((written & X87_BIT) !== 0n) storeLegacyX87(cpu, insn.wide === 1, area);
    if ((wanted & SSE_BIT) !== 0n) storeMxcsr(cpu, area);
    if ((written & SSE_BIT) !== 0n) storeXmm(cpu, area);
    storeForeign(cpu, area, written, wanted, compact);
    if (compact) {
      area.write(HEADER, 8, wanted & used);
      area.write(HEADER + 8n, 8, COMPACTED | wanted);
      return;
    }
    const before = area.read(HEADER, 8);
    area.write(HEADER, 8, before & ~wanted | wanted & used);
  };
}

const xrstor: SystemOp = (cpu, insn) => {
  checkXsave(cpu);
  const area = alignedArea(cpu, insn, 576, false, 64n);
  cpu.probeLinear(area.base, 576, false);
  const wanted = requested(cpu);
  const present = area.read(HEADER, 8);
  const layout = area.read(HEADER + 8n, 8);
  const bad = () => cpu.fault(VECTOR.GP, 0);
  const supported = cpu.cell64(CPU.XCR0);
  if ((layout & COMPACTED) === 0n) {
    if ((present & ~supported) !== 0n || layout !== 0n || area.read(HEADER + 16n, 8) !== 0n) throw bad();
  } else {
    if ((layout & ~COMPACTED & ~supported) !== 0n || (present & ~layout) !== 0n) throw bad();
    for (let i = 2n; i < 8n; i++) if (area.read(HEADER + i * 8n, 8) !== 0n) throw bad();
  }
  const legacyMxcsr = (layout & COMPACTED) === 0n && (wanted & SSE_BIT) !== 0n;
  const mxcsr = legacyMxcsr || (wanted & present & SSE_BIT) !== 0n ? readMxcsr(cpu, area) : MXCSR_RESET;
  if ((wanted & X87_BIT) !== 0n) {
    if ((present & X87_BIT) !== 0n) loadLegacyX87(cpu, insn.wide === 1, area);
    else {
      initFpu(cpu);
      cpu.u8.fill(0, CPU.X87, CPU.X87 + 128);
    }
  }
  loadForeign(cpu, area, wanted, present, layout);
  if ((wanted & SSE_BIT) === 0n) return;
  cpu.setCell32(CPU.MXCSR, mxcsr);
  if ((present & SSE_BIT) !== 0n) loadXmm(cpu, area);
  else cpu.u8.fill(0, CPU.XMM, CPU.XMM + xmmCount(cpu) * 16);
};

const xgetbv: SystemOp = (cpu) => {
  if ((cpu.cr4 & CR4.OSXSAVE) === 0) throw cpu.fault(VECTOR.UD);
  const index = getGpr(cpu, GPR.RCX, 4);
  if (index > 1n) throw cpu.fault(VECTOR.GP, 0);
  const xcr0 = cpu.cell64(CPU.XCR0);
  const value = index === 0n ? xcr0 : xcr0 & inUse(cpu);
  setGpr(cpu, GPR.RAX, 4, value & LOW);
  setGpr(cpu, GPR.RDX, 4, value >> 32n);
};

const xsetbv: SystemOp = (cpu) => {
  if ((cpu.cr4 & CR4.OSXSAVE) === 0) throw cpu.fault(VECTOR.UD);
  const value = getGpr(cpu, GPR.RDX, 4) << 32n | getGpr(cpu, GPR.RAX, 4);
  const good = getGpr(cpu, GPR.RCX, 4) === 0n && (value & X87_BIT) !== 0n && (value & ~known(cpu)) === 0n;
  if (!good) throw cpu.fault(VECTOR.GP, 0);
  cpu.setCell64(CPU.XCR0, value);
};

/** By key. */
export const FPU_STATE: SystemOps = {
  fninit: (cpu) => initFpu(cpu),
  fnstenv,
  fldenv,
  fnsave,
  frstor,
  fxsave,
  fxrstor,
  xsave: save(false, false),
  xsaveopt: save(false, true),
  xsavec: save(true, true),
  xsaves: save(true, true),
  xrstor,
  xrstors: xrstor,
  xgetbv,
  xsetbv,
};
