import assert from "node:assert/strict";
import fc from "fast-check";
import { FakeClock } from "../../hvm/testing/rig.ts";
import { PmTimer } from "./pm_timer.ts";
import { PM_TIMER_STATE } from "./pm_timer_state.ts";

function rig() {
  const clock = new FakeClock();
  let toggles = 0;
  const timer: PmTimer = new PmTimer({ clock, toggled: () => timer.takeToggled() && toggles++ });
  return { clock, timer, toggles: () => toggles };
}

Deno.test("PmTimer counts 3579545 a second [ACPI] 4.8.2.1", () => {
  const { clock, timer } = rig();
  assert.equal(timer.value(), 0);
  clock.advance(1_000_000_000);
  assert.equal(timer.value(), 3_579_545);
  clock.advance(1_000_000_000);
  assert.equal(timer.value(), 7_159_090);
});

Deno.test("PmTimer wraps at 24 bits [ACPI] 4.8.2.1", () => {
  const { clock, timer } = rig();
  clock.advance(5_000_000_000);
  assert.equal(timer.value(), 5 * 3_579_545 - 2 ** 24);
});

Deno.test("PmTimer notes each toggle of bit 23, both ways [ACPI] 4.8.2.1", () => {
  const { clock, timer } = rig();
  clock.advance(2_343_000_000);
  assert.ok(!timer.takeToggled());
  clock.advance(1_000_000);
  assert.ok(timer.value() >= 2 ** 23);
  assert.ok(timer.takeToggled());
  assert.ok(!timer.takeToggled());
  clock.advance(2_344_000_000);
  assert.ok(timer.value() < 2 ** 23);
  assert.ok(timer.takeToggled());
});

Deno.test("PmTimer calls at each toggle while it is watched, and arms nothing otherwise", () => {
  const { clock, timer, toggles } = rig();
  clock.advance(10_000_000_000);
  assert.equal(clock.deadline(), Infinity);
  timer.takeToggled();
  timer.watch(true);
  clock.advance(10_000_000_000);
  assert.equal(toggles(), 4);
  timer.watch(false);
  clock.advance(10_000_000_000);
  assert.equal(toggles(), 4);
});

Deno.test("PmTimer never wakes its owner before the toggle is there", () => {
  fc.assert(fc.property(fc.nat(2 ** 31), (start) => {
    const clock = new FakeClock(start * 1e6);
    let early = 0;
    const timer: PmTimer = new PmTimer({ clock, toggled: () => timer.takeToggled() || early++ });
    timer.watch(true);
    clock.advance(5_000_000_000);
    assert.equal(early, 0);
  }));
});

Deno.test("PmTimer never goes back between two reads but to wrap", () => {
  fc.assert(fc.property(fc.nat(2 ** 31), fc.nat(1_000_000), (start, step) => {
    const clock = new FakeClock(start * 1e6);
    const timer = new PmTimer({ clock, toggled: () => {} });
    const before = timer.value();
    clock.advance(step);
    const passed = (timer.value() - before + 2 ** 24) % 2 ** 24;
    assert.ok(Math.abs(passed - step * 3.579545e-3) <= 1);
  }));
});

Deno.test("PmTimer saves what it has seen", () => {
  const { clock, timer } = rig();
  clock.advance(3_000_000_000);
  const other = new PmTimer({ clock, toggled: () => {} });
  assert.ok(!other.takeToggled());
  const state = timer.save();
  assert.ok(PM_TIMER_STATE.safeParse(state).success);
  other.load(state);
  assert.ok(other.takeToggled());
});
