/**
 * A Linux bzImage: its setup header, the protected-mode part, and the packed kernel inside, which is unpacked here on the
 * host, far faster than any guest would do it.
 *
 * Sources: [BOOT] Linux Documentation/arch/x86/boot.rst.
 * Deviates: zImages (kernels before 2.6 that load below 1 MiB) are refused.
 * @module
 */

import { ImageError } from "../hvm/base/errors.ts";
import { signatureEnd } from "./authenticode.ts";
import { type Packing, packingOf, unpack } from "./unpack/unpack.ts";

/** Offsets of the setup header in the file, and in the zero page alike. [BOOT] "The Real-Mode Kernel Header" */
export const SETUP = {
  SETUP_SECTORS: 0x1f1,
  SYSTEM_SIZE: 0x1f4,
  BOOT_FLAG: 0x1fe,
  JUMP: 0x200,
  MAGIC: 0x202,
  VERSION: 0x206,
  KERNEL_VERSION: 0x20e,
  LOADER_TYPE: 0x210,
  LOAD_FLAGS: 0x211,
  CODE32_START: 0x214,
  RAMDISK_IMAGE: 0x218,
  RAMDISK_SIZE: 0x21c,
  HEAP_END: 0x224,
  COMMAND_LINE: 0x228,
  INITRD_MAX: 0x22c,
  ALIGNMENT: 0x230,
  RELOCATABLE: 0x234,
  XLOAD_FLAGS: 0x236,
  COMMAND_LINE_SIZE: 0x238,
  PAYLOAD_OFFSET: 0x248,
  PAYLOAD_LENGTH: 0x24c,
  PREFERRED_ADDRESS: 0x258,
  INIT_SIZE: 0x260,
  END: 0x290,
} as const;

/** loadflags. [BOOT] */
export const LOAD_FLAGS = { LOADED_HIGH: 1 << 0, CAN_USE_HEAP: 1 << 7 } as const;
/** xloadflags. [BOOT] */
export const XLOAD_FLAGS = { KERNEL_64: 1 << 0 } as const;

const SECTOR = 512;
const HEADER_MAGIC = 0x53726448;
/** Version 2.02 brought the command line pointer of today. [BOOT] */
const OLDEST_VERSION = 0x202;

/** What the header says, with the values [BOOT] gives for versions that lack a field. */
export interface SetupHeader {
  /** 2.15 is 020fh. */
  readonly version: number;
  /** Where the protected-mode part begins in the file. */
  readonly systemOffset: number;
  /** Its length in bytes, rounded up to 16 by the header. */
  readonly systemSize: number;
  readonly kernelVersion: string;
  readonly commandLineLimit: number;
  /** The highest address of a ramdisk. */
  readonly initrdMax: number;
  readonly alignment: number;
  readonly relocatable: boolean;
  /** There is a 64-bit entry at 200h of the protected-mode part. */
  readonly has64BitEntry: boolean;
  /** The packed kernel within the protected-mode part; length 0 before version 2.08. */
  readonly payloadOffset: number;
  readonly payloadLength: number;
  readonly preferredAddress: number;
  /** Memory the kernel needs from where it is loaded until it reads the memory map. */
  readonly initSize: number;
  /** Bytes 0 to the end of the header: what the zero page is made from. */
  readonly bytes: Uint8Array;
}

/** The kernel out of a bzImage. */
export interface BzImage {
  readonly header: SetupHeader;
  /** The protected-mode part. */
  readonly system: Uint8Array;
}

/**
 * Reads the header of a bzImage and checks that the file is whole.
 * @throws {ImageError} when it is truncated, contradicts itself, or is too old.
 */
export function readBzImage(file: Uint8Array): BzImage {
  const header = readSetupHeader(file);
  const end = header.systemOffset + header.systemSize;
  const needed = Math.max(end, signatureEnd(file));
  if (file.length < needed) {
    throw new ImageError(`The kernel file is truncated: it has ${file.length} of ${needed} bytes`);
  }
  if (header.payloadOffset + header.payloadLength > header.systemSize) {
    throw new ImageError("The kernel file is damaged: its payload lies outside of it");
  }
  return { header, system: file.subarray(header.systemOffset, end) };
}

/**
 * Reads a setup header from the beginning of a bzImage, {@linkcode SETUP}.END bytes at least where the file has them.
 * @throws {ImageError} when there is none or it is too old.
 */
export function readSetupHeader(file: Uint8Array): SetupHeader {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < SETUP.JUMP + 2) {
    throw new ImageError("The kernel file is truncated: it ends within its header");
  }
  const end = Math.min(SETUP.JUMP + 2 + file[SETUP.JUMP + 1]!, SETUP.END);
  if (file.length < end) throw new ImageError("The kernel file is truncated: it ends within its header");
  if (end < SETUP.INITRD_MAX || view.getUint32(SETUP.MAGIC, true) !== HEADER_MAGIC) {
    throw new ImageError("The kernel file is damaged: its setup header is wrong");
  }
  const version = view.getUint16(SETUP.VERSION, true);
  const loadFlags = file[SETUP.LOAD_FLAGS]!;
  if (version < OLDEST_VERSION || !(loadFlags & LOAD_FLAGS.LOADED_HIGH)) {
    throw new ImageError("The kernel file is a Linux kernel of a kind that is too old to be started");
  }
  const since = (first: number, at: number) =>
    version >= first && at + 4 <= end ? view.getUint32(at, true) : undefined;
  const sectors = file[SETUP.SETUP_SECTORS]! || 4;
  const preferredLow = since(0x20a, SETUP.PREFERRED_ADDRESS) ?? 0x100000;
  return {
    version,
    systemOffset: (sectors + 1) * SECTOR,
    systemSize: systemSize(view, version) * 16,
    kernelVersion: kernelVersion(file, view.getUint16(SETUP.KERNEL_VERSION, true)),
    commandLineLimit: since(0x206, SETUP.COMMAND_LINE_SIZE) ?? 255,
    initrdMax: since(0x203, SETUP.INITRD_MAX) ?? 0x37ffffff,
    alignment: since(0x205, SETUP.ALIGNMENT) ?? 0x100000,
    relocatable: version >= 0x205 && end > SETUP.RELOCATABLE && file[SETUP.RELOCATABLE] !== 0,
    has64BitEntry: version >= 0x20c &&
      (since(0x20c, SETUP.XLOAD_FLAGS - 2)! >>> 16 & XLOAD_FLAGS.KERNEL_64) !== 0,
    payloadOffset: since(0x208, SETUP.PAYLOAD_OFFSET) ?? 0,
    payloadLength: since(0x208, SETUP.PAYLOAD_LENGTH) ?? 0,
    preferredAddress: preferredLow + (since(0x20a, SETUP.PREFERRED_ADDRESS + 4) ?? 0) * 2 ** 32,
    initSize: since(0x20a, SETUP.INIT_SIZE) ?? 0,
    bytes: file.slice(0, end),
  };
}

/** In units of 16 bytes; its upper half counts since 2.04. [BOOT] */
function systemSize(view: DataView, version: number): number {
  return version >= 0x204 ? view.getUint32(SETUP.SYSTEM_SIZE, true) : view.getUint16(SETUP.SYSTEM_SIZE, true);
}

function kernelVersion(file: Uint8Array, pointer: number): string {
  if (pointer === 0) return "";
  const text = file.subarray(pointer + 0x200, pointer + 0x200 + 256);
  const end = text.indexOf(0);
  return new TextDecoder().decode(end < 0 ? text : text.subarray(0, end)).replace(/[^\x20-\x7e]/g, "?");
}

/** True where the file holds a packed kernel: protocol 2.08 or later. */
export function hasPayload(header: SetupHeader): boolean {
  return header.payloadLength > 4;
}

/**
 * Unpacks the kernel inside.
 * @throws {ImageError} when it is damaged.
 */
export async function unpackPayload(image: BzImage): Promise<{ kernel: Uint8Array; packing: Packing }> {
  const { payloadOffset, payloadLength } = image.header;
  const payload = image.system.subarray(payloadOffset, payloadOffset + payloadLength);
  const packing = packingOf(payload);
  if (packing === undefined) {
    throw new ImageError(
      "The kernel inside the bzImage is damaged: it is not packed in any way that is known",
    );
  }
  // The size stands behind the packed data; in gzip's case it is the last word of that data itself.
  const size = new DataView(payload.buffer, payload.byteOffset + payload.length - 4, 4).getUint32(0, true);
  const packed = packing === "gzip" ? payload : payload.subarray(0, -4);
  try {
    return { kernel: await unpack(packing, packed, size), packing };
  } catch (cause) {
    if (!(cause instanceof ImageError)) throw cause;
    throw new ImageError(`The kernel inside the bzImage cannot be unpacked: ${cause.message}`, { cause });
  }
}
