/**
 * Registers between a processor's state and the packets `g`, `G`, `p` and `P`: little-endian, in the order of
 * target_xml.ts.
 * @module
 */

import { type CpuState, CR0, EFER } from "../x86/state.ts";
import type { FpuState } from "./fpu_image.ts";
import { type FpuPart, type Register, REGISTERS } from "./target_xml.ts";

/** The registers of a processor that stands still. */
export interface RegisterFile {
  readonly state: CpuState;
  readonly fpu: FpuState;
}

/** Bytes of a register. */
export function registerBytes({ bits }: Register): number {
  return bits / 8;
}

/** Whether it is one of x87 or SSE. */
export function isExtended({ place }: Register): boolean {
  return place.kind === "st" || place.kind === "xmm" || place.kind === "fpu" || place.kind === "mxcsr";
}

/** Bytes of all registers. */
export const ALL_BYTES: number = REGISTERS.reduce((sum, one) => sum + registerBytes(one), 0);

/** The number of a register by name. @throws {RangeError} for a name there is not. */
export function registerNumber(name: string): number {
  const number = REGISTERS.findIndex((one) => one.name === name);
  if (number < 0) throw new RangeError(`There is no register ${name}`);
  return number;
}

/** All registers, one behind the other. */
export function readAll(file: RegisterFile): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(ALL_BYTES);
  let at = 0;
  for (const register of REGISTERS) {
    bytes.set(readRegister(file, register), at);
    at += registerBytes(register);
  }
  return bytes;
}

/** The bytes of one register. */
export function readRegister(file: RegisterFile, register: Register): Uint8Array<ArrayBuffer> {
  const { state, fpu } = file;
  const { place } = register;
  switch (place.kind) {
    case "st":
      return fpu.st.slice(place.index * 16, place.index * 16 + 10);
    case "xmm":
      return fpu.xmm.slice(place.index * 16, place.index * 16 + 16);
    case "gpr":
      return little(state.gpr[place.index]!, 8);
    case "rip":
      return little(linearRip(state), 8);
    case "rflags":
      return little(state.rflags, 4);
    case "mxcsr":
      return little(BigInt(fpu.mxcsr), 4);
    case "selector":
      return little(BigInt(state[place.segment].selector), 4);
    case "base":
      return little(state[place.segment].base, 8);
    case "fpu":
      return little(readFpuPart(fpu, place.part), 4);
    case "control":
      return little(state[place.name], 8);
  }
}

/**
 * Changes one register of a file.
 * @returns false when it cannot be: a selector of protected mode has a descriptor behind it that nobody gave.
 */
export function writeRegister(file: RegisterFile, register: Register, bytes: Uint8Array): boolean {
  const { state, fpu } = file;
  const { place } = register;
  const value = big(bytes);
  switch (place.kind) {
    case "st":
      fpu.st.set(bytes.subarray(0, 10), place.index * 16);
      return true;
    case "xmm":
      fpu.xmm.set(bytes.subarray(0, 16), place.index * 16);
      return true;
    case "gpr":
      state.gpr[place.index] = value;
      return true;
    case "rip":
      return writeRip(state, value);
    case "rflags":
      state.rflags = value | 2n;
      return true;
    case "mxcsr":
      fpu.mxcsr = Number(value) & 0xffff;
      return true;
    case "selector":
      return writeSelector(state, place.segment, Number(value));
    case "base":
      state[place.segment].base = value;
      return true;
    case "fpu":
      return writeFpuPart(fpu, place.part, Number(value));
    case "control":
      state[place.name] = value;
      return true;
  }
}

/** Changes all registers, as far as bytes go; what cannot be changed stays. */
export function writeAll(file: RegisterFile, bytes: Uint8Array): void {
  let at = 0;
  for (const register of REGISTERS) {
    const length = registerBytes(register);
    if (at + length > bytes.length) return;
    writeRegister(file, register, bytes.subarray(at, at + length));
    at += length;
  }
}

/** Where code segments have no base: 64-bit code. */
export function isFlat(state: CpuState): boolean {
  return (state.efer & BigInt(EFER.LMA)) !== 0n && state.cs.long;
}

/** GDB knows no segments: its program counter is the linear address of the next instruction. */
export function linearRip(state: CpuState): bigint {
  return isFlat(state) ? state.rip : BigInt.asUintN(32, state.cs.base + state.rip);
}

/** Sets the program counter, which must be within the code segment. */
export function writeRip(state: CpuState, linear: bigint): boolean {
  if (linearRip(state) === linear) return true;
  const rip = isFlat(state) ? linear : BigInt.asUintN(32, linear - state.cs.base);
  if (!isFlat(state) && rip > BigInt(state.cs.limit)) return false;
  state.rip = rip;
  return true;
}

function writeSelector(state: CpuState, segment: "cs" | "ss" | "ds" | "es" | "fs" | "gs", value: number) {
  if (state[segment].selector === value) return true;
  if ((state.cr0 & BigInt(CR0.PE)) !== 0n || value > 0xffff) return false;
  state[segment] = { ...state[segment], selector: value, base: BigInt(value << 4) };
  return true;
}

/** The two bits a register of a full tag word, from one. [SDM] vol. 1, 8.1.7 */
function fullTags(fpu: FpuState): number {
  const top = fpu.status >>> 11 & 7;
  const view = new DataView(fpu.st.buffer, fpu.st.byteOffset);
  let word = 0;
  for (let physical = 0; physical < 8; physical++) {
    let tag = 3;
    if ((fpu.tags >>> physical & 1) !== 0) {
      const at = (physical - top & 7) * 16;
      const significand = view.getBigUint64(at, true);
      const exponent = view.getUint16(at + 8, true) & 0x7fff;
      const special = exponent === 0 || exponent === 0x7fff || significand >> 63n === 0n;
      tag = exponent === 0 && significand === 0n ? 1 : special ? 2 : 0;
    }
    word |= tag << 2 * physical;
  }
  return word;
}

function readFpuPart(fpu: FpuState, part: FpuPart): bigint {
  switch (part) {
    case "fctrl":
      return BigInt(fpu.control);
    case "fstat":
      return BigInt(fpu.status);
    case "ftag":
      return BigInt(fullTags(fpu));
    case "fioff":
      return fpu.instruction;
    case "fooff":
      return fpu.operand;
    case "fop":
      return BigInt(fpu.opcode);
    default:
      return 0n; // selectors: 64-bit state has none
  }
}

function writeFpuPart(fpu: FpuState, part: FpuPart, value: number): boolean {
  switch (part) {
    case "fctrl":
      fpu.control = value & 0xffff;
      return true;
    case "fstat":
      fpu.status = value & 0xffff;
      return true;
    case "ftag":
      fpu.tags = 0;
      for (let i = 0; i < 8; i++) if ((value >>> 2 * i & 3) !== 3) fpu.tags |= 1 << i;
      return true;
    case "fioff":
      fpu.instruction = fpu.instruction >> 32n << 32n | BigInt(value >>> 0);
      return true;
    case "fooff":
      fpu.operand = fpu.operand >> 32n << 32n | BigInt(value >>> 0);
      return true;
    case "fop":
      fpu.opcode = value & 0x7ff;
      return true;
    default:
      return value === 0;
  }
}

function little(value: bigint, bytes: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: bytes }, (_, i) => Number(value >> BigInt(8 * i) & 0xffn));
}

function big(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = value << 8n | BigInt(bytes[i]!);
  return value;
}
