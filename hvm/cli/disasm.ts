/**
 * `hvm disasm`: instructions as text, from bytes on the command line or from a file.
 * @module
 */

import { ConfigError } from "../base/errors.ts";
import { fileTrouble } from "../host/image_file.ts";
import { decode, MAX_LENGTH, OK } from "../x86/decode.ts";
import { formatInsn } from "../x86/format.ts";
import { Insn } from "../x86/insn.ts";

/** Options and arguments as they were written. */
export interface DisasmWords {
  readonly mode?: string;
  readonly address?: string;
  readonly file?: string;
  readonly offset?: string;
  readonly length?: string;
  /** Bytes in hexadecimal, together or apart. */
  readonly bytes: readonly string[];
}

/** A part of a file is read whole into memory; this much is far more than anyone reads. */
const MOST_BYTES = 2 ** 28;

/** Characters given out at a time. */
const CHUNK = 1 << 16;

/**
 * The text, in parts so that a large file needs no large string.
 * @throws {ConfigError} with one sentence.
 */
export async function disassembly(words: DisasmWords): Promise<Iterable<string>> {
  const mode = modeOf(words.mode);
  const address = numberOf("address", words.address) ?? 0n;
  if (address >= 1n << 64n) {
    throw new ConfigError(`Cannot use --address ${words.address}: it has more than 64 bits`);
  }
  return listing(await bytesOf(words), mode, address);
}

function modeOf(word: string | undefined): number {
  if (word === undefined) return 64;
  if (word === "16" || word === "32" || word === "64") return Number(word);
  throw new ConfigError(`Cannot use --mode ${word}: there are 16, 32 and 64`);
}

/** A number, decimal or hexadecimal. */
function numberOf(option: string, word: string | undefined): bigint | undefined {
  if (word === undefined) return undefined;
  if (/^(?:0x[0-9a-f]+|\d+)$/i.test(word)) return BigInt(word);
  throw new ConfigError(`Cannot use --${option} ${word}: it is not a number such as 512 or 0x7c00`);
}

async function bytesOf(words: DisasmWords): Promise<Uint8Array> {
  const { file, bytes } = words;
  if (file !== undefined) {
    if (bytes.length > 0) throw new ConfigError("Cannot use --file together with bytes");
    return await fileBytes(file, sizeOf("offset", words.offset) ?? 0, sizeOf("length", words.length));
  }
  for (const option of ["offset", "length"] as const) {
    if (words[option] !== undefined) throw new ConfigError(`Cannot use --${option} without --file`);
  }
  if (bytes.length === 0) {
    throw new ConfigError("Cannot disassemble nothing: give bytes such as 0f 05, or --file FILE");
  }
  return Uint8Array.from(bytes.flatMap(hexBytes));
}

/** `0f05`, `0f` or `0x0f`: whole bytes. */
function hexBytes(word: string): number[] {
  const digits = word.replace(/^0x/i, "").replace(/,$/, "");
  if (!/^(?:[0-9a-f]{2})+$/i.test(digits)) {
    throw new ConfigError(`Cannot read the bytes ${JSON.stringify(word)}: two hexadecimal digits make one`);
  }
  return Array.from({ length: digits.length / 2 }, (_, n) => parseInt(digits.slice(2 * n, 2 * n + 2), 16));
}

function sizeOf(option: string, word: string | undefined): number | undefined {
  const value = numberOf(option, word);
  if (value !== undefined && value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new ConfigError(`Cannot use --${option} ${word}: it is too large`);
  }
  return value === undefined ? undefined : Number(value);
}

/** A part of a file. */
async function fileBytes(path: string, offset: number, length: number | undefined): Promise<Uint8Array> {
  const refuse = (why: string) => new ConfigError(`Cannot read ${path}: ${why}`, { path: "file" });
  try {
    using file = await Deno.open(path);
    const { size, isFile, isDirectory } = await file.stat();
    if (isDirectory) throw refuse("it is a directory");
    if (!isFile) throw refuse("it is not a file");
    if (offset >= size) throw refuse(`it has ${size} bytes, and --offset is ${offset}`);
    const count = Math.min(length ?? size, size - offset);
    if (count > MOST_BYTES) throw refuse("it is larger than 256M: choose a part with --offset and --length");
    await file.seek(offset, Deno.SeekMode.Start);
    const bytes = new Uint8Array(count);
    let at = 0;
    while (at < count) {
      const read = await file.read(bytes.subarray(at));
      if (read === null) break;
      at += read;
    }
    return bytes.subarray(0, at);
  } catch (error) {
    throw error instanceof ConfigError ? error : refuse(fileTrouble(error));
  }
}

/** Lines of address, bytes and text. A byte that begins no instruction is shown alone. */
function* listing(code: Uint8Array, mode: number, address: bigint): Generator<string> {
  const insn = new Insn();
  const digits = mode === 64 ? 16 : 8;
  let text = "";
  for (let at = 0; at < code.length;) {
    const ok = decode(code, at, code.length, mode, insn) === OK;
    const length = ok ? insn.length : 1;
    const here = BigInt.asUintN(64, address + BigInt(at));
    const bytes = Array.from(code.subarray(at, at + length), (byte) => byte.toString(16).padStart(2, "0"))
      .join(" ");
    const words = ok ? formatInsn(insn, here) : "(bad)";
    text += `${here.toString(16).padStart(digits, "0")}  ${bytes.padEnd(COLUMN)}  ${words}\n`;
    at += length;
    if (text.length >= CHUNK) {
      yield text;
      text = "";
    }
  }
  yield text;
}

/** Bytes of nearly all instructions; longer ones push their text to the right. */
const COLUMN = (MAX_LENGTH - 5) * 3 - 1;
