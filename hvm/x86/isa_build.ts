/**
 * Compiles the rows of isa.ts into packed tables, on first use, and refuses rows that contradict each other.
 *
 * An opcode is a cell. What a cell still depends on (ModRM, prefixes, mode, ...) are its selectors; the cell's leaves are one
 * array with a row number for each combination of selected values, so that decoding never searches.
 * @module
 */

import { readEncoding } from "./_isa_encoding.ts";
import { leavesOf, type Row, selectors } from "./_isa_leaves.ts";
import { CLASSES, ISA_ROWS, TRAIT } from "./isa.ts";
import { ISA_FEATURE } from "./isa_features.ts";
import { type OperandCode, operandCode, SOURCE } from "./isa_operands.ts";
import { CELL_MODRM, CELL_SHIFT, FORM, type Isa } from "./isa_tables.ts";
import { RFLAGS } from "./state.ts";

let built: Isa | undefined;

/** The compiled table of the real rows. */
export function isa(): Isa {
  return built ??= buildIsa(ISA_ROWS);
}

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
    isa.form[number] = shape.immediate | traits.form | specialForm(operands, shape.map);
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
