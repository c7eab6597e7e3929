/**
 * An ELF file of names alone: what a debugger needs to break at a function of a guest whose image has no symbols.
 *
 * Sources: [ELF] System V ABI gABI, chapter 4 (headers, sections, symbol table).
 * @module
 */

import { bytes, struct, u16, u32, u64, u8 } from "../../hvm/base/layout.ts";

const EHDR = struct("Elf64_Ehdr", {
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
const SHDR = struct("Elf64_Shdr", {
  sh_name: u32,
  sh_type: u32,
  sh_flags: u64,
  sh_addr: u64,
  sh_offset: u64,
  sh_size: u64,
  sh_link: u32,
  sh_info: u32,
  sh_addralign: u64,
  sh_entsize: u64,
}, { size: 64 });
const SYM = struct("Elf64_Sym", {
  st_name: u32,
  st_info: u8,
  st_other: u8,
  st_shndx: u16,
  st_value: u64,
  st_size: u64,
}, { size: 24 });

const IDENT = Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0);
const ET_EXEC = 2;
const EM_X86_64 = 62;
const SHT = { SYMTAB: 2, STRTAB: 3, NOBITS: 8 } as const;
const ALLOC_EXEC = 6n;
/** Global, function. */
const GLOBAL_FUNC = 0x12;
const NAMES = "\0.text\0.symtab\0.strtab\0";
const TEXT = 1;

/** A file in which every name is a function. */
export function symbolFile(symbols: readonly (readonly [name: string, address: bigint])[]): Uint8Array {
  const addresses = symbols.map(([, address]) => address);
  const first = addresses.reduce((a, b) => a < b ? a : b);
  const last = addresses.reduce((a, b) => a > b ? a : b);
  let names = NAMES;
  const table: Uint8Array[] = [SYM.encode({})];
  for (const [name, address] of symbols) {
    table.push(SYM.encode({
      st_name: names.length,
      st_info: GLOBAL_FUNC,
      st_shndx: TEXT,
      st_value: address,
      st_size: 1n,
    }));
    names += `${name}\0`;
  }
  const strings = new TextEncoder().encode(names);
  const symbolsAt = EHDR.size;
  const symbolBytes = table.length * SYM.size;
  const stringsAt = symbolsAt + symbolBytes;
  const sections = Math.ceil((stringsAt + strings.length) / 8) * 8;
  const name = (text: string) => NAMES.indexOf(text);
  return concat([
    EHDR.encode({
      e_ident: IDENT,
      e_type: ET_EXEC,
      e_machine: EM_X86_64,
      e_version: 1,
      e_shoff: BigInt(sections),
      e_ehsize: EHDR.size,
      e_shentsize: SHDR.size,
      e_shnum: 4,
      e_shstrndx: 3,
    }),
    ...table,
    strings,
    new Uint8Array(sections - stringsAt - strings.length),
    SHDR.encode({}),
    SHDR.encode({
      sh_name: name(".text"),
      sh_type: SHT.NOBITS,
      sh_flags: ALLOC_EXEC,
      sh_addr: first,
      sh_size: last - first + 16n,
      sh_addralign: 1n,
    }),
    SHDR.encode({
      sh_name: name(".symtab"),
      sh_type: SHT.SYMTAB,
      sh_offset: BigInt(symbolsAt),
      sh_size: BigInt(symbolBytes),
      sh_link: 3,
      sh_info: 1,
      sh_addralign: 8n,
      sh_entsize: BigInt(SYM.size),
    }),
    SHDR.encode({
      sh_name: name(".strtab"),
      sh_type: SHT.STRTAB,
      sh_offset: BigInt(stringsAt),
      sh_size: BigInt(strings.length),
      sh_addralign: 1n,
    }),
  ]);
}

function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const result = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    result.set(piece, at);
    at += piece.length;
  }
  return result;
}
