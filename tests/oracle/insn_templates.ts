/**
 * What the oracle tries: every row of the instruction table in every form that user code can execute.
 * @module
 */

import { formOf, semanticKey, signatureOf } from "../../hvm/vendor/soft/forms.ts";
import { ISA_HANDLERS } from "../../hvm/vendor/soft/module.ts";
import { decode, OK } from "../../hvm/x86/decode.ts";
import { classOf, Insn, traitsOf } from "../../hvm/x86/insn.ts";
import { type InsnClass, TRAIT } from "../../hvm/x86/isa.ts";
import { isa } from "../../hvm/x86/isa_build.ts";
import { CELL_MODRM, FORM, SELECT } from "../../hvm/x86/isa_tables.ts";

/** An encoding with the parts that may be chosen freely left open. */
export interface Template {
  readonly mode: 16 | 32 | 64;
  readonly row: number;
  readonly key: string;
  /** Legacy prefixes. */
  readonly prefixes: readonly number[];
  /** REX.W or VEX.W. */
  readonly wide: number;
  /** The opcode with its escape bytes, or the VEX prefix with it. */
  readonly opcode: readonly number[];
  readonly vex: boolean;
  /** VEX.vvvv may be anything. */
  readonly freeVvvv: boolean;
  /** -1: no ModRM byte. */
  readonly modrm: number;
  /** Bits of ModRM that are the instruction's. */
  readonly modrmFixed: number;
  /** Names form, operand size and mode. */
  readonly name: string;
}

/** A row that is left out, and why. */
export interface LeftOut {
  readonly text: string;
  readonly why: string;
}

const BY_CLASS: Partial<Record<InsnClass, string>> = {
  far: "it changes code segments or levels",
  io: "ports are devices': tests/guests has them",
  system: "it is the system's or depends on the host",
  segment: "selectors and bases are the host's",
};

/** Keys, each with the reason. */
const BY_KEY: Readonly<Record<string, string>> = Object.fromEntries(
  ([
    [
      "f2xm1 fcos fpatan fptan fsin fsincos fyl2x fyl2xp1",
      "transcendental: x87_test.ts has them, with tolerances",
    ],
    ["fnsave fnstenv", "they store addresses of code and data: unit tests"],
    [
      "fxsave fxrstor xsave xsaveopt xsavec xsaves xrstor xrstors",
      "they move more than the window: unit tests",
    ],
    ["pushf popf", "the trap flag that the oracle works with is in them: unit tests"],
    ["pushseg popseg popss movtoseg movfromseg lds les lss lfs lgs", "selectors are the host's"],
    ["lar lsl verr verw", "descriptors are the host's: tests/guests has them"],
    ["rdfsbase rdgsbase wrfsbase wrgsbase", "the bases are the host's"],
    ["rdrand rdseed rdpid cpuid xgetbv rdtsc rdtscp rdpmc", "the answer is the host's"],
    ["ud0 ud1 ud2 hlt cli sti", "unit tests have them"],
    ["clflush clflushopt clwb", "they leave nothing to compare"],
  ] as const).flatMap(([keys, why]) => keys.split(" ").map((key) => [key, why])),
);

/** Why a row is not for the oracle; undefined when it is. */
function reasonFor(insn: Insn, key: string): string | undefined {
  if (Object.hasOwn(BY_KEY, key)) return BY_KEY[key];
  if ((traitsOf(insn) & (TRAIT.CPL0 | TRAIT.IOPL | TRAIT.UMIP)) !== 0) {
    return "it depends on the level: unit tests";
  }
  return BY_CLASS[classOf(insn)];
}

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
];

/** Finds the templates by decoding every opcode cell with every prefix and ModRM that makes a difference. */
export function templates(): { readonly found: readonly Template[]; readonly leftOut: readonly LeftOut[] } {
  const { cells, text } = isa();
  const found = new Map<string, Template>();
  const leftOut = new Map<number, LeftOut>();
  const insn = new Insn();
  for (let cell = 0; cell < cells.length; cell++) {
    if (cells[cell] === 0) continue;
    for (const mode of [16, 32, 64] as const) {
      for (const wide of mode === 64 ? [0, 1] : [0]) {
        for (const encoding of encodingsOf(cell, wide)) {
          for (const { modrm, fixed } of modrmsOf(cells[cell]!)) {
            for (const prefixes of encoding.vex ? [[], [0x67]] : PREFIXES) {
              const bytes = Uint8Array.of(
                ...prefixes,
                ...encoding.rex,
                ...encoding.opcode,
                Math.max(0, modrm),
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
              );
              if (decode(bytes, 0, bytes.length, mode, insn) !== OK) continue;
              const key = semanticKey(insn, () => true);
              if (key === undefined) continue;
              const why = implemented(key) ? reasonFor(insn, key) : "hvm's processor does not have it yet";
              if (why !== undefined) {
                leftOut.set(insn.row, { text: text[insn.row]!, why });
                continue;
              }
              const name = nameOf(insn, key, prefixes);
              if (found.has(name)) continue;
              const freeVvvv = encoding.vex && (isa().form[insn.row]! & FORM.NO_VVVV) === 0;
              found.set(name, {
                mode,
                row: insn.row,
                key,
                prefixes,
                wide,
                ...encoding,
                freeVvvv,
                modrm,
                modrmFixed: fixed,
                name,
              });
            }
          }
        }
      }
    }
  }
  return { found: [...found.values()], leftOut: [...leftOut.values()] };
}

function implemented(key: string): boolean {
  const { semantics, system } = ISA_HANDLERS();
  return Object.hasOwn(semantics, key) || system.has(key);
}

function nameOf(insn: Insn, key: string, prefixes: readonly number[]): string {
  const { semantics } = ISA_HANDLERS();
  const semantic = semantics[key];
  const form = semantic === undefined ? key : signatureOf(formOf(insn, key, semantic, insn.mode / 8));
  const where = insn.mod === 3 ? "register" : insn.mod < 0 ? "" : "memory";
  const repeat = prefixes[0] === 0xf2 || prefixes[0] === 0xf3 ? prefixes[0]!.toString(16) : "";
  return [insn.row, insn.mode, insn.operandSize, insn.addressSize, where, repeat, form].join(" ");
}

/** The bytes in front of ModRM that reach a cell. */
function encodingsOf(cell: number, wide: number) {
  const map = cell >> 8;
  const opcode = cell & 0xff;
  const rex = wide === 1 ? [0x48] : [];
  const escape = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]][map];
  if (escape !== undefined) return [{ rex, opcode: [...escape, opcode], vex: false }];
  return [0, 1, 2, 3].flatMap((pp) =>
    [0, 4].map((l) => ({
      rex: [],
      opcode: [0xc4, 0xe0 | map - 4, wide << 7 | 0x78 | l | pp, opcode],
      vex: true,
    }))
  );
}

/** Registers and memory, for each value of the bits that belong to the instruction. */
function modrmsOf(cell: number): { modrm: number; fixed: number }[] {
  if ((cell & CELL_MODRM) === 0) return [{ modrm: -1, fixed: 0 }];
  const regs = (cell & SELECT.REG) !== 0 ? [0, 1, 2, 3, 4, 5, 6, 7] : [0];
  const rms = (cell & SELECT.RM) !== 0 ? [0, 1, 2, 3, 4, 5, 6, 7] : [0];
  const regMask = (cell & SELECT.REG) !== 0 ? 0x38 : 0;
  const rmMask = (cell & SELECT.RM) !== 0 ? 7 : 0;
  return regs.flatMap((reg) => [
    { modrm: reg << 3, fixed: regMask },
    ...rms.map((rm) => ({ modrm: 0xc0 | reg << 3 | rm, fixed: regMask | rmMask })),
  ]);
}
