/**
 * Every x87 operation of the library against the processor: results, status word, memory, flags, bit by bit.
 *
 * 3,000 cases an operation, the same ones each time. `HVM_X87_CASES=300000 HVM_X87_SEED=7` runs more and others.
 */

import assert from "node:assert/strict";
import { Float80Rig } from "../../hvm/x86/exec/float80_rig.ts";
import { Random, randomJob } from "./x87_cases.ts";
import { runModel } from "./x87_model.ts";
import { type Extended, type X87Job, X87Oracle, type X87Result } from "./x87_oracle.ts";

const NAME = "x87 operations give what the processor gives";
const COUNT = Number(Deno.env.get("HVM_X87_CASES") ?? 3000);
const SEED = Number(Deno.env.get("HVM_X87_SEED") ?? 1);
/** Jobs a process is given at once. */
const CHUNK = 50_000;
const ARITHMETIC_FLAGS = 0x45;

function hex({ sig, se }: Extended): string {
  return `${se.toString(16).padStart(4, "0")}:${sig.toString(16).padStart(16, "0")}`;
}

/** A result as text, without what the instruction leaves undefined. */
function shown(job: X87Job, result: X87Result): string {
  const { st0, st1, memory, sw, eflags } = result;
  // After a pop the second register is no register any more.
  const popped = (sw >> 11 & 7) === 7;
  const flags = job.operation.endsWith("comi") ? eflags & ARITHMETIC_FLAGS : 0;
  return `${hex(st0)} ${popped ? "-" : hex(st1)} memory ${hex(memory)} sw ${sw.toString(16)} flags ${flags}`;
}

function described({ operation, a, b, control, prior }: X87Job): string {
  return `${operation} ${hex(a)} ${hex(b)} cw ${control.toString(16)} prior ${prior.toString(16)}`;
}

async function compareAll(oracle: X87Oracle, operation: string): Promise<void> {
  const rig = new Float80Rig();
  const random = new Random(SEED);
  for (let left = COUNT; left > 0; left -= CHUNK) {
    const jobs = Array.from({ length: Math.min(left, CHUNK) }, () => randomJob(random, operation));
    const results = await oracle.run(jobs);
    jobs.forEach((job, i) => {
      const expected = shown(job, results[i]!);
      const actual = shown(job, runModel(rig, job));
      if (actual !== expected) assert.equal(actual, expected, described(job));
    });
  }
}

/** Functions whose last bits are the vendor's own have tests of their own. */
const TRANSCENDENTAL = /^f(2xm1|yl2x|yl2xp1|patan|sin|cos|sincos|ptan)$/;

const missing = X87Oracle.missing();
// deno-lint-ignore no-console -- the run's output is where skips are looked for
if (missing !== undefined) console.log(`SKIP ${NAME}: ${missing}`);
Deno.test({
  name: NAME,
  ignore: missing !== undefined,
  fn: async (t) => {
    using oracle = X87Oracle.build();
    for (const operation of oracle.operations) {
      if (!TRANSCENDENTAL.test(operation)) await t.step(operation, () => compareAll(oracle, operation));
    }
  },
});
