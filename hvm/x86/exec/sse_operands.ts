/**
 * Operands of MMX and SSE instructions: one text serves both register files, since an MMX operand is the low half of a vector.
 *
 * Sources: [SDM] Intel SDM vol. 1, 9.5 (MMX and the x87 state), 10.4.1 (alignment).
 * @module
 */

import { type I32, i32, type I64, i64, op, op64, V128, v128 as constant, type Value } from "../emit_value.ts";
import { CPU, RECORD } from "./cpu_memory.ts";
import { KIND, type Sem } from "./sem.ts";

/** Whether a form works on MMX registers. */
export function isMmx(s: Sem): boolean {
  return s.form.operands.some(({ kind }) => kind === KIND.MMX);
}

/** An instruction on MMX registers: TOP becomes 0 and no register is empty. */
export function mmxEnter(s: Sem): void {
  s.setCell32(CPU.FSW, s.cell32(CPU.FSW).and(~0x3800));
  s.setCell32(CPU.FTAG, i32(0));
}

/** A vector with a 64-bit number in both halves. */
export function splat64(value: I64): V128 {
  return op("i64x2.splat", [value]) as V128;
}

/** A 64-bit number in the low half, 0 above. */
export function low64(value: I64): V128 {
  return vec("i64x2.replace_lane", constant(new Uint8Array(16)), value, 0);
}

/** A vector operation by name. */
export function vec(name: string, ...operands: (Value | number)[]): V128 {
  const lane = operands.at(-1);
  if (typeof lane === "number") return op(name, operands.slice(0, -1) as Value[], lane) as V128;
  return op(name, operands as Value[]) as V128;
}

export function lane64(value: V128, n: number): I64 {
  return op("i64x2.extract_lane", [value], n) as I64;
}

export function lane32(value: V128, n: number): I32 {
  return op("i32x4.extract_lane", [value], n) as I32;
}

/** Four equal constants of 32 bits, or four given ones. */
export function words32(...values: number[]): V128 {
  const all = values.length === 1 ? [values[0]!, values[0]!, values[0]!, values[0]!] : values;
  return constant(new Uint8Array(Uint32Array.from(all.map((value) => value >>> 0)).buffer));
}

/** A vector operand. 16 bytes of memory must be aligned unless `unaligned`; what is narrower fills the low part. Bound. */
export function readVector(s: Sem, n: number, unaligned = false): V128 {
  const kind = s.kind(n);
  if (kind === KIND.XMM) return s.readXmm(n);
  if (kind === KIND.MMX) return s.f.let(splat64(s.readMmx(n)));
  const width = s.width(n);
  if (width < 16) {
    const value = s.load(width, s.address());
    return s.f.let(isMmx(s) ? splat64(value) : low64(value));
  }
  if (!unaligned) s.align(16);
  return s.load128(s.address());
}

/** The low `width` (4 or 8) bytes of an XMM register or of memory. Bound. */
export function readLow(s: Sem, n: number, width: number): I64 {
  return s.readXmmLow(n, width);
}

/** Writes a vector to an XMM or MMX register. */
export function writeVector(s: Sem, n: number, value: V128): void {
  if (s.kind(n) === KIND.MMX) {
    const low = s.f.let(lane64(value, 0));
    mmxEnter(s);
    s.writeMmx(n, low);
  } else s.writeXmm(n, value);
}

/** The immediate byte of the record, whichever operand it is. */
export function immediate(s: Sem): I32 {
  return s.f.let(s.m.state.load8(s.p, RECORD.IMM));
}

/** Both 64-bit halves from the low halves of two vectors. */
export function joinLow(a: V128, b: V128): V128 {
  return vec("i64x2.replace_lane", a, lane64(b, 0), 1);
}

/** 64 bits from a 32-bit value, for lanes. */
export function wide(value: I32): I64 {
  return op64("i64.extend_i32_u", value);
}

export { constant, I32, i32, I64, i64, V128 };
