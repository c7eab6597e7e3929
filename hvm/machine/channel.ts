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
} as const;
const CONTROL_BYTES = 64;

/** Capacities in bytes. */
const INPUT_CAPACITY = 1 << 16;
const OUTPUT_CAPACITY = 1 << 18;
const DEBUG_CAPACITY = 1 << 16;

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
  readonly #words: Int32Array<SharedArrayBuffer>;

  constructor(buffer?: SharedArrayBuffer) {
    const inputAt = CONTROL_BYTES;
    const outputAt = inputAt + ringBytes(INPUT_CAPACITY);
    const debugAt = outputAt + ringBytes(OUTPUT_CAPACITY);
    this.buffer = buffer ?? new SharedArrayBuffer(debugAt + ringBytes(DEBUG_CAPACITY));
    this.#words = new Int32Array(this.buffer, 0, CONTROL_BYTES / 4);
    this.input = new ByteRing(this.buffer, inputAt, INPUT_CAPACITY);
    this.output = new ByteRing(this.buffer, outputAt, OUTPUT_CAPACITY);
    this.debug = new ByteRing(this.buffer, debugAt, DEBUG_CAPACITY);
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

  /** The processor's thread found the output ring full and waits for a request. */
  outputIsFull(): void {
    Atomics.store(this.#words, WORD.OUTPUT_FULL, 1);
  }

  /** True, once, when the processor's thread waits for room. */
  takeOutputFull(): boolean {
    return Atomics.exchange(this.#words, WORD.OUTPUT_FULL, 0) === 1;
  }
}
