import assert from "node:assert/strict";
import { hexBytes } from "../hvm/base/bits.ts";
import type { BoardResources } from "../hvm/io/resources.ts";
import { BOARDS, PC } from "./_test_board.ts";
import { hpet } from "./hpet.ts";
import { madt, MADT_TYPE } from "./madt.ts";
import { mcfg } from "./mcfg.ts";

/** The structures behind the header and two words, as hexadecimal text. */
function structures(board: BoardResources): string[] {
  const bytes = madt(board) ?? new Uint8Array(0);
  const result: string[] = [];
  for (let at = 44; at < bytes.length; at += bytes[at + 1] ?? 0) {
    assert.ok((bytes[at + 1] ?? 0) >= 2);
    result.push(hexBytes(bytes.subarray(at, at + (bytes[at + 1] ?? 0))));
  }
  return result;
}

const shape = (name: string): BoardResources => BOARDS[name] ?? PC;
const ofType = (board: BoardResources, type: number) =>
  structures(board).filter((one) => parseInt(one, 16) === type);

Deno.test("madt describes a PC with one processor [ACPI] 5.2.12", () => {
  const bytes = madt(PC) ?? new Uint8Array(0);
  assert.equal(hexBytes(bytes.subarray(36, 44)), "00 00 e0 fe 01 00 00 00");
  assert.deepEqual(structures(PC), [
    // Processor 0, APIC id 0, enabled. [ACPI] table 5.22
    "00 08 00 00 01 00 00 00",
    // IOAPIC id 1 at FEC00000h, from interrupt 0 on. [ACPI] table 5.24
    "01 0c 01 00 00 00 c0 fe 00 00 00 00",
    // ISA 0 at 2, edge and high; ISA 9 at 9, level and high. [ACPI] tables 5.25, 5.26
    "02 0a 00 00 02 00 00 00 05 00",
    "02 0a 00 09 09 00 00 00 0d 00",
    // All processors, conforming, LINT1. [ACPI] table 5.28
    "04 06 ff 00 00 01",
  ]);
});

Deno.test("madt writes the polarity of an override that is active low [ACPI] table 5.26", () => {
  const overrides = [{ irq: 5, gsi: 20, activeLow: true, level: true }, {
    irq: 6,
    gsi: 6,
    activeLow: true,
    level: false,
  }];
  assert.deepEqual(ofType({ ...PC, overrides }, MADT_TYPE.INTERRUPT_OVERRIDE), [
    "02 0a 00 05 14 00 00 00 0f 00",
    "02 0a 00 06 06 00 00 00 07 00",
  ]);
});

Deno.test("madt tells processors from APIC id 255 on by x2APIC structures [ACPI] 5.2.12.12", () => {
  const many = shape("300 processors");
  const short = ofType(many, MADT_TYPE.LOCAL_APIC);
  const long = ofType(many, MADT_TYPE.LOCAL_X2APIC);
  assert.equal(short.length, 255);
  assert.equal(short.at(-1), "00 08 fe fe 01 00 00 00");
  assert.equal(long.length, 45);
  assert.equal(long[0], "09 10 00 00 ff 00 00 00 01 00 00 00 ff 00 00 00");
  assert.equal(long.at(-1), "09 10 00 00 2b 01 00 00 01 00 00 00 2b 01 00 00");
  assert.deepEqual(ofType(many, MADT_TYPE.LOCAL_X2APIC_NMI), ["0a 0c 00 00 ff ff ff ff 01 00 00 00"]);
  assert.deepEqual(ofType(PC, MADT_TYPE.LOCAL_X2APIC_NMI), []);
});

Deno.test("madt numbers processors by their place, not by their APIC ids", () => {
  const board = shape("sparse APIC ids");
  assert.equal(ofType(board, MADT_TYPE.LOCAL_APIC)[2], "00 08 02 10 01 00 00 00");
  assert.equal(ofType(board, MADT_TYPE.LOCAL_X2APIC)[1], "09 10 00 00 e8 03 00 00 01 00 00 00 05 00 00 00");
});

Deno.test("madt has neither IOAPIC nor overrides without an IOAPIC, and is absent without a LAPIC", () => {
  const board = shape("no IOAPIC");
  assert.deepEqual(ofType(board, MADT_TYPE.IO_APIC), []);
  assert.deepEqual(ofType(board, MADT_TYPE.INTERRUPT_OVERRIDE), []);
  assert.equal(ofType(board, MADT_TYPE.LOCAL_APIC_NMI).length, 1);
  assert.equal(madt(shape("no LAPIC")), undefined);
});

Deno.test("madt says that 8259s are there when they are [ACPI] table 5.20", () => {
  assert.equal(madt(PC)?.[40], 1);
  assert.equal(madt(shape("no PIC"))?.[40], 0);
});

Deno.test("madt refuses an IOAPIC id that its byte cannot hold", () => {
  assert.throws(() => madt({ ...PC, ioapic: { id: 300, base: 0xfec00000, gsiBase: 0 } }), RangeError);
});

Deno.test("mcfg gives base, segment and buses [PCIFW] 4.1.2", () => {
  const bytes = mcfg(shape("ECAM above 4 GiB")) ?? new Uint8Array(0);
  assert.equal(
    hexBytes(bytes.subarray(36)),
    "00 00 00 00 00 00 00 00 00 00 00 00 02 00 00 00 00 00 00 3f 00 00 00 00",
  );
  assert.equal(mcfg(PC), undefined);
});

Deno.test("hpet gives block id, base and shortest period [HPET] 3.2.4", () => {
  const bytes = hpet(shape("ECAM and HPET")) ?? new Uint8Array(0);
  assert.equal(
    hexBytes(bytes.subarray(36)),
    "01 a2 86 80 00 40 00 00 00 00 d0 fe 00 00 00 00 00 80 00 00",
  );
  assert.equal(hpet(PC), undefined);
});
