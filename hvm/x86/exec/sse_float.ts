/**
 * Floating-point arithmetic, comparison and conversion of SSE registers.
 *
 * What is emitted serves the common case, by the host's arithmetic; sse_guard.ts says what that is, and sse_exact.ts does the
 * rest.
 *
 * Sources: [SDM] Intel SDM vol. 2, ADDPD to XORPS; vol. 1, 11.5 (exceptions), appendix E.
 * @module
 */

import { F32, f32, F64, f64, op, op32, op64, select, shuffle } from "../emit_value.ts";
import { type Sem, type Semantic, type Semantics } from "./sem.ts";
import {
  asVector,
  guardCompared,
  guardProduct,
  guardQuotient,
  guardRoot,
  guardSum,
  isZero,
  keepLanes,
  refuse,
  refuseInexact,
  refuseScalar,
  requirePlain,
  type Shape,
  unusual,
} from "./sse_guard.ts";
import { chosenDwords } from "./sse_integer.ts";
import {
  type I32,
  i32,
  type I64,
  i64,
  immediate,
  lane64,
  low64,
  mmxEnter,
  readVector,
  splat64,
  type V128,
  vec,
  words32,
  writeVector,
} from "./sse_operands.ts";

const widthOf = (shape: Shape) => shape === "f32x4" ? 4 : 8;

type Compute = (shape: Shape, a: V128, b: V128) => V128;
/** Sends away what the host's arithmetic cannot stand for. */
type Guard = (
  s: Sem,
  shape: Shape,
  parts: { a: V128; b: V128; result: V128; scalar: boolean },
) => void;

function packed(shape: Shape, compute: Compute, guard?: Guard): Semantic {
  return {
    emit: (s) => {
      if (guard !== undefined) requirePlain(s);
      const b = readVector(s, 1);
      const a = s.readXmm(0);
      const result = s.f.let(compute(shape, a, b));
      guard?.(s, shape, { a, b, result, scalar: false });
      s.writeXmm(0, result);
    },
  };
}

/** The lowest lane only. */
function lowest(shape: Shape, compute: Compute, guard?: Guard): Semantic {
  const width = widthOf(shape);
  return {
    emit: (s) => {
      if (guard !== undefined) requirePlain(s);
      const b = s.f.let(low64(s.readXmmLow(1, width)));
      const a = s.readXmm(0);
      const result = s.f.let(compute(shape, a, b));
      guard?.(s, shape, { a, b, result, scalar: true });
      s.writeXmmLow(0, width, s.f.let(lane64(result, 0)));
    },
  };
}

/** PS, PD, SS and SD. */
function four(name: string, compute: Compute, guard: Guard): Semantics {
  return {
    [`${name}ps`]: packed("f32x4", compute, guard),
    [`${name}pd`]: packed("f64x2", compute, guard),
    [`${name}ss`]: lowest("f32x4", compute, guard),
    [`${name}sd`]: lowest("f64x2", compute, guard),
  };
}

const sum: Guard = (s, shape, { a, b, result, scalar }) => guardSum(s, shape, { a, b, sum: result, scalar });
const difference: Guard = (s, shape, { a, b, result, scalar }) =>
  guardSum(s, shape, { a, b: s.f.let(vec(`${shape}.neg`, b)), sum: result, scalar });
const product: Guard = (s, shape, { a, b, result, scalar }) =>
  guardProduct(s, shape, { a, b, product: result, scalar });
const quotient: Guard = (s, shape, { a, b, result, scalar }) =>
  guardQuotient(s, shape, { a, b, quotient: result, scalar });
const root: Guard = (s, shape, { b, result, scalar }) => guardRoot(s, shape, { b, root: result, scalar });
const compared: Guard = (s, shape, { a, b, scalar }) => guardCompared(s, shape, [a, b], scalar);

const arithmetic = (name: string): Compute => (shape, a, b) => vec(`${shape}.${name}`, a, b);

/** Predicates of CMPPS: the low two bits choose, bit 2 negates. */
function comparison(shape: Shape, a: V128, b: V128, predicate: I32): V128 {
  const unordered = vec("v128.or", vec(`${shape}.ne`, a, a), vec(`${shape}.ne`, b, b));
  const low = predicate.and(3);
  const mask = (value: I32) => splat64(i64(0n).sub(value.toI64U()));
  const any = [
    vec("v128.and", vec(`${shape}.eq`, a, b), mask(low.eqz())),
    vec("v128.and", vec(`${shape}.lt`, a, b), mask(low.eq(1))),
    vec("v128.and", vec(`${shape}.le`, a, b), mask(low.eq(2))),
    vec("v128.and", unordered, mask(low.eq(3))),
  ].reduce((x, y) => vec("v128.or", x, y));
  return vec("v128.xor", any, mask(predicate.shrU(2).and(1)));
}

function compare(shape: Shape, scalar: boolean): Semantic {
  return {
    emit: (s) => {
      const width = widthOf(shape);
      requirePlain(s);
      const b = scalar ? s.f.let(low64(s.readXmmLow(1, width))) : readVector(s, 1);
      const a = s.readXmm(0);
      guardCompared(s, shape, [a, b], scalar);
      const result = s.f.let(comparison(shape, a, b, immediate(s)));
      if (scalar) s.writeXmmLow(0, width, s.f.let(lane64(result, 0)));
      else s.writeXmm(0, result);
    },
  };
}

/** A scalar from the low bits of an I64. */
function scalar(value: I64, width: number): F32 | F64 {
  return width === 4
    ? op("f32.reinterpret_i32", [value.toI32()]) as F32
    : op("f64.reinterpret_i64", [value]) as F64;
}

function bitsOf(value: F32 | F64): I64 {
  return value.type === "f32"
    ? op32("i32.reinterpret_f32", value).toI64U()
    : op64("i64.reinterpret_f64", value);
}

/** COMISS and the others: unordered sets all three flags. */
function order(width: number): Semantic {
  return {
    emit: (s) => {
      const { f } = s;
      requirePlain(s);
      const b = f.let(scalar(s.readXmmLow(1, width), width) as F64);
      const a = f.let(scalar(s.readXmmLow(0, width), width) as F64);
      const type = width === 4 ? "f32" : "f64";
      guardCompared(s, width === 4 ? "f32x4" : "f64x2", [asVector(a), asVector(b)], true);
      const unordered = f.let(op32(`${type}.ne`, a, a).or(op32(`${type}.ne`, b, b)));
      const none = i32(0);
      s.setAll({
        zf: op32(`${type}.eq`, a, b).or(unordered),
        pf: unordered,
        cf: op32(`${type}.lt`, a, b).or(unordered),
        af: none,
        sf: none,
        of: none,
      });
    },
  };
}

/** Rounds to an integral value: 0 nearest, 1 down, 2 up, 3 towards zero. */
function roundVector(s: Sem, shape: Shape, value: V128, mode: I32): V128 {
  const result = s.f.local("v128");
  const { f } = s;
  f.set(result, vec(`${shape}.nearest`, value));
  ["floor", "ceil", "trunc"].forEach((which, i) => {
    f.if(mode.eq(i + 1), () => f.set(result, vec(`${shape}.${which}`, value)));
  });
  return result.value;
}

/** To a signed integer of 4 or 8 bytes; what does not fit is the indefinite integer. */
function toInteger(s: Sem, value: F32 | F64, bytes: number): I64 {
  const type = value.type;
  const { f } = s;
  const bound = f.let(value as F64);
  const limit = bytes === 4 ? 2 ** 31 : 2 ** 63;
  const number = (n: number) => type === "f32" ? f32(n) : f64(n);
  const fits = op32(`${type}.lt`, bound, number(limit)).and(
    bytes === 4 && type === "f64"
      ? op32("f64.gt", bound, number(-limit - 1))
      : op32(`${type}.ge`, bound, number(-limit)),
  );
  const converted = bytes === 4
    ? op32(`i32.trunc_sat_${type}_s`, bound).toI64U()
    : op64(`i64.trunc_sat_${type}_s`, bound);
  return f.let(select(fits, converted, i64(bytes === 4 ? 0x80000000n : 1n << 63n)));
}

/** The indefinite integer says that something was wrong, or that it is the most negative number; sse_exact.ts tells. */
function scalarToInteger(width: number, truncate: boolean): Semantic {
  return {
    emit: (s) => {
      const { f } = s;
      requirePlain(s);
      const value = f.let(scalar(s.readXmmLow(1, width), width) as F64);
      const type = width === 4 ? "f32" : "f64";
      const bytes = s.width(0);
      const rounded = truncate ? value : op(`${type}.nearest`, [value]);
      const result = toInteger(s, rounded as F64, bytes);
      f.if(result.eq(bytes === 4 ? 0x80000000n : 1n << 63n), () => s.system());
      refuseScalar(s, () => {
        const back = op(`${type}.convert_i${bytes * 8}_s`, [bytes === 4 ? result.toI32() : result]);
        return op32(`${type}.ne`, back, value);
      });
      s.write(0, result);
    },
  };
}

function integerToScalar(width: number): Semantic {
  return {
    emit: (s) => {
      const { f } = s;
      const from = s.width(1);
      const isExact = width === 8 && from === 4;
      if (!isExact) requirePlain(s);
      const source = s.read(1);
      const type = width === 4 ? "f32" : "f64";
      const value = from === 4
        ? op(`${type}.convert_i32_s`, [source.toI32()])
        : op(`${type}.convert_i64_s`, [source]);
      if (!isExact) {
        // All magnitudes up to this one have a number.
        const limit = 1n << (width === 4 ? 24n : 53n);
        const signed = f.let(from === 4 ? source.extend32S() : source);
        refuseScalar(s, () => signed.add(limit).gtU(2n * limit));
      }
      s.writeXmmLow(0, width, f.let(bitsOf(value as F64)));
    },
  };
}

/** Four singles to integers. */
function singlesToIntegers(s: Sem, value: V128, truncate: boolean): V128 {
  const { f } = s;
  const rounded = f.let(truncate ? value : vec("f32x4.nearest", value));
  const limit = vec("f32x4.splat", f32(2 ** 31));
  const converted = f.let(vec("i32x4.trunc_sat_f32x4_s", rounded));
  refuse(
    s,
    vec("v128.or", vec("f32x4.ge", vec("f32x4.abs", rounded), limit), vec("f32x4.ne", rounded, rounded)),
  );
  refuseInexact(s, () => vec("f32x4.ne", vec("f32x4.convert_i32x4_s", converted), value));
  return converted;
}

/** Two doubles to integers in the low half. */
function doublesToIntegers(s: Sem, value: V128, truncate: boolean): V128 {
  const { f } = s;
  const rounded = f.let(truncate ? value : vec("f64x2.nearest", value));
  const limit = vec("f64x2.splat", f64(2 ** 31));
  const converted = f.let(vec("i32x4.trunc_sat_f64x2_s_zero", rounded));
  refuse(
    s,
    vec("v128.or", vec("f64x2.ge", vec("f64x2.abs", rounded), limit), vec("f64x2.ne", rounded, rounded)),
  );
  refuseInexact(s, () => vec("f64x2.ne", vec("f64x2.convert_low_i32x4_s", converted), value));
  return converted;
}

function convert(compute: (s: Sem, value: V128) => V128, guarded = true): Semantic {
  return {
    emit: (s) => {
      if (guarded) requirePlain(s);
      writeVector(s, 0, s.f.let(compute(s, readVector(s, 1))));
    },
  };
}

/** Two singles from an operand whose other lanes do not count. */
function lowSingles(s: Sem, value: V128): V128 {
  return s.f.let(vec("v128.and", value, words32(0xffffffff, 0xffffffff, 0, 0)));
}

/** Integers beyond 2^24 may have no single. */
function integersToSingles(s: Sem, value: V128): V128 {
  refuseInexact(s, () => vec("i32x4.gt_u", vec("i32x4.abs", value), words32(1 << 24)));
  return vec("f32x4.convert_i32x4_s", value);
}

function singlesToDoubles(s: Sem, value: V128): V128 {
  refuse(s, unusual(s, "f32x4", lowSingles(s, value)));
  return vec("f64x2.promote_low_f32x4", value);
}

function doublesToSingles(s: Sem, value: V128, scalar = false): V128 {
  const { f } = s;
  const result = f.let(vec("f32x4.demote_f64x2_zero", value));
  const back = f.let(vec("f64x2.promote_low_f32x4", result));
  const vanished = vec("v128.andnot", isZero("f64x2", back), isZero("f64x2", value));
  refuse(s, keepLanes("f64x2", scalar, vec("v128.or", unusual(s, "f64x2", value), vanished)));
  const low = vec(
    "v128.and",
    unusual(s, "f32x4", result),
    words32(0xffffffff, scalar ? 0 : 0xffffffff, 0, 0),
  );
  refuse(s, low);
  refuseInexact(s, () => keepLanes("f64x2", scalar, vec("f64x2.ne", back, value)));
  return result;
}

const cvtpi2ps: Semantic = {
  emit: (s) => {
    requirePlain(s);
    const value = readVector(s, 1);
    const result = s.f.let(integersToSingles(s, value));
    if (!s.isMemory(1)) mmxEnter(s);
    s.writeXmmLow(0, 8, s.f.let(lane64(result, 0)));
  },
};

const cvtpi2pd: Semantic = {
  emit: (s) => {
    const value = readVector(s, 1);
    if (!s.isMemory(1)) mmxEnter(s);
    s.writeXmm(0, vec("f64x2.convert_low_i32x4_s", value));
  },
};

const cvtss2sd: Semantic = {
  emit: (s) => {
    requirePlain(s);
    const value = s.f.let(low64(s.readXmmLow(1, 4)));
    s.writeXmmLow(0, 8, s.f.let(lane64(singlesToDoubles(s, value), 0)));
  },
};

const cvtsd2ss: Semantic = {
  emit: (s) => {
    requirePlain(s);
    const value = s.f.let(low64(s.readXmmLow(1, 8)));
    s.writeXmmLow(0, 4, s.f.let(lane64(doublesToSingles(s, value, true), 0)));
  },
};

/** By the immediate's rounding; MXCSR's is to nearest here. */
function rounded(s: Sem, shape: Shape, value: V128, scalar: boolean): V128 {
  const { f } = s;
  const imm = immediate(s);
  const result = f.let(roundVector(s, shape, value, f.let(select(imm.and(4), i32(0), imm.and(3)))));
  refuse(s, keepLanes(shape, scalar, unusual(s, shape, value)));
  refuseInexact(s, () => {
    const loud = splat64(i64(0n).sub(imm.and(8).eqz().toI64U()));
    return keepLanes(shape, scalar, vec("v128.and", vec(`${shape}.ne`, result, value), loud));
  });
  return result;
}

function roundPacked(shape: Shape): Semantic {
  return {
    emit: (s) => {
      requirePlain(s);
      s.writeXmm(0, rounded(s, shape, readVector(s, 1), false));
    },
  };
}

function roundScalar(width: number): Semantic {
  return {
    emit: (s) => {
      requirePlain(s);
      const value = s.f.let(low64(s.readXmmLow(1, width)));
      const result = rounded(s, width === 4 ? "f32x4" : "f64x2", value, true);
      s.writeXmmLow(0, width, s.f.let(lane64(result, 0)));
    },
  };
}

const units = (width: number, list: readonly number[]) =>
  list.flatMap((unit) => Array.from({ length: width }, (_, i) => unit * width + i));

function horizontal(shape: Shape, name: "add" | "sub"): Semantic {
  const width = widthOf(shape);
  const [even, odd] = shape === "f32x4" ? [[0, 2, 4, 6], [1, 3, 5, 7]] : [[0, 2], [1, 3]];
  return {
    emit: (s) => {
      const { f } = s;
      requirePlain(s);
      const b = readVector(s, 1);
      const a = s.readXmm(0);
      const x = f.let(shuffle(a, b, units(width, even!)));
      const y = f.let(shuffle(a, b, units(width, odd!)));
      const result = f.let(vec(`${shape}.${name}`, x, y));
      (name === "add" ? sum : difference)(s, shape, { a: x, b: y, result, scalar: false });
      s.writeXmm(0, result);
    },
  };
}

/** Even lanes are subtracted, odd ones added. */
function addSub(shape: Shape): Semantic {
  const signs = shape === "f32x4" ? words32(0x80000000, 0, 0x80000000, 0) : words32(0, 0x80000000, 0, 0);
  const signed = (b: V128) => vec("v128.xor", b, signs);
  return packed(
    shape,
    (_shape, a, b) => vec(`${shape}.add`, a, signed(b)),
    (s, _shape, { a, b, result }) =>
      guardSum(s, shape, { a, b: s.f.let(signed(b)), sum: result, scalar: false }),
  );
}

const shufps: Semantic = {
  emit: (s) => {
    const b = readVector(s, 1);
    const a = s.readXmm(0);
    const imm = immediate(s);
    const from = (v: V128, at: readonly number[]) => vec("i8x16.swizzle", v, chosenDwords(imm, at));
    s.writeXmm(0, shuffle(from(a, [0, 2]), from(b, [4, 6]), units(8, [0, 2])));
  },
};

const shufpd: Semantic = {
  emit: (s) => {
    const { f } = s;
    const b = readVector(s, 1);
    const a = s.readXmm(0);
    const imm = immediate(s);
    const low = f.let(select(imm.and(1), lane64(a, 1), lane64(a, 0)));
    const high = f.let(select(imm.and(2), lane64(b, 1), lane64(b, 0)));
    s.writeXmm(0, vec("i64x2.replace_lane", low64(low), high, 1));
  },
};

const ONES = vec("f32x4.splat", f32(1));

/** Denormal numbers as zeros of their sign, as the approximating instructions see and leave them. */
function withoutDenormals(value: V128): V128 {
  const least = vec("f32x4.splat", f32(2 ** -126));
  const tiny = vec("f32x4.lt", vec("f32x4.abs", value), least);
  return vec("v128.andnot", value, vec("v128.and", tiny, words32(0x7fffffff)));
}

const reciprocal: Compute = (_shape, _a, b) => withoutDenormals(vec("f32x4.div", ONES, withoutDenormals(b)));
const reciprocalRoot: Compute = (_shape, _a, b) =>
  vec("f32x4.div", ONES, vec("f32x4.sqrt", withoutDenormals(b)));

/** By key. */
export const SSE_FLOAT: Semantics = {
  ...four("add", arithmetic("add"), sum),
  ...four("sub", arithmetic("sub"), difference),
  ...four("mul", arithmetic("mul"), product),
  ...four("div", arithmetic("div"), quotient),
  ...four("sqrt", (shape, _a, b) => vec(`${shape}.sqrt`, b), root),
  // Of two zeros and of NaNs the second operand is the result.
  ...four("min", (shape, a, b) => vec(`${shape}.pmin`, b, a), compared),
  ...four("max", (shape, a, b) => vec(`${shape}.pmax`, b, a), compared),
  cmpps: compare("f32x4", false),
  cmppd: compare("f64x2", false),
  cmpss: compare("f32x4", true),
  cmpsd: compare("f64x2", true),
  ucomiss: order(4),
  comiss: order(4),
  ucomisd: order(8),
  comisd: order(8),
  cvtsi2ss: integerToScalar(4),
  cvtsi2sd: integerToScalar(8),
  cvtss2si: scalarToInteger(4, false),
  cvtsd2si: scalarToInteger(8, false),
  cvttss2si: scalarToInteger(4, true),
  cvttsd2si: scalarToInteger(8, true),
  cvtps2pd: convert(singlesToDoubles),
  cvtpd2ps: convert((s, value) => doublesToSingles(s, value)),
  cvtdq2ps: convert(integersToSingles),
  cvtdq2pd: convert((_s, value) => vec("f64x2.convert_low_i32x4_s", value), false),
  cvtps2dq: convert((s, value) => singlesToIntegers(s, value, false)),
  cvttps2dq: convert((s, value) => singlesToIntegers(s, value, true)),
  cvtpd2dq: convert((s, value) => doublesToIntegers(s, value, false)),
  cvttpd2dq: convert((s, value) => doublesToIntegers(s, value, true)),
  cvtps2pi: convert((s, value) => singlesToIntegers(s, lowSingles(s, value), false)),
  cvttps2pi: convert((s, value) => singlesToIntegers(s, lowSingles(s, value), true)),
  cvtpd2pi: convert((s, value) => doublesToIntegers(s, value, false)),
  cvttpd2pi: convert((s, value) => doublesToIntegers(s, value, true)),
  cvtpi2ps,
  cvtpi2pd,
  cvtss2sd,
  cvtsd2ss,
  roundps: roundPacked("f32x4"),
  roundpd: roundPacked("f64x2"),
  roundss: roundScalar(4),
  roundsd: roundScalar(8),
  haddps: horizontal("f32x4", "add"),
  haddpd: horizontal("f64x2", "add"),
  hsubps: horizontal("f32x4", "sub"),
  hsubpd: horizontal("f64x2", "sub"),
  addsubps: addSub("f32x4"),
  addsubpd: addSub("f64x2"),
  shufps,
  shufpd,
  rcpps: packed("f32x4", reciprocal),
  rcpss: lowest("f32x4", reciprocal),
  rsqrtps: packed("f32x4", reciprocalRoot),
  rsqrtss: lowest("f32x4", reciprocalRoot),
};
