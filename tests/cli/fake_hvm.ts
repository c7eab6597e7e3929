/**
 * The command line over a guest that is no machine: a small program that answers what it is sent.
 *
 * It shows what the command line does with terminals, pipes, signals, ends and results, on any host. Its guest prints a
 * prompt, echoes bytes it is sent as hexadecimal numbers, and ends at the words below.
 * @module
 */

import { main } from "../../hvm/cli/mod.ts";
import { HostError, ImageError } from "../../hvm/base/errors.ts";
import { Console, type ConsolePort } from "../../hvm/script/console.ts";
import { EventHub } from "../../hvm/script/events.ts";
import type {
  ByteListener,
  MachineEnd,
  MachineEvent,
  MachineHandle,
  StartMachine,
  StopReason,
} from "../../hvm/script/types.ts";

const stats = { wallMs: 0, exits: 0, counts: {} };

/** What a line of input does. */
const WORDS: Readonly<Record<string, MachineEnd>> = {
  poweroff: { end: "poweroff", stats },
  reboot: { end: "reboot", cause: "reset-control", stats },
  exit: { end: "exit-port", value: 5, stats },
  status: { end: "command", status: 7, stats },
  panic: { end: "panic", message: "The guest panicked", stats },
  fault: { end: "triple-fault", message: "The guest crashed", diagnosis: "RIP 0000\nbytes 0f 0b", stats },
};

/** The fake guest: its behaviour is chosen by `--append`. */
class FakeGuest {
  readonly ended = Promise.withResolvers<MachineEnd>();
  readonly events = new EventHub<MachineEvent>();
  #listener: ByteListener = () => {};
  #queue: Promise<unknown> = Promise.resolve();
  #line = "";
  #over = false;

  readonly port: ConsolePort = {
    write: (bytes) => {
      this.#take(bytes);
      return bytes.length;
    },
    room: () => Promise.resolve(),
    onData: (listener) => void (this.#listener = listener),
  };

  say(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.#queue = this.#queue.then(() => this.#listener(bytes));
  }

  /** Output without end, at the speed of whoever reads it. */
  async flood(): Promise<void> {
    while (!this.#over) {
      await this.#listener(new TextEncoder().encode("flood ".repeat(1000)));
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }

  async end(end: MachineEnd): Promise<void> {
    this.#over = true;
    await this.#queue;
    this.ended.resolve(end);
  }

  #take(bytes: Uint8Array): void {
    this.say(Array.from(bytes, (byte) => `<${byte.toString(16).padStart(2, "0")}>`).join(""));
    this.#line += new TextDecoder().decode(bytes);
    const lines = this.#line.split(/[\r\n]/);
    this.#line = lines.pop() ?? "";
    for (const line of lines) {
      const end = Object.hasOwn(WORDS, line) ? WORDS[line] : undefined;
      if (line === "notice") this.events.emit({ type: "notice", text: "The clock is slow" });
      if (line === "throw") setTimeout(() => unexpected(), 0);
      if (line === "reject") void Promise.reject(new TypeError("Nobody expects this"));
      if (end !== undefined) void this.end(end);
    }
  }
}

function unexpected(): never {
  throw new TypeError("Nobody expects this");
}

const start: StartMachine = async (config, options = {}) => {
  const behaviour = config.append;
  if (behaviour === "image") throw new ImageError("Cannot boot kernel x: it is not a kernel");
  if (behaviour === "host") throw new HostError("Cannot use KVM: it is broken", { operation: "open" });
  if (behaviour === "bug") unexpected();
  if (behaviour === "slow") {
    options.progress?.note("Starting slowly");
    await new Promise((_, reject) =>
      options.signal?.addEventListener("abort", () => reject(options.signal?.reason))
    );
  }
  const guest = new FakeGuest();
  const serial = new Console(guest.port);
  if (options.output !== undefined) serial.output.subscribe(options.output);
  const stop = async (reason: StopReason = "script"): Promise<MachineEnd> => {
    if (behaviour === "stuck") return await new Promise<never>(() => {});
    await guest.end(
      reason === "timeout"
        ? { end: "timeout", message: "The time is over", stats }
        : { end: "stopped", reason, stats },
    );
    return await guest.ended.promise;
  };
  const timer = config.timeoutMs === undefined
    ? undefined
    : setTimeout(() => void stop("timeout"), config.timeoutMs);
  void guest.ended.promise.then(() => clearTimeout(timer));
  guest.say(behaviour === "config" ? JSON.stringify(config) : "$ ");
  if (behaviour === "flood") void guest.flood();
  if (behaviour === "notice") {
    queueMicrotask(() => guest.events.emit({ type: "notice", text: "The clock is slow" }));
  }
  if (behaviour === "config") void guest.end({ end: "poweroff", stats });
  const handle: MachineHandle = {
    config,
    engine: { vendor: "soft", irqchip: "user", why: "Engine fake: a test" },
    console: serial,
    events: guest.events,
    ended: guest.ended.promise,
    stop,
    describe: () => ({ memory: [], ports: [], resources: {} as never }),
    [Symbol.asyncDispose]: async () => void await stop(),
  };
  return handle;
};

Deno.exit(await main(Deno.args, { start }));
