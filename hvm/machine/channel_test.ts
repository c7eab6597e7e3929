import assert from "node:assert/strict";
import { Channel } from "./channel.ts";

Deno.test("Channel gives both sides the same words and rings", () => {
  const main = new Channel();
  const worker = new Channel(main.buffer);
  main.input.write(Uint8Array.of(1, 2));
  worker.output.write(Uint8Array.of(3));
  worker.debug.write(Uint8Array.of(4));
  assert.deepEqual([...worker.input.read()], [1, 2]);
  assert.deepEqual([...main.output.read()], [3]);
  assert.deepEqual([...main.debug.read()], [4]);
});

Deno.test("Channel hands each request over once", () => {
  const main = new Channel();
  const worker = new Channel(main.buffer);
  main.request(1);
  main.request(8);
  assert.equal(worker.takeRequests(), 9);
  assert.equal(worker.takeRequests(), 0);
});

Deno.test("Channel remembers that a side waits until the other one takes that", () => {
  const main = new Channel();
  const worker = new Channel(main.buffer);
  assert.ok(!worker.takeRoomWanted());
  main.wantRoom();
  assert.ok(worker.takeRoomWanted());
  assert.ok(!worker.takeRoomWanted());
  worker.outputIsFull();
  assert.ok(main.takeOutputFull());
  assert.ok(!main.takeOutputFull());
});

Deno.test("Channel shows requests without taking them", () => {
  const main = new Channel();
  const worker = new Channel(main.buffer);
  main.request(4);
  assert.ok(worker.isRequested(4 | 1));
  assert.ok(!worker.isRequested(1));
  assert.equal(worker.takeRequests(), 4);
});

Deno.test("Channel counts debuggers that come and go", () => {
  const main = new Channel();
  const worker = new Channel(main.buffer);
  main.turnDebugger();
  assert.equal(worker.debuggerTurns, 1);
  assert.equal(main.debuggerTurnsSeen, 0);
  worker.debuggerTurnsSeen = 1;
  assert.equal(main.debuggerTurnsSeen, 1);
  main.fromDebugger.write(Uint8Array.of(1, 2));
  assert.deepEqual([...worker.fromDebugger.read()], [1, 2]);
  worker.debuggerIsFull();
  assert.ok(main.takeDebuggerFull());
  assert.ok(!main.takeDebuggerFull());
});
