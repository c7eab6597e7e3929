import assert from "node:assert/strict";
import { ConfigError, HostError } from "../base/errors.ts";
import { Apt, type CommandResult, runCommand } from "./apt.ts";

/** apt's commands played by a function; every command line is kept. */
function rig(answer: (command: string, args: readonly string[]) => Partial<CommandResult>) {
  const commands: string[] = [];
  const apt = new Apt({
    directory: "/nonexistent/apt",
    run: (command, args) => {
      commands.push([command, ...args].join(" "));
      return Promise.resolve({ code: 0, stdout: "", stderr: "", ...answer(command, args) });
    },
  });
  return { apt, commands };
}

async function withDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "hvm-apt-" });
  try {
    await body(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** A record of the form of [deb822], with a folded field. */
const RECORD = `Package: linux-image-cloud-amd64
Version: 6.1.100-1
Depends: linux-image-6.1.0-9-cloud-amd64 (= 6.1.100-1), kmod | initramfs-tools:any,
 libc6 (>= 2)
Description: Linux for x86-64 cloud
 Version: this is a continuation, not a field
Size: 1504

`;

Deno.test("Apt.candidate reads name, version, size and dependencies [deb822]", async () => {
  const { apt, commands } = rig(() => ({ stdout: RECORD }));
  assert.deepEqual(await apt.candidate("linux-image-cloud-amd64"), {
    name: "linux-image-cloud-amd64",
    version: "6.1.100-1",
    size: 1504,
    depends: ["linux-image-6.1.0-9-cloud-amd64", "kmod", "libc6"],
  });
  assert.match(commands[0] ?? "", /^apt-cache .*show --no-all-versions linux-image-cloud-amd64$/);
});

Deno.test("Apt.candidate is undefined for a package the lists do not have", async () => {
  assert.equal(await rig(() => ({ code: 100 })).apt.candidate("x"), undefined);
  assert.equal(await rig(() => ({ stdout: "" })).apt.candidate("x"), undefined);
  assert.equal(await rig(() => ({ stdout: RECORD })).apt.candidate("provider-of-it"), undefined);
});

Deno.test("Apt refuses unauthenticated packages and writes no state of the host", async () => {
  const { apt, commands } = rig(() => ({}));
  await apt.names("linux-image-");
  const line = commands[0] ?? "";
  assert.ok(line.includes("-o APT::Get::AllowUnauthenticated=false"), line);
  assert.ok(line.includes("-o Acquire::AllowInsecureRepositories=false"), line);
  assert.ok(line.includes("-o Dir::Cache=/nonexistent/apt/cache"), line);
});

Deno.test("Apt uses lists of its own after update", async () => {
  await withDirectory(async (directory) => {
    const commands: string[] = [];
    const apt = new Apt({
      directory,
      run: (command, args) => {
        commands.push([command, ...args].join(" "));
        return Promise.resolve({ code: 0, stdout: "", stderr: "" });
      },
    });
    await apt.names("a");
    assert.equal(await apt.update(), "");
    await apt.names("a");
    const own = `-o Dir::State=${directory}/state`;
    assert.deepEqual(commands.map((line) => line.includes(own)), [false, true, true]);
    assert.ok((await Deno.stat(`${directory}/state/lists/partial`)).isDirectory);
  });
});

Deno.test("Apt.download tells the share fetched and gives the file's path", async () => {
  await withDirectory(async (directory) => {
    const shares: number[] = [];
    const apt = new Apt({
      directory,
      run: async (_command, args, options) => {
        assert.equal(args.at(-1), "busybox-static=1:2");
        assert.equal(options?.cwd, directory);
        for (const line of ["dlstatus:1:0.0000:x", "noise", "dlstatus:1:37.5:Retrieving file 1 of 1"]) {
          options?.onLine?.(line);
        }
        await Deno.writeTextFile(`${directory}/busybox-static_1%3a2_amd64.deb`, "");
        return { code: 0, stdout: "", stderr: "" };
      },
    });
    const wanted = { name: "busybox-static", version: "1:2", size: 1, depends: [] };
    assert.equal(
      await apt.download(wanted, directory, (share) => shares.push(share)),
      `${directory}/busybox-static_1%3a2_amd64.deb`,
    );
    assert.deepEqual(shares, [0, 0.375]);
  });
});

Deno.test("Apt.download fails in apt's words", async () => {
  await withDirectory(async (directory) => {
    const stderr =
      "W: a warning\nE: Failed to fetch http://x/y.deb  404  Not Found\nE: Unable to fetch some archives\n";
    const { apt } = rig(() => ({ code: 100, stderr }));
    await assert.rejects(
      apt.download({ name: "p", version: "1", size: 0, depends: [] }, directory),
      (error: unknown) =>
        error instanceof HostError &&
        error.message === "Cannot fetch p 1: apt-get download failed: Failed to fetch http://x/y.deb  404  " +
            "Not Found; Unable to fetch some archives; give a kernel file with --kernel FILE",
    );
  });
});

Deno.test("Apt says which option needs no apt where there is none", async () => {
  const apt = new Apt({
    directory: "/nonexistent",
    run: () => Promise.reject(new Deno.errors.NotFound("apt-cache")),
  });
  await assert.rejects(
    apt.candidate("x"),
    (error: unknown) => error instanceof ConfigError && /no apt-cache .* --kernel FILE$/.test(error.message),
  );
});

Deno.test("runCommand gives status, both outputs and whole lines as they come", async () => {
  const lines: string[] = [];
  const result = await runCommand(
    "sh",
    ["-c", "printf 'one\\ntw'; printf 'o\\nrest'; echo bad >&2; exit 3"],
    {
      onLine: (line) => lines.push(line),
    },
  );
  assert.deepEqual(result, { code: 3, stdout: "one\ntwo\nrest", stderr: "bad\n" });
  assert.deepEqual(lines, ["one", "two"]);
});

Deno.test("runCommand ends the command when its signal is aborted", async () => {
  const controller = new AbortController();
  const run = runCommand("sh", ["-c", "echo up; exec sleep 1000"], {
    signal: controller.signal,
    onLine: () => controller.abort(new Error("stopped by a test")),
  });
  await assert.rejects(run, /stopped by a test/);
});

Deno.test("runCommand is NotFound for a command that is not there", async () => {
  await assert.rejects(runCommand("/nonexistent/apt-get", []), Deno.errors.NotFound);
});
