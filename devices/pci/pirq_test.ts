import assert from "node:assert/strict";
import { RecordedLine } from "../../hvm/testing/rig.ts";
import { pirqOfPin, PIRQRC, PirqRouter } from "./pirq.ts";

function rig() {
  const irqs = new Map<number, RecordedLine>();
  const router = new PirqRouter((irq) => {
    const line = new RecordedLine();
    irqs.set(irq, line);
    return line;
  });
  return { router, irqs };
}

Deno.test("PirqRouter names the interrupt of a PIRQ, none while it is off or reserved [PIIX3] PIRQRC", () => {
  const { router } = rig();
  assert.equal(router.irqOf(0), undefined);
  router.setRoutes([10, 10 | PIRQRC.DISABLED, 8, 15]);
  assert.deepEqual([0, 1, 2, 3].map((pirq) => router.irqOf(pirq)), [10, undefined, undefined, 15]);
});

Deno.test("PirqRouter wires INTA of device 1 to PIRQA and goes around from there", () => {
  const table = [0, 1, 2, 3].map((pin) => [1, 2, 3, 4, 5].map((device) => pirqOfPin(device, pin)));
  assert.deepEqual(table, [[0, 1, 2, 3, 0], [1, 2, 3, 0, 1], [2, 3, 0, 1, 2], [3, 0, 1, 2, 3]]);
});

Deno.test("PirqRouter keeps one edge for an interrupt that moves between PIRQs sharing it", () => {
  const { router, irqs } = rig();
  router.setRoutes([11, 11, 11, 11]);
  const lines = [0, 1, 2, 3].map((pin) => router.input(1, pin));
  lines[0]!.set(true);
  lines[3]!.set(true);
  lines[0]!.set(false);
  assert.deepEqual(irqs.get(11)!.changes, [true]);
  lines[3]!.set(false);
  assert.deepEqual(irqs.get(11)!.changes, [true, false]);
});
