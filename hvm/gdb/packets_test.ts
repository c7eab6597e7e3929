import assert from "node:assert/strict";
import { bytesOf, encodePacket, fromHex, type Incoming, PacketReader, textOf, toHex } from "./packets.ts";

const feed = (text: string, most = 100): Incoming[] => new PacketReader(most).feed(bytesOf(text));
const packet = (text: string): Incoming => ({ kind: "packet", bytes: bytesOf(text) });

Deno.test("encodePacket frames data with its sum [RSP] E.1", () => {
  assert.equal(textOf(encodePacket("OK")), "$OK#9a");
  assert.equal(textOf(encodePacket("")), "$#00");
});

Deno.test("encodePacket escapes what has a meaning, and the sum is of what is sent [RSP] E.1", () => {
  assert.equal(textOf(encodePacket("a#$}*b")), "$a}\x03}\x04}]}\x0ab#25");
  assert.deepEqual(new PacketReader(100).feed(encodePacket("a#$}*b")), [packet("a#$}*b")]);
});

Deno.test("PacketReader finds packets, acknowledgements and interrupts in any pieces [RSP] E.1, E.12", () => {
  const stream = "+$g#67-\x03noise$m0,4#fd";
  const expected = [{ kind: "ack" }, packet("g"), { kind: "nack" }, { kind: "interrupt" }, packet("m0,4")];
  assert.deepEqual(feed(stream), expected);
  const reader = new PacketReader(100);
  assert.deepEqual([...bytesOf(stream)].flatMap((byte) => reader.feed(Uint8Array.of(byte))), expected);
});

Deno.test("PacketReader tells damaged packets and starts anew at a dollar", () => {
  assert.deepEqual(feed("$g#68"), [{ kind: "damaged" }]);
  assert.deepEqual(feed("$g#zz"), [{ kind: "damaged" }]);
  assert.deepEqual(feed("$X#58$}\x03#80"), [packet("X"), packet("#")]);
  assert.deepEqual(feed("$m0$g#67"), [packet("g")]);
});

Deno.test("PacketReader refuses a packet that is too long, and only that", () => {
  assert.deepEqual(feed("$aaaa#84$aaa#23", 3), [{ kind: "damaged" }, packet("aaa")]);
  const reader = new PacketReader(4);
  assert.deepEqual(reader.feed(bytesOf(`$${"x".repeat(100_000)}`)), []);
});

Deno.test("hexadecimal bytes go both ways, and nothing else is taken", () => {
  assert.equal(toHex(Uint8Array.of(0, 0x7f, 0xff)), "007fff");
  assert.deepEqual(fromHex("007FfF"), Uint8Array.of(0, 0x7f, 0xff));
  for (const wrong of ["0", "0g", " 00", "0x"]) assert.equal(fromHex(wrong), undefined, wrong);
});
