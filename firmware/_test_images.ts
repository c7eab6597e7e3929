/**
 * Small kernels for tests, made byte by byte from the formats' own descriptions.
 * @module
 */

import { GuestMemory } from "../hvm/base/memory.ts";
import { ImageError } from "../hvm/base/errors.ts";
import type { MemoryLayout } from "./e820.ts";

export const MIB = 1 << 20;

/** What {@linkcode elf} is made of. */
export interface ElfRecipe {
  bits?: 32 | 64;
  machine?: number;
  type?: number;
  entry?: bigint;
  segments?: { address: number; virtual?: bigint; content: Uint8Array; memorySize?: number }[];
  notes?: { owner: string; type: number; data: Uint8Array }[];
  interpreter?: boolean;
}

export const CODE: Uint8Array = Uint8Array.of(0xf4, 0xeb, 0xfd, 0x90, 1, 2, 3, 4);

/** An ELF file; by default an ELF64 with one segment at 1 MiB, entered there. */
export function elf(recipe: ElfRecipe = {}): Uint8Array<ArrayBuffer> {
  const { bits = 64, type = 2, entry = 0x100000n, interpreter = false, notes = [] } = recipe;
  const segments = recipe.segments ?? [{ address: MIB, content: CODE, memorySize: 0x2000 }];
  const machine = recipe.machine ?? (bits === 64 ? 62 : 3);
  const [headerSize, programSize] = bits === 64 ? [64, 56] : [52, 32];
  const noteBytes = encodeNotes(notes);
  const programs = [
    ...segments.map((s) => ({ kind: 1, virtual: BigInt(s.address), memorySize: s.content.length, ...s })),
    ...noteBytes.length > 0
      ? [{ kind: 4, address: 0, virtual: 0n, content: noteBytes, memorySize: noteBytes.length }]
      : [],
    ...interpreter ? [{ kind: 3, address: 0, virtual: 0n, content: CODE, memorySize: 1 }] : [],
  ];
  let at = headerSize + programs.length * programSize;
  const file = new Uint8Array(programs.reduce((sum, program) => sum + program.content.length, at));
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, bits / 32, 1, 1]);
  view.setUint16(16, type, true);
  view.setUint16(18, machine, true);
  view.setUint32(20, 1, true);
  if (bits === 64) {
    view.setBigUint64(24, entry, true);
    view.setBigUint64(32, BigInt(headerSize), true);
    [headerSize, programSize, programs.length].forEach((value, i) => view.setUint16(52 + i * 2, value, true));
  } else {
    view.setUint32(24, Number(entry), true);
    view.setUint32(28, headerSize, true);
    [headerSize, programSize, programs.length].forEach((value, i) => view.setUint16(40 + i * 2, value, true));
  }
  programs.forEach(({ kind, address, virtual, content, memorySize }, i) => {
    const header = headerSize + i * programSize;
    view.setUint32(header, kind, true);
    if (bits === 64) {
      [at, Number(virtual & 0xffffffffn), address, content.length, memorySize, 16].forEach((value, word) =>
        view.setBigUint64(header + 8 + word * 8, BigInt(value), true)
      );
      view.setBigUint64(header + 16, virtual, true);
    } else {
      [at, Number(virtual), address, content.length, memorySize, 7, 16].forEach((value, word) =>
        view.setUint32(header + 4 + word * 4, value, true)
      );
    }
    file.set(content, at);
    at += content.length;
  });
  return file;
}

function encodeNotes(notes: NonNullable<ElfRecipe["notes"]>): Uint8Array {
  const align = (bytes: number[]) => [...bytes, ...new Array<number>(-bytes.length & 3).fill(0)];
  return Uint8Array.from(notes.flatMap(({ owner, type, data }) => {
    const name = [...new TextEncoder().encode(owner), 0];
    return [...u32(name.length), ...u32(data.length), ...u32(type), ...align(name), ...align([...data])];
  }));
}

/** A little-endian word. */
export function u32(value: number): number[] {
  return [value & 0xff, value >>> 8 & 0xff, value >>> 16 & 0xff, value >>> 24];
}

/** The note of a PVH kernel, with 4 or 8 bytes of data. */
export function pvhNote(entry: number, size: 4 | 8 = 8): { owner: string; type: number; data: Uint8Array } {
  const data = Uint8Array.from([...u32(entry), 0, 0, 0, 0]).subarray(0, size);
  return { owner: "Xen", type: 18, data };
}

/** What {@linkcode bzImage} is made of. */
export interface BzRecipe {
  /** The packed kernel as it stands in the file, its size word included. */
  payload?: Uint8Array;
  version?: number;
  loadFlags?: number;
  xloadFlags?: number;
  preferred?: number;
  initSize?: number;
  relocatable?: boolean;
  /** The header's claims where they are to be wrong. */
  payloadOffset?: number;
  payloadLength?: number;
}

const PAYLOAD_AT = 0x400;

/** A bzImage with one setup sector behind the boot sector; protected-mode code of NOPs before the payload. */
export function bzImage(recipe: BzRecipe = {}): Uint8Array<ArrayBuffer> {
  const { payload = new Uint8Array(0), version = 0x20f, loadFlags = 1, xloadFlags = 1 } = recipe;
  const system = Math.ceil((PAYLOAD_AT + payload.length) / 16) * 16;
  const file = new Uint8Array(1024 + system);
  const view = new DataView(file.buffer);
  file[0x1f1] = 1;
  view.setUint32(0x1f4, system / 16, true);
  view.setUint16(0x1fe, 0xaa55, true);
  file.set([0xeb, 0x6a], 0x200); // the header ends at 26ch
  file.set(new TextEncoder().encode("HdrS"), 0x202);
  view.setUint16(0x206, version, true);
  view.setUint16(0x20e, 0x100, true); // the version text, at 300h of the file
  file.set(new TextEncoder().encode("6.1.0-test (a@b)\0"), 0x300);
  file[0x211] = loadFlags;
  view.setUint32(0x22c, 0x7fffffff, true);
  view.setUint32(0x230, 0x200000, true);
  file[0x234] = recipe.relocatable === false ? 0 : 1;
  view.setUint16(0x236, xloadFlags, true);
  view.setUint32(0x238, 100, true);
  view.setUint32(0x248, recipe.payloadOffset ?? PAYLOAD_AT, true);
  view.setUint32(0x24c, recipe.payloadLength ?? payload.length, true);
  view.setBigUint64(0x258, BigInt(recipe.preferred ?? 0x1000000), true);
  view.setUint32(0x260, recipe.initSize ?? 0x300000, true);
  file.fill(0x90, 1024, 1024 + PAYLOAD_AT);
  file.set(payload, 1024 + PAYLOAD_AT);
  return file;
}

/** `content` as one block of literals in the legacy LZ4 frame, with the size word kernels add. */
export function lz4Payload(content: Uint8Array): Uint8Array {
  const more: number[] = [];
  for (let rest = content.length - 15; rest >= 0; rest -= 255) more.push(Math.min(rest, 255));
  const block = [Math.min(content.length, 15) << 4, ...more, ...content];
  return Uint8Array.from([...u32(0x184c2102), ...u32(block.length), ...block, ...u32(content.length)]);
}

/** What {@linkcode multiboot} is made of. */
export interface MultibootRecipe {
  flags?: number;
  /** header, load, loadEnd, bssEnd, entry */
  addresses?: readonly [number, number, number, number, number];
  at?: number;
  length?: number;
}

/** A multiboot file; by default with load addresses at 1 MiB. */
export function multiboot(recipe: MultibootRecipe = {}): Uint8Array<ArrayBuffer> {
  const { flags = 0x10003, at = 0x10, length = 0x100 } = recipe;
  const addresses = recipe.addresses ?? [MIB + at, MIB, 0, MIB + 0x4000, MIB + 0x40];
  const file = new Uint8Array(length).fill(0x90);
  file.set([
    ...u32(0x1badb002),
    ...u32(flags),
    ...u32(-(0x1badb002 + flags) >>> 0),
    ...flags & 0x10000 ? addresses.flatMap(u32) : [],
  ], at);
  return file;
}

/** A machine with `mib` of RAM from 0 on, all bytes AAh so that what was not written shows. */
export function ram(mib: number): { memory: GuestMemory; layout: MemoryLayout } {
  const memory = new GuestMemory();
  memory.map(0, { name: "ram", bytes: new Uint8Array(mib * MIB).fill(0xaa) });
  return { memory, layout: { lowBytes: mib * MIB, highBytes: 0 } };
}

/** The zero-terminated text at `address`. */
export function textAt(memory: GuestMemory, address: number): string {
  let text = "";
  for (let at = address; memory.readU8(at) !== 0; at++) text += String.fromCharCode(memory.readU8(at));
  return text;
}

/** Runs `action`, lets ImageErrors pass and anything else fail the test. @returns its result, if there is one. */
export async function onlyImageErrors<T>(action: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof ImageError && /^[A-Z].*[^.\n]$/s.test(error.message)) return undefined;
    throw error;
  }
}

/** Places in the file that {@linkcode signKernel} makes. */
export const SIGNED = { CHECKSUM: 0x58 + 64, ENTRY: 0x58 + 112 + 32 } as const;

/** A bzImage as an EFI program with a certificate table that holds `digest` as a DigestInfo of SHA-256. */
export function signKernel(
  file: Uint8Array,
  digestOf: (covered: Uint8Array) => Uint8Array,
): Uint8Array<ArrayBuffer> {
  // deno-fmt-ignore
  const info = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20,
  ];
  const table = [0x30, 1, 2, 3, ...info, ...new Uint8Array(32), 0x30, 9];
  const signed = Uint8Array.of(...file, ...table);
  const view = new DataView(signed.buffer);
  view.setUint16(0, 0x5a4d, true);
  view.setUint32(0x3c, 0x40, true);
  view.setUint32(0x40, 0x4550, true);
  view.setUint16(0x58, 0x20b, true);
  view.setUint32(0x58 + 108, 6, true); // directories
  const covered = Uint8Array.of(
    ...signed.subarray(0, SIGNED.CHECKSUM),
    ...signed.subarray(SIGNED.CHECKSUM + 4, SIGNED.ENTRY),
    ...signed.subarray(SIGNED.ENTRY + 8, file.length),
  );
  signed.set(digestOf(covered), file.length + 4 + info.length);
  view.setUint32(SIGNED.ENTRY, file.length, true);
  view.setUint32(SIGNED.ENTRY + 4, table.length, true);
  view.setUint32(SIGNED.CHECKSUM, 0x12345678, true);
  return signed;
}
