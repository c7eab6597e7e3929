import assert from "node:assert/strict";
import fc from "fast-check";
import { Trace } from "../base/trace.ts";
import { Bus } from "./bus.ts";
import { ones, type Width, type Window } from "./device.ts";

/** A window over plain bytes that records the accesses it sees, as `r1@0` or `w2@4=55aa`. */
function memoryWindow(
  options: { length: number; unit: Width; least?: Width; mergeWrites?: boolean },
): Window & { bytes: Uint8Array; seen: string[] } {
  const bytes = new Uint8Array(options.length);
  const seen: string[] = [];
  const read = (offset: number, width: Width) => {
    let value = 0;
    for (let i = width - 1; i >= 0; i--) value = value * 256 + bytes[offset + i]!;
    return value;
  };
  return {
    ...options,
    bytes,
    seen,
    read: (offset, width) => {
      seen.push(`r${width}@${offset}`);
      return read(offset, width);
    },
    write: (offset, width, value) => {
      seen.push(`w${width}@${offset}=${value.toString(16)}`);
      assert.ok(value >= 0 && value <= ones(width), `value ${value} fits ${width}`);
      for (let i = 0; i < width; i++) bytes[offset + i] = Math.floor(value / 2 ** (8 * i));
    },
  };
}

function bus(limit = 0x10000): Bus {
  return new Bus("port", limit);
}

Deno.test("Bus answers ones for nobody, at every width, and counts it", () => {
  const trace = new Trace();
  const ports = new Bus("port", 0x10000, trace);
  assert.deepEqual([1, 2, 4].map((width) => ports.read(0x100, width as Width)), [0xff, 0xffff, 0xffffffff]);
  ports.write(0x100, 4, 1);
  assert.deepEqual(trace.counts(), { "port.unclaimed-read": 3, "port.unclaimed-write": 1 });
});

Deno.test("Bus passes the widths a window takes as one access", () => {
  const ports = bus();
  const window = memoryWindow({ length: 8, unit: 4 });
  ports.attach(0x100, window, "x");
  ports.write(0x104, 4, 0x11223344);
  assert.equal(ports.read(0x104, 2), 0x3344);
  assert.equal(ports.read(0x107, 1), 0x11);
  assert.deepEqual(window.seen, ["w4@4=11223344", "r2@4", "r1@7"]);
});

Deno.test("Bus splits what is wider than the window's unit, low part first", () => {
  const ports = bus();
  const window = memoryWindow({ length: 8, unit: 1 });
  ports.attach(0x100, window, "x");
  ports.write(0x100, 4, 0x44332211);
  assert.equal(ports.read(0x100, 2), 0x2211);
  assert.deepEqual(window.seen, ["w1@0=11", "w1@1=22", "w1@2=33", "w1@3=44", "r1@0", "r1@1"]);
});

Deno.test("Bus splits what is misaligned", () => {
  const ports = bus();
  const window = memoryWindow({ length: 8, unit: 4 });
  ports.attach(0x100, window, "x");
  ports.write(0x102, 4, 0x44332211);
  assert.deepEqual(window.seen, ["w2@2=2211", "w2@4=4433"]);
  window.seen.length = 0;
  ports.write(0x101, 2, 0xbbaa);
  assert.deepEqual(window.seen, ["w1@1=aa", "w1@2=bb"]);
});

Deno.test("Bus takes bytes out of a window that is read whole", () => {
  const ports = bus();
  const window = memoryWindow({ length: 8, unit: 4, least: 4 });
  window.bytes.set([0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88]);
  ports.attach(0x100, window, "x");
  assert.deepEqual([0, 1, 2, 3].map((i) => ports.read(0x100 + i, 1)), [0x11, 0x22, 0x33, 0x44]);
  assert.equal(ports.read(0x106, 2), 0x8877);
  assert.equal(ports.read(0x103, 2), 0x5544);
  assert.ok(window.seen.every((access) => access.startsWith("r4@")));
});

Deno.test("Bus drops narrow writes to a window that is written whole, or merges them where reading is free", () => {
  const ports = bus();
  const strict = memoryWindow({ length: 4, unit: 4, least: 4 });
  const merging = memoryWindow({ length: 4, unit: 4, least: 4, mergeWrites: true });
  for (const window of [strict, merging]) window.bytes.set([1, 2, 3, 0xf4]);
  ports.attach(0x100, strict, "strict");
  ports.attach(0x200, merging, "merging");
  ports.write(0x101, 1, 0xaa);
  ports.write(0x102, 2, 0xbbcc);
  assert.deepEqual(strict.seen, []);
  ports.write(0x201, 1, 0xaa);
  assert.deepEqual(merging.seen, ["r4@0", "w4@0=f403aa01"]);
  ports.write(0x202, 2, 0xbbcc);
  assert.deepEqual([...merging.bytes], [1, 0xaa, 0xcc, 0xbb]);
});

Deno.test("Bus gives each device its part of an access across borders, and nobody's part ones", () => {
  const ports = bus();
  const a = memoryWindow({ length: 2, unit: 2 });
  const b = memoryWindow({ length: 1, unit: 1 });
  ports.attach(0x100, a, "a");
  ports.attach(0x102, b, "b");
  ports.write(0x100, 4, 0x44332211);
  assert.deepEqual([[...a.bytes], [...b.bytes]], [[0x11, 0x22], [0x33]]);
  assert.equal(ports.read(0x100, 4), 0xff332211);
  assert.equal(ports.read(0xff, 2), 0x11ff);
  assert.equal(ports.read(0xfe, 4), 0x2211ffff);
});

Deno.test("Bus wraps an access past the end of the space to its start, as address lines do", () => {
  const ports = bus();
  const first = memoryWindow({ length: 1, unit: 1 });
  first.bytes[0] = 0x5a;
  ports.attach(0, first, "first");
  assert.equal(ports.read(0xffff, 2), 0x5aff);
  ports.write(0xffff, 2, 0x77ee);
  assert.equal(first.bytes[0], 0x77);
  const last = memoryWindow({ length: 1, unit: 1 });
  last.bytes[0] = 0x33;
  ports.attach(0xffff, last, "last");
  assert.equal(ports.read(0xffff, 2), 0x7733);
});

Deno.test("Bus refuses windows where there is no room, and forgets one that is detached", () => {
  const ports = bus(0x100);
  const window = memoryWindow({ length: 8, unit: 1 });
  ports.attach(0xf8, window, "end");
  assert.throws(() => ports.attach(0xf9, memoryWindow({ length: 8, unit: 1 }), "past"), /past the end/);
  assert.throws(() => ports.attach(-1, window, "before"), /past the end/);
  assert.throws(() => ports.attach(0xf0, memoryWindow({ length: 9, unit: 1 }), "over"), /overlaps/);
  assert.deepEqual(ports.map(), [{ base: 0xf8, length: 8, name: "end" }]);
  assert.deepEqual([ports.isFree(0xf0, 8), ports.isFree(0xf0, 9)], [true, false]);
  assert.deepEqual([ports.detach(0xf9), ports.detach(0xf8), ports.detach(0xf8)], [false, true, false]);
  assert.equal(ports.read(0xf8, 1), 0xff);
});

Deno.test("Bus moves the byte strings of MMIO exits, of any length up to 8", () => {
  const memory = new Bus("mmio", 2 ** 52);
  const window = memoryWindow({ length: 16, unit: 4 });
  memory.attach(0xfee00000, window, "x");
  const data = Uint8Array.of(0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88);
  memory.writeBytes(0xfee00000, data, 1, 8);
  assert.deepEqual(window.seen, ["w4@0=44332211", "w4@4=88776655"]);
  for (let length = 1; length <= 8; length++) {
    const target = new Uint8Array(10);
    memory.readBytes(0xfee00000, target, 1, length);
    assert.deepEqual([...target], [0, ...data.subarray(1, 1 + length), ...new Array(9 - length).fill(0)]);
  }
});

Deno.test("Bus agrees with a byte for every address, whatever windows there are and however they are accessed", () => {
  const SPACE = 64;
  const width = fc.constantFrom<Width>(1, 2, 4);
  const windows = fc.array(
    fc.record({ base: fc.nat(15), units: fc.integer({ min: 1, max: 4 }), unit: width, least: width }),
    { maxLength: 6 },
  );
  const access = fc.record({
    write: fc.boolean(),
    at: fc.nat(SPACE - 1),
    width,
    value: fc.nat(0xffffffff),
  });
  fc.assert(fc.property(windows, fc.array(access, { maxLength: 40 }), (described, accesses) => {
    const ports = bus(SPACE);
    const model: (number | undefined)[] = new Array(SPACE).fill(undefined);
    for (const { base, units, unit, least } of described) {
      const at = base * 4;
      const length = units * 4;
      if (at + length > SPACE || !ports.isFree(at, length)) continue;
      const narrowest = Math.min(unit, least) as Width;
      ports.attach(at, memoryWindow({ length, unit, least: narrowest, mergeWrites: true }), "w");
      model.fill(0, at, at + length);
    }
    for (const { write, at, width, value } of accesses) {
      const addresses = Array.from({ length: width }, (_, i) => (at + i) % SPACE);
      if (write) {
        ports.write(at, width, value & ones(width) ? (value & ones(width)) >>> 0 : 0);
        addresses.forEach((address, i) => {
          if (model[address] !== undefined) model[address] = value >>> 8 * i & 0xff;
        });
      }
      const expected = addresses.reduce(
        (sum, address, i) => sum + (model[address] ?? 0xff) * 2 ** (8 * i),
        0,
      );
      assert.equal(ports.read(at, width), expected);
    }
  }));
});
