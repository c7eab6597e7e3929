import assert from "node:assert/strict";
import fc from "fast-check";
import { Rate } from "./rate.ts";

const FREQUENCIES = [1, 32_768, 1_193_182, 3_579_545, 24_000_000, 100_000_000, 1_000_000_000, 2_500_000_000];

Deno.test("Rate agrees with exact integer arithmetic over a month", () => {
  fc.assert(fc.property(
    fc.constantFrom(...FREQUENCIES),
    fc.integer({ min: 0, max: 2_592_000_000_000_000 }),
    (hz, ns) => {
      const ticks = BigInt(ns) * BigInt(hz) / 1_000_000_000n;
      assert.equal(BigInt(new Rate(hz).ticksIn(ns)), ticks);
    },
  ));
});

Deno.test("Rate gives the first nanosecond of a tick", () => {
  fc.assert(fc.property(
    fc.constantFrom(...FREQUENCIES.filter((hz) => hz <= 1_000_000_000)),
    fc.integer({ min: 1, max: 2 ** 40 }),
    (hz, ticks) => {
      const rate = new Rate(hz);
      const ns = rate.nsOf(ticks);
      if (!Number.isSafeInteger(ns)) return;
      assert.equal(rate.ticksIn(ns), ticks);
      assert.equal(rate.ticksIn(ns - 1), ticks - 1);
    },
  ));
});

Deno.test("Rate counts 1193182 ticks in each of a million seconds", () => {
  const rate = new Rate(1_193_182);
  assert.equal(rate.ticksIn(1_000_000 * 1e9), 1_000_000 * 1_193_182);
  assert.equal(rate.ticksIn(1_000_000 * 1e9 - 1), 1_000_000 * 1_193_182 - 1);
});

Deno.test("Rate refuses frequencies it cannot count exactly", () => {
  for (const hz of [0, -1, 0.5, NaN, Infinity, 999_999_999]) {
    assert.throws(() => new Rate(hz), RangeError, `${hz}`);
  }
});
