import assert from "node:assert/strict";
import { testReader } from "./tests.ts";

Deno.test("testReader reads what deno test prints", () => {
  const read = testReader();
  const lines = [
    "------- pre-test output -------",
    "SKIP a b: quirk x",
    "running 4 tests from ./lab_test.js",
    "a b ... ignored (0ms)",
    "c ... ok (1m2s)",
    "  a step ... ok (1ms)",
    "d ... FAILED (250ms)",
    "e ... ignored (0ms)",
    "",
    "ok | 1 passed | 1 failed (1s)",
  ];
  assert.deepEqual(lines.map(read).filter((part) => part !== undefined), [
    { name: "a-b", seconds: 0, skipped: "quirk x" },
    { name: "c", seconds: 62 },
    { name: "d", seconds: 0.25, reason: "the errors come at the end" },
    { name: "e", seconds: 0, reason: "skipped without a reason" },
  ]);
});
