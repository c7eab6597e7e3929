/**
 * A debugger in a few lines, for tests: says packets and waits for what comes back.
 * @module
 */

import { encodePacket, PacketReader, textOf, toHex } from "../../hvm/gdb/packets.ts";
import { registerNumber } from "../../hvm/gdb/registers.ts";

/** How long an answer may take. */
const LIMIT_MS = 20_000;

/** A connection. */
export class DebugClient implements Disposable {
  readonly #connection: Deno.Conn;
  readonly #reader = new PacketReader(1 << 20);
  readonly #packets: string[] = [];
  #news = Promise.withResolvers<void>();
  #closed = false;

  private constructor(connection: Deno.Conn) {
    this.#connection = connection;
    void this.#read();
  }

  /** Connects, and does without acknowledgements. */
  static async connect(path: string): Promise<DebugClient> {
    const client = new DebugClient(await Deno.connect({ transport: "unix", path }));
    await client.ask("QStartNoAckMode");
    await client.say("+");
    await client.ask("qSupported:swbreak+;hwbreak+");
    return client;
  }

  /** Whether the other side has gone. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Bytes as they are. */
  async say(text: string): Promise<void> {
    await this.#connection.write(Uint8Array.from(text, (char) => char.charCodeAt(0)));
  }

  /** A packet whose answer is not waited for. */
  async tell(data: string): Promise<void> {
    await this.#connection.write(encodePacket(data));
  }

  /** A packet and its answer. */
  async ask(data: string): Promise<string> {
    await this.tell(data);
    return await this.next(data);
  }

  /** The next packet. */
  async next(what = "a packet"): Promise<string> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`No answer to ${what}`)), LIMIT_MS);
    });
    try {
      while (this.#packets.length === 0) {
        if (this.#closed) throw new Error(`The connection was closed before the answer to ${what}`);
        await Promise.race([this.#news.promise, late]);
      }
    } finally {
      clearTimeout(timer);
    }
    return this.#packets.shift()!;
  }

  /** A register of up to 64 bits. */
  async register(name: string): Promise<bigint> {
    return littleHex(await this.ask(`p${registerNumber(name).toString(16)}`));
  }

  /** Sets one; the answer. */
  async setRegister(name: string, value: bigint): Promise<string> {
    return await this.ask(`P${registerNumber(name).toString(16)}=${hex64(value)}`);
  }

  /** Eight bytes of memory. */
  async memory(address: bigint): Promise<bigint> {
    return littleHex(await this.ask(`m${address.toString(16)},8`));
  }

  /** Sets them; the answer. */
  async setMemory(address: bigint, value: bigint): Promise<string> {
    return await this.ask(`M${address.toString(16)},8:${hex64(value)}`);
  }

  [Symbol.dispose](): void {
    try {
      this.#connection.close();
    } catch {
      // It is closed.
    }
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(65536);
    try {
      for (;;) {
        const count = await this.#connection.read(buffer);
        if (count === null) break;
        for (const one of this.#reader.feed(buffer.subarray(0, count))) {
          if (one.kind === "packet") this.#packets.push(textOf(one.bytes));
        }
        this.#tell();
      }
    } catch {
      // The test closed it.
    }
    this.#closed = true;
    this.#tell();
  }

  #tell(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }
}

function hex64(value: bigint): string {
  return toHex(Uint8Array.from({ length: 8 }, (_, i) => Number(value >> BigInt(8 * i) & 0xffn)));
}

function littleHex(text: string): bigint {
  const bytes = text.match(/../g) ?? [];
  return BigInt(`0x${bytes.reverse().join("") || "0"}`);
}
