import assert from "node:assert/strict";
import fc from "fast-check";
import { bzImage, elf, multiboot, onlyImageErrors } from "./_test_images.ts";
import { kindOf } from "./image.ts";

/** `text` at `at` of otherwise empty bytes. */
function signed(at: number, text: string, length = at + text.length): Uint8Array {
  const file = new Uint8Array(length);
  file.set(Array.from(text, (char) => char.charCodeAt(0)), at);
  return file;
}

Deno.test("kindOf knows what can be started", () => {
  assert.equal(kindOf(bzImage()), "bzimage");
  assert.equal(kindOf(elf()), "elf");
  assert.equal(kindOf(elf({ bits: 32 })), "elf");
  assert.equal(kindOf(multiboot()), "multiboot");
  assert.deepEqual(kindOf(Uint8Array.of(0x1f, 0x8b, 8, 0)), { packed: "gzip" });
  assert.deepEqual(kindOf(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd)), { packed: "zstd" });
});

Deno.test("kindOf says why a file cannot be started", () => {
  const cases: [RegExp, Uint8Array][] = [
    [/is empty/, new Uint8Array(0)],
    [/64-bit ARM/, signed(0x38, "ARM\x64", 4096)],
    [/64-bit ARM/, signed(0x38, "ARM\x64")],
    [/RISC-V/, signed(0x38, "RSC\x05", 4096)],
    [/32-bit ARM/, signed(0x24, "\x18\x28\x6f\x01", 4096)],
    [/another architecture/, signed(4, "zimg", 4096)],
    [/U-Boot/, signed(0, "\x27\x05\x19\x56", 100)],
    [/--disk/, signed(0, "QFI\xfb", 1000)],
    [/--cdrom/, signed(0x8001, "CD001", 40000)],
    [/--initrd/, signed(0, "070701", 200)],
    [/package or archive/, signed(0, "!<arch>\ndebian-binary", 200)],
    [/DOS, Windows or EFI/, signed(0, "MZ", 4096)],
    [/not a kernel/, signed(0x202, "HdrX", 4096)],
    [/boot sector or disk/, signed(0x1fe, "\x55\xaa", 4096)],
    [/truncated: it has 300 bytes/, signed(0, "MZ", 300)],
    [/truncated: it has 512 bytes/, signed(0x1fe, "\x55\xaa", 512)],
    [/begins with 23 21 2f 62 69 6e 2f 73/, signed(0, "#!/bin/sh\n")],
    [/begins with 00, and/, Uint8Array.of(0)],
  ];
  for (const [message, file] of cases) assert.throws(() => kindOf(file), { name: "ImageError", message });
});

Deno.test("kindOf survives anything", async () => {
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 1000 }), async (file) => {
    await onlyImageErrors(() => kindOf(file));
  }));
});
