/**
 * `hvm run` at a terminal: raw mode, the escape key, and the terminal's settings after every kind of end.
 *
 * `script` of util-linux makes the terminal. What it prints is what the terminal shows, messages included.
 */

import assert from "node:assert/strict";
import { Running, shellWords } from "./rig.ts";

const missing = await missingTool();

async function missingTool(): Promise<string | undefined> {
  for (const [tool, flag] of [["script", "--version"], ["stty", "--version"]] as const) {
    try {
      const { stdout } = await new Deno.Command(tool, { args: [flag], stderr: "null" }).output();
      if (!/util-linux|coreutils/.test(new TextDecoder().decode(stdout))) return `${tool} is of another kind`;
    } catch {
      return `there is no ${tool}`;
    }
  }
  return undefined;
}

function terminalTest(name: string, fn: () => Promise<void>): void {
  // deno-lint-ignore no-console -- the run's output is where skips are looked for
  if (missing !== undefined) console.log(`SKIP ${name}: ${missing}`);
  // deno-lint-ignore hvm/test-asserts -- the tests made of it do
  Deno.test({ name, ignore: missing !== undefined, fn });
}

/**
 * Runs `hvm run` at a terminal and compares its settings before and after. The shell between is one without job control,
 * which does not put terminals back itself. Where hvm is killed outright the settings may come back a moment later.
 */
function atTerminal(args: string, options: { waitFor?: boolean } = {}): Running {
  const same = `[ "$(stty -g)" = "$before" ]`;
  const wait = options.waitFor ? `for i in $(seq 100); do ${same} && break; sleep 0.05; done; ` : "";
  return terminal(
    `stty sane; before=$(stty -g); sh -c ${
      quoted(`echo "pid $$"; exec ${shellWords("fake")} run ${args}`)
    }; ` +
      `status=$?; ${wait}${same} && echo SAME || echo OTHER; exit $status`,
  );
}

/** Runs a shell command at a terminal of its own. */
function terminal(command: string): Running {
  return new Running(["script", "-qefc", `sh -c ${quoted(command)}`, "/dev/null"]);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

const HINT = "hvm: Ctrl-\\] q ends the guest, Ctrl-\\] Ctrl-\\] sends it a Ctrl-\\]\r\n";

/** Waits for the hint, which comes once the terminal is raw. @returns hvm's process */
async function untilRaw(running: Running): Promise<number> {
  return Number(/pid (\d+)/.exec(await running.until(new RegExp(HINT)))?.[1]);
}

terminalTest(
  "hvm run at a terminal gives the guest every key, Ctrl-C too, and hvm the escape key",
  async () => {
    await using running = atTerminal("");
    await untilRaw(running);
    running.send("\x03\x04\x1a\x1c\x1d\x1d");
    await running.until(/<03><04><1a><1c><1d>/);
    running.send("\x1d?");
    await running.until(new RegExp(`${HINT}[^]*<1d>\r\n${HINT}`));
    running.send("a\x1dq");
    const { status, out } = await running.end();
    assert.match(out, /<61>\r\nhvm: The guest was stopped by the escape key\r\nSAME\r\n$/);
    assert.equal(status, 130);
  },
);

terminalTest("hvm run puts the terminal back after an end of the guest's own", async () => {
  for (const [word, status] of [["poweroff", 0], ["panic", 255]] as const) {
    await using running = atTerminal("");
    await untilRaw(running);
    running.send(`${word}\r`);
    const said = await running.end();
    assert.match(said.out, /<0d>\r\n(hvm: The guest panicked\r\n)?SAME\r\n$/);
    assert.equal(said.status, status);
  }
});

terminalTest("hvm run puts the terminal back after an error nobody expected", async () => {
  for (const word of ["throw", "reject"]) {
    await using running = atTerminal("");
    await untilRaw(running);
    running.send(`${word}\r`);
    const said = await running.end();
    // What the guest made of the keys may still be on its way out when the error strikes.
    assert.match(said.out, /hvm: Internal error, sorry: [^\n]*\r\n(<[0-9a-f]{2}>)*SAME\r\n$/);
    assert.equal(said.status, 125);
  }
});

terminalTest("hvm run puts the terminal back when a signal ends it", async () => {
  for (const [signal, status] of [["SIGTERM", 143], ["SIGINT", 130], ["SIGHUP", 129]] as const) {
    await using running = atTerminal("");
    Deno.kill(await untilRaw(running), signal);
    const said = await running.end();
    assert.match(said.out, new RegExp(`hvm: The guest was stopped by ${signal}\r\nSAME\r\n$`));
    assert.equal(said.status, status);
  }
});

terminalTest("hvm run puts the terminal back when it is killed outright", async () => {
  for (const [signal, status] of [["SIGQUIT", 131], ["SIGABRT", 134], ["SIGKILL", 137]] as const) {
    await using running = atTerminal("", { waitFor: true });
    Deno.kill(await untilRaw(running), signal);
    const said = await running.end();
    assert.match(said.out, /SAME\s*$/, signal);
    assert.equal(said.status, status);
  }
});

terminalTest("hvm run in a pipeline leaves the terminal as it is", async () => {
  await using running = terminal(`${shellWords("fake")} run | cat`);
  await running.until(/\$ /);
  running.send("\x03");
  assert.match((await running.end()).out, /\^Chvm: The guest was stopped by SIGINT\r\n$/);
});
