/**
 * Signals of one thread: its number, its mask, taking a pending signal away, sending one to another thread.
 *
 * Sources: gettid(2), tgkill(2), pthread_sigmask(3), sigtimedwait(2).
 * @module
 */

import { ERRNO } from "./errno.ts";
import { check, errno, libc } from "./ffi.ts";

/** Signal numbers of x86-64. signal(7) */
export const SIGNAL = { HUP: 1, INT: 2, QUIT: 3, USR1: 10, USR2: 12, TERM: 15 } as const;

/** Numbers of system calls on x86-64 that old C libraries do not wrap. */
const SYS = { GETPID: 39, GETTID: 186, TGKILL: 234 } as const;
const SIG_BLOCK = 0;
const SIG_SETMASK = 2;

/** Bytes of the C library's `sigset_t`; the kernel's is the first 8 of them. */
const SIGSET_SIZE = 128;
/** Bytes of the kernel's signal set. */
export const KERNEL_SIGSET_SIZE = 8;

/** A set of signals. */
export type SignalSet = Uint8Array<ArrayBuffer>;

/** The set of the given signals. */
export function signalSet(...signals: number[]): SignalSet {
  const set = new Uint8Array(SIGSET_SIZE);
  for (const signal of signals) set[signal - 1 >> 3]! |= 1 << (signal - 1 & 7);
  return set;
}

/** A copy of `set` without `signal`. */
export function withoutSignal(set: SignalSet, signal: number): SignalSet {
  const result = set.slice();
  result[signal - 1 >> 3]! &= ~(1 << (signal - 1 & 7));
  return result;
}

/** True when `signal` is in `set`. */
export function hasSignal(set: SignalSet, signal: number): boolean {
  return (set[signal - 1 >> 3]! & 1 << (signal - 1 & 7)) !== 0;
}

/** The number of the calling thread. */
export function threadId(): number {
  return libc().syscall3(SYS.GETTID, 0, 0, 0);
}

/** The number of this process, which is that of its thread group. */
export function processId(): number {
  return libc().syscall3(SYS.GETPID, 0, 0, 0);
}

/** Adds `signals` to the calling thread's mask. @returns the mask as it was before. */
export function blockSignals(...signals: number[]): SignalSet {
  const before = signalSet();
  throwNumber(libc().pthreadSigmask(SIG_BLOCK, signalSet(...signals), before));
  return before;
}

/** The calling thread's mask. */
export function signalMask(): SignalSet {
  return blockSignals();
}

/** Sets the calling thread's mask. */
export function setSignalMask(mask: SignalSet): void {
  throwNumber(libc().pthreadSigmask(SIG_SETMASK, mask, null));
}

const NO_WAIT = new Uint8Array(16);

/**
 * Takes one pending signal of `set` away without waiting.
 * @returns its number, or 0 when none is pending.
 */
export function takePending(set: SignalSet): number {
  const signal = libc().sigtimedwait(set, null, NO_WAIT);
  return signal > 0 ? signal : 0;
}

/**
 * Sends `signal` to one thread.
 * @returns false when there is no such thread any more.
 * @throws {HostError} for any other refusal.
 */
export function sendSignal(process: number, thread: number, signal: number): boolean {
  const result = libc().syscall3(SYS.TGKILL, process, thread, signal);
  if (result < 0 && errno() === ERRNO.ESRCH) return false;
  check(result, "wake a thread", "tgkill");
  return true;
}

/** pthread functions answer the error number itself. */
function throwNumber(result: number): void {
  if (result !== 0) throw new TypeError(`pthread_sigmask failed with error number ${result}`);
}
