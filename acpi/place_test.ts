import assert from "node:assert/strict";
import { MIB } from "../hvm/base/addr.ts";
import { GuestMemory } from "../hvm/base/memory.ts";
import { BOARDS, PC } from "./_test_board.ts";
import { placeAcpi } from "./place.ts";

const LOW = 4 * MIB;

function memory(): GuestMemory {
  const result = new GuestMemory();
  result.map(0, { name: "ram", bytes: new Uint8Array(LOW).fill(0xa5) });
  return result;
}

Deno.test("placeAcpi puts the root pointer where a guest looks for it [ACPI] 5.2.5.1", () => {
  for (const [shape, board] of Object.entries(BOARDS)) {
    if (shape === "4096 processors") continue;
    const ram = memory();
    const { rsdp, reserved } = placeAcpi(ram, board, { lowRamEnd: LOW });
    assert.ok(rsdp >= 0xe0000 && rsdp < 0x100000 && rsdp % 16 === 0, shape);
    assert.equal(new TextDecoder().decode(ram.read(rsdp, 8)), "RSD PTR ");
    assert.ok(reserved.base >= 0xe0000 && reserved.base + reserved.length <= 0x100000, shape);
  }
});

Deno.test("placeAcpi writes nothing outside what it reserves", () => {
  const ram = memory();
  const { tables, reserved } = placeAcpi(ram, PC, { lowRamEnd: LOW });
  const after = ram.read(0, LOW);
  assert.ok(after.subarray(0, reserved.base).every((byte) => byte === 0xa5));
  assert.ok(after.subarray(reserved.base + reserved.length).every((byte) => byte === 0xa5));
  for (const { address, bytes } of tables) {
    assert.deepEqual(ram.read(address, bytes.length), bytes);
    assert.ok(address >= reserved.base && address + bytes.length <= reserved.base + reserved.length);
  }
});

Deno.test("placeAcpi puts a set too large for the BIOS area at the end of low memory", () => {
  const board = BOARDS["4096 processors"] ?? PC;
  const { rsdp, reserved } = placeAcpi(memory(), board, { lowRamEnd: LOW });
  assert.ok(reserved.length > 0x20000);
  assert.equal(reserved.base + reserved.length, LOW);
  assert.ok(rsdp >= reserved.base);
  assert.throws(() => placeAcpi(memory(), board, { lowRamEnd: MIB }), RangeError);
});

Deno.test("placeAcpi refuses a machine without memory there", () => {
  assert.throws(() => placeAcpi(new GuestMemory(), PC, { lowRamEnd: LOW }), RangeError);
});
