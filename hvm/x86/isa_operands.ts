/**
 * Operand codes: the words of the manual's opcode maps that rows use, as where an operand is and how wide it is.
 *
 * Sources: [SDM] vol. 2D, appendix A.2; [APM] vol. 3, A.1.
 * @module
 */

/** Where an operand is found. */
export const SOURCE = {
  NONE: 0,
  /** ModRM.rm: a general register or memory. */
  E: 1,
  /** ModRM.rm: memory only. */
  M: 2,
  /** ModRM.rm: a general register only. */
  R: 3,
  /** ModRM.rm: a general register whatever ModRM.mod says (moves to and from CR and DR). */
  R_ANY_MOD: 4,
  /** ModRM.reg: a general register. */
  G: 5,
  /** The low three opcode bits: a general register. */
  Z: 6,
  /** VEX.vvvv: a general register. */
  B: 7,
  /** The immediate. */
  I: 8,
  /** The second immediate. */
  I2: 9,
  /** A branch displacement. */
  J: 10,
  /** A far pointer in the instruction. */
  A: 11,
  /** An address in the instruction, without ModRM. */
  O: 12,
  /** Memory at rSI. */
  X: 13,
  /** Memory at ES:rDI. */
  Y: 14,
  /** Memory at rBX + AL. */
  T: 15,
  /** ModRM.reg: a segment, control, debug, MMX, XMM register. */
  S: 16,
  C: 17,
  D: 18,
  P: 19,
  V: 20,
  /** ModRM.rm: MMX register or memory; MMX register only. */
  Q: 21,
  N: 22,
  /** ModRM.rm: XMM register or memory; XMM register only. */
  W: 23,
  U: 24,
  /** VEX.vvvv: an XMM register. */
  H: 25,
  /** The x87 stack's top, and ST(rm). */
  ST: 26,
  STI: 27,
  /** A general register, a segment register, a vector register or the number 1, given by the code itself. */
  FIXED: 28,
  FIXED_SEGMENT: 29,
  FIXED_XMM: 30,
  ONE: 31,
} as const;
export type Source = typeof SOURCE[keyof typeof SOURCE];

/** How wide an operand is. */
export const WIDTH = {
  NONE: 0,
  B: 1,
  W: 2,
  D: 3,
  Q: 4,
  /** 16 bytes. */
  DQ: 5,
  /** 10 bytes. */
  T: 6,
  /** The operand size: 2, 4 or 8. */
  V: 7,
  /** 2 with a 16-bit operand size, else 4. */
  Z: 8,
  /** 8 with REX.W or VEX.W in 64-bit code, else 4. */
  Y: 9,
  /** 8 in 64-bit code, else 4. */
  MODE: 10,
  /** The address size: 2, 4 or 8. */
  ADDRESS: 11,
  /** A selector after an offset of the operand size: 4, 6 or 10. */
  P: 12,
  /** A 16-bit limit and a base: 6, or 10 in 64-bit code. */
  S: 13,
  /** Two numbers of 16 or 32 bits. */
  A: 14,
  /** 14 or 28 bytes of x87 environment; 94 or 108 of x87 state. */
  ENV: 15,
  STATE: 16,
  /** 64 and 512 bytes. */
  X64: 17,
  X512: 18,
  /** Operand size as a register, two bytes as memory; 4 bytes as a register, one or two as memory. */
  V_OR_W: 19,
  D_OR_B: 20,
  D_OR_W: 21,
} as const;
export type OperandWidth = typeof WIDTH[keyof typeof WIDTH];

/** One operand code. */
export interface OperandCode {
  readonly code: string;
  readonly source: Source;
  readonly width: OperandWidth;
  /** The number of a fixed register. */
  readonly fixed: number;
}

const S = SOURCE;
const W = WIDTH;
const WIDTH_SUFFIX: Readonly<Record<string, OperandWidth>> = {
  "": W.NONE,
  b: W.B,
  w: W.W,
  d: W.D,
  q: W.Q,
  dq: W.DQ,
  t: W.T,
  v: W.V,
  z: W.Z,
  y: W.Y,
  "d/q": W.MODE,
  a: W.ADDRESS,
  p: W.P,
  s: W.S,
  env: W.ENV,
  st: W.STATE,
  "64": W.X64,
  "512": W.X512,
  ps: W.DQ,
  pd: W.DQ,
  ss: W.D,
  sd: W.Q,
  bs: W.B,
};

const SOURCE_LETTER: Readonly<Record<string, Source>> = {
  E: S.E,
  M: S.M,
  R: S.R,
  G: S.G,
  Z: S.Z,
  B: S.B,
  I: S.I,
  J: S.J,
  A: S.A,
  O: S.O,
  X: S.X,
  Y: S.Y,
  T: S.T,
  S: S.S,
  C: S.C,
  D: S.D,
  P: S.P,
  V: S.V,
  Q: S.Q,
  N: S.N,
  W: S.W,
  U: S.U,
  H: S.H,
};

/** Codes that are not a letter with a width. */
const SPECIAL: Readonly<Record<string, readonly [Source, OperandWidth, number]>> = {
  AL: [S.FIXED, W.B, 0],
  CL: [S.FIXED, W.B, 1],
  AX: [S.FIXED, W.W, 0],
  DX: [S.FIXED, W.W, 2],
  eAX: [S.FIXED, W.Z, 0],
  rAX: [S.FIXED, W.V, 0],
  ES: [S.FIXED_SEGMENT, W.W, 0],
  CS: [S.FIXED_SEGMENT, W.W, 1],
  SS: [S.FIXED_SEGMENT, W.W, 2],
  DS: [S.FIXED_SEGMENT, W.W, 3],
  FS: [S.FIXED_SEGMENT, W.W, 4],
  GS: [S.FIXED_SEGMENT, W.W, 5],
  XMM0: [S.FIXED_XMM, W.DQ, 0],
  ST: [S.ST, W.T, 0],
  STi: [S.STI, W.T, 0],
  "1": [S.ONE, W.B, 0],
  Ma: [S.M, W.A, 0],
  Ap: [S.A, W.P, 0],
  "Rv/Mw": [S.E, W.V_OR_W, 0],
  "Rd/Mb": [S.E, W.D_OR_B, 0],
  "Rd/Mw": [S.E, W.D_OR_W, 0],
};

/**
 * Reads an operand code.
 * @throws {RangeError} when there is no such code.
 */
export function operandCode(code: string): OperandCode {
  const special = SPECIAL[code];
  if (special !== undefined) return { code, source: special[0], width: special[1], fixed: special[2] };
  const source = SOURCE_LETTER[code.charAt(0)];
  const width = WIDTH_SUFFIX[code.slice(1)];
  if (source === undefined || width === undefined) throw new RangeError(`There is no operand code ${code}`);
  return { code, source, width, fixed: 0 };
}
