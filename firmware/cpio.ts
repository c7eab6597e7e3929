/**
 * cpio archives in the "newc" form, which is what Linux unpacks as its first root file system.
 *
 * The same entries give the same bytes: no times, no owners, inode numbers in order.
 *
 * Sources: [CPIO] Linux Documentation/driver-api/early-userspace/buffer-format.rst.
 * @module
 */

import { alignUp } from "../hvm/base/bits.ts";
import { ImageError } from "../hvm/base/errors.ts";
import { concatenate } from "./bytes.ts";

/** File types in the mode. [CPIO], as in stat(2) */
const TYPE = {
  MASK: 0o170000,
  SYMLINK: 0o120000,
  FILE: 0o100000,
  BLOCK: 0o60000,
  DIRECTORY: 0o40000,
  CHARACTER: 0o20000,
};

/** One file; names are relative to the root, without a leading slash. */
export type CpioEntry =
  & { readonly name: string; /** Permission bits. */ readonly mode?: number }
  & (
    | { readonly kind: "directory" }
    | { readonly kind: "file"; readonly bytes: Uint8Array }
    | { readonly kind: "symlink"; readonly target: string }
    | { readonly kind: "character" | "block"; readonly major: number; readonly minor: number }
  );

const DEFAULT_MODE = {
  directory: 0o755,
  file: 0o644,
  symlink: 0o777,
  character: 0o600,
  block: 0o600,
} as const;
const MODE_TYPE = {
  directory: TYPE.DIRECTORY,
  file: TYPE.FILE,
  symlink: TYPE.SYMLINK,
  character: TYPE.CHARACTER,
  block: TYPE.BLOCK,
} as const;

const MAGIC = "070701";
const HEADER_SIZE = 110;
const TRAILER = "TRAILER!!!";
/** Index of each field after the magic, eight hexadecimal digits each. [CPIO] */
const FIELD = { INODE: 0, MODE: 1, LINKS: 4, SIZE: 6, RDEV_MAJOR: 9, RDEV_MINOR: 10, NAME_SIZE: 11 } as const;
const FIELDS = 13;

/**
 * The archive of `entries`, in their order (a directory must come before what is in it).
 * @throws {RangeError} when a name is empty, absolute, leaves the root, or comes twice.
 */
export function writeCpio(entries: readonly CpioEntry[]): Uint8Array<ArrayBuffer> {
  const seen = new Set<string>();
  for (const { name } of entries) {
    if (!isInside(name) || seen.has(name)) throw new RangeError(`Cannot archive the name "${name}"`);
    seen.add(name);
  }
  const parts = entries.map((entry, i) => {
    const content = contentOf(entry);
    const fields = new Array<number>(FIELDS).fill(0);
    fields[FIELD.INODE] = i + 1;
    fields[FIELD.MODE] = MODE_TYPE[entry.kind] | (entry.mode ?? DEFAULT_MODE[entry.kind]);
    fields[FIELD.LINKS] = entry.kind === "directory" ? 2 : 1;
    fields[FIELD.SIZE] = content.length;
    if (entry.kind === "character" || entry.kind === "block") {
      fields[FIELD.RDEV_MAJOR] = entry.major;
      fields[FIELD.RDEV_MINOR] = entry.minor;
    }
    return encodeEntry(entry.name, fields, content);
  });
  const trailer = new Array<number>(FIELDS).fill(0);
  trailer[FIELD.LINKS] = 1;
  parts.push(encodeEntry(TRAILER, trailer, new Uint8Array(0)));
  return concatenate(parts);
}

/** True for relative names of ordinary components. */
function isInside(name: string): boolean {
  return name !== TRAILER && !name.includes("\0") &&
    name.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}

function contentOf(entry: CpioEntry): Uint8Array {
  if (entry.kind === "file") return entry.bytes;
  return entry.kind === "symlink" ? new TextEncoder().encode(entry.target) : new Uint8Array(0);
}

function encodeEntry(name: string, fields: number[], content: Uint8Array): Uint8Array {
  const nameBytes = new TextEncoder().encode(`${name}\0`);
  fields[FIELD.NAME_SIZE] = nameBytes.length;
  const header = MAGIC + fields.map((value) => value.toString(16).padStart(8, "0")).join("");
  const contentAt = alignUp(HEADER_SIZE + nameBytes.length, 4);
  const result = new Uint8Array(alignUp(contentAt + content.length, 4));
  result.set(new TextEncoder().encode(header));
  result.set(nameBytes, HEADER_SIZE);
  result.set(content, contentAt);
  return result;
}

/**
 * The entries of an archive.
 * @throws {ImageError} when it is damaged or ends early.
 */
export function readCpio(archive: Uint8Array): CpioEntry[] {
  const entries: CpioEntry[] = [];
  for (let at = 0;;) {
    const fields = readFields(archive, at);
    const nameEnd = at + HEADER_SIZE + fields[FIELD.NAME_SIZE]!;
    const contentAt = alignUp(nameEnd, 4);
    const end = contentAt + fields[FIELD.SIZE]!;
    if (end > archive.length) throw new ImageError("The cpio archive is truncated");
    const name = new TextDecoder().decode(archive.subarray(at + HEADER_SIZE, nameEnd - 1));
    if (name === TRAILER) return entries;
    entries.push(decodeEntry(name, fields, archive.subarray(contentAt, end)));
    at = alignUp(end, 4);
  }
}

function readFields(archive: Uint8Array, at: number): number[] {
  if (at + HEADER_SIZE > archive.length) throw new ImageError("The cpio archive is truncated");
  const text = new TextDecoder("latin1").decode(archive.subarray(at, at + HEADER_SIZE));
  if (!/^070701[0-9a-fA-F]{104}$/.test(text)) throw new ImageError("The cpio archive is damaged");
  return Array.from({ length: FIELDS }, (_, i) => Number.parseInt(text.slice(6 + i * 8, 14 + i * 8), 16));
}

function decodeEntry(name: string, fields: readonly number[], bytes: Uint8Array): CpioEntry {
  const mode = fields[FIELD.MODE]! & 0o7777;
  const [major, minor] = [fields[FIELD.RDEV_MAJOR]!, fields[FIELD.RDEV_MINOR]!];
  switch (fields[FIELD.MODE]! & TYPE.MASK) {
    case TYPE.DIRECTORY:
      return { name, mode, kind: "directory" };
    case TYPE.FILE:
      return { name, mode, kind: "file", bytes };
    case TYPE.SYMLINK:
      return { name, mode, kind: "symlink", target: new TextDecoder().decode(bytes) };
    case TYPE.CHARACTER:
      return { name, mode, kind: "character", major, minor };
    case TYPE.BLOCK:
      return { name, mode, kind: "block", major, minor };
    default:
      throw new ImageError("The cpio archive holds a file of no known type");
  }
}
