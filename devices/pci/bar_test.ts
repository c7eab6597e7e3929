import assert from "node:assert/strict";
import { Bar, type BarKind } from "./bar.ts";
import { ConfigSpace } from "./config.ts";
import { CLASS, PCI_COMMAND, PCI_REG as REG } from "./regs.ts";

function rig(kind: BarKind, size: number, prefetchable = false) {
  const places: (number | undefined)[] = [];
  const bars: Bar[] = [];
  const config = new ConfigSpace(
    {
      vendor: 1,
      device: 2,
      classCode: CLASS.ETHERNET,
      commandWritable: PCI_COMMAND.IO_SPACE | PCI_COMMAND.MEMORY_SPACE,
    },
    [],
    { written: () => bars.forEach((bar) => bar.sync()) },
  );
  const bar = new Bar(config, {
    index: 0,
    kind,
    size,
    prefetchable,
    place: (base) => {
      if (base !== places.at(-1)) places.push(base);
    },
  });
  bars.push(bar);
  const at = kind === "rom" ? REG.ROM_BASE : REG.BAR0;
  return { config, bar, places, at, enable: (bits: number) => config.write(REG.COMMAND, 2, bits) };
}

/** What reading back after writing ones gives. [PCI] 6.2.5.1 */
const SIZES: [kind: BarKind, size: number, prefetchable: boolean, low: number, high: number][] = [
  ["io", 4, false, 0xfffffffd, 0],
  ["io", 256, false, 0xffffff01, 0],
  ["memory32", 16, false, 0xfffffff0, 0],
  ["memory32", 4096, false, 0xfffff000, 0],
  ["memory32", 2 ** 31, false, 0x80000000, 0],
  ["memory32", 0x100000, true, 0xfff00008, 0],
  ["memory64", 0x4000, false, 0xffffc004, 0xffffffff],
  ["memory64", 0x4000, true, 0xffffc00c, 0xffffffff],
  ["memory64", 2 ** 32, true, 0x0000000c, 0xffffffff],
  ["memory64", 2 ** 36, true, 0x0000000c, 0xfffffff0],
  ["rom", 0x10000, false, 0xffff0001, 0],
];
for (const [kind, size, prefetchable, low, high] of SIZES) {
  Deno.test(`Bar of ${size} bytes of ${kind}${prefetchable ? ", prefetchable," : ""} tells its size [PCI] 6.2.5.1`, () => {
    const { config, at } = rig(kind, size, prefetchable);
    config.write(at, 4, 0xffffffff);
    config.write(at + 4, 4, 0xffffffff);
    assert.equal(config.read(at, 4), low);
    assert.equal(config.read(at + 4, 4), high);
  });
}

Deno.test("Bar answers only while its space is enabled [PCI] 6.2.2", () => {
  const io = rig("io", 16);
  io.config.write(io.at, 4, 0xc001);
  assert.deepEqual(io.places, []);
  io.enable(PCI_COMMAND.MEMORY_SPACE);
  assert.equal(io.bar.base, undefined);
  io.enable(PCI_COMMAND.IO_SPACE);
  assert.deepEqual(io.places, [0xc000]);
  io.enable(0);
  assert.deepEqual(io.places, [0xc000, undefined]);
});

Deno.test("Bar moves when its register is written while enabled", () => {
  const { config, at, places, enable } = rig("memory32", 0x1000);
  enable(PCI_COMMAND.MEMORY_SPACE);
  config.write(at, 4, 0xfeb00000);
  config.write(at, 4, 0xffffffff);
  config.write(at, 4, 0xfeb01000);
  assert.deepEqual(places, [undefined, 0xfeb00000, undefined, 0xfeb01000].slice(1));
});

Deno.test("Bar takes an address above 4 GiB from its two halves", () => {
  const { config, at, bar, enable } = rig("memory64", 0x4000, true);
  enable(PCI_COMMAND.MEMORY_SPACE);
  config.write(at, 4, 0x80004000);
  config.write(at + 4, 4, 0x00000010);
  assert.equal(bar.base, 0x10_8000_4000);
  config.write(at + 4, 4, 0xffffffff);
  assert.equal(bar.base, undefined, "past the physical address space");
});

Deno.test("Bar of ports answers nowhere above 64 KiB", () => {
  const { config, at, bar, enable } = rig("io", 16);
  enable(PCI_COMMAND.IO_SPACE);
  config.write(at, 4, 0x0001c000);
  assert.equal(bar.base, undefined);
  config.write(at, 4, 0x0000fff0);
  assert.equal(bar.base, 0xfff0);
});

Deno.test("Bar of a ROM needs its own enable bit as well [PCI] 6.2.5.2", () => {
  const { config, at, bar, enable } = rig("rom", 0x10000);
  enable(PCI_COMMAND.MEMORY_SPACE);
  config.write(at, 4, 0xfeb00000);
  assert.equal(bar.base, undefined);
  config.write(at, 4, 0xfeb00001);
  assert.equal(bar.base, 0xfeb00000);
});

Deno.test("Bar refuses sizes and places that are none", () => {
  for (
    const [kind, size] of [["io", 2], ["memory32", 8], ["memory32", 24], ["memory32", 2 ** 32], [
      "rom",
      1024,
    ]] as const
  ) {
    assert.throws(() => rig(kind, size), RangeError);
  }
  const { config } = rig("io", 4);
  assert.throws(() => new Bar(config, { index: 5, kind: "memory64", size: 16, place: () => {} }), RangeError);
  assert.throws(() => new Bar(config, { index: 6, kind: "io", size: 16, place: () => {} }), RangeError);
});
