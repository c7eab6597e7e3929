/**
 * Error numbers of Linux on x86-64 and their names.
 *
 * Sources: [errno] errno(3); the numbers are those of asm-generic/errno-base.h and asm-generic/errno.h, compared with a
 * compiled probe by the test "errno numbers are the system's".
 * @module
 */

import { HostError } from "../base/errors.ts";

/** Error numbers this program tells apart or meets in practice. [errno] */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  ENOEXEC: 8,
  EBADF: 9,
  ECHILD: 10,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  ENOTBLK: 15,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOTTY: 25,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  ESPIPE: 29,
  EROFS: 30,
  EMLINK: 31,
  EPIPE: 32,
  EDOM: 33,
  ERANGE: 34,
  EDEADLK: 35,
  ENAMETOOLONG: 36,
  ENOLCK: 37,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ENODATA: 61,
  ETIME: 62,
  EPROTO: 71,
  EBADMSG: 74,
  EOVERFLOW: 75,
  EBADFD: 77,
  EILSEQ: 84,
  EUSERS: 87,
  ENOTSOCK: 88,
  EMSGSIZE: 90,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  ECONNRESET: 104,
  ENOBUFS: 105,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  EALREADY: 114,
  EINPROGRESS: 115,
  ESTALE: 116,
  EDQUOT: 122,
  ECANCELED: 125,
  EHWPOISON: 133,
} as const;

/** What an errno means, for the errors a user can meet. */
const MEANING: Readonly<Record<string, string>> = {
  EPERM: "the operation is not permitted",
  ENOENT: "there is no such file",
  EIO: "input/output error",
  ENXIO: "there is no such device",
  EBADF: "the descriptor is not open",
  EAGAIN: "the resource is not available now",
  ENOMEM: "the host has not enough memory",
  EACCES: "permission denied",
  EBUSY: "the resource is in use",
  EEXIST: "it exists already",
  ENODEV: "there is no such device",
  EISDIR: "it is a directory",
  EINVAL: "the host does not accept the argument",
  ENFILE: "the host has too many open files",
  EMFILE: "this process has too many open files",
  ENOTTY: "the descriptor does not know this request",
  EFBIG: "the file would be too large",
  ENOSPC: "there is no space left",
  EROFS: "the file system is read-only",
  ENOSYS: "the host's kernel lacks this call",
  EOPNOTSUPP: "the host does not support this",
};

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(ERRNO).map(([name, number]) => [number, name]),
);

/** The name of an error number, as `EACCES`; `errno 999` when it has none here. */
export function errnoName(errno: number): string {
  return NAMES.get(errno) ?? `errno ${errno}`;
}

/**
 * The error for a refused call.
 * @param operation what was tried, as `mmap` or `ioctl(KVM_CREATE_VM)`.
 * @param goal what it was for, as `map guest memory`; the message starts with it.
 */
export function hostError(goal: string, operation: string, errno: number): HostError {
  const name = errnoName(errno);
  const meaning = MEANING[name];
  const why = meaning === undefined ? "" : ` (${meaning})`;
  return new HostError(`Cannot ${goal}: ${operation} failed with ${name}${why}`, { operation, errno: name });
}
