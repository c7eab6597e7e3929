import assert from "node:assert/strict";
import type { Check } from "./check.ts";
import { follow } from "./follow.ts";
import type { LabMachine } from "./hosts.ts";

const OPTIONS = { silence: 60, limit: 60, verbose: false };

/** A check that must end with this status. */
function check(name: string, status = 0): Check {
  const judge = (result: { status: number }) =>
    result.status === status ? undefined : `status ${result.status}`;
  return { name, script: "", timeout: 1, judge };
}

/** A machine that says these lines; without `ends` it then stands still until it is ended. */
function machine(lines: readonly string[], ends = true): LabMachine & { ended: boolean } {
  const stopped = Promise.withResolvers<void>();
  async function* say(): AsyncGenerator<string> {
    yield* lines;
    if (!ends) await stopped.promise;
  }
  return {
    ended: false,
    lines: say(),
    end() {
      this.ended = true;
      stopped.resolve();
      return Promise.resolve();
    },
  };
}

Deno.test("follow judges what ended and fails what was not reached", async () => {
  const lines = ["@@lab begin a", "@@lab end a 0 1", "@@lab begin b", "@@lab end b 3 1", "@@lab begin c"];
  const verdicts = await follow(machine(lines), [check("a"), check("b"), check("c"), check("d")], OPTIONS);
  assert.deepEqual(verdicts.map(({ name, reason }) => [name, reason]), [
    ["a", undefined],
    ["b", "status 3"],
    ["c", "the lab ended during this check"],
    ["d", "the lab ended before it"],
  ]);
});

for (const [what, options] of [["silence", { silence: 0.01 }], ["limit", { limit: 0.01 }]] as const) {
  Deno.test(`follow ends a machine that stands still, by ${what}`, async () => {
    const still = machine(["[    0.1] booting"], false);
    const verdicts = await follow(still, [check("a")], { ...OPTIONS, ...options });
    assert.equal(still.ended, true);
    assert.equal(verdicts[0]?.reason, "the lab ended before it");
  });
}
