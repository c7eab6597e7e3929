import assert from "node:assert/strict";
import fc from "fast-check";
import { type Timer, TimerQueue } from "./clock.ts";

Deno.test("TimerQueue fires what is due in order of deadline, and only once", () => {
  const queue = new TimerQueue();
  const fired: string[] = [];
  const a = queue.timer(() => fired.push("a"));
  const b = queue.timer(() => fired.push("b"));
  a.arm(20);
  b.arm(10);
  assert.equal(queue.deadline(), 10);
  assert.equal(queue.run(9), false);
  assert.equal(queue.run(20), true);
  assert.deepEqual(fired, ["b", "a"]);
  assert.deepEqual([a.armed, b.armed, queue.deadline()], [false, false, Infinity]);
  assert.equal(queue.run(1000), false);
});

Deno.test("TimerQueue moves an armed timer and forgets a cancelled one", () => {
  const queue = new TimerQueue();
  let fired = 0;
  const timer = queue.timer(() => fired++);
  timer.arm(10);
  timer.arm(30);
  queue.run(20);
  assert.deepEqual([fired, timer.armed, queue.deadline()], [0, true, 30]);
  timer.cancel();
  timer.cancel();
  assert.equal(queue.run(40), false);
  assert.deepEqual([fired, timer.armed, queue.deadline()], [0, false, Infinity]);
});

Deno.test("TimerQueue lets a timer cancel or move another that is due", () => {
  const queue = new TimerQueue();
  const fired: string[] = [];
  const b: Timer = queue.timer(() => fired.push("b"));
  const c: Timer = queue.timer(() => fired.push("c"));
  queue.timer(() => {
    fired.push("a");
    b.cancel();
    c.arm(100);
  }).arm(1);
  b.arm(2);
  c.arm(3);
  queue.run(10);
  assert.deepEqual(fired, ["a"]);
  assert.equal(queue.deadline(), 100);
});

Deno.test("TimerQueue is not held by a timer that re-arms itself for the past", () => {
  const queue = new TimerQueue();
  let fired = 0;
  const timer: Timer = queue.timer(() => {
    fired++;
    timer.arm(0);
  });
  timer.arm(0);
  queue.run(5);
  assert.equal(fired, 1);
  assert.equal(queue.deadline(), 0);
  queue.run(5);
  assert.equal(fired, 2);
});

Deno.test("TimerQueue agrees with a list of deadlines: none late, none early, none twice", () => {
  const step = fc.oneof(
    fc.record({ op: fc.constant("arm" as const), timer: fc.nat(4), value: fc.nat(100) }),
    fc.record({ op: fc.constant("cancel" as const), timer: fc.nat(4), value: fc.constant(0) }),
    fc.record({ op: fc.constant("run" as const), timer: fc.constant(0), value: fc.nat(100) }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const queue = new TimerQueue();
    const fired: number[] = [];
    const timers = Array.from({ length: 5 }, (_, i) => queue.timer(() => fired.push(i)));
    const model = new Map<number, number>();
    for (const { op, timer, value } of steps) {
      fired.length = 0;
      if (op === "arm") {
        timers[timer]!.arm(value);
        model.set(timer, value);
      } else if (op === "cancel") {
        timers[timer]!.cancel();
        model.delete(timer);
      } else {
        const due = [...model].filter(([, at]) => at <= value).sort((x, y) => x[1] - y[1] || x[0] - y[0]);
        assert.equal(queue.run(value), due.length > 0);
        assert.deepEqual(fired, due.map(([i]) => i));
        for (const [i] of due) model.delete(i);
        assert.equal(queue.deadline() <= Math.min(Infinity, ...model.values()), true, "never late");
      }
      timers.forEach((t, i) => assert.equal(t.armed, model.has(i)));
      assert.ok(queue.deadline() <= Math.min(Infinity, ...model.values()));
    }
  }));
});
