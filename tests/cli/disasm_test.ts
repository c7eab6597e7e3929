/**
 * `hvm disasm`: bytes and files, and what it refuses.
 */

import assert from "node:assert/strict";
import { hvm, shell, shellWords } from "./rig.ts";

/** The listing without padding: `0: 0f 05: syscall`. */
async function listed(...args: string[]): Promise<string[]> {
  const { status, out, errors } = await hvm("hvm", ["disasm", ...args]);
  assert.deepEqual([status, errors], [0, ""]);
  return out.trimEnd().split("\n").map((line) =>
    line.replace(
      /^0*([0-9a-f]+) {2}(.*?) {2,}(.*)$/,
      (_, address, bytes, text) => `${address}: ${bytes}: ${text}`,
    )
  );
}

Deno.test("hvm disasm prints instructions from bytes, together or apart", async () => {
  const expected = ["0: 48 89 e5: mov rbp, rsp", "3: 0f 05: syscall"];
  assert.deepEqual(await listed("48", "89", "e5", "0f", "05"), expected);
  assert.deepEqual(await listed("4889e5", "0x0f05"), expected);
  assert.deepEqual(await listed("--mode", "32", "--address", "0x1000", "48", "eb", "fe"), [
    "1000: 48: dec eax",
    "1001: eb fe: jmp 0x1001",
  ]);
  assert.deepEqual(await listed("--mode", "16", "--address=31744", "ebfe"), ["7c00: eb fe: jmp 0x7c00"]);
});

Deno.test("hvm disasm shows bytes that are no instruction and goes on behind them", async () => {
  assert.deepEqual(await listed("06", "90", "48", "8b"), [
    "0: 06: (bad)",
    "1: 90: nop",
    "2: 48: (bad)",
    "3: 8b: (bad)",
  ]);
});

Deno.test("hvm disasm keeps addresses within 64 bits", async () => {
  assert.deepEqual(await listed("--address", "0xffffffffffffffff", "90", "90"), [
    "ffffffffffffffff: 90: nop",
    "0000000000000000: 90: nop".replace(/^0+/, "0"),
  ]);
});

Deno.test("hvm disasm reads a part of a file", async () => {
  const directory = await Deno.makeTempDir();
  const file = `${directory}/code`;
  try {
    await Deno.writeFile(file, Uint8Array.of(0xf4, 0xf4, 0x0f, 0xa2, 0xc3, 0xf4));
    assert.deepEqual(await listed("--file", file, "--offset", "2", "--length", "3"), [
      "0: 0f a2: cpuid",
      "2: c3: ret",
    ]);
    assert.equal((await listed("--file", file, "--length", "0x100")).length, 5);
    const rows: [string[], RegExp][] = [
      [["--file", `${directory}/none`], /^Cannot read .*none: there is no such file$/],
      [["--file", directory], /: it is a directory$/],
      [["--file", "/dev/null"], /: it is not a file$/],
      [["--file", file, "--offset", "6"], /: it has 6 bytes, and --offset is 6$/],
      [["--file", file, "90"], /^Cannot use --file together with bytes$/],
    ];
    for (const [args, sentence] of rows) await refuses(args, sentence);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

async function refuses(args: readonly string[], sentence: RegExp): Promise<void> {
  const { status, out, errors } = await hvm("hvm", ["disasm", ...args]);
  assert.deepEqual([status, out], [125, ""], args.join(" "));
  assert.match(errors, /^hvm: [^\n]+\n$/);
  assert.match(errors.slice("hvm: ".length, -1), sentence);
}

Deno.test("hvm disasm refuses what it cannot read, in one sentence", async () => {
  const rows: [string[], RegExp][] = [
    [[], /^Cannot disassemble nothing: give bytes such as 0f 05, or --file FILE$/],
    [["9"], /^Cannot read the bytes "9": two hexadecimal digits make one$/],
    [["zz"], /^Cannot read the bytes "zz"/],
    [["--mode", "48", "90"], /^Cannot use --mode 48: there are 16, 32 and 64$/],
    [["--address", "7c0x", "90"], /^Cannot use --address 7c0x: it is not a number/],
    [["--address", "0x10000000000000000", "90"], /: it has more than 64 bits$/],
    [["--offset", "1", "90"], /^Cannot use --offset without --file$/],
    [["--length", "1", "90"], /^Cannot use --length without --file$/],
    [["--nope", "90"], /^There is no option --nope/],
  ];
  for (const [args, sentence] of rows) await refuses(args, sentence);
});

Deno.test("hvm disasm minds no reader that leaves", async () => {
  const words = `${shellWords("hvm")} disasm --file '${Deno.execPath()}' --length 200000`;
  const { status, errors, out } = await shell(`set -o pipefail; ${words} | head -1`);
  assert.deepEqual([status, errors], [0, ""]);
  assert.match(out, /^0000000000000000 {2}7f 45 /);
});
