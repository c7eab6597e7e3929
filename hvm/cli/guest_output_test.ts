import assert from "node:assert/strict";
import { GuestOutput } from "./guest_output.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("GuestOutput writes in order, a part at a time where the sink takes no more", async () => {
  let written = "";
  const output = new GuestOutput({
    async write(data) {
      await Promise.resolve();
      const part = data.subarray(0, 2);
      written += new TextDecoder().decode(part);
      return part.length;
    },
  }, () => assert.fail("It did not fail"));
  void output.write(bytes("hello "));
  void output.write(bytes("guest"));
  void output.write(new Uint8Array());
  await output.flush();
  assert.equal(written, "hello guest");
  assert.equal(output.midLine, true);
  await output.write(bytes("\n"));
  assert.equal(output.midLine, false);
  assert.equal(output.failure, undefined);
});

Deno.test("GuestOutput says once that the sink is gone, and drops the rest", async () => {
  const errors: [Error, string][] = [
    [new Deno.errors.BrokenPipe("Broken pipe (os error 32)"), "standard output was closed"],
    [new Error("No space left on device (os error 28)"), "no space left on device"],
  ];
  for (const [error, why] of errors) {
    let failures = 0;
    let writes = 0;
    const output = new GuestOutput({
      write() {
        writes++;
        return Promise.reject(error);
      },
    }, () => failures++);
    void output.write(bytes("a"));
    await output.write(bytes("b"));
    assert.deepEqual([failures, writes, output.failure], [1, 1, why]);
  }
});
