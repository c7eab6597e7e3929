import assert from "node:assert/strict";
import fc from "fast-check";
import { parseConfig } from "../machine/config.ts";
import { fieldsFromFlags, runOptions } from "./options.ts";
import { parseArguments } from "./parse.ts";
import { plainRun } from "./plain_run.ts";

const HOST_BYTES = 2 ** 32;

/** The configuration by the long way, or why there is none. */
async function schemaRun(args: readonly string[]): Promise<unknown> {
  try {
    const request = await parseArguments(args, "0");
    assert.equal(request.kind, "run");
    if (request.kind !== "run" || request.file !== undefined) return "not a plain run";
    const { fields } = fieldsFromFlags(request.flags, request.command);
    return parseConfig(fields, { hostMemoryBytes: HOST_BYTES });
  } catch (error) {
    return error instanceof Error ? error.message : error;
  }
}

Deno.test("plainRun takes what is plainly written", async () => {
  const runs = [
    ["run"],
    ["run", "--"],
    [
      "run",
      "--kernel",
      "bzImage",
      "--initrd",
      "initrd.img",
      "--append",
      "console=ttyS0 quiet",
      "--memory",
      "64M",
    ],
    [
      "run",
      "--kernel",
      "debian:6.12",
      "--engine",
      "kvm",
      "--irqchip",
      "split",
      "--cpu",
      "baseline",
      "--cpus",
      "1",
    ],
    [
      "run",
      "--serial",
      "file:out.log",
      "--on-reboot",
      "reset",
      "--timeout",
      "60",
      "--json",
      "r.json",
      "--acpi",
      "off",
    ],
    ["run", "--gdb", "1234"],
    ["run", "--gdb", "unix:socket"],
    ["run", "--memory", "1G", "--", "sh", "-c", "exit 3", "--", "--help", ""],
  ];
  for (const args of runs) {
    const plain = plainRun(args, HOST_BYTES);
    assert.ok(plain !== undefined, args.join(" "));
    assert.deepEqual(plain, await schemaRun(args), args.join(" "));
  }
});

Deno.test("plainRun leaves to the schema what is not", () => {
  const runs = [
    [],
    ["info"],
    ["run", "--help"],
    ["run", "--memory"],
    ["run", "--memory=64M"],
    ["run", "--memory", "0"],
    ["run", "--memory", "8G"],
    ["run", "--memory", "64M", "--memory", "64M"],
    ["run", "--json", "-"],
    ["run", "--kernel", "debian:lenny"],
    ["run", "--kernel", "k", "--", "ls"],
    ["run", "--timeout", "0"],
    ["run", "--gdb", "0"],
    ["run", "--gdb", "unix:"],
    ["run", "--timeout", "1.5"],
    ["run", "--cpus", "2"],
    ["run", "--disk", "a"],
    ["run", "--modules", "a,b"],
    ["run", "--config", "m.json"],
    ["run", "--nope", "1"],
    ["run", "bzImage"],
  ];
  for (const args of runs) assert.equal(plainRun(args, HOST_BYTES), undefined, args.join(" "));
});

Deno.test("plainRun and the schema never differ", async () => {
  const flags = [...runOptions().map(({ flag }) => `--${flag}`), "--config", "--nope", "--onReboot", "--"];
  const words = runOptions().flatMap(({ notes }) => notes.words ?? []);
  const value = fc.oneof(
    fc.constantFrom(
      ...words,
      "a",
      "",
      "-",
      "-1",
      "0",
      "1",
      "1000",
      "1.5",
      "64M",
      "3",
      "512Q",
      "file:x",
      "a\0b",
      "1s",
      "8G",
    ),
    fc.string({ maxLength: 8 }),
  );
  const pair = fc.tuple(fc.constantFrom(...flags), value);
  await fc.assert(
    fc.asyncProperty(fc.array(pair, { maxLength: 4 }), async (pairs) => {
      const args = ["run", ...pairs.flat()];
      const plain = plainRun(args, HOST_BYTES);
      if (plain !== undefined) assert.deepEqual(plain, await schemaRun(args), args.join(" "));
    }),
    { numRuns: 400 },
  );
});
