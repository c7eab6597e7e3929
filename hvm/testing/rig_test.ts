import assert from "node:assert/strict";
import type { Timer } from "../base/clock.ts";
import { FakeClock, RecordedLine } from "./rig.ts";

Deno.test("FakeClock stands still until told, then stops at each deadline on the way", () => {
  const clock = new FakeClock(100);
  const seen: number[] = [];
  clock.timer(() => seen.push(clock.now())).arm(150);
  clock.timer(() => seen.push(clock.now())).arm(120);
  assert.equal(clock.now(), 100);
  assert.equal(clock.deadline(), 120);
  clock.advance(49);
  assert.deepEqual([seen, clock.now()], [[120], 149]);
  clock.advance(1);
  assert.deepEqual([seen, clock.now(), clock.deadline()], [[120, 150], 150, Infinity]);
});

Deno.test("FakeClock fires a periodic timer as often as its period fits", () => {
  const clock = new FakeClock();
  let fired = 0;
  const timer: Timer = clock.timer(() => {
    fired++;
    timer.arm(clock.now() + 10);
  });
  timer.arm(10);
  clock.advance(105);
  assert.deepEqual([fired, clock.now()], [10, 105]);
});

Deno.test("FakeClock fires at the time it is, not before, what was armed for the past", () => {
  const clock = new FakeClock(1000);
  const seen: number[] = [];
  clock.timer(() => seen.push(clock.now())).arm(5);
  clock.advance(0);
  assert.deepEqual(seen, [1000]);
});

Deno.test("FakeClock ends a timer that re-arms itself for now without end", () => {
  const clock = new FakeClock();
  const timer: Timer = clock.timer(() => timer.arm(clock.now()));
  timer.arm(0);
  assert.throws(() => clock.advance(1), /without end/);
});

Deno.test("FakeClock steps over the deadline of a cancelled timer", () => {
  const clock = new FakeClock();
  const timer = clock.timer(() => assert.fail("cancelled"));
  timer.arm(5);
  timer.cancel();
  clock.advance(10);
  assert.equal(clock.now(), 10);
});

Deno.test("RecordedLine keeps changes, not repetitions", () => {
  const line = new RecordedLine();
  for (const level of [false, true, true, false, true]) line.set(level);
  assert.deepEqual(line.changes, [true, false, true]);
  assert.deepEqual([line.level, line.rises], [true, 2]);
});
