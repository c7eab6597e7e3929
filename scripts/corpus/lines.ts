/**
 * The corpora: thousands of encodings with their text, drawn from the cells of the opcode maps with random prefixes, addresses and
 * immediates. A fixed seed makes them the same every time.
 * @module
 */

import { decode, OK } from "../../hvm/x86/decode.ts";
import { formatInsn } from "../../hvm/x86/format.ts";
import { Insn } from "../../hvm/x86/insn.ts";
import { cells, MODES } from "../../tests/x86/cells.ts";
import { isForeign, judge } from "./judge.ts";
import { normalize, objdump, type Verdict } from "./objdump.ts";

/** Lines for each mode, opcode, mnemonic and kinds of operands. */
const PER_SHAPE = 1;
/** Bytes of every candidate; objdump says how many are the instruction. */
const LONGEST = 15;

/** Numbers that look random and are the same every time (xorshift32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % 0x10000;
  };
}

/** Writes code16.txt, code32.txt and code64.txt. */
export async function writeLines(folder: URL): Promise<void> {
  for (const mode of MODES) {
    const random = generator(0x1234_5678 + mode);
    const candidates = [...drawn(mode, random), ...drawnVex(mode, random)];
    const verdicts = await inBatches(mode, candidates);
    const lines = chosen(mode, candidates, verdicts);
    const header =
      `; ${mode}-bit code: bytes ; text ; facts. Written by scripts/corpus.ts from GNU objdump 2.40.\n`;
    await Deno.writeTextFile(new URL(`code${mode}.txt`, folder), `${header}${lines.join("\n")}\n`);
  }
}

async function inBatches(mode: number, encodings: readonly Uint8Array[]): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  // Small enough that branches stay within 64 KiB, where 16-bit code can be compared.
  const batch = mode === 16 ? 1500 : 50_000;
  for (let at = 0; at < encodings.length; at += batch) {
    verdicts.push(...await objdump(mode, encodings.slice(at, at + batch)));
  }
  return verdicts;
}

/** One encoding for every tried byte of every cell, dressed at random. */
function* drawn(mode: number, random: () => number): Generator<Uint8Array> {
  for (const cell of cells()) {
    if (cell.mode !== mode) continue;
    const [, prefix = "NP", map = "1"] = cell.name.split(" ");
    const escape = { "1": 0, "0F": 1, "0F38": 2, "0F3A": 2 }[map] ?? 0;
    const opcodeByte = cell.encodings[0]!.at(-10)!;
    const all = EVERY_MODRM.includes(map === "1" ? opcodeByte : opcodeByte | escape << 8);
    const tries = cell.encodings.filter((_, n) =>
      all || n < 8 || n % 8 === random() % 8 || escape === 1 && n % 3 === 0
    );
    for (const bytes of tries) {
      const skip = prefix === "NP" ? 0 : 1;
      const opcode = bytes.subarray(skip, skip + escape + 1);
      const modrm = bytes[skip + escape + 1]!;
      yield dressed(mode, [...bytes.subarray(0, skip)], [...opcode], modrm, random);
    }
  }
}

/** Opcodes whose ModRM chooses among instructions; of the 0F map with 100h. */
const EVERY_MODRM = [0xc6, 0xc7, 0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0x101, 0x11e, 0x1ae, 0x1c7];

function dressed(
  mode: number,
  mandatory: readonly number[],
  opcode: readonly number[],
  modrm: number,
  random: () => number,
): Uint8Array {
  const bytes: number[] = [];
  const chance = (n: number) => random() % n === 0;
  if (chance(5)) bytes.push([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65][random() % 6]!);
  if (chance(6)) bytes.push(0x67);
  if (chance(5) && mandatory.length === 0 && opcode[0] !== 0x0f) bytes.push(0x66);
  bytes.push(...mandatory);
  if (mode === 64 && chance(2)) bytes.push(0x40 + random() % 16);
  bytes.push(...opcode);
  // Memory: any base and index, any displacement.
  bytes.push(modrm >= 0xc0 ? modrm : modrm & 0x38 | (random() % 3) << 6 | random() % 8);
  while (bytes.length < LONGEST) bytes.push(random() % 256);
  return Uint8Array.from(bytes.slice(0, LONGEST));
}

/** Opcodes behind VEX that the table has: map, opcode. [SDM] BMI1, BMI2 */
const VEX_OPCODES = [[2, 0xf2], [2, 0xf3], [2, 0xf5], [2, 0xf6], [2, 0xf7], [3, 0xf0]] as const;

function* drawnVex(mode: number, random: () => number): Generator<Uint8Array> {
  for (const [map, opcode] of VEX_OPCODES) {
    for (let n = 0; n < 1000; n++) {
      const low = mode === 64 ? random() % 8 << 5 : 0xe0;
      const second = (random() % 2 << 7) | (random() % 16 << 3) | random() % 4;
      const bytes = [0xc4, low | map, mode === 64 ? second : second | 0x40, opcode];
      if (map === 3) bytes[2]! |= 0x78;
      const modrm = random() % 256;
      bytes.push(modrm);
      while (bytes.length < LONGEST) bytes.push(random() % 256);
      yield Uint8Array.from(bytes);
    }
  }
}

/** Names that stand for another with a certain immediate. */
const PSEUDO = /^(?:cmp(?:eq|lt|le|unord|neq|nlt|nle|ord)[ps][sd]|pclmul[hl]q[hl]qdq)$/;

/** What is kept: a few of every shape, in objdump's words. Disagreements with our own decoder are printed. */
function chosen(mode: number, candidates: readonly Uint8Array[], verdicts: readonly Verdict[]): string[] {
  const insn = new Insn();
  const counts = new Map<string, number>();
  const lines: string[] = [];
  candidates.forEach((bytes, n) => {
    const verdict = verdicts[n]!;
    const text = normalize(verdict.text, mode, bytes, addressOf(mode, n));
    if (verdict.length === 0 || PSEUDO.test(text.split(" ")[0] ?? "")) return;
    // A displacement alone is shown signed by objdump when its SIB byte names no register.
    if (/\[[re]iz/.test(text)) return;
    if (isForeign(verdict.text) || !plain(mode, bytes, verdict)) return;
    const key = `${opcodeText(mode, bytes)} ${shape(text)}`;
    const count = counts.get(key) ?? 0;
    if (count >= PER_SHAPE) return;
    counts.set(key, count + 1);
    const own = bytes.subarray(0, verdict.length);
    lines.push(`${hexText(own)} ; ${text} ; ${facts(text)}`);
    const result = decode(own, 0, own.length, mode, insn);
    const ours = result === OK ? formatInsn(insn, 0n) : `(${result})`;
    if (ours !== text) {
      console.log(`${mode}: ${hexText(own)}: ours ${ours}, objdump ${text} <= ${verdict.text}`);
    }
  });
  return lines;
}

/** Whether the manuals agree with objdump; judge() looks at encodings without prefixes that it does not expect. */
function plain(mode: number, bytes: Uint8Array, verdict: Verdict): boolean {
  let at = 0;
  let mandatory: number[] = [];
  for (;; at++) {
    const byte = bytes[at]!;
    if (byte === 0x66 || byte === 0xf2 || byte === 0xf3) mandatory = [byte];
    else if (
      ![0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x67].includes(byte) && !(mode === 64 && byte >> 4 === 4)
    ) break;
  }
  if (bytes[at] === 0x9b) return false;
  const extended = mode === 64 && (bytes[at - 1]! & 0xf4) === 0x44;
  // [SDM] MOV CRn, MOV DRn: with REX.R there is only CR8.
  if (extended && bytes[at] === 0x0f && (bytes[at + 1]! & 0xfc) === 0x20) {
    return (bytes[at + 1]! & 1) === 0 && (bytes[at + 2]! & 0x38) === 0;
  }
  // With REX.B it is XCHG whatever F3 says, tried on an AMD EPYC; objdump shows PAUSE.
  if (bytes[at] === 0x90 && mode === 64 && (bytes[at - 1]! & 0xf1) === 0x41) return false;
  // Its target is cut to 16 bits, more than the image leaves room for.
  if (mode !== 16 && verdict.text.includes("xbeginw")) return false;
  // objdump shows a DS override there as NOTRACK and not at the operand.
  if (verdict.text.includes("notrack")) return false;
  if (bytes[at] === 0xc4 || bytes[at] === 0xc5) return true;
  const bare = Uint8Array.of(...mandatory, ...bytes.subarray(at));
  return judge(mode, bare, verdict) === verdict.length;
}

/** Where the slot of an encoding was in objdump's image. */
function addressOf(mode: number, n: number): number {
  return n % (mode === 16 ? 1500 : 50_000) * 32;
}

/** The bytes of prefixes aside, the opcode. */
function opcodeText(mode: number, bytes: Uint8Array): string {
  const isPrefix = (byte: number) =>
    byte >= 0x64 && byte <= 0x67 || [0x26, 0x2e, 0x36, 0x3e, 0xf2, 0xf3].includes(byte);
  let at = 0;
  while (isPrefix(bytes[at]!) || mode === 64 && bytes[at]! >> 4 === 4) at++;
  const length = bytes[at] !== 0x0f ? 1 : bytes[at + 1] === 0x38 || bytes[at + 1] === 0x3a ? 3 : 2;
  return hexText(bytes.subarray(at, at + length));
}

/** A text with its registers and numbers replaced by their kinds. */
function shape(text: string): string {
  return text.replace(/\[.*?\]/, "[m]").replace(/0x[0-9a-f]+/g, "n")
    .replace(/\b(?:r\d+|r[a-ds][xip])\b/g, "r64").replace(/\b(?:r\d+d|e[a-ds][xip])\b/g, "r32")
    .replace(/\b(?:r\d+w|[a-d]x|[sd]i|[sb]p)\b/g, "r16").replace(
      /\b(?:r\d+b|[a-d][lh]|[sd]il|[sb]pl)\b/g,
      "r8",
    )
    .replace(/mm\d+/g, "mm").replace(/st\(\d\)/g, "st(i)").replace(/\b[cd]r\d+/g, "cr");
}

const SIZES: Readonly<Record<string, number>> = {
  byte: 1,
  word: 2,
  dword: 4,
  fword: 6,
  qword: 8,
  tbyte: 10,
  xmmword: 16,
};

/** What the text says of the first operand in memory. */
function facts(text: string): string {
  const size = /\b([a-z]+) ptr/.exec(text)?.[1];
  return size === undefined ? "" : `mem=${SIZES[size]}`;
}

function hexText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}
