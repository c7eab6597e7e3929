/**
 * Typed WebAssembly values: expressions that fold over constants and are encoded where a statement uses them.
 *
 * An expression is a tree. It is encoded once for each place it stands in, so a value used twice is bound with
 * `FunctionEmitter.let` first. Arithmetic over constants is done here, at build time: the same semantics that give an
 * interpreter's handler over loaded operands give tight code over the constants of a decoded instruction.
 *
 * Sources: [WASM] WebAssembly Core Specification 3.0, 4.3 (numerics), 5.4 (instructions).
 * @module
 */

import { operation, type ValueType } from "./wasm_ops.ts";
import type { WasmWriter } from "./wasm_writer.ts";

/** Puts the code of one expression. */
export type Encode = (out: WasmWriter) => void;

/** A value of some type. */
export class Value<T extends ValueType = ValueType> {
  readonly type: T;
  readonly encode: Encode;
  /** The number this always is, where it is known. i32 and i64 are kept unsigned. */
  readonly constant: bigint | number | undefined;

  constructor(type: T, encode: Encode, constant?: bigint | number) {
    this.type = type;
    this.encode = encode;
    this.constant = constant;
  }
}

/** Anything that can stand for an i32. */
export type IntoI32 = I32 | number;
/** Anything that can stand for an i64. */
export type IntoI64 = I64 | bigint | number;

/** A 32-bit integer; comparisons give 0 or 1. */
export class I32 extends Value<"i32"> {
  constructor(encode: Encode, constant?: number) {
    super("i32", encode, constant === undefined ? undefined : constant >>> 0);
  }

  /** The constant as a number, if it is one. */
  get known(): number | undefined {
    return this.constant as number | undefined;
  }

  add(other: IntoI32): I32 {
    return this.#fold("add", other, (a, b) => a + b, 0);
  }

  sub(other: IntoI32): I32 {
    return this.#fold("sub", other, (a, b) => a - b, 0);
  }

  mul(other: IntoI32): I32 {
    return this.#fold("mul", other, (a, b) => Math.imul(a, b), 1);
  }

  and(other: IntoI32): I32 {
    return this.#fold("and", other, (a, b) => a & b, -1);
  }

  or(other: IntoI32): I32 {
    return this.#fold("or", other, (a, b) => a | b, 0);
  }

  xor(other: IntoI32): I32 {
    return this.#fold("xor", other, (a, b) => a ^ b, 0);
  }

  shl(other: IntoI32): I32 {
    return this.#fold("shl", other, (a, b) => a << b, 0);
  }

  shrU(other: IntoI32): I32 {
    return this.#fold("shr_u", other, (a, b) => a >>> b, 0);
  }

  shrS(other: IntoI32): I32 {
    return this.#fold("shr_s", other, (a, b) => a >> b, 0);
  }

  rotl(other: IntoI32): I32 {
    return this.#fold("rotl", other, (a, b) => a << b | a >>> (32 - b & 31), 0);
  }

  rotr(other: IntoI32): I32 {
    return this.#fold("rotr", other, (a, b) => a >>> b | a << (32 - b & 31), 0);
  }

  divU(other: IntoI32): I32 {
    return op32("i32.div_u", this, i32(other));
  }

  divS(other: IntoI32): I32 {
    return op32("i32.div_s", this, i32(other));
  }

  remU(other: IntoI32): I32 {
    return op32("i32.rem_u", this, i32(other));
  }

  remS(other: IntoI32): I32 {
    return op32("i32.rem_s", this, i32(other));
  }

  eq(other: IntoI32): I32 {
    return this.#fold("eq", other, (a, b) => Number(a === b));
  }

  ne(other: IntoI32): I32 {
    return this.#fold("ne", other, (a, b) => Number(a !== b));
  }

  ltU(other: IntoI32): I32 {
    return this.#fold("lt_u", other, (a, b) => Number(a >>> 0 < b >>> 0));
  }

  ltS(other: IntoI32): I32 {
    return this.#fold("lt_s", other, (a, b) => Number(a < b));
  }

  leU(other: IntoI32): I32 {
    return this.#fold("le_u", other, (a, b) => Number(a >>> 0 <= b >>> 0));
  }

  leS(other: IntoI32): I32 {
    return this.#fold("le_s", other, (a, b) => Number(a <= b));
  }

  gtU(other: IntoI32): I32 {
    return this.#fold("gt_u", other, (a, b) => Number(a >>> 0 > b >>> 0));
  }

  gtS(other: IntoI32): I32 {
    return this.#fold("gt_s", other, (a, b) => Number(a > b));
  }

  geU(other: IntoI32): I32 {
    return this.#fold("ge_u", other, (a, b) => Number(a >>> 0 >= b >>> 0));
  }

  geS(other: IntoI32): I32 {
    return this.#fold("ge_s", other, (a, b) => Number(a >= b));
  }

  /** 1 when this is 0, else 0. */
  eqz(): I32 {
    return this.#unary("eqz", (a) => Number(a === 0));
  }

  clz(): I32 {
    return this.#unary("clz", (a) => Math.clz32(a));
  }

  ctz(): I32 {
    return this.#unary("ctz", (a) => a === 0 ? 32 : 31 - Math.clz32(a & -a));
  }

  popcnt(): I32 {
    return op32("i32.popcnt", this);
  }

  extend8S(): I32 {
    return this.#unary("extend8_s", (a) => a << 24 >> 24);
  }

  extend16S(): I32 {
    return this.#unary("extend16_s", (a) => a << 16 >> 16);
  }

  /** Sign-extended to 64 bits. */
  toI64S(): I64 {
    return this.known === undefined ? op64("i64.extend_i32_s", this) : i64(BigInt(this.known | 0));
  }

  /** Zero-extended to 64 bits. */
  toI64U(): I64 {
    return this.known === undefined ? op64("i64.extend_i32_u", this) : i64(BigInt(this.known));
  }

  #fold(name: string, into: IntoI32, compute: (a: number, b: number) => number, neutral?: number): I32 {
    const other = i32(into);
    if (this.known !== undefined && other.known !== undefined) {
      const shifts = name.startsWith("sh") || name.startsWith("rot");
      return i32(compute(this.known | 0, shifts ? other.known & 31 : other.known | 0));
    }
    if (neutral !== undefined && other.known === neutral >>> 0) return this;
    return op32(`i32.${name}`, this, other);
  }

  #unary(name: string, compute: (a: number) => number): I32 {
    return this.known === undefined ? op32(`i32.${name}`, this) : i32(compute(this.known | 0));
  }
}

/** A 64-bit integer; comparisons give an {@linkcode I32}. */
export class I64 extends Value<"i64"> {
  constructor(encode: Encode, constant?: bigint) {
    super("i64", encode, constant === undefined ? undefined : BigInt.asUintN(64, constant));
  }

  /** The constant as a bigint, unsigned, if it is one. */
  get known(): bigint | undefined {
    return this.constant as bigint | undefined;
  }

  add(other: IntoI64): I64 {
    return this.#fold("add", other, (a, b) => a + b, 0n);
  }

  sub(other: IntoI64): I64 {
    return this.#fold("sub", other, (a, b) => a - b, 0n);
  }

  mul(other: IntoI64): I64 {
    return this.#fold("mul", other, (a, b) => a * b, 1n);
  }

  and(other: IntoI64): I64 {
    return this.#fold("and", other, (a, b) => a & b, ALL_ONES);
  }

  or(other: IntoI64): I64 {
    return this.#fold("or", other, (a, b) => a | b, 0n);
  }

  xor(other: IntoI64): I64 {
    return this.#fold("xor", other, (a, b) => a ^ b, 0n);
  }

  shl(other: IntoI64): I64 {
    return this.#fold("shl", other, (a, b) => a << (b & 63n), 0n);
  }

  shrU(other: IntoI64): I64 {
    return this.#fold("shr_u", other, (a, b) => a >> (b & 63n), 0n);
  }

  shrS(other: IntoI64): I64 {
    return this.#fold("shr_s", other, (a, b) => BigInt.asIntN(64, a) >> (b & 63n), 0n);
  }

  rotl(other: IntoI64): I64 {
    return this.#fold("rotl", other, rotateLeft, 0n);
  }

  rotr(other: IntoI64): I64 {
    return this.#fold("rotr", other, (a, b) => rotateLeft(a, 64n - (b & 63n)), 0n);
  }

  divU(other: IntoI64): I64 {
    return op64("i64.div_u", this, i64(other));
  }

  divS(other: IntoI64): I64 {
    return op64("i64.div_s", this, i64(other));
  }

  remU(other: IntoI64): I64 {
    return op64("i64.rem_u", this, i64(other));
  }

  remS(other: IntoI64): I64 {
    return op64("i64.rem_s", this, i64(other));
  }

  eq(other: IntoI64): I32 {
    return this.#compare("eq", other, (a, b) => a === b);
  }

  ne(other: IntoI64): I32 {
    return this.#compare("ne", other, (a, b) => a !== b);
  }

  ltU(other: IntoI64): I32 {
    return this.#compare("lt_u", other, (a, b) => a < b);
  }

  ltS(other: IntoI64): I32 {
    return this.#compare("lt_s", other, (a, b) => signed(a) < signed(b));
  }

  leU(other: IntoI64): I32 {
    return this.#compare("le_u", other, (a, b) => a <= b);
  }

  leS(other: IntoI64): I32 {
    return this.#compare("le_s", other, (a, b) => signed(a) <= signed(b));
  }

  gtU(other: IntoI64): I32 {
    return this.#compare("gt_u", other, (a, b) => a > b);
  }

  gtS(other: IntoI64): I32 {
    return this.#compare("gt_s", other, (a, b) => signed(a) > signed(b));
  }

  geU(other: IntoI64): I32 {
    return this.#compare("ge_u", other, (a, b) => a >= b);
  }

  geS(other: IntoI64): I32 {
    return this.#compare("ge_s", other, (a, b) => signed(a) >= signed(b));
  }

  eqz(): I32 {
    return this.known === undefined ? op32("i64.eqz", this) : i32(Number(this.known === 0n));
  }

  clz(): I64 {
    return op64("i64.clz", this);
  }

  ctz(): I64 {
    return op64("i64.ctz", this);
  }

  popcnt(): I64 {
    return op64("i64.popcnt", this);
  }

  extend8S(): I64 {
    return this.#extend("extend8_s", 8);
  }

  extend16S(): I64 {
    return this.#extend("extend16_s", 16);
  }

  extend32S(): I64 {
    return this.#extend("extend32_s", 32);
  }

  /** The low 32 bits. */
  toI32(): I32 {
    return this.known === undefined
      ? op32("i32.wrap_i64", this)
      : i32(Number(BigInt.asUintN(32, this.known)));
  }

  #fold(name: string, into: IntoI64, compute: (a: bigint, b: bigint) => bigint, neutral: bigint): I64 {
    const other = i64(into);
    if (this.known !== undefined && other.known !== undefined) return i64(compute(this.known, other.known));
    if (other.known === neutral) return this;
    return op64(`i64.${name}`, this, other);
  }

  #compare(name: string, into: IntoI64, compute: (a: bigint, b: bigint) => boolean): I32 {
    const other = i64(into);
    if (this.known !== undefined && other.known !== undefined) {
      return i32(Number(compute(this.known, other.known)));
    }
    return op32(`i64.${name}`, this, other);
  }

  #extend(name: string, bits: number): I64 {
    return this.known === undefined ? op64(`i64.${name}`, this) : i64(BigInt.asIntN(bits, this.known));
  }
}

/** A 32-bit float. Nothing is folded: rounding stays the engine's. */
export class F32 extends Value<"f32"> {
  constructor(encode: Encode) {
    super("f32", encode);
  }
}

/** A 64-bit float. */
export class F64 extends Value<"f64"> {
  constructor(encode: Encode) {
    super("f64", encode);
  }
}

/** A 128-bit vector. */
export class V128 extends Value<"v128"> {
  constructor(encode: Encode) {
    super("v128", encode);
  }
}

/** The class of values of a type. */
export interface ValueClasses {
  i32: I32;
  i64: I64;
  f32: F32;
  f64: F64;
  v128: V128;
}

const ALL_ONES = 0xffffffff_ffffffffn;

function signed(value: bigint): bigint {
  return BigInt.asIntN(64, value);
}

function rotateLeft(a: bigint, b: bigint): bigint {
  const count = b & 63n;
  return a << count | a >> (64n - count & 63n);
}

/** A value of `type` from its code. */
export function valueOf<T extends ValueType>(type: T, encode: Encode): ValueClasses[T] {
  const classes = { i32: I32, i64: I64, f32: F32, f64: F64, v128: V128 };
  return new classes[type](encode) as ValueClasses[T];
}

/** An i32: a constant, or what it already is. */
export function i32(value: IntoI32): I32 {
  if (value instanceof I32) return value;
  return new I32((out) => {
    out.byte(0x41);
    out.signed(value | 0);
  }, value);
}

/** An i64: a constant, or what it already is. */
export function i64(value: IntoI64): I64 {
  if (value instanceof I64) return value;
  const number = BigInt.asIntN(64, BigInt(value));
  return new I64((out) => {
    out.byte(0x42);
    out.signed(number);
  }, number);
}

/** A constant f64. */
export function f64(value: number): F64 {
  return new F64((out) => {
    out.byte(0x44);
    out.bytes(new Uint8Array(Float64Array.of(value).buffer));
  });
}

/** A constant f32. */
export function f32(value: number): F32 {
  return new F32((out) => {
    out.byte(0x43);
    out.bytes(new Uint8Array(Float32Array.of(value).buffer));
  });
}

/** A constant vector of 16 bytes. */
export function v128(bytes: Uint8Array): V128 {
  if (bytes.length !== 16) throw new RangeError(`Cannot make a vector of ${bytes.length} bytes`);
  const copy = bytes.slice();
  return new V128((out) => {
    out.byte(0xfd);
    out.unsigned(12);
    out.bytes(copy);
  });
}

/** `i8x16.shuffle`: each of 16 lanes names a byte of `a` (0 to 15) or `b` (16 to 31). */
export function shuffle(a: V128, b: V128, lanes: readonly number[]): V128 {
  if (lanes.length !== 16 || lanes.some((lane) => lane < 0 || lane > 31)) {
    throw new RangeError("Cannot shuffle: 16 lanes from 0 to 31 are needed");
  }
  return new V128((out) => {
    a.encode(out);
    b.encode(out);
    out.byte(0xfd);
    out.unsigned(13);
    out.bytes(Uint8Array.from(lanes));
  });
}

/**
 * Any pure instruction by name, checked against its row; `lane` for those that take one.
 * @throws {RangeError} for an unknown name, and for operands of other types than the row's.
 */
export function op(name: string, operands: readonly Value[], lane?: number): Value {
  const row = operation(name);
  const given = operands.map((operand) => operand.type);
  if (given.join() !== row.operands.join()) {
    throw new RangeError(`${name} takes (${row.operands}), not (${given})`);
  }
  if (row.lanes > 0 !== (lane !== undefined) || lane !== undefined && (lane < 0 || lane >= row.lanes)) {
    throw new RangeError(`${name} takes ${row.lanes > 0 ? `a lane below ${row.lanes}` : "no lane"}`);
  }
  return valueOf(row.result, (out) => {
    for (const operand of operands) operand.encode(out);
    if (row.prefix !== 0) {
      out.byte(row.prefix);
      out.unsigned(row.code);
    } else {
      out.byte(row.code);
    }
    if (lane !== undefined) out.byte(lane);
  });
}

/** {@linkcode op} where the result is an i32. */
export function op32(name: string, ...operands: Value[]): I32 {
  return op(name, operands) as I32;
}

/** {@linkcode op} where the result is an i64. */
export function op64(name: string, ...operands: Value[]): I64 {
  return op(name, operands) as I64;
}

/** {@linkcode op} where the result is a vector; a trailing number is a lane. */
export function opV(name: string, ...operands: (Value | number)[]): V128 {
  const lane = operands.at(-1);
  return typeof lane === "number"
    ? op(name, operands.slice(0, -1) as Value[], lane) as V128
    : op(name, operands as Value[]) as V128;
}

/** `yes` where `condition` is not 0, else `no`; both are evaluated. */
export function select<V extends Value>(condition: I32, yes: V, no: V): V {
  if (condition.known !== undefined) return condition.known !== 0 ? yes : no;
  return valueOf(yes.type, (out) => {
    yes.encode(out);
    no.encode(out);
    condition.encode(out);
    out.byte(0x1b);
  }) as unknown as V;
}
