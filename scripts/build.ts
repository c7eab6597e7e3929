/**
 * `deno task compile`: makes `dist/hvm`, one executable with the program inside.
 *
 * `deno compile` fetches a runtime that is not on the package registry, so the running `deno` executable itself
 * is made to carry the program: see scripts/build/stub.ts and scripts/build/elf.ts. Nothing is fetched but
 * `deno bundle`'s bundler, once, from the package registry.
 *
 * ```
 * deno task compile [--entry FILE] [--output FILE]
 * ```
 * @module
 */

import { findImportSlot, packExecutable, placeSegment } from "./build/elf.ts";
import { assembleStub } from "./build/stub.ts";
import { fail, optionsFrom, run, say } from "./tools.ts";

/** Where the program finds its own code: low enough for any usual limit, high enough to be free at the start. */
export const BUNDLE_DESCRIPTOR = 200;

/** What to build. */
export interface BuildOptions {
  /** The module that is the program. */
  readonly entry: string;
  /** The executable to write. */
  readonly output: string;
}

/**
 * Builds the executable.
 *
 * @returns its size and the bundle's, in bytes.
 * @throws Error when the bundler fails, RangeError when the running Deno cannot be packed.
 */
export async function build(options: BuildOptions): Promise<{ size: number; bundleSize: number }> {
  const scratch = await Deno.makeTempDir({ prefix: "hvm-build-" });
  try {
    const bundleFile = `${scratch}/hvm.js`;
    await run([
      Deno.execPath(),
      "bundle",
      "--quiet",
      "--platform",
      "deno",
      "--minify",
      "--keep-names",
      "-o",
      bundleFile,
      options.entry,
    ]);
    const bundle = await Deno.readFile(bundleFile);
    const runtime = await Deno.readFile(Deno.execPath());
    const { address, entry } = placeSegment(runtime);
    const stub = assembleStub({
      version: await projectVersion(),
      descriptor: BUNDLE_DESCRIPTOR,
      bundleSize: bundle.length,
      address,
      entry,
      environSlot: findImportSlot(runtime, "environ"),
    });
    const segment = new Uint8Array(stub.length + bundle.length);
    segment.set(stub);
    segment.set(bundle, stub.length);
    const packed = packExecutable(runtime, segment);
    await replaceFile(options.output, packed);
    return { size: packed.length, bundleSize: bundle.length };
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

/** The version in deno.json. */
export async function projectVersion(): Promise<string> {
  const config = JSON.parse(await Deno.readTextFile(new URL("../deno.json", import.meta.url)));
  return String(config.version);
}

/** Writes beside the old file and renames, so that a running copy is left alone. */
async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  const slash = path.lastIndexOf("/");
  if (slash > 0) await Deno.mkdir(path.slice(0, slash), { recursive: true });
  const fresh = `${path}.${Deno.pid}.new`;
  await Deno.writeFile(fresh, bytes);
  await Deno.chmod(fresh, 0o755);
  await Deno.rename(fresh, path);
}

if (import.meta.main) {
  const root = new URL("..", import.meta.url).pathname;
  const { options } = optionsFrom(Deno.args, { entry: `${root}main.ts`, output: `${root}dist/hvm` });
  try {
    const { size, bundleSize } = await build({ entry: options.entry, output: options.output });
    say(`${options.output}: ${(size / 1e6).toFixed(1)} MB, of it ${(bundleSize / 1e3).toFixed(0)} kB bundle`);
    const version = await run([options.output, "--version"], { env: { PATH: "" }, clearEnv: true });
    say(`It runs: ${version.trim()}`);
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error));
  }
}
