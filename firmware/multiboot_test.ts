import assert from "node:assert/strict";
import { GPR } from "../hvm/x86/state.ts";
import { CODE, elf, MIB, multiboot, ram, textAt, u32 } from "./_test_images.ts";
import { loadGuest } from "./load.ts";
import { findMultiboot } from "./multiboot_header.ts";
import type { LoadRequest } from "./request.ts";

function load(
  image: Uint8Array,
  request: Partial<LoadRequest> = {},
  kind: "multiboot" | "elf" = "multiboot",
) {
  const { memory, layout } = ram(16);
  const guest = loadGuest(
    { kernel: { kind, image, version: "" }, commandLine: "", layout, ...request },
    memory,
  );
  return { guest, memory, info: Number(guest.entry.gpr[GPR.RBX]) };
}

Deno.test("findMultiboot searches the first 8192 bytes, aligned to four [MB1] 3.1", () => {
  assert.equal(findMultiboot(multiboot({ at: 8192 - 32, length: 8192 }))?.at, 8192 - 32);
  assert.equal(findMultiboot(multiboot({ at: 8192 - 8, length: 9000, flags: 3 })), undefined);
  assert.equal(findMultiboot(multiboot({ at: 0x12 })), undefined);
  const sum = multiboot();
  sum[0x18]! ^= 1;
  assert.equal(findMultiboot(sum), undefined);
  assert.equal(findMultiboot(multiboot().subarray(0, 0x14)), undefined);
});

Deno.test("loadGuest loads by the header's addresses, bss cleared [MB1] 3.1.3", () => {
  const file = multiboot();
  const { guest, memory } = load(file);
  assert.equal(guest.protocol, "multiboot");
  assert.equal(guest.entry.rip, BigInt(MIB + 0x40));
  assert.equal(guest.entry.gpr[GPR.RAX], 0x2badb002n);
  assert.deepEqual(memory.read(MIB, file.length), file);
  assert.deepEqual(
    memory.read(MIB + file.length, 0x4000 - file.length),
    new Uint8Array(0x4000 - file.length),
  );
  assert.equal(memory.readU8(MIB + 0x4000), 0xaa);
});

Deno.test("loadGuest loads from the middle of a file up to the end address", () => {
  const file = multiboot({ at: 0x40, addresses: [MIB + 0x20, MIB, MIB + 0x50, 0, MIB] });
  const { memory, guest } = load(file);
  assert.deepEqual(memory.read(MIB, 0x50), file.subarray(0x20, 0x70));
  assert.equal(guest.regions.find(({ name }) => name === "kernel")?.length, 0x50);
});

Deno.test("loadGuest loads a multiboot ELF by its segments", () => {
  const header = Uint8Array.from([...u32(0x1badb002), ...u32(0), ...u32(-0x1badb002 >>> 0), ...CODE]);
  const image = elf({ bits: 32, segments: [{ address: MIB, content: header }], entry: 0x10000cn });
  const { guest, memory } = load(image, {}, "elf");
  assert.deepEqual([guest.protocol, guest.entry.rip], ["multiboot", 0x10000cn]);
  assert.deepEqual(memory.read(MIB + 12, 8), CODE);
});

Deno.test("loadGuest gives the information structure [MB1] 3.3", () => {
  const { memory, info, guest } = load(multiboot(), { commandLine: "a b" });
  const flags = memory.readU32(info);
  assert.equal(flags, 1 << 0 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9);
  assert.equal(memory.readU32(info + 4), 639, "mem_lower in KiB");
  assert.equal(memory.readU32(info + 8), 15 * 1024, "mem_upper in KiB");
  assert.equal(textAt(memory, memory.readU32(info + 16)), "a b");
  assert.equal(memory.readU32(info + 20), 0, "mods_count");
  assert.equal(memory.readU32(info + 44), guest.map.length * 24, "mmap_length");
  const map = memory.readU32(info + 48);
  guest.map.forEach((entry, i) => {
    assert.equal(memory.readU32(map + i * 24), 20, "size, without itself");
    assert.equal(memory.readU64(map + i * 24 + 4), BigInt(entry.base));
    assert.equal(memory.readU64(map + i * 24 + 12), BigInt(entry.length));
    assert.equal(memory.readU32(map + i * 24 + 20), entry.type);
  });
  assert.equal(textAt(memory, memory.readU32(info + 64)), "hvm");
  assert.equal(memory.readU32(load(multiboot()).info) & 1 << 2, 0, "no command line");
});

Deno.test("loadGuest lists modules with start, end and string [MB1] 3.3", () => {
  const modules = [{ bytes: CODE, commandLine: "mod one" }, { bytes: CODE.subarray(0, 3) }];
  const { memory, info } = load(multiboot(), { modules });
  assert.equal(memory.readU32(info + 20), 2);
  const list = memory.readU32(info + 24);
  modules.forEach(({ bytes }, i) => {
    const start = memory.readU32(list + i * 16);
    assert.equal(start % 4096, 0);
    assert.deepEqual(memory.read(start, memory.readU32(list + i * 16 + 4) - start), bytes);
    assert.equal(memory.readU32(list + i * 16 + 12), 0);
  });
  assert.equal(textAt(memory, memory.readU32(list + 8)), "mod one");
});

Deno.test("loadGuest says what is wrong with a multiboot kernel", () => {
  const at = 0x10;
  const cases: [RegExp, Uint8Array][] = [
    [/header flags 0x4/, multiboot({ flags: 0x10007 })],
    [/header flags 0x8000/, multiboot({ flags: 0x18003 })],
    [/contradict/, multiboot({ addresses: [MIB - 1, MIB, 0, 0, MIB] })],
    [/contradict/, multiboot({ addresses: [MIB + at + 4, MIB, 0, 0, MIB] })],
    [/contradict/, multiboot({ addresses: [MIB + at, MIB, MIB - 1, 0, MIB] })],
    [/contradict/, multiboot({ addresses: [MIB + at, MIB, 0, MIB + 1, MIB] })],
    [/truncated: it has 256 of 257 bytes/, multiboot({ addresses: [MIB + at, MIB, MIB + 0x101, 0, MIB] })],
    [/entry is outside/, multiboot({ addresses: [MIB + at, MIB, 0, 0, MIB - 1] })],
    [/entry is outside/, multiboot({ addresses: [MIB + at, MIB, 0, 0, MIB + 0x100] })],
    [/not ELF/, multiboot({ flags: 3 })],
    [/needs memory/, multiboot({ addresses: [0xf0000000 + at, 0xf0000000, 0, 0, 0xf0000000] })],
  ];
  for (const [message, image] of cases) assert.throws(() => load(image), { name: "ImageError", message });
});
