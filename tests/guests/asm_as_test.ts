import assert from "node:assert/strict";
import { ASM_CASES } from "../../hvm/testing/asm_cases.ts";

/** True when the program can be started. */
function installed(program: string): boolean {
  try {
    return new Deno.Command(program, { args: ["--version"], stdout: "null", stderr: "null" }).outputSync()
      .success;
  } catch {
    return false;
  }
}

const NAME = "the bytes the assembler is held to are those of the GNU assembler";
const missing = ["as", "objcopy"].find((program) => !installed(program));
// deno-lint-ignore no-console -- the run's output is where skips are looked for
if (missing !== undefined) console.log(`SKIP ${NAME}: ${missing} (binutils) is not installed`);

async function run(program: string, args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args: [...args], stderr: "piped" }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

Deno.test({
  name: NAME,
  ignore: missing !== undefined,
  fn: async () => {
    const folder = await Deno.makeTempDir({ prefix: "hvm-as-" });
    try {
      // One source for all; each case is aligned to 32 bytes so that it can be found again.
      const source = ASM_CASES.map(([bits, text]) => `.code${bits}\n.balign 32, 0xcc\n${text}\n`).join("");
      await Deno.writeTextFile(`${folder}/x.s`, `.intel_syntax noprefix\n${source}`);
      await run("as", ["-O1", "--64", "-o", `${folder}/x.o`, `${folder}/x.s`]);
      await run("objcopy", ["-O", "binary", "-j", ".text", `${folder}/x.o`, `${folder}/x.bin`]);
      const bytes = await Deno.readFile(`${folder}/x.bin`);
      ASM_CASES.forEach(([bits, text, expected], i) => {
        const length = expected.split(" ").length;
        const got = Array.from(
          bytes.subarray(32 * i, 32 * i + length),
          (b) => b.toString(16).padStart(2, "0"),
        );
        assert.equal(got.join(" "), expected, `${bits} bits: ${text}`);
        const rest = bytes.subarray(32 * i + length, Math.min(32 * (i + 1), bytes.length));
        assert.ok(rest.every((byte) => byte === 0xcc), `${bits} bits: ${text}: longer than ${expected}`);
      });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
