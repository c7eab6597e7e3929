import assert from "node:assert/strict";
import fc from "fast-check";
import { Ranges } from "./ranges.ts";

Deno.test("Ranges finds by any address within and by none beside", () => {
  const ranges = new Ranges<string>();
  ranges.add(10, 5, "a");
  ranges.add(15, 1, "b");
  const at = (address: number) => ranges.find(address)?.value;
  assert.deepEqual([9, 10, 14, 15, 16].map(at), [undefined, "a", "a", "b", undefined]);
});

Deno.test("Ranges refuses what overlaps or is empty, and stays as it was", () => {
  const ranges = new Ranges<string>();
  ranges.add(10, 10, "a");
  for (const [start, length] of [[10, 10], [5, 6], [19, 1], [12, 2], [0, 100]] as const) {
    assert.throws(() => ranges.add(start, length, "b"), /overlaps 0xa\+0xa/);
  }
  for (const [start, length] of [[0, 0], [0, -1], [-1, 5], [NaN, 1], [1, NaN]] as const) {
    assert.throws(() => ranges.add(start, length, "b"), RangeError);
  }
  assert.equal(ranges.size, 1);
});

Deno.test("Ranges keeps addresses of 52 bits exact", () => {
  const ranges = new Ranges<string>();
  ranges.add(2 ** 52 - 2, 1, "last but one");
  ranges.add(2 ** 52 - 1, 1, "last");
  assert.equal(ranges.find(2 ** 52 - 1)?.value, "last");
  assert.equal(ranges.find(2 ** 52 - 2)?.value, "last but one");
});

/** The same as a list of what is at every address of a small space. */
class Naive {
  readonly cells: (number | undefined)[] = new Array(64).fill(undefined);
  readonly starts = new Map<number, number>();

  add(start: number, length: number, id: number): boolean {
    if (this.cells.slice(start, start + length).some((cell) => cell !== undefined)) return false;
    this.cells.fill(id, start, start + length);
    this.starts.set(start, id);
    return true;
  }

  remove(start: number): boolean {
    const id = this.starts.get(start);
    if (id === undefined) return false;
    this.starts.delete(start);
    this.cells.forEach((cell, i) => {
      if (cell === id) this.cells[i] = undefined;
    });
    return true;
  }
}

Deno.test("Ranges agrees with a list of addresses, whatever is added and removed", () => {
  const step = fc.record({
    op: fc.constantFrom("add", "add", "remove"),
    start: fc.nat(55),
    length: fc.integer({ min: 1, max: 8 }),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    const ranges = new Ranges<number>();
    const naive = new Naive();
    steps.forEach(({ op, start, length }, id) => {
      if (op === "remove") assert.equal(ranges.remove(start), naive.remove(start));
      else if (naive.add(start, length, id)) ranges.add(start, length, id);
      else assert.throws(() => ranges.add(start, length, id), RangeError);
    });
    naive.cells.forEach((cell, address) => assert.equal(ranges.find(address)?.value, cell));
    assert.equal(ranges.size, naive.starts.size);
    const order = [...ranges].map(({ start }) => start);
    assert.deepEqual(order, [...naive.starts.keys()].sort((a, b) => a - b));
    for (const { start, length } of steps) {
      const cells = naive.cells.slice(start, start + length);
      assert.equal(ranges.isFree(start, length), cells.every((cell) => cell === undefined));
      const free = ranges.gaps(start, length);
      const covered = new Set(
        free.flatMap((gap) => Array.from({ length: gap.length }, (_, i) => gap.start + i)),
      );
      cells.forEach((cell, i) => assert.equal(covered.has(start + i), cell === undefined));
      free.forEach((gap, i) => {
        assert.ok(gap.length > 0 && gap.start >= start && gap.start + gap.length <= start + length);
        const before = free[i - 1];
        if (before !== undefined) {
          assert.ok(before.start + before.length < gap.start, "gaps are apart and in order");
        }
      });
    }
  }));
});
