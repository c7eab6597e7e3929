import assert from "node:assert/strict";
import fc from "fast-check";
import { MIB } from "../hvm/base/addr.ts";
import { ConfigError } from "../hvm/base/errors.ts";
import { encodeCommandLine } from "./cmdline.ts";
import { memoryMap } from "./e820.ts";
import { placeInitrd } from "./initrd.ts";
import { Placement } from "./placement.ts";

const rig = (mib: number) => new Placement(memoryMap({ lowBytes: mib * MIB, highBytes: 0 }));

Deno.test("Placement claims fixed pieces and says who has one already", () => {
  const placement = rig(4);
  placement.claim("kernel", MIB, 0x1000);
  placement.claim("other", MIB + 0x1000, 0x1000);
  assert.throws(() => placement.claim("module", MIB + 0x1fff, 1), {
    name: "ImageError",
    message: "The module needs memory from 0x101fff to 0x102000, which the other takes",
  });
  assert.deepEqual(placement.regions, [
    { name: "kernel", base: MIB, length: 0x1000 },
    { name: "other", base: MIB + 0x1000, length: 0x1000 },
  ]);
});

Deno.test("Placement says how much memory a guest needs", () => {
  assert.throws(
    () => rig(4).claim("kernel", 16 * MIB, 10 * MIB),
    /0x1000000 to 0x1a00000.*give it more than 26 MiB$/,
  );
});

Deno.test("Placement keeps out of what is reserved in a PC", () => {
  for (const base of [0x9fc00, 0xa0000, 0xf0000, 0xfffff, 0x9f000]) {
    assert.throws(() => rig(4).claim("kernel", base, 0x1000), /reserved in a PC/, `${base}`);
  }
  assert.throws(() => rig(4).claim("kernel", 0x400, 16), /which the real-mode data takes/);
});

Deno.test("Placement finds the lowest and the highest fitting place", () => {
  const placement = rig(4);
  assert.equal(placement.place("a", 100), 0x1000);
  assert.equal(placement.place("b", 100), 0x1070);
  assert.equal(placement.place("c", 100, { align: 0x1000 }), 0x2000);
  assert.equal(placement.place("d", 100, { from: 0x200000 }), 0x200000);
  assert.equal(placement.place("e", 0x1000, { align: 0x1000, top: true }), 0x3ff000);
  assert.equal(placement.place("f", 10, { align: 0x1000, top: true }), 0x3fe000);
  assert.equal(placement.place("g", 0x100, { below: 0x300080, top: true }), 0x2fff80);
  assert.throws(
    () => placement.place("initrd", 5 * MIB),
    /The initrd \(5 MiB\) does not fit into the guest's memory: give/,
  );
  assert.throws(
    () => placement.place("x", 500, { below: 0x1010 }),
    /\(500 bytes\) does not fit .* below 0x1010/,
  );
});

Deno.test("Placement never overlaps and stays inside RAM", () => {
  const step = fc.record({
    length: fc.integer({ min: 1, max: 0x80000 }),
    align: fc.constantFrom(1, 16, 0x1000, 0x10000),
    top: fc.boolean(),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
    const placement = rig(4);
    for (const { length, ...options } of steps) {
      try {
        assert.equal(placement.place("piece", length, options) % options.align, 0);
      } catch (error) {
        assert.equal((error as Error).name, "ImageError");
      }
    }
    let end = 0x500;
    for (const { base, length } of placement.regions) {
      assert.ok(base >= end);
      end = base + length;
      assert.ok(end <= 0x9fc00 || base >= MIB && end <= 4 * MIB);
    }
  }));
});

Deno.test("placeInitrd takes the top of what kernel and RAM allow, on a page", () => {
  assert.equal(placeInitrd(rig(64), 5000, 0x7fffffff), 64 * MIB - 0x2000);
  assert.equal(placeInitrd(rig(64), 5000, 0x1ffffff), 32 * MIB - 0x2000);
  assert.throws(() => placeInitrd(rig(4), 64 * MIB, 0x7fffffff), /The initrd \(64 MiB\) does not fit/);
  assert.throws(() => placeInitrd(rig(4), 0, 0x7fffffff), /The initrd is empty/);
});

Deno.test("encodeCommandLine ends with a zero and counts bytes, not characters", () => {
  assert.deepEqual(encodeCommandLine("ab"), Uint8Array.of(0x61, 0x62, 0));
  assert.equal(encodeCommandLine("x".repeat(2047)).length, 2048);
  assert.throws(() => encodeCommandLine("x".repeat(2048)), {
    name: "ConfigError",
    message: /2048 bytes.* 2047 at most/,
  });
  assert.throws(() => encodeCommandLine("\u00e9".repeat(6), 11), /12 bytes/);
  assert.throws(() => encodeCommandLine("a\0b"), ConfigError);
});
