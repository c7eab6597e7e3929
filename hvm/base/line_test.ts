import assert from "node:assert/strict";
import { SharedLine, UNCONNECTED, Wire } from "./line.ts";

Deno.test("Wire tells its far end about changes only", () => {
  const seen: boolean[] = [];
  const wire = new Wire((level) => seen.push(level));
  for (const level of [false, true, true, false, false, true]) wire.set(level);
  assert.deepEqual(seen, [true, false, true]);
  assert.equal(wire.level, true);
});

Deno.test("Wire takes a loaded level in silence and goes on from it", () => {
  const seen: boolean[] = [];
  const wire = new Wire((level) => seen.push(level));
  wire.settle(true);
  assert.deepEqual([wire.level, seen.length], [true, 0]);
  wire.set(true);
  assert.deepEqual(seen, []);
  wire.set(false);
  assert.deepEqual(seen, [false]);
});

Deno.test("SharedLine is high while any of its inputs is", () => {
  const seen: boolean[] = [];
  const shared = new SharedLine(new Wire((level) => seen.push(level)));
  const [a, b] = [shared.input(), shared.input()];
  a.set(true);
  b.set(true);
  a.set(true);
  a.set(false);
  assert.deepEqual(seen, [true]);
  b.set(false);
  b.set(false);
  assert.deepEqual(seen, [true, false]);
});

Deno.test("SharedLine counts an input once however often it pulls", () => {
  const wire = new Wire(() => {});
  const input = new SharedLine(wire).input();
  input.set(true);
  input.set(true);
  input.set(false);
  assert.equal(wire.level, false);
});

Deno.test("a line that leads nowhere takes every level", () => {
  UNCONNECTED.set(true);
  assert.equal(UNCONNECTED.set(false), undefined);
});
