import assert from "node:assert/strict";
import { GPR } from "../hvm/x86/state.ts";
import { CODE, elf, pvhNote, ram, textAt } from "./_test_images.ts";
import { readElf } from "./elf.ts";
import { loadGuest } from "./load.ts";
import { pvhEntry } from "./pvh.ts";
import type { LoadRequest } from "./request.ts";
import type { UnpackedKernel } from "./kernel.ts";

const KERNEL: UnpackedKernel = {
  kind: "elf",
  image: elf({ notes: [pvhNote(0x100004)] }),
  version: "",
};

function load(request: Partial<LoadRequest> = {}) {
  const { memory, layout } = ram(16);
  const guest = loadGuest({ kernel: KERNEL, commandLine: "", layout, ...request }, memory);
  return { guest, memory, info: Number(guest.entry.gpr[GPR.RBX]) };
}

Deno.test("pvhEntry reads the note with 4 and with 8 bytes", () => {
  for (const size of [4, 8] as const) {
    assert.equal(pvhEntry(readElf(elf({ notes: [pvhNote(0x100004, size)] }))), 0x100004);
  }
  assert.equal(pvhEntry(readElf(elf({ bits: 32, notes: [pvhNote(0x100004, 4)] }))), 0x100004);
});

Deno.test("pvhEntry passes over other notes and refuses damaged ones", () => {
  const { data } = pvhNote(0x100004);
  assert.equal(
    pvhEntry(readElf(elf({ notes: [{ owner: "GNU", type: 18, data }, { owner: "Xen", type: 1, data }] }))),
    undefined,
  );
  for (
    const bad of [pvhNote(0xfffff), pvhNote(0x102000), { owner: "Xen", type: 18, data: CODE.subarray(0, 3) }]
  ) {
    assert.throws(() => pvhEntry(readElf(elf({ notes: [bad] }))), {
      name: "ImageError",
      message: /PVH entry/,
    });
  }
});

Deno.test("loadGuest by PVH loads segments with their bss cleared", () => {
  const { guest, memory } = load();
  assert.equal(guest.protocol, "pvh");
  assert.equal(guest.entry.rip, 0x100004n);
  assert.deepEqual(memory.read(0x100000, 8), CODE);
  assert.deepEqual(memory.read(0x100008, 0x1ff8), new Uint8Array(0x1ff8));
  assert.equal(memory.readU8(0x102000), 0xaa);
});

Deno.test("loadGuest by PVH leaves bss alone in memory that is known to be zero", () => {
  assert.equal(load({ zeroed: true }).memory.readU8(0x100008), 0xaa);
});

Deno.test("loadGuest by PVH gives start info version 1 [PVH] start_info.h", () => {
  const { memory, info, guest } = load({ commandLine: "console=ttyS0", rsdp: 0xe0010 });
  assert.equal(memory.readU32(info), 0x336ec578, "magic");
  assert.equal(memory.readU32(info + 4), 1, "version");
  assert.equal(memory.readU32(info + 8), 0, "flags");
  assert.equal(memory.readU32(info + 12), 0, "modules");
  assert.equal(memory.readU64(info + 16), 0n, "module list");
  assert.equal(textAt(memory, Number(memory.readU64(info + 24))), "console=ttyS0");
  assert.equal(memory.readU64(info + 32), 0xe0010n, "RSDP");
  const map = Number(memory.readU64(info + 40));
  assert.equal(memory.readU32(info + 48), guest.map.length);
  assert.equal(memory.readU32(info + 52), 0, "reserved");
  guest.map.forEach((entry, i) => {
    assert.equal(memory.readU64(map + i * 24), BigInt(entry.base));
    assert.equal(memory.readU64(map + i * 24 + 8), BigInt(entry.length));
    assert.equal(memory.readU32(map + i * 24 + 16), entry.type);
    assert.equal(memory.readU32(map + i * 24 + 20), 0);
  });
});

Deno.test("loadGuest by PVH provides nothing it was not given", () => {
  const { memory, info } = load();
  assert.equal(memory.readU64(info + 24), 0n, "command line");
  assert.equal(memory.readU64(info + 32), 0n, "RSDP");
});

Deno.test("loadGuest by PVH lists the initrd first, then modules with their command lines", () => {
  const initrd = Uint8Array.of(1, 2, 3);
  const { memory, info } = load({
    initrd,
    modules: [{ bytes: Uint8Array.of(4, 5), commandLine: "two words" }, { bytes: Uint8Array.of(6) }],
  });
  assert.equal(memory.readU32(info + 12), 3);
  const list = Number(memory.readU64(info + 16));
  const modules = [0, 1, 2].map((i) => {
    const at = list + i * 32;
    const commandLine = Number(memory.readU64(at + 16));
    assert.equal(memory.readU64(at + 24), 0n, "reserved");
    assert.equal(memory.readU64(at) % 4096n, 0n);
    return {
      bytes: memory.read(Number(memory.readU64(at)), Number(memory.readU64(at + 8))),
      commandLine: commandLine === 0 ? undefined : textAt(memory, commandLine),
    };
  });
  assert.deepEqual(modules, [
    { bytes: initrd, commandLine: undefined },
    { bytes: Uint8Array.of(4, 5), commandLine: "two words" },
    { bytes: Uint8Array.of(6), commandLine: undefined },
  ]);
});

Deno.test("loadGuest puts everything into RAM, apart from everything else", () => {
  const { guest } = load({
    commandLine: "x",
    initrd: new Uint8Array(5000),
    modules: [{ bytes: CODE, commandLine: "y" }],
  });
  let end = 0x500;
  for (const { base, length } of guest.regions) {
    assert.ok(base >= end);
    end = base + length;
    assert.ok(guest.map.some((ram) => ram.type === 1 && base >= ram.base && end <= ram.base + ram.length));
  }
  assert.deepEqual(guest.regions.map(({ name }) => name).sort(), [
    ...["command line", "command line", "initrd", "kernel", "module", "start info"],
  ]);
});
