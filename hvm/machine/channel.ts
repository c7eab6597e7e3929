/**
 * What a machine's threads share: request words, and the rings of its consoles.
 *
 * The main thread makes the block and hands it to each worker; both sides build a {@linkcode Channel} over it. Requests
 * are bits set by anyone and taken by the processor's thread; a kick goes with each. Console bytes travel in rings, so
 * nothing is copied by messages and a full console holds back its guest instead of losing bytes.
 * @module
 */

import { ByteRing, ringBytes } from "../base/ring.ts";

/** Words of the control block. */
const WORD = {
  /** Bits of `REQUEST` (hvm/vcpu/loop.ts), set by any thread, taken by the processor's. */
  REQUESTS: 0,
  /** 1 while somebody waits for room in the input ring. */
  ROOM_WANTED: 1,
  /** 1 while the processor's thread waits for room in the output ring. */
  OUTPUT_FULL: 2,
  /** How often debuggers came and went: odd while there is one. */
  DEBUGGER: 3,
  /** As many of these turns as the processor's thread has acted upon. */
  DEBUGGER_SEEN: 4,
  /** 1 while the processor's thread has more for the debugger than the ring holds. */
  DEBUGGER_FULL: 5,
} as const;
const CONTROL_BYTES = 64;

/** Capacities in bytes. */
const INPUT_CAPACITY = 1 << 16;
const OUTPUT_CAPACITY = 1 << 18;
const DEBUG_CAPACITY = 1 << 16;
const DEBUGGER_CAPACITY = 1 << 14;

/** Both ends of what two threads of a machine share. */
export class Channel {
  /** The memory itself: send this to the other thread. */
  readonly buffer: SharedArrayBuffer;
  /** Bytes for the first serial port; the main thread writes. */
  readonly input: ByteRing;
  /** Bytes of the first serial port; the processor's thread writes. */
  readonly output: ByteRing;
  /** Bytes of the debug consoles E9h and 402h; what does not fit is dropped. */
  readonly debug: ByteRing;
  /** Bytes of a debugger's connection; the main thread writes. */
  readonly fromDebugger: ByteRing;
  /** Bytes for it; the processor's thread writes. */
  readonly toDebugger: ByteRing;
  readonly #words: Int32Array<SharedArrayBuffer>;

  constructor(buffer?: SharedArrayBuffer) {
    const inputAt = CONTROL_BYTES;
    const outputAt = inputAt + ringBytes(INPUT_CAPACITY);
    const debugAt = outputAt + ringBytes(OUTPUT_CAPACITY);
    const fromAt = debugAt + ringBytes(DEBUG_CAPACITY);
    const toAt = fromAt + ringBytes(DEBUGGER_CAPACITY);
    this.buffer = buffer ?? new SharedArrayBuffer(toAt + ringBytes(DEBUGGER_CAPACITY));
    this.#words = new Int32Array(this.buffer, 0, CONTROL_BYTES / 4);
    this.input = new ByteRing(this.buffer, inputAt, INPUT_CAPACITY);
    this.output = new ByteRing(this.buffer, outputAt, OUTPUT_CAPACITY);
    this.debug = new ByteRing(this.buffer, debugAt, DEBUG_CAPACITY);
    this.fromDebugger = new ByteRing(this.buffer, fromAt, DEBUGGER_CAPACITY);
    this.toDebugger = new ByteRing(this.buffer, toAt, DEBUGGER_CAPACITY);
  }

  /** Leaves request bits for the processor's thread; kick it afterwards. */
  request(bits: number): void {
    Atomics.or(this.#words, WORD.REQUESTS, bits);
  }

  /** Takes all request bits. One load where there are none: this is on the way to every entry. */
  takeRequests(): number {
    if (Atomics.load(this.#words, WORD.REQUESTS) === 0) return 0;
    return Atomics.exchange(this.#words, WORD.REQUESTS, 0);
  }

  /** True when any of `bits` is set; they stay. */
  isRequested(bits: number): boolean {
    return (Atomics.load(this.#words, WORD.REQUESTS) & bits) !== 0;
  }

  /** The writer of the input ring found it full and wants to be told when that changes. */
  wantRoom(): void {
    Atomics.store(this.#words, WORD.ROOM_WANTED, 1);
  }

  /** True, once, when the writer of the input ring waits. */
  takeRoomWanted(): boolean {
    return Atomics.exchange(this.#words, WORD.ROOM_WANTED, 0) === 1;
  }

  /** A debugger came, or went; make the processor's thread look afterwards. Main thread only. */
  turnDebugger(): void {
    Atomics.add(this.#words, WORD.DEBUGGER, 1);
  }

  /** How often debuggers came and went: odd while there is one. */
  get debuggerTurns(): number {
    return Atomics.load(this.#words, WORD.DEBUGGER);
  }

  /** The turns the processor's thread has acted upon. */
  get debuggerTurnsSeen(): number {
    return Atomics.load(this.#words, WORD.DEBUGGER_SEEN);
  }

  set debuggerTurnsSeen(turns: number) {
    Atomics.store(this.#words, WORD.DEBUGGER_SEEN, turns);
  }

  /** The processor's thread waits for room in the ring to the debugger. */
  debuggerIsFull(): void {
    Atomics.store(this.#words, WORD.DEBUGGER_FULL, 1);
  }

  /** True, once, when it waits. */
  takeDebuggerFull(): boolean {
    return Atomics.exchange(this.#words, WORD.DEBUGGER_FULL, 0) === 1;
  }

  /** The processor's thread found the output ring full and waits for a request. */
  outputIsFull(): void {
    Atomics.store(this.#words, WORD.OUTPUT_FULL, 1);
  }

  /** True, once, when the processor's thread waits for room. */
  takeOutputFull(): boolean {
    return Atomics.exchange(this.#words, WORD.OUTPUT_FULL, 0) === 1;
  }
}
