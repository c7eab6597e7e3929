/**
 * Extended-precision arithmetic as the x87 does it, as WebAssembly functions of a module under construction.
 *
 * ```ts
 * const module = new WasmModule();
 * const float80 = addFloat80(module);
 * module.func({ name: "half", params: ["i64", "i32", "i32"], results: ["i64"] }, (f, [sig, se, control]) => {
 *   f.put(float80.status.set(i32(0)));
 *   f.return(f.call(float80.div, sig, se, i64(1n << 63n), i32(0x4000), control));
 * });
 * ```
 *
 * A value is two: the significand (i64, bit 63 explicit) and the sign with the exponent (i32, 16 bits), the two parts of
 * the format in memory. A function takes its operands so, then the control word; it returns the result's significand,
 * leaves its sign and exponent in `se`, and ORs exceptions and condition bits, in the status word's places, into
 * `status`, which the caller clears before an instruction. C1, where a result is rounded, tells that it was rounded up;
 * arithmetic leaves the other condition bits alone.
 *
 * Masked responses are in the results. Unmasked ones are the caller's last step: {@linkcode Float80.settle} tells
 * whether the destination is written. The stack, its faults and its tags are not here.
 *
 * Sources: [SDM] Intel SDM vol. 1, chapter 8; the other files of this library have their own.
 * @module
 */

import type { FunctionRef, GlobalRef, WasmModule } from "../emit.ts";
import { addFunction } from "./float80_add.ts";
import { atanFunction } from "./float80_atan.ts";
import { compareFunction, examineFunction } from "./float80_compare.ts";
import { BEFORE, type Core, createCore, FSW, publish, word } from "./float80_core.ts";
import { exp2Function } from "./float80_exp.ts";
import {
  constantFunction,
  F32_FORMAT,
  F64_FORMAT,
  fromIntFunction,
  loadFunction,
  widenFunction,
} from "./float80_load.ts";
import { logFunctions } from "./float80_log.ts";
import { divFunction, mulFunction } from "./float80_mul.ts";
import { nanFunctions } from "./float80_nan.ts";
import { remFunction } from "./float80_rem.ts";
import { roundFunction } from "./float80_round.ts";
import { rndintFunction, scaleFunction, xtractFunction } from "./float80_scale.ts";
import { wideFunctions } from "./float80_series.ts";
import { sqrtFunction } from "./float80_sqrt.ts";
import { fromBcdFunction, narrowFunction, toBcdFunction, toIntFunction } from "./float80_store.ts";
import { trigFunctions } from "./float80_trig.ts";

/** The library in a module. Operands `a`, `b`, `x` are two parameters each, significand and sign with exponent. */
export interface Float80 {
  /** Exceptions and condition bits of the functions run since it was cleared. */
  readonly status: GlobalRef<"i32">;
  /** Sign and exponent of the last result. */
  readonly se: GlobalRef<"i32">;
  /** Of two results the one that takes the place of the operand; the one returned is pushed. */
  readonly sig2: GlobalRef<"i64">;
  readonly se2: GlobalRef<"i32">;
  /** (a, b, control): a + b */
  readonly add: FunctionRef;
  /** (a, b, control): a - b */
  readonly sub: FunctionRef;
  readonly mul: FunctionRef;
  /** (a, b, control): a / b */
  readonly div: FunctionRef;
  /** (x, control) */
  readonly sqrt: FunctionRef;
  /** (a, b, control): FPREM; C2, C0, C3 and C1 are in the status. */
  readonly prem: FunctionRef;
  readonly prem1: FunctionRef;
  /** (a, b, control): FSCALE */
  readonly scale: FunctionRef;
  /** (x): the significand; the exponent is the second result. */
  readonly xtract: FunctionRef;
  /** (x, control) */
  readonly rndint: FunctionRef;
  /** (a, b, quiet) -> i32 of C3, C2, C0; `quiet` 1 for the FUCOM family. FTST compares with zero. */
  readonly compare: FunctionRef;
  /** (x) -> i32 of C3, C2, C1, C0: FXAM */
  readonly examine: FunctionRef;
  /** (bits: i64): FLD m32 */
  readonly loadF32: FunctionRef;
  readonly loadF64: FunctionRef;
  /** (bits: i64): the operand of arithmetic with m32, to be followed by the operation. */
  readonly widenF32: FunctionRef;
  readonly widenF64: FunctionRef;
  /** (value: i64): FILD of a sign-extended integer */
  readonly fromInt: FunctionRef;
  /** (low: i64, high: i32): FBLD */
  readonly fromBcd: FunctionRef;
  /** (index, control): the constant of opcode D9 E8 + index */
  readonly constant: FunctionRef;
  /** (x, control) -> bits as an i64: FST m32 */
  readonly toF32: FunctionRef;
  readonly toF64: FunctionRef;
  /** (x, control, bits) -> i64: FIST; FISTTP with rounding to zero put into the control word */
  readonly toInt: FunctionRef;
  /** (x, control) -> low, the rest in `se`: FBSTP */
  readonly toBcd: FunctionRef;
  /** (x, control): F2XM1 */
  readonly f2xm1: FunctionRef;
  /** (x, y, control), x from ST(0), y from ST(1): FYL2X */
  readonly yl2x: FunctionRef;
  readonly yl2xp1: FunctionRef;
  readonly patan: FunctionRef;
  /** (x, control); C2 in the status, for an argument out of range, leaves the operand as the result. */
  readonly sin: FunctionRef;
  readonly cos: FunctionRef;
  /** (x, control): the cosine, to be pushed; the sine is the second result. With C2 nothing is pushed. */
  readonly sincos: FunctionRef;
  /** (x, control): 1, to be pushed; the tangent is the second result. With C2 nothing is pushed. */
  readonly ptan: FunctionRef;
  /** (control) -> 1 where the destination register must not be written; corrects `status` for that case. */
  readonly settle: FunctionRef;
  /** The same for FLD m32 and m64, which push a denormal though its exception be unmasked. */
  readonly settleLoad: FunctionRef;
  /** The same where the destination is memory: overflow and underflow, too, forbid the store. */
  readonly settleStore: FunctionRef;
}

/** Options of {@linkcode addFloat80}. */
export interface Float80Options {
  /** Exports everything as `f80_*`, for tests. */
  readonly exported?: boolean;
}

/** Adds the library to a module that has all its imports already. */
export function addFloat80(module: WasmModule, options: Float80Options = {}): Float80 {
  const core = createCore(module, options.exported ?? false);
  const nans = nanFunctions(core);
  const round = roundFunction(core);
  const widenF32 = widenFunction(core, F32_FORMAT);
  const widenF64 = widenFunction(core, F64_FORMAT);
  const fromInt = fromIntFunction(core);
  const wide = wideFunctions(core);
  return {
    status: core.status,
    se: core.se,
    sig2: core.sig2,
    se2: core.se2,
    add: addFunction(core, round, nans, "add"),
    sub: addFunction(core, round, nans, "sub"),
    mul: mulFunction(core, round, nans),
    div: divFunction(core, round, nans),
    sqrt: sqrtFunction(core, round, nans),
    prem: remFunction(core, round, nans, "prem"),
    prem1: remFunction(core, round, nans, "prem1"),
    scale: scaleFunction(core, round, nans),
    xtract: xtractFunction(core, nans, fromInt),
    rndint: rndintFunction(core, nans),
    compare: compareFunction(core, nans),
    examine: examineFunction(core),
    loadF32: loadFunction(core, widenF32, F32_FORMAT),
    loadF64: loadFunction(core, widenF64, F64_FORMAT),
    widenF32,
    widenF64,
    fromInt,
    fromBcd: fromBcdFunction(core, fromInt),
    constant: constantFunction(core),
    toF32: narrowFunction(core, F32_FORMAT),
    toF64: narrowFunction(core, F64_FORMAT),
    toInt: toIntFunction(core),
    toBcd: toBcdFunction(core),
    f2xm1: exp2Function(core, round, nans, wide),
    ...logFunctions(core, round, nans, wide),
    patan: atanFunction(core, round, nans, wide),
    ...trigFunctions(core, round, nans, wide),
    settle: settleFunction(core, "settle", { stopping: BEFORE }),
    settleLoad: settleFunction(core, "settle_load", { stopping: FSW.IE }),
    settleStore: settleFunction(core, "settle_store", { stopping: BEFORE, unstored: FSW.OE | FSW.UE }),
  };
}

/**
 * An unmasked exception of `stopping` ends the instruction before its result is written; one found before computing
 * also hides what computing raised, and where a result in memory is not stored for one of `unstored`, nothing is told of
 * its rounding. [SDM] vol. 1, 8.6 and 8.7; that a denormal is pushed although its exception is unmasked, and the bits
 * left, are as AMD processors do it.
 */
function settleFunction(core: Core, name: string, on: { stopping: number; unstored?: number }): FunctionRef {
  const { stopping, unstored = 0 } = on;
  return publish(core, name, ["i32"], ["i32"], (f, [control]) => {
    const status = core.status.value;
    const unmasked = f.let(status.and(word(control).xor(-1)));
    f.if(unmasked.and(BEFORE), () => f.put(core.status.set(status.and(BEFORE))));
    if (unstored !== 0) {
      f.if(unmasked.and(unstored), () => f.put(core.status.set(status.and(~(FSW.PE | FSW.C1)))));
    }
    f.return(unmasked.and(stopping | unstored).ne(0));
  });
}
