/**
 * Asks the C compiler what headers say: values of expressions, compiled and printed.
 *
 * Tests of binary interfaces compare their own numbers with these. Needs `gcc` and the headers (Debian: gcc,
 * libc6-dev, linux-libc-dev).
 * @module
 */

/** Why the probe cannot run here, or undefined when it can. */
function cProbeMissing(): string | undefined {
  try {
    const { success } = new Deno.Command("gcc", { args: ["--version"], stdout: "null", stderr: "null" })
      .outputSync();
    return success ? undefined : "gcc does not run";
  } catch {
    return "gcc is not installed";
  }
}

/**
 * Evaluates integer expressions of C.
 * @param headers included in this order, as `linux/kvm.h`.
 * @param expressions each converted to a 64-bit integer.
 * @returns the values, unsigned, in order.
 */
export function cProbe(headers: readonly string[], expressions: readonly string[]): bigint[] {
  const source = [
    "#define _GNU_SOURCE",
    ...headers.map((header) => `#include <${header}>`),
    "#include <stddef.h>",
    "#include <stdio.h>",
    "int main(void) {",
    ...expressions.map((text) => `  printf("%llu\\n", (unsigned long long)(${text}));`),
    "  return 0;",
    "}",
  ].join("\n");
  const folder = Deno.makeTempDirSync({ prefix: "hvm-probe-" });
  try {
    Deno.writeTextFileSync(`${folder}/probe.c`, source);
    const compiled = new Deno.Command("gcc", {
      args: ["-w", "-O0", "-o", `${folder}/probe`, `${folder}/probe.c`],
    }).outputSync();
    const decoder = new TextDecoder();
    if (!compiled.success) throw new Error(`Cannot compile the probe:\n${decoder.decode(compiled.stderr)}`);
    const run = new Deno.Command(`${folder}/probe`).outputSync();
    return decoder.decode(run.stdout).trim().split("\n").map(BigInt);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Registers a test that needs the compiler; ignored, with a line `SKIP name: reason`, where there is none. */
export function cProbeTest(name: string, fn: () => void): void {
  const missing = cProbeMissing();
  // deno-lint-ignore no-console -- the run's output is where skips are looked for
  if (missing !== undefined) console.log(`SKIP ${name}: ${missing}`);
  Deno.test({ name, ignore: missing !== undefined, fn });
}
