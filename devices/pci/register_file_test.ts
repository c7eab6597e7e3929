import assert from "node:assert/strict";
import fc from "fast-check";
import { RegisterFile } from "./register_file.ts";

const rows = [
  { at: 0, width: 2, reset: 0x1234 },
  { at: 2, width: 2, reset: 0x0001, writable: 0x0ff0, clearable: 0x8000, internal: 0x0001 },
  { at: 4, width: 4, writable: 0xfffff000 },
] as const;

Deno.test("RegisterFile resets, keeps fixed bits, takes writable ones", () => {
  const file = new RegisterFile(8, rows);
  file.write(0, 4, 0xffffffff);
  assert.equal(file.get(0, 2), 0x1234);
  assert.equal(file.get(2, 2), 0x0ff1);
  file.write(4, 4, 0xffffffff);
  assert.equal(file.get(4, 4), 0xfffff000);
  assert.equal(file.get(3), 0x0f);
  file.reset();
  assert.equal(file.get(2, 2), 0x0001);
  assert.equal(file.get(4, 4), 0);
});

Deno.test("RegisterFile clears by a written 1 and by nothing else", () => {
  const file = new RegisterFile(8, rows);
  file.set(2, 2, 0x8001);
  file.write(2, 2, 0x0000);
  assert.equal(file.get(2, 2), 0x8001);
  file.write(3, 1, 0x80);
  assert.equal(file.get(2, 2), 0x0001);
  file.write(3, 1, 0x80);
  assert.equal(file.get(2, 2), 0x0001, "and never sets");
});

Deno.test("RegisterFile loads the bits that can change and no others", () => {
  const file = new RegisterFile(8, rows);
  file.load("ffffffffffffffff");
  assert.equal(file.get(0, 2), 0x1234);
  assert.equal(file.get(2, 2), 0x8ff1);
  assert.equal(file.get(4, 4), 0xfffff000);
});

Deno.test("RegisterFile treats one wide write as its bytes", () => {
  fc.assert(fc.property(fc.nat(0xffffffff), fc.nat(0xffffffff), (before, value) => {
    const wide = new RegisterFile(8, rows);
    const narrow = new RegisterFile(8, rows);
    for (const file of [wide, narrow]) file.set(0, 4, before);
    wide.write(0, 4, value);
    for (let i = 0; i < 4; i++) narrow.write(i, 1, value >>> i * 8 & 0xff);
    assert.equal(wide.save(), narrow.save());
  }));
});

Deno.test("RegisterFile refuses a register past its end", () => {
  assert.throws(() => new RegisterFile(4, [{ at: 2, width: 4 }]), RangeError);
});
