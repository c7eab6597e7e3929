import assert from "node:assert/strict";
import fc from "fast-check";
import { EscapeFilter, type InputSource, pipeInput, typeInput } from "./guest_input.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);

/** A source of pieces, then the end. */
function source(...pieces: string[]): InputSource {
  return {
    read(buffer) {
      const piece = pieces.shift();
      if (piece === undefined) return Promise.resolve(null);
      buffer.set(bytes(piece));
      return Promise.resolve(piece.length);
    },
  };
}

Deno.test("EscapeFilter takes out the escape key and the key after it", () => {
  const cases: [string, string, string[]][] = [
    ["abc\x03\x04", "abc\x03\x04", []],
    ["a\x1dqb", "ab", ["quit"]],
    ["\x1dQ\x1dx\x1dX\x1d.", "", ["quit", "quit", "quit", "quit"]],
    ["a\x1d\x1db", "a\x1db", []],
    ["\x1d\x1d\x1d\x1d", "\x1d\x1d", []],
    ["\x1d?\x1dh\x1dz1", "1", ["help", "help", "help"]],
    ["a\x1d", "a", []],
  ];
  for (const [typed, passed, commands] of cases) {
    const result = new EscapeFilter().feed(bytes(typed));
    assert.deepEqual([text(result.bytes), result.commands], [passed, commands], JSON.stringify(typed));
  }
});

Deno.test("EscapeFilter does not mind how keys arrive", () => {
  const keys = fc.array(fc.constantFrom(0x1d, 0x71, 0x61, 0x0d), { maxLength: 30 });
  fc.assert(fc.property(keys, (typed) => {
    const whole = new EscapeFilter().feed(Uint8Array.from(typed));
    const filter = new EscapeFilter();
    const pieces = typed.map((byte) => filter.feed(Uint8Array.of(byte)));
    assert.deepEqual(pieces.flatMap((piece) => [...piece.bytes]), [...whole.bytes]);
    assert.deepEqual(pieces.flatMap((piece) => piece.commands), whole.commands);
  }));
});

Deno.test("pipeInput passes everything on, the escape key too, reads on when it is taken, and adds nothing at the end", async () => {
  const seen: string[] = [];
  const { read } = source("a\x1dq", "b");
  let busy = false;
  const careful: InputSource = {
    read(buffer) {
      assert.equal(busy, false);
      return read(buffer);
    },
  };
  await pipeInput(careful, {
    async write(data) {
      busy = true;
      await new Promise((resolve) => setTimeout(resolve, 0));
      busy = false;
      seen.push(text(data));
    },
  });
  assert.deepEqual(seen, ["a\x1dq", "b"]);
});

Deno.test("pipeInput and typeInput end quietly when the input fails", async () => {
  const broken: InputSource = { read: () => Promise.reject(new Error("gone")) };
  const guest = { write: () => Promise.reject(new Error("never")) };
  assert.equal(await pipeInput(broken, guest), undefined);
  assert.equal(await typeInput(broken, guest, () => {}), undefined);
});

Deno.test("typeInput hears the escape key of a guest that does not read, and keeps a bounded part for it", async () => {
  let kept = 0;
  const commands: string[] = [];
  const long = "x".repeat(1 << 14);
  const guest = {
    write(data: Uint8Array) {
      kept += data.length;
      return new Promise<void>(() => {});
    },
  };
  await typeInput(source(...Array(20).fill(long), "\x1dq"), guest, (command) => commands.push(command));
  assert.deepEqual(commands, ["quit"]);
  assert.equal(kept, 1 << 16);
});

Deno.test("typeInput goes on when the guest takes nothing any more", async () => {
  const commands: string[] = [];
  const guest = { write: () => Promise.reject(new Error("over")) };
  await typeInput(source("a", "b", "\x1d?"), guest, (command) => commands.push(command));
  assert.deepEqual(commands, ["help"]);
});
