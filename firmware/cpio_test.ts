import assert from "node:assert/strict";
import fc from "fast-check";
import { ImageError } from "../hvm/base/errors.ts";
import { type CpioEntry, readCpio, writeCpio } from "./cpio.ts";

const text = (bytes: Uint8Array) => new TextDecoder("latin1").decode(bytes);

Deno.test("writeCpio lays a file out as the format says [CPIO]", () => {
  const archive = writeCpio([{
    kind: "file",
    name: "ab",
    mode: 0o755,
    bytes: Uint8Array.of(0x78, 0x79, 0x7a),
  }]);
  const zero = "00000000";
  const fields = [
    "00000001",
    "000081ed",
    zero,
    zero,
    "00000001",
    zero,
    "00000003",
    zero,
    zero,
    zero,
    zero,
    "00000003",
    zero,
  ];
  const trailer = [zero, zero, zero, zero, "00000001", zero, zero, zero, zero, zero, zero, "0000000b", zero];
  assert.equal(
    text(archive),
    `070701${fields.join("")}ab\0\0\0\0xyz\0` + `070701${trailer.join("")}TRAILER!!!\0\0\0\0`,
  );
});

Deno.test("writeCpio knows directories, links and devices", () => {
  const entries: CpioEntry[] = [
    { kind: "directory", name: "dev", mode: 0o755 },
    { kind: "character", name: "dev/console", mode: 0o600, major: 5, minor: 1 },
    { kind: "block", name: "dev/sda1", mode: 0o660, major: 8, minor: 1 },
    { kind: "symlink", name: "init", mode: 0o777, target: "bin/busybox" },
    { kind: "directory", name: "tmp", mode: 0o1777 },
  ];
  const archive = writeCpio(entries);
  assert.deepEqual(readCpio(archive), entries);
  assert.deepEqual(writeCpio(entries), archive);
  assert.equal(archive.length % 4, 0);
  const modes = [...text(archive).matchAll(/070701.{8}(.{8})/g)].map((match) => match[1]);
  assert.deepEqual(modes.slice(0, 5), ["000041ed", "00002180", "000061b0", "0000a1ff", "000043ff"]);
});

Deno.test("readCpio gives back what writeCpio was given", () => {
  const name = fc.stringMatching(/^[a-z]{1,9}$/);
  const file = fc.record({ name, bytes: fc.uint8Array({ maxLength: 50 }), mode: fc.nat(0o7777) });
  fc.assert(fc.property(fc.uniqueArray(file, { selector: (one) => one.name }), (files) => {
    const entries = files.map((one): CpioEntry => ({ kind: "file", ...one }));
    assert.deepEqual(readCpio(writeCpio(entries)), entries);
  }));
});

Deno.test("writeCpio refuses names that leave the root or come twice", () => {
  for (const name of ["", "/etc", "a//b", "../a", "a/./b", "a/", "TRAILER!!!", "a\0b"]) {
    assert.throws(() => writeCpio([{ kind: "directory", name }]), RangeError, name);
  }
  const twice: CpioEntry = { kind: "directory", name: "a" };
  assert.throws(() => writeCpio([twice, twice]), RangeError);
});

Deno.test("readCpio refuses an archive cut anywhere, and survives flipped bits", () => {
  const archive = writeCpio([{ kind: "file", name: "a", bytes: Uint8Array.of(1, 2, 3) }]);
  for (let length = 0; length < archive.length - 3; length++) {
    assert.throws(() => readCpio(archive.subarray(0, length)), ImageError, `${length}`);
  }
  let refused = 0;
  for (let bit = 0; bit < archive.length * 8; bit++) {
    archive[bit >>> 3]! ^= 1 << (bit & 7);
    try {
      readCpio(archive);
    } catch (error) {
      assert.ok(error instanceof ImageError);
      refused++;
    }
    archive[bit >>> 3]! ^= 1 << (bit & 7);
  }
  assert.ok(refused > 100);
});
