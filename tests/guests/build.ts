/**
 * Bootable images around a program: ELF with the PVH note, ELF and flat multiboot, a flat binary.
 *
 * Sources: [ELF] System V ABI gABI, chapters 4 and 5; [PVH] Xen docs/misc/pvh (the PHYS32_ENTRY note); [MB] Multiboot
 * Specification 0.6.96, 3.1.
 * @module
 */

import { alignUp } from "../../hvm/base/bits.ts";
import { bytes, struct, u16, u32, u64 } from "../../hvm/base/layout.ts";

/** A program as it lies in memory. */
export interface Loaded {
  readonly origin: number;
  readonly entry: number;
  readonly bytes: Uint8Array;
  /** Zeroed memory wanted after the bytes. */
  readonly bssBytes: number;
}

const EHDR64 = struct("Elf64_Ehdr", {
  e_ident: bytes(16),
  e_type: u16,
  e_machine: u16,
  e_version: u32,
  e_entry: u64,
  e_phoff: u64,
  e_shoff: u64,
  e_flags: u32,
  e_ehsize: u16,
  e_phentsize: u16,
  e_phnum: u16,
  e_shentsize: u16,
  e_shnum: u16,
  e_shstrndx: u16,
}, { size: 64 });

const EHDR32 = struct("Elf32_Ehdr", {
  e_ident: bytes(16),
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

const PHDR64 = struct("Elf64_Phdr", {
  p_type: u32,
  p_flags: u32,
  p_offset: u64,
  p_vaddr: u64,
  p_paddr: u64,
  p_filesz: u64,
  p_memsz: u64,
  p_align: u64,
}, { size: 56 });

const PHDR32 = struct("Elf32_Phdr", {
  p_type: u32,
  p_offset: u32,
  p_vaddr: u32,
  p_paddr: u32,
  p_filesz: u32,
  p_memsz: u32,
  p_flags: u32,
  p_align: u32,
}, { size: 32 });

const NHDR = struct("Elf_Nhdr", { n_namesz: u32, n_descsz: u32, n_type: u32, name: bytes(4) }, { size: 16 });

const ET_EXEC = 2;
const EM_386 = 3;
const EM_X86_64 = 62;
const PT_LOAD = 1;
const PT_NOTE = 4;
const RWX = 7;
/** XEN_ELFNOTE_PHYS32_ENTRY. [PVH] */
const PHYS32_ENTRY = 18;
/** Where the program starts in the file: after all headers, at its own offset within a page. */
const PAYLOAD = 0x1000;

function ident(elfClass: 1 | 2): Uint8Array {
  return Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, elfClass, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0);
}

/** An ELF64 executable entered by the PVH ABI. */
export function elf64Pvh(program: Loaded): Uint8Array {
  const noteAt = EHDR64.size + 2 * PHDR64.size;
  const note = pvhNote(program.entry, 8);
  const { origin, entry } = program;
  return concat(PAYLOAD, program.bytes, [
    EHDR64.encode({
      e_ident: ident(2),
      e_type: ET_EXEC,
      e_machine: EM_X86_64,
      e_version: 1,
      e_entry: BigInt(entry),
      e_phoff: BigInt(EHDR64.size),
      e_ehsize: EHDR64.size,
      e_phentsize: PHDR64.size,
      e_phnum: 2,
    }),
    PHDR64.encode({
      p_type: PT_LOAD,
      p_flags: RWX,
      p_offset: BigInt(PAYLOAD),
      p_vaddr: BigInt(origin),
      p_paddr: BigInt(origin),
      p_filesz: BigInt(program.bytes.length),
      p_memsz: BigInt(program.bytes.length + program.bssBytes),
      p_align: BigInt(PAYLOAD),
    }),
    PHDR64.encode({
      p_type: PT_NOTE,
      p_flags: 4,
      p_offset: BigInt(noteAt),
      p_filesz: BigInt(note.length),
      p_memsz: BigInt(note.length),
      p_align: 4n,
    }),
    note,
  ]);
}

/** An ELF32 executable: entered by the PVH ABI with `pvh`, else a plain one (multiboot looks into its bytes). */
export function elf32(program: Loaded, options: { pvh: boolean }): Uint8Array {
  const noteAt = EHDR32.size + 2 * PHDR32.size;
  const note = pvhNote(program.entry, 4);
  const { origin, entry } = program;
  return concat(PAYLOAD, program.bytes, [
    EHDR32.encode({
      e_ident: ident(1),
      e_type: ET_EXEC,
      e_machine: EM_386,
      e_version: 1,
      e_entry: entry,
      e_phoff: EHDR32.size,
      e_ehsize: EHDR32.size,
      e_phentsize: PHDR32.size,
      e_phnum: options.pvh ? 2 : 1,
    }),
    PHDR32.encode({
      p_type: PT_LOAD,
      p_flags: RWX,
      p_offset: PAYLOAD,
      p_vaddr: origin,
      p_paddr: origin,
      p_filesz: program.bytes.length,
      p_memsz: program.bytes.length + program.bssBytes,
      p_align: PAYLOAD,
    }),
    PHDR32.encode({
      p_type: PT_NOTE,
      p_flags: 4,
      p_offset: noteAt,
      p_filesz: note.length,
      p_memsz: note.length,
      p_align: 4,
    }),
    note,
  ]);
}

function pvhNote(entry: number, width: 4 | 8): Uint8Array {
  const head = NHDR.encode({
    n_namesz: 4,
    n_descsz: width,
    n_type: PHYS32_ENTRY,
    name: Uint8Array.of(0x58, 0x65, 0x6e, 0),
  });
  const result = new Uint8Array(head.length + width);
  result.set(head);
  new DataView(result.buffer).setUint32(head.length, entry, true);
  return result;
}

function concat(payloadAt: number, payload: Uint8Array, headers: readonly Uint8Array[]): Uint8Array {
  const result = new Uint8Array(payloadAt + payload.length);
  let at = 0;
  for (const header of headers) {
    result.set(header, at);
    at += header.length;
  }
  if (at > payloadAt) throw new RangeError("Cannot place the headers before the program");
  result.set(payload, payloadAt);
  return result;
}

/** Bits of the multiboot header's flags. [MB] 3.1.2 */
export const MULTIBOOT_FLAG = { PAGE_ALIGN: 1 << 0, MEMORY_INFO: 1 << 1, ADDRESSES: 1 << 16 } as const;

/** Bytes of the header with and without the address fields. */
export const MULTIBOOT_HEADER_BYTES = 48;

/**
 * The multiboot header, to be put in the first 8 KiB of an image, aligned to 4. [MB] 3.1.1
 * @param program given: an image that is not ELF, with the address fields filled in; the header is at its start.
 */
export function multibootHeader(flags: number, program?: Loaded): Uint8Array {
  const MAGIC = 0x1badb002;
  const all = (flags | (program === undefined ? 0 : MULTIBOOT_FLAG.ADDRESSES)) >>> 0;
  const words = new Uint32Array(MULTIBOOT_HEADER_BYTES / 4);
  words.set([MAGIC, all, -(MAGIC + all)]);
  if (program !== undefined) {
    const end = program.origin + program.bytes.length;
    words.set([program.origin, program.origin, end, alignUp(end + program.bssBytes, 4), program.entry], 3);
  }
  return new Uint8Array(words.buffer);
}
