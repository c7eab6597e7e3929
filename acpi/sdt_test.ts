import assert from "node:assert/strict";
import { BOARDS, PC } from "./_test_board.ts";
import { rsdp } from "./rsdp.ts";
import { checksum, sdt, signatureOf } from "./sdt.ts";
import { acpiTables } from "./tables.ts";
import { rsdt, xsdt } from "./xsdt.ts";

const sum = (bytes: Uint8Array) => bytes.reduce((total, byte) => total + byte, 0) & 0xff;
const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const text = (bytes: Uint8Array, from: number, to: number) =>
  new TextDecoder().decode(bytes.subarray(from, to));

Deno.test("checksum makes a sum of zero", () => {
  assert.equal(checksum(Uint8Array.of(0xff, 0x02)), 0xff);
  assert.equal(checksum(new Uint8Array(0)), 0);
});

Deno.test("sdt writes the header of [ACPI] 5.2.6", () => {
  const table = sdt("TEST", 7, Uint8Array.of(1, 2, 3));
  assert.equal(text(table, 0, 4), "TEST");
  assert.equal(signatureOf(table), "TEST");
  assert.equal(view(table).getUint32(4, true), 39);
  assert.equal(table[8], 7);
  assert.equal(sum(table), 0);
  assert.match(text(table, 10, 16), /^[A-Z ]{6}$/);
  assert.match(text(table, 16, 24), /^[A-Z ]{8}$/);
  assert.deepEqual(table.subarray(36), Uint8Array.of(1, 2, 3));
});

Deno.test("rsdp has the layout and both checksums of [ACPI] 5.2.5.3", () => {
  const pointer = rsdp({ rsdt: 0x11223344, xsdt: 0xaabbccdd });
  assert.equal(pointer.length, 36);
  assert.equal(text(pointer, 0, 8), "RSD PTR ");
  assert.equal(pointer[15], 2);
  assert.equal(view(pointer).getUint32(16, true), 0x11223344);
  assert.equal(view(pointer).getUint32(20, true), 36);
  assert.equal(view(pointer).getBigUint64(24, true), 0xaabbccddn);
  assert.equal(sum(pointer.subarray(0, 20)), 0);
  assert.equal(sum(pointer), 0);
});

Deno.test("rsdt and xsdt list the same addresses in 32 and 64 bits [ACPI] 5.2.7, 5.2.8", () => {
  const [short, long] = [rsdt([0x1000, 0xfffff000]), xsdt([0x1000, 0xfffff000])];
  assert.equal(short.length, 36 + 8);
  assert.equal(view(short).getUint32(40, true), 0xfffff000);
  assert.equal(long.length, 36 + 16);
  assert.equal(view(long).getBigUint64(44, true), 0xfffff000n);
  assert.throws(() => rsdt([2 ** 32]), RangeError);
});

Deno.test("acpiTables: every table of every board is whole, aligned, apart from the others, and linked", () => {
  for (const [shape, board] of Object.entries(BOARDS)) {
    const { rsdp: root, tables, image } = acpiTables(board, 0xf0000);
    assert.equal(root, 0xf0000);
    let end = root;
    for (const { name, address, bytes } of tables) {
      assert.ok(address >= end && address % 16 === 0, `${shape}: ${name}`);
      end = address + bytes.length;
      assert.deepEqual(image.subarray(address - root, end - root), bytes);
      if (name !== "FACS") assert.equal(sum(bytes), 0, `${shape}: checksum of ${name}`);
      if (name !== "RSDP") {
        assert.equal(view(bytes).getUint32(4, true), bytes.length, `${shape}: length of ${name}`);
      }
    }
    assert.equal(image.length, end - root);

    const at = (address: number | bigint) =>
      tables.find((table) => BigInt(table.address) === BigInt(address));
    const pointer = view(at(root)?.bytes ?? new Uint8Array(0));
    const xsdtBytes = at(pointer.getBigUint64(24, true))?.bytes ?? new Uint8Array(0);
    const rsdtBytes = at(pointer.getUint32(16, true))?.bytes ?? new Uint8Array(0);
    const listed: (string | undefined)[] = [];
    for (let i = 36; i < xsdtBytes.length; i += 8) {
      const address = view(xsdtBytes).getBigUint64(i, true);
      assert.equal(BigInt(view(rsdtBytes).getUint32(36 + (i - 36) / 2, true)), address);
      listed.push(at(address)?.name);
    }
    const expected = ["FACP", "APIC", "MCFG", "HPET"].filter((name) =>
      tables.some((table) => table.name === name)
    );
    assert.deepEqual(listed, expected, shape);
    const fadt = view(tables.find(({ name }) => name === "FACP")?.bytes ?? new Uint8Array(0));
    assert.equal(at(fadt.getUint32(36, true))?.name, "FACS");
    assert.equal(at(fadt.getUint32(40, true))?.name, "DSDT");
    assert.equal(at(fadt.getBigUint64(140, true))?.name, "DSDT");
  }
});

Deno.test("acpiTables aligns the FACS to 64 bytes [ACPI] 5.2.10", () => {
  const facs = acpiTables(PC, 0xe0000).tables.find(({ name }) => name === "FACS");
  assert.equal(facs?.bytes.length, 64);
  assert.equal((facs?.address ?? 1) % 64, 0);
  assert.equal(facs?.bytes[32], 2);
  assert.throws(() => acpiTables(PC, 0xe0010), RangeError);
});

Deno.test("acpiTables has a MADT, MCFG and HPET only where there is something to tell", () => {
  const names = (shape: string) => acpiTables(BOARDS[shape] ?? PC, 0).tables.map(({ name }) => name);
  assert.ok(!names("no LAPIC").includes("APIC"));
  assert.ok(names("no IOAPIC").includes("APIC"));
  assert.ok(!names("one processor").includes("MCFG"));
  assert.ok(!names("one processor").includes("HPET"));
  assert.deepEqual(names("ECAM and HPET").filter((name) => ["MCFG", "HPET"].includes(name)), [
    "MCFG",
    "HPET",
  ]);
});
