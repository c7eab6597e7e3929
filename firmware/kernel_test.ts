import assert from "node:assert/strict";
import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { bzImage, CODE, elf, lz4Payload, multiboot, onlyImageErrors, pvhNote, u32 } from "./_test_images.ts";
import { unpackKernel } from "./kernel.ts";

const KERNEL = elf({ notes: [pvhNote(0x100000)] });

Deno.test("unpackKernel unpacks the ELF inside a bzImage, whatever it is packed with", async () => {
  const payloads = {
    lz4: lz4Payload(KERNEL),
    gzip: new Uint8Array(gzipSync(KERNEL)),
    zstd: Uint8Array.from([...zstdCompressSync(KERNEL), ...u32(KERNEL.length)]),
  };
  for (const [packing, payload] of Object.entries(payloads)) {
    const file = bzImage({ payload });
    const kernel = await unpackKernel(file);
    assert.equal(kernel.kind, "elf");
    assert.equal(kernel.packing, packing);
    assert.deepEqual(kernel.image, KERNEL);
    assert.equal(kernel.version, "6.1.0-test (a@b)");
    assert.deepEqual(kernel.setupHeader, file.subarray(0, 0x26c));
  }
});

Deno.test("unpackKernel leaves a bzImage whole where it is to unpack itself or is too old to say where its payload is", async () => {
  const file = bzImage({ payload: lz4Payload(KERNEL) });
  assert.deepEqual(await unpackKernel(file, { keepBzImage: true }), {
    kind: "bzimage",
    image: file,
    version: "6.1.0-test (a@b)",
  });
  assert.equal(
    (await unpackKernel(bzImage({ payload: lz4Payload(KERNEL), version: 0x207 }))).kind,
    "bzimage",
  );
});

Deno.test("unpackKernel takes ELF and multiboot as they are, and packed once", async () => {
  assert.deepEqual(await unpackKernel(KERNEL), { kind: "elf", image: KERNEL, version: "" });
  const file = multiboot();
  assert.deepEqual(await unpackKernel(file), { kind: "multiboot", image: file, version: "" });
  const packed = new Uint8Array(gzipSync(KERNEL));
  assert.deepEqual(await unpackKernel(packed), { kind: "elf", image: KERNEL, version: "", packing: "gzip" });
  await assert.rejects(unpackKernel(new Uint8Array(gzipSync(packed))), /packed twice/);
});

Deno.test("unpackKernel refuses a bzImage cut at any byte", async () => {
  const file = bzImage({ payload: lz4Payload(KERNEL) });
  for (let length = 0; length < file.length; length++) {
    await assert.rejects(unpackKernel(file.subarray(0, length)), { name: "ImageError" }, `cut to ${length}`);
  }
});

Deno.test("unpackKernel says how much of a truncated bzImage is there", async () => {
  const file = bzImage({ payload: lz4Payload(KERNEL) });
  await assert.rejects(unpackKernel(file.subarray(0, 1500)), {
    message: /truncated: it has 1500 of \d+ bytes$/,
  });
});

Deno.test("unpackKernel names what is wrong with a payload", async () => {
  const good = lz4Payload(KERNEL);
  const cases: [RegExp, Uint8Array][] = [
    [/damaged: it is not packed in any way/, bzImage({ payload: new Uint8Array(good).fill(0, 0, 4) })],
    [
      /cannot be unpacked: The lz4 data is damaged/,
      bzImage({ payload: new Uint8Array(good).fill(0x10, 8, 9) }),
    ],
    [/payload lies outside/, bzImage({ payload: good, payloadLength: 1 << 20 })],
    [/payload lies outside/, bzImage({ payload: good, payloadOffset: 0xffffffff })],
    [
      /kernel inside the bzImage is damaged: The ELF file is for RISC-V/,
      bzImage({ payload: lz4Payload(elf({ machine: 243 })) }),
    ],
    [/kernel inside the bzImage is damaged: .*header is wrong/, bzImage({ payload: lz4Payload(CODE) })],
    [
      /claims to unpack to 4294967295/,
      bzImage({ payload: Uint8Array.of(...good.subarray(0, -4), 255, 255, 255, 255) }),
    ],
    [/too old/, bzImage({ version: 0x201 })],
    [/too old/, bzImage({ loadFlags: 0 })],
  ];
  for (const [message, file] of cases) {
    await assert.rejects(unpackKernel(file), { name: "ImageError", message });
  }
});

Deno.test("unpackKernel survives any flipped bit", async () => {
  const file = bzImage({ payload: lz4Payload(KERNEL) });
  let refused = 0;
  for (let bit = 0x1e0 * 8; bit < file.length * 8; bit++) {
    if (bit === 0x320 * 8) bit = 1024 * 8 + 0x400 * 8; // the text and the code before the payload mean nothing here
    file[bit >>> 3]! ^= 1 << (bit & 7);
    if (await onlyImageErrors(() => unpackKernel(file)) === undefined) refused++;
    file[bit >>> 3]! ^= 1 << (bit & 7);
  }
  assert.ok(refused > 100, `${refused} refused`);
});

Deno.test("unpackKernel survives random headers", async () => {
  await fc.assert(fc.asyncProperty(fc.uint8Array({ minLength: 112, maxLength: 112 }), async (header) => {
    const file = bzImage({ payload: lz4Payload(KERNEL) });
    file.set(header, 0x1f1);
    file.set(new TextEncoder().encode("HdrS"), 0x202);
    await onlyImageErrors(() => unpackKernel(file));
  }));
});
