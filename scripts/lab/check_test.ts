import assert from "node:assert/strict";
import { type Check, labScript, ResultReader } from "./check.ts";

const check: Check = { name: "a:b", script: "echo 'hi there'; exit 3", timeout: 5, judge: () => undefined };

Deno.test("ResultReader reads back what a check printed, its status and its time, from a noisy console", () => {
  const reader = new ResultReader();
  const lines = [
    "[    1.0] kernel noise",
    "@@lab begin a:b",
    "@@lab output a:b one  two",
    "[    1.1] @@lab output a:b three",
    "@@lab output a:b",
    "stray",
  ];
  for (const line of lines) assert.equal(reader.line(line), undefined);
  assert.equal(reader.current, "a:b");
  const result = reader.line("@@lab end a:b 3 1.25\r");
  assert.deepEqual(result, { name: "a:b", status: 3, seconds: 1.25, output: "one  two\nthree\n" });
  assert.equal(reader.current, undefined);
  assert.equal(reader.done, false);
  reader.line("@@lab done");
  assert.equal(reader.done, true);
});

Deno.test("labScript runs a check and goes on after one that fails", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const script = labScript([check, { ...check, name: "c", script: "sleep 60", timeout: 1 }])
      .replaceAll("/tmp/", `${folder}/`).replace(/dmesg/g, "echo kernel:");
    const busybox = new Deno.Command("busybox", { args: ["sh", "-c", script] });
    const { stdout } = await busybox.output();
    const reader = new ResultReader();
    for (const line of new TextDecoder().decode(stdout).split("\n")) reader.line(line);
    assert.deepEqual(reader.results.map(({ name, status }) => [name, status]), [["a:b", 3], ["c", 137]]);
    assert.match(reader.results[0]?.output ?? "", /^hi there\n/);
    assert.equal(reader.done, true);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
