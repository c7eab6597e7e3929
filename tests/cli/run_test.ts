/**
 * `hvm run` over the fake guest: output, input, ends, results, signals and pipes.
 */

import assert from "node:assert/strict";
import { hvm, PROGRAM, Running, shell, shellWords } from "./rig.ts";

const ENGINE = "hvm: Engine fake: a test; irqchip user\n";

/** The fake guest's answer to bytes. */
function echo(text: string): string {
  return Array.from(
    new TextEncoder().encode(text),
    (byte) => `<${byte.toString(16).padStart(2, "0")}>`,
  ).join("");
}

async function inDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "hvm-cli-" });
  try {
    await work(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function fake(...args: string[]): Running {
  return new Running([Deno.execPath(), "run", "-A", "--no-check", "--quiet", PROGRAM.fake, ...args]);
}

Deno.test("hvm run gives the guest what is piped in, and its output, and nothing else, to standard output", async () => {
  const { status, out, errors } = await hvm("fake", ["run"], { input: "hello\npoweroff\n" });
  assert.equal(out, `$ ${echo("hello\npoweroff\n")}`);
  assert.equal(errors, ENGINE);
  assert.equal(status, 0);
});

Deno.test("hvm run ends with the status of the contract, and says what needs saying", async () => {
  const cases: [string, number, string][] = [
    ["poweroff", 0, ""],
    ["reboot", 0, ""],
    ["exit", 11, ""],
    ["status", 7, ""],
    ["panic", 255, "hvm: The guest panicked\n"],
    ["fault", 255, "hvm: The guest crashed\nRIP 0000\nbytes 0f 0b\n"],
  ];
  for (const [word, status, message] of cases) {
    const said = await hvm("fake", ["run"], { input: `${word}\n` });
    assert.equal(said.status, status, word);
    assert.equal(said.errors, ENGINE + message, word);
  }
});

Deno.test("hvm run ends a guest after --timeout, and the end of input ends nothing", async () => {
  const { status, out, errors } = await hvm("fake", ["run", "--timeout", "0.05"], { input: "" });
  assert.equal(status, 124);
  assert.equal(out, "$ ");
  assert.equal(errors, `${ENGINE}hvm: The time is over\n`);
});

Deno.test("hvm run reports errors before the guest runs: 125 for hvm and host, 126 for the image", async () => {
  const cases: [string, number, string][] = [
    ["image", 126, "hvm: Cannot boot kernel x: it is not a kernel\n"],
    ["host", 125, "hvm: Cannot use KVM: it is broken\n"],
    [
      "bug",
      125,
      "hvm: Internal error, sorry: this is a fault of hvm (TypeError: Nobody expects this); " +
      "HVM_DEBUG=1 shows where it happened\n",
    ],
  ];
  for (const [behaviour, status, errors] of cases) {
    assert.deepEqual(
      await hvm("fake", ["run", "--append", behaviour]),
      { status, out: "", errors },
      behaviour,
    );
  }
});

Deno.test("hvm run ends with an apology after an error nobody took, and shows the stack when asked", async () => {
  for (const word of ["throw", "reject"]) {
    const { status, errors } = await hvm("fake", ["run"], { input: `${word}\n` });
    assert.equal(status, 125);
    assert.match(
      errors,
      /^hvm: Engine.*\nhvm: Internal error, sorry: .*\(TypeError: Nobody expects this\); HVM_DEBUG=1.*\n$/,
    );
  }
  const { errors } = await hvm("fake", ["run", "--append", "bug"], { env: { HVM_DEBUG: "1" } });
  assert.match(errors, /^hvm: Internal error: TypeError: Nobody expects this\n {4}at .*fake_hvm\.ts/);
});

Deno.test("hvm run --json names every end, also of runs that never were", async () => {
  await inDirectory(async (directory) => {
    const result = `${directory}/result.json`;
    const read = async () => {
      const text = await Deno.readTextFile(result);
      assert.match(text, /^\{.*\}\n$/);
      return JSON.parse(text);
    };
    await hvm("fake", ["run", "--json", result], { input: "exit\n" });
    const exit = await read();
    assert.deepEqual({ end: exit.end, value: exit.value, status: exit.status }, {
      end: "exit-port",
      value: 5,
      status: 11,
    });
    assert.equal(exit.engine.why, "Engine fake: a test");
    await hvm("fake", ["run", "--json", result, "--append", "image"]);
    assert.equal((await read()).end, "image-error");
    await hvm("fake", ["run", "--json", result, "--memory", "0"]);
    const bad = await read();
    assert.equal(bad.end, "config-error");
    assert.equal(bad.status, 125);
    assert.match(bad.message, /^Cannot use --memory 0: /);
  });
});

Deno.test("hvm run --json - puts the result on a line of its own behind the guest's output", async () => {
  const { out } = await hvm("fake", ["run", "--json", "-"], { input: "status\n" });
  const lines = out.split("\n");
  assert.equal(lines[0], `$ ${echo("status\n")}`);
  assert.equal(JSON.parse(lines[1] ?? "").status, 7);
  assert.deepEqual(lines.slice(2), [""]);
});

Deno.test("hvm run says that the result cannot be written before it starts anything", async () => {
  await inDirectory(async (directory) => {
    assert.deepEqual(await hvm("fake", ["run", "--json", `${directory}/missing/result.json`]), {
      status: 125,
      out: "",
      errors:
        `hvm: Cannot write the result to ${directory}/missing/result.json: there is no such directory\n`,
    });
  });
});

Deno.test("hvm run stops by SIGINT, SIGTERM and SIGHUP: 130, 143, 129", async () => {
  for (const [signal, status] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
    await using running = fake("run", "--json", "-");
    await running.until(/\$ /);
    running.kill(signal);
    const said = await running.end();
    assert.equal(said.status, status, signal);
    assert.equal(said.errors, `${ENGINE}hvm: The guest was stopped by ${signal}\n`);
    const result = JSON.parse(said.out.split("\n")[1] ?? "");
    assert.deepEqual([result.end, result.reason], ["stopped", signal.toLowerCase()]);
  }
});

Deno.test("hvm run does not wait for a guest that does not stop when it is asked a second time", async () => {
  await using running = fake("run", "--append", "stuck");
  await running.until(/\$ /);
  running.kill("SIGTERM");
  running.kill("SIGINT");
  assert.ok([130, 143].includes((await running.end()).status));
});

Deno.test("hvm run stops by a signal also while it still starts", async () => {
  await using running = new Running(["bash", "-c", `exec ${shellWords("fake")} run --append slow 2>&1`]);
  await running.until(/Starting slowly\n/);
  running.kill("SIGINT");
  const { status, out } = await running.end();
  assert.equal(status, 130);
  assert.equal(out, "hvm: Starting slowly\nhvm: The guest was stopped by SIGINT\n");
});

Deno.test("hvm run leaves a signal ignored that it was started to ignore", async () => {
  await using running = new Running(["bash", "-c", `trap '' HUP; exec ${shellWords("fake")} run`]);
  await running.until(/\$ /);
  running.kill("SIGHUP");
  running.send("hello\n");
  await running.until(/<0a>/);
  running.kill("SIGTERM");
  assert.equal((await running.end()).status, 143);
});

Deno.test("hvm run ends when nobody reads its output any more: one sentence, 125", async () => {
  const { status, errors } = await shell(
    `set -o pipefail; ${shellWords("fake")} run --append flood | head -c 100 > /dev/null`,
  );
  assert.equal(status, 125);
  assert.equal(errors, `${ENGINE}hvm: Cannot write the guest's output: standard output was closed\n`);
});

Deno.test("hvm run ends when its output cannot be written: one sentence, 125", async () => {
  const { status, errors } = await shell(`${shellWords("fake")} run --append flood > /dev/full`);
  assert.equal(status, 125);
  assert.equal(errors, `${ENGINE}hvm: Cannot write the guest's output: no space left on device\n`);
});

Deno.test("hvm run does its work when nobody hears its messages", async () => {
  const { status, out } = await shell(`echo exit | ${shellWords("fake")} run 2> /dev/full`);
  assert.equal(status, 11);
  assert.equal(out, `$ ${echo("exit\n")}`);
});

Deno.test("hvm run waits for a slow reader and loses nothing", async () => {
  const { status, out } = await shell(
    `(for i in $(seq 2000); do echo "line $i"; done; echo poweroff) | ${
      shellWords("fake")
    } run | (read -n 1 c; cat)`,
  );
  assert.equal(status, 0);
  assert.ok(out.endsWith(echo("line 2000\npoweroff\n")), out.slice(-200));
});

Deno.test("hvm run passes on what a device has to say", async () => {
  const { errors } = await hvm("fake", ["run"], { input: "notice\npoweroff\n" });
  assert.match(errors, /^hvm: The clock is slow$/m);
});

Deno.test("hvm run takes its configuration from a file, paths from the file's place, and options over it", async () => {
  await inDirectory(async (directory) => {
    await Deno.mkdir(`${directory}/guests`);
    await Deno.writeTextFile(
      `${directory}/guests/machine.json`,
      `{
        // A machine of its own.
        "kernel": "vmlinux", "initrd": "/boot/initrd", "memory": "256M", "onReboot": "reset",
        "bootModules": ["a", { "file": "b", "text": "t" }],
        "append": "nothing", "timeout": 60000,
      }`,
    );
    const { out, status } = await hvm(
      "fake",
      ["run", "--config", "guests/machine.json", "--append", "config", "--memory", "1G"],
      { cwd: directory },
    );
    assert.equal(status, 0);
    const config = JSON.parse(out);
    assert.deepEqual(config.kernel, { kind: "file", path: "guests/vmlinux" });
    assert.equal(config.initrd, "/boot/initrd");
    assert.deepEqual(config.bootModules, [{ file: "guests/a", text: "" }, { file: "guests/b", text: "t" }]);
    assert.equal(config.memoryBytes, 2 ** 30);
    assert.equal(config.onReboot, "reset");
    assert.equal(config.append, "config");
    assert.equal(config.timeoutMs, 60_000);
  });
});

Deno.test("hvm run passes the command after --, options and all", async () => {
  const { out } = await hvm("fake", [
    "run",
    "--append",
    "config",
    "--",
    "sh",
    "-c",
    "exit 3",
    "--",
    "--help",
  ]);
  assert.deepEqual(JSON.parse(out).command, ["sh", "-c", "exit 3", "--", "--help"]);
});
