/**
 * Tests that need the host's KVM: run where it is, skipped by name and reason where it is not.
 * @module
 */

import { closeFile } from "../sys/files.ts";
import { KvmSystem } from "../kvm/system.ts";
import type { CapName } from "../kvm/abi.ts";
import { kvmVendor } from "../vendor/probe.ts";
import { type KvmVendor, QUIRKS, quirksOf } from "../vendor/quirks.ts";

/** Why KVM cannot be used here, undefined when it can. */
export function kvmMissing(): string | undefined {
  try {
    KvmSystem.open().close();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** What a test needs of KVM. */
export interface KvmTestOptions {
  /** Capabilities without which it is skipped. */
  readonly needs?: readonly CapName[];
  /** The row of the quirk table that makes it fail: it is skipped on hosts of that row's kinds. */
  readonly quirk?: string;
  /** The one kind of host whose peculiarity it shows. */
  readonly only?: KvmVendor;
  /** What else keeps it from this host, as a clause; undefined when nothing does. */
  readonly missing?: string | undefined;
}

/** Names of the skipped tests of this process and why, in order. */
export const skippedKvmTests: { readonly name: string; readonly reason: string }[] = [];

function reasonToSkip({ needs = [], quirk, only, missing: other }: KvmTestOptions): string | undefined {
  const missing = kvmMissing();
  if (missing !== undefined) return missing;
  if (only !== undefined && kvmVendor() !== only) return `this host is not of kind ${only}`;
  if (quirk !== undefined && !QUIRKS.some(({ id }) => id === quirk)) {
    throw new RangeError(`There is no quirk "${quirk}"`);
  }
  if (quirk !== undefined && quirksOf(kvmVendor()).some(({ id }) => id === quirk)) return `quirk ${quirk}`;
  if (other !== undefined) return other;
  if (needs.length === 0) return undefined;
  const system = KvmSystem.open();
  const absent = needs.filter((name) => system.capability(name) === 0);
  closeFile(system.fd);
  return absent.length === 0 ? undefined : `this host lacks KVM_CAP_${absent.join(", KVM_CAP_")}`;
}

/** Registers a test of Deno that is ignored, with a line `SKIP name: reason`, where KVM cannot serve it. */
export function kvmTest(name: string, options: KvmTestOptions, fn: () => void | Promise<void>): void {
  const reason = reasonToSkip(options);
  if (reason !== undefined) {
    skippedKvmTests.push({ name, reason });
    // deno-lint-ignore no-console -- the run's output is where skips are looked for
    console.log(`SKIP ${name}: ${reason}`);
  }
  Deno.test({ name, ignore: reason !== undefined, fn });
}
