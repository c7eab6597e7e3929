/**
 * Devices without a way to be found, as the namespace lists them: those on the ISA bus, the board's own registers, the
 * HPET, and the processors.
 *
 * Sources: [ACPI] 6.5, 6.1 (identification), 6.2.2 (_CRS), 8.4 (processor devices); [HPET] IA-PC HPET Specification 1.0a,
 * 3.2.5.1; [PCIFW] PCI Firmware Specification 3.3, 4.1.2; [QEMU] docs/specs/pvpanic.rst.
 * @module
 */

import { MIB } from "../hvm/base/addr.ts";
import type { BoardResources, IsaDevice } from "../hvm/io/resources.ts";
import {
  arg,
  device,
  field,
  FIELD_ACCESS,
  integer,
  method,
  name,
  operationRegion,
  path,
  REGION_SPACE,
  returns,
  store,
  string,
  type Term,
} from "./aml.ts";
import { eisaId, HID, isEisaId } from "./names.ts";
import {
  type Descriptor,
  io,
  irq,
  memory32Fixed,
  qwordMemory,
  resourceTemplate,
} from "./resource_template.ts";

/** Memory-mapped configuration space of one bus. [PCIFW] 4.1.2 */
const ECAM_BYTES_PER_BUS = MIB;
/** The registers of an HPET. [HPET] 2.3.1 */
const HPET_BYTES = 0x400;
/** The most ports one descriptor takes, as a power of two. */
const PORTS_PER_DESCRIPTOR = 128;
/** A device that is there but of no use to a user interface. [ACPI] 6.3.7 */
const STA_HIDDEN = 0x0b;
/** Hexadecimal digits in the name of a processor: `C000` to `CFFF`. */
const PROCESSOR_DIGITS = 3;

/** A device of the board's list. */
export function isaDevice(item: IsaDevice): Term {
  return device(
    item.name,
    name("_HID", hardwareId(item.hid)),
    ...(item.uid === undefined ? [] : [name("_UID", integer(item.uid))]),
    ...(item.hid.startsWith("QEMU") ? [name("_STA", integer(STA_HIDDEN))] : []),
    name("_CRS", resourceTemplate(...resources(item))),
    ...(item.hid === HID.PVPANIC ? pvpanicMethods(item) : []),
  );
}

/** The registers no device of the list claims, so that the guest puts nothing there; nothing when there are none. */
export function motherboardResources(board: BoardResources): Term[] {
  const { fixed, ecam } = board;
  const descriptors: Descriptor[] = [];
  // The other fixed registers are known from the FADT, and the power management function claims them as its own.
  if (fixed !== undefined && fixed.smiCommandPort > 0) descriptors.push(io(fixed.smiCommandPort, 1));
  if (ecam !== undefined) {
    const window = { base: ecam.base, length: ecam.buses * ECAM_BYTES_PER_BUS, prefetchable: false };
    const low = window.base + window.length <= 0xffff_ffff;
    descriptors.push(low ? memory32Fixed(window.base, window.length) : qwordMemory(window));
  }
  if (descriptors.length === 0) return [];
  return [device(
    "MBRD",
    name("_HID", integer(eisaId(HID.MOTHERBOARD_RESOURCES))),
    name("_UID", integer(0)),
    name("_CRS", resourceTemplate(...descriptors)),
  )];
}

/** The HPET, when there is one. */
export function hpetDevice(board: BoardResources): Term[] {
  if (board.hpetBase === undefined) return [];
  return [device(
    "HPET",
    name("_HID", integer(eisaId(HID.HPET))),
    name("_UID", integer(0)),
    name("_CRS", resourceTemplate(memory32Fixed(board.hpetBase, HPET_BYTES))),
  )];
}

/** One device per processor; `_UID` is the processor's uid in the MADT. [ACPI] 8.4 */
export function processorDevices(board: BoardResources): Term[] {
  return board.apicIds.map((_, uid) =>
    device(
      `C${uid.toString(16).toUpperCase().padStart(PROCESSOR_DIGITS, "0")}`,
      name("_HID", hardwareId(HID.PROCESSOR)),
      name("_UID", integer(uid)),
    )
  );
}

function hardwareId(hid: string): Term {
  return isEisaId(hid) ? integer(eisaId(hid)) : string(hid);
}

function resources(item: IsaDevice): Descriptor[] {
  return [
    ...item.placed.flatMap(({ space, base, length }) =>
      space === "port" ? ports(base, length) : [memory32Fixed(base, length)]
    ),
    ...(item.irq === undefined ? [] : [irq([item.irq])]),
  ];
}

function ports(base: number, length: number): Descriptor[] {
  const result: Descriptor[] = [];
  for (let at = 0; at < length; at += PORTS_PER_DESCRIPTOR) {
    result.push(io(base + at, Math.min(PORTS_PER_DESCRIPTOR, length - at)));
  }
  return result;
}

/** `RDPT` tells which events the host understands, `WRPT` tells it of one. [QEMU] "ACPI interface" */
function pvpanicMethods(item: IsaDevice): Term[] {
  const port = item.placed.find(({ space }) => space === "port");
  if (port === undefined) return [];
  return [
    operationRegion("PEOR", REGION_SPACE.SYSTEM_IO, port.base, 1),
    field("PEOR", { access: FIELD_ACCESS.BYTE }, { name: "PEPT", bits: 8 }),
    method("RDPT", {}, returns(path("PEPT"))),
    method("WRPT", { args: 1 }, store(arg(0), path("PEPT"))),
  ];
}
