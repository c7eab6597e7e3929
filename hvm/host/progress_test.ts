import assert from "node:assert/strict";
import { Progress } from "./progress.ts";

function rig(terminal: boolean): { progress: Progress; text: () => string } {
  let text = "";
  const progress = new Progress({
    isTerminal: () => terminal,
    writeSync: (bytes) => {
      text += new TextDecoder().decode(bytes);
      return bytes.length;
    },
  });
  return { progress, text: () => text };
}

Deno.test("Progress writes one plain line per step when there is no terminal", () => {
  const { progress, text } = rig(false);
  const step = progress.step("Fetching a kernel");
  step.update(0.5);
  step.done();
  progress.note("Waiting");
  assert.equal(text(), "hvm: Fetching a kernel\nhvm: Waiting\n");
});

Deno.test("Progress redraws one line on a terminal and erases it at the end", () => {
  const { progress, text } = rig(true);
  const step = progress.step("Fetching");
  step.update(0.5);
  step.update(0.6);
  step.done();
  step.done();
  step.update(1);
  assert.equal(
    text(),
    "\r\x1b[Khvm: Fetching\r\x1b[Khvm: Fetching [##########..........]  50%\r\x1b[K",
  );
});

Deno.test("Progress draws fractions outside 0 to 1 as the nearest end", () => {
  for (const [fraction, expected] of [[-1, "  0%"], [NaN, "  0%"], [7, "100%"]] as const) {
    const { progress, text } = rig(true);
    progress.step("x").update(fraction);
    assert.ok(text().endsWith(expected), JSON.stringify(text()));
  }
});

Deno.test("Progress goes on when nobody reads it", () => {
  let writes = 0;
  const progress = new Progress({
    isTerminal: () => false,
    writeSync: () => {
      writes++;
      throw new Deno.errors.BrokenPipe("closed");
    },
  });
  progress.step("Fetching").done();
  progress.note("Waiting");
  assert.equal(writes, 2);
});
