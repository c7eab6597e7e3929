import assert from "node:assert/strict";
import fc from "fast-check";
import { GPR } from "../hvm/x86/state.ts";
import {
  bzImage,
  CODE,
  elf,
  lz4Payload,
  MIB,
  multiboot,
  onlyImageErrors,
  pvhNote,
  ram,
} from "./_test_images.ts";
import { unpackKernel } from "./kernel.ts";
import { loadGuest } from "./load.ts";
import type { FlatOptions } from "./request.ts";

function loadFlat(flat?: FlatOptions) {
  const { memory, layout } = ram(4);
  const request = {
    kernel: CODE,
    commandLine: "",
    layout,
    protocol: "flat",
    ...flat === undefined ? {} : { flat },
  } as const;
  return { guest: loadGuest(request, memory), memory };
}

Deno.test("loadGuest enters flat bytes in real mode at 1000:0000 unless told otherwise", () => {
  const { guest, memory } = loadFlat();
  assert.deepEqual([guest.protocol, guest.entry.cs.base, guest.entry.rip], ["flat", 0x10000n, 0n]);
  assert.deepEqual(memory.read(0x10000, 8), CODE);
});

Deno.test("loadGuest enters flat bytes in each mode at the address and entry asked for", () => {
  const sector = loadFlat({ address: 0x7c00 }).guest.entry;
  assert.deepEqual([sector.cs.selector, sector.rip], [0, 0x7c00n]);
  const flat32 = loadFlat({ mode: "protected" }).guest.entry;
  assert.deepEqual([flat32.rip, flat32.cs.big, flat32.cr0 & 0x80000001n], [BigInt(MIB), true, 1n]);
  const flat64 = loadFlat({ mode: "long", address: 0x200000, entry: 0x200004 }).guest.entry;
  assert.deepEqual([flat64.rip, flat64.cs.long, flat64.efer], [0x200004n, true, 0x500n]);
  assert.notEqual(flat64.gpr[GPR.RSP], 0n);
});

Deno.test("loadGuest refuses flat options that cannot be", () => {
  const cases: FlatOptions[] = [
    { address: -1 },
    { address: 1.5 },
    { address: 2 ** 32 },
    { address: MIB },
    { address: 0x10008 },
    { address: 0x8000, entry: 0x8001 },
    { mode: "long", address: MIB, entry: MIB - 1 },
    { mode: "protected", address: MIB, entry: MIB + 8 },
  ];
  for (const flat of cases) {
    assert.throws(() => loadFlat(flat), { name: "ConfigError" }, JSON.stringify(flat));
  }
  assert.throws(() => loadFlat({ address: 0xa0000 }), { name: "ImageError", message: /reserved in a PC/ });
  assert.throws(() => loadFlat({ mode: "long", address: 4 * MIB - 4 }), /give it more than 5 MiB/);
});

Deno.test("loadGuest prefers PVH over multiboot, and takes what it is told to", () => {
  const header = Uint8Array.from([0x02, 0xb0, 0xad, 0x1b, 0, 0, 0, 0, 0xfe, 0x4f, 0x52, 0xe4]);
  const image = elf({ bits: 32, segments: [{ address: MIB, content: header }], notes: [pvhNote(MIB)] });
  const { memory, layout } = ram(4);
  const load = (protocol: "auto" | "multiboot" | "linux32") =>
    loadGuest(
      { kernel: { kind: "elf", image, version: "" }, commandLine: "", layout, protocol },
      ram(4).memory,
    ).protocol;
  assert.equal(memory.isRam(0, layout.lowBytes), true);
  assert.deepEqual([load("auto"), load("multiboot"), load("linux32")], ["pvh", "multiboot", "linux32"]);
});

Deno.test("loadGuest refuses an initrd larger than memory and a kernel that does not fit", async () => {
  const kernel = await unpackKernel(elf({ notes: [pvhNote(0x100000)] }));
  const { memory, layout } = ram(4);
  assert.throws(
    () => loadGuest({ kernel, commandLine: "", layout, initrd: new Uint8Array(5 * MIB) }, memory),
    {
      name: "ImageError",
      message: /The initrd \(5 MiB\) does not fit/,
    },
  );
  const tiny = { lowBytes: 4096, highBytes: 0 };
  assert.throws(() => loadGuest({ kernel, commandLine: "", layout: tiny }, memory), /needs memory/);
});

Deno.test("loadGuest survives any flipped bit in any kind of image", async () => {
  const images = [
    elf({ notes: [pvhNote(0x100000)] }),
    elf({ bits: 32 }),
    multiboot(),
    bzImage({ payload: lz4Payload(elf()) }),
  ];
  const { memory, layout } = ram(4);
  let loaded = 0;
  for (const image of images) {
    for (let bit = 0; bit < Math.min(image.length, 0x280) * 8; bit++) {
      const damaged = image.slice();
      damaged[bit >>> 3]! ^= 1 << (bit & 7);
      const guest = await onlyImageErrors(async () =>
        loadGuest({ kernel: await unpackKernel(damaged), commandLine: "x", layout, initrd: CODE }, memory)
      );
      if (guest !== undefined) loaded++;
    }
  }
  assert.ok(loaded > 0);
});

Deno.test("loadGuest survives random program headers", async () => {
  const { memory, layout } = ram(4);
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 112, maxLength: 112 }), fc.boolean(), async (bytes, sane) => {
      const image = elf({ notes: [pvhNote(0x100000)] });
      image.set(bytes, 64);
      if (sane) image.set([1, 0, 0, 0], 64);
      const guest = await onlyImageErrors(async () =>
        loadGuest({ kernel: await unpackKernel(image), commandLine: "", layout }, memory)
      );
      assert.ok(guest === undefined || guest.regions.length > 0);
    }),
  );
});
