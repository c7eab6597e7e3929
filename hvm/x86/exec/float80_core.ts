/**
 * What all parts of the extended-precision library share: the format, the bits of the control and status words, and the
 * variables through which results leave a function.
 *
 * An 80-bit value travels as two values: its significand as an i64 (bit 63 is the explicit integer bit) and its sign and
 * exponent as an i32 of 16 bits, as the two parts stand in memory. A function returns the significand and leaves sign
 * and exponent in the global `se`; exceptions and condition bits are ORed into the global `status`.
 *
 * Sources: [SDM] Intel SDM vol. 1, 8.1.3 (status word), 8.1.5 (control word), 8.2 (formats), 8.5 (exceptions).
 * @module
 */

import type { FunctionEmitter, FunctionRef, GlobalRef, WasmModule } from "../emit.ts";
import { I32, i32, I64, i64, type IntoI32, type IntoI64, select, type Value } from "../emit_value.ts";
import type { ValueType } from "../wasm_ops.ts";

/** Bits of the status word that the library sets. [SDM] 8.1.3 */
export const FSW = {
  /** Invalid operation. */
  IE: 1 << 0,
  /** Denormal operand. */
  DE: 1 << 1,
  /** Division by zero. */
  ZE: 1 << 2,
  OE: 1 << 3,
  UE: 1 << 4,
  /** Inexact result. */
  PE: 1 << 5,
  C0: 1 << 8,
  C1: 1 << 9,
  C2: 1 << 10,
  C3: 1 << 14,
} as const;

/** Fields of the control word; a set bit of the low six masks the status word's exception of the same place. */
export const FCW = { UM: 1 << 4, OM: 1 << 3, PC: 3 << 8, RC: 3 << 10 } as const;

/** Values of the precision field. The reserved value 1 is taken as 64 bits. [SDM] 8.1.5.2 */
export const PC = { BITS24: 0, BITS53: 2 << 8, BITS64: 3 << 8 } as const;

/** Values of the rounding field. [SDM] 8.1.5.3 */
export const RC = { NEAREST: 0, DOWN: 1 << 10, UP: 2 << 10, ZERO: 3 << 10 } as const;

/** Exceptions found before anything is computed: unmasked, they leave the destination alone. [SDM] 8.6 */
export const BEFORE: number = FSW.IE | FSW.DE | FSW.ZE;

export const SIGN = 0x8000;
export const EXPONENT = 0x7fff;
export const BIAS = 0x3fff;
/** What an unmasked overflow takes from, and an unmasked underflow adds to, a register result. [SDM] 8.5.4, 8.5.5 */
export const WRAP = 0x6000;
export const INTEGER_BIT: bigint = 1n << 63n;
export const QUIET_BIT: bigint = 1n << 62n;
/** The indefinite: what a masked invalid operation gives. [SDM] 8.2.1, table 8-3 */
export const INDEFINITE = { sig: INTEGER_BIT | QUIET_BIT, se: SIGN | EXPONENT } as const;

/** An operand as a function takes it. */
export interface Operand {
  readonly sig: I64;
  readonly se: I32;
}

/** The variables and the functions that the others are made of. */
export interface Core {
  readonly module: WasmModule;
  /** Whether functions are exported under their names. */
  readonly exported: boolean;
  readonly status: GlobalRef<"i32">;
  readonly se: GlobalRef<"i32">;
  readonly sig2: GlobalRef<"i64">;
  readonly se2: GlobalRef<"i32">;
  /** The low half of a 128-bit value that a function of the library gives. */
  readonly low: GlobalRef<"i64">;
}

/** The variables, under names that begin with `f80`. */
export function createCore(module: WasmModule, exported: boolean): Core {
  const name = (text: string) => exported ? text : undefined;
  return {
    module,
    exported,
    status: module.global("i32", i32(0), name("f80_status")),
    se: module.global("i32", i32(0), name("f80_se")),
    sig2: module.global("i64", i64(0), name("f80_sig2")),
    se2: module.global("i32", i32(0), name("f80_se2")),
    low: module.global("i64", i64(0)),
  };
}

/** A function of the library, exported where the library is. */
export function publish(
  core: Core,
  name: string,
  params: ValueType[],
  results: ValueType[],
  body: (f: FunctionEmitter, params: Value[]) => void,
): FunctionRef {
  return core.module.func({ name: `f80_${name}`, params, results, exported: core.exported }, body);
}

/** A function for the library alone. */
export function helper(
  core: Core,
  name: string,
  params: ValueType[],
  results: ValueType[],
  body: (f: FunctionEmitter, params: Value[]) => void,
): FunctionRef {
  return core.module.func({ name: `f80_${name}`, params, results }, body);
}

/** Sets bits of the status word. */
export function raise(f: FunctionEmitter, core: Core, bits: IntoI32): void {
  f.put(core.status.set(core.status.value.or(bits)));
}

/** Ends the function with a result. */
export function give(f: FunctionEmitter, core: Core, sig: IntoI64, se: IntoI32): void {
  f.put(core.se.set(i32(se)));
  f.return(i64(sig));
}

/** Raises invalid operation and ends the function with the indefinite. */
export function giveInvalid(f: FunctionEmitter, core: Core): void {
  raise(f, core, FSW.IE);
  give(f, core, INDEFINITE.sig, INDEFINITE.se);
}

/** The two halves of an operand as values. */
export function operand(sig: Value | undefined, se: Value | undefined): Operand {
  if (!(sig instanceof I64) || !(se instanceof I32)) throw new RangeError("An operand is an i64 and an i32");
  return { sig, se };
}

/** A parameter that is an i32. */
export function word(value: Value | undefined): I32 {
  if (!(value instanceof I32)) throw new RangeError("The parameter is no i32");
  return value;
}

/** A parameter that is an i64. */
export function quad(value: Value | undefined): I64 {
  if (!(value instanceof I64)) throw new RangeError("The parameter is no i64");
  return value;
}

/** 1 for an exponent of a normal number: neither 0 nor the highest. */
export function ordinary(exponent: I32): I32 {
  return exponent.sub(1).ltU(EXPONENT - 1);
}

/** The sign of a zero that is the exact sum of equal values of unlike signs. [SDM] vol. 1, 4.8.3.1 */
export function cancelledSign(control: I32): I32 {
  return select(control.and(FCW.RC).eq(RC.DOWN), i32(SIGN), i32(0));
}

/** The control word for operations that precision control does not reach. [SDM] 8.1.5.2 */
export function fullPrecision(control: I32): I32 {
  return control.or(FCW.PC);
}
