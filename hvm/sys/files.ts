/**
 * Descriptors: open, close, read, write, positioned vectors, and ioctl in the shapes KVM needs.
 *
 * Sources: open(2), read(2), preadv(2), ioctl(2), fallocate(2).
 * @module
 */

import { ERRNO } from "./errno.ts";
import { asBuffer, check, cString, errno, failure, libc } from "./ffi.ts";
import { addressOf } from "./memory.ts";

/** Flags of {@linkcode openFile}; close-on-exec is always added. open(2) */
export const OPEN = {
  READ_ONLY: 0,
  WRITE_ONLY: 1,
  READ_WRITE: 2,
  CREATE: 0o100,
  EXCLUSIVE: 0o200,
  TRUNCATE: 0o1000,
  NONBLOCK: 0o4000,
  DIRECT: 0o40000,
} as const;
const O_CLOEXEC = 0o2000000;

/** One piece of a vectored transfer: guest RAM by address, or any buffer through {@linkcode pieceOf}. */
export interface Piece {
  readonly address: number;
  readonly length: number;
}

/** The piece that is a whole view. The view must be held until the transfer is over. */
export function pieceOf(bytes: Uint8Array<ArrayBufferLike>): Piece {
  return { address: bytes.length === 0 ? 0 : addressOf(bytes), length: bytes.length };
}

/**
 * Opens a file.
 * @returns the descriptor.
 * @throws {HostError} with the errno's name.
 */
export function openFile(path: string, flags: number, mode = 0o644): number {
  return check(libc().open(cString(path), flags | O_CLOEXEC, mode), `open ${path}`, "open");
}

/** Opens a file and answers the negated error number where {@linkcode openFile} throws. */
export function tryOpen(path: string, flags: number): number {
  const fd = libc().open(cString(path), flags | O_CLOEXEC, 0);
  return fd < 0 ? -errno() : fd;
}

/** Closes a descriptor. An error is of no use to anyone here and is not reported. */
export function closeFile(fd: number): void {
  libc().close(fd);
}

/**
 * Reads what there is, at most `bytes.length`.
 * @returns the number of bytes, 0 at the end, or -1 when nothing is there yet (EAGAIN, EINTR).
 * @throws {HostError} on any other error.
 */
export function readSome(fd: number, bytes: Uint8Array<ArrayBufferLike>): number {
  return transferred(Number(libc().read(fd, asBuffer(bytes), BigInt(bytes.length))), "read");
}

/** Writes what fits; the result is that of {@linkcode readSome}. */
export function writeSome(fd: number, bytes: Uint8Array<ArrayBufferLike>): number {
  return transferred(Number(libc().write(fd, asBuffer(bytes), BigInt(bytes.length))), "write");
}

/**
 * Reads at `offset` into the pieces, in order, until they are full or the file ends.
 * @returns the number of bytes read.
 * @throws {HostError} on an error.
 */
export function readVector(fd: number, pieces: readonly Piece[], offset: number): number {
  return vector(fd, pieces, offset, "preadv");
}

/** Writes the pieces at `offset`; see {@linkcode readVector}. */
export function writeVector(fd: number, pieces: readonly Piece[], offset: number): number {
  return vector(fd, pieces, offset, "pwritev");
}

/** Waits until what was written is on the medium. */
export function syncData(fd: number): void {
  check(libc().fdatasync(fd), "flush a file", "fdatasync");
}

/** An ioctl with an integer argument; negative is the negated error number. */
export function ioctlInt(fd: number, request: number, argument: number): number {
  const result = libc().ioctlInt(fd, request, argument);
  return result < 0 ? -errno() : result;
}

/** An ioctl with a structure; negative is the negated error number. */
export function ioctlBytes(fd: number, request: number, argument: Uint8Array<ArrayBufferLike>): number {
  const result = libc().ioctlBytes(fd, request, asBuffer(argument));
  return result < 0 ? -errno() : result;
}

/** The kernel takes at most this many pieces in one call. preadv(2), UIO_MAXIOV */
const MAX_PIECES = 1024;

function vector(
  fd: number,
  pieces: readonly Piece[],
  offset: number,
  operation: "preadv" | "pwritev",
): number {
  const rest = pieces.filter((piece) => piece.length > 0).map((piece) => ({ ...piece }));
  let total = 0;
  while (rest.length > 0) {
    const count = Math.min(rest.length, MAX_PIECES);
    const vectors = new BigUint64Array(2 * count);
    for (let i = 0; i < count; i++) {
      vectors[2 * i] = BigInt(rest[i]!.address);
      vectors[2 * i + 1] = BigInt(rest[i]!.length);
    }
    const done = Number(libc()[operation](fd, new Uint8Array(vectors.buffer), count, BigInt(offset + total)));
    if (done < 0 && errno() === ERRNO.EINTR) continue;
    if (done < 0) throw failure(operation === "preadv" ? "read a file" : "write a file", operation);
    if (done === 0) break;
    total += done;
    consume(rest, done);
  }
  return total;
}

/** Takes `done` bytes off the front of the list. */
function consume(pieces: { address: number; length: number }[], done: number): void {
  let left = done;
  while (left > 0) {
    const piece = pieces[0]!;
    const step = Math.min(left, piece.length);
    piece.address += step;
    piece.length -= step;
    left -= step;
    if (piece.length === 0) pieces.shift();
  }
}

function transferred(result: number, operation: string): number {
  if (result >= 0) return result;
  const error = errno();
  if (error === ERRNO.EAGAIN || error === ERRNO.EINTR) return -1;
  throw failure(`${operation} a descriptor`, operation);
}

/**
 * The text of a small file (of /proc, /sys, /dev); empty when it cannot be read.
 * @param limit bytes read at most.
 */
export function readSmallText(path: string, limit = 65536): string {
  const fd = tryOpen(path, OPEN.READ_ONLY);
  if (fd < 0) return "";
  try {
    const bytes = new Uint8Array(limit);
    let length = 0;
    while (length < limit) {
      const count = Number(libc().read(fd, bytes.subarray(length), BigInt(limit - length)));
      if (count <= 0) break;
      length += count;
    }
    return new TextDecoder().decode(bytes.subarray(0, length));
  } finally {
    closeFile(fd);
  }
}
