import assert from "node:assert/strict";
import { Bus } from "../../hvm/io/bus.ts";
import type { Width, Window } from "../../hvm/io/device.ts";
import { deviceContract } from "../../hvm/testing/device_contract.ts";
import { ConfigSpace } from "./config.ts";
import { ConfigPorts } from "./config_ports.ts";
import { CONFIG_PORTS_STATE } from "./config_ports_state.ts";
import { CLASS } from "./regs.ts";
import { PciRoot } from "./root.ts";

function rig() {
  const root = new PciRoot();
  const config = new ConfigSpace(
    { vendor: 0x8086, device: 0x1237, classCode: CLASS.HOST_BRIDGE, commandWritable: 0 },
    [{ at: 0x60, width: 4, writable: 0xffffffff }],
  );
  root.add({ device: 3, function: 2 }, config);
  const resets: number[] = [];
  const resetControl: Window = {
    length: 1,
    unit: 1,
    read: () => 0x42,
    write: (_offset, _width, value) => resets.push(value),
  };
  const ports = new ConfigPorts({ id: "pci", root, resetControl });
  const bus = new Bus("port", 0x10000);
  bus.attach(0xcf8, ports.window, "pci");
  return {
    ports,
    resets,
    out: (port: number, width: Width, value: number) => bus.write(port, width, value),
    in: (port: number, width: Width) => bus.read(port, width),
  };
}

const address = (device: number, fn: number, register: number) =>
  (0x80000000 | device << 11 | fn << 8 | register) >>> 0;

deviceContract("ConfigPorts", {
  build: () => {
    const { ports } = rig();
    return { device: ports, windows: [ports.window] };
  },
  schema: CONFIG_PORTS_STATE,
});

Deno.test("ConfigPorts keeps the address without its reserved bits [PCI] 3.2.2.3.2", () => {
  const r = rig();
  r.out(0xcf8, 4, 0x80000000);
  assert.equal(r.in(0xcf8, 4), 0x80000000);
  r.out(0xcf8, 4, 0xffffffff);
  assert.equal(r.in(0xcf8, 4), 0x80fffffc);
});

Deno.test("ConfigPorts reads and writes with every width at every byte [PCI] 3.2.2.3.2", () => {
  const r = rig();
  r.out(0xcf8, 4, address(3, 2, 0x60));
  r.out(0xcfc, 4, 0x44332211);
  assert.equal(r.in(0xcfc, 4), 0x44332211);
  assert.deepEqual([0, 1, 2, 3].map((i) => r.in(0xcfc + i, 1)), [0x11, 0x22, 0x33, 0x44]);
  assert.deepEqual([r.in(0xcfc, 2), r.in(0xcfd, 2), r.in(0xcfe, 2)], [0x2211, 0x3322, 0x4433]);
  r.out(0xcfd, 2, 0xbbaa);
  assert.equal(r.in(0xcfc, 4), 0x44bbaa11);
  r.out(0xcff, 1, 0x99);
  assert.equal(r.in(0xcfc, 4), 0x99bbaa11);
});

Deno.test("ConfigPorts data answers only while the enable bit is set", () => {
  const r = rig();
  r.out(0xcf8, 4, address(3, 2, 0) & 0x7fffffff);
  assert.equal(r.in(0xcfc, 4), 0xffffffff);
  r.out(0xcf8, 4, address(3, 2, 0));
  assert.equal(r.in(0xcfc, 4), 0x12378086);
  r.out(0xcf8, 4, address(4, 0, 0));
  assert.equal(r.in(0xcfc, 2), 0xffff);
});

Deno.test("ConfigPorts address takes whole double words only; CF9h is the reset control register [PIIX3] RC", () => {
  const r = rig();
  r.out(0xcf8, 4, address(3, 2, 0));
  r.out(0xcfb, 1, 0x01);
  r.out(0xcf8, 2, 0x1234);
  r.out(0xcf8, 1, 0x55);
  assert.equal(r.in(0xcf8, 4), address(3, 2, 0));
  assert.deepEqual(r.resets, []);
  r.out(0xcf9, 1, 0x06);
  assert.deepEqual(r.resets, [0x06]);
  assert.equal(r.in(0xcf9, 1), 0x42);
  assert.equal(r.in(0xcf8, 1), 0xff);
});
