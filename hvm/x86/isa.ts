/**
 * The instruction table: one text row for each form of each instruction. Whatever needs to know something of an
 * instruction asks its row; there is no second list keyed by opcode.
 *
 * A row has five columns: `encoding | name operands | access | flags | class traits gate key`.
 *
 * **Encoding**, as the manual writes it:
 * - `NP` no 66, F2 or F3 may stand before it; `NFx` no F2 or F3; `66`, `F2`, `F3` must. A row without any of these takes
 *   all that a row with one leaves over: 66 is then the operand size and F2 and F3 do nothing.
 * - `0F`, `0F 38`, `0F 3A` the map, then the opcode; `+r` eight opcodes with a register in the low bits.
 * - `/r` ModRM, `/0` to `/7` ModRM with that reg; two digits after the opcode are ModRM itself; `+i` eight of these.
 * - `ib iw iz iv` immediates; `cb cz` branch displacements; `cp` a far pointer; `ob ov` an address of the address size.
 * - `REX.W0 REX.W1 REX.B0 REX.B1` that bit of REX must be so.
 * - `VEX.LZ.66.0F38.W0 F7 /r` the same behind a VEX prefix: L, prefix, map and W joined by points.
 *
 * **Name**: where it depends on the operand size, three names for 16, 32 and 64 bits (the last stands for those missing).
 * **Operands**: codes of the manual's opcode maps, see isa_operands.ts. Memory-only and register-only forms follow from
 * them (M; R, N, U).
 *
 * **Access**, a letter for each operand: `r` read, `w` written, `m` read and written, `-` neither (an address only).
 * A destination that keeps its value in some cases is `m`.
 *
 * **Flags**: `r:` read, `w:` written, `u:` undefined, `0:` cleared, `1:` set, and `k:` those that keep their value in some
 * cases (a shift by zero), of `o s z a p c d i t n(T) l(IOPL) v(M) x(AC) r(F)`. `arith` is `w:oszapc`, `logic` is
 * `w:szp u:a 0:oc`.
 *
 * **Class**: one of {@linkcode CLASSES}. **Traits**: those of {@linkcode TRAIT} in lower case, and
 * - `i64` not in 64-bit code, `o64` only there; `d64` operand size 64 there unless 66; `f64` always 64 there;
 * - `lock` takes LOCK with a destination in memory.
 *
 * **Gate** `@NAME`: the CPUID feature (isa_features.ts) without which it is undefined, or, with `else=KEY`, does what that
 * other semantics key does. **Key** `=KEY`: what it does, if that is not its (first) name. Operand kinds and sizes tell
 * the rest: one key serves all widths, and `=jcc`, `=setcc`, `=cmovcc` take the condition from the opcode's low bits.
 *
 * @module
 */

import { INTEGER_ROWS } from "./isa_integer.ts";
import { SSE_ROWS } from "./isa_sse.ts";
import { SYSTEM_ROWS } from "./isa_system.ts";
import { X87_ROWS } from "./isa_x87.ts";

/** Classes of instructions; a row's class is an index into this. */
export const CLASSES = [
  "alu",
  "shift",
  "muldiv",
  "bit",
  "move",
  "nop",
  "flag",
  "bcd",
  "stack",
  "string",
  "branch",
  "call",
  "ret",
  "far",
  "io",
  "segment",
  "system",
  "x87",
  "mmx",
  "sse",
] as const;
/** The name of a class. */
export type InsnClass = typeof CLASSES[number];

/** What else is to be known of an instruction before it is executed. */
export const TRAIT = {
  /** A block of code ends after it: control leaves, or how later code is read or interrupted may change. */
  END: 1 << 0,
  /** #GP unless CPL is 0 (some of them: unless a control register allows it). */
  CPL0: 1 << 1,
  /** #GP depending on CPL and IOPL, the I/O permission map or virtual-8086 mode. */
  IOPL: 1 << 2,
  /** #UD in real-address and virtual-8086 mode, SYSENTER #GP in the first. */
  PM: 1 << 3,
  /** #GP at CPL above 0 while CR4.UMIP. */
  UMIP: 1 << 4,
  /** May raise #DE. */
  DE: 1 << 5,
  /** F2 and F3 repeat it. */
  REP: 1 << 6,
  /** F3 repeats while equal, F2 while not. */
  REPCC: 1 << 7,
  /** #GP unless the memory operand is aligned to 16 bytes. */
  AL16: 1 << 8,
  /** #GP unless it is aligned to 64 bytes. */
  AL64: 1 << 9,
  /** 16 bytes of memory need no alignment. */
  UNAL: 1 << 10,
  /** The name depends on the address size instead of the operand size. */
  BYADDR: 1 << 11,
} as const;

/** All rows, one a line; lines that begin with `//` are comments. */
export const ISA_ROWS: string = INTEGER_ROWS + SYSTEM_ROWS + X87_ROWS + SSE_ROWS;
