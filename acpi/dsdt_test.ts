import assert from "node:assert/strict";
import { hexBytes } from "../hvm/base/bits.ts";
import type { BoardResources } from "../hvm/io/resources.ts";
import { BOARDS, PC } from "./_test_board.ts";
import { integer, name, pack, path, type Term } from "./aml.ts";
import { dsdt } from "./dsdt.ts";

const shape = (title: string): BoardResources => BOARDS[title] ?? PC;

/** How often the bytes of `term` occur in the table of `board`. */
function count(board: BoardResources, term: Term): number {
  const [text, wanted] = [hexBytes(dsdt(board)), hexBytes(term)];
  let found = 0;
  for (let at = text.indexOf(wanted); at !== -1; at = text.indexOf(wanted, at + 1)) found++;
  return found;
}

const hid = (id: string) => {
  const big = { PNP0A03: 0x030ad041, PNP0A08: 0x080ad041, PNP0C0F: 0x0f0cd041, PNP0103: 0x0301d041 }[id] ?? 0;
  return name("_HID", integer(big));
};

Deno.test("dsdt is of revision 2, whose integers have 64 bits [ACPI] 5.2.11.1", () => {
  assert.equal(dsdt(PC)[8], 2);
});

Deno.test("dsdt has the sleep type that powers off, where there is fixed hardware [ACPI] 7.4.2", () => {
  const s5 = name("\\_S5", pack(integer(5), integer(0), integer(0), integer(0)));
  assert.equal(count(PC, s5), 1);
  assert.equal(count(shape("hardware-reduced"), path("\\_S5")), 0);
});

Deno.test("dsdt has one ACPI0007 device per processor [ACPI] 8.4", () => {
  const processor = new TextEncoder().encode("ACPI0007");
  assert.equal(count(PC, processor), 1);
  assert.equal(count(shape("300 processors"), processor), 300);
  assert.equal(count(shape("300 processors"), new TextEncoder().encode("C12B")), 1);
});

Deno.test("dsdt routes all pins of all 32 devices, and has four link devices [ACPI] 6.2.13", () => {
  assert.equal(count(PC, hid("PNP0C0F")), 4);
  // Device 2, pin A: PIRQ (2 + 0 + 3) mod 4 is 1, link device B.
  assert.equal(count(PC, pack(integer(0x2ffff), integer(0), path("LNKB"), integer(0))), 1);
  assert.equal(count(PC, pack(integer(0x1fffff), integer(3), path("LNKB"), integer(0))), 1);
  for (const link of ["LNKA", "LNKB", "LNKC", "LNKD"]) {
    // 32 in _PRT and the device itself.
    assert.equal(count(PC, path(link)), 33, link);
  }
});

Deno.test("dsdt gives IOAPIC pins past 15 as numbers, in the IOAPIC's table only", () => {
  const board = shape("PIRQs at IOAPIC pins 16 to 19");
  assert.equal(count(board, pack(integer(0x2ffff), integer(0), integer(0), integer(17))), 1);
  assert.equal(count(board, pack(integer(0x2ffff), integer(0), path("LNKB"), integer(0))), 1);
  assert.equal(count(board, path("PRTA")), 2);
  assert.equal(count(PC, path("PRTA")), 0);
});

Deno.test("dsdt has a PCI Express root where there is memory-mapped configuration space [PCIFW] 4.1.3", () => {
  assert.equal(count(PC, hid("PNP0A03")), 1);
  assert.equal(count(PC, hid("PNP0A08")), 0);
  assert.equal(count(shape("ECAM and HPET"), hid("PNP0A08")), 1);
  assert.equal(count(shape("ECAM and HPET"), hid("PNP0103")), 1);
});

Deno.test("dsdt without PCI keeps the ISA devices and has no links", () => {
  const board = shape("no PCI");
  assert.equal(count(board, path("COM1")), 1);
  assert.equal(count(board, path("PCI0")), 0);
  assert.equal(count(board, hid("PNP0C0F")), 0);
  assert.equal(count(board, path("\\_PIC")), 0);
});
