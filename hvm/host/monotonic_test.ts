import assert from "node:assert/strict";
import { MonotonicClock } from "./monotonic.ts";

function rig() {
  const host = { now: 1_000_000 };
  return { host, clock: new MonotonicClock({ host: () => host.now }) };
}

Deno.test("MonotonicClock starts at zero and follows the host", () => {
  const { host, clock } = rig();
  assert.equal(clock.now(), 0);
  host.now += 250;
  assert.equal(clock.now(), 250);
  assert.equal(clock.origin, 1_000_000);
});

Deno.test("MonotonicClock stands still while paused and goes on from there", () => {
  const { host, clock } = rig();
  host.now += 100;
  clock.pause();
  clock.pause();
  host.now += 5000;
  assert.equal(clock.now(), 100);
  assert.equal(clock.paused, true);
  assert.equal(clock.hostTime(200), Infinity);
  clock.resume();
  clock.resume();
  assert.equal(clock.now(), 100);
  host.now += 7;
  assert.equal(clock.now(), 107);
  assert.equal(clock.hostTime(207), host.now + 100);
});

Deno.test("MonotonicClock fires what is due, not while paused", () => {
  const { host, clock } = rig();
  let fired = 0;
  const timer = clock.timer(() => fired++);
  assert.equal(clock.run(), false);
  timer.arm(100);
  assert.equal(clock.deadline(), 100);
  host.now += 99;
  assert.equal(clock.run(), false);
  clock.pause();
  host.now += 1000;
  assert.equal(clock.run(), false);
  clock.resume();
  host.now += 1;
  assert.equal(clock.run(), true);
  assert.equal(fired, 1);
  assert.equal(clock.deadline(), Infinity);
});

Deno.test("MonotonicClock takes the time of a snapshot, running or paused", () => {
  const { host, clock } = rig();
  clock.set(5_000);
  host.now += 1;
  assert.equal(clock.now(), 5_001);
  clock.pause();
  clock.set(9_000);
  host.now += 10;
  assert.equal(clock.now(), 9_000);
  clock.resume();
  assert.equal(clock.now(), 9_000);
});

Deno.test("two clocks of one origin agree", () => {
  const { host, clock } = rig();
  host.now += 77;
  const other = new MonotonicClock({ origin: clock.origin, host: () => host.now });
  assert.equal(other.now(), clock.now());
});

Deno.test("MonotonicClock never goes back on the real clock", () => {
  const clock = new MonotonicClock();
  let last = clock.now();
  for (let i = 0; i < 10_000; i++) {
    const now = clock.now();
    assert.ok(now >= last);
    last = now;
  }
  assert.ok(last > 0);
});
