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
import { isa } from "../../hvm/x86/isa_build.ts";

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

/** Rows that some line has reached. */
const reached = new Set<number>();

/** The lines of a corpus, apart. */
async function linesOf(file: string): Promise<string[]> {
  const text = await Deno.readTextFile(new URL(file, import.meta.url));
  return text.split("\n").filter((line) => line !== "" && !line.startsWith(";"));
}

function check(mode: number, line: string): string[] {
  const at = line.indexOf(" ; ");
  const bytes = Uint8Array.from(line.slice(0, at).split(" "), (one) => parseInt(one, 16));
  const found = decoded(bytes, mode);
  reached.add(insn.row);
  return found === line.slice(at + 3) ? [] : [`${line}\n  found: ${found}`];
}

for (const mode of [16, 32, 64]) {
  Deno.test(`decode and formatInsn agree with the corpus of ${mode}-bit code`, async () => {
    const lines = await linesOf(`code${mode}.txt`);
    const wrong = lines.flatMap((line) => check(mode, line));
    assert.deepEqual(wrong.slice(0, 20), []);
    assert.ok(lines.length > 2500, `only ${lines.length} lines`);
  });
}

Deno.test("decode and formatInsn agree with what objdump does not know", async () => {
  const lines = await linesOf("more.txt");
  const wrong = lines.flatMap((line) => check(Number(line.slice(0, 2)), line.slice(5)));
  assert.deepEqual(wrong, []);
  assert.ok(lines.length > 20);
});

Deno.test("every row of the table has a line", async () => {
  const table = isa();
  for (const mode of [16, 32, 64]) for (const line of await linesOf(`code${mode}.txt`)) check(mode, line);
  for (const line of await linesOf("more.txt")) check(Number(line.slice(0, 2)), line.slice(5));
  assert.deepEqual(table.text.filter((_, row) => row > 0 && !reached.has(row)), []);
});
