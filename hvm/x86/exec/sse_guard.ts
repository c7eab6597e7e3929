/**
 * When emitted SSE arithmetic may stand as it is: the host's result is right while MXCSR rounds to nearest and masks all, no
 * operand or result is out of the ordinary, and no flag would be raised that is not up already. Everything else goes to
 * sse_exact.ts.
 *
 * Whether a result is exact is asked only while PE is down, by error-free transformations. [Dekker 1971] [Knuth TAOCP 2, 4.2.2]
 *
 * Sources: [SDM] Intel SDM vol. 1, 10.2.3 (MXCSR), 11.5.2 (exceptions).
 * @module
 */

import { F32, f32, F64, f64, op, op32 } from "../emit_value.ts";
import { MXCSR } from "./binary_float.ts";
import { CPU } from "./cpu_memory.ts";
import type { Sem } from "./sem.ts";
import { type I32, i64, splat64, type V128, vec, words32 } from "./sse_operands.ts";

/** Lanes of a vector. */
export type Shape = "f32x4" | "f64x2";

/** Everything in MXCSR but the flags, and what it is after reset. */
const CONTROL = 0xffc0;
const PLAIN = 0x1f80;

/** Sends what runs under another rounding, another mode or with exceptions unmasked away. */
export function requirePlain(s: Sem): void {
  s.f.if(s.cell32(CPU.MXCSR).and(CONTROL).ne(PLAIN), () => s.system());
}

/** Sends the instruction away where a vector has a bit. */
export function refuse(s: Sem, wrong: V128): void {
  s.f.if(op32("v128.any_true", wrong), () => s.system());
}

/** The same, asked only while PE is down. */
export function refuseInexact(s: Sem, wrong: () => V128): void {
  s.f.if(s.cell32(CPU.MXCSR).and(MXCSR.PE).eqz(), () => refuse(s, wrong()));
}

/** A vector with every lane's bits equal. */
function splat(shape: Shape, bits: bigint): V128 {
  return shape === "f32x4" ? words32(Number(bits)) : splat64(i64(bits));
}

/** The lanes that count: all, or the lowest. */
export function keepLanes(shape: Shape, scalar: boolean, value: V128): V128 {
  if (!scalar) return value;
  return vec(
    "v128.and",
    value,
    shape === "f32x4" ? words32(0xffffffff, 0, 0, 0) : words32(0xffffffff, 0xffffffff, 0, 0),
  );
}

/** Lanes that are denormal or NaN, or (`infinite`) infinite. */
export function unusual(s: Sem, shape: Shape, value: V128, infinite = true): V128 {
  const { f } = s;
  const single = shape === "f32x4";
  const least = single ? 0x00800000n : 0x0010000000000000n;
  const infinity = single ? 0x7f800000n : 0x7ff0000000000000n;
  const limit = infinity - least + (infinite ? 0n : 1n);
  const magnitude = f.let(vec(`${shape}.abs`, value));
  const moved = f.let(vec(single ? "i32x4.sub" : "i64x2.sub", magnitude, splat(shape, least)));
  const zero = splat(shape, 0n);
  const nonzero = vec(single ? "i32x4.ne" : "i64x2.ne", magnitude, zero);
  const outside = single
    ? vec("i32x4.ge_u", moved, splat(shape, limit))
    : vec("v128.or", vec("i64x2.lt_s", moved, zero), vec("i64x2.ge_s", moved, splat(shape, limit)));
  return vec("v128.and", outside, nonzero);
}

export function isZero(shape: Shape, value: V128): V128 {
  return vec(`${shape}.eq`, value, splat(shape, 0n));
}

function any(...values: V128[]): V128 {
  return values.reduce((a, b) => vec("v128.or", a, b));
}

/** What is wrong with a sum: an operand or the result is unusual. */
export function guardSum(
  s: Sem,
  shape: Shape,
  { a, b, sum, scalar }: { a: V128; b: V128; sum: V128; scalar: boolean },
): void {
  const { f } = s;
  const wrong = any(unusual(s, shape, a), unusual(s, shape, b), unusual(s, shape, sum));
  refuse(s, keepLanes(shape, scalar, wrong));
  refuseInexact(s, () => {
    const back = f.let(vec(`${shape}.sub`, sum, a));
    const lost = vec(
      `${shape}.add`,
      vec(`${shape}.sub`, a, vec(`${shape}.sub`, sum, back)),
      vec(`${shape}.sub`, b, back),
    );
    return keepLanes(shape, scalar, vec(`${shape}.ne`, lost, splat(shape, 0n)));
  });
}

/** Lanes where `x * y` is not exactly `product`, or too small to tell. */
function productDiffers(s: Sem, shape: Shape, { x, y, product }: { x: V128; y: V128; product: V128 }): V128 {
  const { f } = s;
  const single = shape === "f32x4";
  const constant = (value: number) =>
    single ? vec("f32x4.splat", f32(value)) : vec("f64x2.splat", f64(value));
  const sub = (a: V128, b: V128) => vec(`${shape}.sub`, a, b);
  const mul = (a: V128, b: V128) => vec(`${shape}.mul`, a, b);
  const add = (a: V128, b: V128) => vec(`${shape}.add`, a, b);
  const split = (value: V128) => {
    const scaled = f.let(mul(value, constant(single ? 4097 : 134217729)));
    const high = f.let(sub(scaled, sub(scaled, value)));
    return [high, f.let(sub(value, high))] as const;
  };
  const [xh, xl] = split(x);
  const [yh, yl] = split(y);
  const lost = add(add(add(sub(mul(xh, yh), product), mul(xh, yl)), mul(xl, yh)), mul(xl, yl));
  const small = vec(`${shape}.lt`, vec(`${shape}.abs`, product), constant(single ? 2 ** -100 : 2 ** -900));
  const nonzero = vec(`${shape}.ne`, product, splat(shape, 0n));
  return any(vec(`${shape}.ne`, lost, splat(shape, 0n)), vec("v128.and", small, nonzero));
}

export function guardProduct(
  s: Sem,
  shape: Shape,
  { a, b, product, scalar }: { a: V128; b: V128; product: V128; scalar: boolean },
): void {
  const vanished = vec("v128.andnot", isZero(shape, product), any(isZero(shape, a), isZero(shape, b)));
  const wrong = any(unusual(s, shape, a), unusual(s, shape, b), unusual(s, shape, product), vanished);
  refuse(s, keepLanes(shape, scalar, wrong));
  refuseInexact(s, () => keepLanes(shape, scalar, productDiffers(s, shape, { x: a, y: b, product })));
}

export function guardQuotient(
  s: Sem,
  shape: Shape,
  { a, b, quotient, scalar }: { a: V128; b: V128; quotient: V128; scalar: boolean },
): void {
  const { f } = s;
  const vanished = vec("v128.andnot", isZero(shape, quotient), isZero(shape, a));
  const wrong = any(
    unusual(s, shape, a),
    unusual(s, shape, b),
    unusual(s, shape, quotient),
    vanished,
    isZero(shape, b),
  );
  refuse(s, keepLanes(shape, scalar, wrong));
  refuseInexact(s, () => {
    const product = f.let(vec(`${shape}.mul`, quotient, b));
    const differs = productDiffers(s, shape, { x: quotient, y: b, product });
    return keepLanes(shape, scalar, any(vec(`${shape}.ne`, product, a), differs));
  });
}

export function guardRoot(
  s: Sem,
  shape: Shape,
  { b, root, scalar }: { b: V128; root: V128; scalar: boolean },
): void {
  const { f } = s;
  const negative = vec(`${shape}.lt`, b, splat(shape, 0n));
  refuse(s, keepLanes(shape, scalar, any(unusual(s, shape, b), negative)));
  refuseInexact(s, () => {
    const product = f.let(vec(`${shape}.mul`, root, root));
    const differs = productDiffers(s, shape, { x: root, y: root, product });
    return keepLanes(shape, scalar, any(vec(`${shape}.ne`, product, b), differs));
  });
}

/** Comparisons: infinities are nothing unusual. */
export function guardCompared(s: Sem, shape: Shape, operands: readonly V128[], scalar: boolean): void {
  refuse(s, keepLanes(shape, scalar, any(...operands.map((value) => unusual(s, shape, value, false)))));
}

/** A scalar as the low lane of a vector. */
export function asVector(value: F32 | F64): V128 {
  return op(value.type === "f32" ? "f32x4.splat" : "f64x2.splat", [value]) as V128;
}

/** While PE is down, sends scalars away that are not what they were. */
export function refuseScalar(s: Sem, wrong: () => I32): void {
  s.f.if(s.cell32(CPU.MXCSR).and(MXCSR.PE).eqz(), () => s.f.if(wrong(), () => s.system()));
}
