import assert from "node:assert/strict";
import { GuestMemory } from "../base/memory.ts";
import { dmaView } from "./dma.ts";

function rig() {
  const memory = new GuestMemory();
  memory.map(0, { name: "ram", bytes: new Uint8Array(4096) });
  memory.map(4096, { name: "rom", bytes: new Uint8Array(4096), readonly: true });
  const state = { enabled: true };
  return { memory, state, dma: dmaView(memory, () => state.enabled) };
}

Deno.test("dmaView moves data of every width while it is enabled", () => {
  const { memory, dma } = rig();
  dma.writeU8(0, 0x11);
  dma.writeU16(2, 0x2233);
  dma.writeU32(4, 0x44556677);
  dma.writeU64(8, 0x8899aabbccddeeffn);
  dma.write(16, Uint8Array.of(1, 2, 3));
  assert.deepEqual([dma.readU16(2), dma.readU32(4), dma.readU64(8)], [
    0x2233,
    0x44556677,
    0x8899aabbccddeeffn,
  ]);
  assert.deepEqual([...dma.read(16, 3)], [1, 2, 3]);
  const target = new Uint8Array(3);
  dma.readInto(16, target);
  assert.deepEqual([...target], [1, 2, 3]);
  assert.equal(memory.readU8(0), 0x11);
  assert.equal(dma.enabled, true);
});

Deno.test("dmaView reads ones and writes nothing while mastering is off [PCI] 6.2.2", () => {
  const { memory, state, dma } = rig();
  memory.fill(0, 64, 0x5a);
  memory.takeDirty();
  state.enabled = false;
  dma.writeU8(0, 1);
  dma.writeU16(0, 1);
  dma.writeU32(0, 1);
  dma.writeU64(0, 1n);
  dma.write(0, Uint8Array.of(1));
  assert.deepEqual([dma.readU16(0), dma.readU32(0), dma.readU64(0)], [
    0xffff,
    0xffffffff,
    0xffffffffffffffffn,
  ]);
  assert.deepEqual([...dma.read(0, 2)], [0xff, 0xff]);
  const target = new Uint8Array(2);
  dma.readInto(0, target);
  assert.deepEqual([...target], [0xff, 0xff]);
  assert.equal(dma.slice(0, 4), undefined);
  assert.equal(memory.readU64(0), 0x5a5a5a5a5a5a5a5an);
  assert.deepEqual(memory.takeDirty(), []);
  state.enabled = true;
  assert.equal(dma.readU16(0), 0x5a5a);
});

Deno.test("dmaView hands out contiguous RAM alone, never ROM", () => {
  const { dma } = rig();
  assert.equal(dma.slice(0, 4096)?.length, 4096);
  assert.equal(dma.slice(4096, 1), undefined);
  assert.equal(dma.slice(4090, 16), undefined);
  assert.equal(dma.slice(2 ** 60, 16), undefined);
  dma.writeU32(4096, 1);
  assert.equal(dma.readU32(4096), 0);
});

Deno.test("dmaView without a condition is always open", () => {
  const { memory } = rig();
  assert.equal(dmaView(memory).enabled, true);
});
