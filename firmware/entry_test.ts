import assert from "node:assert/strict";
import { GPR, type SegmentState } from "../hvm/x86/state.ts";
import { ram } from "./_test_images.ts";
import { memoryMap } from "./e820.ts";
import {
  linux32State,
  linux64State,
  multibootState,
  placeGdt,
  placePageTables,
  placeStack,
  pvhState,
  realModeState,
} from "./entry.ts";
import { Placement } from "./placement.ts";

const TABLES = { bootParams: 0x2000, gdt: 0x3000, stack: 0x5000, pageTables: 0x6000 };

function assertFlat(segment: SegmentState, type: number, { big = true, long = false } = {}): void {
  assert.equal(segment.base, 0n);
  assert.equal(segment.limit, 0xffffffff);
  assert.equal(segment.type | 1, type | 1);
  assert.deepEqual([segment.present, segment.codeOrData, segment.big, segment.long], [true, true, big, long]);
  assert.equal(segment.dpl, 0);
}

Deno.test("pvhState is the ABI's [PVH]", () => {
  const state = pvhState(0x1000850, 0x7654);
  assert.equal(state.rip, 0x1000850n);
  assert.equal(state.gpr[GPR.RBX], 0x7654n);
  assert.equal(state.cr0 & ~0x10n, 1n, "PE alone; ET is fixed");
  assert.equal(state.cr4, 0n);
  assert.equal(state.efer, 0n);
  assertFlat(state.cs, 0xb);
  for (const segment of [state.ds, state.es, state.ss]) assertFlat(segment, 0x3);
  assert.deepEqual([state.tr.base, state.tr.limit, state.tr.type, state.tr.codeOrData], [
    0n,
    0x67,
    0xb,
    false,
  ]);
  const [tf, interrupt, direction, vm] = [1n << 8n, 1n << 9n, 1n << 10n, 1n << 17n];
  assert.equal(state.rflags & (tf | interrupt | direction | vm), 0n);
  assert.equal(state.rflags & 2n, 2n);
});

Deno.test("multibootState is the specification's [MB1] 3.2", () => {
  const state = multibootState(0x100010, 0x2badb002, 0x9000);
  assert.deepEqual([state.gpr[GPR.RAX], state.gpr[GPR.RBX], state.rip], [0x2badb002n, 0x9000n, 0x100010n]);
  assertFlat(state.cs, 0xb);
  for (const segment of [state.ds, state.es, state.fs, state.gs, state.ss]) assertFlat(segment, 0x3);
  assert.equal(state.cr0 & 0x80000001n, 1n);
  assert.equal(state.rflags & (1n << 17n | 1n << 9n), 0n);
});

Deno.test("linux32State has the boot selectors and zero registers [BOOT]", () => {
  const state = linux32State(0x1000000, TABLES);
  assert.equal(state.gpr[GPR.RSI], 0x2000n);
  for (const register of [GPR.RBP, GPR.RDI, GPR.RBX]) assert.equal(state.gpr[register], 0n);
  assert.deepEqual([state.cs.selector, state.ds.selector, state.es.selector, state.ss.selector], [
    16,
    24,
    24,
    24,
  ]);
  assert.deepEqual(state.gdt, { base: 0x3000n, limit: 47 });
  assert.equal(state.cr0 & 0x80000001n, 1n);
  assert.equal(state.rflags & 1n << 9n, 0n);
});

Deno.test("linux64State is in long mode with paging [BOOT]", () => {
  const state = linux64State(0x1000200, TABLES);
  assert.equal(state.gpr[GPR.RSI], 0x2000n);
  assertFlat(state.cs, 0xb, { big: false, long: true });
  assert.equal(state.cr0 & 0x80000001n, 0x80000001n);
  assert.equal(state.cr4, 0x20n);
  assert.equal(state.cr3, 0x6000n);
  assert.equal(state.efer, 0x500n, "LME and LMA");
});

Deno.test("realModeState enters low addresses in segment 0, high ones in their own", () => {
  const low = realModeState(0x7c00);
  assert.deepEqual([low.cs.selector, low.cs.base, low.rip, low.gpr[GPR.RSP]], [0, 0n, 0x7c00n, 0x7c00n]);
  const high = realModeState(0x12340);
  assert.deepEqual([high.cs.selector, high.cs.base, high.rip, high.gpr[GPR.RSP]], [0x1234, 0x12340n, 0n, 0n]);
  assert.deepEqual([high.ss.selector, high.ds.base, high.cs.limit], [0x1234, 0x12340n, 0xffff]);
  for (const state of [low, high]) assert.equal(state.cr0 & 1n, 0n);
});

Deno.test("placeGdt holds descriptors that agree with the state [SDM] 3.4.5", () => {
  for (const long of [false, true]) {
    const { memory, layout } = ram(4);
    const base = placeGdt(new Placement(memoryMap(layout)), memory, { long });
    assert.equal(memory.readU64(base), 0n);
    const code = memory.readU64(base + 16);
    assert.equal(code & 0xffffn | code >> 32n & 0xf0000n, 0xfffffn, "limit");
    assert.equal(code >> 40n & 0xffn, 0x9bn, "present, code, readable, accessed");
    assert.equal(code >> 53n & 7n, long ? 0b101n : 0b110n, "G, D/B, L");
    assert.equal(memory.readU64(base + 24), 0x00cf93000000ffffn);
    assert.equal(memory.readU64(base + 32) & 0xffffn, 0x67n);
  }
});

/** The physical address of a linear one, by the four levels of [SDM] 4.5. */
function walk(read: (at: number) => bigint, top: number, linear: number): number | undefined {
  let table = top;
  for (const shift of [39, 30, 21]) {
    const entry = read(table + Math.floor(linear / 2 ** shift) % 512 * 8);
    if (!(entry & 1n)) return undefined;
    const address = Number(entry & 0x000ffffffffff000n);
    if (shift === 21) {
      assert.ok(entry & 0x80n && entry & 2n);
      return address + linear % 2 ** 21;
    }
    table = address;
  }
}

Deno.test("placePageTables maps the first 4 GiB to themselves and no more", () => {
  const { memory, layout } = ram(4);
  const base = placePageTables(new Placement(memoryMap(layout)), memory);
  assert.equal(base % 4096, 0);
  const at = (linear: number) => walk((address) => memory.readU64(address), base, linear);
  for (const linear of [0, 0x1234567, 0x3fffffff, 0x40000000, 0xc0000123, 0xffffffff]) {
    assert.equal(at(linear), linear);
  }
  for (const linear of [2 ** 32, 2 ** 39, 2 ** 47]) assert.equal(at(linear), undefined);
});

Deno.test("placeStack gives a page below its top", () => {
  const { layout } = ram(4);
  const placement = new Placement(memoryMap(layout));
  const top = placeStack(placement);
  assert.deepEqual(placement.regions, [{ name: "stack", base: top - 4096, length: 4096 }]);
});
