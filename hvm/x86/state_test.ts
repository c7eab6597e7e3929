import assert from "node:assert/strict";
import {
  CR0,
  CR4,
  EFER,
  flatSegment,
  GPR,
  realModeSegment,
  resetState,
  RFLAGS,
  SEGMENT_TYPE,
  systemSegment,
} from "./state.ts";

Deno.test("resetState is that of a processor after RESET [SDM] table 10-1", () => {
  const state = resetState();
  assert.equal(state.rip, 0xfff0n);
  assert.equal(state.rflags, 2n);
  assert.deepEqual([state.cs.selector, state.cs.base, state.cs.limit], [0xf000, 0xffff0000n, 0xffff]);
  for (const segment of [state.ds, state.es, state.fs, state.gs, state.ss]) {
    assert.deepEqual([segment.selector, segment.base, segment.limit, segment.present], [0, 0n, 0xffff, true]);
    assert.ok(!segment.unusable && segment.codeOrData && !segment.big && segment.dpl === 0);
  }
  for (const table of [state.gdt, state.idt]) assert.deepEqual(table, { base: 0n, limit: 0xffff });
  for (const segment of [state.tr, state.ldt]) {
    assert.deepEqual([segment.selector, segment.base, segment.limit, segment.codeOrData], [
      0,
      0n,
      0xffff,
      false,
    ]);
  }
  assert.equal(state.cr0, 0x60000010n);
  assert.deepEqual([state.cr2, state.cr3, state.cr4, state.cr8, state.efer], [0n, 0n, 0n, 0n, 0n]);
  state.gpr.forEach((value, i) => {
    if (i !== GPR.RDX) assert.equal(value, 0n);
  });
  assert.equal(state.gpr[GPR.RDX]! >> 8n & 0xfn, 6n, "family 6");
});

Deno.test("resetState gives each caller a state of its own", () => {
  const [a, b] = [resetState(), resetState()];
  a.gpr[0] = 1n;
  a.cs.base = 1n;
  a.gdt.limit = 1;
  assert.deepEqual([b.gpr[0], b.cs.base, b.gdt.limit], [0n, 0xffff0000n, 0xffff]);
});

Deno.test("a state survives a structured clone", () => {
  const state = resetState();
  state.gpr[GPR.R15] = 2n ** 64n - 1n;
  assert.deepEqual(structuredClone(state), state);
});

Deno.test("register numbers are those instructions encode [SDM] vol. 2A, table 2-4", () => {
  assert.deepEqual(Object.values(GPR), Array.from({ length: 16 }, (_, i) => i));
  assert.deepEqual(
    Object.keys(GPR).slice(0, 8),
    ["RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI"],
  );
});

/** Every bit a mask of its own, and where the manual has it. */
Deno.test("bits of flags and control registers are where the manual has them", () => {
  const bits = (object: Record<string, number>) =>
    Object.entries(object).map(([name, bit]) => [name, Math.log2(bit)]);
  assert.deepEqual(Object.fromEntries(bits(CR0)), {
    PE: 0,
    MP: 1,
    EM: 2,
    TS: 3,
    ET: 4,
    NE: 5,
    WP: 16,
    AM: 18,
    NW: 29,
    CD: 30,
    PG: 31,
  });
  assert.deepEqual(Object.fromEntries(bits(EFER)), { SCE: 0, LME: 8, LMA: 10, NXE: 11, SVME: 12 });
  const cr4 = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 16, 17, 18, 20, 21];
  assert.deepEqual(bits(CR4).map(([, bit]) => bit), cr4);
  const { IOPL, ...single } = RFLAGS;
  assert.equal(IOPL, 3 << 12);
  assert.deepEqual(bits(single).map(([, bit]) => bit), [
    0,
    1,
    2,
    4,
    6,
    7,
    8,
    9,
    10,
    11,
    14,
    16,
    17,
    18,
    19,
    20,
    21,
  ]);
});

Deno.test("realModeSegment has its base at 16 times the selector and 64 KiB [SDM] vol. 3B, 20.1.1", () => {
  for (const [selector, base] of [[0, 0n], [0x1000, 0x10000n], [0xffff, 0xffff0n]] as const) {
    const segment = realModeSegment(selector);
    assert.deepEqual([segment.base, segment.limit, segment.granular, segment.big], [
      base,
      0xffff,
      false,
      false,
    ]);
  }
  assert.equal(realModeSegment(0, SEGMENT_TYPE.CODE_XR_ACCESSED).type, 0xb);
});

Deno.test("flatSegment covers 4 GiB, 32-bit, or is 64-bit code with D clear [SDM] vol. 3A, 5.2.1", () => {
  const data = flatSegment(0x18, SEGMENT_TYPE.DATA_RW_ACCESSED);
  assert.deepEqual([data.base, data.limit, data.granular, data.big, data.long], [
    0n,
    0xffffffff,
    true,
    true,
    false,
  ]);
  const code = flatSegment(0x10, SEGMENT_TYPE.CODE_XR_ACCESSED, { long: true });
  assert.deepEqual([code.long, code.big], [true, false], "L and D both set is reserved");
});

Deno.test("systemSegment is neither code nor data", () => {
  const task = systemSegment(0x20, SEGMENT_TYPE.TSS_BUSY, 0x1234n, 0x67);
  assert.deepEqual([task.codeOrData, task.base, task.limit, task.type, task.present], [
    false,
    0x1234n,
    0x67,
    0xb,
    true,
  ]);
});
