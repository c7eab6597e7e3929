import assert from "node:assert/strict";
import { deviceContract } from "../../hvm/testing/device_contract.ts";
import { ExitPort } from "./exit_port.ts";
import { EXIT_PORT_STATE } from "./exit_port_state.ts";

function rig(length?: 1 | 2 | 4) {
  const verdicts: number[] = [];
  const port = new ExitPort({
    id: "exit",
    exit: (value) => verdicts.push(value),
    ...(length === undefined ? {} : { length }),
  });
  return { port, verdicts };
}

deviceContract("ExitPort", {
  build: () => {
    const { port } = rig();
    return { device: port, windows: [port.window] };
  },
  schema: EXIT_PORT_STATE,
});

Deno.test("ExitPort hands over values of every width", () => {
  const { port, verdicts } = rig();
  port.window.write(0, 1, 0x7f);
  port.window.write(0, 2, 0x1234);
  port.window.write(0, 4, 0xdeadbeef);
  assert.deepEqual(verdicts, [0x7f, 0x1234, 0xdeadbeef]);
});

Deno.test("ExitPort takes only its first port as a verdict", () => {
  const { port, verdicts } = rig();
  port.window.write(1, 1, 5);
  port.window.write(2, 2, 5);
  assert.deepEqual(verdicts, []);
});

Deno.test("ExitPort reads as ones, then as the last verdict", () => {
  const { port } = rig();
  assert.equal(port.window.read(0, 4), 0xffffffff);
  port.window.write(0, 4, 0x80000001);
  assert.equal(port.window.read(0, 4), 0x80000001);
  assert.equal(port.window.read(3, 1), 0x80);
});

Deno.test("ExitPort tells nobody when it is loaded", () => {
  const { port, verdicts } = rig();
  port.load({ verdict: 3 });
  assert.deepEqual(verdicts, []);
});

Deno.test("ExitPort can be narrower", () => {
  const { port } = rig(2);
  assert.deepEqual([port.window.length, port.window.unit], [2, 2]);
});
