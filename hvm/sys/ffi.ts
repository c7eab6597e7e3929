/**
 * The one door to the C library: every symbol this program calls, and errno.
 *
 * A symbol is loaded at its first use, so a process that drives no KVM loads nothing. All calls are direct (never
 * `nonblocking`): they run on the calling thread, which is what per-thread things (errno, signal masks, vCPUs) need.
 * Integer arguments are declared as the 32-bit types wherever the kernel takes no more: a 64-bit argument given as a
 * number leaves the fast path, so those are given as BigInt.
 *
 * errno is a word per thread. Its address is asked for once per isolate (an isolate never changes threads) and read
 * through {@linkcode errno} directly after the call that failed, before anything that could make a system call.
 *
 * Sources: [POSIX] IEEE Std 1003.1-2017; Linux manual pages section 2 and 3.
 * @module
 */

import { type HostError } from "../base/errors.ts";
import { hostError } from "./errno.ts";

const SYMBOLS = {
  errnoLocation: { name: "__errno_location", parameters: [], result: "pointer" },
  // System calls glibc wraps only since 2.30 go through syscall(2); 2.27 is enough.
  syscall3: { name: "syscall", parameters: ["i32", "i32", "i32", "i32"], result: "i32" },

  open: { parameters: ["buffer", "i32", "u32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "u64"], result: "i64" },
  write: { parameters: ["i32", "buffer", "u64"], result: "i64" },
  preadv: { parameters: ["i32", "buffer", "i32", "i64"], result: "i64" },
  pwritev: { parameters: ["i32", "buffer", "i32", "i64"], result: "i64" },
  fdatasync: { parameters: ["i32"], result: "i32" },
  fallocate: { parameters: ["i32", "i32", "i64", "i64"], result: "i32" },
  ftruncate: { parameters: ["i32", "i64"], result: "i32" },
  // One symbol, three shapes: the argument as an integer, as bytes, as nothing but zero (KVM_RUN).
  ioctlInt: { name: "ioctl", parameters: ["i32", "u32", "u32"], result: "i32" },
  ioctlBytes: { name: "ioctl", parameters: ["i32", "u32", "buffer"], result: "i32" },

  memfdCreate: { name: "memfd_create", parameters: ["buffer", "u32"], result: "i32" },
  mmap: { parameters: ["u64", "u64", "i32", "i32", "i32", "i64"], result: "i64" },
  munmap: { parameters: ["u64", "u64"], result: "i32" },
  madvise: { parameters: ["u64", "u64", "i32"], result: "i32" },
  mprotect: { parameters: ["u64", "u64", "i32"], result: "i32" },

  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  // The 8-byte reads and writes of eventfds, without a 64-bit argument.
  read8: { name: "read", parameters: ["i32", "buffer", "u32"], result: "i32" },
  write8: { name: "write", parameters: ["i32", "buffer", "u32"], result: "i32" },
  ppoll: { parameters: ["buffer", "u32", "buffer", "buffer"], result: "i32" },

  pthreadSigmask: { name: "pthread_sigmask", parameters: ["i32", "buffer", "buffer"], result: "i32" },
  sigtimedwait: { parameters: ["buffer", "buffer", "buffer"], result: "i32" },

  clockGettime: { name: "clock_gettime", parameters: ["i32", "buffer"], result: "i32" },
  timerCreate: { name: "timer_create", parameters: ["i32", "buffer", "buffer"], result: "i32" },
  timerSettime: { name: "timer_settime", parameters: ["u64", "i32", "buffer", "buffer"], result: "i32" },
  timerDelete: { name: "timer_delete", parameters: ["u64"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

type Libc = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

let library: Libc | undefined;
let errnoCell: Int32Array | undefined;

/** The C library's functions, opened at the first call. */
export function libc(): Libc {
  return library ?? open();
}

function open(): Libc {
  const symbols = {} as Libc;
  for (const name of Object.keys(SYMBOLS) as (keyof Libc)[]) {
    Object.defineProperty(symbols, name, { configurable: true, get: () => bind(symbols, name) });
  }
  const cell = symbols.errnoLocation();
  if (cell === null) throw new TypeError("The C library gives no address for errno");
  errnoCell = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(cell, 4));
  library = symbols;
  return symbols;
}

/**
 * Loads one function at its first use and keeps it in place of its getter. Deno compiles a trampoline for every symbol
 * it loads, half a millisecond each, and a thread needs a dozen of them.
 */
function bind(symbols: Libc, name: keyof Libc): unknown {
  const value = Deno.dlopen("libc.so.6", { [name]: SYMBOLS[name] }).symbols[name];
  Object.defineProperty(symbols, name, { value, configurable: false, writable: false });
  return value;
}

/** The error number of this thread's last failed call. */
export function errno(): number {
  return errnoCell === undefined ? 0 : errnoCell[0]!;
}

/**
 * The result of a call that answers -1 for an error.
 * @throws {HostError} with the errno's name, when `result` is negative.
 */
export function check(result: number, goal: string, operation: string): number {
  if (result < 0) throw failure(goal, operation);
  return result;
}

/** The error for the call that failed just now. */
export function failure(goal: string, operation: string): HostError {
  return hostError(goal, operation, errno());
}

/** Bytes as the `buffer` arguments take them; FFI accepts views of any memory, its type declarations do not. */
export function asBuffer(bytes: Uint8Array<ArrayBufferLike>): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}

/**
 * `text` as C sees it.
 * @throws {RangeError} when a zero character would cut it short.
 */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) throw new RangeError(`Cannot pass ${JSON.stringify(text)} to C: it holds a zero`);
  return new TextEncoder().encode(`${text}\0`);
}
