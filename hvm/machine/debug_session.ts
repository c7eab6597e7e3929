/**
 * A debugger's session on the processor's thread: takes its bytes from the channel, gives them to the stub, and puts the
 * answers back.
 *
 * It outlives a reset of its machine: the next incarnation's processor takes the place of the one before.
 * @module
 */

import { Stub } from "../gdb/stub.ts";
import type { DebugTarget, HoldReason } from "../vcpu/debug.ts";
import type { Channel } from "./channel.ts";

/** Bytes taken at a time: what they can be answered with is kept here when the ring is full. */
const PIECE = 256;

/** The session. */
export class DebugSession {
  readonly #channel: Channel;
  /** Tells the main thread that something changed. */
  readonly #bell: () => void;
  #stub: Stub | undefined;
  #waiting: Uint8Array[] = [];

  constructor(channel: Channel, bell: () => void) {
    this.#channel = channel;
    this.#bell = bell;
  }

  /** A processor is there to be debugged. After a reset the guest runs on, with the debugger's breakpoints. */
  take(target: DebugTarget): void {
    if (this.#stub === undefined) this.#stub = new Stub(target, (bytes) => this.#send(bytes));
    else this.#stub.replace(target);
  }

  /** Looks at what the main thread left. */
  serve(): void {
    const channel = this.#channel;
    const stub = this.#stub!;
    const turns = channel.debuggerTurns;
    const connected = turns % 2 === 1;
    if (turns !== channel.debuggerTurnsSeen) {
      // The bytes of one connection never meet those of the next: the main thread waits for this word.
      if (connected) stub.connected();
      else this.#disconnected(stub);
      channel.debuggerTurnsSeen = turns;
    }
    this.#flush();
    while (connected && this.#waiting.length === 0) {
      const bytes = channel.fromDebugger.read(PIECE);
      if (bytes.length === 0) break;
      stub.receive(bytes);
    }
    this.#bell();
  }

  /** The processor stopped by itself. */
  stopped(reason: HoldReason): void {
    this.#stub?.stopped(reason);
    this.#bell();
  }

  #disconnected(stub: Stub): void {
    this.#channel.fromDebugger.read();
    this.#waiting = [];
    stub.disconnected();
  }

  #send(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#flush();
  }

  #flush(): void {
    const { toDebugger } = this.#channel;
    while (this.#waiting.length > 0) {
      const bytes = this.#waiting[0]!;
      const taken = toDebugger.write(bytes);
      if (taken < bytes.length) {
        this.#waiting[0] = bytes.subarray(taken);
        return this.#channel.debuggerIsFull();
      }
      this.#waiting.shift();
    }
  }
}
