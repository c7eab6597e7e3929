import assert from "node:assert/strict";
import fc from "fast-check";
import { nearest } from "./nearest.ts";

const KNOWN = ["memory", "kernel", "cpus", "cpu", "onReboot"];

Deno.test("nearest finds the word meant: a letter more, less, other, or two swapped", () => {
  assert.equal(nearest("memroy", KNOWN), "memory");
  assert.equal(nearest("memorry", KNOWN), "memory");
  assert.equal(nearest("kernal", KNOWN), "kernel");
  assert.equal(nearest("kernl", KNOWN), "kernel");
  assert.equal(nearest("ONREBOOT", KNOWN), "onReboot");
  assert.equal(nearest("cpuz", KNOWN), "cpus");
});

Deno.test("nearest finds nothing where nothing is near", () => {
  assert.equal(nearest("frobnicate", KNOWN), undefined);
  assert.equal(nearest("", KNOWN), undefined);
  assert.equal(nearest("x".repeat(100_000), KNOWN), undefined);
  assert.equal(nearest("memory", []), undefined);
});

Deno.test("nearest finds every known word itself", () => {
  fc.assert(fc.property(fc.constantFrom(...KNOWN), (word) => assert.equal(nearest(word, KNOWN), word)));
});
