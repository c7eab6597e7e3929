import assert from "node:assert/strict";
import fc from "fast-check";
import { ByteRing, ringBytes } from "./ring.ts";

function pair(capacity: number): { writer: ByteRing; reader: ByteRing } {
  const buffer = new SharedArrayBuffer(ringBytes(capacity) + 8);
  return { writer: new ByteRing(buffer, 8, capacity), reader: new ByteRing(buffer, 8, capacity) };
}

Deno.test("ByteRing gives out what was put in, in order, and takes no more than it holds", () => {
  fc.assert(fc.property(
    fc.constantFrom(1, 2, 8, 64),
    fc.array(fc.oneof(fc.uint8Array({ maxLength: 80 }), fc.nat(80)), { maxLength: 60 }),
    (capacity, steps) => {
      const { writer, reader } = pair(capacity);
      const model: number[] = [];
      for (const step of steps) {
        if (typeof step === "number") {
          assert.deepEqual([...reader.read(step)], model.splice(0, step));
        } else {
          const taken = writer.write(step);
          assert.equal(taken, Math.min(step.length, capacity - model.length));
          model.push(...step.subarray(0, taken));
        }
        assert.equal(reader.length, model.length);
        assert.equal(writer.room, capacity - model.length);
      }
    },
  ));
});

Deno.test("ByteRing goes on past 2^32 positions", () => {
  const buffer = new SharedArrayBuffer(ringBytes(8));
  new Int32Array(buffer, 0, 2).fill(-3);
  const ring = new ByteRing(buffer, 0, 8);
  assert.equal(ring.write(Uint8Array.of(1, 2, 3, 4, 5, 6)), 6);
  assert.ok(ring.push(7));
  assert.ok(ring.push(8));
  assert.ok(!ring.push(9));
  assert.deepEqual([...ring.peek(2)], [1, 2]);
  assert.deepEqual([...ring.read()], [1, 2, 3, 4, 5, 6, 7, 8]);
});

Deno.test("ByteRing rings once until it is answered", () => {
  const { writer, reader } = pair(8);
  assert.ok(writer.ring());
  assert.ok(!writer.ring());
  reader.answer();
  assert.ok(writer.ring());
});

Deno.test("ByteRing refuses a capacity that is no power of two", () => {
  assert.throws(() => pair(12), RangeError);
});
