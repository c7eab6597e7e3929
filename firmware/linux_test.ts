import assert from "node:assert/strict";
import { GPR } from "../hvm/x86/state.ts";
import { bzImage, type BzRecipe, CODE, elf, lz4Payload, ram, textAt } from "./_test_images.ts";
import { type UnpackedKernel, unpackKernel } from "./kernel.ts";
import { loadGuest } from "./load.ts";
import type { LoadRequest } from "./request.ts";

const ELF64: UnpackedKernel = { kind: "elf", image: elf({ entry: 0x100004n }), version: "" };
const ELF32: UnpackedKernel = { kind: "elf", image: elf({ bits: 32, entry: 0x100004n }), version: "" };

function load(kernel: UnpackedKernel, request: Partial<LoadRequest> = {}) {
  const { memory, layout } = ram(64);
  const guest = loadGuest({ kernel, commandLine: "", layout, ...request }, memory);
  return { guest, memory, page: Number(guest.entry.gpr[GPR.RSI]) };
}

const whole = (recipe: BzRecipe = {}) => unpackKernel(bzImage(recipe), { keepBzImage: true });

Deno.test("loadGuest enters an ELF without a note at its own entry, in the mode of its class", () => {
  const long = load(ELF64).guest;
  assert.deepEqual([long.protocol, long.entry.rip, long.entry.cs.long], ["linux64", 0x100004n, true]);
  const short = load(ELF32).guest;
  assert.deepEqual([short.protocol, short.entry.rip, short.entry.cs.big], ["linux32", 0x100004n, true]);
});

Deno.test("loadGuest makes a header for an ELF that came without [BOOT]", () => {
  const { memory, page } = load(ELF64, { commandLine: "quiet" });
  assert.equal(memory.readU16(page + 0x1fe), 0xaa55);
  assert.equal(memory.readU32(page + 0x202), 0x53726448);
  assert.equal(memory.readU16(page + 0x206), 0x20f);
  assert.equal(memory.readU8(page + 0x210), 0xff, "type_of_loader");
  assert.equal(memory.readU8(page + 0x211) & 1, 1, "LOADED_HIGH");
  assert.equal(textAt(memory, memory.readU32(page + 0x228)), "quiet");
});

Deno.test("loadGuest copies the header of the bzImage an ELF came out of [BOOT]", async () => {
  const kernel = await unpackKernel(bzImage({ payload: lz4Payload(elf()) }));
  const { memory, page, guest } = load(kernel, { initrd: Uint8Array.of(7, 8, 9), rsdp: 0xe0020 });
  assert.equal(guest.protocol, "linux64");
  assert.equal(memory.readU8(page + 0x1f1), 1, "setup sectors");
  assert.equal(memory.readU32(page + 0x22c), 0x7fffffff, "initrd_addr_max");
  assert.equal(memory.readU64(page + 0x258), 0x1000000n, "pref_address");
  assert.equal(memory.readU8(page + 0x1ef), 0, "sentinel");
  assert.deepEqual(
    memory.read(memory.readU32(page + 0x218), memory.readU32(page + 0x21c)),
    Uint8Array.of(7, 8, 9),
  );
  assert.equal(memory.readU32(page + 0x0c0), 0, "ext_ramdisk_image");
  assert.equal(memory.readU64(page + 0x070), 0xe0020n, "acpi_rsdp_addr");
});

Deno.test("loadGuest writes the memory map into the zero page [ZERO]", () => {
  const { memory, page, guest } = load(ELF64);
  assert.equal(memory.readU8(page + 0x1e8), guest.map.length);
  guest.map.forEach((entry, i) => {
    const at = page + 0x2d0 + i * 20;
    assert.equal(memory.readU64(at), BigInt(entry.base));
    assert.equal(memory.readU64(at + 8), BigInt(entry.length));
    assert.equal(memory.readU32(at + 16), entry.type);
  });
});

Deno.test("loadGuest enters a whole bzImage at 200h in 64-bit mode, else at its start in 32-bit mode [BOOT]", async () => {
  const long = load(await whole());
  assert.deepEqual([long.guest.protocol, long.guest.entry.rip], ["linux64", 0x1000200n]);
  assert.equal(long.memory.readU8(0x1000000), 0x90);
  assert.equal(long.memory.readU32(long.page + 0x214), 0x1000000, "code32_start");
  const short = load(await whole({ xloadFlags: 0 }));
  assert.deepEqual([short.guest.protocol, short.guest.entry.rip], ["linux32", 0x1000000n]);
  const asked = load(await whole(), { protocol: "linux32" });
  assert.deepEqual([asked.guest.protocol, asked.guest.entry.rip], ["linux32", 0x1000000n]);
});

Deno.test("loadGuest keeps init_size free for a bzImage, initrd above", async () => {
  const { guest } = load(await whole(), { initrd: new Uint8Array(100) });
  assert.deepEqual(guest.regions.find(({ name }) => name === "kernel"), {
    name: "kernel",
    base: 0x1000000,
    length: 0x300000,
  });
  assert.ok(guest.regions.find(({ name }) => name === "initrd")!.base >= 0x1300000);
  const large = await whole({ initSize: 0x4000000 });
  assert.throws(() => load(large), /The kernel needs memory .*give it more than 80 MiB/);
});

Deno.test("loadGuest puts old bzImages at 1 MiB", async () => {
  const { guest } = load(await whole({ version: 0x204 }));
  assert.deepEqual([guest.protocol, guest.entry.rip], ["linux32", 0x100000n]);
});

Deno.test("loadGuest respects the header's limits", async () => {
  const kernel = await whole();
  assert.throws(() => load(kernel, { commandLine: "x".repeat(101) }), {
    name: "ConfigError",
    message: /101 bytes.* 100 at/,
  });
  assert.equal(load(kernel, { commandLine: "x".repeat(100) }).guest.protocol, "linux64");
  const { memory, layout } = ram(64);
  const low = { ...kernel, image: bzImage() };
  new DataView(low.image.buffer).setUint32(0x22c, 0x2ffffff, true);
  const { regions } = loadGuest({ kernel: low, commandLine: "", layout, initrd: CODE }, memory);
  assert.equal(regions.find(({ name }) => name === "initrd")!.base, 0x2fff000);
});

Deno.test("loadGuest refuses what a protocol has no place for", async () => {
  assert.throws(() => load(ELF64, { modules: [{ bytes: CODE }] }), {
    name: "ConfigError",
    message: /no modules/,
  });
  assert.throws(() => load(ELF64, { protocol: "pvh" }), /protocol pvh: it has no such entry/);
  assert.throws(() => load(ELF64, { protocol: "multiboot" }), /protocol multiboot/);
  assert.throws(() => load(ELF64, { protocol: "linux32" }), /protocol linux32/);
  assert.throws(() => load(ELF32, { protocol: "linux64" }), /protocol linux64/);
  const kernel = await whole({ xloadFlags: 0 });
  assert.throws(() => load(kernel, { protocol: "linux64" }), /no 64-bit entry/);
  assert.throws(() => load(kernel, { protocol: "pvh" }), /protocol pvh/);
});
