/**
 * From other formats to extended: single, double, integers, the constants.
 *
 * Sources: [SDM] Intel SDM vol. 1, 4.2.2 (formats), 8.3.8 (constants); vol. 2A, FLD, FILD, FLD1 and the others.
 * @module
 */

import type { FunctionRef } from "../emit.ts";
import { i32, type I64, i64, select } from "../emit_value.ts";
import {
  BIAS,
  type Core,
  EXPONENT,
  FCW,
  FSW,
  give,
  helper,
  INTEGER_BIT,
  publish,
  quad,
  QUIET_BIT,
  raise,
  RC,
  SIGN,
  word,
} from "./float80_core.ts";

/** An interchange format of IEEE 754. */
export interface Interchange {
  readonly name: "f32" | "f64";
  readonly bits: number;
  /** Bits of the fraction, the hidden one not counted. */
  readonly fraction: number;
  readonly bias: number;
}

export const F32_FORMAT: Interchange = { name: "f32", bits: 32, fraction: 23, bias: 127 };
export const F64_FORMAT: Interchange = { name: "f64", bits: 64, fraction: 52, bias: 1023 };

/**
 * Adds `widen_f32` or `widen_f64`, `(bits) -> sig`: the operand of FADD m32 and its like. The format's bits come as an
 * i64. A denormal raises DE; a signalling NaN stays one, for the operation to find.
 */
export function widenFunction(core: Core, format: Interchange): FunctionRef {
  return publish(core, `widen_${format.name}`, ["i64"], ["i64"], (f, [bits]) => {
    const { fraction, bias } = format;
    const top = f.let(quad(bits).shl(64 - format.bits));
    const sign = f.let(select(top.ltS(0), i32(SIGN), i32(0)));
    const highest = 2 * bias + 1;
    const exponent = f.let(top.shrU(63 - (format.bits - 1 - fraction)).toI32().and(highest));
    const sig = f.let(quad(bits).shl(63 - fraction).and(INTEGER_BIT - 1n));
    f.if(exponent.sub(1).ltU(highest - 1), () => {
      give(f, core, sig.or(INTEGER_BIT), sign.or(exponent.add(BIAS - bias)));
    });
    f.if(exponent, () => give(f, core, sig.or(INTEGER_BIT), sign.or(EXPONENT)));
    f.if(sig.eqz(), () => give(f, core, 0, sign));
    raise(f, core, FSW.DE);
    const places = f.let(sig.clz());
    give(f, core, sig.shl(places), sign.or(i32(BIAS - bias + 1).sub(places.toI32())));
  });
}

/** Adds `load_f32` or `load_f64`, `(bits) -> sig`: FLD, which is invalid for a signalling NaN and makes it quiet. */
export function loadFunction(core: Core, widen: FunctionRef, format: Interchange): FunctionRef {
  return publish(core, `load_${format.name}`, ["i64"], ["i64"], (f, [bits]) => {
    const sig = f.let(f.call(widen, quad(bits)) as I64);
    f.if(core.se.value.and(EXPONENT).eq(EXPONENT).and(sig.shl(1).ne(0)), () => {
      raise(f, core, sig.and(QUIET_BIT).eqz());
      f.return(sig.or(QUIET_BIT));
    });
    f.return(sig);
  });
}

/** Adds `from_int`, `(value) -> sig`: FILD of any width, sign-extended to 64 bits; always exact. */
export function fromIntFunction(core: Core): FunctionRef {
  return publish(core, "from_int", ["i64"], ["i64"], (f, [value]) => {
    const v = quad(value);
    f.if(v.eqz(), () => give(f, core, 0, 0));
    const negative = f.let(v.ltS(0));
    const magnitude = f.let(select(negative, i64(0).sub(v), v));
    const places = f.let(magnitude.clz());
    const sign = select(negative, i32(SIGN), i32(0));
    give(f, core, magnitude.shl(places), sign.or(i32(BIAS + 63).sub(places.toI32())));
  });
}

/** A constant of 8.3.8 cut to 64 bits, and whether the nearest is one more. */
interface Constant {
  readonly sig: bigint;
  readonly exponent: number;
  readonly nearestIsUp: boolean;
  readonly exact?: boolean;
}

/**
 * In the order of D9 E8 to D9 EE: 1, log2 10, log2 e, pi, log10 2, ln 2, 0. The irrational ones are cut off; the next
 * bit of the expansion says where the nearest lies.
 */
const CONSTANTS: readonly Constant[] = [
  { sig: INTEGER_BIT, exponent: BIAS, nearestIsUp: false, exact: true },
  { sig: 0xd49a784b_cd1b8afen, exponent: BIAS + 1, nearestIsUp: false },
  { sig: 0xb8aa3b29_5c17f0bbn, exponent: BIAS, nearestIsUp: true },
  { sig: 0xc90fdaa2_2168c234n, exponent: BIAS + 1, nearestIsUp: true },
  { sig: 0x9a209a84_fbcff798n, exponent: BIAS - 2, nearestIsUp: true },
  { sig: 0xb17217f7_d1cf79abn, exponent: BIAS - 1, nearestIsUp: true },
  { sig: 0n, exponent: 0, nearestIsUp: false, exact: true },
];

/**
 * Adds `constant`, `(index, control) -> sig`: the constant of opcode D9 E8 + index, 0 to 6, rounded as the control
 * word says but always to 64 bits, and without an exception. [SDM] vol. 2A, FLD1, "Operation" and notes.
 */
export function constantFunction(core: Core): FunctionRef {
  const rounded = helper(core, "constant_rounded", ["i64", "i32", "i32", "i32"], ["i64"], (f, params) => {
    const mode = f.let(word(params[3]).and(FCW.RC));
    const up = select(mode.eqz(), word(params[2]), mode.eq(RC.UP));
    give(f, core, quad(params[0]).add(up.toI64U()), word(params[1]));
  });
  return publish(core, "constant", ["i32", "i32"], ["i64"], (f, [index, control]) => {
    CONSTANTS.forEach(({ sig, exponent, nearestIsUp, exact }, i) => {
      f.if(word(index).eq(i), () => {
        if (exact) give(f, core, sig, exponent);
        else f.returnCall(rounded, i64(sig), i32(exponent), i32(Number(nearestIsUp)), word(control));
      });
    });
    give(f, core, 0, 0);
  });
}
