/**
 * The one-file executable: it starts with nothing on the PATH, its Workers enter it again, and its environment is
 * what the stub is to make of it. What hvm does in it is tested where the tree builds `dist/hvm` for the host lab.
 * @module
 */

import assert from "node:assert/strict";
import { build, BUNDLE_DESCRIPTOR, projectVersion } from "../../scripts/build.ts";

/** A program that says how it was started, twice: from the main thread and from a Worker of the same file. */
const PROGRAM = `
const inWorker = typeof WorkerGlobalScope !== "undefined" && self instanceof WorkerGlobalScope;
if (inWorker) {
  self.postMessage({ name: self.name, url: import.meta.url });
} else {
  const worker = new Worker(import.meta.url, { type: "module", name: "hvm-vcpu" });
  const answer = await new Promise((resolve) => worker.onmessage = (event) => resolve(event.data));
  worker.terminate();
  const input = new TextDecoder().decode(await new Response(Deno.stdin.readable).arrayBuffer());
  const environment = new TextDecoder().decode(await Deno.readFile("/proc/self/environ"));
  console.log(JSON.stringify({
    args: Deno.args, url: import.meta.url, worker: answer, env: Deno.env.toObject(), input,
    canFfi: (await Deno.permissions.query({ name: "ffi" })).state, environment,
  }));
  Deno.exit(Number(Deno.args[0] ?? 0));
}
`;

/** What PROGRAM prints. */
interface Report {
  readonly args: string[];
  readonly url: string;
  readonly worker: { name: string; url: string };
  readonly env: Record<string, string>;
  readonly input: string;
  readonly canFfi: string;
}

/** Builds an executable of PROGRAM in a directory of its own. */
async function rig(): Promise<{ folder: string; file: string } & AsyncDisposable> {
  const folder = await Deno.makeTempDir({ prefix: "hvm-dist-" });
  await Deno.writeTextFile(`${folder}/program.ts`, PROGRAM);
  await build({ entry: `${folder}/program.ts`, output: `${folder}/packed` });
  return {
    folder,
    file: `${folder}/packed`,
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

/** Starts it with exactly this environment. */
async function start(
  file: string,
  options: { args?: string[]; env?: Record<string, string>; input?: string },
): Promise<{ code: number; report: Report; errors: string }> {
  const { args = [], env = {}, input = "" } = options;
  const child = new Deno.Command(file, {
    args,
    env,
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const text = new TextDecoder().decode(stdout);
  const errors = new TextDecoder().decode(stderr);
  assert.notEqual(text, "", errors);
  return { code, report: JSON.parse(text), errors };
}

Deno.test("The packed executable starts as a program of its own", async (t) => {
  await using packed = await rig();
  const { file, folder } = packed;
  const version = await projectVersion();

  await t.step(
    "with nothing on the PATH, arguments and standard input whole, its status passed on",
    async () => {
      const args = ["7", "--help", "a b", "", "-A", "--", "\u00e4"];
      const { code, report, errors } = await start(file, {
        args,
        env: { PATH: "", HOME: folder },
        input: "typed\n",
      });
      assert.equal(code, 7);
      assert.equal(errors, "");
      assert.deepEqual(report.args, args);
      assert.equal(report.input, "typed\n");
      assert.equal(report.canFfi, "granted");
    },
  );

  await t.step("a Worker enters the same module again", async () => {
    const { report } = await start(file, { env: { HOME: folder } });
    assert.equal(report.url, `file:///proc/self/fd/${BUNDLE_DESCRIPTOR}`);
    assert.deepEqual(report.worker, { name: "hvm-vcpu", url: report.url });
  });

  await t.step("the cache is below HOME, and no update is looked for", async () => {
    const { report } = await start(file, {
      env: { HOME: folder, DENO_DIR: "/elsewhere", DENO_NO_UPDATE_CHECK: "" },
    });
    assert.equal(report.env.DENO_DIR, `${folder}/.cache/hvm/deno-${version}`);
    assert.equal(report.env.DENO_NO_UPDATE_CHECK, "1");
  });

  await t.step("the cache is below XDG_CACHE_HOME where that is an absolute path", async () => {
    const order = await start(file, { env: { HOME: folder, XDG_CACHE_HOME: `${folder}/xdg` } });
    assert.equal(order.report.env.DENO_DIR, `${folder}/xdg/hvm/deno-${version}`);
    const relative = await start(file, { env: { XDG_CACHE_HOME: "xdg", HOME: folder } });
    assert.equal(relative.report.env.DENO_DIR, `${folder}/.cache/hvm/deno-${version}`);
  });

  await t.step("the rest of the environment is as it was", async () => {
    const long = "x".repeat(60_000);
    const { report } = await start(file, { env: { HOME: folder, LONG: long, EMPTY: "", DENO_X: "kept" } });
    assert.equal(report.env.LONG, long);
    assert.equal(report.env.EMPTY, "");
    assert.equal(report.env.DENO_X, "kept");
  });

  await t.step("it goes on where the cache cannot be written", async () => {
    const { code, report } = await start(file, { args: ["3"], env: { HOME: "/proc/none" } });
    assert.equal(code, 3);
    assert.equal(report.worker.name, "hvm-vcpu");
  });

  await t.step("where the descriptor cannot be had it says so, status 125", async () => {
    const child = await new Deno.Command("sh", { args: ["-c", `ulimit -n 64; exec "${file}"`] }).output();
    assert.equal(child.code, 125);
    assert.match(new TextDecoder().decode(child.stderr), /^hvm: cannot unpack itself into memory: .*\n$/);
  });
});

Deno.test("build refuses a program that cannot be bundled", async () => {
  const folder = await Deno.makeTempDir({ prefix: "hvm-dist-" });
  try {
    await Deno.writeTextFile(`${folder}/program.ts`, 'import "./missing.ts";');
    await assert.rejects(build({ entry: `${folder}/program.ts`, output: `${folder}/packed` }), /missing\.ts/);
    await assert.rejects(Deno.stat(`${folder}/packed`), Deno.errors.NotFound);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
