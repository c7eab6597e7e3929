import assert from "node:assert/strict";
import { linesOf, optionsFrom, run } from "./tools.ts";

Deno.test("optionsFrom reads values, flags and plain words", () => {
  const defaults = { kernel: "6.1", guests: false, json: "" };
  const { options, words } = optionsFrom(
    ["svm", "--kernel", "all", "--guests", "--json=a=b", "more"],
    defaults,
  );
  assert.deepEqual(options, { kernel: "all", guests: true, json: "a=b" });
  assert.deepEqual(words, ["svm", "more"]);
  assert.throws(
    () => optionsFrom(["--kernle", "x"], defaults),
    /no option --kernle; there are --kernel, --guests/,
  );
  assert.throws(() => optionsFrom(["--kernel"], defaults), /--kernel needs a value/);
});

Deno.test("linesOf joins pieces and gives the last line without an end", async () => {
  const pieces = ["a", "b\nc", "\n\nd"].map((text) => new TextEncoder().encode(text));
  assert.deepEqual(await Array.fromAsync(linesOf(ReadableStream.from(pieces))), ["ab", "c", "", "d"]);
});

Deno.test("run gives the output, and the program's own words when it fails", async () => {
  assert.equal(await run(["sh", "-c", "echo out"]), "out\n");
  await assert.rejects(run(["sh", "-c", "echo why >&2; exit 3"]), /status 3: why/);
  await assert.rejects(run(["/no/such/program"]), /Cannot start \/no\/such\/program/);
});
