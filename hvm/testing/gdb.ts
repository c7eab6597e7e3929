/**
 * GDB itself, for tests: run where it is installed, skipped by name where it is not.
 * @module
 */

const GDB = "/usr/bin/gdb";

/** Whether there is something at a path. */
export async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

const hasGdb = await exists(GDB);

/** Runs GDB's commands in a directory, and gives what it printed. */
export async function gdb(directory: string, commands: readonly string[]): Promise<string> {
  const { stdout, stderr } = await new Deno.Command(GDB, {
    args: ["-nx", "-batch", ...commands.flatMap((command) => ["-ex", command])],
    cwd: directory,
    stdin: "null",
    env: { LC_ALL: "C", HOME: directory },
  }).output();
  const text = new TextDecoder();
  return text.decode(stdout) + text.decode(stderr);
}

/** Registers a test that needs GDB; `missing` is what else it lacks. */
export function gdbTest(name: string, fn: () => Promise<void>, missing?: string): void {
  const reason = hasGdb ? missing : `there is no ${GDB}`;
  // deno-lint-ignore no-console -- the run's output is where skips are looked for
  if (reason !== undefined) console.log(`SKIP ${name}: ${reason}`);
  Deno.test({ name, ignore: reason !== undefined, fn });
}
