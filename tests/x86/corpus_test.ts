/**
 * The corpora: every line decoded whole, with bytes behind it, and cut at every byte.
 *
 * A line is `bytes ; text ; facts`, as if at address 0. The fact is `mem=N`: bytes of the first operand in memory.
 * @module
 */

import assert from "node:assert/strict";
import { decode, MORE, OK } from "../../hvm/x86/decode.ts";
import { formatInsn } from "../../hvm/x86/format.ts";
import { Insn, memoryOperand, operandSize } from "../../hvm/x86/insn.ts";

const insn = new Insn();

/** What the decoder makes of a line, as a line; or what is wrong with it. */
function decoded(bytes: Uint8Array, mode: number): string {
  for (let end = 0; end < bytes.length; end++) {
    const result = decode(bytes, 0, end, mode, insn);
    if (result !== MORE) return `result ${result} with ${end} bytes`;
  }
  // Neither what follows nor where it lies may matter.
  const room = new Uint8Array(40).fill(0xff);
  room.set(bytes, 13);
  if (decode(room, 13, room.length, mode, insn) !== OK || insn.length !== bytes.length) return "length";
  const result = decode(bytes, 0, bytes.length, mode, insn);
  return result === OK ? `${formatInsn(insn)} ; ${facts()}` : `result ${result}`;
}

function facts(): string {
  const operand = memoryOperand(insn);
  const sized = operand >= 0 && formatInsn(insn).includes(" ptr");
  return sized ? `mem=${operandSize(insn, operand)}` : "";
}

for (const mode of [16, 32, 64]) {
  Deno.test(`decode and formatInsn agree with the corpus of ${mode}-bit code`, async () => {
    const text = await Deno.readTextFile(new URL(`code${mode}.txt`, import.meta.url));
    const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith(";"));
    const wrong: string[] = [];
    for (const line of lines) {
      const at = line.indexOf(" ; ");
      const bytes = Uint8Array.from(line.slice(0, at).split(" "), (one) => parseInt(one, 16));
      const found = decoded(bytes, mode);
      if (found !== line.slice(at + 3)) wrong.push(`${line}\n  found: ${found}`);
    }
    assert.deepEqual(wrong.slice(0, 20), []);
    assert.ok(lines.length > 3000, `only ${lines.length} lines`);
  });
}
