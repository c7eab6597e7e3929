import assert from "node:assert/strict";
import { ones } from "./device.ts";

Deno.test("ones are unsigned and as wide as asked for", () => {
  assert.deepEqual([ones(1), ones(2), ones(4)], [0xff, 0xffff, 0xffffffff]);
});
