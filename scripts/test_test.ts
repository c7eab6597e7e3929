import assert from "node:assert/strict";

/** Runs scripts/test.ts on one test file with this text; the lines it prints and its status. */
async function runner(text: string): Promise<{ lines: string[]; code: number }> {
  const root = new URL("..", import.meta.url).pathname;
  const folder = await Deno.makeTempDir({ prefix: "hvm-test-test-" });
  try {
    await Deno.writeTextFile(`${folder}/x_test.ts`, text);
    const args = ["run", "-A", "--quiet", `${root}scripts/test.ts`, folder];
    const { stdout, code } = await new Deno.Command(Deno.execPath(), { args, stderr: "null" }).output();
    return { lines: new TextDecoder().decode(stdout).trimEnd().split("\n"), code };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("the runner counts what passed, failed and was skipped with a reason", async () => {
  const { lines, code } = await runner(`
    console.log("SKIP needs <&> a thing: there is none");
    Deno.test({ name: "needs <&> a thing", ignore: true, fn() {} });
    Deno.test("good", () => {});
    Deno.test("bad", () => { throw new Error("as expected"); });
  `);
  assert.deepEqual(lines.slice(-2), [
    "skipped: needs <&> a thing: there is none",
    "1 passed, 1 failed, 1 skipped",
  ]);
  assert.ok(lines.some((line) => line.includes("as expected")));
  assert.equal(code, 1);
});

Deno.test("the runner counts a skip without a reason as failed", async () => {
  const { lines, code } = await runner(`Deno.test({ name: "silent", ignore: true, fn() {} });`);
  assert.equal(lines.at(-1), "0 passed, 1 failed, 0 skipped");
  assert.equal(code, 1);
});

Deno.test("the runner counts a file that does not load as failed", async () => {
  const { lines, code } = await runner(`import "./missing.ts"; Deno.test("good", () => {});`);
  assert.equal(lines.at(-1), "0 passed, 1 failed, 0 skipped");
  assert.equal(code, 1);
});

Deno.test("the runner is content with tests that pass", async () => {
  const { lines, code } = await runner(`Deno.test("good", () => {});`);
  assert.equal(lines.at(-1), "1 passed, 0 failed, 0 skipped");
  assert.equal(code, 0);
});
