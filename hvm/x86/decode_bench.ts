/**
 * Decoder speed: nanoseconds for each instruction of 64-bit code, and the first use of the table.
 *
 * Each run decodes 1000 instructions, so a time of 30 us is 30 ns an instruction.
 * @module
 */

import { decode, OK } from "./decode.ts";
import { formatInsn } from "./format.ts";
import { Insn } from "./insn.ts";
import { ISA_ROWS } from "./isa.ts";
import { buildIsa } from "./isa_build.ts";

/** What compilers emit most, in about their proportions. */
const TYPICAL = [
  ..."48 89 e5|48 8b 45 f8|48 83 ec 20|e8 00 01 00 00|85 c0|74 10|0f b6 04 0a|48 8d 3c 91|c3|55|5d".split(
    "|",
  ),
  ..."41 57|89 44 24 1c|83 f8 09|0f 87 00 02 00 00|31 c0|48 8b 05 11 22 33 00|eb 0a|49 89 fc|44 39 e8".split(
    "|",
  ),
  ..."ff c1|48 c7 04 24 00 00 00 00|66 90|41 f6 44 24 08 01|0f 1f 44 00 00|f3 0f 10 45 fc|4c 8b 64 24 40"
    .split("|"),
  ..."c7 45 fc 01 00 00 00|48 63 d2|48 c1 e0 04|f0 0f b1 0a|65 48 8b 04 25 28 00 00 00".split("|"),
];
const COUNT = 1000;

const code: number[] = [];
for (let n = 0; n < COUNT; n++) {
  code.push(...TYPICAL[n * 7 % TYPICAL.length]!.split(" ").map((one) => parseInt(one, 16)));
}
const bytes = Uint8Array.from(code);
const insn = new Insn();

function decodeAll(each: (insn: Insn) => void): void {
  let at = 0;
  for (let n = 0; n < COUNT; n++) {
    if (decode(bytes, at, bytes.length, 64, insn) !== OK) throw new RangeError(`Cannot decode at ${at}`);
    each(insn);
    at += insn.length;
  }
}

// deno-lint-ignore hvm/pure -- as a test is run by Deno.test
Deno.bench("decode 1000 instructions", () => decodeAll(() => {}));
// deno-lint-ignore hvm/pure -- as a test is run by Deno.test
Deno.bench("decode and format 1000 instructions", () => decodeAll((one) => void formatInsn(one)));
// deno-lint-ignore hvm/pure -- as a test is run by Deno.test
Deno.bench("compile the table", () => void buildIsa(ISA_ROWS));
