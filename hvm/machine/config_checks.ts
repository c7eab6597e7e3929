/**
 * The checks of values that are more than a word: each gives the value in hvm's own form, or the end of a sentence that
 * says what is wrong. The schema uses them, and so does the command line for what is plainly written.
 * @module
 */

import { MIB, PAGE_SIZE } from "../base/addr.ts";
import { parseSize, parseTime, type Quantity, sizeText } from "./units.ts";

/** The least memory a PC's firmware area, boot structures and a kernel of any kind fit into. */
const LEAST_MEMORY_BYTES = MIB;

/** Memory in bytes: a number, or text with a unit. */
export function checkMemory(written: string | number): Quantity {
  const size = typeof written === "number" ? { value: written } : parseSize(written);
  const fault = "fault" in size ? size.fault : memoryFault(size.value, written);
  return fault === undefined ? size : { fault };
}

function memoryFault(bytes: number, written: string | number): string | undefined {
  if (!Number.isSafeInteger(bytes)) return "it is not a whole number of bytes";
  if (bytes < 0) return "memory cannot be negative";
  if (bytes < LEAST_MEMORY_BYTES) {
    const meant = bytes >= 16 && /^\d+$/.test(String(written)) ? `; did you mean ${bytes}M?` : "";
    return `${sizeText(bytes)} is too little, the least is ${sizeText(LEAST_MEMORY_BYTES)}${meant}`;
  }
  return bytes % PAGE_SIZE === 0 ? undefined : "it is not a multiple of the page size, 4K";
}

/** The longest time a timer of the host keeps. */
const LONGEST_MS = 2 ** 31 - 1;

/** A time in whole milliseconds: a number of them, or text with a unit. */
export function checkTime(written: string | number): Quantity {
  const time = typeof written === "number" ? { value: written } : parseTime(written);
  if ("fault" in time) return time;
  if (!(time.value > 0)) return { fault: "a time is more than nothing" };
  return time.value > LONGEST_MS
    ? { fault: "the longest time is 24 days" }
    : { value: Math.ceil(time.value) };
}

/** A page of code has 4096 blocks at most, and a cache has room for a few such pages. */
const LEAST_BLOCK_CACHE_BYTES = MIB;
const MOST_BLOCK_CACHE_BYTES = 1024 * MIB;

/** The soft engine's block cache in bytes: a number, or text with a unit. */
export function checkBlockCache(written: string | number): Quantity {
  const size = typeof written === "number" ? { value: written } : parseSize(written);
  if ("fault" in size) return size;
  const fits = size.value >= LEAST_BLOCK_CACHE_BYTES && size.value <= MOST_BLOCK_CACHE_BYTES;
  if (!fits || !Number.isInteger(size.value)) {
    const [least, most] = [sizeText(LEAST_BLOCK_CACHE_BYTES), sizeText(MOST_BLOCK_CACHE_BYTES)];
    return { fault: `it is from ${least} to ${most}` };
  }
  return { value: Math.ceil(size.value / PAGE_SIZE) * PAGE_SIZE };
}

/** What is typed when. */
export interface TypedText {
  /** Instructions after the start. */
  readonly at: number;
  readonly text: string;
}

/** The clock of instructions counts this far: 28 days of a guest. */
export const LAST_INSTRUCTION = 5e14;

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", e: "\x1b", "\\": "\\" };

/** Text with `\n`, `\r`, `\t`, `\e`, `\\` and `\xHH` in place of what a command line can hardly have. */
export function unescapeText(text: string): string {
  return text.replace(
    /\\(?:x([0-9a-fA-F]{2})|([nrte\\]))/g,
    (_, code: string | undefined, letter: string) =>
      code === undefined ? ESCAPES[letter]! : String.fromCharCode(parseInt(code, 16)),
  );
}

/** What the 8-bit APIC ids of this PC leave room for. */
const MOST_CPUS = 255;

/** How many processors: one, in this version. */
export function checkCpus(count: number): Quantity {
  if (!Number.isInteger(count)) return { fault: "it is not a whole number" };
  if (count < 1) return { fault: "a machine has at least one CPU" };
  if (count > MOST_CPUS) return { fault: `a machine has at most ${MOST_CPUS} CPUs` };
  return count > 1 ? { fault: "this version runs one CPU for now" } : { value: count };
}

/** True for `stdio`, `null` and `file:PATH`. */
export function isSerial(text: string): boolean {
  return text === "stdio" || text === "null" || /^file:[^\0]+$/.test(text);
}

const UNIX = "unix:";
const LAST_PORT = 65535;
/** What an address of a Unix socket has room for, less its zero byte. unix(7) */
const MOST_PATH_BYTES = 107;

/** A Unix socket's path, or a port. */
export function debuggerParts(where: string | number): { readonly path?: string; readonly port: number } {
  if (typeof where === "string" && where.startsWith(UNIX)) return { path: where.slice(UNIX.length), port: 0 };
  return { port: Number(where) };
}

/** What is wrong with a place debuggers are to connect to, undefined when nothing is. */
export function debuggerFault(where: string | number): string | undefined {
  const { path, port } = debuggerParts(where);
  if (path !== undefined) {
    if (path === "") return "it is unix: and the path of a socket";
    if (path.includes("\0")) return "it contains a zero byte";
    const bytes = new TextEncoder().encode(path).length;
    if (bytes <= MOST_PATH_BYTES) return undefined;
    return `the path of a socket has at most ${MOST_PATH_BYTES} bytes, and this one has ${bytes}`;
  }
  if (typeof where === "string" && !/^[+-]?\d+$/.test(where)) return "it is a port, or unix:PATH";
  return Number.isInteger(port) && port >= 1 && port <= LAST_PORT ? undefined : `a port is 1 to ${LAST_PORT}`;
}

/** `debian`, then a series of kernels, a flavour, or both. */
export const DEBIAN_FORM = /^debian(?::(?:(\d+\.\d+)(?:-(cloud|generic))?|(cloud|generic)))?$/;

/** False for the name of a default guest that cannot be; any other text may be a path. */
export function isKernel(text: string): boolean {
  return !text.startsWith("debian:") || DEBIAN_FORM.test(text);
}
