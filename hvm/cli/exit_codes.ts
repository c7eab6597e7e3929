/**
 * What each exit status of `hvm run` means, and which end has which.
 *
 * | status | meaning |
 * | --- | --- |
 * | 0 | the guest powered off or rebooted |
 * | the command's own | after `--`: the status of the command; 127 when the guest does not have it |
 * | (v << 1) \| 1 | the guest wrote v to port F4h |
 * | 124 | the time given by `--timeout` was over |
 * | 125 | hvm or its host failed; bad options are among it |
 * | 126 | the guest could not be started |
 * | 129, 130, 143 | stopped by SIGHUP, by SIGINT or the escape key, by SIGTERM |
 * | 255 | the guest crashed: panic, triple fault |
 *
 * Where a number of the guest's own collides with one of these, the JSON result decides.
 * @module
 */

import { unreachable } from "../base/errors.ts";
import { signalStatus } from "../host/signals.ts";
import type { MachineEnd } from "../script/types.ts";

/** Statuses that are hvm's own. */
export const STATUS = { OK: 0, TIMEOUT: 124, FAILED: 125, NOT_STARTED: 126, CRASHED: 255 } as const;

/** A run that ended before the guest ran. */
export interface NotStarted {
  readonly end: "config-error" | "image-error" | "host-error";
  readonly message: string;
}

/** How `hvm run` ended. */
export type RunEnd = MachineEnd | NotStarted;

/** The exit status of a run. */
export function exitStatus(end: RunEnd): number {
  switch (end.end) {
    case "poweroff":
    case "reboot":
      return STATUS.OK;
    case "command":
      return end.status & 0xff;
    case "exit-port":
      return (end.value << 1 | 1) & 0xff;
    case "timeout":
      return STATUS.TIMEOUT;
    case "image-error":
      return STATUS.NOT_STARTED;
    case "config-error":
    case "host-error":
    case "emulation-failure":
      return STATUS.FAILED;
    case "panic":
    case "triple-fault":
      return STATUS.CRASHED;
    case "stopped":
      return stopStatus(end.reason);
    default:
      return unreachable(end);
  }
}

function stopStatus(reason: Extract<MachineEnd, { end: "stopped" }>["reason"]): number {
  switch (reason) {
    case "sigint":
    case "escape":
    case "debugger":
      return signalStatus("SIGINT");
    case "sigterm":
      return signalStatus("SIGTERM");
    case "sighup":
      return signalStatus("SIGHUP");
    case "output-closed":
      return STATUS.FAILED;
    case "script":
      return STATUS.OK;
    default:
      return unreachable(reason);
  }
}

/** Who is no signal. */
const STOPPED_BY: Readonly<Record<string, string>> = { escape: "the escape key", debugger: "the debugger" };

/** What is said on standard error about an end; nothing where the guest ended as it wished. */
export function endMessage(end: RunEnd): string | undefined {
  switch (end.end) {
    case "poweroff":
    case "reboot":
    case "command":
    case "exit-port":
      return undefined;
    case "panic":
    case "timeout":
    case "config-error":
    case "image-error":
      return end.message;
    case "triple-fault":
    case "emulation-failure":
      return `${end.message}\n${end.diagnosis}`.trimEnd();
    case "host-error":
      return "diagnosis" in end && end.diagnosis ? `${end.message}\n${end.diagnosis}` : end.message;
    case "stopped":
      if (end.reason === "output-closed") {
        return "Cannot write the guest's output: standard output was closed";
      }
      return `The guest was stopped by ${STOPPED_BY[end.reason] ?? end.reason.toUpperCase()}`;
    default:
      return unreachable(end);
  }
}
