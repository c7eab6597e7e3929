import assert from "node:assert/strict";
import { deviceContract } from "../../hvm/testing/device_contract.ts";
import { FakeClock, RecordedLine } from "../../hvm/testing/rig.ts";
import { PIIX4_REG, Piix4Pm, PM_REG as REG, PMCNTRL, PMEN, PMSTS } from "./piix4_pm.ts";
import { PIIX4_PM_STATE } from "./piix4_pm_state.ts";

function rig(options: { gpeOffset?: number } = {}) {
  const clock = new FakeClock();
  const sci = new RecordedLine();
  const places: (number | undefined)[] = [];
  let offs = 0;
  const pm = new Piix4Pm({
    id: "pm",
    clock,
    sci,
    powerOff: () => offs++,
    place: (base) => {
      if (base !== places.at(-1)) places.push(base);
    },
    ...options,
  });
  return {
    pm,
    clock,
    sci,
    places,
    offs: () => offs,
    put: (at: number, value: number) => pm.block.write(at, 2, value),
    get: (at: number) => pm.block.read(at, 2),
    smi: (value: number) => pm.smiPorts.write(0, 1, value),
  };
}

/** ACPI switched on by the operating system. */
function enabled(options: { gpeOffset?: number } = {}) {
  const r = rig(options);
  r.smi(0xf1);
  return r;
}

deviceContract("Piix4Pm", {
  build: () => {
    const { pm, clock } = rig();
    return { device: pm, windows: [pm.block, pm.smiPorts, pm.config], advance: (ns) => clock.advance(ns) };
  },
  schema: PIIX4_PM_STATE,
});

Deno.test("Piix4Pm header and reset values [PIIX4] configuration registers", () => {
  const { config } = rig().pm;
  assert.equal(config.read(0x00, 4), 0x71138086);
  assert.equal(config.read(0x04, 4), 0x02800000);
  assert.equal(config.read(0x0a, 2), 0x0680);
  assert.equal(config.read(PIIX4_REG.PMBASE, 4), 0x00000001);
  assert.equal(config.read(PIIX4_REG.PMREGMISC, 1), 0x00);
});

Deno.test("Piix4Pm block is where PMBASE says while PMIOSE is set [PIIX4] PMBASE, PMREGMISC", () => {
  const { pm, places } = rig();
  pm.config.write(PIIX4_REG.PMBASE, 4, 0x00000601);
  assert.deepEqual(places, []);
  pm.config.write(PIIX4_REG.PMREGMISC, 1, 1);
  pm.config.write(PIIX4_REG.PMBASE, 4, 0xffffffff);
  pm.config.write(PIIX4_REG.PMREGMISC, 1, 0);
  assert.deepEqual(places, [0x600, 0xffc0, undefined]);
  assert.equal(pm.config.read(PIIX4_REG.PMBASE, 4), 0x0000ffc1);
});

Deno.test("Piix4Pm turns ACPI on and off at the SMI command port [ACPI] 4.8.2.5", () => {
  const { get, smi, pm } = rig();
  assert.equal(get(REG.PMCNTRL) & PMCNTRL.SCI_EN, 0);
  smi(0xf1);
  assert.equal(get(REG.PMCNTRL) & PMCNTRL.SCI_EN, 1);
  smi(0x55);
  assert.equal(get(REG.PMCNTRL) & PMCNTRL.SCI_EN, 1);
  assert.equal(pm.smiPorts.read(0, 1), 0x55);
  smi(0xf0);
  assert.equal(get(REG.PMCNTRL) & PMCNTRL.SCI_EN, 0);
  pm.smiPorts.write(1, 1, 0x77);
  assert.equal(pm.smiPorts.read(1, 1), 0x77);
});

Deno.test("Piix4Pm power button raises the SCI when enabled, until its status is cleared [ACPI] 4.8.3.1", () => {
  const { pm, put, get, sci } = enabled();
  pm.pressPowerButton();
  assert.equal(get(REG.PMSTS), PMSTS.POWER_BUTTON);
  assert.ok(!sci.level);
  put(REG.PMEN, PMEN.POWER_BUTTON);
  assert.ok(sci.level);
  put(REG.PMSTS, 0);
  assert.ok(sci.level);
  put(REG.PMSTS, PMSTS.POWER_BUTTON);
  assert.ok(!sci.level);
  assert.equal(get(REG.PMSTS), 0);
});

Deno.test("Piix4Pm gives no SCI while ACPI is off", () => {
  const { pm, put, sci, smi } = rig();
  put(REG.PMEN, PMEN.POWER_BUTTON);
  pm.pressPowerButton();
  assert.ok(!sci.level);
  smi(0xf1);
  assert.ok(sci.level);
  smi(0xf0);
  assert.ok(!sci.level);
});

Deno.test("Piix4Pm status bits cannot be set by the guest, enables keep theirs [PIIX4] PMSTS, PMEN", () => {
  const { pm, put, get } = rig();
  put(REG.PMSTS, 0xffff);
  assert.equal(get(REG.PMSTS), 0);
  put(REG.PMEN, 0xffff);
  assert.equal(get(REG.PMEN), 0x0521);
  assert.equal(pm.block.read(0, 4), 0x05210000);
});

Deno.test("Piix4Pm timer counts 24 bits at 3.579545 MHz, at every width [PIIX4] PMTMR", () => {
  const { pm, clock } = rig();
  clock.advance(1_000_000_000);
  assert.equal(pm.block.read(REG.PMTMR, 4), 0x369e99);
  assert.equal(pm.block.read(REG.PMTMR, 2), 0x9e99);
  assert.equal(pm.block.read(REG.PMTMR + 2, 2), 0x0036);
  assert.equal(pm.block.read(REG.PMTMR + 2, 1), 0x36);
  assert.equal(pm.block.read(REG.PMTMR + 3, 1), 0);
  pm.block.write(REG.PMTMR, 4, 0);
  assert.equal(pm.block.read(REG.PMTMR, 4), 0x369e99);
});

Deno.test("Piix4Pm timer status is set when bit 23 toggles, the SCI with it [ACPI] 4.8.2.1", () => {
  const { put, get, sci, clock } = enabled();
  clock.advance(2_300_000_000);
  assert.equal(get(REG.PMSTS), 0);
  clock.advance(100_000_000);
  assert.equal(get(REG.PMSTS), PMSTS.TIMER);
  assert.equal(clock.deadline(), Infinity, "nobody waits for it");
  put(REG.PMSTS, PMSTS.TIMER);
  put(REG.PMEN, PMEN.TIMER);
  assert.ok(!sci.level);
  clock.advance(2_400_000_000);
  assert.ok(sci.level);
  put(REG.PMSTS, PMSTS.TIMER);
  assert.ok(!sci.level);
  clock.advance(2_400_000_000);
  assert.equal(sci.rises, 2);
});

Deno.test("Piix4Pm clears an overflow nobody had looked at yet", () => {
  const { put, get, clock } = enabled();
  clock.advance(2_400_000_000);
  put(REG.PMSTS, PMSTS.TIMER);
  assert.equal(get(REG.PMSTS), 0);
});

for (const gpeOffset of [REG.GPSTS, 0x20]) {
  Deno.test(`Piix4Pm general purpose events at ${gpeOffset.toString(16)}h raise the SCI [ACPI] 4.8.4.1`, () => {
    const { pm, put, get, sci } = enabled({ gpeOffset });
    for (let event = 0; event < 16; event++) {
      pm.raiseGpe(event);
      assert.equal(get(gpeOffset), 1 << event);
      assert.ok(!sci.level);
      put(gpeOffset + 2, 1 << event);
      assert.ok(sci.level);
      put(gpeOffset, 1 << event);
      assert.ok(!sci.level);
      put(gpeOffset + 2, 0);
    }
  });
}

Deno.test("Piix4Pm powers off when sleep enable is written with soft off [PIIX4] PMCNTRL", () => {
  for (const write of ["word", "byte", "double word"] as const) {
    const { pm, offs, get } = enabled();
    if (write === "word") pm.block.write(REG.PMCNTRL, 2, PMCNTRL.SLEEP_ENABLE | 1);
    if (write === "byte") pm.block.write(REG.PMCNTRL + 1, 1, PMCNTRL.SLEEP_ENABLE >> 8);
    if (write === "double word") pm.block.write(REG.PMCNTRL, 4, PMCNTRL.SLEEP_ENABLE | 1);
    assert.equal(offs(), 1, write);
    assert.equal(get(REG.PMCNTRL), 1, "sleep enable reads as 0");
  }
});

Deno.test("Piix4Pm does not power off for a sleep type alone, nor for writes beside the control register", () => {
  const { pm, put, offs } = enabled();
  put(REG.PMCNTRL, 5 << 10);
  put(REG.PMCNTRL, 0);
  pm.block.write(0x00, 4, 0xffffffff);
  pm.block.write(REG.PMCNTRL, 1, 0xff);
  pm.block.write(REG.PMCNTRL + 2, 2, 0xffff);
  pm.block.write(REG.PMTMR, 4, 0xffffffff);
  assert.equal(offs(), 0);
});

Deno.test("Piix4Pm wakes at once from the other sleep types [ACPI] 4.8.3.1.1", () => {
  const { put, get, offs } = enabled();
  put(REG.PMCNTRL, PMCNTRL.SLEEP_ENABLE | 1 << 10 | 1);
  assert.equal(offs(), 0);
  assert.equal(get(REG.PMSTS), PMSTS.WAKE);
  put(REG.PMSTS, PMSTS.WAKE);
  assert.equal(get(REG.PMSTS), 0);
});

Deno.test("Piix4Pm notes the RTC's alarm [ACPI] 4.8.2.4", () => {
  const { pm, put, get, sci } = enabled();
  put(REG.PMEN, PMEN.RTC);
  pm.rtcAlarm();
  assert.equal(get(REG.PMSTS), PMSTS.RTC);
  assert.ok(sci.level);
});

Deno.test("Piix4Pm loads its SCI and its place, and does not power off", () => {
  const first = enabled();
  first.pm.config.write(PIIX4_REG.PMBASE, 4, 0x601);
  first.pm.config.write(PIIX4_REG.PMREGMISC, 1, 1);
  first.put(REG.PMEN, PMEN.POWER_BUTTON);
  first.pm.pressPowerButton();
  const second = rig();
  second.pm.load(first.pm.save());
  assert.ok(second.sci.level);
  assert.deepEqual(second.places, [0x600]);
  assert.equal(second.offs(), 0);
});
