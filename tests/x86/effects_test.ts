/**
 * What the rows say of flags, against the manual's own table of them (effects.txt).
 * @module
 */

import assert from "node:assert/strict";
import { isa } from "../../hvm/x86/isa_build.ts";
import { RFLAGS } from "../../hvm/x86/state.ts";

const LETTERS: Readonly<Record<string, number>> = {
  o: RFLAGS.OF,
  s: RFLAGS.SF,
  z: RFLAGS.ZF,
  a: RFLAGS.AF,
  p: RFLAGS.PF,
  c: RFLAGS.CF,
  d: RFLAGS.DF,
};

/** The flags of effects.txt; the others are the system's and have no such table. */
const ALL = Object.values(LETTERS).reduce((all, bit) => all | bit, 0);

/** `T:c M:oszapc` in an order of its own. */
function written(bits: Readonly<Record<string, number>>): string {
  return Object.entries(bits).filter(([, value]) => value !== 0).map(([kind, value]) =>
    `${kind}:${Object.keys(LETTERS).filter((letter) => (value & LETTERS[letter]!) !== 0).join("")}`
  ).join(" ");
}

async function expectations(): Promise<Map<string, string>> {
  const text = await Deno.readTextFile(new URL("effects.txt", import.meta.url));
  const map = new Map<string, string>();
  for (const line of text.split("\n").filter((one) => one !== "" && !one.startsWith(";"))) {
    const [left = "", right = ""] = line.split(" ; ");
    const bits: Record<string, number> = { T: 0, M: 0, U: 0, "0": 0, "1": 0 };
    for (const word of right.split(" ")) {
      for (const letter of word.slice(2)) bits[word[0]!]! |= LETTERS[letter]!;
    }
    const words = left.split(" ");
    const withOperand = words.length === 2 && /^(?:1$|[CD]d)/.test(words[1]!);
    for (const name of withOperand ? [left] : words) map.set(name, written(bits));
  }
  return map;
}

Deno.test("rows say of every flag what the manual says [SDM] vol. 1, appendix A", async () => {
  const table = isa();
  const expected = await expectations();
  const used = new Set<string>();
  const wrong: string[] = [];
  table.text.forEach((text, row) => {
    if (row === 0) return;
    const [, words = ""] = text.split("|").map((column) => column.trim());
    const [names = "", operands = ""] = words.split(/\s+/);
    const name = names.split("/")[0]!;
    const last = operands.split(",").at(-1) ?? "";
    const key = [`${name} ${operands}`, `${name} ${last}`, name].find((one) => expected.has(one)) ?? "";
    used.add(key);
    const undefinedFlags = table.flagsUndefined[row]! & ALL;
    const found = written({
      T: table.flagsRead[row]! & ALL,
      M: table.flagsWritten[row]! & ALL & ~undefinedFlags,
      U: undefinedFlags,
      "0": table.flagsCleared[row]! & ALL,
      "1": table.flagsSet[row]! & ALL,
    });
    if (found !== (expected.get(key) ?? "")) wrong.push(`${text}: ${found}, not ${expected.get(key)}`);
  });
  assert.deepEqual(wrong, []);
  assert.deepEqual([...expected.keys()].filter((key) => !used.has(key)), []);
});
