import assert from "node:assert/strict";
import fc from "fast-check";
import { lapicRig, message } from "./_lapic_rig.ts";
import { LAPIC_REG } from "./lapic_regs.ts";
import {
  ACCEPTED,
  acceptMessage,
  clearVector,
  hasVector,
  highestVector,
  LAPIC_WORDS,
  matchesDestination,
  setVector,
  WORD,
} from "./lapic_words.ts";

Deno.test("Lapic words find the highest of any set of vectors", () => {
  fc.assert(fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 255 })), (vectors) => {
    const words = new Int32Array(LAPIC_WORDS);
    for (const vector of vectors) setVector(words, WORD.IRR, vector);
    const seen = [];
    for (let vector = highestVector(words, WORD.IRR); vector >= 0; vector = highestVector(words, WORD.IRR)) {
      assert.ok(hasVector(words, WORD.IRR, vector));
      clearVector(words, WORD.IRR, vector);
      seen.push(vector);
    }
    assert.deepEqual(seen, vectors.toSorted((a, b) => b - a));
    assert.ok(words.every((word) => word === 0));
  }));
});

Deno.test("Lapic words alone are enough for another thread to match and send", () => {
  const words = new Int32Array(new SharedArrayBuffer(4 * LAPIC_WORDS));
  const { lapic, put, drain } = lapicRig({ words, apicId: 6 });
  const other = new Int32Array(words.buffer);
  assert.equal(matchesDestination(other, message({ destination: 6 })), true);
  assert.equal(matchesDestination(other, message({ destination: 5 })), false);
  put(LAPIC_REG.LDR, 0x40000000);
  assert.equal(matchesDestination(other, message({ logical: true, destination: 0x40 })), true);
  assert.equal(acceptMessage(other, message({ vector: 0x77, level: true })), ACCEPTED.YES);
  assert.equal(lapic.highestPending(), 0x77);
  assert.deepEqual(drain(), [0x77]);
  assert.equal(acceptMessage(other, message({ vector: 7 })), ACCEPTED.ILLEGAL_VECTOR);
  put(LAPIC_REG.SVR, 0xff);
  assert.equal(acceptMessage(other, message({ vector: 0x77 })), ACCEPTED.NO);
});
