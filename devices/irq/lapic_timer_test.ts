import assert from "node:assert/strict";
import fc from "fast-check";
import { lapicRig } from "./_lapic_rig.ts";
import { LAPIC_MSR, LAPIC_REG, LVT, TIMER_MODE } from "./lapic_regs.ts";

const VECTOR = 0x31;
const BY_ONE = 0xb;

/** A timer of the given mode, counting nanoseconds (1 GHz, divider 1). */
function rig(mode: number, options: Parameters<typeof lapicRig>[0] = {}) {
  const base = lapicRig(options);
  base.put(LAPIC_REG.DIVIDE, BY_ONE);
  base.put(LAPIC_REG.LVT_TIMER, VECTOR | mode << 17);
  return {
    ...base,
    start: (count: number) => base.put(LAPIC_REG.INITIAL_COUNT, count),
    current: () => base.get(LAPIC_REG.CURRENT_COUNT),
    /** How many timer interrupts are there to be taken now. */
    fired: () => base.drain().filter((vector) => vector === VECTOR).length,
    deadline: (tsc: bigint) => base.lapic.writeMsr(LAPIC_MSR.TSC_DEADLINE, tsc),
  };
}

Deno.test("LapicTimer one-shot counts down once and interrupts at zero [SDM] 11.5.4", () => {
  const { start, current, fired, clock, get } = rig(TIMER_MODE.ONE_SHOT);
  start(1000);
  assert.equal(get(LAPIC_REG.INITIAL_COUNT), 1000);
  assert.equal(current(), 1000);
  clock.advance(999);
  assert.equal(current(), 1);
  assert.equal(fired(), 0);
  clock.advance(1);
  assert.equal(current(), 0);
  assert.equal(fired(), 1);
  clock.advance(1_000_000);
  assert.equal(fired(), 0);
  assert.equal(clock.deadline(), Infinity);
});

Deno.test("LapicTimer periodic reloads and does not drift [SDM] 11.5.4", () => {
  const { start, current, fired, clock } = rig(TIMER_MODE.PERIODIC, { busHz: 1_193_182 });
  start(1193);
  let count = 0;
  for (let i = 0; i < 20_000; i++) {
    clock.advance(500_000);
    count += fired();
  }
  assert.equal(count, Math.floor(11_931_820 / 1193), "10 s of 1193182 Hz");
  assert.equal(current(), 1193 - 11_931_820 % 1193);
});

Deno.test("LapicTimer divides as figure 11-10 says [SDM] 11.5.4", () => {
  for (
    const [code, divisor] of [[0, 2], [1, 4], [2, 8], [3, 16], [8, 32], [9, 64], [10, 128], [11, 1]] as const
  ) {
    const { start, current, fired, clock, put } = rig(TIMER_MODE.ONE_SHOT);
    put(LAPIC_REG.DIVIDE, code | 4);
    start(1000);
    clock.advance(500 * divisor);
    assert.equal(current(), 500, `divide ${divisor}`);
    clock.advance(500 * divisor - 1);
    assert.equal(fired(), 0);
    clock.advance(1);
    assert.equal(fired(), 1);
  }
});

Deno.test("LapicTimer goes on from its count when the divider changes", () => {
  const { start, current, fired, clock, put } = rig(TIMER_MODE.ONE_SHOT);
  start(1000);
  clock.advance(400);
  put(LAPIC_REG.DIVIDE, 0);
  assert.equal(current(), 600);
  clock.advance(1199);
  assert.equal(fired(), 0);
  clock.advance(1);
  assert.equal(fired(), 1);
});

Deno.test("LapicTimer stops by an initial count of 0 and starts anew by another", () => {
  const { start, current, fired, clock } = rig(TIMER_MODE.PERIODIC);
  start(100_000);
  clock.advance(50_000);
  start(0);
  assert.equal(current(), 0);
  clock.advance(1_000_000);
  assert.equal(fired(), 0);
  start(200_000);
  clock.advance(199_999);
  assert.equal(fired(), 0);
  clock.advance(1);
  assert.equal(fired(), 1);
});

Deno.test("LapicTimer counts while masked and interrupts for none of it [SDM] 11.5.1", () => {
  const { start, current, fired, clock, put } = rig(TIMER_MODE.PERIODIC);
  start(100_000);
  put(LAPIC_REG.LVT_TIMER, VECTOR | LVT.MASKED | TIMER_MODE.PERIODIC << 17);
  clock.advance(250_000);
  assert.equal(current(), 50_000);
  assert.equal(clock.deadline(), Infinity, "no timer for what nobody sees");
  put(LAPIC_REG.LVT_TIMER, VECTOR | TIMER_MODE.PERIODIC << 17);
  assert.equal(fired(), 0);
  clock.advance(50_000);
  assert.equal(fired(), 1);
});

Deno.test("LapicTimer turned periodic while it runs reloads, turned so after it ended does not", () => {
  const { start, current, fired, clock, put } = rig(TIMER_MODE.ONE_SHOT);
  start(100_000);
  clock.advance(40_000);
  put(LAPIC_REG.LVT_TIMER, VECTOR | TIMER_MODE.PERIODIC << 17);
  clock.advance(60_000);
  assert.equal(fired(), 1);
  clock.advance(100_000);
  assert.equal(fired(), 1);
  put(LAPIC_REG.LVT_TIMER, VECTOR);
  clock.advance(100_000);
  assert.equal(fired(), 1);
  put(LAPIC_REG.LVT_TIMER, VECTOR | TIMER_MODE.PERIODIC << 17);
  assert.equal(current(), 0);
  clock.advance(1_000_000);
  assert.equal(fired(), 0);
});

Deno.test("LapicTimer TSC-deadline fires once and reads as 0 then [SDM] 11.5.4.1", () => {
  const { lapic, deadline, fired, clock, start, current, get } = rig(TIMER_MODE.TSC_DEADLINE);
  assert.equal(deadline(1000n + 3000n), true);
  assert.equal(lapic.readMsr(LAPIC_MSR.TSC_DEADLINE), 4000n);
  start(50);
  assert.equal(get(LAPIC_REG.INITIAL_COUNT), 0, "the initial count is ignored");
  assert.equal(current(), 0);
  clock.advance(999);
  assert.equal(fired(), 0);
  clock.advance(1);
  assert.equal(fired(), 1);
  assert.equal(lapic.readMsr(LAPIC_MSR.TSC_DEADLINE), 0n);
  clock.advance(1_000_000);
  assert.equal(fired(), 0);
});

Deno.test("LapicTimer TSC-deadline in the past fires at once, 0 disarms, another replaces [SDM] 11.5.4.1", () => {
  const { deadline, fired, clock } = rig(TIMER_MODE.TSC_DEADLINE);
  clock.advance(1000);
  deadline(4000n);
  assert.equal(fired(), 1);
  deadline(7000n);
  deadline(0n);
  clock.advance(10_000);
  assert.equal(fired(), 0);
  deadline(1000n + 3n * 12_000n);
  deadline(1000n + 3n * 15_000n);
  clock.advance(2000);
  assert.equal(fired(), 0);
  clock.advance(2000);
  assert.equal(fired(), 1);
});

Deno.test("LapicTimer never fires before the TSC reaches the deadline, whatever its port estimates", () => {
  const tsc = { value: 0n, read: () => tsc.value, deadlineNs: () => 0 };
  const { deadline, fired, clock } = rig(TIMER_MODE.TSC_DEADLINE, { tsc });
  deadline(100n);
  clock.advance(50);
  assert.equal(fired(), 0);
  tsc.value = 100n;
  clock.advance(1);
  assert.equal(fired(), 1);
});

Deno.test("LapicTimer looks at its deadline anew when the TSC is set", () => {
  const tsc = {
    offset: 0n,
    read: () => BigInt(clock.now()) + tsc.offset,
    deadlineNs: (t: bigint) => Number(t - tsc.offset),
  };
  const { lapic, deadline, fired, clock } = rig(TIMER_MODE.TSC_DEADLINE, { tsc });
  deadline(1000n);
  tsc.offset = -500n;
  lapic.tscChanged();
  clock.advance(1499);
  assert.equal(fired(), 0);
  clock.advance(1);
  assert.equal(fired(), 1);
  deadline(5000n);
  tsc.offset = 10_000n;
  lapic.tscChanged();
  assert.equal(fired(), 1);
});

Deno.test("LapicTimer ignores the deadline MSR in other modes, and a mode change disarms [SDM] 11.5.4.1", () => {
  const { lapic, deadline, fired, clock, put, start, current } = rig(TIMER_MODE.ONE_SHOT);
  assert.equal(deadline(2000n), true);
  assert.equal(lapic.readMsr(LAPIC_MSR.TSC_DEADLINE), 0n);
  start(1000);
  put(LAPIC_REG.LVT_TIMER, VECTOR | TIMER_MODE.TSC_DEADLINE << 17);
  clock.advance(2000);
  assert.equal(fired(), 0);
  deadline(1n << 40n);
  put(LAPIC_REG.LVT_TIMER, VECTOR);
  assert.equal(lapic.readMsr(LAPIC_MSR.TSC_DEADLINE), 0n);
  assert.equal(current(), 0);
});

Deno.test("LapicTimer without a TSC has no deadline MSR", () => {
  const { lapic } = lapicRig({ hasTsc: false });
  assert.equal(lapic.readMsr(LAPIC_MSR.TSC_DEADLINE), undefined);
  assert.equal(lapic.writeMsr(LAPIC_MSR.TSC_DEADLINE, 1n), false);
});

Deno.test("LapicTimer cannot be made to storm", () => {
  const { start, clock, counts } = rig(TIMER_MODE.PERIODIC);
  start(1);
  const before = counts.changed;
  clock.advance(10_000_000);
  assert.ok(counts.changed - before <= 501, `${counts.changed - before}`);
});

Deno.test("LapicTimer of the reserved mode 3 stands still", () => {
  const { start, clock, fired, current } = rig(3);
  start(1000);
  clock.advance(10_000);
  assert.equal(fired(), 0);
  assert.equal(current(), 0);
});

Deno.test("LapicTimer saved and loaded at any moment goes on as if it had not been", () => {
  const step = fc.integer({ min: 0, max: 300_000 });
  fc.assert(fc.property(
    fc.constantFrom(TIMER_MODE.ONE_SHOT, TIMER_MODE.PERIODIC),
    fc.constantFrom(0, 3, 0xb),
    fc.integer({ min: 20_000, max: 200_000 }),
    fc.array(step, { maxLength: 6 }),
    (mode, divide, count, steps) => {
      const first = rig(mode);
      first.put(LAPIC_REG.DIVIDE, divide);
      first.start(count);
      let second = rig(mode, { enabled: false });
      second.lapic.load(first.lapic.save());
      for (const ns of steps) {
        first.clock.advance(ns);
        second.clock.advance(ns);
        assert.equal(second.current(), first.current());
        assert.deepEqual(second.lapic.save(), first.lapic.save());
        const third = rig(mode, { enabled: false });
        third.lapic.load(second.lapic.save());
        second = third;
        assert.equal(second.fired(), first.fired());
      }
    },
  ));
});
