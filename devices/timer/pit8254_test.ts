import assert from "node:assert/strict";
import type { Clock } from "../../hvm/base/clock.ts";
import { deviceContract } from "../../hvm/testing/device_contract.ts";
import { FakeClock, MovingClock, RecordedLine } from "../../hvm/testing/rig.ts";
import { Pit8254, PIT_HZ } from "./pit8254.ts";
import { NMISC, PIT_REG } from "./pit8254_regs.ts";
import { PIT_STATE } from "./pit8254_state.ts";
import { Rate } from "./rate.ts";

const RATE = new Rate(PIT_HZ);

function rig<C extends Clock & { advance(ns: number): void } = FakeClock>(
  clock: C = new FakeClock() as Clock as C,
) {
  const out0 = new RecordedLine();
  const nmi = new RecordedLine();
  const pit = new Pit8254({ clock, out0, nmi });
  const put = (reg: number, ...values: number[]) =>
    values.forEach((value) => pit.counters.write(reg, 1, value));
  const get = (reg: number) => pit.counters.read(reg, 1);
  return {
    pit,
    clock,
    out0,
    nmi,
    put,
    get,
    put61: (value: number) => pit.port61.write(0, 1, value),
    get61: () => pit.port61.read(0, 1),
    /** Starts a counter with a two-byte count. */
    start: (counter: number, mode: number, count: number) => {
      put(PIT_REG.CONTROL, counter << 6 | 0x30 | mode << 1);
      put(counter, count & 0xff, count >> 8);
    },
    /** To the moment at which `ticks` pulses have passed since the machine was built. */
    to: (ticks: number) => clock.advance(RATE.nsOf(ticks) - clock.now()),
  };
}

deviceContract("Pit8254", {
  build: () => {
    const { pit, clock } = rig();
    return { device: pit, windows: [pit.counters, pit.port61], advance: (ns) => clock.advance(ns) };
  },
  schema: PIT_STATE,
});

Deno.test("Pit8254 mode 2 gives exactly as many interrupts as the crystal says, for an hour", () => {
  const { start, out0, clock } = rig();
  start(0, 2, 11_932);
  const before = out0.rises;
  clock.advance(3_600 * 1e9);
  assert.equal(out0.rises - before, Math.floor((3_600 * PIT_HZ - 1) / 11_932));
});

Deno.test("Pit8254 shows the rise of OUT0 N + 1 pulses after the count in mode 0, once [8254] mode 0", () => {
  const { start, out0, to, clock } = rig();
  start(0, 0, 1000);
  assert.equal(out0.level, false);
  to(1000);
  assert.equal(out0.level, false);
  to(1001);
  assert.equal(out0.level, true);
  assert.equal((clock as FakeClock).deadline(), Infinity, "nothing is armed when nothing will come");
  clock.advance(1e9);
  assert.equal(out0.rises, 1);
});

Deno.test("Pit8254 mode 3 shows both halves of the wave [8254] mode 3", () => {
  const { start, out0, to } = rig();
  start(0, 3, 1001);
  assert.deepEqual(out0.changes, [true], "the control word takes OUT high");
  to(1 + 500);
  assert.equal(out0.level, true);
  to(1 + 501);
  assert.equal(out0.level, false);
  to(1 + 1000);
  assert.equal(out0.level, false);
  to(1 + 1001);
  assert.equal(out0.level, true);
  to(1 + 501 + 10 * 1001);
  assert.equal(out0.rises, 11);
  assert.equal(out0.level, false);
});

Deno.test("Pit8254 mode 4 pulses OUT0 once [8254] mode 4", () => {
  const { start, out0, to } = rig();
  start(0, 4, 100);
  to(101);
  const before = out0.changes.length;
  to(102);
  assert.deepEqual(out0.changes.slice(before), [false, true]);
  to(200_000);
  assert.equal(out0.changes.length, before + 2);
});

Deno.test("Pit8254 counts read as the crystal says at any time", () => {
  const { start, put, get, to } = rig();
  start(0, 2, 0);
  for (const tick of [1, 2, 1000, 65_536, 65_537, 100_000_000]) {
    to(tick);
    put(PIT_REG.CONTROL, 0x00);
    assert.equal(get(0) | get(0) << 8, (65_536 - (tick - 1) % 65_536) % 65_536);
  }
});

Deno.test("Pit8254 read-back latches the chosen counters only [8254] read-back command", () => {
  const { start, put, get, to } = rig();
  for (const counter of [0, 1]) start(counter, 2, 1000);
  to(11);
  put(PIT_REG.CONTROL, 0xc0 | 0x20 | 0x02);
  assert.equal(get(0), 0xb4, "status: OUT, not null, both bytes, mode 2");
  assert.deepEqual([get(0), get(0)], [990 & 0xff, 990 >> 8]);
  assert.deepEqual([get(1), get(1)], [990 & 0xff, 990 >> 8], "counter 1 gave its count at once");
  put(PIT_REG.CONTROL, 0xc0 | 0x10 | 0x06);
  to(101);
  assert.deepEqual([get(0), get(0), get(1), get(1)], [990 & 0xff, 990 >> 8, 990 & 0xff, 990 >> 8]);
});

/** A clock that stands still until told, on a host that can sleep through deadlines. */
function hostClock() {
  const clock = new MovingClock(0);
  /** Time goes on while nothing runs, then what is due runs, late. */
  const stall = (ns: number) => {
    clock.pass(ns);
    clock.run();
  };
  return { clock, stall };
}

Deno.test("Pit8254 owes ticks a late host missed and shows them a millisecond apart", () => {
  const { clock, stall } = hostClock();
  const { start, out0 } = rig(clock);
  start(0, 2, 11_932);
  clock.advance(102e6);
  assert.equal(out0.rises, 1 + 10, "the control word and ten periods of 10 ms");
  stall(50e6);
  assert.equal(out0.rises, 1 + 11, "152 ms: 15 were due");
  clock.advance(2.5e6);
  assert.equal(out0.rises, 1 + 13);
  clock.advance(47.5e6);
  assert.equal(out0.rises, 1 + 20, "202 ms: none is lost");
  clock.advance(100e6);
  assert.equal(out0.rises, 1 + 30, "and then the rate is as it was");
});

Deno.test("Pit8254 can be late by less than a period without a change of rate", () => {
  const { clock, stall } = hostClock();
  const { start, out0 } = rig(clock);
  start(0, 2, 11_932);
  for (let i = 0; i < 100; i++) {
    stall(9e6);
    clock.advance(3e6);
  }
  assert.equal(out0.rises, 1 + 119, "1200 ms");
});

Deno.test("Pit8254 holds an edge that comes late for a millisecond in mode 3", () => {
  const { clock, stall } = hostClock();
  const { start, out0 } = rig(clock);
  start(0, 3, 11_932);
  clock.advance(101e6);
  assert.equal(out0.level, true);
  // In the low half of the fourth period after: three rises are owed.
  stall(35e6);
  assert.equal(out0.rises, 1 + 11);
  assert.equal(out0.level, true, "an owed edge is shown although the wave is low");
  clock.advance(0.99e6);
  assert.equal(out0.level, true);
  assert.equal(out0.rises, 1 + 11);
  clock.advance(0.02e6);
  assert.equal(out0.rises, 1 + 12);
  clock.advance(2e6);
  assert.equal(out0.level, false, "136 + 3 ms: nothing is owed, and the wave is low");
  clock.advance(62e6);
  assert.equal(out0.rises, 1 + 20);
});

Deno.test("Pit8254 owes one second of ticks at most", () => {
  const { clock, stall } = hostClock();
  const { start, out0 } = rig(clock);
  start(0, 2, 11_932);
  stall(3600e9);
  const before = out0.rises;
  clock.advance(10e9);
  const rises = out0.rises - before;
  assert.ok(rises >= 1000 + 99 && rises <= 1000 + 101, `${rises}`);
});

Deno.test("Pit8254 cannot be made to storm", () => {
  const { start, out0, clock } = rig();
  start(0, 2, 2);
  clock.advance(100e6);
  assert.ok(out0.rises <= 100e6 / 20e3 + 1, `${out0.rises}`);
  start(0, 3, 1);
  const before = out0.changes.length;
  clock.advance(50e6);
  assert.ok(out0.changes.length - before <= 3, "a count of 1 is illegal");
});

Deno.test("Pit8254 port 61h gates counter 2 and shows its output [PIIX3] NMISC", () => {
  const { put61, get61, start, to, get } = rig();
  assert.equal(get61() & ~NMISC.REFRESH, 0, "reset value");
  put61(NMISC.GATE2);
  start(2, 0, 500);
  to(500);
  assert.equal(get61() & NMISC.OUT2, 0);
  to(501);
  assert.equal(get61() & NMISC.OUT2, NMISC.OUT2);
  put61(0);
  start(2, 0, 500);
  to(5000);
  assert.equal(get61() & NMISC.OUT2, 0, "the gate is closed");
  assert.deepEqual([get(2), get(2)], [500 & 0xff, 500 >> 8]);
  put61(NMISC.GATE2 | NMISC.SPEAKER);
  to(5500);
  assert.equal(get61() & ~NMISC.REFRESH, NMISC.GATE2 | NMISC.SPEAKER | NMISC.OUT2);
});

Deno.test("Pit8254 port 61h toggles with each refresh, by counter 1 or every 18 pulses [PIIX3] NMISC", () => {
  const { get61, to, start } = rig();
  const toggles = (from: number, ticks: number) => {
    let seen = 0;
    let last = get61() & NMISC.REFRESH;
    for (let tick = from; tick <= from + ticks; tick++) {
      to(tick);
      if ((get61() & NMISC.REFRESH) !== last) seen++;
      last = get61() & NMISC.REFRESH;
    }
    return seen;
  };
  assert.equal(toggles(1, 1799), 100);
  start(1, 2, 36);
  assert.equal(toggles(1801, 1800), 50);
});

Deno.test("Pit8254 latches SERR# and IOCHK#, drives NMI, and clears by the disable bits [PIIX3] NMISC", () => {
  const { pit, nmi, get61, put61 } = rig();
  for (
    const [input, status, disable] of [
      [pit.serr, NMISC.SERR, NMISC.SERR_DISABLE],
      [pit.iochk, NMISC.IOCHK, NMISC.IOCHK_DISABLE],
    ] as const
  ) {
    input.set(true);
    input.set(false);
    assert.equal(get61() & ~NMISC.REFRESH, status);
    assert.equal(nmi.level, true);
    put61(disable);
    assert.equal(get61() & ~NMISC.REFRESH, disable);
    assert.equal(nmi.level, false);
    input.set(true);
    assert.equal(nmi.level, false, "disabled");
    put61(0);
    assert.equal(nmi.level, true, "still asserted when enabled again");
    input.set(false);
    put61(disable);
    put61(0);
    assert.equal(nmi.level, false);
  }
});

Deno.test("Pit8254 port 61h keeps its low four bits only [PIIX3] NMISC", () => {
  const { put61, get61 } = rig();
  put61(0xff);
  assert.equal(get61() & ~NMISC.REFRESH, 0x0f);
});

Deno.test("Pit8254 loaded in the middle of a period goes on in its phase, without an edge", () => {
  const first = rig();
  first.start(0, 3, 10_000);
  first.to(12_345);
  const clock = new FakeClock(77);
  const second = rig(clock);
  const changes = second.out0.changes.length;
  second.pit.load(first.pit.save());
  assert.equal(second.out0.level, first.out0.level);
  assert.ok(second.out0.changes.length <= changes + 1);
  for (let i = 0; i < 50; i++) {
    first.clock.advance(1_000_000);
    second.clock.advance(1_000_000);
    assert.equal(second.out0.level, first.out0.level, `${i} ms`);
    const { phaseNs: phase1, ...state1 } = first.pit.save();
    const { phaseNs: phase2, ...state2 } = second.pit.save();
    assert.deepEqual(state2, state1);
    assert.ok(Math.abs(phase1 - phase2) <= 1);
  }
});
