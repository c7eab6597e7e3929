/**
 * What the firmware configuration device offers: well-known keys, and the forms their values have.
 *
 * Sources: [FWCFG] QEMU docs/specs/fw_cfg.rst; [FWCFGH] Linux include/uapi/linux/qemu_fw_cfg.h (key numbers).
 * @module
 */

/** Well-known keys. Numbers in their values are little-endian. [FWCFGH] */
export const FW_CFG_KEY = {
  SIGNATURE: 0x00,
  ID: 0x01,
  UUID: 0x02,
  RAM_SIZE: 0x03,
  NO_GRAPHIC: 0x04,
  CPUS: 0x05,
  MACHINE_ID: 0x06,
  KERNEL_ADDRESS: 0x07,
  KERNEL_SIZE: 0x08,
  INITRD_ADDRESS: 0x0a,
  INITRD_SIZE: 0x0b,
  BOOT_DEVICE: 0x0c,
  NUMA: 0x0d,
  BOOT_MENU: 0x0e,
  MAX_CPUS: 0x0f,
  KERNEL_ENTRY: 0x10,
  KERNEL_DATA: 0x11,
  INITRD_DATA: 0x12,
  COMMAND_LINE_ADDRESS: 0x13,
  COMMAND_LINE_SIZE: 0x14,
  COMMAND_LINE_DATA: 0x15,
  SETUP_ADDRESS: 0x16,
  SETUP_SIZE: 0x17,
  SETUP_DATA: 0x18,
  FILE_DIRECTORY: 0x19,
  /** Files have the keys from here on. */
  FILE_FIRST: 0x20,
  /** x86 has its own keys above this. */
  ARCH_LOCAL: 0x8000,
} as const;

/** Bits of a key that name an item; bit 14 once said that it is to be written. [FWCFG] */
export const FW_CFG_KEY_MASK = 0xbfff;
/** Keys from {@linkcode FW_CFG_KEY.FILE_FIRST} to here are files. */
export const FW_CFG_FILE_LAST = 0x3fff;
/** Bytes of a file's name, the NUL included. [FWCFG] */
export const FW_CFG_NAME_SIZE = 56;

/** A file as the directory lists it. */
export interface DirectoryEntry {
  readonly name: string;
  readonly key: number;
  readonly size: number;
}

const ENTRY_SIZE = 64;

/** An unsigned number of 2, 4 or 8 bytes. */
export function fwCfgNumber(value: number, width: 2 | 4 | 8): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes.slice(0, width);
}

/** A text with its NUL. */
export function fwCfgText(text: string): Uint8Array<ArrayBuffer> {
  const encoded = new TextEncoder().encode(text);
  const bytes = new Uint8Array(encoded.length + 1);
  bytes.set(encoded);
  return bytes;
}

/** The file directory: a count, then size, key and name of each; these numbers are big-endian. [FWCFG] */
export function fwCfgDirectory(files: readonly DirectoryEntry[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4 + files.length * ENTRY_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, files.length);
  for (const [index, { name, key, size }] of files.entries()) {
    const at = 4 + index * ENTRY_SIZE;
    view.setUint32(at, size);
    view.setUint16(at + 4, key);
    bytes.set(new TextEncoder().encode(name), at + 8);
  }
  return bytes;
}
