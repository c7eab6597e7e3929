/**
 * Tests that need a program of Debian's package acpica-tools.
 * @module
 */

/** Registers a test that needs `tool`; ignored, with a line `SKIP name: reason`, where there is none. */
export function testWith(
  tool: string,
  name: string,
  body: (context: Deno.TestContext) => Promise<void>,
): void {
  const missing = !toolExists(tool);
  // deno-lint-ignore no-console hvm/quiet -- the run's output is where skips are looked for
  if (missing) console.log(`SKIP ${name}: this host has no ${tool} (Debian's package acpica-tools)`);
  Deno.test({ name, ignore: missing, fn: body });
}

function toolExists(tool: string): boolean {
  try {
    new Deno.Command(tool, { args: ["-v"], stdin: "null" }).outputSync();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
