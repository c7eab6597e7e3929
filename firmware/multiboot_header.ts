/**
 * The multiboot 1 header: found within the first 8192 bytes of a file, aligned to four, with a sum of zero.
 *
 * Sources: [MB1] Multiboot Specification 0.6.96, 3.1.
 * @module
 */

/** [MB1] 3.1.2 */
export const MULTIBOOT_HEADER_MAGIC = 0x1badb002;
const SEARCHED = 8192;

/** Header flags; bits 0 to 15 are demands that must be met. [MB1] 3.1.2 */
export const MULTIBOOT_FLAGS = {
  PAGE_ALIGN: 1 << 0,
  MEMORY_INFO: 1 << 1,
  VIDEO_MODE: 1 << 2,
  ADDRESSES: 1 << 16,
} as const;

/** The header, with its load addresses where bit 16 says they count. */
export interface MultibootHeader {
  /** Where in the file it stands. */
  readonly at: number;
  readonly flags: number;
  readonly addresses: {
    readonly header: number;
    readonly load: number;
    /** 0: up to the end of the file. */
    readonly loadEnd: number;
    /** 0: no bss. */
    readonly bssEnd: number;
    readonly entry: number;
  } | undefined;
}

/** The header of `file`; undefined when there is none. */
export function findMultiboot(file: Uint8Array): MultibootHeader | undefined {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  for (let at = 0; at + 12 <= Math.min(file.length, SEARCHED); at += 4) {
    if (view.getUint32(at, true) !== MULTIBOOT_HEADER_MAGIC) continue;
    const flags = view.getUint32(at + 4, true);
    if (MULTIBOOT_HEADER_MAGIC + flags + view.getUint32(at + 8, true) >>> 0 !== 0) continue;
    const word = (index: number) => view.getUint32(at + 12 + index * 4, true);
    if (!(flags & MULTIBOOT_FLAGS.ADDRESSES)) return { at, flags, addresses: undefined };
    if (at + 32 > file.length) continue;
    return {
      at,
      flags,
      addresses: { header: word(0), load: word(1), loadEnd: word(2), bssEnd: word(3), entry: word(4) },
    };
  }
  return undefined;
}
