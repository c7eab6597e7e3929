import assert from "node:assert/strict";
import fc from "fast-check";
import { Counter } from "./pit8254_counter.ts";

/** A counter with its gate high (or as given), programmed with a control word for counter 0. */
function rig(control: number, gate = true) {
  const counter = new Counter(gate);
  let tick = 0;
  counter.program(control);
  /** The count, of either format, as the latch would show it. */
  const count = () => {
    counter.latch(true, false);
    const value = counter.state.latchedCount;
    counter.state.latchedCount = -1;
    return value;
  };
  return {
    counter,
    put: (...bytes: number[]) => bytes.forEach((byte) => counter.write(byte)),
    gate: (level: boolean) => counter.setGate(level),
    pulse: (pulses = 1) => counter.settle(tick += pulses),
    count,
    out: () => counter.state.out,
    /** Pulses clocks one at a time and gives count and level after each, as `4 3- 2-`: a minus is OUT low. */
    run: (pulses: number) => {
      const seen = [];
      for (let i = 0; i < pulses; i++) {
        counter.settle(++tick);
        seen.push(`${count().toString(16)}${counter.state.out ? "" : "-"}`);
      }
      return seen.join(" ");
    },
  };
}

Deno.test("Counter mode 0: OUT rises N + 1 pulses after the count is written [8254] mode 0", () => {
  const { put, run, out } = rig(0x10);
  assert.equal(out(), false);
  put(4);
  assert.equal(run(7), "4- 3- 2- 1- 0 ffff fffe");
});

Deno.test("Counter mode 0: the gate stops counting and nothing else [8254] mode 0", () => {
  const { put, run, gate } = rig(0x10);
  put(3);
  assert.equal(run(2), "3- 2-");
  gate(false);
  assert.equal(run(2), "2- 2-");
  gate(true);
  assert.equal(run(3), "1- 0 ffff");
});

Deno.test("Counter mode 0: a count written with the gate low is loaded all the same [8254] mode 0", () => {
  const { put, run, gate } = rig(0x10, false);
  put(2);
  assert.equal(run(3), "2- 2- 2-");
  gate(true);
  assert.equal(run(2), "1- 0");
});

Deno.test("Counter mode 0: a new count starts over, OUT low [8254] mode 0", () => {
  const { put, run, out } = rig(0x10);
  put(3);
  assert.equal(run(3), "3- 2- 1-");
  put(2);
  assert.equal(run(4), "2- 1- 0 ffff");
  put(1);
  assert.equal(out(), false);
  assert.equal(run(2), "1- 0");
});

Deno.test("Counter mode 0: the first of two bytes stops counting, the second starts it [8254] mode 0", () => {
  const { put, run, out } = rig(0x30);
  put(4, 0);
  assert.equal(run(5), "4- 3- 2- 1- 0");
  put(2);
  assert.equal(out(), false);
  assert.equal(run(3), "0- 0- 0-");
  put(1);
  assert.equal(run(2), "102- 101-");
});

Deno.test("Counter mode 1: each trigger gives a pulse of N, a new count waits for one [8254] mode 1", () => {
  const { put, run, gate, out } = rig(0x12, false);
  put(3);
  assert.equal(out(), true);
  assert.match(run(3), /^\w+ \w+ \w+$/);
  gate(true);
  assert.equal(run(5), "3- 2- 1- 0 ffff");
  gate(false);
  gate(true);
  assert.equal(run(2), "3- 2-");
  put(5);
  gate(false);
  assert.equal(run(1), "1-");
  gate(true);
  assert.equal(run(6), "5- 4- 3- 2- 1- 0");
});

Deno.test("Counter mode 1: retriggered in a pulse makes it longer [8254] mode 1", () => {
  const { put, run, gate } = rig(0x12, false);
  put(3);
  gate(true);
  assert.equal(run(2), "3- 2-");
  gate(false);
  gate(true);
  assert.equal(run(4), "3- 2- 1- 0");
});

Deno.test("Counter mode 2: low for one pulse in N [8254] mode 2", () => {
  const { put, run, out } = rig(0x14);
  assert.equal(out(), true);
  put(3);
  assert.equal(run(8), "3 2 1- 3 2 1- 3 2");
});

Deno.test("Counter mode 2: the gate stops it, takes OUT high at once, and starts it over [8254] mode 2", () => {
  const { put, run, gate, out } = rig(0x14);
  put(3);
  assert.equal(run(3), "3 2 1-");
  gate(false);
  assert.equal(out(), true);
  assert.equal(run(2), "1 1");
  gate(true);
  assert.equal(run(4), "3 2 1- 3");
});

Deno.test("Counter mode 2: a new count is taken at the end of the cycle [8254] mode 2", () => {
  const { put, run } = rig(0x14);
  put(4);
  assert.equal(run(2), "4 3");
  put(5);
  assert.equal(run(6), "2 1- 5 4 3 2");
});

Deno.test("Counter mode 3: even counts give equal halves [8254] mode 3", () => {
  const { put, run } = rig(0x16);
  put(4);
  assert.equal(run(9), "4 2 4- 2- 4 2 4- 2- 4");
});

Deno.test("Counter mode 3: odd counts are high one pulse longer [8254] mode 3", () => {
  const { put, run } = rig(0x16);
  put(5);
  assert.equal(run(11), "4 2 0 4- 2- 4 2 0 4- 2- 4");
});

Deno.test("Counter mode 3: a new count is taken at the end of the half, the gate takes OUT high [8254] mode 3", () => {
  const { put, run, gate, out } = rig(0x16);
  put(4);
  assert.equal(run(1), "4");
  put(6);
  assert.equal(run(5), "2 6- 4- 2- 6");
  assert.equal(run(3), "4 2 6-");
  gate(false);
  assert.equal(out(), true);
  assert.equal(run(2), "6 6");
  gate(true);
  assert.equal(run(4), "6 4 2 6-");
});

Deno.test("Counter mode 4: one strobe, N + 1 pulses after the count [8254] mode 4", () => {
  const { put, run } = rig(0x18);
  put(3);
  assert.equal(run(6), "3 2 1 0- ffff fffe");
  put(2);
  assert.equal(run(4), "2 1 0- ffff");
});

Deno.test("Counter mode 4: the gate stops counting and not the strobe [8254] mode 4", () => {
  const { put, run, gate } = rig(0x18, false);
  put(2);
  assert.equal(run(2), "2 2");
  gate(true);
  assert.equal(run(2), "1 0-");
  gate(false);
  assert.equal(run(2), "0 0");
});

Deno.test("Counter mode 4: a long run after the strobe shows no second one [8254] mode 4", () => {
  const { put, counter, pulse } = rig(0x18);
  put(3);
  pulse(10);
  assert.equal(counter.state.rises, 1);
  pulse(65_536 * 3 - 6);
  assert.equal(counter.state.rises, 1);
  assert.equal(counter.state.out, true);
});

Deno.test("Counter mode 5: the strobe comes N + 1 pulses after the trigger [8254] mode 5", () => {
  const { put, run, gate } = rig(0x1a, false);
  put(3);
  assert.match(run(2), /^\w+ \w+$/);
  gate(true);
  assert.equal(run(5), "3 2 1 0- ffff");
  gate(false);
  gate(true);
  assert.equal(run(2), "3 2");
  gate(false);
  gate(true);
  assert.equal(run(4), "3 2 1 0-");
});

Deno.test("Counter: 0 is the greatest count, 2^16 or 10^4 [8254] operation common to all modes", () => {
  const binary = rig(0x34);
  binary.put(0, 0);
  assert.equal(binary.run(2), "0 ffff");
  binary.pulse(65_534);
  assert.equal(binary.out(), false);
  const decimal = rig(0x35);
  decimal.put(0, 0);
  assert.equal(decimal.run(2), "0 9999");
  decimal.pulse(9_998);
  assert.equal(decimal.out(), false);
});

Deno.test("Counter: BCD counts in tens and wraps to 9999 [8254] control word format", () => {
  const { put, run, counter } = rig(0x31);
  put(0x01, 0x10);
  assert.equal(run(3), "1001- 1000- 999-");
  counter.program(0x31);
  put(0x02, 0);
  assert.equal(run(4), "2- 1- 0 9999");
});

Deno.test("Counter: modes 6 and 7 are 2 and 3 [8254] control word format", () => {
  assert.equal(rig(0x1c).counter.mode, 2);
  assert.equal(rig(0x1e).counter.mode, 3);
  assert.equal(rig(0x1a).counter.mode, 5);
});

Deno.test("Counter: access low, high, both [8254] read operations", () => {
  const low = rig(0x10);
  low.put(0x34);
  low.pulse();
  assert.deepEqual([low.counter.read(), low.counter.read()], [0x34, 0x34]);
  const high = rig(0x20);
  high.put(0x12);
  high.pulse();
  assert.equal(high.count(), 0x1200);
  assert.deepEqual([high.counter.read(), high.counter.read()], [0x12, 0x12]);
  const both = rig(0x30);
  both.put(0x34, 0x12);
  both.pulse();
  assert.deepEqual([both.counter.read(), both.counter.read(), both.counter.read()], [0x34, 0x12, 0x34]);
});

Deno.test("Counter: a latched count stays until read, a second latch command is ignored [8254] latch command", () => {
  const { put, pulse, counter } = rig(0x30);
  put(0, 2);
  pulse();
  counter.latch(true, false);
  pulse(5);
  counter.latch(true, false);
  assert.deepEqual([counter.read(), counter.read()], [0x00, 0x02]);
  assert.deepEqual([counter.read(), counter.read()], [0xfb, 0x01]);
});

Deno.test("Counter: status first, then count, when both are latched [8254] read-back command", () => {
  const { put, pulse, counter } = rig(0x34);
  counter.latch(false, true);
  assert.equal(counter.read(), 0xf4, "null count after the control word, OUT high");
  put(0x10, 0);
  counter.latch(false, true);
  assert.equal(counter.read(), 0xf4, "null count until the count is loaded");
  pulse();
  counter.latch(true, true);
  pulse(15);
  assert.deepEqual([counter.read(), counter.read(), counter.read()], [0xb4, 0x10, 0x00]);
  counter.latch(false, true);
  pulse(1);
  counter.latch(false, true);
  assert.equal(counter.read(), 0x34, "OUT low in the last pulse, when the status was latched first");
});

Deno.test("Counter: null count in mode 2 until the new count is in use [8254] null count operation", () => {
  const { put, pulse, counter } = rig(0x14);
  put(4);
  pulse(2);
  put(9);
  assert.equal(counter.state.nullCount, true);
  pulse(2);
  assert.equal(counter.state.nullCount, true);
  pulse(1);
  assert.equal(counter.state.nullCount, false);
});

Deno.test("Counter: a control word drops what was latched and half written [8254] latch command", () => {
  const { put, pulse, counter } = rig(0x30);
  put(0x55);
  counter.latch(true, true);
  counter.program(0x30);
  put(7, 0);
  pulse();
  assert.deepEqual([counter.read(), counter.read()], [7, 0]);
});

Deno.test("Counter: ports before any control word do nothing", () => {
  const counter = new Counter(true);
  counter.write(5);
  counter.settle(100);
  assert.equal(counter.read(), 0);
  assert.equal(counter.pulsesToEdge(), Infinity);
});

Deno.test("Counter: mode 1 triggered again keeps its output low, for the whole count [8254] mode 1", () => {
  const { put, pulse, counter } = rig(0x12);
  put(3);
  counter.setGate(false);
  counter.setGate(true);
  pulse(1);
  assert.equal(counter.state.out, false);
  counter.setGate(false);
  counter.setGate(true);
  assert.equal(counter.pulsesToEdge(), 4);
  pulse(3);
  assert.equal(counter.state.out, false);
  pulse(1);
  assert.equal(counter.state.out, true);
});

type Step = { kind: "pulse"; n: number } | { kind: "put"; v: number } | { kind: "gate"; on: boolean };

const STEP: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant("pulse" as const),
    n: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constant(400)),
  }),
  fc.record({ kind: fc.constant("put" as const), v: fc.integer({ min: 0, max: 19 }) }),
  fc.record({ kind: fc.constant("gate" as const), on: fc.boolean() }),
);

Deno.test("Counter: many pulses at once are many pulses one by one, and edges come when promised", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 5 }),
      fc.boolean(),
      fc.array(STEP, { maxLength: 20 }),
      (mode, bcd, steps) => {
        const fast = new Counter(true);
        const slow = new Counter(true);
        let tick = 0;
        for (const counter of [fast, slow]) counter.program(0x10 | mode << 1 | (bcd ? 1 : 0));
        for (const step of steps) {
          if (step.kind === "put") [fast, slow].forEach((counter) => counter.write(step.v));
          if (step.kind === "gate") [fast, slow].forEach((counter) => counter.setGate(step.on));
          if (step.kind !== "pulse") continue;
          for (let i = 0; i < step.n; i++) {
            const promised = slow.pulsesToEdge();
            const { out, rises } = slow.state;
            slow.settle(++tick);
            // Modes 2, 4 and 5 promise the end of their one-pulse low, so only rises.
            const seen = mode === 2 || mode >= 4 ? slow.state.rises !== rises : slow.state.out !== out;
            assert.equal(promised === 1, seen, `edge at ${tick}`);
          }
          fast.settle(tick);
          assert.deepEqual(fast.state, slow.state);
        }
      },
    ),
    { numRuns: 1000 },
  );
});
