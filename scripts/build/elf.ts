/**
 * Packs a start stub and a bundle into a copy of an x86-64 ELF executable.
 *
 * The bytes are appended to the file, the PT_NOTE program header becomes a PT_LOAD for them (moved to directly
 * after the last PT_LOAD, since loadable segments must stand in ascending address order), and the entry becomes
 * the stub. Nothing else of the file changes.
 *
 * Sources: [ELF] Tool Interface Standard ELF 1.2 and the AMD64 supplement: file header, program headers.
 * @module
 */

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_NOTE = 4;
const PF_X = 1;
const PF_R = 4;
const PAGE = 0x1000;
const HEADER_SIZE = 56;
const DT = { STRTAB: 5, SYMTAB: 6, RELA: 7, RELASZ: 8 } as const;
const R_X86_64_GLOB_DAT = 6;
const RELA_SIZE = 24;
const SYMBOL_SIZE = 24;

/** Where an added segment would be. */
export interface Placement {
  /** The address the added bytes are loaded at. */
  readonly address: number;
  /** Their place in the file. */
  readonly offset: number;
  /** The executable's own entry. */
  readonly entry: number;
}

/** One entry of the dynamic section: a value by its tag. */
type Dynamic = ReadonlyMap<number, number>;

/** One program header: its raw bytes and the fields used here. */
interface ProgramHeader {
  readonly bytes: Uint8Array;
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
  readonly memorySize: number;
}

/**
 * Finds where a segment can be added.
 *
 * @throws RangeError when the file is not an x86-64 ELF executable or has no PT_NOTE header to give up.
 */
export function placeSegment(file: Uint8Array): Placement {
  const headers = programHeaders(file);
  const last = lastLoad(headers);
  if (!headers.some((header) => header.type === PT_NOTE)) {
    throw new RangeError("Cannot pack the executable: it has no PT_NOTE program header");
  }
  return {
    address: alignUp(last.address + last.memorySize),
    offset: alignUp(file.length),
    entry: Number(viewOf(file).getBigUint64(24, true)),
  };
}

/**
 * Makes the packed file.
 *
 * @param file the executable.
 * @param segment what is appended; its first byte becomes the entry.
 * @returns the new file.
 * @throws RangeError as `placeSegment`.
 */
export function packExecutable(file: Uint8Array, segment: Uint8Array): Uint8Array<ArrayBuffer> {
  const { address, offset } = placeSegment(file);
  const packed = new Uint8Array(offset + segment.length);
  packed.set(file);
  packed.set(segment, offset);
  const view = viewOf(packed);
  view.setBigUint64(24, BigInt(address), true); // e_entry

  const headers = programHeaders(file);
  const note = headers.findIndex((header) => header.type === PT_NOTE);
  const kept = headers.filter((_, index) => index !== note);
  const at = kept.indexOf(lastLoad(headers)) + 1;
  const added = loadHeader({ address, offset, size: segment.length });
  const ordered = [...kept.slice(0, at).map((h) => h.bytes), added, ...kept.slice(at).map((h) => h.bytes)];
  const table = Number(view.getBigUint64(32, true));
  for (const [index, bytes] of ordered.entries()) packed.set(bytes, table + index * HEADER_SIZE);
  return packed;
}

/**
 * Finds the word that the dynamic loader fills with the address of a variable of a shared library.
 *
 * @param name the variable.
 * @returns the word's address.
 * @throws RangeError when the executable has no such reference to it.
 */
export function findImportSlot(file: Uint8Array, name: string): number {
  const view = viewOf(file);
  const headers = programHeaders(file);
  const dynamic = dynamicSection(file, headers);
  const at = (tag: number) => fileOffset(headers, dynamic.get(tag) ?? -1);
  const [rela, symbols, strings] = [at(DT.RELA), at(DT.SYMTAB), at(DT.STRTAB)];
  const wanted = new TextEncoder().encode(`${name}\0`);
  for (let entry = rela; entry < rela + (dynamic.get(DT.RELASZ) ?? 0); entry += RELA_SIZE) {
    if (view.getUint32(entry + 8, true) !== R_X86_64_GLOB_DAT) continue;
    const symbol = symbols + view.getUint32(entry + 12, true) * SYMBOL_SIZE;
    const text = strings + view.getUint32(symbol, true);
    if (wanted.every((byte, index) => file[text + index] === byte)) {
      return Number(view.getBigUint64(entry, true));
    }
  }
  throw new RangeError(`Cannot pack the executable: it does not refer to ${name}`);
}

/** Reads the dynamic section. */
function dynamicSection(file: Uint8Array, headers: readonly ProgramHeader[]): Dynamic {
  const section = headers.find((header) => header.type === PT_DYNAMIC);
  if (section === undefined) throw new RangeError("Cannot pack the executable: it is linked statically");
  const view = viewOf(file);
  const dynamic = new Map<number, number>();
  for (let at = section.offset; at < section.offset + section.fileSize; at += 16) {
    dynamic.set(Number(view.getBigUint64(at, true)), Number(view.getBigUint64(at + 8, true)));
  }
  return dynamic;
}

/** Where in the file an address is loaded from. */
function fileOffset(headers: readonly ProgramHeader[], address: number): number {
  const home = headers.find((header) =>
    header.type === PT_LOAD && address >= header.address && address < header.address + header.fileSize
  );
  if (home === undefined) {
    throw new RangeError("Cannot pack the executable: its dynamic section is incomplete");
  }
  return home.offset + address - home.address;
}

/** A PT_LOAD header, readable and executable. */
function loadHeader(segment: { address: number; offset: number; size: number }): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE);
  const view = viewOf(bytes);
  view.setUint32(0, PT_LOAD, true);
  view.setUint32(4, PF_R | PF_X, true);
  view.setBigUint64(8, BigInt(segment.offset), true);
  view.setBigUint64(16, BigInt(segment.address), true);
  view.setBigUint64(24, BigInt(segment.address), true);
  view.setBigUint64(32, BigInt(segment.size), true);
  view.setBigUint64(40, BigInt(segment.size), true);
  view.setBigUint64(48, BigInt(PAGE), true);
  return bytes;
}

/** Reads the program headers, checking that the file is what is expected. */
function programHeaders(file: Uint8Array): ProgramHeader[] {
  const view = viewOf(file);
  const magic = file.length >= 64 && view.getUint32(0, false) === 0x7f454c46;
  if (
    !magic || file[4] !== 2 || view.getUint16(18, true) !== 62 || view.getUint16(54, true) !== HEADER_SIZE
  ) {
    throw new RangeError("Cannot pack the executable: it is not an x86-64 ELF file");
  }
  const table = Number(view.getBigUint64(32, true));
  const headers: ProgramHeader[] = [];
  for (let index = 0; index < view.getUint16(56, true); index++) {
    const bytes = file.slice(table + index * HEADER_SIZE, table + (index + 1) * HEADER_SIZE);
    const fields = viewOf(bytes);
    headers.push({
      bytes,
      type: fields.getUint32(0, true),
      offset: Number(fields.getBigUint64(8, true)),
      address: Number(fields.getBigUint64(16, true)),
      fileSize: Number(fields.getBigUint64(32, true)),
      memorySize: Number(fields.getBigUint64(40, true)),
    });
  }
  return headers;
}

function lastLoad(headers: readonly ProgramHeader[]): ProgramHeader {
  const last = headers.findLast((header) => header.type === PT_LOAD);
  if (last === undefined) throw new RangeError("Cannot pack the executable: it has no loadable segment");
  return last;
}

function alignUp(value: number): number {
  return Math.ceil(value / PAGE) * PAGE;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
