import assert from "node:assert/strict";
import fc from "fast-check";
import { Fifo } from "./fifo.ts";

Deno.test("Fifo refuses what does not fit and gives back the oldest first", () => {
  const fifo = new Fifo(2);
  assert.deepEqual([fifo.push(1), fifo.push(2), fifo.push(3)], [true, true, false]);
  assert.deepEqual([fifo.peek(), fifo.shift(), fifo.shift(), fifo.shift(), fifo.peek()], [
    1,
    1,
    2,
    undefined,
    undefined,
  ]);
});

Deno.test("Fifo of no capacity takes nothing", () => {
  const fifo = new Fifo(0);
  assert.equal(fifo.push(1), false);
  assert.equal(fifo.shift(), undefined);
  assert.deepEqual(fifo.toArray(), []);
});

Deno.test("Fifo refuses a content that is too long and keeps what it had", () => {
  const fifo = new Fifo(2);
  fifo.push(7);
  assert.throws(() => fifo.setAll([1, 2, 3]), RangeError);
  assert.deepEqual(fifo.toArray(), [7]);
  fifo.setAll([1, 2]);
  assert.deepEqual(fifo.toArray(), [1, 2]);
});

Deno.test("Fifo behaves as an array with a limit, whatever is done to it", () => {
  const step = fc.oneof(
    fc.record({ op: fc.constant("push" as const), byte: fc.nat(255) }),
    fc.record({
      op: fc.constantFrom("shift" as const, "peek" as const, "clear" as const),
      byte: fc.constant(0),
    }),
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.array(step, { maxLength: 60 }), (capacity, steps) => {
      const fifo = new Fifo(capacity);
      let model: number[] = [];
      for (const { op, byte } of steps) {
        if (op === "push") {
          assert.equal(fifo.push(byte), model.length < capacity);
          if (model.length < capacity) model.push(byte);
        } else if (op === "shift") assert.equal(fifo.shift(), model.shift());
        else if (op === "peek") assert.equal(fifo.peek(), model[0]);
        else {
          fifo.clear();
          model = [];
        }
        assert.deepEqual(fifo.toArray(), model);
        assert.deepEqual([fifo.length, fifo.capacity], [model.length, capacity]);
      }
    }),
  );
});
