import assert from "node:assert/strict";
import { deviceContract } from "../../hvm/testing/device_contract.ts";
import { PvPanic, type PvPanicEvent } from "./pvpanic.ts";
import { PVPANIC_STATE } from "./pvpanic_state.ts";

function rig() {
  const events: PvPanicEvent[] = [];
  const port = new PvPanic({ id: "pvpanic", happened: (event) => events.push(event) });
  return { port, events };
}

deviceContract("PvPanic", {
  build: () => {
    const { port } = rig();
    return { device: port, windows: [port.window] };
  },
  schema: PVPANIC_STATE,
});

Deno.test("PvPanic says which events it understands [PVPANIC]", () => {
  assert.equal(rig().port.window.read(0, 1), 0x07);
});

Deno.test("PvPanic passes events on and ignores bits it does not understand [PVPANIC]", () => {
  const { port, events } = rig();
  port.window.write(0, 1, 0x01);
  port.window.write(0, 1, 0x02);
  port.window.write(0, 1, 0xf8);
  port.window.write(0, 1, 0x04);
  assert.deepEqual(events, ["panicked", "crash-loaded", "shutdown"]);
});

Deno.test("PvPanic tells nobody when it is loaded", () => {
  const { port, events } = rig();
  port.load({ events: 1 });
  assert.deepEqual(events, []);
});
