import assert from "node:assert/strict";
import { CLASSES } from "./isa.ts";
import { buildIsa, isa } from "./isa_build.ts";
import { ISA_FEATURE } from "./isa_features.ts";

Deno.test("buildIsa refuses two rows for one encoding", () => {
  const pairs = [
    ["01 /r | add Ev,Gv | mr | | alu", "01 /2 | other Ev | r | | alu"],
    ["40+r | inc Zv | m | | alu", "47 | other | | | alu"],
    ["0F 01 /7 | invlpg Ev | - | | system", "0F 01 F8 | swapgs | | | system"],
    ["66 0F 10 /r | movupd Vpd,Wpd | wr | | sse", "NFx 0F 10 /r | movups Vps,Wps | wr | | sse"],
    ["63 /r | arpl Ew,Gw | mr | | segment i64", "63 /r | other Ew | r | | alu"],
    [
      "VEX.LZ.NP.0F38 F2 /r | andn Gy,By,Ey | wrr | | alu",
      "VEX.LIG.NP.0F38.W1 F2 /r | other Gy,By | wr | | alu",
    ],
  ];
  for (const rows of pairs) {
    assert.throws(() => buildIsa(rows.join("\n")), /Contradiction: two rows fit one encoding/);
  }
});

Deno.test("buildIsa takes rows that differ in what selects them", () => {
  const pairs = [
    ["63 /r | arpl Ew,Gw | mr | | segment i64", "63 /r | movsxd Gv,Ez | wr | | move o64"],
    ["0F 12 /r | movlps Vq,Mq | wr | | sse", "0F 12 /r | movhlps Vq,Uq | wr | | sse"],
    ["0F BC /r | bsf Gv,Ev | mr | | bit", "F3 0F BC /r | tzcnt Gv,Ev | wr | | bit"],
    ["0F C7 /1 REX.W0 | a Mq | m | | move", "0F C7 /1 REX.W1 | b Mdq | m | | move"],
    ["0F 01 /7 | invlpg M | - | | system", "0F 01 F8 | swapgs | | | system"],
  ];
  for (const rows of pairs) assert.equal(buildIsa(rows.join("\n")).text.length, 3);
});

Deno.test("buildIsa refuses cells where only some rows have ModRM", () => {
  const rows = "0F A2 | cpuid | | | system i64\n0F A2 /r | other Ev | r | | alu o64";
  assert.throws(() => buildIsa(rows), /only one has ModRM/);
});

Deno.test("buildIsa names the row and what is wrong with it", () => {
  const cases: [string, RegExp][] = [
    ["01 /r | add Ev,Gv | mr | alu", /five columns/],
    ["01 /r | add Ev,Gv | m | | alu", /2 operands and 1 access/],
    ["01 /r | add Ev,Gv | mq | | alu", /no access q/],
    ["01 /r | add Ev,Xx | mr | | alu", /no operand code Xx/],
    ["01 /r | add Ev,Gv | mr | w:y | alu", /no flag y/],
    ["01 /r | add Ev,Gv | mr | x:o | alu", /Cannot read the flags x:o/],
    ["01 /r | add Ev,Gv | mr | | arithmetic", /no class arithmetic/],
    ["01 /r | add Ev,Gv | mr | | alu fast", /no trait fast/],
    ["01 /r | add Ev,Gv | mr | | alu @NONE", /no feature NONE/],
    ["01 /r | add Ev,Gv | mr | | alu @toString", /no feature toString/],
    ["01 /9 | add Ev,Gv | mr | | alu", /Cannot read \/9/],
    ["VEX.LZ.NP.0F39 F2 /r | a Gy | w | | alu", /no map 0F39/],
  ];
  for (const [row, message] of cases) {
    assert.throws(
      () => buildIsa(row),
      (error: Error) => message.test(error.message) && error.message.includes(row),
      row,
    );
  }
});

Deno.test("isa uses every class, and gates that are features", () => {
  const table = isa();
  const used = new Set(table.classOf.subarray(1));
  assert.deepEqual(CLASSES.filter((_, n) => !used.has(n)), []);
  for (const gate of table.gates.slice(1)) assert.ok(Object.hasOwn(ISA_FEATURE, gate));
  assert.equal(table.classOf.length, table.text.length);
  assert.ok(table.codes.length < 256 && table.keys.length < 65536);
});

Deno.test("isa writes, clears, sets and leaves undefined different flags of a row", () => {
  const table = isa();
  for (let row = 1; row < table.text.length; row++) {
    assert.equal(table.flagsCleared[row]! & table.flagsSet[row]!, 0, table.text[row]);
    assert.equal(
      (table.flagsCleared[row]! | table.flagsSet[row]!) & table.flagsWritten[row]!,
      0,
      table.text[row],
    );
    const changed = table.flagsWritten[row]! | table.flagsUndefined[row]!;
    assert.equal(table.flagsKept[row]! & ~changed, 0, table.text[row]);
  }
});

Deno.test("isa is compiled once", () => assert.equal(isa(), isa()));
