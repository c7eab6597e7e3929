import assert from "node:assert/strict";
import { eisaId, isEisaId } from "./names.ts";

/** Reads the compressed form back by the rule of [ACPI] 6.1.5: bytes swapped, then 5-bit letters and hex digits. */
function expand(id: number): string {
  const big = [id & 0xff, id >>> 8 & 0xff, id >>> 16 & 0xff, id >>> 24].reduce(
    (sum, byte) => sum * 256 + byte,
    0,
  );
  const letters = [26, 21, 16].map((shift) => String.fromCharCode(0x40 + (big >>> shift & 0x1f))).join("");
  return letters + (big & 0xffff).toString(16).toUpperCase().padStart(4, "0");
}

Deno.test("eisaId gives the numbers every PC's tables have [ACPI] 19.6.36", () => {
  assert.equal(eisaId("PNP0A03"), 0x030ad041);
  assert.equal(eisaId("PNP0C0F"), 0x0f0cd041);
  assert.equal(eisaId("PNP0501"), 0x0105d041);
});

Deno.test("eisaId can be read back", () => {
  for (const id of ["PNP0A03", "AAA0000", "ZZZFFFF", "INT3F0D"]) assert.equal(expand(eisaId(id)), id);
});

Deno.test("eisaId refuses other forms, which isEisaId tells apart", () => {
  for (const bad of ["", "PNP0A0", "PNP0A033", "pnp0a03", "PNP0a03", "QEMU0001", "ACPI0007", "PN10A03"]) {
    assert.equal(isEisaId(bad), false, bad);
    assert.throws(() => eisaId(bad), RangeError, bad);
  }
  assert.equal(isEisaId("PNP0A03"), true);
});
