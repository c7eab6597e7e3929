/**
 * The leaves of a cell: a row number for each combination of what the cell depends on.
 * @module
 */

import type { Encoding } from "./_isa_encoding.ts";
import { SELECT } from "./isa_tables.ts";

/** A row as it is put into its cells. */
export interface Row extends Encoding {
  readonly number: number;
  readonly text: string;
  /** 1 not in 64-bit code, 2 only there. */
  readonly mode: number | undefined;
}

/** Two values, eight values: all of them, as bits. */
const BOTH = 3;
const ALL = 0xff;

/** What the rows of one cell depend on. */
export function selectors(rows: readonly Row[]): number {
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

/**
 * The row numbers of a cell in the order the decoder counts: MODE most significant, RM least.
 * @throws {RangeError} when two rows fit one encoding.
 */
export function leavesOf(rows: readonly Row[], select: number): number[] {
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
