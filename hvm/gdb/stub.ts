/**
 * The debugger's end in hvm: GDB's remote serial protocol over a processor that can be debugged.
 *
 * It is bytes in, bytes out, on the processor's thread: whoever has the connection hands on what arrives. Processors are
 * threads to GDB; there is one.
 *
 * Sources: [RSP] GDB manual, appendix E.1, E.3, E.12.
 * @module
 */

import type { DebugTarget, HoldReason } from "../vcpu/debug.ts";
import { answer, PACKET_BYTES } from "./commands.ts";
import { ACKNOWLEDGE, encodePacket, PacketReader, REFUSE, textOf, toHex } from "./packets.ts";
import { Session } from "./session.ts";

/** A debugger's connection, or the place of one. */
export class Stub {
  readonly #send: (bytes: Uint8Array) => void;
  readonly #session: Session;
  #reader = new PacketReader(PACKET_BYTES);
  #acknowledges = true;
  #last: Uint8Array | undefined;

  constructor(target: DebugTarget, send: (bytes: Uint8Array) => void) {
    this.#send = send;
    this.#session = new Session(
      target,
      (text) => this.#answer(`O${toHex(new TextEncoder().encode(text))}`),
    );
  }

  /** A debugger connected: the guest stands still. */
  connected(): void {
    this.#reader = new PacketReader(PACKET_BYTES);
    this.#acknowledges = true;
    this.#session.attach();
  }

  /** It is gone, with a word or without: the guest runs on. */
  disconnected(): void {
    this.#session.release();
  }

  /** The machine was reset and has another processor. */
  replace(target: DebugTarget): void {
    this.#session.target = target;
  }

  /** Bytes of the debugger. */
  receive(bytes: Uint8Array): void {
    for (const one of this.#reader.feed(bytes)) {
      if (one.kind === "packet") this.#packet(textOf(one.bytes));
      else if (one.kind === "interrupt") this.#interrupt();
      else if (one.kind === "damaged") this.#refuse();
      else if (one.kind === "nack" && this.#last !== undefined) this.#send(this.#last);
    }
  }

  /** The processor stopped by itself. */
  stopped(reason: HoldReason): void {
    const session = this.#session;
    session.stop(reason);
    if (!session.waits) return;
    session.waits = false;
    this.#answer(session.stopReply());
  }

  #interrupt(): void {
    const { target } = this.#session;
    if (target.held) return;
    target.hold();
    this.stopped({ kind: "interrupt" });
  }

  #packet(text: string): void {
    if (this.#acknowledges) this.#send(ACKNOWLEDGE);
    const data = answer(this.#session, text);
    if (data !== undefined) this.#answer(data);
    if (text === "QStartNoAckMode") this.#acknowledges = false;
  }

  #refuse(): void {
    if (this.#acknowledges) this.#send(REFUSE);
  }

  #answer(data: string): void {
    this.#send(this.#last = encodePacket(data));
  }
}
