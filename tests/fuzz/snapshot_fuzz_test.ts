import assert from "node:assert/strict";
import { loadAll, saveAll } from "../../hvm/io/snapshot.ts";
import { sectionsOf, stateSchema } from "../../hvm/machine/states.ts";
import { FakeClock } from "../../hvm/testing/rig.ts";
import { buildBoard, EPOCH_MS, RAM_BYTES, randomAccess, randomWords, type TestBoard } from "./board.ts";

const VARIANTS = [
  { mode: "user", shape: {} },
  { mode: "user", shape: { ioapic: false } },
  { mode: "user", shape: { lapic: false } },
  { mode: "split", shape: {} },
  { mode: "kernel", shape: {} },
] as const;

/** A few thousand accesses, and what was read. */
function disturb(target: TestBoard, clock: FakeClock, seed: number, count: number): unknown[] {
  const next = randomWords(seed);
  const seen: unknown[] = [];
  for (let i = 0; i < count; i++) {
    seen.push(randomAccess(next() % 4 === 0 ? target.memoryIo : target.ports, next));
    if (next() % 16 === 0) seen.push(target.board.com1.receive([next() & 0xff]));
    if (next() % 8 === 0) clock.advance(next() % 20_000_000);
  }
  return seen;
}

for (const { mode, shape } of VARIANTS) {
  const name = `irqchip ${mode} ${JSON.stringify(shape)}`;

  Deno.test(`PcBoard of ${name} gives every chip an id of its own and a schema`, () => {
    const { board } = buildBoard({ clock: new FakeClock(), mode, shape });
    assert.equal(sectionsOf(board.devices).length, board.devices.length);
  });

  Deno.test(`PcBoard of ${name} loads into another what was saved at any moment`, () => {
    for (let seed = 1; seed <= 12; seed++) {
      const clock = new FakeClock();
      const first = buildBoard({ clock, mode, shape });
      disturb(first, clock, seed, 3000);
      clock.advance(1_000_000 - clock.now() % 1_000_000); // a host's calendar has milliseconds
      const snapshot = saveAll(first.board.devices);

      const otherClock = new FakeClock(seed * 1_000_000);
      const epochMs = EPOCH_MS + (clock.now() - otherClock.now()) / 1_000_000;
      const second = buildBoard({ clock: otherClock, mode, shape, epochMs });
      second.memory.write(0, first.memory.read(0, RAM_BYTES));
      loadAll(sectionsOf(second.board.devices), JSON.parse(JSON.stringify(snapshot)));
      assert.deepEqual(saveAll(second.board.devices), snapshot, `seed ${seed}`);
      assert.deepEqual(second.ports.map(), first.ports.map(), `seed ${seed}`);
      assert.deepEqual(second.memoryIo.map(), first.memoryIo.map(), `seed ${seed}`);

      const went = disturb(first, clock, seed + 1000, 1000);
      assert.deepEqual(disturb(second, otherClock, seed + 1000, 1000), went, `seed ${seed}, going on`);
      assert.deepEqual(saveAll(second.board.devices), saveAll(first.board.devices), `seed ${seed}, gone on`);
    }
  });
}

Deno.test("sectionsOf refuses two devices of one id, and one the board does not have", () => {
  const device = (id: string) => ({ id, reset: () => {}, save: () => ({}), load: () => {} });
  assert.throws(() => sectionsOf([device("pic"), device("pic")]), /both are pic/);
  assert.throws(() => sectionsOf([device("sound")]), /sound/);
  assert.equal(stateSchema("lapic12"), stateSchema("lapic0"));
  assert.equal(stateSchema("lapic"), undefined);
});
