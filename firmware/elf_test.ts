import assert from "node:assert/strict";
import { CODE, elf, onlyImageErrors } from "./_test_images.ts";
import { physicalEntry, readElf } from "./elf.ts";

Deno.test("readElf gives segments, entry and notes of both classes", () => {
  for (const bits of [32, 64] as const) {
    const read = readElf(elf({
      bits,
      entry: 0x200000n,
      segments: [
        { address: 0x100000, content: CODE, memorySize: 0x1000 },
        { address: 0x200000, virtual: 0x80000000n, content: CODE.subarray(0, 3) },
      ],
      notes: [{ owner: "GNU", type: 3, data: Uint8Array.of(1, 2, 3) }, {
        owner: "Xen",
        type: 18,
        data: Uint8Array.of(9, 8, 7, 6),
      }],
    }));
    assert.equal(read.bits, bits);
    assert.equal(read.entry, 0x200000n);
    assert.deepEqual(read.segments, [
      { address: 0x100000, virtual: 0x100000n, content: CODE, memorySize: 0x1000 },
      { address: 0x200000, virtual: 0x80000000n, content: CODE.subarray(0, 3), memorySize: 3 },
    ]);
    assert.deepEqual(read.notes, [
      { owner: "GNU", type: 3, data: Uint8Array.of(1, 2, 3) },
      { owner: "Xen", type: 18, data: Uint8Array.of(9, 8, 7, 6) },
    ]);
  }
});

Deno.test("readElf says what a file is that it cannot start", () => {
  const cases: [RegExp, Uint8Array][] = [
    [/for 64-bit ARM, not for x86/, elf({ machine: 183 })],
    [/for RISC-V/, elf({ machine: 243 })],
    [/for 32-bit ARM/, elf({ bits: 32, machine: 40 })],
    [/machine 62 with 32 bits/, elf({ bits: 32, machine: 62 })],
    [/machine 999/, elf({ machine: 999 })],
    [/object file or kernel module/, elf({ type: 1 })],
    [/core dump/, elf({ type: 4 })],
    [/of type 77/, elf({ type: 77 })],
    [/program for an operating system/, elf({ interpreter: true })],
    [/no segments to load/, elf({ segments: [{ address: 0, content: CODE, memorySize: 0 }] })],
    [/no program headers/, elf({ segments: [] })],
    [/more in the file than in memory/, elf({ segments: [{ address: 0, content: CODE, memorySize: 7 }] })],
    [/outside the address space/, elf({ segments: [{ address: 2 ** 52 - 4, content: CODE }] })],
    [/big-endian/, elf().fill(2, 5, 6)],
    [/header is wrong/, elf().fill(3, 4, 5)],
    [/program headers are wrong/, elf().fill(55, 54, 55)],
  ];
  for (const [message, file] of cases) assert.throws(() => readElf(file), { name: "ImageError", message });
});

Deno.test("readElf refuses a file cut anywhere", () => {
  for (const bits of [32, 64] as const) {
    const file = elf({ bits });
    for (let length = 4; length < file.length; length++) {
      assert.throws(() => readElf(file.subarray(0, length)), { name: "ImageError" }, `${length}`);
    }
  }
});

Deno.test("readElf survives any flipped bit", async () => {
  for (const bits of [32, 64] as const) {
    const file = elf({ bits, notes: [{ owner: "Xen", type: 18, data: CODE }] });
    let refused = 0;
    for (let bit = 0; bit < file.length * 8; bit++) {
      file[bit >>> 3]! ^= 1 << (bit & 7);
      if (await onlyImageErrors(() => physicalEntry(readElf(file))) === undefined) refused++;
      file[bit >>> 3]! ^= 1 << (bit & 7);
    }
    assert.ok(refused > 100, `${refused} refused`);
  }
});

Deno.test("readElf passes over notes that do not fit their segment", () => {
  const file = elf({ notes: [{ owner: "Xen", type: 18, data: CODE }] });
  const noteAt = file.length - 12 - 4 - CODE.length;
  file[noteAt + 4] = 9; // a byte of data too many
  assert.deepEqual(readElf(file).notes, []);
});

Deno.test("physicalEntry takes a physical entry as it is and translates a virtual one", () => {
  const segments = [{ address: 0x100000, virtual: 0xffffffff80000000n, content: CODE, memorySize: 0x1000 }];
  assert.equal(physicalEntry(readElf(elf({ segments, entry: 0x100004n }))), 0x100004);
  assert.equal(physicalEntry(readElf(elf({ segments, entry: 0xffffffff80000fffn }))), 0x100fff);
  for (const entry of [0xfffffn, 0x101000n, 0xffffffff80001000n, 0x7fffffffffffffffn]) {
    assert.throws(() => physicalEntry(readElf(elf({ segments, entry }))), /in none of its segments/);
  }
});
