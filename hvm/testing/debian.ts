/**
 * Tests of Debian's kernels: they come from Debian's package manager, and where there is none the tests are skipped by
 * name and reason.
 * @module
 */

/** Why Debian's kernels cannot be had, undefined when they can. */
export function debianMissing(): string | undefined {
  return hasApt() ? undefined : "there is no apt here to fetch Debian's kernels with";
}

/** Registers a test of Deno that needs a default guest. */
export function debianTest(name: string, fn: () => Promise<void>): void {
  const reason = debianMissing();
  // deno-lint-ignore no-console -- the run's output is where skips are looked for
  if (reason !== undefined) console.log(`SKIP ${name}: ${reason}`);
  Deno.test({ name, ignore: reason !== undefined, fn });
}

function hasApt(): boolean {
  try {
    return new Deno.Command("apt-get", { args: ["--version"], stdout: "null" }).outputSync().success;
  } catch {
    return false;
  }
}
