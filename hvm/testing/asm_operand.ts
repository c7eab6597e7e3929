/**
 * Operands of the test assembler: registers by name, memory, immediates and references to labels.
 *
 * Sources: [SDM] Intel SDM vol. 2A, ch. 2 (instruction format), table 3-1 (register codes).
 * @module
 */

const LOW8 = ["al", "cl", "dl", "bl"] as const;
const HIGH8 = ["ah", "ch", "dh", "bh"] as const;
const REX8 = ["spl", "bpl", "sil", "dil"] as const;
const WORD = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"] as const;
const SEGMENTS = ["es", "cs", "ss", "ds", "fs", "gs"] as const;

type Word = typeof WORD[number];
type HighNumber = 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15;
type Control = 0 | 2 | 3 | 4 | 8;
type Debug = 0 | 1 | 2 | 3 | 6 | 7;

export type Reg8 = typeof LOW8[number] | typeof HIGH8[number] | typeof REX8[number] | `r${HighNumber}b`;
export type Reg16 = Word | `r${HighNumber}w`;
export type Reg32 = `e${Word}` | `r${HighNumber}d`;
export type Reg64 = `r${Word}` | `r${HighNumber}`;
/** A general-purpose register of any width. */
export type Reg = Reg8 | Reg16 | Reg32 | Reg64;
export type SegmentReg = typeof SEGMENTS[number];
export type ControlReg = `cr${Control}`;
export type DebugReg = `dr${Debug}`;
/** A register that can be the base or the index of an address. */
export type AddressReg = Reg16 | Reg32 | Reg64;

/** Operand width in bytes. */
export type Size = 1 | 2 | 4 | 8;

/** What a register's name stands for. */
export interface RegisterInfo {
  readonly kind: "general" | "segment" | "control" | "debug";
  readonly size: Size;
  /** The number instructions encode, 0 to 15. */
  readonly code: number;
  /** Whether a REX prefix must be there (`sil`) or must not (`ah`); undefined when either goes. */
  readonly rex?: boolean;
}

function registerTable(): Map<string, RegisterInfo> {
  const table = new Map<string, RegisterInfo>();
  LOW8.forEach((name, code) => table.set(name, { kind: "general", size: 1, code }));
  HIGH8.forEach((name, i) => table.set(name, { kind: "general", size: 1, code: 4 + i, rex: false }));
  REX8.forEach((name, i) => table.set(name, { kind: "general", size: 1, code: 4 + i, rex: true }));
  WORD.forEach((name, code) => {
    table.set(name, { kind: "general", size: 2, code });
    table.set(`e${name}`, { kind: "general", size: 4, code });
    table.set(`r${name}`, { kind: "general", size: 8, code });
  });
  for (let code = 8; code < 16; code++) {
    table.set(`r${code}b`, { kind: "general", size: 1, code });
    table.set(`r${code}w`, { kind: "general", size: 2, code });
    table.set(`r${code}d`, { kind: "general", size: 4, code });
    table.set(`r${code}`, { kind: "general", size: 8, code });
  }
  SEGMENTS.forEach((name, code) => table.set(name, { kind: "segment", size: 2, code }));
  for (const code of [0, 2, 3, 4, 8]) table.set(`cr${code}`, { kind: "control", size: 8, code });
  for (const code of [0, 1, 2, 3, 6, 7]) table.set(`dr${code}`, { kind: "debug", size: 8, code });
  return table;
}

const REGISTERS = registerTable();

/** The register of that name, or undefined when it is none (a label, say). */
export function registerOf(name: unknown): RegisterInfo | undefined {
  return typeof name === "string" ? REGISTERS.get(name) : undefined;
}

/** The register of that name. Throws a RangeError when there is none. */
export function register(name: string): RegisterInfo {
  const info = REGISTERS.get(name);
  if (info === undefined) throw new RangeError(`Cannot use ${name}: not a register`);
  return info;
}

/** The address of a label, plus an offset; resolved when the program is assembled. */
export interface Ref {
  readonly label: string;
  readonly plus: number;
}

/** The address of `label`, `plus` bytes on. */
export function ref(label: string, plus = 0): Ref {
  return { label, plus };
}

/** True for what {@linkcode ref} makes. */
export function isRef(value: unknown): value is Ref {
  return typeof value === "object" && value !== null && "label" in value;
}

/** A constant operand. */
export type Imm = number | bigint | Ref;

/** A memory operand. */
export interface Mem {
  readonly base?: AddressReg;
  readonly index?: AddressReg;
  readonly scale: 1 | 2 | 4 | 8;
  readonly disp: number | Ref;
  readonly segment?: SegmentReg;
  /** Needed where no register says the width (`mov dword [x], 5`). */
  readonly size?: Size;
}

/** The parts of an address; see {@linkcode mem}. */
export interface Address {
  readonly base?: AddressReg;
  readonly index?: AddressReg;
  readonly scale?: 1 | 2 | 4 | 8;
  readonly disp?: number | Ref;
  readonly segment?: SegmentReg;
}

/** The ways to write an address: a register, a number, a label's address, or all the parts. */
export type Where = AddressReg | number | Ref | Address;

/**
 * A memory operand of a width that the other operand gives: `mem("rbx", 8)`, `mem(0xfee00020)`, `mem(ref("table"))`,
 * `mem({ base: "rbx", index: "rcx", scale: 4, disp: 8, segment: "fs" })`.
 */
export function mem(where: Where, disp = 0): Mem {
  if (typeof where === "number") return { scale: 1, disp: where + disp };
  if (isRef(where)) return { scale: 1, disp: ref(where.label, where.plus + disp) };
  if (typeof where === "string") return { base: where, scale: 1, disp };
  return { scale: 1, disp, ...where };
}

/** A byte in memory. */
export function byte(where: Where, disp = 0): Mem {
  return { ...mem(where, disp), size: 1 };
}
/** Two bytes in memory. */
export function word(where: Where, disp = 0): Mem {
  return { ...mem(where, disp), size: 2 };
}
/** Four bytes in memory. */
export function dword(where: Where, disp = 0): Mem {
  return { ...mem(where, disp), size: 4 };
}
/** Eight bytes in memory. */
export function qword(where: Where, disp = 0): Mem {
  return { ...mem(where, disp), size: 8 };
}

/** True for what {@linkcode mem} makes. */
export function isMem(value: unknown): value is Mem {
  return typeof value === "object" && value !== null && "scale" in value;
}
