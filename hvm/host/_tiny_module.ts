/**
 * The smallest file that has a kernel module's `.modinfo`, for tests.
 *
 * Sources: [ELF] System V gABI 4.1, chapter 4, in its 64-bit form.
 * @module
 */

import { bytes, struct, u16, u32, u64 } from "../base/layout.ts";

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

/** A relocatable ELF64 file whose `.modinfo` holds `strings`. */
export function tinyModule(strings: readonly string[]): Uint8Array<ArrayBuffer> {
  const encode = (text: string) => new TextEncoder().encode(text);
  const info = encode(strings.map((text) => `${text}\0`).join(""));
  const names = encode("\0.modinfo\0.shstrtab\0");
  const infoAt = EHDR.size;
  const namesAt = infoAt + info.length;
  const tableAt = namesAt + names.length;
  const sections = [
    SHDR.encode({}),
    SHDR.encode({ sh_name: 1, sh_type: 1, sh_offset: BigInt(infoAt), sh_size: BigInt(info.length) }),
    SHDR.encode({ sh_name: 10, sh_type: 3, sh_offset: BigInt(namesAt), sh_size: BigInt(names.length) }),
  ];
  const header = EHDR.encode({
    e_ident: Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1),
    e_type: 1,
    e_machine: 62,
    e_version: 1,
    e_shoff: BigInt(tableAt),
    e_ehsize: EHDR.size,
    e_shentsize: SHDR.size,
    e_shnum: sections.length,
    e_shstrndx: 2,
  });
  return Uint8Array.from([header, info, names, ...sections].flatMap((part) => [...part]));
}
