import assert from "node:assert/strict";
import { GIB } from "../hvm/base/addr.ts";
import { hexBytes } from "../hvm/base/bits.ts";
import * as resource from "./resource_template.ts";

function is(descriptor: Uint8Array, expected: string): void {
  assert.equal(hexBytes(descriptor), expected.replaceAll(/\s+/g, " ").trim());
}

Deno.test("irq is a mask, with a byte of flags when it is not an ISA interrupt [ACPI] 6.4.2.1", () => {
  is(resource.irq([4]), "22 10 00");
  is(resource.irq([3, 15]), "22 08 80");
  // Bit 0 set is edge, bit 3 active low, bit 4 shared.
  is(resource.irq([9], { level: true, activeLow: false, shared: true }), "23 00 02 10");
  is(resource.irq([9], { level: true, activeLow: true, shared: false }), "23 00 02 08");
  is(resource.irq([9], { level: false, activeLow: true, shared: true }), "23 00 02 19");
  assert.throws(() => resource.irq([16]), RangeError);
});

Deno.test("io has minimum, maximum, alignment and length [ACPI] 6.4.2.5", () => {
  is(resource.io(0x3f8, 8), "47 01 f8 03 f8 03 01 08");
  assert.throws(() => resource.io(0x3f8, 256), RangeError);
  assert.throws(() => resource.io(0x10000, 1), RangeError);
});

Deno.test("fixedIo has ten address bits [ACPI] 6.4.2.6", () => {
  is(resource.fixedIo(0x3f8, 8), "4b f8 03 08");
  assert.throws(() => resource.fixedIo(0x400, 8), RangeError);
});

Deno.test("memory32Fixed has base and length [ACPI] 6.4.3.4", () => {
  is(resource.memory32Fixed(0xfed00000, 0x400), "86 09 00 01 00 00 d0 fe 00 04 00 00");
  is(resource.memory32Fixed(0xe0000, 0x1000, false), "86 09 00 00 00 00 0e 00 00 10 00 00");
  assert.throws(() => resource.memory32Fixed(4 * GIB, 1), RangeError);
});

Deno.test("extendedInterrupt lists system interrupts [ACPI] 6.4.3.6", () => {
  // Consumer, level, active high, shared: bits 0 and 3.
  is(
    resource.extendedInterrupt([10, 11], { level: true, activeLow: false, shared: true }),
    "89 0a 00 09 02 0a 00 00 00 0b 00 00 00",
  );
  is(
    resource.extendedInterrupt([300], { level: false, activeLow: true, shared: false }),
    "89 06 00 07 01 2c 01 00 00",
  );
});

Deno.test("EXTENDED_INTERRUPT_NUMBER is where the first number is", () => {
  const bytes = resource.extendedInterrupt([0x44332211], resource.ISA_SIGNALLING);
  assert.equal(
    new DataView(bytes.buffer, bytes.byteOffset).getUint32(resource.EXTENDED_INTERRUPT_NUMBER, true),
    0x44332211,
  );
});

Deno.test("wordBusNumber and ioWindow are word address spaces [ACPI] 6.4.3.5.3", () => {
  is(resource.wordBusNumber(0, 256), "88 0d 00 02 0c 00 00 00 00 00 ff 00 00 00 00 01");
  is(resource.ioWindow(0xd00, 0xf300), "88 0d 00 01 0c 03 00 00 00 0d ff ff 00 00 00 f3");
});

Deno.test("ioWindow says all 65,536 ports in 32 bits, since 16 cannot hold the length", () => {
  is(
    resource.ioWindow(0, 0x10000),
    "87 17 00 01 0c 03 00 00 00 00 00 00 00 00 ff ff 00 00 00 00 00 00 00 00 01 00",
  );
});

Deno.test("memoryWindow is 32 bits wide up to 4 GiB and 64 beyond [ACPI] 6.4.3.5.1, 6.4.3.5.2", () => {
  is(
    resource.memoryWindow({ base: 3 * GIB, length: GIB, prefetchable: false }),
    "87 17 00 00 0c 01 00 00 00 00 00 00 00 c0 ff ff ff ff 00 00 00 00 00 00 00 40",
  );
  is(
    resource.memoryWindow({ base: 64 * GIB, length: 64 * GIB, prefetchable: true }),
    `8a 2b 00 00 0c 07 00 00 00 00 00 00 00 00 00 00 00 00 10 00 00 00 ff ff ff ff 1f 00 00 00
     00 00 00 00 00 00 00 00 00 00 00 00 10 00 00 00`,
  );
  assert.equal(resource.memoryWindow({ base: 4 * GIB - 1, length: 2, prefetchable: false })[0], 0x8a);
});

Deno.test("address spaces refuse empty windows", () => {
  assert.throws(() => resource.ioWindow(0, 0), RangeError);
  assert.throws(() => resource.memoryWindow({ base: 0, length: 0, prefetchable: false }), RangeError);
});

Deno.test("resourceTemplate is a buffer that ends with the end tag [ACPI] 6.4.2.9", () => {
  is(resource.resourceTemplate(resource.irq([8])), "11 08 0a 05 22 00 01 79 00");
  is(resource.resourceTemplate(), "11 05 0a 02 79 00");
});
