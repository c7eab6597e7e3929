import assert from "node:assert/strict";
import { deviceContract } from "../../hvm/testing/device_contract.ts";
import { FakeClock, RecordedLine } from "../../hvm/testing/rig.ts";
import { rtcRegisters } from "./_rtc_rig.ts";
import { Rtc } from "./rtc.ts";
import { INDEX_NMI_DISABLE, RTC_A, RTC_B, RTC_C, RTC_D, RTC_REG } from "./rtc_regs.ts";
import { RTC_STATE } from "./rtc_state.ts";

/** Friday 2024-02-23 23:59:57.250 UTC. */
const EPOCH_MS = 1_708_732_797_250;

/** 1999-12-31 23:59:59 UTC. */
const END_OF_CENTURY_MS = 946_684_799_000;

function rig(options: { clock?: FakeClock; epochMs?: number; cmos?: Uint8Array } = {}) {
  const clock = options.clock ?? new FakeClock();
  const irq = new RecordedLine();
  const nmiDisable = new RecordedLine();
  const { cmos } = options;
  const rtc = new Rtc({
    clock,
    epochMs: options.epochMs ?? EPOCH_MS,
    irq,
    nmiDisable,
    ...(cmos === undefined ? {} : { cmos }),
  });
  const { put, get } = rtcRegisters(rtc);
  const time = () =>
    [RTC_REG.HOURS, RTC_REG.MINUTES, RTC_REG.SECONDS].map((reg) => get(reg).toString(16).padStart(2, "0"))
      .join(":");
  const date = () =>
    [RTC_REG.CENTURY, RTC_REG.YEAR, RTC_REG.MONTH, RTC_REG.DAY, RTC_REG.DAY_OF_WEEK]
      .map((reg) => get(reg).toString(16).padStart(2, "0")).join(" ");
  return { rtc, clock, irq, nmiDisable, put, get, time, date };
}

deviceContract("Rtc", {
  build: () => {
    const { rtc, clock } = rig();
    return { device: rtc, windows: [rtc.ports, rtc.extendedPorts], advance: (ns) => clock.advance(ns) };
  },
  schema: RTC_STATE,
});

Deno.test("Rtc shows the host's time in BCD and 24-hour form, in step with its seconds", () => {
  const { time, date, clock, get } = rig();
  assert.equal(time(), "23:59:57");
  assert.equal(date(), "20 24 02 23 06");
  clock.advance(749_999_999);
  assert.equal(time(), "23:59:57");
  clock.advance(1);
  assert.equal(time(), "23:59:58");
  clock.advance(2_000_000_000);
  assert.equal(time(), "00:00:00");
  assert.equal(date(), "20 24 02 24 07");
  assert.equal(get(RTC_REG.A), 0x26);
  assert.equal(get(RTC_REG.B), RTC_B.H24);
  assert.equal(get(RTC_REG.D), RTC_D.VRT);
});

Deno.test("Rtc sets UIP 244 us before the 1984 us of an update [146818] table 6", () => {
  const { clock, get } = rig();
  clock.advance(750_000_000 - 2_228_000 - 1);
  assert.equal(get(RTC_REG.A) & RTC_A.UIP, 0);
  clock.advance(1);
  assert.equal(get(RTC_REG.A) & RTC_A.UIP, RTC_A.UIP);
  clock.advance(2_228_000 - 1);
  assert.equal(get(RTC_REG.A) & RTC_A.UIP, RTC_A.UIP);
  assert.equal(get(RTC_REG.C) & RTC_C.UF, 0);
  clock.advance(1);
  assert.equal(get(RTC_REG.A) & RTC_A.UIP, 0);
  assert.equal(get(RTC_REG.C) & RTC_C.UF, RTC_C.UF);
});

Deno.test('Rtc stands still while SET is set, and keeps its phase [146818] "Register B"', () => {
  const { put, get, time, clock } = rig();
  put(RTC_REG.B, RTC_B.SET | RTC_B.UIE | RTC_B.H24);
  assert.equal(get(RTC_REG.B), RTC_B.SET | RTC_B.H24, "SET clears UIE");
  clock.advance(10e9);
  assert.equal(time(), "23:59:57");
  assert.equal(get(RTC_REG.C) & RTC_C.UF, 0);
  put(RTC_REG.HOURS, 0x07);
  put(RTC_REG.MINUTES, 0x08);
  put(RTC_REG.SECONDS, 0x09);
  clock.advance(0.749e9);
  assert.equal(get(RTC_REG.A) & RTC_A.UIP, 0, "no update, no UIP");
  put(RTC_REG.B, RTC_B.H24);
  assert.equal(time(), "07:08:09");
  clock.advance(0.001e9);
  assert.equal(time(), "07:08:10");
});

Deno.test("Rtc begins an update 500 ms after the divider is released [146818] table 4", () => {
  const { put, get, time, clock } = rig();
  put(RTC_REG.A, 0x76);
  clock.advance(60e9);
  assert.equal(time(), "23:59:57");
  put(RTC_REG.SECONDS, 0x30);
  put(RTC_REG.A, 0x26);
  clock.advance(500_000_000 - 244_000 - 1);
  assert.equal(get(RTC_REG.A), 0x26);
  clock.advance(1);
  assert.equal(get(RTC_REG.A), 0x26 | RTC_A.UIP);
  clock.advance(244_000 + 1_984_000 - 1);
  assert.equal(time(), "23:59:30");
  clock.advance(1);
  assert.equal(time(), "23:59:31");
  clock.advance(29e9);
  assert.equal(get(RTC_REG.DAY), 0x24);
});

Deno.test('Rtc keeps the time bytes as they are when the format changes [146818] "Register B"', () => {
  const { put, get, clock } = rig();
  put(RTC_REG.B, RTC_B.H24 | RTC_B.DM);
  assert.equal(get(RTC_REG.SECONDS), 0x57);
  clock.advance(0.75e9);
  assert.equal(get(RTC_REG.SECONDS), 0x58 % 60, "88 is brought into range at the next update");
});

Deno.test("Rtc gives back what was written until the next update", () => {
  const { put, get, clock } = rig();
  put(RTC_REG.SECONDS, 0x5b);
  assert.equal(get(RTC_REG.SECONDS), 0x5b);
  clock.advance(0.75e9);
  const seconds = get(RTC_REG.SECONDS);
  assert.ok((seconds & 15) < 10 && seconds < 0x60, seconds.toString(16));
});

Deno.test("Rtc counts the century byte on", () => {
  const { time, date, clock } = rig({ epochMs: END_OF_CENTURY_MS });
  assert.equal(date(), "19 99 12 31 06");
  clock.advance(1e9);
  assert.equal(time(), "00:00:00");
  assert.equal(date(), "20 00 01 01 07");
});

const RATES: [number, number][] = [
  [1, 3_906_250],
  [2, 7_812_500],
  [3, 122_070.3125],
  [4, 244_140.625],
  [5, 488_281.25],
  [6, 976_562.5],
  [7, 1_953_125],
  [8, 3_906_250],
  [9, 7_812_500],
  [10, 15_625_000],
  [11, 31_250_000],
  [12, 62_500_000],
  [13, 125_000_000],
  [14, 250_000_000],
  [15, 500_000_000],
];

Deno.test("Rtc interrupts at each periodic rate [146818] table 5", () => {
  for (const [rate, period] of RATES) {
    const { put, get, irq, clock } = rig();
    put(RTC_REG.A, 0x70 | rate);
    put(RTC_REG.B, RTC_B.H24 | RTC_B.PIE);
    put(RTC_REG.A, 0x20 | rate);
    for (let i = 1; i <= 9; i++) {
      clock.advance(Math.ceil(period * i) - 1 - clock.now());
      assert.equal(irq.level, false, `rate ${rate} tick ${i}`);
      clock.advance(1);
      assert.equal(irq.level, true, `rate ${rate} tick ${i}`);
      const c = get(RTC_REG.C);
      assert.equal(c & (RTC_C.PF | RTC_C.IRQF), RTC_C.PF | RTC_C.IRQF);
      assert.equal(irq.level, false, "reading C clears it");
    }
  }
});

Deno.test('Rtc sets flags without interrupts when they are not enabled; rate 0 is off [146818] "Register C"', () => {
  const { put, get, irq, clock } = rig();
  clock.advance(0.8e9);
  assert.equal(get(RTC_REG.C), RTC_C.PF | RTC_C.UF);
  assert.equal(get(RTC_REG.C), 0);
  put(RTC_REG.A, 0x20);
  clock.advance(1e9);
  assert.equal(get(RTC_REG.C), RTC_C.UF);
  assert.equal(irq.rises, 0);
  assert.equal(clock.deadline(), Infinity, "no timer for what nobody sees");
});

Deno.test('Rtc asserts its interrupt when a set flag becomes enabled [146818] "Register B"', () => {
  const { put, get, irq, clock } = rig();
  clock.advance(0.8e9);
  put(RTC_REG.B, RTC_B.H24 | RTC_B.UIE);
  assert.equal(irq.level, true);
  put(RTC_REG.B, RTC_B.H24);
  assert.equal(irq.level, false);
  put(RTC_REG.B, RTC_B.H24 | RTC_B.UIE);
  assert.equal(get(RTC_REG.C), RTC_C.IRQF | RTC_C.UF | RTC_C.PF);
});

Deno.test('Rtc interrupts at the end of each update [146818] "Update-Ended Interrupt"', () => {
  const { put, get, irq, clock } = rig();
  put(RTC_REG.B, RTC_B.H24 | RTC_B.UIE);
  clock.advance(0.75e9 - 1);
  assert.equal(irq.level, false);
  for (let i = 0; i < 5; i++) {
    clock.advance(1);
    assert.equal(irq.level, true);
    get(RTC_REG.C);
    clock.advance(1e9 - 1);
    assert.equal(irq.level, false);
  }
});

Deno.test('Rtc alarms once a day, or each hour, minute, second with wildcards [146818] "Alarm Interrupt"', () => {
  const cases: [string, [number, number, number], number, number][] = [
    ["daily", [0x01, 0x00, 0x00], 4, 86_400],
    ["hourly", [0x01, 0x00, 0xc0], 4, 3600],
    ["each minute", [0x30, 0xff, 0xc5], 33, 60],
    ["each second", [0xc0, 0xc0, 0xc0], 1, 1],
  ];
  for (const [name, alarm, first, period] of cases) {
    const { put, get, irq, clock } = rig();
    put(RTC_REG.SECONDS_ALARM, alarm[0]);
    put(RTC_REG.MINUTES_ALARM, alarm[1]);
    put(RTC_REG.HOURS_ALARM, alarm[2]);
    put(RTC_REG.B, RTC_B.H24 | RTC_B.AIE);
    // The first update is 750 ms away.
    clock.advance((first - 1) * 1e9 + 0.75e9 - 1);
    for (let i = 0; i < 3; i++) {
      assert.equal(irq.level, false, `${name} ${i}`);
      clock.advance(1);
      assert.equal(irq.level, true, `${name} ${i}`);
      assert.equal(get(RTC_REG.C) & (RTC_C.AF | RTC_C.IRQF), RTC_C.AF | RTC_C.IRQF);
      clock.advance(period * 1e9 - 1);
    }
  }
});

Deno.test("Rtc sets AF without looking every second", () => {
  const { put, get, clock } = rig();
  put(RTC_REG.SECONDS_ALARM, 0x10);
  put(RTC_REG.MINUTES_ALARM, 0x00);
  put(RTC_REG.HOURS_ALARM, 0x01);
  clock.advance(3600e9);
  assert.equal(get(RTC_REG.C) & RTC_C.AF, 0);
  clock.advance(20e9);
  assert.equal(get(RTC_REG.C) & RTC_C.AF, RTC_C.AF);
});

Deno.test('Rtc resetPin turns interrupts off and leaves time and RAM [146818] "RESET"', () => {
  const { rtc, put, get, time, irq, clock } = rig();
  put(0x0f, 0x0a);
  put(RTC_REG.B, 0x7a);
  clock.advance(2e9);
  assert.equal(irq.level, true);
  rtc.resetPin();
  assert.equal(irq.level, false);
  assert.equal(get(RTC_REG.B), RTC_B.H24);
  assert.equal(get(RTC_REG.C), 0);
  assert.equal(get(0x0f), 0x0a);
  assert.equal(time(), "23:59:59");
});

Deno.test("Rtc keeps the board's CMOS bytes and both banks apart", () => {
  const cmos = new Uint8Array(256).map((_, i) => i);
  const { rtc, put, get } = rig({ cmos });
  for (const index of [0x0e, 0x0f, 0x31, 0x33, 0x7f]) assert.equal(get(index), index);
  assert.equal(get(RTC_REG.D), RTC_D.VRT);
  rtc.extendedPorts.write(0, 1, 0x0e);
  assert.equal(rtc.extendedPorts.read(1, 1), 0x8e);
  rtc.extendedPorts.write(1, 1, 0x55);
  put(0x0e, 0xaa);
  assert.equal(rtc.extendedPorts.read(1, 1), 0x55);
  assert.equal(get(0x0e), 0xaa);
  rtc.reset();
  assert.equal(get(0x0e), 0x0e);
});

Deno.test("Rtc ignores writes to C, D and UIP [146818] registers", () => {
  const { put, get } = rig();
  put(RTC_REG.C, 0xff);
  put(RTC_REG.D, 0);
  put(RTC_REG.A, 0xa6);
  assert.equal(get(RTC_REG.C), 0);
  assert.equal(get(RTC_REG.D), RTC_D.VRT);
  assert.equal(get(RTC_REG.A), 0x26);
});

Deno.test("Rtc index port disables NMI by its bit 7 [PIIX3]", () => {
  const { rtc, nmiDisable, get } = rig();
  assert.equal(nmiDisable.level, true, "disabled at reset");
  get(0);
  assert.equal(nmiDisable.level, false);
  rtc.ports.write(0, 1, INDEX_NMI_DISABLE | RTC_REG.D);
  assert.equal(nmiDisable.level, true);
  assert.equal(rtc.ports.read(1, 1), RTC_D.VRT);
});

Deno.test("Rtc follows the host's calendar across a save, with what the guest set", () => {
  const first = rig();
  first.put(RTC_REG.HOURS, 0x12);
  first.put(RTC_REG.B, RTC_B.H24 | RTC_B.UIE);
  first.clock.advance(5.5e9);
  assert.equal(first.time(), "13:00:02");
  const state = first.rtc.save();
  // An hour later by the host's calendar, in a machine whose clock has just begun.
  const later = rig({ epochMs: EPOCH_MS + 5500 + 3_600_000 });
  later.rtc.load(state);
  assert.equal(later.time(), "14:00:02");
  assert.equal(later.irq.level, true, "what was pending still is");
  later.get(RTC_REG.C);
  later.clock.advance(0.25e9 - 1);
  assert.equal(later.irq.level, false);
  later.clock.advance(1);
  assert.equal(later.irq.level, true);
  assert.equal(later.time(), "14:00:03");
});

Deno.test('Rtc takes over a battery: time and RAM go on, interrupts are off and no line moves [146818] "RESET"', () => {
  const first = rig();
  first.put(0x40, 0x5a);
  first.put(RTC_REG.HOURS, 0x07);
  first.put(RTC_REG.B, RTC_B.UIE | RTC_B.AIE | RTC_B.PIE | RTC_B.H24);
  first.clock.advance(2e9);
  assert.equal(first.irq.level, true);
  const before = first.time();
  const second = rig({ epochMs: EPOCH_MS + 3000 });
  second.rtc.loadBattery(first.rtc.save());
  assert.deepEqual(second.irq.changes, []);
  assert.equal(before, "07:59:59");
  assert.equal(second.time(), "08:00:00", "a second later by the host's calendar");
  assert.equal(second.get(0x40), 0x5a);
  assert.equal(second.get(RTC_REG.B), RTC_B.H24);
  assert.equal(second.get(RTC_REG.C), 0);
});
