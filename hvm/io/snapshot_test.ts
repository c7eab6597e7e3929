import assert from "node:assert/strict";
import { SnapshotError } from "../base/errors.ts";
import type { Device } from "./device.ts";
import { loadAll, saveAll, type Section, SNAPSHOT_VERSION } from "./snapshot.ts";

class Counter implements Device<{ count: number }> {
  count = 0;
  loads = 0;
  readonly id: string;

  constructor(id: string) {
    this.id = id;
  }

  reset(): void {
    this.count = 0;
  }

  save(): { count: number } {
    return { count: this.count };
  }

  load(state: { count: number }): void {
    this.loads++;
    this.count = state.count;
  }
}

/** A schema for it: a count that is a number. */
const schema: Section["schema"] = {
  safeParse: (value) => {
    const count = (value as { count?: unknown } | undefined)?.count;
    return typeof count === "number"
      ? { success: true, data: { count } }
      : { success: false, error: { message: "count is not a number" } };
  },
};

function rig() {
  const devices = [new Counter("pit"), new Counter("pic")] as const;
  const sections: Section[] = devices.map((device) => ({ device: device as Device, schema }));
  return { devices, sections };
}

Deno.test("saveAll and loadAll carry every device's state through JSON", () => {
  const from = rig();
  from.devices[0].count = 3;
  from.devices[1].count = 4;
  const snapshot = JSON.parse(JSON.stringify(saveAll(from.devices)));
  assert.deepEqual(snapshot, {
    version: SNAPSHOT_VERSION,
    devices: { pit: { count: 3 }, pic: { count: 4 } },
  });
  const to = rig();
  loadAll(to.sections, snapshot);
  assert.deepEqual(to.devices.map(({ count }) => count), [3, 4]);
});

Deno.test("loadAll lists everything that is wrong at once and loads nothing", () => {
  const { devices, sections } = rig();
  const snapshot = { version: SNAPSHOT_VERSION, devices: { pit: { count: 1 }, pic: {}, rtc: {} } };
  assert.throws(() => loadAll(sections, snapshot), (error) => {
    assert.ok(error instanceof SnapshotError);
    assert.deepEqual(error.refused, ["pic: count is not a number", "rtc: no such device in this machine"]);
    assert.match(error.message, /pic.*rtc/);
    return true;
  });
  assert.deepEqual(devices.map(({ loads }) => loads), [0, 0]);
});

Deno.test("loadAll refuses a missing section and another version", () => {
  const { devices, sections } = rig();
  assert.throws(
    () => loadAll(sections, { version: SNAPSHOT_VERSION, devices: { pit: { count: 1 } } }),
    /pic/,
  );
  const other = { version: SNAPSHOT_VERSION + 1, devices: { pit: { count: 1 }, pic: { count: 1 } } };
  assert.throws(() => loadAll(sections, other), /version 2: this hvm reads version 1/);
  assert.deepEqual(devices.map(({ loads }) => loads), [0, 0]);
});
