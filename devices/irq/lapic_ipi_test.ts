import assert from "node:assert/strict";
import { DELIVERY } from "../../hvm/io/msi.ts";
import { lapicRig, message } from "./_lapic_rig.ts";
import type { Lapic } from "./lapic.ts";
import { ApicBus } from "./lapic_ipi.ts";
import { ESR, ICR, LAPIC_REG, SHORTHAND } from "./lapic_regs.ts";
import type { ApicMessage } from "./lapic_words.ts";

const { NONE, SELF, ALL, OTHERS } = SHORTHAND;

/** Four local APICs on a bus, with identifications 0 to 3. */
function machine(count = 4) {
  const lapics: Lapic[] = [];
  const bus = new ApicBus(lapics);
  const rigs = Array.from({ length: count }, (_, apicId) => {
    const rig = lapicRig({ apicId, bsp: apicId === 0, send: (ipi) => void bus.send(ipi) });
    lapics.push(rig.lapic);
    return rig;
  });
  return {
    rigs,
    lapics,
    bus,
    /** Which APICs have a vector to take; it is taken. */
    takers: () =>
      lapics.flatMap((lapic, i) => lapic.highestPending() >= 0 && lapic.acknowledge() >= 0 ? [i] : []),
  };
}

const command = (vector: number, delivery: number, shorthand = 0, more = 0) =>
  vector | delivery << 8 | ICR.ASSERT | shorthand << 18 | more;

Deno.test("Lapic sends what ICR says [SDM] 11.6.1", () => {
  const { put, get, sent } = lapicRig({ apicId: 7 });
  put(LAPIC_REG.ICR_HIGH, 0x83000000);
  put(LAPIC_REG.ICR_LOW, command(0x45, DELIVERY.LOWEST_PRIORITY, NONE, ICR.LOGICAL));
  assert.deepEqual(sent, [{
    vector: 0x45,
    delivery: DELIVERY.LOWEST_PRIORITY,
    destination: 0x83,
    logical: true,
    level: false,
    asserted: true,
    wide: false,
    shorthand: NONE,
    source: 7,
  }]);
  assert.equal(get(LAPIC_REG.ICR_LOW), 0x00004945, "delivery status is idle");
  put(LAPIC_REG.ICR_LOW, 0xfff33000 | 0x30);
  assert.equal(get(LAPIC_REG.ICR_LOW), 0x00000030, "reserved bits read as 0");
});

Deno.test("Lapic x2APIC ICR has a destination of 32 bits in one write [SDM] 11.12.9", () => {
  const { wrmsr, rdmsr, enterX2apic, sent } = lapicRig();
  enterX2apic();
  const value = 0x00012345_00000050n;
  assert.equal(wrmsr(LAPIC_REG.ICR_LOW, value), true);
  assert.equal(rdmsr(LAPIC_REG.ICR_LOW), value);
  assert.deepEqual([sent[0]!.destination, sent[0]!.wide, sent[0]!.vector], [0x12345, true, 0x50]);
});

Deno.test("Lapic refuses to send vectors below 16 [SDM] 11.5.3", () => {
  for (const delivery of [DELIVERY.FIXED, DELIVERY.LOWEST_PRIORITY]) {
    for (const shorthand of [NONE, SELF, ALL, OTHERS]) {
      const { put, get, sent, lapic } = lapicRig();
      put(LAPIC_REG.ICR_LOW, command(15, delivery, shorthand));
      put(LAPIC_REG.ESR, 0);
      assert.equal(get(LAPIC_REG.ESR), ESR.SEND_ILLEGAL_VECTOR);
      assert.deepEqual(sent, []);
      assert.equal(lapic.highestPending(), -1);
    }
  }
});

Deno.test("Lapic sends valid combinations only [SDM] tables 11-3, 11-4", () => {
  const { FIXED, LOWEST_PRIORITY, SMI, NMI, INIT, STARTUP, EXT_INT } = DELIVERY;
  const all = [FIXED, LOWEST_PRIORITY, SMI, NMI, INIT, STARTUP];
  const valid = new Map<number, number[]>([[NONE, all], [OTHERS, all], [ALL, [FIXED]], [SELF, []]]);
  for (const [shorthand, modes] of valid) {
    for (const delivery of [...all, 3, EXT_INT]) {
      const { put, sent } = lapicRig();
      put(LAPIC_REG.ICR_LOW, command(0x40, delivery, shorthand));
      assert.equal(sent.length === 1, modes.includes(delivery), `mode ${delivery} shorthand ${shorthand}`);
    }
  }
});

Deno.test("Lapic keeps the self shorthand and SELF IPI to itself [SDM] 11.6.1, 11.12.11", () => {
  const { put, lapic, sent, drain, enterX2apic, wrmsr, rdmsr } = lapicRig();
  put(LAPIC_REG.ICR_LOW, command(0x40, DELIVERY.FIXED, SELF));
  assert.deepEqual(drain(), [0x40]);
  put(LAPIC_REG.ICR_LOW, command(2, DELIVERY.NMI, SELF));
  assert.equal(lapic.nmiPending, false, "not valid");
  enterX2apic();
  assert.equal(wrmsr(LAPIC_REG.SELF_IPI, 0x41), true);
  assert.deepEqual(drain(), [0x41]);
  assert.equal(rdmsr(LAPIC_REG.ICR_LOW), 0x44402n, "ICR is as it was");
  assert.deepEqual(sent, []);
  wrmsr(LAPIC_REG.SELF_IPI, 5);
  wrmsr(LAPIC_REG.ESR, 0);
  assert.equal(rdmsr(LAPIC_REG.ESR), BigInt(ESR.SEND_ILLEGAL_VECTOR));
});

Deno.test("Lapic sends no INIT level de-assert [SDM] 11.6.1", () => {
  const { put, sent } = lapicRig();
  put(LAPIC_REG.ICR_LOW, 0x0000c500);
  put(LAPIC_REG.ICR_LOW, 0x00008500);
  assert.deepEqual(sent.map(({ delivery, asserted }) => [delivery, asserted]), [[DELIVERY.INIT, true]]);
});

Deno.test("ApicBus delivers by identification and shorthand [SDM] 11.6.2", () => {
  const { rigs, takers } = machine();
  const send = (low: number, destination = 0) => {
    rigs[1]!.put(LAPIC_REG.ICR_HIGH, destination << 24);
    rigs[1]!.put(LAPIC_REG.ICR_LOW, low);
    return takers();
  };
  const fixed = (shorthand: number, vector: number) => command(vector, DELIVERY.FIXED, shorthand);
  assert.deepEqual(send(fixed(NONE, 0x40), 2), [2]);
  assert.deepEqual(send(fixed(NONE, 0x50), 1), [1], "itself, by its identification");
  assert.deepEqual(send(fixed(NONE, 0x60), 9), []);
  assert.deepEqual(send(fixed(NONE, 0x70), 0xff), [0, 1, 2, 3], "broadcast");
  assert.deepEqual(send(fixed(SELF, 0x80)), [1]);
  assert.deepEqual(send(fixed(ALL, 0x90)), [0, 1, 2, 3]);
  assert.deepEqual(send(fixed(OTHERS, 0xa0)), [0, 2, 3]);
});

Deno.test("ApicBus starts application processors [SDM] 9.4", () => {
  const { rigs, lapics } = machine(3);
  rigs[0]!.put(LAPIC_REG.ICR_LOW, command(0, DELIVERY.INIT, OTHERS, ICR.LEVEL));
  assert.deepEqual(lapics.map((lapic) => lapic.initPending), [false, true, true]);
  lapics.forEach((lapic) => lapic.takeInit());
  rigs[0]!.put(LAPIC_REG.ICR_LOW, command(0x99, DELIVERY.STARTUP, OTHERS));
  assert.deepEqual(lapics.map((lapic) => lapic.takeSipi()), [-1, 0x99, 0x99]);
});

const LOGICAL: [string, number, number, number, boolean][] = [
  // name, DFR, LDR, destination, match
  ["flat, one bit", 0xf, 0x02, 0x02, true],
  ["flat, one of many", 0xf, 0x02, 0x07, true],
  ["flat, another", 0xf, 0x02, 0x05, false],
  ["flat, none", 0xf, 0x02, 0x00, false],
  ["flat, broadcast", 0xf, 0x00, 0xff, true],
  ["cluster, same cluster and bit", 0, 0x32, 0x32, true],
  ["cluster, one of its bits", 0, 0x32, 0x3f, true],
  ["cluster, another bit", 0, 0x32, 0x31, false],
  ["cluster, another cluster", 0, 0x32, 0x22, false],
  ["cluster, broadcast", 0, 0x32, 0xff, true],
  ["no such model", 5, 0x02, 0x02, false],
];

Deno.test("Lapic matches logical destinations in flat and cluster model [SDM] 11.6.2.2", () => {
  for (const [name, model, ldr, destination, expected] of LOGICAL) {
    const { lapic, put } = lapicRig({ apicId: 9 });
    put(LAPIC_REG.DFR, model << 28 | 0x0fffffff);
    put(LAPIC_REG.LDR, ldr << 24);
    assert.equal(lapic.matches(message({ logical: true, destination })), expected, name);
  }
});

Deno.test("Lapic matches physical destinations in both modes [SDM] 11.6.2.1, 11.12.10", () => {
  const cases: [number, boolean, Partial<ApicMessage>, boolean][] = [
    // identification, x2APIC mode, message, match
    [3, false, { destination: 3 }, true],
    [3, false, { destination: 2 }, false],
    [3, false, { destination: 0xff }, true],
    [0x103, false, { destination: 3 }, true],
    [3, true, { destination: 3 }, true],
    [3, true, { destination: 0xff }, true],
    [3, true, { destination: 0xff, wide: true }, false],
    [0xff, true, { destination: 0xff, wide: true }, true],
    [3, true, { destination: 0xffffffff, wide: true }, true],
    [0x103, true, { destination: 0x103, wide: true }, true],
    [0x103, true, { destination: 3, wide: true }, false],
    [3, true, { destination: 0x8, logical: true }, true],
    [3, true, { destination: 0x7, logical: true, wide: true }, false],
    [0x103, true, { destination: 0x00100008, logical: true, wide: true }, true],
    [0x103, true, { destination: 0x00110008, logical: true, wide: true }, false],
    [0xffff0, true, { destination: 0xffff0001 | 0, logical: true, wide: true }, true],
  ];
  for (const [apicId, x2apic, parts, expected] of cases) {
    const { lapic, enterX2apic } = lapicRig({ apicId });
    if (x2apic) enterX2apic();
    assert.equal(lapic.matches(message(parts)), expected, JSON.stringify([apicId, x2apic, parts]));
  }
});

Deno.test("ApicBus gives lowest-priority messages to one of least priority, equals in turn [SDM] 11.6.2.4", () => {
  const { rigs, bus, takers, lapics } = machine();
  const send = (destination = 0xff) =>
    bus.send(message({ delivery: DELIVERY.LOWEST_PRIORITY, destination, vector: 0x40 }));
  lapics[0]!.cr8 = 3;
  lapics[2]!.cr8 = 3;
  const order = [];
  for (let i = 0; i < 4; i++) {
    assert.equal(send(), true);
    order.push(...takers());
    rigs.forEach((rig) => rig.eoi());
  }
  assert.deepEqual(order, [1, 3, 1, 3]);
  rigs[1]!.put(LAPIC_REG.SVR, 0xff);
  rigs[3]!.put(LAPIC_REG.SVR, 0xff);
  assert.equal(send(), true);
  assert.deepEqual(takers(), [0], "APICs disabled by software do not take part");
  assert.equal(send(7), false);
});

Deno.test("ApicBus tells whether a message was taken", () => {
  const { bus, rigs } = machine(1);
  assert.equal(bus.send(message({})), true);
  assert.equal(bus.send(message({ destination: 5 })), false);
  rigs[0]!.put(LAPIC_REG.SVR, 0xff);
  assert.equal(bus.send(message({})), false);
});
