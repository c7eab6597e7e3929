/**
 * Where debuggers connect: a TCP port of this host or a Unix socket. One debugger at a time; others are turned away.
 *
 * The main thread has the socket, the processor's thread the stub: bytes go between them as they are.
 * @module
 */

import { ConfigError } from "../base/errors.ts";
import { encodePacket } from "./packets.ts";

/** Where to listen. */
export type DebuggerAddress =
  | { readonly kind: "port"; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

/** The machine's side of a connection. */
export interface DebuggerLink {
  /** A debugger came, or went. */
  turn(): void;
  /** Whether the machine has acted upon the last turn. */
  readonly hasTurned: boolean;
  /** Gives the machine bytes, and says how many it took. */
  write(bytes: Uint8Array): number;
  /** What it has for the debugger. */
  read(): Uint8Array;
}

const HOST = "127.0.0.1";

/**
 * Listens, before there is a machine.
 * @throws {ConfigError} when the place cannot be had.
 */
export function listenForDebuggers(address: DebuggerAddress, say: (text: string) => void): DebuggerServer {
  try {
    const listener = address.kind === "port"
      ? Deno.listen({ hostname: HOST, port: address.port })
      : Deno.listen({ transport: "unix", path: address.path });
    return new DebuggerServer(listener, address, say);
  } catch (error) {
    throw new ConfigError(`Cannot listen for gdb at ${placeOf(address)}: ${trouble(error, address)}`, {
      path: "gdb",
      cause: error,
    });
  }
}

function placeOf(address: DebuggerAddress): string {
  return address.kind === "port" ? `port ${address.port}` : address.path;
}

function trouble(error: unknown, address: DebuggerAddress): string {
  if (error instanceof Deno.errors.AddrInUse) {
    return address.kind === "port"
      ? "another program listens there"
      : "there is a file of this name already; remove it, or take another";
  }
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  if (error instanceof Deno.errors.NotFound) return "there is no such directory";
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/ \(os error \d+\)$/, "").replace(/^[A-Z]/, (letter) => letter.toLowerCase());
}

/** Takes debuggers for one machine. */
export class DebuggerServer implements Disposable {
  readonly address: DebuggerAddress;
  readonly #listener: Deno.Listener;
  readonly #say: (text: string) => void;
  #link: DebuggerLink | undefined;
  #connection: Deno.Conn | undefined;
  /** Somebody has the place, or is about to. */
  #taken = false;
  /** Settles when whoever has the place hangs up. */
  #left = Promise.withResolvers<void>();
  /** The machine has let go of everybody before. */
  #free: Promise<void> = Promise.resolve();
  /** Settles when there may be room for what was read, or its connection is over. */
  #news = Promise.withResolvers<void>();
  #sending: Promise<void> | undefined;
  #closed = false;

  constructor(listener: Deno.Listener, address: DebuggerAddress, say: (text: string) => void) {
    this.#listener = listener;
    this.address = address;
    this.#say = say;
  }

  /** What to type in GDB. */
  get command(): string {
    const { address } = this;
    return `target remote ${address.kind === "port" ? `localhost:${address.port}` : address.path}`;
  }

  /** The machine is there; debuggers are served from now on. */
  serve(link: DebuggerLink): void {
    this.#link = link;
    void this.#accept(link);
  }

  /** The machine looked at the debugger's bytes. */
  hear(): void {
    this.#stir();
    this.#sending ??= this.#sendWaiting().finally(() => this.#sending = undefined);
  }

  /** Sends what the machine has, a piece at a time: a debugger that takes nothing holds up itself alone. */
  async #sendWaiting(): Promise<void> {
    for (let connection = this.#connection; connection !== undefined; connection = this.#connection) {
      const bytes = this.#link?.read() ?? NOTHING;
      if (bytes.length === 0) return;
      try {
        await sendAll(connection, bytes);
      } catch {
        this.#hangUp(connection); // another may have come meanwhile, and waits for its bytes
      }
    }
  }

  /** Lets those look again who wait for news. */
  #stir(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }

  #hangUp(connection: Deno.Conn): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    closeQuietly(connection);
    this.#stir();
  }

  /** The guest is over: the debugger hears how, as an exit status or a crash, and the place is free again. */
  async end(how: number | "crashed"): Promise<void> {
    this.hear();
    const farewell = encodePacket(how === "crashed" ? ABORTED : `W${how.toString(16).padStart(2, "0")}`);
    const connection = this.#connection;
    if (connection !== undefined) {
      const last = (this.#sending ?? Promise.resolve()).then(() => sendAll(connection, farewell));
      await Promise.race([last.catch(() => {}), delay(FAREWELL_MS)]);
    }
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.takeNoMore();
    this.#stir();
    if (this.#connection !== undefined) closeQuietly(this.#connection);
  }

  /** Frees the place at once; who is connected stays. */
  takeNoMore(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeQuietly(this.#listener);
    if (this.address.kind !== "unix") return;
    try {
      Deno.removeSync(this.address.path);
    } catch {
      // Somebody else took it away.
    }
  }

  async #accept(link: DebuggerLink): Promise<void> {
    try {
      for await (const connection of this.#listener) {
        void this.#consider(connection, link);
      }
    } catch (error) {
      if (!this.#closed) this.#say(`Cannot take debuggers any more: ${trouble(error, this.address)}`);
    }
  }

  /** Takes a debugger, or turns it away; one whose predecessor is just hanging up is taken. */
  async #consider(connection: Deno.Conn, link: DebuggerLink): Promise<void> {
    if (this.#taken) await Promise.race([this.#left.promise, delay(HANGING_UP_MS)]);
    if (this.#taken) {
      this.#say("A second debugger was turned away: there is one already");
      return closeQuietly(connection);
    }
    this.#taken = true;
    this.#left = Promise.withResolvers();
    this.#free = this.#free.then(() => this.#converse(connection, link));
  }

  async #converse(connection: Deno.Conn, link: DebuggerLink): Promise<void> {
    if (this.#closed) return closeQuietly(connection);
    this.#connection = connection;
    link.read(); // what nobody took of the connection before
    link.turn();
    const buffer = new Uint8Array(READ_BYTES);
    try {
      for (;;) {
        const count = await connection.read(buffer);
        if (count === null) break;
        await this.#pass(buffer.subarray(0, count), link);
        if (this.#connection !== connection) break;
      }
    } catch {
      // A connection that breaks is one that has ended.
    }
    this.#hangUp(connection);
    this.#taken = false;
    this.#left.resolve();
    link.turn();
    while (!link.hasTurned && !this.#closed) await this.#news.promise;
  }

  /** Gives the machine everything, as it has room. */
  async #pass(bytes: Uint8Array, link: DebuggerLink): Promise<void> {
    for (let at = 0; !this.#closed && this.#connection !== undefined;) {
      at += link.write(bytes.subarray(at));
      if (at >= bytes.length) return;
      await this.#news.promise;
    }
  }
}

const NOTHING = new Uint8Array(0);
const READ_BYTES = 4096;
/** How long a debugger may find the place taken by one that hangs up. */
const HANGING_UP_MS = 250;
/** Ended by SIGABRT, by GDB's number. */
const ABORTED = "X06";
/** How long a debugger that takes nothing holds up the end. */
const FAREWELL_MS = 500;

/** Time that keeps nobody alive. */
function delay(ms: number): Promise<void> {
  return new Promise((resolve) => Deno.unrefTimer(setTimeout(resolve, ms)));
}

async function sendAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

function closeQuietly(what: { close(): void }): void {
  try {
    what.close();
  } catch {
    // It is closed.
  }
}
