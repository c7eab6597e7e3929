import assert from "node:assert/strict";
import { DELIVERY } from "../../hvm/io/msi.ts";
import { deviceContract } from "../../hvm/testing/device_contract.ts";
import { LAPIC_STATE } from "./lapic_state.ts";
import { APIC_BASE, ESR, LAPIC_MSR, LAPIC_REG, LVT, LVT_INDEX, SVR } from "./lapic_regs.ts";
import { lapicRig, message } from "./_lapic_rig.ts";
import { clearVector, setVector, WORD } from "./lapic_words.ts";

deviceContract("Lapic", {
  build: () => {
    const { lapic, clock } = lapicRig({ enabled: false });
    return { device: lapic, windows: [lapic.window], advance: (ns) => clock.advance(ns) };
  },
  schema: LAPIC_STATE,
});

const LVT_REGS = [0, 1, 2, 3, 4, 5].map((i) => LAPIC_REG.LVT_TIMER + 16 * i);

Deno.test("Lapic registers after power-on [SDM] 11.4.7.1", () => {
  const { get, lapic } = lapicRig({ enabled: false, apicId: 3, bsp: false });
  assert.equal(get(LAPIC_REG.ID), 0x03000000);
  assert.equal(get(LAPIC_REG.VERSION) & 0xff, 0x14);
  assert.equal(get(LAPIC_REG.VERSION) >> 16 & 0xff, LVT_REGS.length - 1, "the highest LVT entry");
  assert.equal(get(LAPIC_REG.SVR), 0xff);
  assert.equal(get(LAPIC_REG.DFR), 0xffffffff);
  for (const reg of LVT_REGS) assert.equal(get(reg), 0x10000);
  const zero = [
    "TPR",
    "PPR",
    "LDR",
    "ESR",
    "ICR_LOW",
    "ICR_HIGH",
    "INITIAL_COUNT",
    "CURRENT_COUNT",
    "DIVIDE",
  ] as const;
  for (const name of zero) assert.equal(get(LAPIC_REG[name]), 0, name);
  for (let i = 0; i < 8; i++) {
    for (const first of [LAPIC_REG.ISR, LAPIC_REG.TMR, LAPIC_REG.IRR]) assert.equal(get(first + 16 * i), 0);
  }
  assert.equal(lapic.apicBase, 0xfee00800n);
  assert.equal(lapicRig().lapic.apicBase, 0xfee00900n, "the boot processor");
});

Deno.test("Lapic takes vectors by priority class, highest first [SDM] 11.8.3", () => {
  const { lapic, fixed, eoi, get } = lapicRig();
  for (const vector of [0x31, 0xfe, 0x40, 0x4f, 0x10]) fixed(vector);
  assert.equal(lapic.highestPending(), 0xfe);
  assert.equal(lapic.acknowledge(), 0xfe);
  assert.equal(lapic.highestPending(), -1, "everything else is of a lower class");
  assert.equal(get(LAPIC_REG.PPR), 0xf0);
  eoi();
  assert.equal(lapic.acknowledge(), 0x4f);
  fixed(0x4e);
  assert.equal(lapic.highestPending(), -1, "of the same class");
  fixed(0x50);
  assert.equal(lapic.acknowledge(), 0x50, "of a higher class: nested");
  eoi();
  assert.equal(lapic.highestPending(), -1);
  eoi();
  assert.equal(lapic.acknowledge(), 0x4e);
});

Deno.test("Lapic holds back what is not above the task priority; CR8 is its class [SDM] 11.8.3.1, 11.8.6", () => {
  const { lapic, fixed, put, get, counts } = lapicRig();
  put(LAPIC_REG.TPR, 0x45);
  assert.equal(lapic.cr8, 4);
  assert.equal(get(LAPIC_REG.PPR), 0x45);
  fixed(0x4f);
  assert.equal(lapic.highestPending(), -1);
  const before = counts.changed;
  lapic.cr8 = 3;
  assert.equal(counts.changed, before + 1, "lowering it may let something in");
  assert.equal(get(LAPIC_REG.TPR), 0x30, "writing CR8 clears the subclass");
  assert.equal(lapic.highestPending(), 0x4f);
  lapic.cr8 = 0xf;
  assert.equal(lapic.highestPending(), -1);
  lapic.cr8 = 0;
  assert.equal(lapic.acknowledge(), 0x4f);
  put(LAPIC_REG.TPR, 0x20);
  assert.equal(get(LAPIC_REG.PPR), 0x40, "what is in service is higher");
  put(LAPIC_REG.TPR, 0x4a);
  assert.equal(get(LAPIC_REG.PPR), 0x4a);
});

Deno.test("Lapic acknowledge without a request gives the spurious vector and serves nothing [SDM] 11.9", () => {
  const { lapic, put, get, fixed } = lapicRig();
  put(LAPIC_REG.SVR, SVR.ENABLE | 0xef);
  assert.equal(lapic.acknowledge(), 0xef);
  fixed(0x40);
  lapic.cr8 = 15;
  assert.equal(lapic.acknowledge(), 0xef);
  for (let i = 0; i < 8; i++) assert.equal(get(LAPIC_REG.ISR + 16 * i), 0);
});

Deno.test("Lapic shows vectors in IRR, ISR and TMR [SDM] 11.8.4", () => {
  const { lapic, get, fixed } = lapicRig();
  for (const vector of [0x10, 0x1f, 0x20, 0x9f, 0xff]) {
    fixed(vector, vector === 0x9f);
    const bit = 2 ** (vector % 32);
    const at = (first: number) => get(first + (vector >> 5) * 16);
    assert.equal(at(LAPIC_REG.IRR), bit);
    assert.equal(lapic.acknowledge(), vector);
    assert.equal(at(LAPIC_REG.IRR), 0);
    assert.equal(at(LAPIC_REG.ISR), bit);
    assert.equal(at(LAPIC_REG.TMR), vector === 0x9f ? bit : 0);
    lapic.window.write(LAPIC_REG.EOI, 4, 0);
    assert.equal(at(LAPIC_REG.ISR), 0);
  }
  fixed(0x9f);
  assert.equal(get(LAPIC_REG.TMR + 0x40), 0, "an edge clears its TMR bit");
});

Deno.test("Lapic tells the end of level-triggered vectors, unless that is suppressed [SDM] 11.8.5", () => {
  const { lapic, fixed, eoi, ended, put } = lapicRig();
  eoi();
  fixed(0x40);
  lapic.acknowledge();
  eoi();
  assert.deepEqual(ended, []);
  fixed(0x41, true);
  lapic.acknowledge();
  eoi();
  assert.deepEqual(ended, [0x41]);
  put(LAPIC_REG.SVR, SVR.ENABLE | SVR.SUPPRESS_EOI | 0xff);
  fixed(0x42, true);
  lapic.acknowledge();
  eoi();
  assert.deepEqual(ended, [0x41]);
});

Deno.test("Lapic refuses vectors below 16 and reports them [SDM] 11.5.2, 11.5.3", () => {
  const { lapic, fixed, put, get, drain } = lapicRig();
  put(LAPIC_REG.LVT_ERROR, 0xee);
  for (const vector of [0, 15]) assert.equal(fixed(vector), false);
  assert.equal(get(LAPIC_REG.ESR), 0, "ESR shows errors only after it is written");
  put(LAPIC_REG.ESR, 0);
  assert.equal(get(LAPIC_REG.ESR), ESR.RECEIVE_ILLEGAL_VECTOR);
  assert.deepEqual(drain(), [0xee]);
  put(LAPIC_REG.ESR, 0);
  assert.equal(get(LAPIC_REG.ESR), 0, "a second write takes up what came since");
  assert.equal(fixed(16), true);
  assert.equal(lapic.highestPending(), 16);
});

Deno.test("Lapic interrupts for the first error only until ESR is written [SDM] 11.5.3", () => {
  const { put, fixed, drain } = lapicRig();
  put(LAPIC_REG.LVT_ERROR, 0xee);
  fixed(0);
  assert.deepEqual(drain(), [0xee]);
  fixed(0);
  assert.deepEqual(drain(), []);
  put(LAPIC_REG.ESR, 0);
  fixed(0);
  assert.deepEqual(drain(), [0xee]);
  put(LAPIC_REG.ESR, 0);
  put(LAPIC_REG.LVT_ERROR, 0x05);
  fixed(0);
  assert.deepEqual(drain(), [], "an illegal vector of the error entry itself does not loop");
});

Deno.test("Lapic reports reserved registers in xAPIC mode, not the old ones [SDM] 11.5.3, table 11-1", () => {
  for (const offset of [0x000, 0x010, 0x040, 0x070, 0x290, 0x2e0, 0x2f0, 0x3a0, 0x3d0, 0x3f0, 0x400, 0xff0]) {
    for (const access of ["read", "write"] as const) {
      const { put, get } = lapicRig();
      if (access === "read") assert.equal(get(offset), 0);
      else put(offset, 0xffffffff);
      put(LAPIC_REG.ESR, 0);
      assert.equal(get(LAPIC_REG.ESR), ESR.ILLEGAL_REGISTER, `${access} ${offset.toString(16)}`);
    }
  }
  const { put, get } = lapicRig();
  for (
    const offset of [LAPIC_REG.APR, LAPIC_REG.RRD, LAPIC_REG.ID, LAPIC_REG.VERSION, LAPIC_REG.CURRENT_COUNT]
  ) {
    get(offset);
    put(offset, 0xffffffff);
  }
  put(LAPIC_REG.ESR, 0);
  assert.equal(get(LAPIC_REG.ESR), 0);
  assert.equal(get(LAPIC_REG.ID), 0, "read only");
});

Deno.test("Lapic registers take their writable bits [SDM] table 11-1", () => {
  const { put, get } = lapicRig();
  const cases: [number, number][] = [
    [LAPIC_REG.TPR, 0x000000ff],
    [LAPIC_REG.LDR, 0xff000000],
    [LAPIC_REG.DFR, 0xffffffff],
    [LAPIC_REG.SVR, 0x000011ff],
    [LAPIC_REG.ICR_HIGH, 0xff000000],
    [LAPIC_REG.LVT_TIMER, 0x000700ff],
    [LAPIC_REG.LVT_THERMAL, 0x000107ff],
    [LAPIC_REG.LVT_PERFORMANCE, 0x000107ff],
    [LAPIC_REG.LVT_LINT0, 0x0001a7ff],
    [LAPIC_REG.LVT_LINT1, 0x0001a7ff],
    [LAPIC_REG.LVT_ERROR, 0x000100ff],
    [LAPIC_REG.DIVIDE, 0x0000000b],
  ];
  for (const [reg, mask] of cases) {
    put(reg, 0xffffffff);
    assert.equal(get(reg), mask, reg.toString(16));
  }
  put(LAPIC_REG.DFR, 0x12345678);
  assert.equal(get(LAPIC_REG.DFR), 0x1fffffff);
  const { put: putWithout, get: getWithout } = lapicRig({ hasTsc: false });
  putWithout(LAPIC_REG.LVT_TIMER, 0xffffffff);
  assert.equal(getWithout(LAPIC_REG.LVT_TIMER), 0x000300ff, "no TSC-deadline mode");
});

Deno.test("Lapic disabled by software takes no vectors, masks its LVT and keeps what is pending [SDM] 11.4.7.2", () => {
  const { lapic, fixed, put, get } = lapicRig();
  fixed(0x40);
  put(LAPIC_REG.LVT_LINT0, DELIVERY.EXT_INT << 8);
  put(LAPIC_REG.SVR, 0xff);
  assert.equal(fixed(0x50), false);
  assert.equal(lapic.takesVectors, false);
  for (const reg of LVT_REGS) assert.equal(get(reg) & LVT.MASKED, LVT.MASKED);
  put(LAPIC_REG.LVT_LINT0, DELIVERY.EXT_INT << 8);
  assert.equal(get(LAPIC_REG.LVT_LINT0) & LVT.MASKED, LVT.MASKED, "and masked they stay");
  assert.equal(lapic.highestPending(), 0x40);
  assert.equal(lapic.accept(message({ delivery: DELIVERY.NMI })), true, "NMI, INIT and start-up are taken");
  assert.equal(lapic.accept(message({ delivery: DELIVERY.INIT })), true);
  put(LAPIC_REG.SVR, SVR.ENABLE | 0xff);
  assert.equal(get(LAPIC_REG.LVT_LINT0) & LVT.MASKED, LVT.MASKED, "enabling does not unmask");
  assert.equal(lapic.takesVectors, true);
});

Deno.test("Lapic takes NMI, INIT and start-up as events [SDM] 11.6.1", () => {
  const { lapic, counts } = lapicRig({ bsp: false, apicId: 1 });
  assert.equal(lapic.waitingForSipi, true, "an application processor waits at power-on");
  assert.equal(lapic.sipiVector, -1);
  lapic.accept(message({ delivery: DELIVERY.NMI, vector: 2 }));
  lapic.accept(message({ delivery: DELIVERY.NMI, vector: 2 }));
  assert.equal(lapic.nmiPending, true);
  assert.equal(lapic.takeNmi(), true);
  assert.equal(lapic.takeNmi(), false, "two NMIs that wait are one");
  const before = counts.changed;
  lapic.accept(message({ delivery: DELIVERY.STARTUP, vector: 0x9a }));
  assert.equal(counts.changed, before + 1);
  assert.equal(lapic.sipiVector, 0x9a);
  assert.equal(lapic.takeSipi(), 0x9a);
  assert.equal(lapic.waitingForSipi, false);
  lapic.accept(message({ delivery: DELIVERY.STARTUP, vector: 0x9b }));
  assert.equal(lapic.takeSipi(), -1, "nobody waits for the second");
  assert.equal(lapic.save().sipiVector, -1, "and it is gone");
  lapic.accept(message({ delivery: DELIVERY.INIT }));
  assert.equal(lapic.initPending, true);
  assert.equal(lapic.sipiVector, -1);
  assert.equal(lapic.takeInit(), true);
  assert.equal(lapic.takeInit(), false);
  assert.equal(lapic.waitingForSipi, true);
});

Deno.test("Lapic forgets a start-up that an INIT follows, and not one that follows it", () => {
  const { lapic } = lapicRig({ bsp: false });
  lapic.accept(message({ delivery: DELIVERY.STARTUP, vector: 0x10 }));
  lapic.accept(message({ delivery: DELIVERY.INIT }));
  lapic.takeInit();
  assert.equal(lapic.sipiVector, -1);
  lapic.accept(message({ delivery: DELIVERY.INIT }));
  lapic.accept(message({ delivery: DELIVERY.STARTUP, vector: 0x11 }));
  lapic.takeInit();
  assert.equal(lapic.takeSipi(), 0x11);
});

Deno.test("Lapic INIT resets it but for identification and base; the boot processor does not wait [SDM] 11.4.7.3", () => {
  const { lapic, put, get, fixed } = lapicRig({ apicId: 5 });
  const fresh = lapicRig({ apicId: 5, enabled: false }).lapic.save();
  put(LAPIC_REG.LDR, 0x02000000);
  put(LAPIC_REG.TPR, 0x10);
  put(LAPIC_REG.INITIAL_COUNT, 1000);
  fixed(0x40);
  lapic.acknowledge();
  lapic.accept(message({ delivery: DELIVERY.INIT }));
  assert.equal(lapic.takeInit(), true);
  assert.deepEqual(lapic.save(), fresh);
  assert.equal(lapic.waitingForSipi, false);
  assert.equal(get(LAPIC_REG.ID), 0x05000000);
});

Deno.test("Lapic drops SMI, reserved modes and de-asserted levels", () => {
  const { lapic } = lapicRig();
  for (const delivery of [DELIVERY.SMI, 3, 8]) assert.equal(lapic.accept(message({ delivery })), false);
  assert.equal(lapic.accept(message({ level: true, asserted: false })), false);
  assert.equal(lapic.accept(message({ delivery: DELIVERY.INIT, level: true, asserted: false })), false);
  assert.equal(lapic.highestPending(), -1);
  assert.equal(lapic.initPending, false);
});

Deno.test("Lapic passes ExtINT of LINT0 by level, and of messages until taken [SDM] 11.5.1", () => {
  const { lapic, put, counts } = lapicRig();
  lapic.lint(0).set(true);
  assert.equal(lapic.extIntPending, false, "masked");
  assert.equal(lapic.acceptsExtInt, false);
  const before = counts.changed;
  put(LAPIC_REG.LVT_LINT0, DELIVERY.EXT_INT << 8);
  assert.ok(counts.changed > before);
  assert.equal(lapic.extIntPending, true);
  assert.equal(lapic.acceptsExtInt, true);
  lapic.takeExtInt();
  assert.equal(lapic.extIntPending, true, "the pin is high still");
  lapic.lint(0).set(false);
  assert.equal(lapic.extIntPending, false);
  lapic.accept(message({ delivery: DELIVERY.EXT_INT }));
  assert.equal(lapic.extIntPending, true);
  lapic.takeExtInt();
  assert.equal(lapic.extIntPending, false);
});

Deno.test("Lapic LINT pins in fixed mode: edges by polarity, LINT0's level until EOI [SDM] 11.5.1", () => {
  const { lapic, put, get, drain, ended, eoi } = lapicRig();
  put(LAPIC_REG.LVT_LINT1, 0x51);
  lapic.lint(1).set(true);
  lapic.lint(1).set(true);
  assert.deepEqual(drain(), [0x51]);
  lapic.lint(1).set(false);
  assert.deepEqual(drain(), []);
  lapic.lint(1).set(true);
  assert.deepEqual(drain(), [0x51]);
  put(LAPIC_REG.LVT_LINT1, 0x52 | LVT.ACTIVE_LOW);
  lapic.lint(1).set(false);
  lapic.lint(1).set(true);
  assert.deepEqual(drain(), [0x52]);

  put(LAPIC_REG.LVT_LINT0, 0x60 | LVT.LEVEL);
  lapic.lint(0).set(true);
  assert.equal(get(LAPIC_REG.LVT_LINT0) & LVT.REMOTE_IRR, LVT.REMOTE_IRR);
  assert.equal(lapic.acknowledge(), 0x60);
  eoi();
  assert.deepEqual(ended, [0x60]);
  assert.equal(lapic.acknowledge(), 0x60, "still high");
  lapic.lint(0).set(false);
  eoi();
  assert.equal(lapic.highestPending(), -1);
  assert.equal(get(LAPIC_REG.LVT_LINT0) & LVT.REMOTE_IRR, 0);
});

Deno.test("Lapic LINT pins as NMI and INIT act at the edge [SDM] 11.5.1", () => {
  const { lapic, put } = lapicRig();
  put(LAPIC_REG.LVT_LINT1, DELIVERY.NMI << 8);
  lapic.lint(1).set(true);
  assert.equal(lapic.takeNmi(), true);
  lapic.lint(1).set(true);
  assert.equal(lapic.nmiPending, false);
  put(LAPIC_REG.LVT_LINT0, DELIVERY.INIT << 8 | LVT.LEVEL);
  lapic.lint(0).set(true);
  assert.equal(lapic.initPending, true);
});

Deno.test("Lapic disabled as a whole: LINT0 is INTR, LINT1 is NMI [SDM] 11.4.3", () => {
  const { lapic, fixed, get, words, counts } = lapicRig();
  fixed(0x40);
  assert.equal(lapic.writeMsr(LAPIC_MSR.APIC_BASE, 0xfee00100n), true);
  assert.equal(lapic.highestPending(), -1);
  setVector(words, WORD.IRR, 0x40);
  assert.equal(lapic.highestPending(), -1, "even when another thread was late to see it");
  assert.equal(lapic.acceptsExtInt, true);
  assert.equal(lapic.matches(message({})), false);
  assert.equal(get(LAPIC_REG.VERSION), 0xffffffff, "nobody answers at its address");
  const before = counts.changed;
  lapic.lint(0).set(true);
  assert.equal(counts.changed, before + 1);
  assert.equal(lapic.extIntPending, true);
  lapic.lint(0).set(false);
  assert.equal(lapic.extIntPending, false);
  lapic.lint(1).set(true);
  assert.equal(lapic.takeNmi(), true);
  assert.equal(lapic.writeMsr(LAPIC_MSR.APIC_BASE, 0xfee00900n), true);
  clearVector(words, WORD.IRR, 0x40);
  assert.equal(lapic.highestPending(), -1, "what it held is lost");
  assert.equal(get(LAPIC_REG.SVR), 0xff);
});

Deno.test("Lapic virtual wire mode is what firmware leaves [MPS] 3.6.2.2", () => {
  const { lapic, get } = lapicRig({ enabled: false });
  lapic.enterVirtualWire();
  assert.equal(get(LAPIC_REG.SVR), 0x1ff);
  assert.equal(get(LAPIC_REG.LVT_LINT0), 0x700);
  assert.equal(get(LAPIC_REG.LVT_LINT1), 0x400);
  lapic.lint(0).set(true);
  assert.equal(lapic.extIntPending, true);
});

Deno.test("Lapic thermal and performance entries interrupt; the latter masks itself [SDM] 11.5.1", () => {
  const { lapic, put, get, drain } = lapicRig();
  put(LAPIC_REG.LVT_THERMAL, 0x71);
  put(LAPIC_REG.LVT_PERFORMANCE, DELIVERY.NMI << 8);
  lapic.raiseLocal("thermal");
  lapic.raiseLocal("thermal");
  assert.deepEqual(drain(), [0x71]);
  lapic.raiseLocal("performance");
  assert.equal(lapic.takeNmi(), true);
  assert.equal(get(LAPIC_REG.LVT_PERFORMANCE), DELIVERY.NMI << 8 | LVT.MASKED);
  lapic.raiseLocal("performance");
  assert.equal(lapic.takeNmi(), false);
});

Deno.test("Lapic window answers at multiples of 16 only", () => {
  const { get, put } = lapicRig();
  put(LAPIC_REG.TPR + 4, 0xff);
  assert.equal(get(LAPIC_REG.TPR), 0);
  assert.equal(get(LAPIC_REG.VERSION + 4), 0);
});

Deno.test("Lapic says where its window is", () => {
  const { lapic, moves } = lapicRig();
  assert.deepEqual(moves, []);
  lapic.writeMsr(LAPIC_MSR.APIC_BASE, 0xfed00900n);
  lapic.writeMsr(LAPIC_MSR.APIC_BASE, 0xfed00d00n);
  lapic.writeMsr(LAPIC_MSR.APIC_BASE, 0xfed00100n);
  lapic.reset();
  assert.deepEqual(moves, [0xfed00000, undefined, undefined, 0xfee00000]);
});

Deno.test("Lapic saves a running picture and takes it up elsewhere", () => {
  const first = lapicRig();
  first.put(LAPIC_REG.LVT_TIMER, 0x33 | 1 << 17);
  first.put(LAPIC_REG.DIVIDE, 0xb);
  first.put(LAPIC_REG.INITIAL_COUNT, 1_000_000);
  first.clock.advance(1_400_000);
  assert.deepEqual(first.drain(), [0x33]);
  first.fixed(0x91, true);
  first.lapic.acknowledge();
  first.fixed(0x92);
  first.lapic.accept(message({ delivery: DELIVERY.NMI }));
  const second = lapicRig({ enabled: false });
  second.clock.advance(123);
  second.lapic.load(first.lapic.save());
  assert.equal(second.lapic.nmiPending, true);
  assert.equal(second.lapic.priority, 0x90);
  second.eoi();
  assert.deepEqual(second.ended, [0x91]);
  assert.deepEqual(second.drain(), [0x92]);
  second.clock.advance(599_999);
  assert.deepEqual(second.drain(), []);
  second.clock.advance(1);
  assert.deepEqual(second.drain(), [0x33]);
  assert.equal(first.lapic.save().lvt[LVT_INDEX.TIMER], 0x33 | 1 << 17);
});

Deno.test("Lapic x2APIC flag cannot be in a state without the enable flag", () => {
  const state = lapicRig().lapic.save();
  assert.equal(LAPIC_STATE.safeParse(state).success, true);
  assert.equal(LAPIC_STATE.safeParse({ ...state, apicBase: 0xfee00000 + APIC_BASE.X2APIC }).success, false);
  assert.equal(LAPIC_STATE.safeParse({ ...state, irr: [1, 0, 0, 0, 0, 0, 0, 0] }).success, false);
});

Deno.test("Lapic needs its words", () => {
  assert.throws(() => lapicRig({ words: new Int32Array(31) }), RangeError);
});
