/**
 * Operands that decide a result by what they are: NaNs, unsupported encodings, and denormal operands.
 *
 * Sources: [SDM] Intel SDM vol. 1, 4.8.3.5 (operating on SNaNs and QNaNs), table 4-7 (rules for NaNs), 8.2.2
 * (unsupported extended-precision encodings), 8.5.1 and 8.5.2 (invalid operation, denormal operand), 8.6 (priority).
 * @module
 */

import type { FunctionEmitter, FunctionRef, Local } from "../emit.ts";
import { type I32, i32, select } from "../emit_value.ts";
import {
  type Core,
  EXPONENT,
  FSW,
  give,
  giveInvalid,
  helper,
  INTEGER_BIT,
  type Operand,
  operand,
  ordinary,
  QUIET_BIT,
  raise,
  SIGN,
} from "./float80_core.ts";

/** The functions of this file. */
export interface NanFunctions {
  /** `(sig, se) -> i32`: 1 for a NaN or an unsupported encoding. */
  readonly odd: FunctionRef;
  /** `(sig, se) -> sig`: the result of an operation whose one operand is odd. */
  readonly propagate1: FunctionRef;
  /** `(a, b) -> sig`: the result of an operation of whose operands one is odd. */
  readonly propagate2: FunctionRef;
}

/** 1 for an encoding that no processor since the 387 makes: the integer bit is clear where it must not be. */
export function unsupported({ sig, se }: Operand): I32 {
  return se.and(EXPONENT).ne(0).and(sig.geS(0));
}

/** 1 for a NaN, quiet or signalling. Unsupported encodings may be taken for one. */
export function nan({ sig, se }: Operand): I32 {
  return se.and(EXPONENT).eq(EXPONENT).and(sig.shl(1).ne(0));
}

/** 1 for a signalling one among NaNs. */
export function signalling({ sig }: Operand): I32 {
  return sig.and(QUIET_BIT).eqz();
}

/** Adds the functions. */
export function nanFunctions(core: Core): NanFunctions {
  const odd = helper(core, "odd", ["i64", "i32"], ["i32"], (f, [sig, se]) => {
    const x = operand(sig, se);
    f.return(unsupported(x).or(nan(x)));
  });
  const propagate1 = helper(core, "propagate1", ["i64", "i32"], ["i64"], (f, [sig, se]) => {
    const x = operand(sig, se);
    f.if(unsupported(x), () => giveInvalid(f, core));
    raise(f, core, signalling(x));
    give(f, core, x.sig.or(QUIET_BIT), x.se);
  });
  const propagate2 = helper(core, "propagate2", ["i64", "i32", "i64", "i32"], ["i64"], (f, params) => {
    const a = operand(params[0], params[1]);
    const b = operand(params[2], params[3]);
    // A NaN comes before a denormal operand in priority; one may have been seen while it was widened.
    f.put(core.status.set(core.status.value.and(~FSW.DE)));
    f.if(unsupported(a).or(unsupported(b)), () => giveInvalid(f, core));
    const [aNan, bNan] = [f.let(nan(a)), f.let(nan(b))];
    raise(f, core, aNan.and(signalling(a)).or(bNan.and(signalling(b))));
    f.if(preferSecond(a, b, aNan, bNan), () => {
      give(f, core, b.sig.or(QUIET_BIT), b.se);
    });
    give(f, core, a.sig.or(QUIET_BIT), a.se);
  });
  return { odd, propagate1, propagate2 };
}

/** 1 where the second operand's NaN is the result. [SDM] table 4-7 */
function preferSecond(a: Operand, b: Operand, aNan: I32, bNan: I32): I32 {
  // Of two NaNs the larger significand, so of a quiet and a signalling one the quiet; of equal ones the positive.
  const larger = b.sig.gtU(a.sig).or(b.sig.eq(a.sig).and(b.se.ltU(a.se)));
  return bNan.and(aNan.eqz().or(larger));
}

/** An operand taken apart: variables, so that a denormal can be made normal in place. */
export interface Unpacked {
  readonly sig: Local<"i64">;
  /** Biased; 0 or less after a denormal was made normal. */
  readonly exponent: Local<"i32">;
  /** 0 or 8000h. */
  readonly sign: I32;
}

/** Takes an operand apart. */
export function unpack(f: FunctionEmitter, { sig, se }: Operand): Unpacked {
  const unpacked = { sig: f.local("i64"), exponent: f.local("i32"), sign: f.let(se.and(SIGN)) };
  f.set(unpacked.sig, sig);
  f.set(unpacked.exponent, se.and(EXPONENT));
  return unpacked;
}

/** 1 where both operands are normal numbers: nothing special to look at. */
export function bothOrdinary(a: Unpacked, b: Unpacked): I32 {
  const exponents = ordinary(a.exponent.value).and(ordinary(b.exponent.value));
  return exponents.and(a.sig.value.and(b.sig.value).ltS(0));
}

/** 1 for an ordinary operand. */
export function isOrdinary(x: Unpacked): I32 {
  return ordinary(x.exponent.value).and(x.sig.value.ltS(0));
}

/** 1 for zero. */
export function isZero(x: Unpacked): I32 {
  return x.exponent.value.eqz().and(x.sig.value.eqz());
}

/** 1 for an infinity, NaNs aside. */
export function isInfinite(x: Unpacked): I32 {
  return x.exponent.value.eq(EXPONENT);
}

/** 1 for a denormal or pseudo-denormal. */
export function isDenormal(x: Unpacked): I32 {
  return x.exponent.value.eqz().and(x.sig.value.ne(0));
}

/** Raises the denormal-operand exception if one of the operands is one. */
export function raiseDenormal(f: FunctionEmitter, core: Core, ...operands: Unpacked[]): void {
  const any = operands.map(isDenormal).reduce((a, b) => a.or(b));
  raise(f, core, select(any, i32(FSW.DE), i32(0)));
}

/** Makes the significand of a denormal normal; others stay. Not for zero. */
export function normalise(f: FunctionEmitter, x: Unpacked): void {
  f.if(x.exponent.value.eqz(), () => {
    const places = f.let(x.sig.value.clz());
    f.set(x.sig, x.sig.value.shl(places));
    f.set(x.exponent, i32(1).sub(places.toI32()));
  });
}

/** Ends the function with an infinity. */
export function giveInfinity(f: FunctionEmitter, core: Core, sign: I32): void {
  give(f, core, INTEGER_BIT, sign.or(EXPONENT));
}

/** Ends the function with a zero. */
export function giveZero(f: FunctionEmitter, core: Core, sign: I32): void {
  give(f, core, 0, sign);
}
