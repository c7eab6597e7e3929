import assert from "node:assert/strict";
import { PanicWatch } from "./panic_watch.ts";

const LOG =
  "[    1.5] Run /init\r\n[    1.6] Kernel panic - not syncing: No init found.\r\n[    1.7] Rebooting\r\n";
const MESSAGE = "Kernel panic - not syncing: No init found.";

function watch(pieces: readonly string[]): string | undefined {
  const watch = new PanicWatch();
  for (const piece of pieces) watch.look(new TextEncoder().encode(piece));
  return watch.message;
}

Deno.test("PanicWatch finds the line of a panic wherever the output is cut", () => {
  for (let at = 0; at <= LOG.length; at++) {
    assert.equal(watch([LOG.slice(0, at), LOG.slice(at)]), MESSAGE, `cut at ${at}`);
  }
  assert.equal(watch([...LOG]), MESSAGE);
});

Deno.test("PanicWatch keeps the first panic and finds one behind much output", () => {
  assert.equal(watch([LOG, "Kernel panic - not syncing: another\n"]), MESSAGE);
  assert.equal(watch(["x".repeat(100_000), LOG]), MESSAGE);
});

Deno.test("PanicWatch says nothing of a healthy guest", () => {
  assert.equal(
    watch(["panic=-1 Kernel", " command line: panic\n", "Kernel panic -", " but not syncing"]),
    undefined,
  );
});
