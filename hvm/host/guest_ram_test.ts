import assert from "node:assert/strict";
import { FOUR_GIB, MIB } from "../base/addr.ts";
import { allocateGuestRam, clearGuestRam, releaseGuestRam, viewGuestRam } from "./guest_ram.ts";

Deno.test("allocateGuestRam gives zeros on both sides of the hole, shared by all views", () => {
  const ram = allocateGuestRam(2 * MIB, MIB);
  try {
    const one = viewGuestRam(ram);
    const other = viewGuestRam(ram);
    assert.equal(one.readU32(2 * MIB - 4), 0);
    one.writeU32(2 * MIB - 4, 7);
    one.writeU32(FOUR_GIB, 9);
    assert.deepEqual([other.readU32(2 * MIB - 4), other.readU32(FOUR_GIB)], [7, 9]);
    assert.equal(other.readU32(2 * MIB), 0xffffffff);
    assert.equal(other.readU32(FOUR_GIB + MIB), 0xffffffff);
    clearGuestRam(ram);
    assert.deepEqual([other.readU32(2 * MIB - 4), other.readU32(FOUR_GIB)], [0, 0]);
  } finally {
    releaseGuestRam(ram);
  }
});

Deno.test("allocateGuestRam takes no memory for 6 GiB that nobody touches", () => {
  const before = Deno.memoryUsage().rss;
  const ram = allocateGuestRam(3072 * MIB, 3072 * MIB);
  try {
    const memory = viewGuestRam(ram);
    memory.writeU8(FOUR_GIB + 3072 * MIB - 1, 1);
    assert.equal(memory.readU8(FOUR_GIB + 3072 * MIB - 1), 1);
    assert.ok(Deno.memoryUsage().rss - before < 256 * MIB);
  } finally {
    releaseGuestRam(ram);
  }
});
