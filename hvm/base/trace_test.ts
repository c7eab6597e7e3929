import assert from "node:assert/strict";
import { NO_TRACE, Trace } from "./trace.ts";

Deno.test("Trace counts every hit and tells a sink while there is one", () => {
  const trace = new Trace();
  const point = trace.point("pit.latch");
  const other = trace.point("pit.bcd");
  point(1, 2);
  const seen: unknown[] = [];
  trace.listen((name, args) => seen.push([name, [...args]]));
  point(3);
  other();
  trace.listen(undefined);
  point(4);
  assert.deepEqual(seen, [["pit.latch", [3]], ["pit.bcd", []]]);
  assert.deepEqual(trace.counts(), { "pit.latch": 3, "pit.bcd": 1 });
});

Deno.test("Trace gives one counter to one name, and leaves out what was never hit", () => {
  const trace = new Trace();
  trace.point("a")();
  trace.point("a")();
  trace.point("b");
  assert.deepEqual(trace.counts(), { a: 2 });
});

Deno.test("a trace nobody reads still counts", () => {
  const before = NO_TRACE.counts()["trace-test"] ?? 0;
  NO_TRACE.point("trace-test")();
  assert.equal(NO_TRACE.counts()["trace-test"], before + 1);
});
