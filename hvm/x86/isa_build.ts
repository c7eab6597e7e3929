/**
 * Compiles the rows of isa.ts into packed tables, on first use, and refuses rows that contradict each other.
 *
 * An opcode is a cell. What a cell still depends on (ModRM, prefixes, mode, ...) are its selectors; the cell's leaves are one
 * array with a row number for each combination of selected values, so that decoding never searches.
 * @module
 */

import { CLASSES, ISA_ROWS, TRAIT } from "./isa.ts";
import { ISA_FEATURE } from "./isa_features.ts";
import { type OperandCode, operandCode, SOURCE } from "./isa_operands.ts";
import { RFLAGS } from "./state.ts";

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
  readonly leaves: Uint16Array;
  readonly form: Uint32Array;
  /** Four indices into `codes`, a byte each, the first operand lowest. */
  readonly operands: Uint32Array;
  /** Two bits of {@linkcode ACCESS} for each operand. */
  readonly access: Uint8Array;
  readonly traits: Uint32Array;
  /** Index into {@linkcode CLASSES}. */
  readonly classOf: Uint8Array;
  /** Index into `keys`. */
  readonly key: Uint16Array;
  /** Index into `keys` of what is done without the gate's feature; 0: #UD. */
  readonly fallback: Uint16Array;
  /** Index into `gates`; 0: none. */
  readonly gate: Uint8Array;
  /** EFLAGS bits. */
  readonly flagsRead: Uint32Array;
  readonly flagsWritten: Uint32Array;
  readonly flagsUndefined: Uint32Array;
  readonly flagsCleared: Uint32Array;
  readonly flagsSet: Uint32Array;
  readonly flagsKept: Uint32Array;
  /** The names by operand size (16, 32, 64) and the row's text. */
  readonly names: readonly (readonly [string, string, string])[];
  readonly text: readonly string[];
  readonly codes: readonly OperandCode[];
  readonly keys: readonly string[];
  readonly gates: readonly string[];
}

let built: Isa | undefined;

/** The compiled table of the real rows. */
export function isa(): Isa {
  return built ??= buildIsa(ISA_ROWS);
}

/** A row as read. */
interface Row {
  readonly number: number;
  readonly text: string;
  readonly map: number;
  readonly opcodes: readonly number[];
  /** Which of the four prefix values fit, as bits, and whether the row named any. */
  readonly prefixes: number;
  readonly namesPrefix: boolean;
  /** Values that fit, as bits; undefined when all do and nothing depends on it. */
  readonly mode: number | undefined;
  readonly w: number | undefined;
  readonly l: number | undefined;
  readonly b: number | undefined;
  readonly mod3: number | undefined;
  readonly reg: number | undefined;
  readonly rm: number | undefined;
  readonly modrm: boolean;
}

const BOTH = 3;
const ALL = 0xff;

/**
 * Compiles rows.
 * @throws {RangeError} when a row cannot be read or two rows fit one encoding; the message has their text.
 */
export function buildIsa(text: string): Isa {
  const lines = text.split("\n").map((line) => line.trim()).filter((line) =>
    line !== "" && !line.startsWith("//")
  );
  const compiler = new Compiler(lines.length + 1);
  for (const line of lines) compiler.add(line);
  return compiler.finish();
}

class Compiler {
  readonly #rows: Row[] = [];
  readonly #byCell = new Map<number, Row[]>();
  readonly #isa;
  readonly #codeIds = new Map<string, number>();
  readonly #keyIds = new Map<string, number>();
  readonly #gateIds = new Map<string, number>();

  constructor(size: number) {
    this.#isa = {
      cells: new Uint32Array(8 * 256),
      form: new Uint32Array(size),
      operands: new Uint32Array(size),
      access: new Uint8Array(size),
      traits: new Uint32Array(size),
      classOf: new Uint8Array(size),
      key: new Uint16Array(size),
      fallback: new Uint16Array(size),
      gate: new Uint8Array(size),
      flagsRead: new Uint32Array(size),
      flagsWritten: new Uint32Array(size),
      flagsUndefined: new Uint32Array(size),
      flagsCleared: new Uint32Array(size),
      flagsSet: new Uint32Array(size),
      flagsKept: new Uint32Array(size),
      names: [["", "", ""]] as [string, string, string][],
      text: [""],
      codes: [{ code: "", source: SOURCE.NONE, width: 0, fixed: 0 }] as OperandCode[],
      keys: [""],
      gates: [""],
    };
  }

  add(line: string): void {
    try {
      this.#add(line);
    } catch (cause) {
      throw new RangeError(`Cannot compile the row "${line}": ${(cause as Error).message}`, { cause });
    }
  }

  #add(line: string): void {
    const columns = line.split("|").map((column) => column.trim());
    if (columns.length !== 5) throw new RangeError("A row has five columns");
    const [encoding, words, access, flags, rest] = columns as [string, string, string, string, string];
    const number = this.#rows.length + 1;
    const isa = this.#isa;
    const [name = "", list = ""] = words.split(/\s+/);
    const codes = list === "" ? [] : list.split(",").map((code) => this.#code(code));
    isa.text.push(line);
    isa.names.push(threeNames(name));
    isa.access[number] = accessBits(access, codes.length);
    const traits = this.#readRest(number, rest, name.split("/")[0] ?? "");
    const operands = codes.map((id) => isa.codes[id] as OperandCode);
    const shape = readEncoding(encoding, operands);
    isa.operands[number] = this.#operandIds(codes);
    isa.form[number] = shape.form | traits.form | specialForm(operands, shape.map);
    if (alignedByDefault(traits.traits, operands, CLASSES[isa.classOf[number]!] ?? "")) {
      traits.traits |= TRAIT.AL16;
    }
    isa.traits[number] = traits.traits;
    this.#readFlags(number, flags);
    const row: Row = { ...shape, number, text: line, mode: traits.mode };
    this.#rows.push(row);
    for (const opcode of row.opcodes) {
      const cell = row.map << 8 | opcode;
      const rows = this.#byCell.get(cell);
      if (rows === undefined) this.#byCell.set(cell, [row]);
      else rows.push(row);
    }
  }

  #code(code: string): number {
    return idOf(this.#codeIds, code, () => this.#isa.codes.push(operandCode(code)));
  }

  /** The second immediate of a row is another place than the first. */
  #operandIds(codes: readonly number[]): number {
    let immediates = 0;
    return codes.reduce((packed, id, n) => {
      const code = this.#isa.codes[id] as OperandCode;
      if (code.source === SOURCE.I && ++immediates === 2) {
        id = idOf(
          this.#codeIds,
          `${code.code} second`,
          () => this.#isa.codes.push({ ...code, source: SOURCE.I2 }),
        );
      }
      return (packed | id << 8 * n) >>> 0;
    }, 0);
  }

  #key(name: string): number {
    return idOf(this.#keyIds, name, () => this.#isa.keys.push(name));
  }

  #readRest(
    number: number,
    rest: string,
    name: string,
  ): { form: number; traits: number; mode: number | undefined } {
    const [className, ...words] = rest.split(/\s+/);
    const found = CLASSES.findIndex((known) => known === className);
    if (found < 0) throw new RangeError(`There is no class ${className}`);
    const isa = this.#isa;
    isa.classOf[number] = found;
    let key = name;
    let form = 0;
    let traits = ["branch", "call", "ret", "far"].includes(className ?? "") ? TRAIT.END : 0;
    let mode: number | undefined;
    for (const word of words) {
      const trait = TRAIT[word.toUpperCase() as keyof typeof TRAIT];
      if (trait !== undefined) traits |= trait;
      else if (word.startsWith("=")) key = word.slice(1);
      else if (word.startsWith("@")) isa.gate[number] = this.#gate(word.slice(1));
      else if (word.startsWith("else=")) isa.fallback[number] = this.#key(word.slice(5));
      else if (word === "lock") form |= FORM.LOCK;
      else if (word === "d64") form |= FORM.D64;
      else if (word === "f64") form |= FORM.F64;
      else if (word === "i64") mode = 1;
      else if (word === "o64") mode = 2;
      else throw new RangeError(`There is no trait ${word}`);
    }
    isa.key[number] = this.#key(key);
    return { form, traits, mode };
  }

  #gate(name: string): number {
    if (!Object.hasOwn(ISA_FEATURE, name)) throw new RangeError(`There is no feature ${name}`);
    return idOf(this.#gateIds, name, () => this.#isa.gates.push(name));
  }

  #readFlags(number: number, flags: string): void {
    const isa = this.#isa;
    const expanded = flags.replace("arith", "w:oszapc").replace("logic", "w:szp u:a 0:oc");
    for (const word of expanded.split(/\s+/).filter((one) => one !== "")) {
      const into =
        { r: isa.flagsRead, w: isa.flagsWritten, u: isa.flagsUndefined, k: isa.flagsKept }[word[0] ?? ""] ??
          { "0": isa.flagsCleared, "1": isa.flagsSet }[word[0] ?? ""];
      if (into === undefined || word[1] !== ":") throw new RangeError(`Cannot read the flags ${word}`);
      for (const letter of word.slice(2)) into[number]! |= flagBit(letter);
    }
  }

  finish(): Isa {
    const leaves: number[] = [0];
    for (const [cell, rows] of this.#byCell) {
      const select = selectors(rows);
      if (new Set(rows.map((row) => row.modrm)).size > 1) {
        throw new RangeError(
          `Contradiction: only one has ModRM: "${rows.map((row) => row.text).join('", "')}"`,
        );
      }
      const modrm = rows[0]?.modrm ? CELL_MODRM : 0;
      this.#isa.cells[cell] = (leaves.length << CELL_SHIFT | modrm | select) >>> 0;
      leaves.push(...leavesOf(rows, select));
    }
    return { ...this.#isa, leaves: Uint16Array.from(leaves) };
  }
}

function idOf(ids: Map<string, number>, name: string, push: () => number): number {
  let id = ids.get(name);
  if (id === undefined) ids.set(name, id = push() - 1);
  return id;
}

function threeNames(name: string): [string, string, string] {
  const [first = "", second = first, third = second] = name.split("/");
  return [first, second, third];
}

function accessBits(letters: string, operands: number): number {
  if (letters.length !== operands) {
    throw new RangeError(`There are ${operands} operands and ${letters.length} accesses`);
  }
  return [...letters].reduce((bits, letter, n) => {
    const value = "-rwm".indexOf(letter);
    if (value < 0) throw new RangeError(`There is no access ${letter}`);
    return bits | value << 2 * n;
  }, 0);
}

const FLAG_LETTERS: Readonly<Record<string, number>> = {
  o: RFLAGS.OF,
  s: RFLAGS.SF,
  z: RFLAGS.ZF,
  a: RFLAGS.AF,
  p: RFLAGS.PF,
  c: RFLAGS.CF,
  d: RFLAGS.DF,
  i: RFLAGS.IF,
  t: RFLAGS.TF,
  n: RFLAGS.NT,
  l: RFLAGS.IOPL,
  v: RFLAGS.VM,
  x: RFLAGS.AC,
  r: RFLAGS.RF,
};

function flagBit(letter: string): number {
  const bit = FLAG_LETTERS[letter];
  if (bit === undefined) throw new RangeError(`There is no flag ${letter}`);
  return bit;
}

/** Legacy SSE faults on 16 bytes that are not aligned. [SDM] vol. 1, 4.1.1 */
function alignedByDefault(traits: number, operands: readonly OperandCode[], className: string): boolean {
  if (className !== "sse" || (traits & TRAIT.UNAL) !== 0) return false;
  return operands.some(({ source, code }) =>
    (source === SOURCE.W || source === SOURCE.M) && /^[WM](dq|ps|pd)$/.test(code)
  );
}

function specialForm(operands: readonly OperandCode[], map: number): number {
  let form = 0;
  const has = (source: number) => operands.some((one) => one.source === source);
  if (has(SOURCE.S)) form |= FORM.SEGMENT;
  if (operands[0]?.source === SOURCE.S) form |= FORM.SEGMENT_WRITE;
  if (has(SOURCE.C)) form |= FORM.CONTROL | FORM.ANY_MOD;
  if (has(SOURCE.D)) form |= FORM.DEBUG | FORM.ANY_MOD;
  if (map > 4 && !has(SOURCE.B) && !has(SOURCE.H)) form |= FORM.NO_VVVV;
  return form;
}

type Shape = Omit<Row, "number" | "text" | "mode"> & { form: number };

const MAPS: Readonly<Record<string, number>> = { "0F": 5, "0F38": 6, "0F3A": 7 };

/** Reads the encoding column. */
function readEncoding(encoding: string, operands: readonly OperandCode[]): Shape {
  const words = encoding.split(/\s+/);
  let at = 0;
  let map = 0;
  const need: { prefixes?: number; w?: number; l?: number; b?: number } = {};
  if (words[0]?.startsWith("VEX.")) {
    const [, l = "", prefix = "", vexMap = "", w = "WIG"] = words[at++]!.split(".");
    map = MAPS[vexMap] ?? fail(`There is no map ${vexMap}`);
    need.l = { LZ: 1, L0: 1, L1: 2, LIG: BOTH }[l] ?? fail(`Cannot read ${l}`);
    need.prefixes = PREFIX_WORDS[prefix] ?? fail(`Cannot read ${prefix}`);
    need.w = { W0: 1, W1: 2, WIG: BOTH }[w] ?? fail(`Cannot read ${w}`);
  } else {
    const prefix = PREFIX_WORDS[words[0] ?? ""];
    if (prefix !== undefined) {
      need.prefixes = prefix;
      at++;
    }
    if (words[at] === "0F") map = { "38": 2, "3A": 3 }[words[++at] ?? ""] ?? 1;
    if (map > 1) at++;
  }
  const opcode = /^([0-9A-F]{2})(\+r)?$/.exec(words[at++] ?? "") ?? fail("There is no opcode");
  const first = parseInt(opcode[1]!, 16);
  const opcodes = Array.from({ length: opcode[2] ? 8 : 1 }, (_, n) => first + n);
  const modrm = readModRm(words.slice(at), operands, need);
  return {
    map,
    opcodes,
    prefixes: need.prefixes ?? 15,
    namesPrefix: need.prefixes !== undefined,
    w: need.w === BOTH ? undefined : need.w,
    l: need.l === BOTH ? undefined : need.l,
    b: need.b,
    ...modrm,
  };
}

/** None, 66, F3, F2 as bits. */
const PREFIX_WORDS: Readonly<Record<string, number>> = { NP: 1, NFx: 3, "66": 2, F3: 4, F2: 8 };

function fail(message: string): never {
  throw new RangeError(message);
}

const IMMEDIATE_WORDS: Readonly<Record<string, number>> = {
  ib: IMMEDIATE.BYTE,
  iw: IMMEDIATE.WORD,
  iz: IMMEDIATE.Z,
  iv: IMMEDIATE.V,
  cb: IMMEDIATE.SIGNED_BYTE,
  cz: IMMEDIATE.Z,
  cp: IMMEDIATE.FAR,
  ob: IMMEDIATE.ADDRESS,
  ov: IMMEDIATE.ADDRESS,
};

/** What stands behind the opcode. */
function readModRm(
  words: readonly string[],
  operands: readonly OperandCode[],
  need: { w?: number; b?: number },
): Pick<Shape, "mod3" | "reg" | "rm" | "modrm" | "form"> {
  let mod3 = modsOf(operands);
  let reg: number | undefined;
  let rm: number | undefined;
  let modrm = false;
  let immediate = 0;
  for (const word of words) {
    const fixed = /^([0-9A-F]{2})(\+i)?$/.exec(word);
    if (/^\/[0-7r]$/.test(word)) {
      modrm = true;
      if (word !== "/r") reg = 1 << Number(word[1]);
    } else if (fixed !== null) {
      const value = parseInt(fixed[1]!, 16);
      modrm = true;
      mod3 = 2;
      reg = 1 << (value >> 3 & 7);
      if (fixed[2] === undefined) rm = 1 << (value & 7);
    } else if (/^REX\.[WB][01]$/.test(word)) {
      need[word[4] === "W" ? "w" : "b"] = word[5] === "0" ? 1 : 2;
    } else {
      const kind = IMMEDIATE_WORDS[word] ?? fail(`Cannot read ${word}`);
      if (immediate === 0) immediate = kind;
      else immediate = immediate === IMMEDIATE.WORD ? IMMEDIATE.WORD_BYTE : IMMEDIATE.BYTE_BYTE;
    }
  }
  if (immediate === IMMEDIATE.BYTE && operands.some(({ code }) => code === "Ibs")) {
    immediate = IMMEDIATE.SIGNED_BYTE;
  }
  return { mod3, reg, rm, modrm, form: immediate };
}

/** Memory, register or both, by the operand that ModRM.rm names. */
function modsOf(operands: readonly OperandCode[]): number | undefined {
  const has = (...sources: number[]) => operands.some(({ source }) => sources.includes(source));
  if (has(SOURCE.C, SOURCE.D)) return undefined;
  if (has(SOURCE.M)) return 1;
  return has(SOURCE.R, SOURCE.N, SOURCE.U) ? 2 : undefined;
}

/** What the rows of one cell depend on. */
function selectors(rows: readonly Row[]): number {
  const any = (test: (row: Row) => boolean, bit: number) => rows.some(test) ? bit : 0;
  return any((row) => row.mode !== undefined, SELECT.MODE) |
    any((row) => row.namesPrefix, SELECT.PREFIX) |
    any((row) => row.w !== undefined, SELECT.W) |
    any((row) => row.l !== undefined, SELECT.L) |
    any((row) => row.b !== undefined, SELECT.B) |
    any((row) => row.mod3 !== undefined, SELECT.MOD3) |
    any((row) => row.reg !== undefined, SELECT.REG) |
    any((row) => row.rm !== undefined, SELECT.RM);
}

/** The row numbers of a cell in the order the decoder counts: MODE most significant, RM least. */
function leavesOf(rows: readonly Row[], select: number): number[] {
  const count = (bit: number, values: number) => (select & bit) !== 0 ? values : 1;
  const dims = [
    count(SELECT.MODE, 2),
    count(SELECT.PREFIX, 4),
    count(SELECT.W, 2),
    count(SELECT.L, 2),
    count(SELECT.B, 2),
    count(SELECT.MOD3, 2),
    count(SELECT.REG, 8),
    count(SELECT.RM, 8),
  ];
  const total = dims.reduce((product, n) => product * n, 1);
  const leaves = new Array<number>(total).fill(0);
  const owner = new Array<Row | undefined>(total);
  for (const row of rows) {
    const allowed = [
      row.mode ?? BOTH,
      row.prefixes,
      row.w ?? BOTH,
      row.l ?? BOTH,
      row.b ?? BOTH,
      row.mod3 ?? BOTH,
      row.reg ?? ALL,
      row.rm ?? ALL,
    ];
    for (const slot of slotsOf(dims, allowed)) {
      const before = owner[slot];
      if (before !== undefined && before.namesPrefix === row.namesPrefix) {
        throw new RangeError(`Contradiction: two rows fit one encoding: "${before.text}" and "${row.text}"`);
      }
      if (before?.namesPrefix === true) continue;
      owner[slot] = row;
      leaves[slot] = row.number;
    }
  }
  return leaves;
}

/** The leaves that a row's allowed values reach. */
function slotsOf(dims: readonly number[], allowed: readonly number[]): number[] {
  return dims.reduce<number[]>((slots, size, n) => {
    if (size === 1) return slots;
    const values = Array.from({ length: size }, (_, value) => value)
      .filter((value) => (allowed[n]! >> value & 1) === 1);
    return slots.flatMap((slot) => values.map((value) => slot * size + value));
  }, [0]);
}
