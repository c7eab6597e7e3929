import assert from "node:assert/strict";
import { deviceContract } from "../../hvm/testing/device_contract.ts";
import { PostCode } from "./post_code.ts";
import { POST_CODE_STATE, POST_CODES_KEPT } from "./post_code_state.ts";

deviceContract("PostCode", {
  build: () => {
    const post = new PostCode({ id: "post" });
    return { device: post, windows: [post.window, post.spare84, post.spare88, post.spare8c] };
  },
  schema: POST_CODE_STATE,
});

Deno.test("PostCode reads back what was written to each latch [PCAT]", () => {
  const post = new PostCode({ id: "post" });
  const windows = [post.window, post.spare84, post.spare88, post.spare8c];
  const cells = windows.flatMap((window) =>
    Array.from({ length: window.length }, (_, at) => ({ window, at }))
  );
  assert.equal(cells.length, 8);
  cells.forEach(({ window, at }, i) => window.write(at, 1, 0xa0 + i));
  assert.deepEqual(cells.map(({ window, at }) => window.read(at, 1)), cells.map((_, i) => 0xa0 + i));
});

Deno.test("PostCode keeps the last codes, oldest first", () => {
  const post = new PostCode({ id: "post" });
  assert.deepEqual(post.codes(), []);
  for (let code = 0; code < POST_CODES_KEPT + 5; code++) post.window.write(0, 1, code);
  assert.deepEqual(post.codes(), Array.from({ length: POST_CODES_KEPT }, (_, i) => i + 5));
  const other = new PostCode({ id: "post" });
  other.load(post.save());
  other.window.write(0, 1, 0xee);
  assert.deepEqual(other.codes().slice(-2), [POST_CODES_KEPT + 4, 0xee]);
});

Deno.test("PostCode takes no code from the other latches", () => {
  const post = new PostCode({ id: "post" });
  post.spare84.write(0, 1, 1);
  assert.deepEqual(post.codes(), []);
});

Deno.test("PostCode schema refuses codes without their count", () => {
  const state = new PostCode({ id: "post" }).save();
  assert.ok(!POST_CODE_STATE.safeParse({ ...state, total: 3 }).success);
});
