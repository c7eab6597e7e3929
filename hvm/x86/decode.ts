/**
 * The decoder: turns bytes into a record. It looks at nothing but bytes and the mode.
 *
 * What it leaves to the executor, because it depends on more than bytes: CPUID gates, real-address and virtual-8086 mode,
 * privilege, DR4 and DR5 (CR4.DE), an address size of 16 bits at jumps, alignment.
 *
 * Where processors differ it follows Intel's: near branches in 64-bit code have a 64-bit operand whatever 66 says (AMD's
 * take 66 and then have 16 bits and a shorter displacement); LOCK MOV CR0 is #UD (AMD's older ones reach CR8 by it);
 * of F2 and F3 the last counts. Far branches through memory take REX.W, which AMD's ignore.
 *
 * Sources: [SDM] vol. 2A, chapter 2, and vol. 2D, appendix A; [APM] vol. 3, chapter 1.
 * @module
 */

import { type Insn, NO_REGISTER, PREFIX, SEG } from "./insn.ts";
import { decodeAddress16, decodeAddress32 } from "./_decode_address.ts";
import { isa } from "./isa_build.ts";
import { CELL_MODRM, CELL_SHIFT, FORM, IMMEDIATE, type Isa, SELECT } from "./isa_tables.ts";

/** The record holds the instruction. */
export const OK = 0;
/** The bytes given end before the instruction does. */
export const MORE = 1;
/** It would have more than 15 bytes: #GP(0). [SDM] vol. 2A, 2.3.11 */
export const TOO_LONG = 2;
/** There is no such instruction: #UD. */
export const UD = 3;
export type DecodeResult = typeof OK | typeof MORE | typeof TOO_LONG | typeof UD;

/** The longest instruction, in bytes. */
export const MAX_LENGTH = 15;

/** What a byte is in front of an opcode; 0: the opcode. */
const KIND = { SEGMENT: 1, OPERAND: 2, ADDRESS: 3, LOCK: 4, REPNE: 5, REP: 6, REX: 7 } as const;
const KIND_OF = new Uint8Array(256);
for (const byte of [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65]) KIND_OF[byte] = KIND.SEGMENT;
for (let byte = 0x40; byte < 0x50; byte++) KIND_OF[byte] = KIND.REX;
KIND_OF[0x66] = KIND.OPERAND;
KIND_OF[0x67] = KIND.ADDRESS;
KIND_OF[0xf0] = KIND.LOCK;
KIND_OF[0xf2] = KIND.REPNE;
KIND_OF[0xf3] = KIND.REP;

const REX_B = 1;
const REX_R = 4;
const REX_W = 8;

/** F2, F3, 66 and LOCK cannot stand before VEX. [SDM] vol. 2A, 2.3.2 to 2.3.4 */
const NOT_BEFORE_VEX = PREFIX.REP | PREFIX.REPNE | PREFIX.OPERAND | PREFIX.LOCK;
/** The value of SELECT.PREFIX by the bits REP, REPNE and OPERAND. 66 yields to the others. [SDM] vol. 2A, 2.1.2 */
const PREFIX_VALUE = Uint8Array.of(0, 2, 3, 3, 1, 2, 3, 3);
/** The payload of a VEX prefix is not there yet. */
const NO_VEX = -1;
const CHECKED = FORM.SEGMENT | FORM.CONTROL | FORM.DEBUG | FORM.NO_VVVV;

let tables: Isa | undefined;

/**
 * Decodes one instruction.
 *
 * @param code the bytes; nothing outside `at` to `end` is read.
 * @param at where the instruction begins.
 * @param end where the bytes end; at most 15 are looked at.
 * @param mode 16, 32 or 64.
 * @param out is filled. After another result than OK only its `mode`, `length` (the bytes consumed), `row` (0) and `prefixes`
 * have meaning.
 */
export function decode(code: Uint8Array, at: number, end: number, mode: number, out: Insn): DecodeResult {
  const isaTables = tables ??= isa();
  const room = end - at;
  const short = room >= MAX_LENGTH ? TOO_LONG : MORE;
  const limit = room >= MAX_LENGTH ? at + MAX_LENGTH : end;
  let p = at;
  let prefixes = 0;
  let rex = 0;
  let override = -1;
  let byte = 0;
  for (;;) {
    if (p >= limit) return failed(out, mode, prefixes, p - at, short);
    byte = code[p++]!;
    const kind = KIND_OF[byte]!;
    if (kind === 0) break;
    if (kind === KIND.REX) {
      if (mode !== 64) break;
      rex = byte;
      continue;
    }
    rex = 0; // a REX prefix counts only immediately before the opcode
    if (kind === KIND.SEGMENT) {
      // 64-bit code takes no notice of the other four.
      if (byte >= 0x64) override = byte - 0x60;
      else if (mode !== 64) override = byte >> 3 & 3;
    } else if (kind === KIND.REP) prefixes = prefixes & ~PREFIX.REPNE | PREFIX.REP;
    else if (kind === KIND.REPNE) prefixes = prefixes & ~PREFIX.REP | PREFIX.REPNE;
    else if (kind === KIND.OPERAND) prefixes |= PREFIX.OPERAND;
    else if (kind === KIND.ADDRESS) prefixes |= PREFIX.ADDRESS;
    else prefixes |= PREFIX.LOCK;
  }
  let map = 0;
  let prefixValue = PREFIX_VALUE[prefixes >> 1 & 7]!;
  out.vvvv = 0;
  out.vexL = 0;
  if (byte === 0x0f) {
    if (p >= limit) return failed(out, mode, prefixes, p - at, short);
    byte = code[p++]!;
    map = 1;
    if (byte === 0x38 || byte === 0x3a) {
      map = byte === 0x38 ? 2 : 3;
      if (p >= limit) return failed(out, mode, prefixes, p - at, short);
      byte = code[p++]!;
    }
  } else if (byte === 0xc4 || byte === 0xc5) {
    if (p >= limit) return failed(out, mode, prefixes, p - at, short);
    if (mode === 64 || code[p]! >= 0xc0) {
      if (rex !== 0 || (prefixes & NOT_BEFORE_VEX) !== 0) return failed(out, mode, prefixes, p - at, UD);
      const vex = byte === 0xc5 ? vex2(code[p++]!) : p + 1 >= limit ? NO_VEX : vex3(code[p++]!, code[p++]!);
      if (vex === NO_VEX || p >= limit) return failed(out, mode, prefixes, limit - at, short);
      rex = mode === 64 ? vex & 15 : 0;
      out.vvvv = vex >> 4 & 15;
      out.vexL = vex >> 8 & 1;
      prefixValue = vex >> 9 & 3;
      map = vex >> 11;
      if (map < 5 || map > 7) return failed(out, mode, prefixes, p - at, UD);
      prefixes |= PREFIX.VEX;
      byte = code[p++]!;
    }
  }
  const cell = isaTables.cells[map << 8 | byte]!;
  const select = cell & 0xff;
  let mod = -1;
  let reg = 0;
  let rm = 0;
  if ((cell & CELL_MODRM) !== 0) {
    if (p >= limit) return failed(out, mode, prefixes, p - at, short);
    const modrm = code[p++]!;
    mod = modrm >> 6;
    reg = modrm >> 3 & 7;
    rm = modrm & 7;
  } else rm = byte & 7;
  let leaf = 0;
  if (select !== 0) {
    if ((select & SELECT.MODE) !== 0) leaf = mode === 64 ? 1 : 0;
    if ((select & SELECT.PREFIX) !== 0) leaf = leaf << 2 | prefixValue;
    if ((select & SELECT.W) !== 0) leaf = leaf << 1 | rex >> 3 & 1;
    if ((select & SELECT.L) !== 0) leaf = leaf << 1 | out.vexL;
    if ((select & SELECT.B) !== 0) leaf = leaf << 1 | rex & 1;
    if ((select & SELECT.MOD3) !== 0) leaf = leaf << 1 | (mod === 3 ? 1 : 0);
    if ((select & SELECT.REG) !== 0) leaf = leaf << 3 | reg;
    if ((select & SELECT.RM) !== 0) leaf = leaf << 3 | rm;
  }
  const row = isaTables.leaves[(cell >>> CELL_SHIFT) + leaf]!;
  if (row === 0) return failed(out, mode, prefixes, p - at, UD);
  const form = isaTables.form[row]!;
  if ((form & FORM.ANY_MOD) !== 0) mod = 3;
  if ((prefixes & PREFIX.LOCK) !== 0 && ((form & FORM.LOCK) === 0 || mod === 3)) {
    return failed(out, mode, prefixes, p - at, UD);
  }
  if ((form & CHECKED) !== 0 && !registersExist(form, mode, reg, rex, out.vvvv)) {
    return failed(out, mode, prefixes, p - at, UD);
  }

  const wide = rex >> 3 & 1;
  let operandSize = 4;
  if (mode === 64) {
    if ((form & FORM.F64) !== 0 || wide === 1) operandSize = 8;
    else if ((prefixes & PREFIX.OPERAND) !== 0) operandSize = 2;
    else if ((form & FORM.D64) !== 0) operandSize = 8;
  } else if ((mode === 16) !== ((prefixes & PREFIX.OPERAND) !== 0)) operandSize = 2;
  const small = (prefixes & PREFIX.ADDRESS) !== 0;
  const addressSize = mode === 64 ? small ? 4 : 8 : (mode === 16) === small ? 4 : 2;

  out.mode = mode;
  out.row = row;
  if (mode !== 64) out.vvvv &= 7;
  out.prefixes = rex !== 0 ? prefixes | PREFIX.REX : prefixes;
  out.map = map;
  out.opcode = byte;
  out.operandSize = operandSize;
  out.addressSize = addressSize;
  out.wide = wide;
  out.mod = mod;
  out.reg = reg | (rex & REX_R) << 1;
  out.rm = rm | (rex & REX_B) << 3;
  out.base = NO_REGISTER;
  out.index = NO_REGISTER;
  out.scale = 0;
  out.disp = 0;
  out.dispHi = 0;
  out.override = override;
  out.segment = override < 0 ? SEG.DS : override;
  out.imm = 0;
  out.immHi = 0;
  out.imm2 = 0;
  if (mod >= 0 && mod !== 3) {
    p = addressSize === 2
      ? decodeAddress16(code, p, limit, mod, rm, out)
      : decodeAddress32(code, p, limit, mod, rm, rex, out);
    if (p < 0) return failed(out, mode, prefixes, limit - at, short);
  }
  const kind = form & FORM.IMMEDIATE;
  if (kind !== IMMEDIATE.NONE) {
    p = decodeImmediate(code, p, limit, kind, out);
    if (p < 0) return failed(out, mode, prefixes, limit - at, short);
  }
  out.length = p - at;
  return OK;
}

function failed(
  out: Insn,
  mode: number,
  prefixes: number,
  length: number,
  result: DecodeResult,
): DecodeResult {
  out.mode = mode;
  out.length = length;
  out.row = 0;
  out.prefixes = prefixes;
  return result;
}

/** A VEX payload: WRXB, then from bit 4 vvvv, from 8 L, from 9 the prefix, from 11 the map. R, X, B, vvvv are inverted. */
function vex3(first: number, second: number): number {
  const map = first & 31;
  const wrxb = (~first >> 5 & 7) | (second >> 4 & REX_W);
  return wrxb | (~second >> 3 & 15) << 4 | (second >> 2 & 1) << 8 | (second & 3) << 9 |
    (map === 0 || map > 3 ? 0 : map + 4) << 11;
}

function vex2(only: number): number {
  return (~only >> 5 & REX_R) | (~only >> 3 & 15) << 4 | (only >> 2 & 1) << 8 | (only & 3) << 9 | 5 << 11;
}

/** Whether the registers that ModRM.reg and VEX.vvvv name are there. */
function registersExist(form: number, mode: number, reg: number, rex: number, vvvv: number): boolean {
  if ((form & FORM.NO_VVVV) !== 0) return vvvv === 0;
  if ((form & FORM.SEGMENT) !== 0) return reg < 6 && (reg !== SEG.CS || (form & FORM.SEGMENT_WRITE) === 0);
  const number = reg | (rex & REX_R) << 1;
  if ((form & FORM.DEBUG) !== 0) return number < 8;
  // CR0, CR2, CR3, CR4, and CR8 in 64-bit code.
  return (mode === 64 ? 0x11d : 0x1d) >> number & 1 ? true : false;
}

/** @returns where the bytes go on, or -1 when they end too early. */
function decodeImmediate(code: Uint8Array, p: number, limit: number, kind: number, out: Insn): number {
  switch (kind) {
    case IMMEDIATE.BYTE:
      if (p >= limit) return -1;
      out.imm = code[p]!;
      return p + 1;
    case IMMEDIATE.SIGNED_BYTE:
      if (p >= limit) return -1;
      out.imm = code[p]! << 24 >> 24;
      out.immHi = out.imm >> 31;
      return p + 1;
    case IMMEDIATE.WORD:
      if (p + 2 > limit) return -1;
      out.imm = word(code, p);
      return p + 2;
    case IMMEDIATE.V:
      if (out.operandSize === 8) {
        if (p + 8 > limit) return -1;
        out.imm = dword(code, p);
        out.immHi = dword(code, p + 4);
        return p + 8;
      }
      return decodeZ(code, p, limit, out);
    case IMMEDIATE.Z:
      return decodeZ(code, p, limit, out);
    default:
      return decodeRareImmediate(code, p, limit, kind, out);
  }
}

function decodeZ(code: Uint8Array, p: number, limit: number, out: Insn): number {
  const bytes = out.operandSize === 2 ? 2 : 4;
  if (p + bytes > limit) return -1;
  out.imm = bytes === 2 ? word(code, p) << 16 >> 16 : dword(code, p);
  out.immHi = out.imm >> 31;
  return p + bytes;
}

function decodeRareImmediate(code: Uint8Array, p: number, limit: number, kind: number, out: Insn): number {
  if (kind === IMMEDIATE.ADDRESS) {
    const bytes = out.addressSize;
    if (p + bytes > limit) return -1;
    out.disp = bytes === 2 ? word(code, p) : dword(code, p);
    out.dispHi = bytes === 8 ? dword(code, p + 4) : 0;
    return p + bytes;
  }
  const first = kind === IMMEDIATE.BYTE_BYTE ? 1 : kind === IMMEDIATE.FAR && out.operandSize !== 2 ? 4 : 2;
  const second = kind === IMMEDIATE.FAR ? 2 : 1;
  if (p + first + second > limit) return -1;
  out.imm = first === 1 ? code[p]! : first === 2 ? word(code, p) : dword(code, p);
  out.imm2 = second === 2 ? word(code, p + first) : code[p + first]!;
  return p + first + second;
}

function word(code: Uint8Array, p: number): number {
  return code[p]! | code[p + 1]! << 8;
}

function dword(code: Uint8Array, p: number): number {
  return code[p]! | code[p + 1]! << 8 | code[p + 2]! << 16 | code[p + 3]! << 24;
}
