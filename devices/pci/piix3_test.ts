import assert from "node:assert/strict";
import type { Line } from "../../hvm/base/line.ts";
import { deviceContract } from "../../hvm/testing/device_contract.ts";
import { RecordedLine } from "../../hvm/testing/rig.ts";
import { ROUTABLE_IRQS } from "./pirq.ts";
import { Piix3, PIIX3_REG, RC } from "./piix3.ts";
import { PIIX3_STATE } from "./piix3_state.ts";

function rig() {
  const irqs = new Map<number, RecordedLine>();
  const resets: boolean[] = [];
  const chip = new Piix3({
    id: "piix3",
    isaIrq: (irq): Line => {
      const line = new RecordedLine();
      irqs.set(irq, line);
      return line;
    },
    reset: (system) => resets.push(system),
  });
  return {
    chip,
    resets,
    irqs,
    high: () => [...irqs].filter(([, line]) => line.level).map(([irq]) => irq),
    route: (pirq: number, value: number) => chip.config.write(PIIX3_REG.PIRQRCA + pirq, 1, value),
    rc: (value: number) => chip.resetControl.write(0, 1, value),
  };
}

deviceContract("Piix3", {
  build: () => {
    const { chip } = rig();
    return { device: chip, windows: [chip.config, chip.resetControl] };
  },
  schema: PIIX3_STATE,
});

Deno.test("Piix3 header and reset values [PIIX3] configuration registers", () => {
  const { config } = rig().chip;
  assert.equal(config.read(0x00, 4), 0x70008086);
  assert.equal(config.read(0x04, 4), 0x02000007);
  assert.equal(config.read(0x09, 1), 0x00);
  assert.equal(config.read(0x0a, 2), 0x0601);
  assert.equal(config.read(PIIX3_REG.PIRQRCA, 4), 0x80808080);
  assert.equal(config.read(PIIX3_REG.IORT, 1), 0x4d);
  assert.equal(config.read(PIIX3_REG.XBCS, 2), 0x0003);
  assert.equal(config.read(PIIX3_REG.TOM, 1), 0x02);
  assert.equal(config.read(PIIX3_REG.MBDMA0, 2), 0x0c0c);
});

Deno.test("Piix3 interrupts routable are those with an IRQ pin on the ISA bus [PIIX3] PIRQRC", () => {
  assert.deepEqual([...rig().irqs.keys()], [3, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15]);
});

Deno.test("Piix3 routes each PIRQ to the interrupt its register names [PIIX3] PIRQRC", () => {
  for (let pirq = 0; pirq < 4; pirq++) {
    for (let code = 0; code < 16; code++) {
      const r = rig();
      const pin = r.chip.pirq.input(1, pirq);
      pin.set(true);
      assert.deepEqual(r.high(), [], "routed nowhere after reset");
      r.route(pirq, code);
      assert.deepEqual(r.high(), ROUTABLE_IRQS.includes(code) ? [code] : []);
      r.route(pirq, code | 0x80);
      assert.deepEqual(r.high(), []);
      r.route(pirq, code);
      pin.set(false);
      assert.deepEqual(r.high(), []);
    }
  }
});

Deno.test("Piix3 swizzles pins over devices as PC boards do", () => {
  const r = rig();
  const routes = [10, 11, 12, 14];
  routes.forEach((irq, pirq) => r.route(pirq, irq));
  for (let device = 1; device < 32; device++) {
    for (let pin = 0; pin < 4; pin++) {
      const line = r.chip.pirq.input(device, pin);
      line.set(true);
      assert.deepEqual(r.high(), [routes[(device - 1 + pin) % 4]]);
      line.set(false);
    }
  }
});

Deno.test("Piix3 interrupt stays high while any of the pins that share it is", () => {
  const r = rig();
  r.route(0, 11);
  r.route(1, 11);
  const a = r.chip.pirq.input(1, 0);
  const b = r.chip.pirq.input(5, 0);
  const c = r.chip.pirq.input(1, 1);
  a.set(true);
  b.set(true);
  c.set(true);
  a.set(false);
  c.set(false);
  assert.deepEqual(r.high(), [11]);
  b.set(false);
  assert.deepEqual(r.high(), []);
  assert.equal(r.irqs.get(11)!.rises, 1);
});

Deno.test("Piix3 moves a pending interrupt when its route changes", () => {
  const r = rig();
  r.route(2, 10);
  r.chip.pirq.input(3, 0).set(true);
  assert.deepEqual(r.high(), [10]);
  r.route(2, 5);
  assert.deepEqual(r.high(), [5]);
  r.chip.reset();
  assert.deepEqual(r.high(), []);
});

Deno.test("Piix3 resets when bit 2 of the reset control register rises, the system with bit 1 [PIIX3] RC", () => {
  const r = rig();
  r.rc(RC.SYSTEM);
  assert.deepEqual(r.resets, []);
  assert.equal(r.chip.resetControl.read(0, 1), 0x02);
  r.rc(0x06);
  assert.deepEqual(r.resets, [true]);
  r.rc(0x06);
  assert.deepEqual(r.resets, [true], "it is the change that counts");
  r.rc(0x00);
  r.rc(0x04);
  assert.deepEqual(r.resets, [true, false]);
  r.rc(0xf9);
  assert.equal(r.chip.resetControl.read(0, 1), 0x00, "other bits are reserved");
});

Deno.test("Piix3 resets by the one write ACPI names: 6 to CF9h", () => {
  const r = rig();
  r.rc(0x06);
  assert.deepEqual(r.resets, [true]);
});

Deno.test("Piix3 loads its routes and asks for no reset", () => {
  const first = rig();
  first.route(0, 9);
  first.rc(0x06);
  const second = rig();
  second.chip.pirq.input(1, 0).set(true);
  second.chip.load(first.chip.save());
  assert.deepEqual(second.high(), [9]);
  assert.deepEqual(second.resets, []);
});
