/**
 * Makes a running virtual processor return, and puts a halted one to sleep until something happens.
 *
 * There is no signal handler. SIGUSR1 is blocked in the processor's thread and let through only while KVM_RUN runs
 * (KVM_SET_SIGNAL_MASK), so a signal sent at any time either ends the run with EINTR or waits for the next run and
 * ends that at once: nothing falls between. `ppoll` keeps it blocked, so a kick is the signal and an event descriptor.
 *
 * A kick is two steps for others: leave the request in shared memory, then {@linkcode kick}. The processor does them
 * in the other order: {@linkcode KickReceiver.take}, then look at the requests.
 *
 * Sources: [KVM] Linux Documentation/virt/kvm/api.rst, KVM_SET_SIGNAL_MASK; signal(7).
 * @module
 */

import { closeFile } from "../sys/files.ts";
import { createEventFd, lowerEvent, POLL, PollSet, raiseEvent } from "../sys/events.ts";
import {
  blockSignals,
  processId,
  sendSignal,
  SIGNAL,
  type SignalSet,
  signalSet,
  takePending,
  threadId,
  withoutSignal,
} from "../sys/signals.ts";
import { monotonicNs, ThreadTimer } from "../sys/timers.ts";

/** Words of {@linkcode KickHandle.words}. */
const FLAGS = 0;
/** How many threads are inside {@linkcode kick} now. */
const USERS = 1;
/** Bits of the first word. */
const KICKED = 1;
const RETIRED = 2;

/** What other threads need to kick a processor; survives a structured clone. */
export interface KickHandle {
  readonly process: number;
  readonly thread: number;
  readonly eventFd: number;
  /** Two 32-bit words: whether a kick is under way already, and who is using this handle. */
  readonly words: SharedArrayBuffer;
}

const wordsOf = new WeakMap<KickHandle, Int32Array>();

/**
 * Makes the processor look at its requests, from any thread. Kicks that come before it does are one kick, and cost
 * nothing more.
 * @returns false when the processor is gone.
 */
export function kick(handle: KickHandle): boolean {
  let words = wordsOf.get(handle);
  if (words === undefined) wordsOf.set(handle, words = new Int32Array(handle.words));
  // The thread number and descriptor may belong to others once the processor has gone: count in before looking.
  Atomics.add(words, USERS, 1);
  const before = Atomics.or(words, FLAGS, KICKED);
  if (before === 0) {
    raiseEvent(handle.eventFd);
    sendSignal(handle.process, handle.thread, SIGNAL.USR1);
  }
  Atomics.sub(words, USERS, 1);
  return (before & RETIRED) === 0;
}

/** The side of the processor's own thread. One per thread. */
export class KickReceiver {
  readonly handle: KickHandle;
  /** The mask for KVM_SET_SIGNAL_MASK: this thread's without SIGUSR1. */
  readonly runMask: SignalSet;
  readonly #words: Int32Array;
  readonly #set = signalSet(SIGNAL.USR1);
  readonly #timer: ThreadTimer;
  readonly #poll: PollSet;

  /** Blocks SIGUSR1 in the calling thread for good. @throws {HostError} when the host refuses descriptor or timer. */
  constructor() {
    this.runMask = withoutSignal(blockSignals(SIGNAL.USR1), SIGNAL.USR1);
    const thread = threadId();
    const eventFd = createEventFd();
    this.handle = { process: processId(), thread, eventFd, words: new SharedArrayBuffer(8) };
    this.#words = new Int32Array(this.handle.words);
    this.#timer = new ThreadTimer(thread, SIGNAL.USR1);
    this.#poll = new PollSet([{ fd: eventFd, events: POLL.IN }]);
  }

  /**
   * Takes all kicks away: after a run that was interrupted, before looking at the requests. The order of its steps
   * matters: a kick that comes between them finds the flag set and adds nothing, but its request is seen, since those
   * are looked at afterwards.
   */
  take(): void {
    while (takePending(this.#set) !== 0);
    // An alarm that has rung can be set for the same deadline again.
    if (monotonicNs() >= this.#timer.deadline) this.#timer.expired();
    if (Atomics.load(this.#words, FLAGS) !== 0) {
      lowerEvent(this.handle.eventFd);
      Atomics.and(this.#words, FLAGS, ~KICKED);
    }
  }

  /**
   * Sleeps until kicked or until `deadline`, and takes the kick.
   * @param deadline monotonic nanoseconds (`monotonicNs`), `Infinity` for none.
   */
  wait(deadline: number): void {
    if (Atomics.load(this.#words, FLAGS) === 0) {
      const timeout = deadline === Infinity ? Infinity : deadline - monotonicNs();
      if (timeout > 0) this.#poll.wait(timeout);
    }
    if (Atomics.load(this.#words, FLAGS) !== 0) this.take();
  }

  /**
   * Makes a run end with EINTR once the clock reaches `deadline`, `Infinity` for never. Asking again for the deadline
   * that is set costs nothing.
   */
  setAlarm(deadline: number): void {
    this.#timer.arm(deadline);
  }

  /** Ends the receiver: no kick has any effect from now on, and its descriptor is closed. */
  close(): void {
    Atomics.or(this.#words, FLAGS, RETIRED | KICKED);
    while (Atomics.load(this.#words, USERS) !== 0);
    this.#timer.delete();
    while (takePending(this.#set) !== 0);
    closeFile(this.handle.eventFd);
  }
}
