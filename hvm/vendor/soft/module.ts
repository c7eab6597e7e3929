/**
 * The interpreter's module: which forms there are, and the compiled code, made once in a thread.
 * @module
 */

import { decode, OK } from "../../x86/decode.ts";
import { BRANCH } from "../../x86/exec/branch.ts";
import { INTEGER } from "../../x86/exec/integer.ts";
import type { Semantics } from "../../x86/exec/sem.ts";
import { SSE } from "../../x86/exec/sse.ts";
import { X87 } from "../../x86/exec/x87.ts";
import { Insn } from "../../x86/insn.ts";
import { isa } from "../../x86/isa_build.ts";
import { CELL_MODRM, SELECT } from "../../x86/isa_tables.ts";
import type { HandlerTable } from "./blocks.ts";
import { formOf, semanticKey, signatureOf } from "./forms.ts";
import { buildInterpreter, type FormEntry, HANDLER, isInline } from "./interp.ts";
import { SYSTEM_OPS } from "./system_ops.ts";

/** Every semantic that is emitted. */
export const SEMANTICS: Semantics = { ...INTEGER, ...SSE, ...X87, ...BRANCH };

/** A compiled interpreter. */
export interface SoftModule {
  readonly module: WebAssembly.Module;
}

let forms: FormEntry[] | undefined;
let table: HandlerTable | undefined;

/** Every form of every instruction, inline ones first. */
export function allForms(): FormEntry[] {
  return forms ??= enumerate();
}

/** Numbers of handlers. */
export function ISA_HANDLERS(): HandlerTable {
  if (table !== undefined) return table;
  const handlers = new Map<string, number>();
  allForms().forEach(({ form }, n) => handlers.set(signatureOf(form), HANDLER.FIRST_FORM + n));
  return table = { semantics: SEMANTICS, handlers, system: new Set(Object.keys(SYSTEM_OPS)) };
}

/** Builds and compiles the interpreter for a guest of so many WebAssembly pages of RAM. */
export function compileInterpreter(
  memory: { statePages: number; ramPages: number; wide: boolean },
): SoftModule {
  return { module: new WebAssembly.Module(buildInterpreter(allForms(), memory)) };
}

/** Prefixes that forms may depend on. */
const PREFIXES: readonly (readonly number[])[] = [
  [],
  [0x66],
  [0x67],
  [0x66, 0x67],
  [0xf3],
  [0xf2],
  [0xf3, 0x66],
  [0xf2, 0x66],
  [0xf3, 0x67],
  [0xf2, 0x67],
  [0xf3, 0x66, 0x67],
  [0xf2, 0x66, 0x67],
];

/** The first of them choose sizes, the others F2 and F3 too. */
const SIZES = 4;
/** MOVS to SCAS, the instructions whose repeats are forms of their own. */
const FIRST_STRING = 0xa4;
const LAST_STRING = 0xaf;

/** The values of ModRM that a cell tells apart. */
function modrmsOf(cell: number): number[] {
  if ((cell & CELL_MODRM) === 0) return [0];
  const regs = (cell & SELECT.REG) !== 0 ? [0, 1, 2, 3, 4, 5, 6, 7] : [0];
  const rms = (cell & SELECT.RM) !== 0 ? [0, 1, 2, 3, 4, 5, 6, 7] : [0];
  return regs.flatMap((reg) => [reg << 3, ...rms.map((rm) => 0xc0 | reg << 3 | rm)]);
}

/** Finds the forms by decoding every cell with every prefix and ModRM that makes a difference. */
function enumerate(): FormEntry[] {
  const { cells } = isa();
  const found = new Map<string, FormEntry>();
  const insn = new Insn();
  const bytes = new Uint8Array(32);
  for (let cell = 0; cell < cells.length; cell++) {
    if (cells[cell] === 0) continue;
    const modrms = modrmsOf(cells[cell]!);
    const repeats = cell >= FIRST_STRING && cell <= LAST_STRING;
    const mandatory = (cells[cell]! & SELECT.PREFIX) !== 0;
    const prefixes = cell >> 8 >= 5
      ? [[], [0x67]]
      : repeats || mandatory
      ? PREFIXES
      : PREFIXES.slice(0, SIZES);
    for (const mode of [16, 32, 64]) {
      for (const prefix of prefixes) {
        for (const wide of mode === 64 ? [0, 1] : [0]) {
          for (const opcode of encodings(cell, wide)) {
            const start = [...prefix, ...opcode];
            for (const modrm of modrms) {
              bytes.fill(0);
              bytes.set(start);
              bytes[start.length] = modrm;
              if (decode(bytes, 0, 32, mode, insn) === OK) collect(insn, found);
            }
          }
        }
      }
    }
  }
  const entries = [...found.values()];
  return [...entries.filter(isInline), ...entries.filter((entry) => !isInline(entry))];
}

/** The bytes in front of ModRM that reach a cell. */
function encodings(cell: number, wide: number): number[][] {
  const map = cell >> 8;
  const opcode = cell & 0xff;
  const rex = wide === 1 ? [0x48] : [];
  if (map < 4) return [[...rex, ...[[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]][map]!, opcode]];
  return [0, 1, 2, 3].flatMap((pp) =>
    [0, 4].map((l) => [0xc4, 0xe0 | map - 4, wide << 7 | 0x78 | l | pp, opcode])
  );
}

function collect(insn: Insn, found: Map<string, FormEntry>): void {
  for (const has of [true, false]) {
    const key = semanticKey(insn, () => has);
    const semantic = key === undefined ? undefined : SEMANTICS[key];
    if (key === undefined || semantic === undefined) continue;
    const stacks = semantic.uses?.includes("stack") ? insn.mode === 64 ? [8] : [2, 4] : [8];
    for (const stack of stacks) {
      const form = formOf(insn, key, semantic, stack);
      const signature = signatureOf(form);
      if (!found.has(signature)) found.set(signature, { form, semantic });
    }
  }
}
