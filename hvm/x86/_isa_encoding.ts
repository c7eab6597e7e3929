/**
 * Reads the encoding column of a row. isa.ts has the legend.
 * @module
 */

import { type OperandCode, SOURCE } from "./isa_operands.ts";
import { IMMEDIATE } from "./isa_tables.ts";

/** An encoding as read. */
export interface Encoding {
  /** As in Isa.cells. */
  readonly map: number;
  readonly opcodes: readonly number[];
  /** Which of the four prefix values fit, as bits, and whether the row named any. */
  readonly prefixes: number;
  readonly namesPrefix: boolean;
  /** Values that fit, as bits; undefined when all do and nothing depends on it. */
  readonly w: number | undefined;
  readonly l: number | undefined;
  readonly b: number | undefined;
  readonly mod3: number | undefined;
  readonly reg: number | undefined;
  readonly rm: number | undefined;
  readonly modrm: boolean;
  /** Which immediate follows: IMMEDIATE of isa_tables.ts. */
  readonly immediate: number;
}

const BOTH = 3;

const MAPS: Readonly<Record<string, number>> = { "0F": 5, "0F38": 6, "0F3A": 7 };

/**
 * Reads the encoding column.
 * @throws {RangeError} when it cannot be read.
 */
export function readEncoding(encoding: string, operands: readonly OperandCode[]): Encoding {
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
): Pick<Encoding, "mod3" | "reg" | "rm" | "modrm" | "immediate"> {
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
  return { mod3, reg, rm, modrm, immediate };
}

/** Memory, register or both, by the operand that ModRM.rm names. */
function modsOf(operands: readonly OperandCode[]): number | undefined {
  const has = (...sources: number[]) => operands.some(({ source }) => sources.includes(source));
  if (has(SOURCE.C, SOURCE.D)) return undefined;
  if (has(SOURCE.M)) return 1;
  return has(SOURCE.R, SOURCE.N, SOURCE.U) ? 2 : undefined;
}
