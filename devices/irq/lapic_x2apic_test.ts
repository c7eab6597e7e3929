import assert from "node:assert/strict";
import { lapicRig } from "./_lapic_rig.ts";
import { APIC_BASE, LAPIC_MSR, LAPIC_REG, SVR } from "./lapic_regs.ts";

const BASE = 0xfee00000n;
const { BSP, X2APIC, ENABLE } = APIC_BASE;

function write(flags: number, to: number, options: Parameters<typeof lapicRig>[0] = {}): boolean {
  const { lapic } = lapicRig(options);
  if ((flags & ENABLE) === 0) lapic.writeMsr(LAPIC_MSR.APIC_BASE, BASE);
  else lapic.writeMsr(LAPIC_MSR.APIC_BASE, BASE | BigInt(flags));
  assert.equal(lapic.apicBase, BASE | BigInt(flags));
  return lapic.writeMsr(LAPIC_MSR.APIC_BASE, BASE | BigInt(to));
}

Deno.test("Lapic changes modes as figure 11-27 allows [SDM] 11.12.5", () => {
  const off = 0;
  const on = ENABLE;
  const extended = ENABLE | X2APIC;
  const allowed: [number, number, boolean][] = [
    [off, off, true],
    [off, on, true],
    [off, extended, false],
    [off, X2APIC, false],
    [on, off, true],
    [on, on, true],
    [on, extended, true],
    [on, X2APIC, false],
    [extended, off, true],
    [extended, on, false],
    [extended, extended, true],
    [extended, X2APIC, false],
  ];
  for (const [from, to, may] of allowed) assert.equal(write(from, to), may, `${from} to ${to}`);
  assert.equal(write(on, extended, { x2apic: false }), false, "no x2APIC mode");
});

Deno.test("Lapic refuses reserved bits of IA32_APIC_BASE [SDM] 11.4.4", () => {
  const { lapic } = lapicRig({ physicalBits: 36 });
  for (const bit of [0, 1, 7, 9]) {
    assert.equal(lapic.writeMsr(LAPIC_MSR.APIC_BASE, BASE | 0x900n | 1n << BigInt(bit)), false);
  }
  for (const bit of [36, 51, 52, 63]) {
    assert.equal(lapic.writeMsr(LAPIC_MSR.APIC_BASE, 0x900n | 1n << BigInt(bit)), false);
  }
  assert.equal(lapic.writeMsr(LAPIC_MSR.APIC_BASE, 0x900n | 1n << 35n), true);
  assert.equal(lapic.readMsr(LAPIC_MSR.APIC_BASE), 0x900n | 1n << 35n);
});

Deno.test("Lapic x2APIC MSRs are there in x2APIC mode only, its window in xAPIC mode only [SDM] 11.12.2", () => {
  const { lapic, rdmsr, wrmsr, enterX2apic, get, put } = lapicRig();
  put(LAPIC_REG.TPR, 0x20);
  assert.equal(rdmsr(LAPIC_REG.TPR), undefined);
  assert.equal(wrmsr(LAPIC_REG.TPR, 0), false);
  assert.equal(enterX2apic(), true);
  assert.equal(rdmsr(LAPIC_REG.TPR), 0x20n, "the state is kept");
  assert.equal(get(LAPIC_REG.TPR), 0xffffffff);
  put(LAPIC_REG.TPR, 0x50);
  assert.equal(rdmsr(LAPIC_REG.TPR), 0x20n);
  for (const msr of [0x7ff, 0x840, 0x1c, 0]) {
    assert.equal(lapic.readMsr(msr), undefined);
    assert.equal(lapic.writeMsr(msr, 0n), false);
  }
});

Deno.test("Lapic x2APIC identification and logical destination are 32 bits [SDM] 11.12.10.2", () => {
  for (
    const [apicId, ldr] of [[0, 0x00000001n], [5, 0x00000020n], [0x10, 0x00010001n], [
      0x12f,
      0x00128000n,
    ]] as const
  ) {
    const { rdmsr, wrmsr, enterX2apic } = lapicRig({ apicId });
    enterX2apic();
    assert.equal(rdmsr(LAPIC_REG.ID), BigInt(apicId));
    assert.equal(rdmsr(LAPIC_REG.LDR), ldr);
    assert.equal(wrmsr(LAPIC_REG.LDR, 0), false);
    assert.equal(wrmsr(LAPIC_REG.ID, 0), false);
  }
});

type Access = "rw" | "r" | "w" | "";

Deno.test("Lapic x2APIC MSRs are readable and writable as table 11-6 says [SDM] 11.12.1", () => {
  const access = new Map<number, Access>([
    [0x802, "r"],
    [0x803, "r"],
    [0x808, "rw"],
    [0x80a, "r"],
    [0x80b, "w"],
    [0x80d, "r"],
    [0x80f, "rw"],
    [0x828, "rw"],
    [0x830, "rw"],
    [0x832, "rw"],
    [0x833, "rw"],
    [0x834, "rw"],
    [0x835, "rw"],
    [0x836, "rw"],
    [0x837, "rw"],
    [0x838, "rw"],
    [0x839, "r"],
    [0x83e, "rw"],
    [0x83f, "w"],
  ]);
  for (let msr = 0x810; msr <= 0x827; msr++) access.set(msr, "r");
  for (let msr = 0x800; msr <= 0x83f; msr++) {
    const { lapic, enterX2apic } = lapicRig();
    enterX2apic();
    const expected = access.get(msr) ?? "";
    assert.equal(lapic.readMsr(msr) !== undefined, expected.includes("r"), `read ${msr.toString(16)}`);
    assert.equal(lapic.writeMsr(msr, 0n), expected.includes("w"), `write ${msr.toString(16)}`);
  }
});

Deno.test("Lapic x2APIC MSRs refuse reserved bits [SDM] 11.12.1.3", () => {
  const writable: [number, bigint][] = [
    [0x808, 0xffn],
    [0x80b, 0n],
    [0x80f, 0x11ffn],
    [0x828, 0n],
    [0x832, 0x750ffn],
    [0x833, 0x157ffn],
    [0x835, 0x1f7ffn],
    [0x837, 0x150ffn],
    [0x838, 0xffffffffn],
    [0x83e, 0xbn],
    [0x83f, 0xffn],
    [0x830, 0xffffffff_000ccfffn],
  ];
  for (const [msr, mask] of writable) {
    for (let bit = 0n; bit < 64n; bit++) {
      const { lapic, enterX2apic } = lapicRig();
      enterX2apic();
      assert.equal(
        lapic.writeMsr(msr, 1n << bit),
        (mask >> bit & 1n) === 1n,
        `${msr.toString(16)} bit ${bit}`,
      );
    }
  }
});

Deno.test("Lapic ends, counts and errs through x2APIC MSRs", () => {
  const { lapic, fixed, wrmsr, rdmsr, enterX2apic, ended, clock } = lapicRig();
  enterX2apic();
  fixed(0x41, true);
  assert.equal(rdmsr(LAPIC_REG.IRR + 0x20), 2n);
  lapic.acknowledge();
  assert.equal(wrmsr(LAPIC_REG.EOI, 0), true);
  assert.deepEqual(ended, [0x41]);
  wrmsr(LAPIC_REG.DIVIDE, 0xb);
  wrmsr(LAPIC_REG.INITIAL_COUNT, 0xffffffffn);
  clock.advance(0x10);
  assert.equal(rdmsr(LAPIC_REG.CURRENT_COUNT), 0xffffffefn);
  fixed(1);
  wrmsr(LAPIC_REG.ESR, 0);
  assert.equal(rdmsr(LAPIC_REG.ESR), 0x40n);
});

Deno.test("Lapic INIT in x2APIC mode stays in it [SDM] 11.12.5", () => {
  const { lapic, rdmsr, enterX2apic } = lapicRig({ apicId: 0x21 });
  enterX2apic();
  lapic.accept({ vector: 0, delivery: 5, destination: 0, logical: false, level: false, asserted: true });
  lapic.takeInit();
  assert.equal(rdmsr(LAPIC_REG.SVR), 0xffn);
  assert.equal(rdmsr(LAPIC_REG.LDR), 0x00020002n);
});

Deno.test("Lapic left x2APIC mode through disabled and came back empty [SDM] 11.12.5.1", () => {
  const { lapic, get, enterX2apic, wrmsr } = lapicRig();
  enterX2apic();
  wrmsr(LAPIC_REG.SVR, SVR.ENABLE | 0x20);
  lapic.writeMsr(LAPIC_MSR.APIC_BASE, BASE);
  lapic.writeMsr(LAPIC_MSR.APIC_BASE, BASE | BigInt(ENABLE | BSP));
  assert.equal(get(LAPIC_REG.SVR), 0xff);
  assert.equal(get(LAPIC_REG.LDR), 0);
});
