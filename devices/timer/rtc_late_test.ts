import assert from "node:assert/strict";
import fc from "fast-check";
import type { Clock } from "../../hvm/base/clock.ts";
import { type LineLog, runLockstep } from "../../hvm/testing/lockstep.ts";
import { MovingClock, RecordedLine } from "../../hvm/testing/rig.ts";
import { lateSteps } from "../late_steps_rig.ts";
import { rtcRegisters } from "./_rtc_rig.ts";
import { Rtc } from "./rtc.ts";
import { DIVIDER, RTC_A, RTC_B, RTC_C, RTC_REG } from "./rtc_regs.ts";

const RUN = DIVIDER.RUN_32K << 4;

/** 2024-02-23 23:59:57.250 UTC. */
const EPOCH_MS = 1_708_732_797_250;

function rig(clock: Clock, irq: { set(level: boolean): void }, epochMs = EPOCH_MS) {
  const rtc = new Rtc({ clock, epochMs, irq });
  const { put, get } = rtcRegisters(rtc);
  return { rtc, put, get };
}

/** Every register is written and read; rates are slow enough for the steps. */
function subject(clock: Clock, log: LineLog) {
  const { rtc, put, get } = rig(clock, log.line("irq"));
  const access = (word: number): unknown => {
    const argument = word >>> 8;
    switch (word % 8) {
      case 0:
        return put(RTC_REG.A, ((argument & 0x70) === 0 ? DIVIDER.RESET << 4 : RUN) | argument & 0x0f);
      case 1:
        return put(RTC_REG.B, argument & ((argument & 0x300) === 0 ? 0xff : 0x7f));
      case 2:
      case 3:
        return get(RTC_REG.C);
      case 4:
        return get(argument % 0x0e);
      case 5:
        return put(argument % 0x0a, argument >>> 4 & 0x1f);
      case 6:
        return put([1, 3, 5][argument % 3]!, 0xff);
      default:
        return get(RTC_REG.A);
    }
  };
  return { device: rtc, access };
}

Deno.test("Rtc loses and doubles no interrupt on a late host, and shows the same time", () => {
  for (const longestNs of [2_000_000, 1_500_000_000]) {
    fc.assert(fc.property(lateSteps(), ({ tickNs, steps }) => {
      runLockstep({ build: subject, longestNs }, tickNs, steps);
    }));
  }
});

Deno.test('Rtc raises what is due before C is read and A and B are written [146818] "Register C"', () => {
  const changes: ((rtc: ReturnType<typeof rig>) => void)[] = [
    ({ get }) => assert.equal(get(RTC_REG.C), RTC_C.IRQF | RTC_C.PF),
    ({ put }) => put(RTC_REG.A, RUN),
    ({ put }) => put(RTC_REG.A, DIVIDER.RESET << 4 | 6),
    ({ put }) => put(RTC_REG.B, RTC_B.H24),
    ({ rtc }) => rtc.resetPin(),
  ];
  for (const change of changes) {
    const clock = new MovingClock(1000);
    const irq = new RecordedLine();
    const subject = rig(clock, irq);
    subject.put(RTC_REG.B, RTC_B.PIE | RTC_B.H24);
    clock.pass(1_000_000);
    change(subject);
    assert.equal(irq.rises, 1, String(change));
    clock.run();
    assert.equal(irq.rises, 1, String(change));
  }
});

Deno.test('Rtc loses no periodic tick when its rate is written again at every moment [146818] "Register A"', () => {
  const clock = new MovingClock(100_000);
  const irq = new RecordedLine();
  const { put, get } = rig(clock, irq);
  put(RTC_REG.B, RTC_B.PIE | RTC_B.H24);
  const start = clock.time;
  for (let i = 0; i < 5000; i++) {
    put(RTC_REG.A, RUN | 6);
    get(RTC_REG.C);
  }
  const due = (clock.time - start) / (1e9 / 1024);
  assert.ok(Math.abs(irq.rises - due) <= 2, `${irq.rises} of ${due}`);
});

Deno.test("Rtc is due for an alarm that passed while the machine was saved", () => {
  const first = rig(new MovingClock(0), new RecordedLine());
  first.put(RTC_REG.SECONDS_ALARM, 0x30);
  first.put(RTC_REG.MINUTES_ALARM, 0x00);
  first.put(RTC_REG.HOURS_ALARM, 0x00);
  first.put(RTC_REG.B, RTC_B.AIE | RTC_B.H24);
  const state = first.rtc.save();
  for (const [seconds, rises] of [[20, 0], [40, 1], [-60, 0]] as const) {
    const irq = new RecordedLine();
    const later = rig(new MovingClock(0), irq, EPOCH_MS + seconds * 1000);
    later.rtc.load(state);
    assert.equal(irq.rises, rises, `${seconds} s later`);
    assert.equal(later.get(RTC_REG.A) & RTC_A.RS, 6);
  }
});
