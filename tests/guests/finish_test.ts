/**
 * Instructions that KVM cannot emulate are finished by hvm's own processor: where it lacks some, each is counted by kind.
 */

import assert from "node:assert/strict";
import { kvmTest } from "../../hvm/testing/kvm.ts";
import { RARE_PROGRAMS } from "./rare.ts";
import { assertExpected, runProgram } from "./run.ts";

/** Instructions finished in all the programs of rare.ts, by name. */
kvmTest("what KVM cannot emulate is finished, and counted by kind", { only: "pvm" }, async () => {
  const counts: Record<string, number> = {};
  for (const program of RARE_PROGRAMS) {
    const run = await runProgram(program, { engine: "kvm", irqchip: "user" });
    assertExpected(program, run);
    for (const [name, hits] of Object.entries(run.end.stats.counts)) {
      if (name.startsWith("finished ")) counts[name.slice("finished ".length)] = hits;
    }
  }
  // Those behind another one are executed on its way: see quirk finish-run.
  const lacking = [
    "popcnt",
    "crc32",
    "andn",
    "enter",
    "cmpxchg16b",
    "int3",
    "ud1",
    "lsl",
    "fld1",
    "movd",
    "xsave",
  ];
  for (const name of lacking) assert.ok((counts[name] ?? 0) > 0, `${name}: ${JSON.stringify(counts)}`);
});
