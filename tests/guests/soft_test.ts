/**
 * Every guest program on the soft engine, which has no quirks: none is skipped.
 */

import { GUEST_PROGRAMS } from "./manifest.ts";
import { assertExpected, runProgram } from "./run.ts";

for (const program of GUEST_PROGRAMS) {
  Deno.test(`guest ${program.name} on the soft engine`, async () =>
    assertExpected(program, await runProgram(program, { engine: "soft", irqchip: "user" })));
}
