import assert from "node:assert/strict";
import { ConfigError, HostError, ImageError, SnapshotError, unreachable } from "./errors.ts";

Deno.test("errors carry their name, their fields and their cause", () => {
  const cause = new Error("below");
  const config = new ConfigError("Cannot use it", { path: "disks.0.file", cause });
  assert.deepEqual([config.name, config.message, config.path], [
    "ConfigError",
    "Cannot use it",
    "disks.0.file",
  ]);
  assert.equal(config.cause, cause);
  assert.equal(new ConfigError("x").path, "");
  assert.equal(new ImageError("x", { cause }).cause, cause);
  const host = new HostError("Cannot open", { operation: "open(/dev/kvm)", errno: "EACCES" });
  assert.deepEqual([host.name, host.operation, host.errno], ["HostError", "open(/dev/kvm)", "EACCES"]);
  assert.equal(new HostError("x", { operation: "y" }).errno, "");
  assert.deepEqual(new SnapshotError("x", ["pit", "pic"]).refused, ["pit", "pic"]);
});

Deno.test("errors are told apart by class and are all errors", () => {
  const all = [
    new ConfigError("x"),
    new ImageError("x"),
    new HostError("x", { operation: "" }),
    new SnapshotError("x", []),
  ];
  for (const error of all) assert.ok(error instanceof Error && error.stack !== undefined);
  assert.ok(!(all[0] instanceof ImageError));
});

Deno.test("unreachable throws what it was given", () => {
  assert.throws(() => unreachable("surprise" as never), /surprise/);
});
