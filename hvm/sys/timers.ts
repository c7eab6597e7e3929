/**
 * The monotonic clock, and timers that send a signal to one thread.
 *
 * Times are nanoseconds as plain numbers: exact for the first 104 days after the host's start, then to 2 ns.
 *
 * Sources: clock_gettime(2), timer_create(2), timer_settime(2), sigevent(7).
 * @module
 */

import { NS_PER_S } from "../base/clock.ts";
import { i32, struct, u32, u64 } from "../base/layout.ts";
import { check, libc } from "./ffi.ts";

const CLOCK_MONOTONIC = 1;
const SIGEV_THREAD_ID = 4;
const TIMER_ABSTIME = 1;

/** `struct sigevent` as far as SIGEV_THREAD_ID uses it; the C library's is padded to 64 bytes. sigevent(7) */
const SIGEVENT = struct("sigevent", { value: u64, signo: i32, notify: i32, tid: i32, pad: u32 });
const SIGEVENT_SIZE = 64;

const ZERO_SECONDS = 0n;

/** Writes `ns` as a `struct timespec` at `at`. */
export function writeTimespec(bytes: Uint8Array<ArrayBuffer>, at: number, ns: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const seconds = Math.floor(ns / NS_PER_S);
  view.setBigInt64(at, seconds === 0 ? ZERO_SECONDS : BigInt(seconds), true);
  view.setUint32(at + 8, Math.floor(ns - seconds * NS_PER_S), true);
  view.setUint32(at + 12, 0, true);
}

const now = new Uint8Array(16);
const nowWords = new Uint32Array(now.buffer);

/** The host's monotonic clock in nanoseconds. */
export function monotonicNs(): number {
  libc().clockGettime(CLOCK_MONOTONIC, now);
  return (nowWords[0]! + nowWords[1]! * 2 ** 32) * NS_PER_S + nowWords[2]!;
}

/** A timer that sends `signal` to thread `tid` of this process when the monotonic clock reaches its deadline. */
export class ThreadTimer {
  readonly #id: bigint;
  /** `struct itimerspec`: interval (always zero), then the deadline. */
  readonly #spec = new Uint8Array(32);
  #deadline = Infinity;

  /** @throws {HostError} when the host refuses (EAGAIN: too many timers or queued signals). */
  constructor(tid: number, signal: number) {
    const event = new Uint8Array(SIGEVENT_SIZE);
    event.set(SIGEVENT.encode({ signo: signal, notify: SIGEV_THREAD_ID, tid }));
    const id = new BigUint64Array(1);
    check(
      libc().timerCreate(CLOCK_MONOTONIC, event, new Uint8Array(id.buffer)),
      "create a timer",
      "timer_create",
    );
    this.#id = id[0]!;
  }

  /** The deadline it is armed for, `Infinity` when it is not. A deadline that has passed stays until changed. */
  get deadline(): number {
    return this.#deadline;
  }

  /**
   * Arms the timer; a deadline in the past fires at once, `Infinity` disarms. Arming for the deadline it has costs no
   * system call, so a run loop may say it every time round.
   * @param deadline monotonic nanoseconds.
   */
  arm(deadline: number): void {
    if (deadline === this.#deadline) return;
    this.#deadline = deadline;
    // A timespec of zero disarms, so the earliest deadline there can be is 1 ns after the host's start.
    writeTimespec(this.#spec, 16, deadline === Infinity ? 0 : Math.max(1, deadline));
    check(libc().timerSettime(this.#id, TIMER_ABSTIME, this.#spec, null), "arm a timer", "timer_settime");
  }

  /** Forgets that the timer is armed, so that the next {@linkcode ThreadTimer.arm} of the same deadline arms anew. */
  expired(): void {
    this.#deadline = Infinity;
  }

  /** Deletes the timer. */
  delete(): void {
    libc().timerDelete(this.#id);
  }
}
