import assert from "node:assert/strict";
import { Bus } from "../../hvm/io/bus.ts";
import { deviceContract } from "../../hvm/testing/device_contract.ts";
import { DebugConsole } from "./debugcon.ts";
import { DEBUGCON_STATE } from "./debugcon_state.ts";

deviceContract("DebugConsole", {
  build: () => {
    const console = new DebugConsole({ id: "debug", output: () => {} });
    return { device: console, windows: [console.window] };
  },
  schema: DEBUGCON_STATE,
});

Deno.test("DebugConsole answers E9h and passes bytes on", () => {
  const bytes: number[] = [];
  const port = new DebugConsole({ id: "debug", output: (byte) => bytes.push(byte) });
  assert.equal(port.window.read(0, 1), 0xe9);
  for (const byte of [0x68, 0x69, 0x0a, 0xff]) port.window.write(0, 1, byte);
  assert.deepEqual(bytes, [0x68, 0x69, 0x0a, 0xff]);
});

Deno.test("DebugConsole takes one byte of a wider write", () => {
  const bytes: number[] = [];
  const bus = new Bus("port", 0x10000);
  bus.attach(0xe9, new DebugConsole({ id: "debug", output: (byte) => bytes.push(byte) }).window, "debug");
  bus.write(0xe9, 4, 0x44434241);
  assert.deepEqual(bytes, [0x41]);
});
