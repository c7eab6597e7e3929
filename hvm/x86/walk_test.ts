import assert from "node:assert/strict";
import { CR0, CR4, EFER } from "./state.ts";
import { linearToPhysical, type WalkState } from "./walk.ts";

const PRESENT = 1n;
const LARGE = 1n << 7n;
const NX = 1n << 63n;
const REAL: WalkState = { cr0: 0n, cr3: 0n, cr4: 0n, efer: 0n };
const PAGED = BigInt(CR0.PE) | BigInt(CR0.PG);
const LONG: WalkState = { cr0: PAGED, cr3: 0x1000n, cr4: BigInt(CR4.PAE), efer: BigInt(EFER.LMA) };

/** Tables in words of `width` bytes by address; a read of anything else is of no memory. */
function walk(state: WalkState, linear: bigint, width: 4 | 8, entries: Record<number, bigint>) {
  return linearToPhysical(state, linear, (gpa, bytes) => {
    assert.equal(bytes, width);
    return entries[gpa];
  });
}

Deno.test("without paging a linear address is physical, of 32 bits [SDM] vol. 3A, 5.1.1", () => {
  assert.equal(walk(REAL, 0x12345n, 8, {}), 0x12345);
  assert.equal(walk(REAL, 0xffffffff_00000010n, 8, {}), 0x10);
});

Deno.test("4-level paging: 4 KiB, 2 MiB and 1 GiB pages, entries without rights looked at [SDM] vol. 3A, 5.5", () => {
  const high = 0xffffffff_80403123n;
  const tables = {
    [0x1000 + 511 * 8]: 0x2000n | PRESENT,
    [0x2000 + 510 * 8]: 0x3000n | PRESENT,
    [0x3000 + 2 * 8]: 0x4000n | PRESENT,
    [0x4000 + 3 * 8]: 0x12_3456_7000n | PRESENT | NX,
  };
  assert.equal(walk(LONG, high, 8, tables), 0x12_3456_7123);
  assert.equal(walk(LONG, high, 8, { ...tables, [0x3000 + 16]: 0x600000n | PRESENT | LARGE }), 0x603123);
  assert.equal(walk(LONG, high, 8, { ...tables, [0x2000 + 4080]: 1n << 30n | PRESENT | LARGE }), 0x40403123);
  assert.equal(walk(LONG, high, 8, { ...tables, [0x4000 + 24]: 0x7000n }), undefined);
  assert.equal(walk(LONG, high + 0x1000n, 8, tables), undefined);
  assert.equal(walk(LONG, 0x8000_0000_0000n, 8, tables), undefined);
});

Deno.test("PAE paging starts at one of four entries [SDM] vol. 3A, 5.4", () => {
  const state = { ...LONG, efer: 0n, cr3: 0x1020n };
  const tables = {
    [0x1020 + 3 * 8]: 0x2000n | PRESENT,
    [0x2000 + 511 * 8]: 0x3000n | PRESENT,
    [0x3000 + 510 * 8]: 0x1_0000_5000n | PRESENT,
  };
  assert.equal(walk(state, 0xffffe010n, 8, tables), 0x1_0000_5010);
  assert.equal(walk(state, 0x10n, 8, tables), undefined);
});

Deno.test("32-bit paging: 4 KiB pages, and 4 MiB pages where CR4.PSE is set [SDM] vol. 3A, 5.3", () => {
  const state = { ...REAL, cr0: PAGED, cr3: 0x1000n };
  const tables = { [0x1000 + 3 * 4]: 0x2000n | PRESENT, [0x2000 + 5 * 4]: 0x9000n | PRESENT };
  assert.equal(walk(state, 0xc05123n, 4, tables), 0x9123);
  const large = { [0x1000 + 3 * 4]: 0x0080_2000n | PRESENT | LARGE };
  assert.equal(walk({ ...state, cr4: BigInt(CR4.PSE) }, 0xc05123n, 4, large), 0x1_0080_5123);
  assert.equal(walk(state, 0xc05123n, 4, large), undefined);
});
