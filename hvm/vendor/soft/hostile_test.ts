/**
 * A guest that does anything, in every mode, with tables that are anything: the engine answers with no more than a run
 * that ends, in time.
 *
 * The seed is printed; `HVM_FUZZ_SEED=n` takes another one, `HVM_FUZZ_INSTRUCTIONS=n` makes the run longer.
 */

import assert from "node:assert/strict";
import type { HostileReport } from "./hostile_rig.ts";
import type { HostileOrder } from "./hostile_worker_rig.ts";

const INSTRUCTIONS = 200_000;
/** Far more than an episode takes on a busy machine: what is looked for is a hang. */
const LIMIT_MS = 15_000;

type Answer = { readonly report: HostileReport } | { readonly failure: string };

/** Runs a hostile guest in a thread; one that does not end in time is a failure. */
async function hostile(seed: number, instructions: number): Promise<Answer> {
  const worker = new Worker(new URL("./hostile_worker_rig.ts", import.meta.url).href, { type: "module" });
  const progress = new Int32Array(new SharedArrayBuffer(4));
  const { promise, resolve } = Promise.withResolvers<Answer>();
  worker.onmessage = ({ data }: MessageEvent<Answer>) => resolve(data);
  worker.onerror = (event) => {
    event.preventDefault();
    resolve({ failure: event.message });
  };
  let seen = -1;
  const guard = setInterval(() => {
    const episode = Atomics.load(progress, 0);
    if (episode === seen) resolve({ failure: `episode ${episode} does not end` });
    seen = episode;
  }, LIMIT_MS);
  worker.postMessage({ seed, instructions, progress } satisfies HostileOrder);
  try {
    return await promise;
  } finally {
    clearInterval(guard);
    worker.terminate();
  }
}

Deno.test("a hostile guest ends no run but by HLT, shutdown or the limit, and touches nothing but RAM", async () => {
  const seed = Number(Deno.env.get("HVM_FUZZ_SEED") ?? 1);
  const instructions = Number(Deno.env.get("HVM_FUZZ_INSTRUCTIONS") ?? INSTRUCTIONS);
  console.log(`HVM_FUZZ_SEED=${seed}`);
  const answer = await hostile(seed, instructions);
  if ("failure" in answer) throw new Error(`HVM_FUZZ_SEED=${seed}: ${answer.failure}`);
  const { report } = answer;
  console.log(JSON.stringify(report));
  assert.ok(report.retired >= instructions);
});
