/**
 * Every cell of the opcode maps, with every mandatory prefix, in three modes: is there an instruction, and how long is it?
 *
 * Sources: cells.txt (GNU objdump corrected by the manuals, see scripts/corpus/); [SDM] vol. 2A, 2.3 (VEX).
 * @module
 */

import assert from "node:assert/strict";
import { decode, OK, UD } from "../../hvm/x86/decode.ts";
import { formatInsn } from "../../hvm/x86/format.ts";
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

/** [SDM] LOCK: these, when their destination is in memory. */
const LOCKABLE = new Set(
  ("adc add and btc btr bts cmpxchg cmpxchg8b cmpxchg16b dec inc neg not or sbb sub xadd xchg xor").split(
    " ",
  ),
);

Deno.test("decode takes LOCK before exactly the instructions of the manual's list [SDM] LOCK", () => {
  const wrong: string[] = [];
  let locked = 0;
  for (const { name, mode, encodings } of cells()) {
    for (const bytes of encodings) {
      if (lengthOf(mode, bytes) === 0) continue;
      const [mnemonic = "", first = ""] = formatInsn(insn).split(/ (?=.)(.*)/);
      const allowed = LOCKABLE.has(mnemonic) && /^[^,]*\[/.test(first);
      const result = decode(Uint8Array.of(0xf0, ...bytes), 0, bytes.length + 1, mode, insn);
      if (result !== (allowed ? OK : UD)) wrong.push(`${name}: ${mnemonic} ${first}: ${result}`);
      if (allowed) locked++;
    }
  }
  assert.deepEqual(wrong, []);
  assert.ok(locked > 1000, `only ${locked} lockable encodings`);
});
