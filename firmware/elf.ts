/**
 * ELF files as a loader sees them: header, segments to load and notes, every field checked.
 *
 * Sources: [ELF] System V ABI, edition 4.1 and the 2013 draft of gABI ch. 4 and 5; [LSB] note format.
 * @module
 */

import { ADDRESS_LIMIT } from "../hvm/base/addr.ts";
import { alignUp } from "../hvm/base/bits.ts";
import { ImageError } from "../hvm/base/errors.ts";
import { addr64, bytes, struct, u16, u32, u64 } from "../hvm/base/layout.ts";

const IDENT = { CLASS: 4, DATA: 5, SIZE: 16 } as const;
const CLASS = { 1: 32, 2: 64 } as const;
/** e_type. */
const TYPE = { RELOCATABLE: 1, EXECUTABLE: 2, SHARED: 3, CORE: 4 } as const;
/** p_type. */
const SEGMENT = { LOAD: 1, INTERPRETER: 3, NOTE: 4 } as const;

/** e_machine values that can run here. */
export const ELF_MACHINE = { I386: 3, X86_64: 62 } as const;
const OTHER_MACHINES: Readonly<Record<number, string>> = {
  2: "SPARC",
  8: "MIPS",
  20: "PowerPC",
  21: "64-bit PowerPC",
  22: "S/390",
  40: "32-bit ARM",
  43: "64-bit SPARC",
  50: "Itanium",
  183: "64-bit ARM",
  243: "RISC-V",
  258: "LoongArch",
};

const HEADER32 = struct("Elf32_Ehdr", {
  e_ident: bytes(IDENT.SIZE),
  e_type: u16,
  e_machine: u16,
  e_version: u32,
  e_entry: u32,
  e_phoff: u32,
  e_shoff: u32,
  e_flags: u32,
  e_ehsize: u16,
  e_phentsize: u16,
  e_phnum: u16,
  e_shentsize: u16,
  e_shnum: u16,
  e_shstrndx: u16,
}, { size: 52 });

const HEADER64 = struct("Elf64_Ehdr", {
  e_ident: bytes(IDENT.SIZE),
  e_type: u16,
  e_machine: u16,
  e_version: u32,
  e_entry: u64,
  e_phoff: addr64,
  e_shoff: addr64,
  e_flags: u32,
  e_ehsize: u16,
  e_phentsize: u16,
  e_phnum: u16,
  e_shentsize: u16,
  e_shnum: u16,
  e_shstrndx: u16,
}, { size: 64 });

const PROGRAM32 = struct("Elf32_Phdr", {
  p_type: u32,
  p_offset: u32,
  p_vaddr: u32,
  p_paddr: u32,
  p_filesz: u32,
  p_memsz: u32,
  p_flags: u32,
  p_align: u32,
}, { size: 32 });

const PROGRAM64 = struct("Elf64_Phdr", {
  p_type: u32,
  p_flags: u32,
  p_offset: addr64,
  p_vaddr: u64,
  p_paddr: addr64,
  p_filesz: addr64,
  p_memsz: addr64,
  p_align: addr64,
}, { size: 56 });

/** A segment to load. */
export interface ElfSegment {
  /** Physical address. */
  readonly address: number;
  readonly virtual: bigint;
  /** The bytes in the file; the rest of `memorySize` is zero. */
  readonly content: Uint8Array;
  readonly memorySize: number;
}

/** A note: its owner, type and data. */
export interface ElfNote {
  readonly owner: string;
  readonly type: number;
  readonly data: Uint8Array;
}

/** What a loader needs of an ELF file. */
export interface Elf {
  readonly bits: 32 | 64;
  /** The entry as the file states it; {@linkcode physicalEntry} says where that is. */
  readonly entry: bigint;
  readonly segments: readonly ElfSegment[];
  readonly notes: readonly ElfNote[];
}

/** True when `bytes` begin as an ELF file does. */
export function isElf(bytes: Uint8Array): boolean {
  return bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

/**
 * Reads a bootable x86 ELF file.
 * @throws {ImageError} when it is damaged, not for x86, or not something to boot.
 */
export function readElf(file: Uint8Array): Elf {
  const bits = CLASS[file[IDENT.CLASS] as 1 | 2] as 32 | 64 | undefined;
  if (!isElf(file) || bits === undefined) {
    throw new ImageError("The ELF file is damaged: its header is wrong");
  }
  if (file[IDENT.DATA] === 2) throw new ImageError("The ELF file is for a big-endian machine, not for x86");
  const Header = bits === 64 ? HEADER64 : HEADER32;
  if (file.length < Header.size) throw cut();
  const header = Header.view(file);
  checkMachine(header.e_machine, bits);
  checkType(header.e_type);
  const Program = bits === 64 ? PROGRAM64 : PROGRAM32;
  if (header.e_phnum === 0) throw new ImageError("The ELF file has no program headers, so nothing to load");
  if (header.e_phentsize !== Program.size || header.e_phnum === 0xffff) {
    throw damaged("its program headers are wrong");
  }
  if (header.e_phoff + header.e_phnum * Program.size > file.length) throw cut();
  const segments: ElfSegment[] = [];
  const notes: ElfNote[] = [];
  for (let i = 0; i < header.e_phnum; i++) {
    const program = Program.view(file, header.e_phoff + i * Program.size);
    if (program.p_type === SEGMENT.INTERPRETER) {
      throw new ImageError("The ELF file is a program for an operating system, not a kernel");
    }
    if (program.p_type === SEGMENT.NOTE) readNotes(contentOf(file, program), program.p_align, notes);
    if (program.p_type !== SEGMENT.LOAD || program.p_memsz === 0) continue;
    if (program.p_filesz > program.p_memsz) throw damaged("a segment has more in the file than in memory");
    if (program.p_paddr + program.p_memsz > ADDRESS_LIMIT) {
      throw damaged("a segment lies outside the address space");
    }
    segments.push({
      address: program.p_paddr,
      virtual: BigInt(program.p_vaddr),
      content: contentOf(file, program),
      memorySize: program.p_memsz,
    });
  }
  if (segments.length === 0) throw new ImageError("The ELF file has no segments to load");
  return { bits, entry: BigInt(header.e_entry), segments, notes };
}

function checkMachine(machine: number, bits: 32 | 64): void {
  if (machine === (bits === 64 ? ELF_MACHINE.X86_64 : ELF_MACHINE.I386)) return;
  const name = OTHER_MACHINES[machine];
  if (name !== undefined) throw new ImageError(`The ELF file is for ${name}, not for x86`);
  throw new ImageError(`The ELF file is for machine ${machine} with ${bits} bits, not for x86`);
}

function checkType(type: number): void {
  if (type === TYPE.EXECUTABLE || type === TYPE.SHARED) return;
  const what = type === TYPE.RELOCATABLE
    ? "an object file or kernel module"
    : type === TYPE.CORE
    ? "a core dump"
    : `of type ${type}`;
  throw new ImageError(`The ELF file is ${what}, not a kernel`);
}

function contentOf(file: Uint8Array, program: { p_offset: number; p_filesz: number }): Uint8Array {
  const end = program.p_offset + program.p_filesz;
  if (end > file.length) throw cut();
  return file.subarray(program.p_offset, end);
}

/** Reads the notes of one segment; what does not fit it ends the list, as other loaders do. [ELF] ch. 5, "Note Section" */
function readNotes(segment: Uint8Array, align: number, notes: ElfNote[]): void {
  const view = new DataView(segment.buffer, segment.byteOffset, segment.byteLength);
  const step = align === 8 ? 8 : 4;
  for (let at = 0; at + 12 <= segment.length;) {
    const nameSize = view.getUint32(at, true);
    const dataSize = view.getUint32(at + 4, true);
    const dataAt = at + alignUp(12 + nameSize, step);
    const end = dataAt + dataSize;
    if (end > segment.length) return;
    const owner = String.fromCharCode(...segment.subarray(at + 12, at + 12 + Math.min(nameSize, 64)));
    notes.push({
      owner: owner.replace(/\0.*$/s, ""),
      type: view.getUint32(at + 8, true),
      data: segment.subarray(dataAt, end),
    });
    at += alignUp(end - at, step);
  }
}

/**
 * Where the entry is in physical memory: kernels state it physically (Linux) or virtually (most others).
 * @throws {ImageError} when it is in no segment.
 */
export function physicalEntry(elf: Elf): number {
  const physical = Number(elf.entry);
  if (elf.segments.some((s) => physical >= s.address && physical < s.address + s.memorySize)) return physical;
  for (const segment of elf.segments) {
    const offset = elf.entry - segment.virtual;
    if (offset >= 0n && offset < BigInt(segment.memorySize)) return segment.address + Number(offset);
  }
  throw new ImageError(`The ELF file's entry, 0x${elf.entry.toString(16)}, is in none of its segments`);
}

function cut(): ImageError {
  return new ImageError("The ELF file is truncated: it ends before what its headers name");
}

function damaged(how: string): ImageError {
  return new ImageError(`The ELF file is damaged: ${how}`);
}
