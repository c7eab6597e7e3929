/**
 * The versioned envelope that holds every device's state.
 *
 * Loading checks every section against its device's schema before any device is touched, and lists all that is wrong at
 * once.
 * @module
 */

import { SnapshotError } from "../base/errors.ts";
import type { Device } from "./device.ts";

/** Raised when the form of the envelope changes. */
export const SNAPSHOT_VERSION = 1;

/** What a schema must offer; zod's do. */
export interface StateSchema<S> {
  safeParse(value: unknown): { success: true; data: S } | { success: false; error: { message: string } };
}

/** A device with the schema of its state. */
export interface Section<S = unknown> {
  readonly device: Device<S>;
  readonly schema: StateSchema<S>;
}

/** Plain data: a section a device. */
export interface Snapshot {
  readonly version: number;
  readonly devices: Readonly<Record<string, unknown>>;
}

/** Collects the state of all devices. */
export function saveAll(devices: readonly Device[]): Snapshot {
  return { version: SNAPSHOT_VERSION, devices: Object.fromEntries(devices.map((d) => [d.id, d.save()])) };
}

/**
 * Checks all sections, then loads all.
 * @throws {SnapshotError} listing every missing, unknown and refused section; nothing was loaded then.
 */
export function loadAll(sections: readonly Section[], snapshot: Snapshot): void {
  if (snapshot.version !== SNAPSHOT_VERSION) {
    throw new SnapshotError(
      `Cannot load a snapshot of version ${snapshot.version}: this hvm reads version ${SNAPSHOT_VERSION}`,
      ["version"],
    );
  }
  const refused: string[] = [];
  const unused = new Set(Object.keys(snapshot.devices));
  const ready = sections.map(({ device, schema }) => {
    unused.delete(device.id);
    const parsed = schema.safeParse(snapshot.devices[device.id]);
    if (!parsed.success) refused.push(`${device.id}: ${parsed.error.message}`);
    return { device, state: parsed.success ? parsed.data : undefined };
  });
  for (const id of unused) refused.push(`${id}: no such device in this machine`);
  if (refused.length > 0) throw new SnapshotError(`Cannot load the snapshot: ${refused.join("; ")}`, refused);
  for (const { device, state } of ready) device.load(state);
}
