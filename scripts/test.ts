/**
 * `deno task test`: all tests, in two groups, and one line of counts at the end.
 *
 * The pure folders run with no permission at all, which is the proof that they are pure; everything else runs with
 * all permissions. A test that is skipped must say why, by a line `SKIP name: reason`: one that does not counts as
 * failed. Words given on the command line are files or folders to test instead of everything.
 * @module
 */

import { ensurePrograms } from "./setup.ts";
import { linesOf, say } from "./tools.ts";

/** Folders whose tests run without permissions. */
export const PURE_FOLDERS: readonly string[] = [
  "hvm/base",
  "hvm/io",
  "hvm/x86",
  "hvm/testing",
  "devices",
  "acpi",
  "firmware",
];

/** What a group of tests came to. */
interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: readonly string[];
}

/**
 * Runs one group of tests.
 *
 * @param args arguments of `deno test`.
 * @param report a file for the machine-readable results.
 */
async function runGroup(args: readonly string[], report: string): Promise<Tally> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "test",
      "--no-prompt",
      "--no-check",
      "--permit-no-files",
      `--junit-path=${report}`,
      ...args,
    ],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const reasons = new Map<string, string>();
  const [, , status] = await Promise.all([
    pass(child.stdout, reasons),
    pass(child.stderr, reasons),
    child.status,
  ]);
  return tally(report, reasons, status.success);
}

/** Passes a stream on line by line, but for the passing tests, and notes the reasons given for skips. */
async function pass(stream: ReadableStream<Uint8Array>, reasons: Map<string, string>): Promise<void> {
  for await (const line of linesOf(stream)) {
    const skip = line.match(/^SKIP (.+?): (.+)$/);
    if (skip !== null) reasons.set(skip[1] ?? "", skip[2] ?? "");
    else if (!/^(running 0 tests|$)|\.\.\. (ok|ignored) \(|^-{5,} |^ok \| /.test(line)) say(line);
  }
}

/** Reads the results. A run that failed without a failed test (a module that does not load) is one failure. */
async function tally(report: string, reasons: ReadonlyMap<string, string>, success: boolean): Promise<Tally> {
  const xml = await Deno.readTextFile(report).catch(() => "");
  let passed = 0;
  let failed = 0;
  const skipped: string[] = [];
  for (
    const [, attributes = "", body = ""] of xml.matchAll(/<testcase ([^>]*?)(?:\/>|>([^]*?)<\/testcase>)/g)
  ) {
    const name = unescapeXml(attributes.match(/name="([^"]*)"/)?.[1] ?? "");
    if (/<(failure|error)\b/.test(body)) {
      failed++;
    } else if (!body.includes("<skipped")) {
      passed++;
    } else {
      const reason = reasons.get(name);
      if (reason === undefined) {
        failed++;
        say(`FAILED ${name}: it is skipped without a reason`);
      } else {
        skipped.push(`${name}: ${reason}`);
      }
    }
  }
  return { passed, failed: success ? failed : Math.max(failed, 1), skipped };
}

function unescapeXml(text: string): string {
  const names: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
  return text.replace(/&(#x?[0-9a-fA-F]+|\w+);/g, (whole, name: string) => {
    if (name.startsWith("#x")) return String.fromCodePoint(parseInt(name.slice(2), 16));
    if (name.startsWith("#")) return String.fromCodePoint(Number(name.slice(1)));
    return names[name] ?? whole;
  });
}

/** Splits paths into those of the pure folders and the rest. */
function split(paths: readonly string[]): { pure: string[]; rest: string[] } {
  const isPure = (path: string) =>
    PURE_FOLDERS.some((folder) => path === folder || path.startsWith(`${folder}/`));
  const clean = paths.map((path) => path.replace(/^\.\//, "").replace(/\/$/, ""));
  return { pure: clean.filter(isPure), rest: clean.filter((path) => !isPure(path)) };
}

/** The folders of the pure group that exist. */
function existingPure(): string[] {
  return PURE_FOLDERS.filter((folder) => {
    try {
      return Deno.statSync(folder).isDirectory;
    } catch {
      return false;
    }
  });
}

/**
 * Runs the tests and prints the counts.
 *
 * @param paths files or folders; all when empty.
 * @returns whether nothing failed.
 */
export async function test(paths: readonly string[]): Promise<boolean> {
  await ensurePrograms("test");
  const scratch = await Deno.makeTempDir({ prefix: "hvm-test-" });
  const { pure, rest } = paths.length > 0 ? split(paths) : { pure: existingPure(), rest: ["."] };
  const tallies: Tally[] = [];
  try {
    if (pure.length > 0) {
      say("Tests of the pure folders, without any permission");
      tallies.push(await runGroup(["--parallel", ...pure], `${scratch}/pure.xml`));
    }
    if (rest.length > 0) {
      say("All other tests");
      tallies.push(
        await runGroup(["-A", `--ignore=${PURE_FOLDERS.join(",")}`, ...rest], `${scratch}/rest.xml`),
      );
    }
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
  const passed = tallies.reduce((sum, one) => sum + one.passed, 0);
  const failed = tallies.reduce((sum, one) => sum + one.failed, 0);
  const skipped = tallies.flatMap((one) => one.skipped);
  for (const line of skipped) say(`skipped: ${line}`);
  say(`${passed} passed, ${failed} failed, ${skipped.length} skipped`);
  return failed === 0;
}

if (import.meta.main) {
  Deno.chdir(new URL("..", import.meta.url));
  try {
    Deno.exit(await test(Deno.args) ? 0 : 1);
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    Deno.exit(1);
  }
}
