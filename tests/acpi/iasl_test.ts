/**
 * Every table of boards of many shapes through Intel's compiler and interpreter, which know nothing of ours.
 *
 * `iasl` disassembles each table and compiles the text again: neither may complain, and what comes out must be the
 * same bytes but for the fields in which a compiler writes its own name. `acpiexec` evaluates the methods.
 *
 * Sources: [iasl] iASL Compiler/Disassembler User Reference; [ACPI] 6.5, 5.2.6, 6.2.11 to 6.2.16.
 * @module
 */

import assert from "node:assert/strict";
import * as aml from "../../acpi/aml.ts";
import { BOARDS, PC } from "../../acpi/_test_board.ts";
import { acpiTables, type PlacedTable } from "../../acpi/mod.ts";
import { sdt } from "../../acpi/sdt.ts";
import { hexBytes } from "../../hvm/base/bits.ts";
import type { BoardResources } from "../../hvm/io/resources.ts";
import { boardResources } from "../../hvm/machine/layout.ts";
import { testWith } from "./_tool.ts";

const BASE = 0xf0000;
/** How acpiexec tells of anything that went wrong. */
const TROUBLE = /AE_|exception/i;
/** Where `_CRS` and `_SRS` of a link device keep the interrupt: descriptor, then the end tag. */
const linkSetting = (irq: number) => `89 06 00 09 01 ${irq.toString(16).padStart(2, "0")} 00 00 00 79 00`;

/** The boards the machine itself makes, beside the made-up ones. */
const MACHINES: Readonly<Record<string, BoardResources>> = {
  "the machine's board": boardResources({ cpus: 2, memoryBytes: 2 ** 29, lapic: true, ioapic: true }),
  "the machine's board with 6 GiB": boardResources({
    cpus: 1,
    memoryBytes: 6 * 2 ** 30,
    lapic: true,
    ioapic: true,
  }),
  "the machine's board without APICs": boardResources({
    cpus: 1,
    memoryBytes: 2 ** 29,
    lapic: false,
    ioapic: false,
  }),
};

async function run(command: string, args: string[], cwd: string): Promise<{ code: number; text: string }> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args, cwd, stdin: "null" }).output();
  return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

/** Gives `body` a directory of its own. */
async function withDirectory<T>(body: (directory: string) => Promise<T>): Promise<T> {
  const directory = await Deno.makeTempDir({ prefix: "hvm-acpi-" });
  try {
    return await body(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** The table without what a compiler replaces: checksum, creator and creator's revision. [ACPI] 5.2.6 */
function withoutCreator(table: Uint8Array, name: string): string {
  const copy = table.slice();
  if (name !== "FACS") {
    copy.fill(0, 9, 10);
    copy.fill(0, 28, 36);
  }
  return hexBytes(copy);
}

async function roundTrip({ name, bytes }: PlacedTable, directory: string): Promise<void> {
  const [aml, dsl] = [`${name}.aml`, `${name}.dsl`];
  await Deno.writeFile(`${directory}/${aml}`, bytes);
  const taken = await run("iasl", ["-d", aml], directory);
  assert.equal(taken.code, 0, taken.text);
  assert.doesNotMatch(taken.text, /error|warning|invalid|incorrect|unknown|unrecognized/i, taken.text);
  const text = await Deno.readTextFile(`${directory}/${dsl}`);
  assert.doesNotMatch(text, /invalid|incorrect|should be|unknown|unrecognized|\*\*\*\*/i, text);
  await Deno.remove(`${directory}/${aml}`);
  // Without -oa names would be shortened, and the bytes could not be compared.
  const made = await run("iasl", ["-oa", "-p", name, dsl], directory);
  assert.equal(made.code, 0, made.text);
  assert.match(made.text, /\b0 Errors, 0 Warnings, 0 Remarks/, made.text);
  assert.equal(withoutCreator(await Deno.readFile(`${directory}/${aml}`), name), withoutCreator(bytes, name));
}

testWith(
  "iasl",
  "iasl takes every table apart and makes the same bytes of the text, without a complaint",
  async (t) => {
    for (const [shape, board] of Object.entries({ ...BOARDS, ...MACHINES })) {
      for (const table of acpiTables(board, BASE).tables) {
        // The root pointer has no table header; iasl does not read it.
        if (table.name === "RSDP") continue;
        await t.step(
          `${table.name} of ${shape}`,
          () => withDirectory((directory) => roundTrip(table, directory)),
        );
      }
    }
  },
);

/**
 * A table of the test's own. acpiexec cannot print a package as large as a whole `_PRT`, so `\\TPRT (mode, n)` says
 * which mode the guest uses and returns the n-th entry.
 */
function testTable(): Uint8Array<ArrayBuffer> {
  const entries = aml.local(0);
  const terms = [
    aml.call("\\_PIC", aml.arg(0)),
    aml.store(aml.path("\\_SB.PCI0._PRT"), entries),
    aml.returns(aml.derefOf(aml.index(entries, aml.arg(1)))),
  ];
  return sdt("SSDT", 2, aml.method("\\TPRT", { args: 2, serialized: true }, ...terms));
}

/** What `acpiexec` prints when it runs `commands` on the tables of `board`, its own banner and loading left out. */
function execute(board: BoardResources, commands: string[]): Promise<string> {
  return withDirectory((directory) => executeIn(directory, board, commands));
}

async function executeIn(directory: string, board: BoardResources, commands: string[]): Promise<string> {
  const files: string[] = [];
  const write = async (name: string, bytes: Uint8Array): Promise<void> => {
    await Deno.writeFile(`${directory}/${name}.aml`, bytes);
    files.push(`${name}.aml`);
  };
  for (const { name, bytes } of acpiTables(board, BASE).tables) {
    if (["FACP", "DSDT", "APIC"].includes(name)) await write(name, bytes);
  }
  if (board.pci !== undefined) await write("SSDT", testTable());
  const { code, text } = await run("acpiexec", ["-b", commands.join(";"), ...files], directory);
  assert.equal(code, 0, text);
  const started = text.indexOf("Evaluating");
  assert.notEqual(started, -1, text);
  return text.slice(started);
}

/** The entry of `_PRT` for a device and pin: its four elements. */
async function routing(
  board: BoardResources,
  mode: 0 | 1,
  slot: number,
  pin: number,
): Promise<(string | number)[]> {
  const text = await execute(board, [`evaluate \\TPRT ${mode} ${slot * 4 + pin}`]);
  assert.doesNotMatch(text, TROUBLE, text);
  return [...text.matchAll(/\[(?:Integer|Object Reference)\] = ([^\n]*)/g)]
    .map(([, value = ""]) =>
      /^[0-9A-F]+$/.test(value) ? parseInt(value, 16) : /LNK[A-D]/.exec(value)?.[0] ?? value
    );
}

/** The buffers in the output of `acpiexec`, as hexadecimal text. */
function buffers(text: string): string[] {
  return [...text.matchAll(/\[Buffer\] Length [0-9A-F]+ =((?:\s+[0-9A-F]{4}:(?: [0-9A-F]{2})+[^\n]*)+)/g)]
    .map(([, lines = ""]) =>
      lines.trim().split("\n").map((line) =>
        line.replace(/^\s*[0-9A-F]{4}:/, "").replace(/\/\/.*$/, "").trim()
      )
        .join(" ").toLowerCase()
    );
}

// acpiexec spends its time asleep, so its runs go side by side.

testWith(
  "acpiexec",
  "acpiexec shows by _CRS and _STA of a link device what _SRS set, until _DIS",
  async () => {
    await Promise.all(["LNKA", "LNKB", "LNKC", "LNKD"].map(async (link) => {
      const text = await execute(PC, [
        `evaluate \\_SB.${link}._SRS (${linkSetting(11)})`,
        `evaluate \\_SB.${link}._CRS`,
        `evaluate \\_SB.${link}._STA`,
        `evaluate \\_SB.${link}._DIS`,
        `evaluate \\_SB.${link}._CRS`,
        `evaluate \\_SB.${link}._STA`,
        `evaluate \\_SB.${link}._PRS`,
      ]);
      assert.doesNotMatch(text, TROUBLE, text);
      assert.deepEqual(buffers(text), [
        linkSetting(11),
        linkSetting(0),
        "89 0a 00 09 02 0a 00 00 00 0b 00 00 00 79 00",
      ]);
      const states = [...text.matchAll(/\[Integer\] = ([0-9A-F]+)/g)].map(([, value = ""]) =>
        parseInt(value, 16)
      );
      assert.deepEqual(states, [0x0b, 0x09]);
    }));
  },
);

testWith(
  "acpiexec",
  "acpiexec finds the link device of a pin, whatever _PIC was told [ACPI] 6.2.13",
  async () => {
    await Promise.all(([0, 1] as const).map(async (mode) => {
      // (2 + 0 + 3) mod 4, and (31 + 3 + 3) mod 4.
      assert.deepEqual(await routing(PC, mode, 2, 0), [0x2ffff, 0, "LNKB", 0]);
      assert.deepEqual(await routing(PC, mode, 31, 3), [0x1fffff, 3, "LNKB", 0]);
    }));
  },
);

testWith("acpiexec", "acpiexec chooses the routing table by what _PIC was told [ACPI] 5.8.1", async () => {
  const board = BOARDS["PIRQs at IOAPIC pins 16 to 19"] ?? PC;
  const [pic, apic] = await Promise.all([routing(board, 0, 2, 3), routing(board, 1, 2, 3)]);
  assert.deepEqual(pic, [0x2ffff, 3, "LNKA", 0]);
  assert.deepEqual(apic, [0x2ffff, 3, 0, 16]);
});

testWith("acpiexec", "acpiexec initialises every board and reads the host bridge's resources", async () => {
  // acpiexec takes 20 seconds to start with 4096 devices.
  const boards = Object.entries({ ...BOARDS, ...MACHINES })
    .filter(([, board]) => board.pci !== undefined && board.apicIds.length < 1000);
  assert.ok(boards.length > 10);
  await Promise.all(boards.map(async ([shape, board]) => {
    const text = await execute(board, ["evaluate \\_SB.PCI0._CRS"]);
    assert.doesNotMatch(text, TROUBLE, `${shape}: ${text}`);
    // The first descriptor says which buses. [ACPI] 6.4.3.5.3
    assert.match(buffers(text)[0] ?? "", /^88 0d 00 02 0c 00 /, shape);
  }));
});
