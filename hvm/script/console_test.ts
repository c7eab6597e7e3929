import assert from "node:assert/strict";
import fc from "fast-check";
import { Console, ConsoleClosedError, type ConsolePort, ExpectError } from "./console.ts";
import type { ByteListener } from "./types.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);

/** A console over a port whose guest is this test. */
function rig(room = Infinity) {
  const taken: number[] = [];
  let deliver: ByteListener = () => {};
  let left = room;
  let freed = Promise.withResolvers<void>();
  let waiting = Promise.withResolvers<void>();
  const port: ConsolePort = {
    write(data) {
      const count = Math.min(left, data.length);
      left -= count;
      taken.push(...data.subarray(0, count));
      return count;
    },
    room: () => {
      waiting.resolve();
      return freed.promise;
    },
    onData: (listener) => deliver = listener,
  };
  return {
    console: new Console(port),
    /** The guest says something. */
    say: (words: string | Uint8Array) => deliver(typeof words === "string" ? bytes(words) : words),
    /** Once the console waits for room, the guest reads that much of what was sent. */
    async free(count: number) {
      await waiting.promise;
      waiting = Promise.withResolvers();
      left += count;
      freed.resolve();
      freed = Promise.withResolvers();
    },
    sent: () => text(Uint8Array.from(taken)),
  };
}

Deno.test("Console.expect finds what comes later, in pieces", async () => {
  const { console, say } = rig();
  const wait = console.expect(/log(in): /);
  say("Debian\r\nlo");
  say("gin");
  say(": ");
  const match = await wait;
  assert.equal(match[0], "login: ");
  assert.equal(match[1], "in");
});

Deno.test("Console.expect finds what has come before, once", async () => {
  const { console, say } = rig();
  say("one two one");
  assert.equal((await console.expect("one")).index, 0);
  assert.equal((await console.expect("one")).input, " two one");
  const third = console.expect("one");
  say(" and one");
  await third;
});

Deno.test("Console.expect takes a string as it stands", async () => {
  const { console, say } = rig();
  say("/x # (a+b)*[c] $1.00");
  await console.expect("# (a+b)*[c] $1.00");
});

Deno.test("Console.expect lets two waits race, and the loser sees what follows", async () => {
  const { console, say } = rig();
  const panic = console.expect(/panic/);
  const login = console.expect(/login/);
  say("login: ");
  assert.equal((await Promise.race([panic, login]))[0], "login");
  say("panic");
  assert.equal((await panic)[0], "panic");
});

Deno.test("Console.expect does not mind flags that keep a position", async () => {
  const { console, say } = rig();
  const pattern = /o/gy;
  pattern.lastIndex = 5;
  say("foo");
  assert.equal((await console.expect(pattern)).index, 1);
  assert.equal((await console.expect(pattern)).index, 0);
});

Deno.test("Console.expect gives up in time, with what was seen last", async () => {
  const { console, say } = rig();
  for (let line = 1; line <= 20; line++) say(`line ${line}\r\n`);
  say("\x1b[1mlast");
  const error = await console.expect(/login/, { timeout: 1 }).catch((error) => error);
  assert.ok(error instanceof ExpectError);
  assert.equal(error.reason, "timeout");
  assert.equal(error.pattern, "/login/");
  assert.equal(error.seen.split("\n").length, 10);
  assert.ok(error.seen.endsWith("line 20\n\\x1b[1mlast"), error.seen);
  assert.match(
    error.message,
    /^Waited 1 ms in vain before \/login\/ was seen; the console's last lines:\n {2}\| line 12\n/,
  );
});

Deno.test("Console.expect gives up when its signal fires, before or during the wait", async () => {
  const { console } = rig();
  const control = new AbortController();
  const wait = console.expect("x", { signal: control.signal, timeout: 100_000 });
  control.abort(new Error("enough"));
  for (const pending of [wait, console.expect("x", { signal: control.signal })]) {
    const error = await pending.catch((error) => error);
    assert.ok(error instanceof ExpectError);
    assert.equal(error.reason, "aborted");
    assert.equal((error.cause as Error).message, "enough");
    assert.match(error.message, /the console was silent/);
  }
});

Deno.test("Console.close fails the waits that are open, not those that can be met", async () => {
  const { console, say } = rig();
  const wait = console.expect("never");
  say("the end");
  console.close("The guest ended (poweroff)");
  await assert.rejects(wait, {
    name: "ExpectError",
    reason: "ended",
    message: /^The guest ended \(poweroff\) before "never"/,
  });
  await console.expect("end");
  await assert.rejects(console.expect("end"), { reason: "ended" });
  say("too late");
  assert.equal(console.transcript, "the end");
});

Deno.test("Console.write waits for room and keeps the order", async () => {
  const { console, sent, free } = rig(3);
  const all = Promise.all([console.send("hello "), console.write(bytes("guest"))]);
  await free(4);
  assert.equal(sent(), "hel");
  await free(100);
  await all;
  assert.equal(sent(), "hello guest");
});

Deno.test("Console.write fails when the guest has ended, also while it waits", async () => {
  const { console, sent } = rig(2);
  const waiting = console.send("abc");
  console.close("The guest ended (poweroff)");
  await assert.rejects(waiting, ConsoleClosedError);
  await assert.rejects(console.send("x"), /Cannot send to the guest: The guest ended \(poweroff\)/);
  assert.equal(sent(), "");
});

Deno.test("Console.output calls its listeners until they leave, and holds back the port for a slow one", async () => {
  const { console, say } = rig();
  const seen: string[] = [];
  const slow = Promise.withResolvers<void>();
  const leave = console.output.subscribe((data) => {
    seen.push(text(data));
    return slow.promise;
  });
  console.output.subscribe((data) => void seen.push(text(data).toUpperCase()));
  let done = false;
  const held = Promise.resolve(say("a")).then(() => done = true);
  await Promise.resolve();
  assert.equal(done, false);
  slow.resolve();
  await held;
  leave();
  assert.equal(say("b"), undefined);
  assert.deepEqual(seen, ["a", "A", "B"]);
});

Deno.test("Console.output can be looped over, to the end, and holds back the port when too much waits", async () => {
  const { console, say } = rig();
  const loop = console.output[Symbol.asyncIterator]();
  assert.equal(say("a"), undefined);
  const held = say(new Uint8Array(1 << 16));
  assert.ok(held instanceof Promise);
  assert.equal(text((await loop.next()).value), "a");
  assert.equal((await loop.next()).value?.length, 1 << 16);
  await held;
  const last = loop.next();
  say("z");
  assert.equal(text((await last).value), "z");
  const none = loop.next();
  console.close("over");
  assert.deepEqual(await none, { done: true, value: undefined });
  assert.deepEqual(await console.output[Symbol.asyncIterator]().next(), { done: true, value: undefined });
});

Deno.test("Console.transcript joins characters that come in pieces and keeps the last of very much", () => {
  const { console, say } = rig();
  const all = bytes("gr\u00fc\u00dfe \u2713\r\n");
  for (const byte of all) say(Uint8Array.of(byte));
  assert.equal(console.transcript, "gr\u00fc\u00dfe \u2713\r\n");
  for (let i = 0; i < 40; i++) say("x".repeat(1 << 16));
  say("end");
  assert.ok(console.transcript.length <= 2 << 20 && console.transcript.length >= 1 << 20);
  assert.ok(console.transcript.endsWith("xend"));
});

Deno.test("Console.expect matches wherever the output is cut", async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.nat(20), { maxLength: 20 }), async (sizes) => {
    const { console, say } = rig();
    const words = "boot\r\n~ # uname\r\nLinux\r\n~ # ";
    const waits = [console.expect("~ # "), console.expect(/Linux\s/)];
    let at = 0;
    for (const size of [...sizes, words.length]) {
      say(words.slice(at, at + size));
      at += size;
    }
    const [prompt, linux] = await Promise.all(waits);
    assert.equal(prompt?.[0], "~ # ");
    assert.equal(linux?.[0], "Linux\r");
    assert.equal(console.transcript, words);
    assert.equal((await console.expect("~ # ")).input, "\n~ # ");
  }));
});
