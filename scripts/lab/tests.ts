/**
 * Deno's tests inside the lab: the guest programs of tests/guests, or any other test files, bundled into one and run
 * by the Deno that the executable under test carries.
 *
 * One process runs them all: under a software processor the start of one costs seconds.
 * @module
 */

import type { GuestFile } from "../../firmware/initramfs.ts";
import { run } from "../tools.ts";
import type { Check, PartResult } from "./check.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

/** The part of an ELF file that packing changes, and some more. */
const HEAD_BYTES = 4096;
/** Seconds, by the lab's clock. */
const TIMEOUT = 3000;

/** Which tests. */
export interface LabTests {
  /** Test files, as paths from the project's root. */
  readonly files: readonly string[];
  /** What `deno test --filter` is given; everything when empty. */
  readonly filter: string;
}

/**
 * Bundles the tests.
 *
 * @returns the check that runs them and the files it needs.
 */
export async function testCheck(tests: LabTests): Promise<{ check: Check; files: GuestFile[] }> {
  const runtime = await Deno.readFile(Deno.execPath());
  const files = [
    // Packing changed the head of the executable and appended to it: with its old head it is Deno again.
    { name: "deno.head", bytes: runtime.slice(0, HEAD_BYTES) },
    { name: "lab_test.js", bytes: await bundle(tests.files) },
  ];
  const filter = tests.filter === "" ? "" : ` --filter ${JSON.stringify(tests.filter)}`;
  const check: Check = {
    name: "tests",
    timeout: TIMEOUT,
    script: `cp /bin/hvm /bin/deno && dd if=/deno.head of=/bin/deno conv=notrunc 2> /dev/null || exit
export DENO_DIR=/tmp/deno DENO_NO_UPDATE_CHECK=1 NO_COLOR=1
deno test -A --no-check --no-config --no-prompt${filter} /lab_test.js`,
    judge: ({ status }) => status === 0 ? undefined : `deno test ended with status ${status}`,
    part: testReader(),
  };
  return { check, files };
}

/** One module of all the test files and what they import. */
async function bundle(files: readonly string[]): Promise<Uint8Array> {
  const scratch = await Deno.makeTempDir({ prefix: "hvm-lab-tests-" });
  try {
    await Deno.writeTextFile(
      `${scratch}/entry.ts`,
      files.map((file) => `import ${JSON.stringify(`file://${ROOT}${file}`)};\n`).join(""),
    );
    const config = ["--config", `${ROOT}deno.json`, "--no-lock", "--platform", "deno"];
    const paths = ["-o", `${scratch}/tests.js`, `${scratch}/entry.ts`];
    await run([Deno.execPath(), "bundle", "--quiet", ...config, ...paths], { cwd: ROOT });
    return await Deno.readFile(`${scratch}/tests.js`);
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

/** Reads the lines of `deno test`: one for each test that ended, and before them why some are skipped. */
export function testReader(): (line: string) => PartResult | undefined {
  const reasons = new Map<string, string>();
  return (line) => {
    const skip = line.match(/^SKIP (.+?): (.+)$/);
    if (skip !== null) reasons.set(skip[1] ?? "", skip[2] ?? "");
    const [, test, word, time] = line.match(/^(\S.*?) \.\.\. (ok|FAILED|ignored)(?: \((\S+)\))?/) ?? [];
    if (test === undefined) return undefined;
    const part = { name: test.replaceAll(" ", "-"), seconds: secondsOf(time ?? "") };
    if (word === "ok") return part;
    if (word === "FAILED") return { ...part, reason: "the errors come at the end" };
    const reason = reasons.get(test);
    return reason === undefined
      ? { ...part, reason: "skipped without a reason" }
      : { ...part, skipped: reason };
  };
}

/** Reads `12ms`, `3s` and `1m2s`. */
function secondsOf(time: string): number {
  const [, minutes, seconds, milliseconds] = time.match(/^(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/) ?? [];
  return Number(minutes ?? 0) * 60 + Number(seconds ?? 0) + Number(milliseconds ?? 0) / 1000;
}
