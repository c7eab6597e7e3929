/**
 * The cells of the opcode maps: which encodings the sweep looks at, and the form of the file that says what they are.
 *
 * A cell is a mode, a mandatory prefix, a map and an opcode. Each is tried with 72 ModRM bytes: memory with each of the
 * eight /digits, and all 64 with two registers. Behind ModRM are always the same bytes.
 * @module
 */

/** Modes, prefixes and maps as cells.txt writes them. */
export const MODES = [16, 32, 64] as const;
export const PREFIXES: Readonly<Record<string, readonly number[]>> = {
  NP: [],
  "66": [0x66],
  F3: [0xf3],
  F2: [0xf2],
};
export const MAPS: Readonly<Record<string, readonly number[]>> = {
  "1": [],
  "0F": [0x0f],
  "0F38": [0x0f, 0x38],
  "0F3A": [0x0f, 0x3a],
};

const TAIL = [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x12];

/** ModRM bytes in the order of cells.txt. */
const MODRM = [
  ...Array.from({ length: 8 }, (_, n) => n * 8),
  ...Array.from({ length: 64 }, (_, n) => 0xc0 + n),
];

/** One cell and the bytes to try. */
export interface Cell {
  /** As `64 F3 0F B8`: mode, prefix, map, opcode. */
  readonly name: string;
  readonly mode: number;
  readonly encodings: readonly Uint8Array[];
}

/** Opcodes that are prefixes or escapes, in the one-byte map. */
const NOT_OPCODES = [0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x0f];
/** With a register form these are VEX and EVEX; in 64-bit code always. */
const VEX_BYTES = [0x62, 0xc4, 0xc5];

/** All cells, in the order of cells.txt. */
export function* cells(): Generator<Cell> {
  for (const mode of MODES) {
    for (const [map, escape] of Object.entries(MAPS)) {
      for (const [prefix, bytes] of Object.entries(PREFIXES)) {
        for (let opcode = 0; opcode < 256; opcode++) {
          const modrm = modrmBytes(mode, map, opcode);
          if (modrm.length === 0) continue;
          yield {
            name: `${mode} ${prefix} ${map} ${opcode.toString(16).toUpperCase().padStart(2, "0")}`,
            mode,
            encodings: modrm.map((one) => Uint8Array.of(...bytes, ...escape, opcode, one, ...TAIL)),
          };
        }
      }
    }
  }
}

function modrmBytes(mode: number, map: string, opcode: number): readonly number[] {
  if (map === "0F" && (opcode === 0x38 || opcode === 0x3a)) return [];
  if (map !== "1") return MODRM;
  if (NOT_OPCODES.includes(opcode) || mode === 64 && opcode >> 4 === 4) return [];
  if (VEX_BYTES.includes(opcode)) return mode === 64 ? [] : MODRM.slice(0, 8);
  return MODRM;
}

/** Lengths as cells.txt writes them: `3x72`, `4x8 .x64` (a point: no such instruction). */
export function packLengths(lengths: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const length of lengths) {
    const last = runs.at(-1);
    if (last?.[0] === length) last[1]++;
    else runs.push([length, 1]);
  }
  return runs.map(([length, count]) => `${length === 0 ? "." : length}x${count}`).join(" ");
}
