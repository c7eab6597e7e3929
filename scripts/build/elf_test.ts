import assert from "node:assert/strict";
import { findImportSlot, packExecutable, placeSegment } from "./elf.ts";

const PT = { LOAD: 1, DYNAMIC: 2, NOTE: 4, TLS: 7 } as const;

/** An ELF file with the given program headers and a dynamic section that imports `names`. */
function elf(types: readonly number[], names: readonly string[] = ["environ"]): Uint8Array {
  const file = new Uint8Array(0x2000);
  const view = new DataView(file.buffer);
  view.setUint32(0, 0x7f454c46);
  file[4] = 2; // 64 bits
  view.setUint16(18, 62, true); // x86-64
  view.setBigUint64(24, 0x1234n, true); // entry
  view.setBigUint64(32, 64n, true); // program headers
  view.setUint16(54, 56, true);
  view.setUint16(56, types.length, true);
  for (const [index, type] of types.entries()) {
    const at = 64 + index * 56;
    view.setUint32(at, type, true);
    const offset = type === PT.DYNAMIC ? 0x800n : 0n;
    view.setBigUint64(at + 8, offset, true);
    view.setBigUint64(at + 16, offset + 0x10000n, true);
    view.setBigUint64(at + 32, type === PT.DYNAMIC ? 0x60n : 0x2000n, true);
    view.setBigUint64(at + 40, 0x2345n, true);
  }
  // The dynamic section: symbols at 900h, strings at A00h, relocations at B00h.
  const tags = [[5, 0x10a00], [6, 0x10900], [7, 0x10b00], [8, names.length * 24]] as const;
  for (const [index, [tag, value]] of tags.entries()) {
    view.setBigUint64(0x800 + index * 16, BigInt(tag), true);
    view.setBigUint64(0x808 + index * 16, BigInt(value), true);
  }
  let text = 0xa01;
  for (const [index, name] of names.entries()) {
    view.setUint32(0x900 + index * 24, text - 0xa00, true);
    file.set(new TextEncoder().encode(name), text);
    text += name.length + 1;
    view.setBigUint64(0xb00 + index * 24, BigInt(0x5000 + index * 8), true);
    view.setBigUint64(0xb08 + index * 24, (BigInt(index) << 32n) | 6n, true);
  }
  return file;
}

/** The types, addresses and file places of the program headers. */
function headers(file: Uint8Array): number[][] {
  const view = new DataView(file.buffer);
  return Array.from({ length: view.getUint16(56, true) }, (_, index) => {
    const at = 64 + index * 56;
    return [
      view.getUint32(at, true),
      Number(view.getBigUint64(at + 16, true)),
      Number(view.getBigUint64(at + 8, true)),
    ];
  });
}

Deno.test("packExecutable puts the new PT_LOAD after the last and enters it [ELF]", () => {
  const file = elf([PT.NOTE, PT.LOAD, PT.LOAD, PT.DYNAMIC, PT.TLS]);
  const segment = Uint8Array.of(0x90, 0xc3);
  const packed = packExecutable(file, segment);
  // The last segment ends at 10000h + 2345h; the file at 2000h.
  assert.deepEqual(headers(packed), [
    [PT.LOAD, 0x10000, 0],
    [PT.LOAD, 0x10000, 0],
    [PT.LOAD, 0x13000, 0x2000],
    [PT.DYNAMIC, 0x10800, 0x800],
    [PT.TLS, 0x10000, 0],
  ]);
  assert.equal(new DataView(packed.buffer).getBigUint64(24, true), 0x13000n);
  assert.deepEqual(packed.slice(0x2000), segment);
});

Deno.test("placeSegment names the old entry and refuses what is no such ELF file", () => {
  assert.equal(placeSegment(elf([PT.LOAD, PT.NOTE])).entry, 0x1234);
  assert.throws(() => placeSegment(elf([PT.LOAD])), /no PT_NOTE/);
  assert.throws(() => placeSegment(elf([PT.NOTE])), /no loadable segment/);
  assert.throws(() => placeSegment(new TextEncoder().encode("#!/bin/sh\n".repeat(20))), /not an x86-64 ELF/);
  assert.throws(() => placeSegment(new Uint8Array(3)), /not an x86-64 ELF/);
});

Deno.test("findImportSlot finds the word by the whole name", () => {
  const file = elf([PT.LOAD, PT.DYNAMIC, PT.NOTE], ["environment", "environ", "stdin"]);
  assert.equal(findImportSlot(file, "environ"), 0x5008);
  assert.throws(() => findImportSlot(file, "envir"), /does not refer to envir/);
  assert.throws(() => findImportSlot(elf([PT.LOAD, PT.NOTE]), "environ"), /linked statically/);
});
