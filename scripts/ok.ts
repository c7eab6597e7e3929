/**
 * `deno task ok`: the gate before each commit, the same here and in CI. Every step runs even when an earlier one
 * failed; the last line is that of the tests.
 * @module
 */

import { checkDocs } from "./docs.ts";
import { checkLayers, sourceFiles } from "./layers.ts";
import { test } from "./test.ts";
import { pass, say } from "./tools.ts";

/** One step: what it is called and whether it went well. */
type Step = readonly [string, () => Promise<boolean>];

const deno = async (...args: string[]) =>
  await pass([Deno.execPath(), ...args], { env: { NO_COLOR: "1" } }) === 0;

const STEPS: readonly Step[] = [
  ["format", () => deno("fmt", "--check", "--quiet")],
  ["lint", () => deno("lint", "--quiet")],
  ["types", async () => await deno("check", "--quiet", ...await sourceFiles(`${Deno.cwd()}/`))],
  ["layers", checkLayers],
  ["documentation", checkDocs],
  ["tests", () => test([])],
];

/**
 * Runs the steps.
 *
 * @returns the names of those that failed.
 */
async function gate(): Promise<string[]> {
  const failed: string[] = [];
  for (const [name, step] of STEPS) {
    const start = performance.now();
    say(`== ${name}`);
    const good = await step();
    if (!good) failed.push(name);
    if (name !== "tests") {
      say(`${good ? "ok" : "FAILED"} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
    }
  }
  return failed;
}

if (import.meta.main) {
  Deno.chdir(new URL("..", import.meta.url));
  const failed = await gate();
  const checks = failed.filter((name) => name !== "tests");
  if (checks.length > 0) console.error(`Failed before the tests: ${checks.join(", ")}`);
  Deno.exit(failed.length === 0 ? 0 : 1);
}
