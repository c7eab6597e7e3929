/** The chips of the PC's bus 0 together, behind the ports software uses. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Bus } from "../../hvm/io/bus.ts";
import type { Width } from "../../hvm/io/device.ts";
import { FakeClock, RecordedLine } from "../../hvm/testing/rig.ts";
import { ConfigPorts } from "./config_ports.ts";
import { I440fx } from "./i440fx.ts";
import { Piix3 } from "./piix3.ts";
import { Piix4Pm } from "./piix4_pm.ts";
import { Placements } from "./placement.ts";
import { PciRoot } from "./root.ts";

function pc() {
  const clock = new FakeClock();
  const ports = new Bus("port", 0x10000);
  const placements = new Placements(ports);
  const ends: string[] = [];
  const sci = new RecordedLine();
  const host = new I440fx({ id: "host", shadow: () => {}, reset: () => ends.push("reset") });
  const isa = new Piix3({ id: "isa", isaIrq: () => new RecordedLine(), reset: () => ends.push("reset") });
  let place = (_base: number | undefined) => {};
  const pm = new Piix4Pm({
    id: "pm",
    clock,
    sci,
    powerOff: () => ends.push("off"),
    place: (base) => place(base),
  });
  place = placements.slot(pm.block, "pm");
  const root = new PciRoot();
  root.add({ device: 0, function: 0 }, host.config);
  root.add({ device: 1, function: 0 }, isa.config);
  root.add({ device: 1, function: 3 }, pm.config);
  const config = new ConfigPorts({ id: "config", root, resetControl: isa.resetControl });
  ports.attach(0xcf8, config.window, "config");
  ports.attach(0xb2, pm.smiPorts, "smi");
  const at = (device: number, fn: number, register: number) =>
    ports.write(0xcf8, 4, (0x80000000 | device << 11 | fn << 8 | register & 0xfc) >>> 0);
  return {
    ports,
    clock,
    sci,
    ends,
    pm,
    write: (device: number, fn: number, register: number, width: Width, value: number) => {
      at(device, fn, register);
      ports.write(0xcfc + register % 4, width, value);
    },
    read: (device: number, fn: number, register: number, width: Width) => {
      at(device, fn, register);
      return ports.read(0xcfc + register % 4, width);
    },
  };
}

Deno.test("PC bus 0 is enumerated as software does it", () => {
  const { read } = pc();
  const found: string[] = [];
  for (let device = 0; device < 32; device++) {
    if (read(device, 0, 0, 2) === 0xffff) continue;
    const functions = (read(device, 0, 0x0e, 1) & 0x80) === 0 ? 1 : 8;
    for (let fn = 0; fn < functions; fn++) {
      const id = read(device, fn, 0, 4);
      if (id !== 0xffffffff) {
        found.push(`${device}.${fn} ${id.toString(16)} ${read(device, fn, 0x0a, 2).toString(16)}`);
      }
    }
  }
  assert.deepEqual(found, ["0.0 12378086 600", "1.0 70008086 601", "1.3 71138086 680"]);
});

Deno.test("PC power management is placed, switched on and off by the ports firmware and ACPI use", () => {
  const { ports, write, ends, pm, sci } = pc();
  assert.equal(ports.read(0x604, 2), 0xffff);
  write(1, 3, 0x40, 4, 0x601);
  write(1, 3, 0x80, 1, 1);
  assert.equal(ports.read(0x604, 2), 0x0000);
  ports.write(0xb2, 1, 0xf1);
  assert.equal(ports.read(0x604, 2), 0x0001);
  ports.write(0x602, 2, 0x0100);
  pm.pressPowerButton();
  assert.ok(sci.level);
  ports.write(0x600, 2, 0x0100);
  assert.ok(!sci.level);
  ports.write(0x604, 2, 0x2001);
  assert.deepEqual(ends, ["off"]);
  ports.write(0xcf9, 1, 0x06);
  assert.deepEqual(ends, ["off", "reset"]);
});

Deno.test("PC bus 0 bears any port access", () => {
  const access = fc.record({
    port: fc.oneof(
      fc.constantFrom(0xcf8, 0xcf9, 0xcfa, 0xcfc, 0xcfd, 0xcfe, 0xcff, 0xb2, 0x600, 0x604),
      fc.nat(0xffff),
    ),
    width: fc.constantFrom<Width>(1, 2, 4),
    value: fc.oneof(fc.nat(0xffffffff), fc.integer({ min: 0, max: 0x0fff }).map((low) => 0x80000000 + low)),
    reads: fc.boolean(),
  });
  fc.assert(fc.property(fc.array(access, { maxLength: 200 }), (accesses) => {
    const { ports, clock } = pc();
    for (const { port, width, value, reads } of accesses) {
      if (reads) assert.ok(ports.read(port, width) < 2 ** (8 * width));
      else ports.write(port, width, value % 2 ** (8 * width));
      clock.advance(1000);
    }
  }));
});
