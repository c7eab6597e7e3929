/**
 * The part of the decoder that reads the address of ModRM: SIB and displacement.
 *
 * Sources: [SDM] vol. 2A, tables 2-1 to 2-3, 2.2.1.6 (RIP-relative); vol. 1, 3.7.5 (default segments).
 * @module
 */

import { BASE_RIP, type Insn, NO_REGISTER, SEG } from "./insn.ts";
import { GPR } from "./state.ts";

/** Base and index of the eight 16-bit forms. [SDM] vol. 2A, table 2-1 */
const BASE16 = Int8Array.of(GPR.RBX, GPR.RBX, GPR.RBP, GPR.RBP, GPR.RSI, GPR.RDI, GPR.RBP, GPR.RBX);
const INDEX16 = Int8Array.of(GPR.RSI, GPR.RDI, GPR.RSI, GPR.RDI, -1, -1, -1, -1);

/**
 * A 16-bit address; ModRM.mod is not 3.
 * @returns where the bytes go on, or -1 when they end too early.
 */
export function decodeAddress16(
  code: Uint8Array,
  p: number,
  limit: number,
  mod: number,
  rm: number,
  out: Insn,
): number {
  if (mod === 0 && rm === 6) {
    if (p + 2 > limit) return -1;
    out.disp = (code[p]! | code[p + 1]! << 8) << 16 >> 16;
    return p + 2;
  }
  const base = BASE16[rm]!;
  out.base = base;
  out.index = INDEX16[rm]!;
  if (base === GPR.RBP && out.override < 0) out.segment = SEG.SS;
  return displaced(code, p, limit, mod === 2 ? 2 : mod, out);
}

/**
 * A 32- or 64-bit address; ModRM.mod is not 3.
 * @returns where the bytes go on, or -1 when they end too early.
 */
export function decodeAddress32(
  code: Uint8Array,
  p: number,
  limit: number,
  mod: number,
  rm: number,
  rex: number,
  out: Insn,
): number {
  let base = rm | (rex & 1) << 3;
  let low = rm;
  if (rm === 4) {
    if (p >= limit) return -1;
    const sib = code[p++]!;
    low = sib & 7;
    base = low | (rex & 1) << 3;
    const index = sib >> 3 & 7 | (rex & 2) << 2;
    if (index !== GPR.RSP) {
      out.index = index;
      out.scale = sib >> 6;
    }
  }
  if (mod === 0) {
    if (low !== 5) {
      out.base = base;
      if (base === GPR.RSP && out.override < 0) out.segment = SEG.SS;
      return p;
    }
    out.base = out.mode === 64 && rm === 5 ? BASE_RIP : NO_REGISTER;
    return displaced(code, p, limit, 4, out);
  }
  out.base = base;
  if ((base === GPR.RSP || base === GPR.RBP) && out.override < 0) out.segment = SEG.SS;
  return displaced(code, p, limit, mod === 1 ? 1 : 4, out);
}

/** Reads a displacement of 0, 1, 2 or 4 bytes. */
function displaced(code: Uint8Array, p: number, limit: number, bytes: number, out: Insn): number {
  if (p + bytes > limit) return -1;
  if (bytes === 1) out.disp = code[p]! << 24 >> 24;
  else if (bytes === 2) out.disp = (code[p]! | code[p + 1]! << 8) << 16 >> 16;
  else if (bytes === 4) out.disp = code[p]! | code[p + 1]! << 8 | code[p + 2]! << 16 | code[p + 3]! << 24;
  out.dispHi = out.disp >> 31;
  return p + bytes;
}
