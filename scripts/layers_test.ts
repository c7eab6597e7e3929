import assert from "node:assert/strict";
import { findCycles, judgeArrow } from "./layers.ts";

/** Imports, whether types only, and whether they keep the layers. */
const CASES: readonly [string, string, boolean, boolean][] = [
  ["devices/irq/pic8259.ts", "hvm/io/device.ts", false, true],
  ["devices/irq/pic8259.ts", "devices/irq/pic8259_state.ts", false, true],
  ["devices/irq/pic8259.ts", "hvm/vcpu/loop.ts", true, false],
  ["devices/irq/pic8259_state.ts", "npm:zod@4.6/mini", false, true],
  ["devices/irq/pic8259.ts", "node:fs", false, false],
  ["hvm/base/bits.ts", "hvm/io/bus.ts", false, false],
  ["hvm/vcpu/loop.ts", "hvm/vendor/ops.ts", true, true],
  ["hvm/vcpu/loop.ts", "hvm/vendor/vmx.ts", true, false],
  ["hvm/vendor/vmx.ts", "hvm/kvm/vm.ts", false, true],
  ["hvm/vendor/ops.ts", "hvm/kvm/vm.ts", false, false],
  ["acpi/madt.ts", "hvm/io/resources.ts", true, true],
  ["acpi/madt.ts", "hvm/io/resources.ts", false, false],
  ["hvm/io_other.ts", "hvm/base/bits.ts", false, true],
  ["scripts/lab.ts", "hvm/sys/ffi.ts", false, true],
  ["main.ts", "hvm/sys/ffi.ts", false, false],
];

for (const [from, to, typesOnly, allowed] of CASES) {
  Deno.test(`judgeArrow ${allowed ? "allows" : "refuses"} ${from} -> ${to}${typesOnly ? " (types)" : ""}`, () => {
    assert.equal(judgeArrow({ from, to, typesOnly }) === undefined, allowed);
  });
}

Deno.test("findCycles finds a cycle once and none where arrows only meet", () => {
  const arrows = (pairs: string[]) =>
    pairs.map((pair) => ({ from: pair[0] ?? "", to: pair[1] ?? "", typesOnly: false }));
  assert.deepEqual(findCycles(arrows(["ab", "ac", "bd", "cd"])), []);
  assert.deepEqual(findCycles(arrows(["ab", "bc", "cb"])), [["b", "c", "b"]]);
  assert.deepEqual(findCycles(arrows(["aa"])), [["a", "a"]]);
});
