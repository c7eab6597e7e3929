import assert from "node:assert/strict";
import fc from "fast-check";
import { parseJsonc } from "./jsonc.ts";

Deno.test("parseJsonc takes comments and commas before closing brackets", () => {
  const text = `\ufeff// A machine
  {
    "memory": "1G", // not "2G"
    /* "cpus": 2,
    */ "append": "a // b /* c */ ,] \\" , }",
    "modules": ["x", "y",], "url": "http://x",
  }`;
  assert.deepEqual(parseJsonc(text), {
    memory: "1G",
    append: 'a // b /* c */ ,] " , }',
    modules: ["x", "y"],
    url: "http://x",
  });
});

Deno.test("parseJsonc takes what JSON.parse takes, and gives the same", () => {
  fc.assert(fc.property(fc.json(), (text) => assert.deepEqual(parseJsonc(text), JSON.parse(text))));
});

Deno.test("parseJsonc refuses the rest at the place where it is", () => {
  for (
    const text of ["", "{", "[1 2]", "/* open", '{"a": 1,,}', "{'a': 1}", "[,]", "{ , }", "[1,,]", "// only"]
  ) {
    assert.throws(() => parseJsonc(text), SyntaxError, text);
  }
  assert.throws(() => parseJsonc('// one\n{\n  "a": 1 /* x */ 2\n}'), /line 3 column 18/);
});
