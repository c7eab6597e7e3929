import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { bzImage, elf, lz4Payload, onlyImageErrors, SIGNED, signKernel } from "./_test_images.ts";
import { checkSignedDigest, signatureEnd } from "./authenticode.ts";
import { unpackKernel } from "./kernel.ts";

const sha256 = (bytes: Uint8Array) => new Uint8Array(createHash("sha256").update(bytes).digest());
const PLAIN = bzImage({ payload: lz4Payload(elf()) });
const KERNEL = signKernel(PLAIN, sha256);

Deno.test("signatureEnd counts the certificate table to the file [PE]", () => {
  assert.equal(signatureEnd(KERNEL), KERNEL.length);
  assert.equal(signatureEnd(PLAIN), 0);
});

Deno.test("unpackKernel takes a signed kernel whole, and refuses it cut at any byte", async () => {
  assert.equal((await unpackKernel(KERNEL)).kind, "elf");
  for (let length = 0; length < KERNEL.length; length++) {
    await assert.rejects(
      unpackKernel(KERNEL.subarray(0, length)),
      { name: "ImageError" },
      `cut to ${length}`,
    );
  }
});

Deno.test("checkSignedDigest sees every changed byte that was signed [AUTH]", async () => {
  await checkSignedDigest(KERNEL);
  const damaged = KERNEL.slice();
  const ignored = (at: number) =>
    at >= SIGNED.CHECKSUM && at < SIGNED.CHECKSUM + 4 || at >= SIGNED.ENTRY && at < SIGNED.ENTRY + 8;
  for (let at = 0x100; at < PLAIN.length; at++) {
    if (ignored(at)) continue;
    damaged[at]! ^= 0x10;
    await assert.rejects(checkSignedDigest(damaged), /not the file that was signed/, `byte ${at}`);
    damaged[at] = KERNEL[at]!;
  }
  damaged[SIGNED.CHECKSUM]! ^= 1;
  await assert.doesNotReject(checkSignedDigest(damaged));
});

Deno.test("checkSignedDigest lets pass what has no signature or no digest it knows", async () => {
  await assert.doesNotReject(checkSignedDigest(PLAIN));
  await assert.doesNotReject(checkSignedDigest(new Uint8Array(0)));
  const other = KERNEL.slice();
  other[PLAIN.length + 4 + 10] = 2; // another algorithm
  await assert.doesNotReject(checkSignedDigest(other));
});

Deno.test("unpackKernel survives any flipped bit in the headers of an EFI program", async () => {
  const damaged = KERNEL.slice();
  let refused = 0;
  for (let bit = 0; bit < 0x100 * 8; bit++) {
    damaged[bit >>> 3]! ^= 1 << (bit & 7);
    if (await onlyImageErrors(() => unpackKernel(damaged)) === undefined) refused++;
    damaged[bit >>> 3]! ^= 1 << (bit & 7);
  }
  assert.ok(refused > 100, `${refused} refused`);
});
