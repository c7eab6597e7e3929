import assert from "node:assert/strict";
import { ImageError } from "../../hvm/base/errors.ts";
import { LZMA } from "./_fixtures.ts";
import { sample } from "./_sample.ts";
import { propertiesOf, unpackLzma } from "./lzma.ts";

const LIMIT = 1 << 20;

/** The fixture with a size in its header; its end marker stays, which is allowed. */
function withSize(size: number): Uint8Array {
  const file = LZMA.slice();
  const view = new DataView(file.buffer);
  view.setUint32(5, size, true);
  view.setUint32(9, 0, true);
  return file;
}

Deno.test("unpackLzma takes the size from the header, with an end marker behind it", () => {
  assert.deepEqual(unpackLzma(withSize(6000), LIMIT), sample());
});

Deno.test("unpackLzma refuses a size that is not the data's", () => {
  for (const size of [0, 1, 5999, 6001, LIMIT + 1]) {
    assert.throws(() => unpackLzma(withSize(size), LIMIT), ImageError, `${size}`);
  }
  assert.throws(() => unpackLzma(withSize(6000), LIMIT, 5000), ImageError);
});

Deno.test("unpackLzma needs a size from somewhere", () => {
  assert.throws(() => unpackLzma(LZMA, LIMIT), /does not say how large/);
});

Deno.test("propertiesOf splits the byte [LZMA]", () => {
  assert.deepEqual(propertiesOf(0x5d), { lc: 3, lp: 0, pb: 2 });
  assert.deepEqual(propertiesOf(224), { lc: 8, lp: 4, pb: 4 });
  assert.equal(propertiesOf(225), undefined);
});
