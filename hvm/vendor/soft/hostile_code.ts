/**
 * Hostile bytes: instructions of every row of the table with operands that mean something to a processor, and noise.
 * @module
 */

import { decode, OK } from "../../x86/decode.ts";
import { Insn } from "../../x86/insn.ts";
import { isa } from "../../x86/isa_build.ts";
import { CELL_MODRM } from "../../x86/isa_tables.ts";

/** Where things are in the RAM of the hostile guest. */
export const PLACE = {
  GDT: 0x2000,
  LDT: 0x2800,
  /** Gates of 16 bytes, and further on some of 8. */
  LONG_IDT: 0x3000,
  IDT: 0x5000,
  /** Task state segments, {@linkcode TASK_BYTES} each; the last is one of IA-32e mode. */
  TASKS: 0x4000,
  TABLES: 0x8000,
  CODE: 0x10000,
  CODE_END: 0x20000,
  DATA: 0x20000,
  DATA_END: 0x80000,
} as const;
/** Entries of the GDT; the LDT has half as many. */
export const GDT_ENTRIES = 64;
export const TASK_BYTES = 0x200;
export const TASKS = 5;

/** Random numbers that can be repeated: xorshift32 of a mixed seed. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) >>> 0 || 1;
    for (let i = 0; i < 4; i++) this.word();
  }

  /** 32 bits. */
  word(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return this.#state = x >>> 0;
  }

  /** 0 to n - 1. */
  below(n: number): number {
    return Math.floor(this.word() / 2 ** 32 * n);
  }

  /** True once in n times. */
  once(n: number): boolean {
    return this.below(n) === 0;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  wide(): bigint {
    return BigInt(this.word()) << 32n | BigInt(this.word());
  }
}

/** A selector: mostly of a descriptor that is something. */
export function selector(dice: Dice): number {
  if (dice.once(16)) return dice.word() & 0xffff;
  const index = dice.once(3) ? dice.below(GDT_ENTRIES) : dice.below(14);
  return index << 3 | (dice.once(6) ? 4 : 0) | dice.below(4);
}

/** An address of code or data, more often near the border of a page than by chance. */
export function address(dice: Dice): bigint {
  const code = dice.once(4);
  const [from, to] = code ? [PLACE.CODE, PLACE.CODE_END] : [0, PLACE.DATA_END];
  let at = from + dice.below(to - from);
  if (dice.once(4)) at = (at & ~0xfff) + 0xff0 + dice.below(16);
  else if (dice.once(2)) at &= ~15;
  const linear = BigInt(at);
  return dice.once(12) ? linear | 0xffff8000_00000000n : linear;
}

const EDGES: readonly bigint[] = [
  0n,
  1n,
  0x7fn,
  0xffn,
  0x7fffn,
  0xfff8n,
  0xffffn,
  0x7fff_ffffn,
  0xffff_fff8n,
  0xffff_ffffn,
  0x7fff_ffff_ffffn,
  0x8000_0000_0000n,
  0xffff_8000_0000_0000n,
  0xffff_ffff_ffff_fff0n,
  0xffff_ffff_ffff_ffffn,
];
/** MSRs, CR0 and CR4 as WRMSR and MOV meet them. */
const SYSTEM_VALUES: readonly bigint[] = [
  0x10n,
  0x1bn,
  0x174n,
  0x175n,
  0x176n,
  0x277n,
  0xc000_0080n,
  0xc000_0081n,
  0xc000_0082n,
  0xc000_0084n,
  0xc000_0100n,
  0xc000_0102n,
  0x8000_0011n,
  0x8001_0033n,
  0x11n,
  0x6a0n,
  0x20n,
  0x30_0620n,
  0x501n,
  0x901n,
  BigInt(PLACE.TABLES),
];

/** What a register or a place in memory holds. */
export function value(dice: Dice): bigint {
  switch (dice.below(8)) {
    case 0:
      return dice.pick(EDGES);
    case 1:
      return BigInt(selector(dice));
    case 2:
      return dice.wide();
    case 3:
      return dice.pick(SYSTEM_VALUES);
    case 4:
      return BigInt(dice.below(64));
    default:
      return address(dice);
  }
}

let cells: number[] | undefined;

/** Opcodes there are. */
function allCells(): number[] {
  return cells ??= [...isa().cells.keys()].filter((cell) => isa().cells[cell] !== 0);
}

/** Opcodes of the system's side, to be met more often: far branches, gates, descriptors, control registers. */
const SYSTEM_CELLS: readonly number[] = [
  0x07,
  0x17,
  0x1f,
  0x62,
  0x63,
  0x6c,
  0x6f,
  0x8c,
  0x8e,
  0x9a,
  0x9c,
  0x9d,
  0xc4,
  0xc5,
  0xca,
  0xcb,
  0xcc,
  0xcd,
  0xce,
  0xcf,
  0xe4,
  0xea,
  0xf1,
  0xfa,
  0xfb,
  0xff,
  0x100,
  0x101,
  0x102,
  0x103,
  0x105,
  0x107,
  0x120,
  0x122,
  0x121,
  0x123,
  0x130,
  0x132,
  0x134,
  0x135,
  0x1a1,
  0x1b2,
  0x1b4,
  0x282,
];
const SEGMENT_PREFIXES: readonly number[] = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];
const MOST_BYTES = 24;
const insn = new Insn();
const bytes = new Uint8Array(MOST_BYTES);

/** One instruction: most are what the table has, some are noise. */
export interface Made {
  readonly bytes: Uint8Array;
  /** Its row, 0 when it is none. */
  readonly row: number;
}

/** Makes an instruction for code of 16, 32 or 64 bits: any, or the n-th opcode there is, in a circle. */
export function instruction(dice: Dice, bits: number, n?: number): Made {
  for (let attempt = 0; attempt < 8; attempt++) {
    const all = allCells();
    compose(
      dice,
      bits,
      n !== undefined ? all[n % all.length]! : dice.pick(dice.once(4) ? SYSTEM_CELLS : all),
    );
    if (decode(bytes, 0, MOST_BYTES, bits, insn) === OK) {
      return { bytes: bytes.slice(0, insn.length), row: insn.row };
    }
    if (dice.once(16)) break;
  }
  return { bytes: bytes.slice(0, 1 + dice.below(15)), row: 0 };
}

function compose(dice: Dice, bits: number, cell: number): void {
  const map = cell >> 8;
  const text: number[] = [];
  if (dice.once(6)) text.push(0x66);
  if (dice.once(12)) text.push(0x67);
  if (dice.once(12)) text.push(0xf2);
  if (dice.once(12)) text.push(0xf3);
  if (dice.once(24)) text.push(0xf0);
  if (dice.once(12)) text.push(dice.pick(SEGMENT_PREFIXES));
  if (dice.once(200)) text.push(...Array.from({ length: 10 }, () => 0x66));
  if (map >= 5) {
    text.push(0xc4, 0xe0 | map - 4, dice.word() & 0x83 | dice.word() & 0x78 | (dice.once(4) ? 4 : 0));
  } else {
    if (bits === 64 && dice.once(2)) text.push(0x40 | dice.below(16));
    text.push(...[[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]][map]!);
  }
  text.push(cell & 0xff);
  if ((isa().cells[cell]! & CELL_MODRM) !== 0) modrm(dice, bits, text);
  const wide = value(dice);
  const last = text.length;
  for (let i = 0; i < 8; i++) text.push(Number(wide >> BigInt(8 * i) & 0xffn));
  // A far pointer's selector is behind 2 or 4 bytes of offset.
  if (cell === 0x9a || cell === 0xea) {
    const at = last + (dice.once(2) ? 2 : 4);
    const name = selector(dice);
    text[at] = name & 0xff;
    text[at + 1] = name >> 8;
  }
  bytes.fill(0x90);
  bytes.set(text.slice(0, MOST_BYTES));
}

function modrm(dice: Dice, bits: number, text: number[]): void {
  const byte = dice.once(3) ? 0xc0 | dice.below(64) : dice.below(256);
  text.push(byte);
  const sib = byte < 0xc0 && (byte & 7) === 4 && bits !== 16;
  if (sib) text.push(dice.below(256));
  if (byte >> 6 === 1) text.push(dice.below(256));
  if (byte >> 6 === 2 || byte >> 6 === 0 && (byte & 7) === 5) {
    const at = Number(address(dice) & 0xfffffn);
    text.push(at & 0xff, at >> 8 & 0xff, at >> 16, 0);
  }
}
