/**
 * Packets of GDB's remote serial protocol: `$data#sum` with escapes, acknowledgements, and the interrupt byte.
 *
 * Sources: [RSP] GDB manual, appendix E.1 (overview), E.12 (notes on interrupts), E.2 (binary data).
 * @module
 */

/** What arrives between and as packets. */
export type Incoming =
  /** A packet whose sum is right; escapes are undone. */
  | { readonly kind: "packet"; readonly bytes: Uint8Array }
  /** A packet whose sum is wrong, or that is longer than was announced. */
  | { readonly kind: "damaged" }
  | { readonly kind: "ack" }
  | { readonly kind: "nack" }
  /** Ctrl-C. */
  | { readonly kind: "interrupt" };

const START = 0x24; // $
const SUM = 0x23; // #
const ESCAPE = 0x7d; // }
const RUN = 0x2a; // *
const ACK = 0x2b; // +
const NACK = 0x2d; // -
const INTERRUPT = 0x03;
const ESCAPED = 0x20;

/** `+` and `-`. */
export const ACKNOWLEDGE: Uint8Array = Uint8Array.of(ACK);
export const REFUSE: Uint8Array = Uint8Array.of(NACK);

/** A packet around data, which is text of bytes or bytes. */
export function encodePacket(data: string | Uint8Array): Uint8Array {
  const bytes = typeof data === "string" ? bytesOf(data) : data;
  const out: number[] = [START];
  let sum = 0;
  for (const byte of bytes) {
    const special = byte === START || byte === SUM || byte === ESCAPE || byte === RUN;
    for (const one of special ? [ESCAPE, byte ^ ESCAPED] : [byte]) {
      out.push(one);
      sum += one;
    }
  }
  out.push(SUM, ...bytesOf((sum & 0xff).toString(16).padStart(2, "0")));
  return Uint8Array.from(out);
}

/** Finds packets in a stream of bytes that comes in pieces. */
export class PacketReader {
  readonly #most: number;
  #data: number[] = [];
  #state: "between" | "data" | "escaped" | "sum" = "between";
  #sum = 0;
  #given = "";

  /** @param most the longest packet, escapes undone. */
  constructor(most: number) {
    this.#most = most;
  }

  /** What is complete after these bytes. */
  feed(bytes: Uint8Array): Incoming[] {
    const found: Incoming[] = [];
    for (const byte of bytes) {
      const one = this.#take(byte);
      if (one !== undefined) found.push(one);
    }
    return found;
  }

  #take(byte: number): Incoming | undefined {
    switch (this.#state) {
      case "between":
        return this.#between(byte);
      case "sum":
        this.#given += String.fromCharCode(byte);
        return this.#given.length === 2 ? this.#finish() : undefined;
      default:
        this.#inside(byte);
        return undefined;
    }
  }

  #between(byte: number): Incoming | undefined {
    if (byte === START) this.#begin();
    else if (byte === INTERRUPT) return { kind: "interrupt" };
    else if (byte === ACK) return { kind: "ack" };
    else if (byte === NACK) return { kind: "nack" };
    return undefined; // noise between packets is skipped
  }

  #begin(): void {
    this.#data = [];
    this.#sum = 0;
    this.#given = "";
    this.#state = "data";
  }

  #inside(byte: number): void {
    // A packet that begins inside another: the other was cut off.
    if (byte === START) return this.#begin();
    if (byte === SUM) {
      this.#state = "sum";
      return;
    }
    this.#sum += byte;
    if (this.#state === "escaped") {
      this.#state = "data";
      this.#keep(byte ^ ESCAPED);
    } else if (byte === ESCAPE) this.#state = "escaped";
    else this.#keep(byte);
  }

  #keep(byte: number): void {
    if (this.#data.length <= this.#most) this.#data.push(byte);
  }

  #finish(): Incoming {
    this.#state = "between";
    const right = /^[0-9a-f]{2}$/i.test(this.#given) && parseInt(this.#given, 16) === (this.#sum & 0xff);
    if (!right || this.#data.length > this.#most) return { kind: "damaged" };
    return { kind: "packet", bytes: Uint8Array.from(this.#data) };
  }
}

/** Text whose characters are bytes. */
export function textOf(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** The bytes of such text. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (char) => char.charCodeAt(0) & 0xff);
}

/** Two hexadecimal digits a byte. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** The bytes of hexadecimal digits, undefined when it is anything else. */
export function fromHex(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text)) return undefined;
  return Uint8Array.from({ length: text.length / 2 }, (_, i) => parseInt(text.slice(2 * i, 2 * i + 2), 16));
}
