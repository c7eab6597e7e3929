/**
 * hvm itself in one file, with nothing on the PATH: it says what the host can do, and it runs a guest.
 * @module
 */

import assert from "node:assert/strict";
import { kvmTest } from "../../hvm/testing/kvm.ts";
import { byteGuest } from "../../scripts/bench/guests.ts";
import { build, projectVersion } from "../../scripts/build.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

/** What a run of the executable gave. */
interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Builds the executable in a directory of its own; `run` starts it with an environment of its own. */
async function rig() {
  const folder = await Deno.makeTempDir({ prefix: "hvm-dist-" });
  await build({ entry: MAIN, output: `${folder}/hvm` });
  const run = async (...args: string[]): Promise<Outcome> => {
    const env = { PATH: "", HOME: folder };
    const { code, stdout, stderr } = await new Deno.Command(`${folder}/hvm`, { args, env, clearEnv: true })
      .output();
    const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    return { code, stdout: out ?? "", stderr: err ?? "" };
  };
  return { folder, run, [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
}

Deno.test("dist/hvm says its version, and refuses a word it does not know with status 125", async () => {
  await using hvm = await rig();
  assert.deepEqual(await hvm.run("--version"), {
    code: 0,
    stdout: `hvm ${await projectVersion()}\n`,
    stderr: "",
  });
  const { code, stdout, stderr } = await hvm.run("run", "--kernle", "x");
  assert.equal(code, 125);
  assert.equal(stdout, "");
  assert.match(stderr, /kernle/);
});

Deno.test("dist/hvm info tells what the host can do", async () => {
  await using hvm = await rig();
  const { code, stdout } = await hvm.run("info", "--json");
  assert.equal(code, 0);
  assert.equal(typeof JSON.parse(stdout), "object");
});

kvmTest("dist/hvm runs a guest and ends with its status", {}, async () => {
  await using hvm = await rig();
  await Deno.writeFile(`${hvm.folder}/guest`, byteGuest());
  const args = [
    "run",
    "--kernel",
    `${hvm.folder}/guest`,
    "--timeout",
    "60",
    "--json",
    `${hvm.folder}/result`,
  ];
  const { code, stdout, stderr } = await hvm.run(...args);
  assert.equal(code, 1, stderr); // (0 << 1) | 1: the guest writes 0 to port F4h
  assert.equal(stdout, "!");
  assert.equal(JSON.parse(await Deno.readTextFile(`${hvm.folder}/result`)).end, "exit-port");
});
