import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeMsi, DELIVERY, encodeMsi, isMsiAddress } from "./msi.ts";

Deno.test("isMsiAddress takes FEE00000h to FEEFFFFFh and nothing beside [SDM] 11.11.1", () => {
  for (const address of [0xfee00000, 0xfee01004, 0xfeefffff]) assert.ok(isMsiAddress(address));
  for (const address of [0, 0xfedfffff, 0xfef00000, 0x1_fee00000, 2 ** 52 - 1]) {
    assert.ok(!isMsiAddress(address));
  }
});

Deno.test("decodeMsi reads the fields of address and data [SDM] 11.11.1, 11.11.2", () => {
  assert.deepEqual(decodeMsi(0xfee01000, 0x0041), {
    vector: 0x41,
    delivery: DELIVERY.FIXED,
    destination: 1,
    logical: false,
    level: false,
    asserted: true,
  });
  assert.deepEqual(decodeMsi(0xfeeff00c, 0xc1fe), {
    vector: 0xfe,
    delivery: DELIVERY.LOWEST_PRIORITY,
    destination: 0xff,
    logical: true,
    level: true,
    asserted: true,
  });
  assert.equal(decodeMsi(0xfee00000, 0x8030).asserted, false, "level, deasserted");
  assert.equal(decodeMsi(0xfee00000, 0x0030).asserted, true, "edge messages are always asserted");
  assert.equal(decodeMsi(0xfee00000, 0x0400).delivery, DELIVERY.NMI);
});

Deno.test("encodeMsi and decodeMsi are each other's inverse", () => {
  const message = fc.record({
    vector: fc.nat(255),
    delivery: fc.constantFrom(...Object.values(DELIVERY)),
    destination: fc.nat(255),
    logical: fc.boolean(),
    level: fc.boolean(),
    asserted: fc.boolean(),
  });
  fc.assert(fc.property(message, (given) => {
    const sent = { ...given, asserted: given.asserted || !given.level };
    const { address, data } = encodeMsi(sent);
    assert.ok(isMsiAddress(address) && data >= 0 && data <= 0xffff);
    assert.deepEqual(decodeMsi(address, data), sent);
  }));
});
