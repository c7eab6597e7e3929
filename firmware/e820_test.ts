import assert from "node:assert/strict";
import fc from "fast-check";
import { FOUR_GIB, GIB, KIB, MIB } from "../hvm/base/addr.ts";
import { MEMORY_TYPE, memoryMap, type MemoryMapEntry } from "./e820.ts";

const { RAM, RESERVED, ACPI } = MEMORY_TYPE;

Deno.test("memoryMap describes a PC: low memory, the BIOS's place, RAM above 1 MiB and 4 GiB", () => {
  assert.deepEqual(memoryMap({ lowBytes: 3 * GIB, highBytes: GIB }), [
    { base: 0, length: 639 * KIB, type: RAM },
    { base: 639 * KIB, length: KIB, type: RESERVED },
    { base: 0xe0000, length: 0x20000, type: RESERVED },
    { base: MIB, length: 3 * GIB - MIB, type: RAM },
    { base: FOUR_GIB, length: GIB, type: RAM },
  ]);
});

Deno.test("memoryMap cuts reserved ranges out of RAM and names their types", () => {
  const reserved = [
    { base: 16 * MIB - 64 * KIB, length: 32 * KIB, type: ACPI },
    { base: 0xfec00000, length: 0x1000, type: RESERVED },
  ];
  assert.deepEqual(memoryMap({ lowBytes: 16 * MIB, highBytes: 0, reserved }).slice(3), [
    { base: MIB, length: 15 * MIB - 64 * KIB, type: RAM },
    reserved[0],
    { base: 16 * MIB - 32 * KIB, length: 32 * KIB, type: RAM },
    reserved[1],
  ]);
});

Deno.test("memoryMap of very small machines has no negative ranges", () => {
  assert.deepEqual(memoryMap({ lowBytes: 1, highBytes: 0 })[0], { base: 0, length: 1, type: RAM });
  assert.equal(memoryMap({ lowBytes: 0, highBytes: 0 }).some((entry) => entry.type === RAM), false);
  assert.equal(memoryMap({ lowBytes: MIB, highBytes: 0 }).filter((entry) => entry.type === RAM).length, 1);
});

Deno.test("memoryMap never overlaps, never gives reserved bytes as RAM, and forgets no reserved one", () => {
  const entry: fc.Arbitrary<MemoryMapEntry> = fc.record({
    base: fc.nat(64).map((page) => page * 0x10000),
    length: fc.nat(16).map((page) => page * 0x10000),
    type: fc.constantFrom(RESERVED, ACPI, MEMORY_TYPE.NVS),
  });
  fc.assert(fc.property(fc.nat(80), fc.array(entry, { maxLength: 6 }), (pages, reserved) => {
    const map = memoryMap({ lowBytes: pages * 0x10000, highBytes: 0, reserved });
    map.forEach((one, i) => {
      assert.ok(one.length > 0);
      const next = map[i + 1];
      if (next !== undefined) assert.ok(one.base + one.length <= next.base);
    });
    for (let at = 0; at < 90 * 0x10000; at += 0x8000) {
      const found = map.find((one) => at >= one.base && at < one.base + one.length);
      const asked = reserved.findLast((one) => at >= one.base && at < one.base + one.length);
      const bios = at === 0x98000 ? undefined : at >= 0xe0000 && at < MIB ? RESERVED : undefined;
      const ram = at < pages * 0x10000 && (at < 639 * KIB || at >= MIB) ? RAM : undefined;
      assert.equal(found?.type, asked?.type ?? bios ?? ram, `at 0x${at.toString(16)}`);
    }
  }));
});
