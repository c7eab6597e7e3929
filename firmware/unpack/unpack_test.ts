import assert from "node:assert/strict";
import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { ImageError } from "../../hvm/base/errors.ts";
import { BZIP2, GZIP, LZ4, LZMA, LZO, XZ, XZ_BLOCKS, XZ_X86, ZSTD } from "./_fixtures.ts";
import { sample } from "./_sample.ts";
import { type Packing, packingOf, unpack, UNPACKED_LIMIT } from "./unpack.ts";

const CONTENT = sample();

interface Fixture {
  readonly name: string;
  readonly packing: Packing;
  readonly bytes: Uint8Array;
  /** The format checks all of its content, so damage anywhere in the data cannot go unseen. */
  readonly checked: boolean;
}

const FIXTURES: readonly Fixture[] = [
  { name: "gzip", packing: "gzip", bytes: GZIP, checked: true },
  { name: "zstd", packing: "zstd", bytes: ZSTD, checked: true },
  { name: "lz4", packing: "lz4", bytes: LZ4, checked: false },
  { name: "xz", packing: "xz", bytes: XZ, checked: true },
  { name: "xz with the x86 filter", packing: "xz", bytes: XZ_X86, checked: true },
  { name: "xz of three blocks", packing: "xz", bytes: XZ_BLOCKS, checked: true },
  { name: "lzma", packing: "lzma", bytes: LZMA, checked: false },
  { name: "lzo", packing: "lzo", bytes: LZO, checked: true },
  { name: "bzip2", packing: "bzip2", bytes: BZIP2, checked: true },
];

/** The content, or undefined for an ImageError; anything else fails the test. */
async function attempt(packing: Packing, bytes: Uint8Array, size?: number): Promise<Uint8Array | undefined> {
  try {
    return await unpack(packing, bytes, size);
  } catch (error) {
    assert.ok(error instanceof ImageError, `not an ImageError: ${error}`);
    assert.match(error.message, /^[A-Z].*[^.]$/s);
    return undefined;
  }
}

for (const { name, packing, bytes, checked } of FIXTURES) {
  Deno.test(`unpack gives the content that the real tool packed: ${name}`, async () => {
    assert.equal(packingOf(bytes), packing);
    assert.deepEqual(await unpack(packing, bytes, CONTENT.length), CONTENT);
  });

  Deno.test(`unpack finds the size by itself: ${name}`, async () => {
    if (packing === "lzma") await assert.rejects(unpack(packing, bytes), /does not say how large/);
    else assert.deepEqual(await unpack(packing, bytes), CONTENT);
  });

  Deno.test(`unpack refuses a size that is not the content's: ${name}`, async () => {
    for (
      const size of [
        0,
        1,
        CONTENT.length - 1,
        CONTENT.length + 1,
        UNPACKED_LIMIT,
        UNPACKED_LIMIT + 1,
        2 ** 32,
      ]
    ) {
      if (size === UNPACKED_LIMIT) continue; // allowed, but a gibibyte of memory for nothing
      await assert.rejects(unpack(packing, bytes, size), ImageError, `size ${size}`);
    }
  });

  Deno.test(`unpack refuses data cut at any byte: ${name}`, async () => {
    for (let length = 0; length < bytes.length; length++) {
      const output = await attempt(packing, bytes.subarray(0, length), CONTENT.length);
      assert.equal(output, undefined, `cut to ${length} of ${bytes.length} bytes`);
    }
  });

  Deno.test(`unpack survives any flipped bit: ${name}`, async () => {
    const damaged = bytes.slice();
    for (let at = 0; at < bytes.length; at++) {
      damaged[at]! ^= 1 << at % 8;
      const output = await attempt(packing, damaged, CONTENT.length);
      if (checked && output !== undefined) assert.deepEqual(output, CONTENT, `byte ${at}`);
      assert.ok(output === undefined || output.length === CONTENT.length);
      damaged[at] = bytes[at]!;
    }
  });
}

Deno.test("unpack survives random bytes behind each magic number", async () => {
  const magics = FIXTURES.map(({ packing, bytes }) => ({ packing, start: bytes.subarray(0, 14) }));
  await fc.assert(fc.asyncProperty(
    fc.constantFrom(...magics),
    fc.uint8Array({ maxLength: 300 }),
    async ({ packing, start }, rest) => {
      await attempt(packing, Uint8Array.of(...start, ...rest), 1000);
    },
  ));
});

Deno.test("unpack reads what other encoders of gzip and zstd make", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 5000 }), async (content) => {
      assert.deepEqual(await unpack("gzip", new Uint8Array(gzipSync(content)), content.length), content);
      assert.deepEqual(
        await unpack("zstd", new Uint8Array(zstdCompressSync(content)), content.length),
        content,
      );
    }),
    { numRuns: 30 },
  );
});

Deno.test("unpack takes zstd frames to skip and several in a row [8878] 3.1", async () => {
  const one = new Uint8Array(zstdCompressSync(Uint8Array.of(1, 2, 3)));
  const skipped = Uint8Array.of(0x53, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9);
  const all = Uint8Array.of(...one, ...skipped, ...one);
  assert.deepEqual(await unpack("zstd", all), Uint8Array.of(1, 2, 3, 1, 2, 3));
  for (let cut = 1; cut < all.length; cut++) {
    if (cut === one.length || cut === one.length + skipped.length) continue;
    await assert.rejects(unpack("zstd", all.subarray(0, cut)), ImageError, `cut to ${cut}`);
  }
});

Deno.test("unpack gives no memory for a bomb", async () => {
  const bomb = new Uint8Array(gzipSync(new Uint8Array(1 << 20)));
  await assert.rejects(unpack("gzip", bomb, 1000), /gives more than it should/);
});

Deno.test("packingOf knows nothing else", () => {
  assert.equal(packingOf(new Uint8Array(0)), undefined);
  assert.equal(packingOf(Uint8Array.of(0x1f)), undefined);
  assert.equal(packingOf(Uint8Array.of(0x7f, 0x45, 0x4c, 0x46)), undefined);
});
