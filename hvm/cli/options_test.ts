import assert from "node:assert/strict";
import { parseConfig } from "../machine/config.ts";
import { describeFields } from "../machine/config_notes.ts";
import { fieldsFromFlags, runOptions, spelling } from "./options.ts";

Deno.test("runOptions has one option for every field but the command, as the contract writes them", () => {
  const flags = runOptions().map(({ flag }) => flag);
  assert.equal(new Set(flags).size, describeFields().length - 1);
  for (
    const flag of [
      "kernel",
      "initrd",
      "append",
      "memory",
      "cpus",
      "cpu",
      "engine",
      "irqchip",
      "disk",
      "cdrom",
      "firmware",
      "nic",
      "net",
      "serial",
      "on-reboot",
      "timeout",
      "json",
      "trace",
      "gdb",
    ]
  ) assert.ok(flags.includes(flag), flag);
});

Deno.test("fieldsFromFlags gives the schema what it takes", () => {
  const { fields, given } = fieldsFromFlags(
    { cpus: "1", timeout: "1.5", memory: "4096K", modules: ["a,b", "c"], acpi: "off", kernel: undefined },
    ["ls", "-l"],
  );
  assert.deepEqual([...given].sort(), ["acpi", "command", "cpus", "memory", "modules", "timeout"]);
  const config = parseConfig(fields);
  assert.equal(config.cpus, 1);
  assert.equal(config.timeoutMs, 1500);
  assert.equal(config.memoryBytes, 4096 * 1024);
  assert.deepEqual(config.modules, ["a", "b", "c"]);
  assert.equal(config.acpi, false);
  assert.deepEqual(config.command, ["ls", "-l"]);
  assert.equal(parseConfig(fieldsFromFlags({ timeout: "2m" }, undefined).fields).timeoutMs, 120_000);
});

Deno.test("spelling is that of the front a field came from", () => {
  const both = spelling(new Set(["memory", "bootModules"]), "m.json");
  assert.equal(both("memory", "0"), "--memory 0");
  assert.equal(both("bootModules.0.file", "x"), "--boot-module x");
  assert.equal(both("cpus", "0"), "cpus 0 in m.json");
  assert.equal(both("cpux", "1"), "cpux 1 in m.json");
  // A default that cannot be: no front has it, and the option is what changes it.
  assert.equal(both("onReboot"), "--on-reboot");
  assert.equal(spelling(new Set(["command"]), undefined)("command", "[]"), "the command after --");
});
