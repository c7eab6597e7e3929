/**
 * Every cell of the opcode maps, with every mandatory prefix, in three modes: is there an instruction, and how long is it?
 *
 * Sources: cells.txt (GNU objdump corrected by the manuals, see scripts/corpus/); [SDM] vol. 2A, 2.3 (VEX).
 * @module
 */

import assert from "node:assert/strict";
import { decode, OK } from "../../hvm/x86/decode.ts";
import { Insn } from "../../hvm/x86/insn.ts";
import { cells, packLengths } from "./cells.ts";

const insn = new Insn();

function lengthOf(mode: number, bytes: Uint8Array): number {
  return decode(bytes, 0, bytes.length, mode, insn) === OK ? insn.length : 0;
}

Deno.test("decode knows every opcode cell and its length in three modes", async () => {
  const text = await Deno.readTextFile(new URL("cells.txt", import.meta.url));
  const expected = new Map(text.trimEnd().split("\n").map((line) => line.split(": ") as [string, string]));
  const wrong: string[] = [];
  let seen = 0;
  for (const { name, mode, encodings } of cells()) {
    const found = packLengths(encodings.map((bytes) => lengthOf(mode, bytes)));
    const wanted = expected.get(name) ?? `.x${encodings.length}`;
    if (expected.delete(name)) seen++;
    if (found !== wanted) wrong.push(`${name}: ${found}, not ${wanted}`);
  }
  assert.deepEqual(wrong, []);
  assert.equal(expected.size, 0);
  assert.ok(seen > 3000, `only ${seen} cells have instructions`);
});
