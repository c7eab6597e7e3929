/**
 * Help, version, information and completions.
 *
 * The help texts are kept in golden/ to be read in review; `deno test -A tests/cli -- --accept` writes them anew.
 */

import assert from "node:assert/strict";
import { hvm, PROGRAM, shell } from "./rig.ts";

const GOLDEN = new URL("golden/", import.meta.url);

Deno.test("hvm shows its help with every command's", async () => {
  const texts: [string, string[]][] = [
    ["help.txt", ["--help"]],
    ["run_help.txt", ["run", "--help"]],
    ["info_help.txt", ["info", "-h"]],
    ["disasm_help.txt", ["disasm", "--help"]],
    ["completions_help.txt", ["completions", "--help"]],
  ];
  for (const [file, args] of texts) {
    const { status, out, errors } = await hvm("hvm", args);
    assert.deepEqual([status, errors], [0, ""]);
    const golden = new URL(file, GOLDEN);
    if (Deno.args.includes("--accept")) await Deno.writeTextFile(golden, out);
    assert.equal(out, await Deno.readTextFile(golden), `hvm ${args.join(" ")}`);
    for (const line of out.split("\n")) assert.ok(line.length <= 110, line);
  }
});

Deno.test("hvm without arguments shows its help", async () => {
  const { status, out } = await hvm("hvm", []);
  assert.equal(status, 0);
  assert.equal(out, await Deno.readTextFile(new URL("help.txt", GOLDEN)));
});

Deno.test("hvm --version is the project's", async () => {
  const project = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  assert.deepEqual(await hvm("hvm", ["--version"]), {
    status: 0,
    out: `hvm ${project.version}\n`,
    errors: "",
  });
});

Deno.test("hvm --help minds no reader that leaves", async () => {
  const { status, errors, out } = await shell(
    `set -o pipefail; '${Deno.execPath()}' run -A --no-check --quiet '${PROGRAM.hvm}' run --help | head -1`,
  );
  assert.deepEqual([status, errors], [0, ""]);
  assert.match(out, /^Starts a guest[^\n]*\n$/);
});

Deno.test("hvm info tells the host, the engine and why, and the machine's map; --json the same as data", async () => {
  const text = await hvm("hvm", ["info"]);
  assert.equal(text.status, 0);
  assert.equal(text.errors, "");
  for (
    const part of [
      /^hvm \d/,
      /^ {2}engine +\w+$/m,
      /^ {2}why +\S/m,
      /^ {2}03f8-03ff +COM1$/m,
      /^ {2}000000000-/m,
    ]
  ) {
    assert.match(text.out, part);
  }
  const info = JSON.parse((await hvm("hvm", ["info", "--json"])).out);
  assert.equal(typeof info.engine.reason, "string");
  assert.ok(info.host.memoryBytes > 0);
  assert.ok(info.engine.name === null || info.caps.vendor === info.engine.name);
  assert.ok(info.machine.ports.some((entry: { what: string }) => entry.what === "COM1"));
});

/** What may follow, without the sentences. */
async function following(...words: string[]): Promise<string[]> {
  const { status, out, errors } = await hvm("hvm", ["__complete", ...words]);
  assert.deepEqual([status, errors], [0, ""]);
  return out.split("\n").filter((line) => line !== "").map((line) => line.split("\t")[0] ?? "");
}

Deno.test("hvm proposes commands, options, their words, and files where a file goes", async () => {
  assert.deepEqual(await following(""), ["run", "info", "disasm", "completions"]);
  assert.deepEqual(await following("in"), ["info"]);
  assert.deepEqual(await following("run", "--on"), ["--on-reboot"]);
  assert.deepEqual(await following("run", "--on-reboot", ""), ["exit", "reset"]);
  assert.deepEqual(await following("run", "--engine", "k"), ["kvm"]);
  assert.deepEqual(await following("run", "--kernel", "debian:6.1"), [
    "debian:6.1",
    "debian:6.12",
    "debian:6.12-generic",
    "",
  ]);
  assert.deepEqual(await following("run", "--config", ""), [""]);
  assert.deepEqual(await following("completions", "z"), ["zsh"]);
  assert.deepEqual(await following("run", "--", "--on"), []);
  const all = await following("run", "--");
  assert.ok(all.includes("--memory") && !all.includes("--disk"), String(all));
});

/** Completes a line as bash does, with `hvm` being this one. */
async function inBash(line: string, cwd: string): Promise<string[]> {
  const script = `hvm() { '${Deno.execPath()}' run -A --no-check --quiet '${PROGRAM.hvm}' "$@"; }
    compopt() { :; }
    eval "$(hvm completions bash)"; COMP_LINE="$1"; COMP_POINT=\${#1}; _hvm; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const child = new Deno.Command("bash", { args: ["-c", script, "bash", line], cwd });
  const { stdout, stderr, success } = await child.output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).split("\n").filter((word) => word !== "");
}

Deno.test("hvm's completions for bash complete words, parts behind a colon, and files", async () => {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${directory}/vmlinux one`, "");
    assert.deepEqual(await inBash("hvm ru", directory), ["run"]);
    assert.deepEqual(await inBash("hvm run --on-reboot ", directory), ["exit", "reset"]);
    assert.deepEqual(await inBash("hvm run --kernel debian:6.12-", directory), ["6.12-generic"]);
    assert.deepEqual(await inBash("hvm run --initrd vm", directory), ["vmlinux one"]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("hvm's completions for zsh and fish are scripts those shells can read", async () => {
  for (const name of ["zsh", "fish"]) {
    const { status, out, errors } = await hvm("hvm", ["completions", name]);
    assert.deepEqual([status, errors], [0, ""]);
    assert.match(out, /hvm __complete/);
    const parsed = await new Deno.Command("sh", {
      args: ["-c", `command -v ${name} > /dev/null || exit 0; ${name} -n`],
    })
      .output();
    assert.ok(parsed.success);
  }
});
