import assert from "node:assert/strict";
import type { Window } from "../../hvm/io/device.ts";
import { ConfigSpace } from "./config.ts";
import { CLASS, PCI_REG } from "./regs.ts";
import { PciRoot } from "./root.ts";

const space = (device: number): Window =>
  new ConfigSpace({ vendor: 0x8086, device, classCode: CLASS.OTHER_BRIDGE, commandWritable: 0 });

Deno.test("PciRoot finds functions and answers ones for absent ones [PCI] 6.1", () => {
  const root = new PciRoot();
  root.add({ device: 0, function: 0 }, space(0x1237));
  root.add({ device: 1, function: 0 }, space(0x7000));
  root.add({ device: 1, function: 3 }, space(0x7113));
  assert.equal(root.read(0, 0, 0, 4), 0x12378086);
  assert.equal(root.read(0, 1 << 3, 0, 4), 0x70008086);
  assert.equal(root.read(0, 1 << 3 | 3, 2, 2), 0x7113);
  assert.equal(root.read(0, 1 << 3 | 1, 0, 4), 0xffffffff);
  assert.equal(root.read(0, 31 << 3 | 7, 0, 2), 0xffff);
  assert.equal(root.read(1, 0, 0, 4), 0xffffffff, "no other bus");
  root.write(1, 0, 4, 2, 0xffff);
  root.write(0, 2 << 3, 4, 2, 0xffff);
});

Deno.test("PciRoot marks function 0 of a device with several [PCI] 6.2.1", () => {
  const root = new PciRoot();
  root.add({ device: 0, function: 0 }, space(0x1237));
  root.add({ device: 1, function: 0 }, space(0x7000));
  root.add({ device: 1, function: 3 }, space(0x7113));
  assert.equal(root.read(0, 0, PCI_REG.HEADER_TYPE, 1), 0x00);
  assert.equal(root.read(0, 8, PCI_REG.HEADER_TYPE, 1), 0x80);
  assert.equal(root.read(0, 8, 0x0c, 4), 0x00800000);
  assert.equal(root.read(0, 8, 0x0e, 2), 0x0080);
  assert.equal(root.read(0, 8, 0x0f, 1), 0x00);
  assert.equal(root.read(0, 11, PCI_REG.HEADER_TYPE, 1), 0x00);
});

Deno.test("PciRoot refuses a slot twice or past the bus, and names the free one", () => {
  const root = new PciRoot();
  root.add({ device: 2, function: 0 }, space(1));
  assert.throws(() => root.add({ device: 2, function: 0 }, space(1)), RangeError);
  assert.throws(() => root.add({ device: 32, function: 0 }, space(1)), RangeError);
  assert.throws(() => root.add({ device: 0, function: 8 }, space(1)), RangeError);
  assert.equal(root.freeDevice(2), 3);
  for (let device = 3; device < 32; device++) root.add({ device, function: 0 }, space(1));
  assert.equal(root.freeDevice(2), undefined);
});
