import assert from "node:assert/strict";
import fc from "fast-check";
import type { Clock } from "../../hvm/base/clock.ts";
import { runLockstep } from "../../hvm/testing/lockstep.ts";
import { MovingClock } from "../../hvm/testing/rig.ts";
import { lateSteps } from "../late_steps_rig.ts";
import { Lapic } from "./lapic.ts";
import { LAPIC_MSR, LAPIC_REG, LVT, SVR, TIMER_MODE } from "./lapic_regs.ts";
import { LAPIC_WORDS } from "./lapic_words.ts";

/** Shorter periods are cut off by the limit of one interrupt each 20 us, which no ideal host has. */
const LEAST_COUNT = 50_000;

/** An enabled APIC on any clock, with a TSC of 1 GHz, and what it would interrupt with. */
function rig(clock: Clock & { readonly time?: number }) {
  const lapic = new Lapic({
    apicId: 0,
    bsp: true,
    clock,
    words: new Int32Array(LAPIC_WORDS),
    send: () => {},
    eoi: () => {},
    changed: () => {},
    // What a TSC shows must not move the clock: it is another clock.
    tsc: { read: () => BigInt(clock.time ?? clock.now()), deadlineNs: Number },
  });
  const put = (reg: number, value: number) => lapic.window.write(reg, 4, value >>> 0);
  put(LAPIC_REG.SVR, SVR.ENABLE | 0xff);
  put(LAPIC_REG.DIVIDE, 0xb);
  const taken = () => {
    const vectors: number[] = [];
    while (lapic.highestPending() >= 0) {
      vectors.push(lapic.acknowledge());
      put(LAPIC_REG.EOI, 0);
    }
    return vectors;
  };
  return { lapic, put, taken };
}

/** Every register the timer has something to do with, and the vectors that came of it. */
function subject(modes: readonly number[]) {
  return (clock: Clock) => {
    const { lapic, put, taken } = rig(clock);
    const act = (word: number, argument: number): unknown => {
      switch (word % 8) {
        case 0: {
          const masked = (argument & 0x30) === 0 ? LVT.MASKED : 0;
          const mode = modes[argument % modes.length]!;
          return put(LAPIC_REG.LVT_TIMER, 0x40 + (argument >>> 6 & 0x3f) | masked | mode << 17);
        }
        case 1:
        case 2:
          return put(LAPIC_REG.INITIAL_COUNT, (argument & 7) === 0 ? 0 : LEAST_COUNT + argument % 900_000);
        case 3:
          return put(LAPIC_REG.DIVIDE, [0xb, 0, 1][argument % 3]!);
        case 4:
          return put(LAPIC_REG.SVR, (argument & 3) === 0 ? 0xff : SVR.ENABLE | 0xff);
        case 5:
          return lapic.writeMsr(
            LAPIC_MSR.TSC_DEADLINE,
            (argument & 7) === 0 ? 0n : BigInt(argument) * 4n,
          );
        case 6:
          return lapic.readMsr(LAPIC_MSR.TSC_DEADLINE);
        default:
          return lapic.window.read(LAPIC_REG.CURRENT_COUNT, 4);
      }
    };
    return {
      device: lapic,
      access: (word: number) => [act(word, word >>> 8), taken()],
    };
  };
}

for (
  const [name, modes] of [
    ["one-shot mode", [TIMER_MODE.ONE_SHOT]],
    ["periodic mode", [TIMER_MODE.PERIODIC]],
    ["TSC-deadline mode", [TIMER_MODE.TSC_DEADLINE]],
    ["every mode", [TIMER_MODE.ONE_SHOT, TIMER_MODE.PERIODIC, TIMER_MODE.TSC_DEADLINE, 3]],
  ] as const
) {
  Deno.test(`Lapic loses and doubles no timer interrupt of ${name} on a late host`, () => {
    fc.assert(fc.property(lateSteps(), ({ tickNs, steps }) => {
      runLockstep({ build: subject(modes), longestNs: 2_000_000 }, tickNs, steps);
    }));
  });
}

Deno.test("Lapic interrupts even when the timer's count runs out while it is being started [SDM] 11.5.4", () => {
  const clock = new MovingClock(5000);
  const { put, taken } = rig(clock);
  put(LAPIC_REG.LVT_TIMER, 0x40);
  put(LAPIC_REG.INITIAL_COUNT, 62);
  clock.pass(100);
  clock.run();
  assert.deepEqual(taken(), [0x40]);
});

Deno.test("Lapic delivers a timer interrupt that is due by the LVT entry and SVR as they were [SDM] 11.5.4", () => {
  const changes: ((put: (reg: number, value: number) => void) => void)[] = [
    (put) => put(LAPIC_REG.LVT_TIMER, LVT.MASKED | 0x41),
    (put) => put(LAPIC_REG.LVT_TIMER, 0x42),
    (put) => put(LAPIC_REG.LVT_TIMER, 0x43 | TIMER_MODE.TSC_DEADLINE << 17),
    (put) => put(LAPIC_REG.DIVIDE, 0),
    (put) => put(LAPIC_REG.INITIAL_COUNT, 0),
    (put) => {
      put(LAPIC_REG.SVR, 0xff);
      put(LAPIC_REG.SVR, SVR.ENABLE | 0xff);
    },
  ];
  for (const change of changes) {
    const clock = new MovingClock(1000);
    const { put, taken } = rig(clock);
    put(LAPIC_REG.LVT_TIMER, 0x40);
    put(LAPIC_REG.INITIAL_COUNT, 100_000);
    clock.pass(300_000);
    change(put);
    assert.deepEqual(taken(), [0x40], String(change));
    clock.run();
    assert.deepEqual(taken(), [], String(change));
  }
});

Deno.test("Lapic keeps a TSC deadline that has passed when another is written [SDM] 11.5.4.1", () => {
  for (const next of [0n, 1n << 40n]) {
    const clock = new MovingClock(1000);
    const { lapic, put, taken } = rig(clock);
    put(LAPIC_REG.LVT_TIMER, 0x40 | TIMER_MODE.TSC_DEADLINE << 17);
    lapic.writeMsr(LAPIC_MSR.TSC_DEADLINE, 100_000n);
    clock.pass(200_000);
    lapic.writeMsr(LAPIC_MSR.TSC_DEADLINE, next);
    assert.deepEqual(taken(), [0x40]);
    assert.equal(lapic.readMsr(LAPIC_MSR.TSC_DEADLINE), next);
  }
});
