/**
 * Says what kind of file this is, and why one that cannot be started cannot.
 *
 * Sources: [BOOT] Linux Documentation/arch/x86/boot.rst (HdrS at 202h); [A64] arch/arm64/booting.rst; [RV]
 * arch/riscv/boot-image-header.rst; [ARM] arch/arm zImage header.
 * @module
 */

import { hexBytes } from "../hvm/base/bits.ts";
import { ImageError } from "../hvm/base/errors.ts";
import { isElf } from "./elf.ts";
import { findMultiboot } from "./multiboot_header.ts";
import { type Packing, packingOf } from "./unpack/unpack.ts";

/** What can be started: `bzimage` a Linux kernel with its setup header, `multiboot` a file that is not ELF. */
export type ImageKind = "bzimage" | "elf" | "multiboot";

/** `packed`: something that must be unpacked first. */
export type FileKind = ImageKind | { readonly packed: Packing };

/** Magic numbers, each at its offset. */
interface Signature {
  readonly at: number;
  readonly text: string;
  readonly what: string;
}

const FOREIGN: readonly Signature[] = [
  { at: 0x38, text: "ARM\x64", what: "a kernel for 64-bit ARM, not for x86" },
  { at: 0x38, text: "RSC\x05", what: "a kernel for RISC-V, not for x86" },
  { at: 0x24, text: "\x18\x28\x6f\x01", what: "a kernel for 32-bit ARM, not for x86" },
  { at: 4, text: "zimg", what: "an EFI program with a packed kernel for another architecture, not for x86" },
  { at: 0, text: "\x27\x05\x19\x56", what: "a U-Boot image, not a kernel for x86" },
  { at: 0, text: "QFI\xfb", what: "a qcow2 disk, not a kernel: give it with --disk" },
  { at: 0x8001, text: "CD001", what: "a CD image, not a kernel: give it with --cdrom" },
  { at: 0, text: "070701", what: "a cpio archive, not a kernel: give it with --initrd" },
  { at: 0, text: "!<arch>\n", what: "a package or archive, not a kernel" },
];

/** The boot sector's signature and the setup header's. [BOOT] */
const BOOT_FLAG_AT = 0x1fe;
const HEADER_MAGIC_AT = 0x202;

/**
 * What `file` is.
 * @throws {ImageError} when it is empty or nothing that can be started.
 */
export function kindOf(file: Uint8Array): FileKind {
  if (file.length === 0) throw new ImageError("The kernel file is empty");
  if (hasText(file, HEADER_MAGIC_AT, "HdrS")) return "bzimage";
  if (isElf(file)) return "elf";
  for (const { at, text, what } of FOREIGN) {
    if (hasText(file, at, text)) throw new ImageError(`The kernel file is ${what}`);
  }
  if (findMultiboot(file) !== undefined) return "multiboot";
  const packed = packingOf(file);
  if (packed !== undefined) return { packed };
  throw new ImageError(whyNot(file));
}

function whyNot(file: Uint8Array): string {
  if (file.length < HEADER_MAGIC_AT + 4 && (hasText(file, 0, "MZ") || isBootSector(file))) {
    return `The kernel file is truncated: it has ${file.length} bytes`;
  }
  if (hasText(file, 0, "MZ")) return "The kernel file is a DOS, Windows or EFI program, not a kernel for x86";
  if (isBootSector(file)) {
    return "The kernel file is a boot sector or disk, not a kernel: give it with --disk";
  }
  const start = hexBytes(file.subarray(0, 8));
  return `The kernel file is not a kernel: it begins with ${start}, and is neither bzImage, ELF nor multiboot`;
}

function isBootSector(file: Uint8Array): boolean {
  return file[BOOT_FLAG_AT] === 0x55 && file[BOOT_FLAG_AT + 1] === 0xaa;
}

function hasText(file: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (file[at + i] !== text.charCodeAt(i)) return false;
  return true;
}
