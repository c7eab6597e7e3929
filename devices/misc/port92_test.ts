import assert from "node:assert/strict";
import { deviceContract } from "../../hvm/testing/device_contract.ts";
import { RecordedLine } from "../../hvm/testing/rig.ts";
import { CONTROL_A, Port92 } from "./port92.ts";
import { PORT92_STATE } from "./port92_state.ts";

function rig() {
  const a20 = new RecordedLine();
  let resets = 0;
  const port = new Port92({ id: "port92", a20, reset: () => resets++ });
  return { port, a20, resets: () => resets };
}

deviceContract("Port92", {
  build: () => {
    const { port } = rig();
    return { device: port, windows: [port.window] };
  },
  schema: PORT92_STATE,
});

Deno.test("Port92 opens and closes A20 with bit 1 [PS2]", () => {
  const { port, a20 } = rig();
  assert.ok(!a20.level);
  port.window.write(0, 1, CONTROL_A.A20);
  assert.ok(a20.level);
  assert.equal(port.window.read(0, 1), CONTROL_A.A20);
  port.window.write(0, 1, 0);
  assert.ok(!a20.level);
});

Deno.test("Port92 resets when bit 0 goes from 0 to 1 [PS2]", () => {
  const { port, resets } = rig();
  port.window.write(0, 1, 0xfe);
  assert.equal(resets(), 0);
  port.window.write(0, 1, 1);
  assert.equal(resets(), 1);
  port.window.write(0, 1, 1);
  assert.equal(resets(), 1, "it is the change that counts");
  port.window.write(0, 1, 0);
  port.window.write(0, 1, 3);
  assert.equal(resets(), 2);
});

Deno.test("Port92 asks for no reset when it is loaded, and opens A20 again", () => {
  const { port, a20, resets } = rig();
  port.load({ value: 3 });
  assert.equal(resets(), 0);
  assert.ok(a20.level);
});
