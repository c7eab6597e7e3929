/**
 * GDB at a Debian kernel that boots: by name at a virtual address that nothing maps yet when the breakpoint is set.
 */

import assert from "node:assert/strict";
import { Machine } from "../../hvm/script/machine.ts";
import { debianMissing } from "../../hvm/testing/debian.ts";
import { gdb, gdbTest } from "../../hvm/testing/gdb.ts";
import { hvm } from "../cli/rig.ts";
import { symbolFile } from "./symbols.ts";

const NAMES = ["start_kernel", "linux_banner", "rest_init", "jiffies_64"];
const KERNEL = { kernel: "debian:6.1", engine: "soft", append: "nokaslr" } as const;

/** Where the kernel says its names are. */
async function symbols(): Promise<(readonly [string, bigint])[]> {
  const options = Object.entries({ ...KERNEL, timeout: "120" }).flatMap((
    [name, value],
  ) => [`--${name}`, value]);
  const { out, errors } = await hvm("hvm", [
    "run",
    ...options,
    "--",
    "grep",
    "-E",
    ` (${NAMES.join("|")})$`,
    "/proc/kallsyms",
  ]);
  const found = NAMES.map((name) => {
    const address = new RegExp(`^([0-9a-f]{16}) . ${name}\\r?$`, "m").exec(out)?.[1];
    assert.ok(address !== undefined, `${name}: ${errors}`);
    return [name, BigInt(`0x${address}`)] as const;
  });
  return found;
}

gdbTest("GDB stops a Debian kernel at start_kernel, steps, watches, and lets it boot", async () => {
  const directory = await Deno.makeTempDir({ prefix: "hvm-gdb-" });
  try {
    await Deno.writeFile(`${directory}/symbols`, symbolFile(await symbols()));
    await using machine = await Machine.start({
      ...KERNEL,
      timeout: 120_000,
      gdb: `unix:${directory}/socket`,
    });
    const said = await gdb(directory, [
      "file symbols",
      machine.debugger!,
      "break start_kernel",
      "continue",
      "x/s &linux_banner",
      "stepi",
      "stepi",
      "info registers cr0 cr3",
      "delete",
      "break rest_init",
      "continue",
      "delete",
      "watch *(long *) &jiffies_64",
      "continue",
      "delete",
      "detach",
    ]);
    assert.match(said, /Breakpoint 1, 0xffffffff8[0-9a-f]+ in start_kernel \(\)/, said);
    assert.match(said, /<linux_banner>:\s+"Linux version 6\.1\./, said);
    assert.match(said, /cr0 .*\[ .*PG.* \]/, said);
    assert.match(said, /Breakpoint 2, 0xffffffff8[0-9a-f]+ in rest_init \(\)/, said);
    assert.match(said, /Old value = \d+\nNew value = \d+\n/, said);
    await machine.console.expect(/~ # /);
    await machine.stop();
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}, debianMissing());
