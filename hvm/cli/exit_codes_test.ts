import assert from "node:assert/strict";
import { endMessage, exitStatus, type RunEnd } from "./exit_codes.ts";

const stats = { wallMs: 1, exits: 2, counts: {} };
const message = "It broke";
const diagnosis = "RIP 0";

/** The contract of `hvm run`, row by row. */
const ENDS: [RunEnd, number, string | undefined][] = [
  [{ end: "poweroff", stats }, 0, undefined],
  [{ end: "reboot", cause: "reset-control", stats }, 0, undefined],
  [{ end: "command", status: 0, stats }, 0, undefined],
  [{ end: "command", status: 3, stats }, 3, undefined],
  [{ end: "command", status: 127, stats }, 127, undefined],
  [{ end: "exit-port", value: 0, stats }, 1, undefined],
  [{ end: "exit-port", value: 5, stats }, 11, undefined],
  [{ end: "exit-port", value: 0x80, stats }, 1, undefined],
  [{ end: "exit-port", value: 0xffffffff, stats }, 255, undefined],
  [{ end: "timeout", message, stats }, 124, message],
  [{ end: "host-error", message, stats }, 125, message],
  [{ end: "host-error", message, diagnosis, stats }, 125, `${message}\n${diagnosis}`],
  [{ end: "host-error", message }, 125, message],
  [{ end: "config-error", message }, 125, message],
  [{ end: "emulation-failure", message, diagnosis, stats }, 125, `${message}\n${diagnosis}`],
  [{ end: "image-error", message }, 126, message],
  [{ end: "stopped", reason: "sighup", stats }, 129, "The guest was stopped by SIGHUP"],
  [{ end: "stopped", reason: "sigint", stats }, 130, "The guest was stopped by SIGINT"],
  [{ end: "stopped", reason: "escape", stats }, 130, "The guest was stopped by the escape key"],
  [{ end: "stopped", reason: "sigterm", stats }, 143, "The guest was stopped by SIGTERM"],
  [
    { end: "stopped", reason: "output-closed", stats },
    125,
    "Cannot write the guest's output: standard output was closed",
  ],
  [{ end: "panic", message, stats }, 255, message],
  [{ end: "triple-fault", message, diagnosis, stats }, 255, `${message}\n${diagnosis}`],
];

Deno.test("exitStatus and endMessage keep the contract for every end", () => {
  for (const [end, status, said] of ENDS) {
    assert.equal(exitStatus(end), status, JSON.stringify(end));
    assert.equal(endMessage(end), said, JSON.stringify(end));
  }
});
