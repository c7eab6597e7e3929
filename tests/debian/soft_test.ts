/**
 * Debian's kernels on the soft engine: to a shell that answers, without /dev/kvm, and the same run twice.
 */

import assert from "node:assert/strict";
import { Machine } from "../../hvm/script/machine.ts";
import { hvm, shell } from "../cli/rig.ts";
import { debianTest } from "../../hvm/testing/debian.ts";

const PATIENCE_MS = 120_000;

for (const kernel of ["debian:6.1", "debian:6.12"]) {
  debianTest(`${kernel} boots to a shell that answers, and powers off`, async () => {
    await using machine = await Machine.start({ kernel, engine: "soft", timeout: PATIENCE_MS });
    await machine.console.expect(/~ # /);
    await machine.console.send("echo $((6 * 7)) $(uname -r)\n");
    const release = kernel.slice("debian:".length).replace(".", "\\.");
    await machine.console.expect(new RegExp(`42 ${release}\\.`));
    await machine.console.send("poweroff -f\n");
    assert.equal((await machine.ended).end, "poweroff");
  });
}

debianTest("a command runs where there is no /dev/kvm, by the engine auto takes", async () => {
  const bare = "mount -t tmpfs none /dev && mknod /dev/null c 1 3 && mknod /dev/urandom c 1 9";
  const { status } = await shell(`unshare -m sh -c '${bare}'`);
  const options = { kernel: "debian:6.1", timeout: "120" };
  const words = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  // Who may not make a mount namespace has the engine named instead.
  if (status !== 0) {
    const { out } = await hvm("hvm", ["run", ...words, "--engine", "soft", "--", "uname", "-s"]);
    assert.match(out, /Linux/);
    return;
  }
  const program = new URL("../../main.ts", import.meta.url).pathname;
  const said = await shell(
    `unshare -m sh -c '${bare} && exec ${Deno.execPath()} run -A --quiet ${program} run ${words.join(" ")} ` +
      "-- uname -s'",
  );
  assert.equal(said.status, 0, said.errors);
  assert.match(said.out, /^Linux$/m);
  assert.match(said.errors, /engine soft/);
});

/** A whole boot with commands typed, as its console's text and the digest of its end. */
async function typedBoot(blockCache: string): Promise<{ transcript: string; digest: string | undefined }> {
  await using machine = await Machine.start({
    kernel: "debian:6.1",
    clock: "instructions",
    blockCache,
    memory: "256M",
    typed: [
      "2000000000:cat /proc/uptime /proc/interrupts; date\\n",
      "2200000000:dd if=/dev/urandom bs=16 count=1 2>/dev/null | od -x\\n",
      "2300000000:poweroff -f\\n",
    ],
    timeout: PATIENCE_MS,
  });
  const end = await machine.ended;
  assert.equal(end.end, "poweroff");
  return { transcript: machine.console.transcript, digest: end.stats.digest };
}

debianTest("with the clock of instructions two boots are one, whatever cache and load", async () => {
  const quiet = typedBoot("16M");
  // The other one shares its processor with a process that never rests.
  const load = new Deno.Command("sh", { args: ["-c", "while :; do :; done"] }).spawn();
  try {
    const [one, other] = await Promise.all([quiet, typedBoot("2M")]);
    assert.match(one.transcript, /Thu Jan +1 .*2026/);
    assert.equal(one.transcript, other.transcript);
    assert.match(one.digest ?? "", /^[0-9a-f]{64}$/);
    assert.equal(one.digest, other.digest);
  } finally {
    load.kill("SIGKILL");
    await load.status;
  }
});
