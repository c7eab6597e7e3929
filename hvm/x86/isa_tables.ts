/**
 * The form of the compiled instruction table: what isa_build.ts makes of the rows and the decoder and others read.
 * @module
 */

import type { OperandCode } from "./isa_operands.ts";

/** What a cell depends on, in the order of significance in a leaf's number. */
export const SELECT = {
  /** 64-bit code or not. */
  MODE: 1 << 0,
  /** None, 66, F3, F2. */
  PREFIX: 1 << 1,
  W: 1 << 2,
  L: 1 << 3,
  /** REX.B. */
  B: 1 << 4,
  /** ModRM.mod is 3. */
  MOD3: 1 << 5,
  REG: 1 << 6,
  RM: 1 << 7,
} as const;
/** A cell's word: selectors, this bit when ModRM follows the opcode, and the first leaf's number above. */
export const CELL_MODRM = 1 << 8;
/** Where the first leaf's number begins in a cell's word. */
export const CELL_SHIFT = 9;

/** What the decoder does after it has found the row. */
export const FORM = {
  /** Which immediate follows: {@linkcode IMMEDIATE}. */
  IMMEDIATE: 0xf,
  LOCK: 1 << 4,
  D64: 1 << 5,
  F64: 1 << 6,
  /** ModRM.mod counts as 3. */
  ANY_MOD: 1 << 7,
  /** ModRM.reg is a segment register; CS cannot be its destination. */
  SEGMENT: 1 << 8,
  SEGMENT_WRITE: 1 << 9,
  /** ModRM.reg is a control register, a debug register. */
  CONTROL: 1 << 10,
  DEBUG: 1 << 11,
  /** VEX.vvvv is not an operand and must be 1111b. */
  NO_VVVV: 1 << 12,
} as const;

/** What follows ModRM and its displacement. */
export const IMMEDIATE = {
  NONE: 0,
  /** A byte, kept unsigned. */
  BYTE: 1,
  /** A byte, sign-extended. */
  SIGNED_BYTE: 2,
  WORD: 3,
  /** 2 or 4 bytes by operand size, sign-extended. */
  Z: 4,
  /** 2, 4 or 8 bytes by operand size. */
  V: 5,
  /** A far pointer. */
  FAR: 6,
  /** An address of the address size. */
  ADDRESS: 7,
  WORD_BYTE: 8,
  BYTE_BYTE: 9,
} as const;

/** How an operand is accessed. */
export const ACCESS = { NONE: 0, R: 1, W: 2, RW: 3 } as const;

/** The compiled table. Arrays with a number for each row have row 0 empty. */
export interface Isa {
  /** By map (0 one byte, 1 0F, 2 0F38, 3 0F3A, 5-7 the last three behind VEX) and opcode. */
  readonly cells: Uint32Array;
  /** Row numbers; a cell's own begin where its word says. */
  readonly leaves: Uint16Array;
  /** Bits of {@linkcode FORM}. */
  readonly form: Uint32Array;
  /** Four indices into `codes`, a byte each, the first operand lowest. */
  readonly operands: Uint32Array;
  /** Two bits of {@linkcode ACCESS} for each operand. */
  readonly access: Uint8Array;
  /** Bits of TRAIT of isa.ts. */
  readonly traits: Uint32Array;
  /** Index into CLASSES of isa.ts. */
  readonly classOf: Uint8Array;
  /** Index into `keys`. */
  readonly key: Uint16Array;
  /** Index into `keys` of what is done without the gate's feature; 0: #UD. */
  readonly fallback: Uint16Array;
  /** Index into `gates`; 0: none. */
  readonly gate: Uint8Array;
  /** EFLAGS bits that are read. */
  readonly flagsRead: Uint32Array;
  /** Those given a value that depends on the operands. */
  readonly flagsWritten: Uint32Array;
  /** Those undefined afterwards, in some cases at least. */
  readonly flagsUndefined: Uint32Array;
  /** Those cleared. */
  readonly flagsCleared: Uint32Array;
  /** Those set. */
  readonly flagsSet: Uint32Array;
  /** Those changed, but keep their value in some cases. */
  readonly flagsKept: Uint32Array;
  /** The names by operand size (16, 32, 64) and the row's text. */
  readonly names: readonly (readonly [string, string, string])[];
  readonly text: readonly string[];
  readonly codes: readonly OperandCode[];
  readonly keys: readonly string[];
  readonly gates: readonly string[];
}
