/**
 * Floating-point arithmetic, comparison and conversion of SSE registers.
 *
 * Results are those of the default MXCSR, with its rounding control obeyed by conversions and ROUNDxx.
 * Deviates: exception flags of MXCSR are not set, flush-to-zero and denormals-are-zero not obeyed, arithmetic rounds to nearest
 * always, unmasked exceptions are not raised.
 *
 * Sources: [SDM] Intel SDM vol. 2, ADDPD to XORPS; vol. 1, 11.5 (exceptions), appendix E.
 * @module
 */

import { F32, f32, F64, f64, op, op32, op64, select, shuffle, type Value } from "../emit_value.ts";
import { CPU } from "./cpu_memory.ts";
import { type Sem, type Semantic, type Semantics } from "./sem.ts";
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

type Shape = "f32x4" | "f64x2";
const widthOf = (shape: Shape) => shape === "f32x4" ? 4 : 8;

type Compute = (shape: Shape, a: V128, b: V128) => V128;

function packed(shape: Shape, compute: Compute): Semantic {
  return {
    emit: (s) => {
      const b = readVector(s, 1);
      const a = s.readXmm(0);
      s.writeXmm(0, compute(shape, a, b));
    },
  };
}

/** The lowest lane only. */
function lowest(shape: Shape, compute: Compute): Semantic {
  const width = widthOf(shape);
  return {
    emit: (s) => {
      const b = s.f.let(low64(s.readXmmLow(1, width)));
      const a = s.readXmm(0);
      const result = s.f.let(compute(shape, a, b));
      s.writeXmmLow(0, width, s.f.let(lane64(result, 0)));
    },
  };
}

function four(name: string, compute: Compute): Semantics {
  return {
    [`${name}ps`]: packed("f32x4", compute),
    [`${name}pd`]: packed("f64x2", compute),
    [`${name}ss`]: lowest("f32x4", compute),
    [`${name}sd`]: lowest("f64x2", compute),
  };
}

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
      const b = scalar ? s.f.let(low64(s.readXmmLow(1, width))) : readVector(s, 1);
      const a = s.readXmm(0);
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
      const b = f.let(scalar(s.readXmmLow(1, width), width) as F64);
      const a = f.let(scalar(s.readXmmLow(0, width), width) as F64);
      const type = width === 4 ? "f32" : "f64";
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
function roundValue(name: string, value: Value, mode: I32): Value {
  const by = (which: string) => op(`${name}.${which}`, [value]);
  const chosen = [by("nearest"), by("floor"), by("ceil"), by("trunc")];
  const pick = (n: number): Value =>
    n === 3 ? chosen[3]! : select(mode.eq(n), chosen[n]! as never, pick(n + 1) as never);
  return pick(0);
}

function roundVector(s: Sem, shape: Shape, value: V128, mode: I32): V128 {
  const result = s.f.local("v128");
  const { f } = s;
  f.set(result, vec(`${shape}.nearest`, value));
  ["floor", "ceil", "trunc"].forEach((which, i) => {
    f.if(mode.eq(i + 1), () => f.set(result, vec(`${shape}.${which}`, value)));
  });
  return result.value;
}

/** MXCSR.RC. */
function roundingControl(s: Sem): I32 {
  return s.f.let(s.cell32(CPU.MXCSR).shrU(13).and(3));
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

function scalarToInteger(width: number, truncate: boolean): Semantic {
  return {
    emit: (s) => {
      const value = s.f.let(scalar(s.readXmmLow(1, width), width) as F64);
      const type = width === 4 ? "f32" : "f64";
      const rounded = truncate ? value : roundValue(type, value, roundingControl(s));
      s.write(0, toInteger(s, rounded as F64, s.width(0)));
    },
  };
}

function integerToScalar(width: number): Semantic {
  return {
    emit: (s) => {
      const from = s.width(1);
      const source = s.read(1);
      const type = width === 4 ? "f32" : "f64";
      const value = from === 4
        ? op(`${type}.convert_i32_s`, [source.toI32()])
        : op(`${type}.convert_i64_s`, [source]);
      s.writeXmmLow(0, width, s.f.let(bitsOf(value as F64)));
    },
  };
}

/** Four singles to integers; what does not fit is 80000000h. */
function singlesToIntegers(s: Sem, value: V128, truncate: boolean): V128 {
  const { f } = s;
  const whole = truncate ? value : roundVector(s, "f32x4", value, roundingControl(s));
  const rounded = f.let(whole);
  const limit = vec("f32x4.splat", f32(2 ** 31));
  const converted = vec("i32x4.trunc_sat_f32x4_s", rounded);
  const wrong = vec("v128.or", vec("f32x4.ge", rounded, limit), vec("f32x4.ne", rounded, rounded));
  return f.let(vec("v128.bitselect", words32(0x80000000), converted, wrong));
}

/** Two doubles to integers in the low half. */
function doublesToIntegers(s: Sem, value: V128, truncate: boolean): V128 {
  const { f } = s;
  const rounded = f.let(truncate ? value : roundVector(s, "f64x2", value, roundingControl(s)));
  const lanes = [0, 1].map((n) => toInteger(s, op("f64x2.extract_lane", [rounded], n) as F64, 4));
  return f.let(low64(lanes[0]!.or(lanes[1]!.shl(32n))));
}

function convert(compute: (s: Sem, value: V128) => V128): Semantic {
  return { emit: (s) => writeVector(s, 0, s.f.let(compute(s, readVector(s, 1)))) };
}

const cvtpi2ps: Semantic = {
  emit: (s) => {
    const value = readVector(s, 1);
    mmxEnter(s);
    s.writeXmmLow(0, 8, s.f.let(lane64(vec("f32x4.convert_i32x4_s", value), 0)));
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
    const value = scalar(s.readXmmLow(1, 4), 4);
    s.writeXmmLow(0, 8, s.f.let(bitsOf(op("f64.promote_f32", [value]) as F64)));
  },
};

const cvtsd2ss: Semantic = {
  emit: (s) => {
    const value = scalar(s.readXmmLow(1, 8), 8);
    s.writeXmmLow(0, 4, s.f.let(bitsOf(op("f32.demote_f64", [value]) as F32)));
  },
};

/** The immediate's rounding, or MXCSR's. */
function chosenMode(s: Sem): I32 {
  const imm = immediate(s);
  return s.f.let(select(imm.and(4), roundingControl(s), imm.and(3)));
}

function roundPacked(shape: Shape): Semantic {
  return {
    emit: (s) => {
      const value = readVector(s, 1);
      s.writeXmm(0, roundVector(s, shape, value, chosenMode(s)));
    },
  };
}

function roundScalar(width: number): Semantic {
  return {
    emit: (s) => {
      const value = s.f.let(scalar(s.readXmmLow(1, width), width) as F64);
      const rounded = roundValue(width === 4 ? "f32" : "f64", value, chosenMode(s));
      s.writeXmmLow(0, width, s.f.let(bitsOf(rounded as F64)));
    },
  };
}

const units = (width: number, list: readonly number[]) =>
  list.flatMap((unit) => Array.from({ length: width }, (_, i) => unit * width + i));

function horizontal(shape: Shape, name: "add" | "sub"): Semantic {
  const width = widthOf(shape);
  const [even, odd] = shape === "f32x4" ? [[0, 2, 4, 6], [1, 3, 5, 7]] : [[0, 2], [1, 3]];
  return packed(
    shape,
    (_shape, a, b) =>
      vec(`${shape}.${name}`, shuffle(a, b, units(width, even!)), shuffle(a, b, units(width, odd!))),
  );
}

/** Even lanes are subtracted. */
function addSub(shape: Shape): Semantic {
  const signs = shape === "f32x4" ? words32(0x80000000, 0, 0x80000000, 0) : words32(0, 0x80000000, 0, 0);
  return packed(shape, (_shape, a, b) => vec(`${shape}.add`, a, vec("v128.xor", b, signs)));
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
const reciprocal: Compute = (_shape, _a, b) => vec("f32x4.div", ONES, b);
const reciprocalRoot: Compute = (_shape, _a, b) => vec("f32x4.div", ONES, vec("f32x4.sqrt", b));

/** By key. */
export const SSE_FLOAT: Semantics = {
  ...four("add", arithmetic("add")),
  ...four("sub", arithmetic("sub")),
  ...four("mul", arithmetic("mul")),
  ...four("div", arithmetic("div")),
  ...four("sqrt", (shape, _a, b) => vec(`${shape}.sqrt`, b)),
  // Of two zeros and of NaNs the second operand is the result.
  ...four("min", (shape, a, b) => vec(`${shape}.pmin`, b, a)),
  ...four("max", (shape, a, b) => vec(`${shape}.pmax`, b, a)),
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
  cvtps2pd: convert((_s, value) => vec("f64x2.promote_low_f32x4", value)),
  cvtpd2ps: convert((_s, value) => vec("f32x4.demote_f64x2_zero", value)),
  cvtdq2ps: convert((_s, value) => vec("f32x4.convert_i32x4_s", value)),
  cvtdq2pd: convert((_s, value) => vec("f64x2.convert_low_i32x4_s", value)),
  cvtps2dq: convert((s, value) => singlesToIntegers(s, value, false)),
  cvttps2dq: convert((s, value) => singlesToIntegers(s, value, true)),
  cvtpd2dq: convert((s, value) => doublesToIntegers(s, value, false)),
  cvttpd2dq: convert((s, value) => doublesToIntegers(s, value, true)),
  cvtps2pi: convert((s, value) => singlesToIntegers(s, value, false)),
  cvttps2pi: convert((s, value) => singlesToIntegers(s, value, true)),
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
