/**
 * Random steps for devices on late hosts, for property tests.
 * @module
 */

import fc from "fast-check";
import type { LockstepStep } from "../hvm/testing/lockstep.ts";

/** How far the clock moves at each look, and what is done. */
export function lateSteps(): fc.Arbitrary<{ tickNs: number; steps: LockstepStep[] }> {
  const step = fc.tuple(fc.nat(9), fc.nat(0xffffffff));
  return fc.record({
    tickNs: fc.constantFrom(1, 837, 20_000, 700_000),
    steps: fc.array(step, { minLength: 5, maxLength: 60, size: "max" }),
  });
}
