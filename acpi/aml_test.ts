import assert from "node:assert/strict";
import fc from "fast-check";
import { hexBytes } from "../hvm/base/bits.ts";
import * as aml from "./aml.ts";
import { join } from "./_bytes.ts";

/** Compares with the bytes written as hexadecimal digits. */
function is(term: aml.Term, expected: string): void {
  assert.equal(hexBytes(term), expected.replaceAll(/\s+/g, " ").trim());
}

const text = (chars: string) => hexBytes(new TextEncoder().encode(chars));

/** What a package length says, read by the rule of [ACPI] 20.2.4: bytes it takes, and length with itself. */
function readPackageLength(bytes: Uint8Array): { size: number; length: number } {
  const lead = bytes[0] ?? 0;
  const extra = lead >>> 6;
  if (extra === 0) return { size: 1, length: lead & 0x3f };
  let length = lead & 0x0f;
  for (let i = 0; i < extra; i++) length += (bytes[1 + i] ?? 0) * 2 ** (4 + 8 * i);
  return { size: 1 + extra, length };
}

Deno.test("packageLength uses the forms of [ACPI] 20.2.4 at their edges", () => {
  const head = (content: number) => hexBytes(aml.packageLength(new Uint8Array(content)).slice(0, 4));
  assert.equal(head(0), "01");
  assert.equal(head(62).slice(0, 2), "3f");
  assert.equal(head(63).slice(0, 5), "41 04");
  assert.equal(head(4093).slice(0, 5), "4f ff");
  assert.equal(head(4094).slice(0, 8), "81 00 01");
  assert.equal(head(2 ** 20 - 4).slice(0, 8), "8f ff ff");
  assert.equal(head(2 ** 20 - 3), "c1 00 00 01");
});

Deno.test("packageLength counts itself and its content", () => {
  fc.assert(fc.property(fc.nat(5000), (content) => {
    const bytes = aml.packageLength(new Uint8Array(content));
    const { size, length } = readPackageLength(bytes);
    assert.equal(length, bytes.length);
    assert.equal(size, bytes.length - content);
  }));
});

Deno.test("path encodes prefixes and the three forms of names [ACPI] 20.2.2", () => {
  is(aml.path("_HID"), text("_HID"));
  is(aml.path("RTC"), text("RTC_"));
  is(aml.path("\\_SB"), text("\\_SB_"));
  is(aml.path("^^PRQA"), text("^^PRQA"));
  is(aml.path("\\_SB.PCI0"), `${text("\\")} 2e ${text("_SB_PCI0")}`);
  is(aml.path("\\_SB.PCI0.ISA.COM1"), `${text("\\")} 2f 04 ${text("_SB_PCI0ISA_COM1")}`);
  is(aml.path("\\"), `${text("\\")} 00`);
});

Deno.test("path refuses what is no name", () => {
  for (const bad of ["", "TOOLONG", "1ABC", "abc", "A.", ".A", "A..B", "_SB\\", "A^B", "A B"]) {
    assert.throws(() => aml.path(bad), RangeError, bad);
  }
});

Deno.test("integer takes the shortest form [ACPI] 20.2.3", () => {
  is(aml.integer(0), "00");
  is(aml.integer(1), "01");
  is(aml.integer(2), "0a 02");
  is(aml.integer(0xff), "0a ff");
  is(aml.integer(0x100), "0b 00 01");
  is(aml.integer(0xffff), "0b ff ff");
  is(aml.integer(0x10000), "0c 00 00 01 00");
  is(aml.integer(0xffff_ffff), "0c ff ff ff ff");
  is(aml.integer(2 ** 32), "0e 00 00 00 00 01 00 00 00");
  is(aml.integer(0xffff_ffff_ffff_fffen), "0e fe ff ff ff ff ff ff ff");
  is(aml.integer(0xffff_ffff_ffff_ffffn), "ff");
});

Deno.test("integer refuses what 64 bits cannot hold", () => {
  for (const bad of [-1, -1n, 2n ** 64n]) assert.throws(() => aml.integer(bad), RangeError);
  assert.throws(() => aml.integer(1.5), RangeError);
});

Deno.test("string, buffer and package carry their content [ACPI] 20.2.3, 20.2.5.4", () => {
  is(aml.string("Hi"), `0d ${text("Hi")} 00`);
  is(aml.buffer(Uint8Array.of(1, 2, 3)), "11 06 0a 03 01 02 03");
  is(aml.buffer(new Uint8Array(0)), "11 02 00");
  is(aml.pack(aml.integer(5), aml.integer(0)), "12 05 02 0a 05 00");
  is(aml.pack(), "12 02 00");
  assert.throws(() => aml.string("\u00e9"), RangeError);
  assert.throws(() => aml.string("a\0b"), RangeError);
});

Deno.test("pack takes the variable form from 256 elements on [ACPI] 20.2.5.4, VarPackageOp", () => {
  const zeros = (count: number) => Array.from({ length: count }, () => aml.integer(0));
  assert.equal(hexBytes(aml.pack(...zeros(255)).slice(0, 4)), "12 42 10 ff");
  assert.equal(hexBytes(aml.pack(...zeros(256)).slice(0, 6)), "13 45 10 0b 00 01");
});

Deno.test("named objects have the layout of [ACPI] 20.2.5.1 and 20.2.5.2", () => {
  is(aml.name("_UID", aml.integer(1)), `08 ${text("_UID")} 01`);
  is(aml.scope("\\_SB", aml.name("A", aml.integer(0))), `10 0c ${text("\\_SB_")} 08 ${text("A___")} 00`);
  is(aml.device("COM1"), `5b 82 05 ${text("COM1")}`);
  is(aml.method("_STA", {}), `14 06 ${text("_STA")} 00`);
  is(
    aml.method("_SRS", { args: 1, serialized: true }, aml.returns(aml.arg(0))),
    `14 08 ${text("_SRS")} 09 a4 68`,
  );
  is(aml.mutex("MUTX", 0), `5b 01 ${text("MUTX")} 00`);
  is(aml.acquire("MUTX", 0xffff), `5b 23 ${text("MUTX")} ff ff`);
  is(aml.release("MUTX"), `5b 27 ${text("MUTX")}`);
  assert.throws(() => aml.method("A", { args: 8 }), RangeError);
});

Deno.test("operationRegion and field have the layout of [ACPI] 20.2.5.2", () => {
  is(
    aml.operationRegion("PIRC", aml.REGION_SPACE.PCI_CONFIG, 0x60, 4),
    `5b 80 ${text("PIRC")} 02 0a 60 0a 04`,
  );
  is(
    aml.field("PIRC", { access: aml.FIELD_ACCESS.BYTE, lock: true }, { skip: 4 }, { name: "PRQA", bits: 8 }, {
      skip: 64,
    }),
    `5b 81 10 ${text("PIRC")} 11 00 04 ${text("PRQA")} 08 00 40 04`,
  );
  is(aml.createField(4, aml.arg(0), 5, "IRQ0"), `8a 68 0a 05 ${text("IRQ0")}`);
  is(aml.createField(2, aml.arg(0), 5, "IRQ0"), `8b 68 0a 05 ${text("IRQ0")}`);
  is(aml.createField(1, aml.arg(0), 5, "IRQ0"), `8c 68 0a 05 ${text("IRQ0")}`);
  is(aml.createField(8, aml.arg(0), aml.local(1), "IRQ0"), `8f 68 61 ${text("IRQ0")}`);
});

Deno.test("statements have the opcodes of [ACPI] table 20.2", () => {
  const [a, b] = [aml.local(0), aml.arg(6)];
  is(a, "60");
  is(b, "6e");
  is(aml.ifThen(a, [aml.returns(b)]), "a0 04 60 a4 6e");
  is(aml.ifThen(a, [aml.returns(b)], [aml.returns(a)]), "a0 04 60 a4 6e a1 03 a4 60");
  is(aml.whileDo(a, aml.store(b, a)), "a2 05 60 70 6e 60");
  is(aml.notify("PCI0", 0x80), `86 ${text("PCI0")} 0a 80`);
  is(aml.call("ABCD", a, b), `${text("ABCD")} 60 6e`);
  for (
    const [term, expected] of [
      [aml.add(a, b, a), "72 60 6e 60"],
      [aml.subtract(a, b), "74 60 6e 00"],
      [aml.shiftLeft(a, b), "79 60 6e 00"],
      [aml.shiftRight(a, b), "7a 60 6e 00"],
      [aml.and(a, b), "7b 60 6e 00"],
      [aml.or(a, b), "7d 60 6e 00"],
      [aml.xor(a, b), "7f 60 6e 00"],
      [aml.index(a, b), "88 60 6e 00"],
      [aml.not(a), "80 60 00"],
      [aml.derefOf(a), "83 60"],
      [aml.sizeOf(a), "87 60"],
      [aml.logicalAnd(a, b), "90 60 6e"],
      [aml.logicalOr(a, b), "91 60 6e"],
      [aml.logicalNot(a), "92 60"],
      [aml.equal(a, b), "93 60 6e"],
      [aml.greater(a, b), "94 60 6e"],
      [aml.less(a, b), "95 60 6e"],
    ] as const
  ) is(term, expected);
  assert.throws(() => aml.local(8), RangeError);
  assert.throws(() => aml.arg(7), RangeError);
});

Deno.test("terms nest: a device in a scope counts all its bytes", () => {
  const inner = aml.device("DEV0", aml.name("_STA", aml.integer(0x0f)));
  const outer = aml.scope("\\_SB", inner);
  const { length } = readPackageLength(outer.subarray(1));
  assert.equal(length, outer.length - 1);
  assert.deepEqual(outer.subarray(outer.length - inner.length), join(inner));
});
