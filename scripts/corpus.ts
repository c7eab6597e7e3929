/**
 * Writes the expectations of tests/x86 from GNU objdump (binutils 2.40), corrected by the processors' manuals:
 * `cells` writes cells.txt, `lines` the corpora code16.txt, code32.txt and code64.txt. Run it when the table has grown.
 *
 * It never asks our own decoder what is right; `lines` asks it only to list where it disagrees, for a reader to judge.
 *
 * Usage: `deno run -A scripts/corpus.ts cells|lines`
 * @module
 */

import { judge } from "./corpus/judge.ts";
import { writeLines } from "./corpus/lines.ts";
import { objdump } from "./corpus/objdump.ts";
import { cells, MODES, packLengths } from "../tests/x86/cells.ts";

const FOLDER = new URL("../tests/x86/", import.meta.url);

/** Encodings that one run of objdump is asked about. */
const BATCH = 50_000;

async function writeCells(): Promise<void> {
  const lines: string[] = [];
  for (const mode of MODES) {
    let batch = [...cells()].filter((cell) => cell.mode === mode);
    while (batch.length > 0) {
      const part = batch.splice(0, Math.floor(BATCH / 72));
      const verdicts = await objdump(mode, part.flatMap((cell) => cell.encodings));
      let at = 0;
      for (const { name, encodings } of part) {
        const lengths = encodings.map((bytes) => judge(mode, bytes, verdicts[at++]!));
        if (lengths.some((length) => length > 0)) lines.push(`${name}: ${packLengths(lengths)}`);
      }
    }
    batch = [];
  }
  await Deno.writeTextFile(new URL("cells.txt", FOLDER), `${lines.join("\n")}\n`);
}

if (import.meta.main) {
  if (Deno.args[0] === "cells") await writeCells();
  else if (Deno.args[0] === "lines") await writeLines(FOLDER);
  else {
    console.error("Usage: deno run -A scripts/corpus.ts cells|lines");
    Deno.exit(1);
  }
}
