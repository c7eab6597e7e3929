import assert from "node:assert/strict";
import fc from "fast-check";
import { Bus } from "../../hvm/io/bus.ts";
import type { Window } from "../../hvm/io/device.ts";
import { Placements } from "./placement.ts";

const window = (length: number, mark: number): Window => ({
  length,
  unit: 1,
  read: () => mark,
  write: () => {},
});

Deno.test("Placements moves a window and takes it away", () => {
  const bus = new Bus("port", 0x10000);
  const place = new Placements(bus).slot(window(16, 1), "a");
  place(0x100);
  assert.equal(bus.read(0x100, 1), 1);
  place(0x200);
  assert.equal(bus.read(0x100, 1), 0xff);
  assert.equal(bus.read(0x20f, 1), 1);
  place(undefined);
  assert.deepEqual(bus.map(), []);
});

Deno.test("Placements leaves a taken place to who was first, and follows when it is free", () => {
  const bus = new Bus("port", 0x10000);
  const placements = new Placements(bus);
  const first = placements.slot(window(16, 1), "first");
  const second = placements.slot(window(16, 2), "second");
  first(0x100);
  second(0x108);
  assert.equal(bus.read(0x108, 1), 1);
  assert.equal(bus.read(0x110, 1), 0xff);
  first(0x300);
  assert.equal(bus.read(0x108, 1), 2);
});

Deno.test("Placements never touches what is fixed on the bus, nor goes past its end", () => {
  const bus = new Bus("port", 0x10000);
  bus.attach(0x3f8, window(8, 9), "com1");
  const place = new Placements(bus).slot(window(16, 1), "a");
  place(0x3f0);
  assert.equal(bus.read(0x3f8, 1), 9);
  place(0xfff8);
  assert.equal(bus.read(0xfff8, 1), 0xff);
});

Deno.test("Placements bears any sequence of moves and ends up with every window that has room", () => {
  const move = fc.record({ slot: fc.nat(3), base: fc.option(fc.nat(40), { nil: undefined }) });
  fc.assert(fc.property(fc.array(move, { maxLength: 40 }), (moves) => {
    const bus = new Bus("port", 64);
    const placements = new Placements(bus);
    const wanted: (number | undefined)[] = new Array(4).fill(undefined);
    const slots = [4, 8, 8, 16].map((length, i) => placements.slot(window(length, i), String(i)));
    for (const { slot, base } of moves) {
      slots[slot]!(base);
      wanted[slot] = base;
    }
    const map = new Map(bus.map().map(({ name, base, length }) => [name, { base, length }]));
    wanted.forEach((base, i) => {
      const there = map.get(String(i));
      if (base === undefined) assert.equal(there, undefined);
      else if (there !== undefined) assert.equal(there.base, base);
      else assert.ok(!bus.isFree(base, [4, 8, 8, 16][i]!), "it waits only for a taken place");
    });
  }));
});
