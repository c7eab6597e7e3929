/**
 * Memory below JavaScript: memfds, mappings, and buffers over addresses.
 *
 * Addresses are plain numbers: user space of x86-64 ends at 2^47 (2^56 with five-level tables, still exact). A buffer
 * made here is a view of memory that somebody must keep mapped for as long as the buffer is used; unmapping under a
 * live buffer ends the process at its next use.
 *
 * Sources: mmap(2), memfd_create(2), madvise(2).
 * @module
 */

import { alignUp } from "../base/bits.ts";
import { asBuffer, check, cString, failure, libc } from "./ffi.ts";

const MEMFD = { CLOEXEC: 1 << 0, ALLOW_SEALING: 1 << 1, HUGETLB: 1 << 2 } as const;
const PROT = { READ: 1 << 0, WRITE: 1 << 1 } as const;
const MAP = { SHARED: 0x01, PRIVATE: 0x02, FIXED: 0x10, ANONYMOUS: 0x20, NORESERVE: 0x4000 } as const;

/** Advice the kernel takes about a range. madvise(2) */
export const ADVICE = {
  /** Pages are not needed: their memory may be taken back and read as zeros (private) or as the file again (shared). */
  DONTNEED: 4,
  /** Frees the pages and the file's blocks behind them. */
  REMOVE: 9,
  /** Not copied into a child by fork. */
  DONTFORK: 10,
  /** Use transparent huge pages where possible. */
  HUGEPAGE: 14,
  /** Leave out of core dumps. */
  DONTDUMP: 16,
  /** Populate (fault in) for writing now. */
  POPULATE_WRITE: 23,
} as const;

/** A range of mapped memory. */
export interface Mapping {
  readonly address: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Gives the range back. No view of it may be used afterwards. Doing it twice does nothing. */
  unmap(): void;
}

/**
 * Makes anonymous memory that has a descriptor, `length` bytes long.
 * @throws {HostError} when the host refuses; ENOMEM for `huge` without reserved huge pages.
 */
export function createMemfd(name: string, length: number, options: { huge?: boolean } = {}): number {
  const flags = MEMFD.CLOEXEC | (options.huge === true ? MEMFD.HUGETLB : 0);
  const fd = check(libc().memfdCreate(cString(name), flags), `create memory "${name}"`, "memfd_create");
  const result = libc().ftruncate(fd, BigInt(length));
  if (result < 0) {
    const error = failure(`give memory "${name}" ${length} bytes`, "ftruncate");
    libc().close(fd);
    throw error;
  }
  return fd;
}

/** How {@linkcode mapFile} maps. */
export interface MapOptions {
  /** Byte offset into the file; a multiple of the page size. Default 0. */
  readonly offset?: number;
  /** Reads only. */
  readonly readonly?: boolean;
  /** A copy-on-write clone in place of the shared memory itself. */
  readonly private?: boolean;
  /** Exactly there, in place of whatever is mapped there now (a WebAssembly.Memory, for one). */
  readonly at?: number;
}

/**
 * Maps `length` bytes of a descriptor.
 * @throws {HostError} when the host refuses.
 */
export function mapFile(fd: number, length: number, options: MapOptions = {}): Mapping {
  const protection = options.readonly === true ? PROT.READ : PROT.READ | PROT.WRITE;
  const flags = (options.private === true ? MAP.PRIVATE : MAP.SHARED) |
    (options.at === undefined ? 0 : MAP.FIXED);
  return map(options.at ?? 0, length, protection, flags, fd, options.offset ?? 0);
}

/** Maps `length` bytes of zeros that nobody else sees. */
export function mapAnonymous(length: number): Mapping {
  return map(0, length, PROT.READ | PROT.WRITE, MAP.PRIVATE | MAP.ANONYMOUS | MAP.NORESERVE, -1, 0);
}

function map(
  at: number,
  length: number,
  protection: number,
  flags: number,
  fd: number,
  offset: number,
): Mapping {
  const result = libc().mmap(BigInt(at), BigInt(length), protection, flags, fd, BigInt(offset));
  if (result === -1n) throw failure(`map ${length} bytes`, "mmap");
  const address = Number(result);
  let mapped = true;
  return {
    address,
    bytes: bytesAt(address, length),
    unmap: () => {
      if (mapped) unmap(address, length);
      mapped = false;
    },
  };
}

/** Unmaps a range. @throws {HostError} when the range is not one. */
export function unmap(address: number, length: number): void {
  check(libc().munmap(BigInt(address), BigInt(length)), `unmap ${length} bytes`, "munmap");
}

/**
 * Gives advice about a range; what the kernel cannot do is no error of ours.
 * @returns true when the kernel took it.
 */
export function advise(address: number, length: number, advice: number): boolean {
  return libc().madvise(BigInt(address), BigInt(length), advice) === 0;
}

/** The bytes of `length` bytes at `address`, which must be mapped for as long as the result is used. */
export function bytesAt(address: number, length: number): Uint8Array<ArrayBuffer> {
  const pointer = Deno.UnsafePointer.create(BigInt(address));
  if (pointer === null) throw new RangeError("Cannot view memory at address 0");
  return new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(pointer, length));
}

/**
 * The address of the first byte of a non-empty view. It is good for as long as the buffer lives: backing stores do not
 * move, but a buffer nobody holds is freed.
 */
export function addressOf(bytes: Uint8Array<ArrayBufferLike>): number {
  const pointer = Deno.UnsafePointer.of(asBuffer(bytes));
  if (pointer === null) throw new RangeError("Cannot take the address of no bytes");
  return Number(Deno.UnsafePointer.value(pointer));
}

/** `length` rounded up to whole pages of `pageSize` bytes. */
export function wholePages(length: number, pageSize = 4096): number {
  return alignUp(length, pageSize);
}
