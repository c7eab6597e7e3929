/**
 * Event descriptors and waiting for several of them.
 *
 * Sources: eventfd(2), ppoll(2).
 * @module
 */

import { ERRNO } from "./errno.ts";
import { check, errno, failure, libc } from "./ffi.ts";
import { writeTimespec } from "./timers.ts";

const EFD = { CLOEXEC: 0o2000000, NONBLOCK: 0o4000 } as const;

/** What {@linkcode PollSet} can wait for. ppoll(2) */
export const POLL = { IN: 0x001, OUT: 0x004, ERR: 0x008, HUP: 0x010, NVAL: 0x020 } as const;

const ONE = new Uint8Array(BigUint64Array.of(1n).buffer);

/** Makes an event descriptor with count 0 that never blocks. */
export function createEventFd(): number {
  return check(libc().eventfd(0, EFD.CLOEXEC | EFD.NONBLOCK), "create an event", "eventfd");
}

/** Raises an event. One that is raised to its limit already stays raised. */
export function raiseEvent(fd: number): void {
  libc().write8(fd, ONE, 8);
}

const drained = new Uint8Array(8);

/** Lowers an event. @returns true when it was raised. */
export function lowerEvent(fd: number): boolean {
  return libc().read8(fd, drained, 8) === 8;
}

/** Bytes of a `struct pollfd`: fd, events, revents. ppoll(2) */
const POLLFD_SIZE = 8;

/**
 * A fixed list of descriptors to wait for. Built once, since a halted processor waits often.
 */
export class PollSet {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  readonly #timeout = new Uint8Array(16);
  readonly #count: number;

  constructor(entries: readonly { readonly fd: number; readonly events: number }[]) {
    this.#count = entries.length;
    this.#bytes = new Uint8Array(Math.max(POLLFD_SIZE, POLLFD_SIZE * entries.length));
    this.#view = new DataView(this.#bytes.buffer);
    entries.forEach(({ fd, events }, i) => {
      this.#view.setInt32(i * POLLFD_SIZE, fd, true);
      this.#view.setInt16(i * POLLFD_SIZE + 4, events, true);
    });
  }

  /**
   * Waits until one descriptor is ready, the time is over or a signal that this thread does not block has arrived. The
   * signal mask is the thread's own.
   * @param timeoutNs nanoseconds, `Infinity` for no end; negative counts as 0.
   * @returns the number of ready descriptors; 0 for a time-out or a signal.
   * @throws {HostError} when the host refuses.
   */
  wait(timeoutNs: number): number {
    let timeout: Uint8Array<ArrayBuffer> | null = null;
    if (timeoutNs !== Infinity) {
      timeout = this.#timeout;
      writeTimespec(timeout, 0, Math.max(0, timeoutNs));
    }
    const ready = libc().ppoll(this.#bytes, this.#count, timeout, null);
    if (ready >= 0) return ready;
    if (errno() === ERRNO.EINTR) return 0;
    throw failure("wait for events", "ppoll");
  }

  /** What the last wait found about entry `index`: a set of {@linkcode POLL} bits. */
  ready(index: number): number {
    return this.#view.getInt16(index * POLLFD_SIZE + 6, true);
  }
}
