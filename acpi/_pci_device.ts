/**
 * The PCI root in the namespace: what it passes on, and how interrupt pins reach interrupt inputs.
 *
 * Every pin is wired to one of PIRQA to PIRQD. Where the PIIX3 routes those to ISA interrupts, the interrupt of a
 * PIRQ is the same number at the PICs and at the IOAPIC, and `_PRT` names four link devices in both modes: their
 * `_CRS` reads the route registers, their `_SRS` writes them, and they state the signalling (level, active high) that
 * a bare number would leave at PCI's default. Where the board wires the PIRQs to IOAPIC pins past 15, `_PRT` gives those
 * numbers when the guest has said by `_PIC` that it uses the IOAPIC.
 *
 * Sources: [ACPI] 6.5, 6.2.13 (_PRT), 6.2.2 (_CRS), 6.2.11 (_PRS), 6.2.16 (_SRS), 5.8.1 (_PIC); [PIIX3] Intel 290550-002,
 * 2.2.7 (PIRQRC); [PCIFW] PCI Firmware Specification 3.3, 4.1.2, 4.1.3.
 * @module
 */

import type { BoardResources } from "../hvm/io/resources.ts";
import {
  and,
  arg,
  createField,
  device,
  equal,
  field,
  FIELD_ACCESS,
  ifThen,
  integer,
  method,
  name,
  operationRegion,
  or,
  pack,
  path,
  REGION_SPACE,
  returns,
  store,
  type Term,
} from "./aml.ts";
import { eisaId, HID } from "./names.ts";
import {
  type Descriptor,
  EXTENDED_INTERRUPT_NUMBER,
  extendedInterrupt,
  io,
  ioWindow,
  memoryWindow,
  resourceTemplate,
  wordBusNumber,
} from "./resource_template.ts";

type Pci = NonNullable<BoardResources["pci"]>;

const DEVICES_PER_BUS = 32;
const PINS = [0, 1, 2, 3] as const;
const BUSES = 256;
/** The low half of a `_PRT` address: all functions of the device. [ACPI] 6.2.13 */
const ANY_FUNCTION = 0xffff;
const CONFIG_PORTS = { BASE: 0xcf8, LENGTH: 8 } as const;
/** What a VGA decodes whether a register says so or not. */
const VGA_MEMORY = { base: 0xa0000, length: 0x20000, prefetchable: false } as const;

/** PIRQ route registers of the PIIX3: bit 7 disables, bits 0 to 3 are the interrupt. [PIIX3] 2.2.7 */
const PIRQRC = { FIRST: 0x60, COUNT: 4, DISABLED: 1 << 7, IRQ: 0x0f } as const;
const PIRQ_SIGNALLING = { level: true, activeLow: false, shared: true } as const;
/** Interrupts of the PICs; numbers from here on exist at an IOAPIC only. */
const PIC_INPUTS = 16;

/** _STA: present, enabled, functioning; not shown to users. [ACPI] 6.3.7 */
const STA = { LINK_ENABLED: 0x0b, LINK_DISABLED: 0x09 } as const;

/** The variable `_PIC` writes: 0 the PICs, 1 the IOAPIC. */
const MODE = "PICF";

/** What of the namespace lies outside the root: the mode variable and `_PIC`. [ACPI] 5.8.1 */
export function interruptModel(): Term[] {
  return [
    name(`\\${MODE}`, integer(0)),
    method("\\_PIC", { args: 1 }, store(arg(0), path(`\\${MODE}`))),
  ];
}

/** The host bridge `PCI0` with `children` below it, which include the ISA bridge's. */
export function pciRoot(board: BoardResources, pci: Pci, children: readonly Term[]): Term {
  const express = board.ecam !== undefined;
  return device(
    "PCI0",
    name("_HID", integer(eisaId(express ? HID.PCIE_HOST : HID.PCI_HOST))),
    ...(express ? [name("_CID", integer(eisaId(HID.PCI_HOST)))] : []),
    name("_UID", integer(0)),
    name("_SEG", integer(0)),
    name("_BBN", integer(0)),
    name("_CRS", resourceTemplate(...rootResources(board, pci))),
    ...routingTables(pci),
    ...children,
  );
}

/** The ISA bridge with the route registers and `children`. [PIIX3] 2.2.7 */
export function isaBridge(pci: Pci, children: readonly Term[]): Term {
  const { device: slot, function: fn } = pci.isaBridge;
  return device(
    "ISA",
    name("_ADR", integer(slot * 0x10000 + fn)),
    operationRegion("PIRC", REGION_SPACE.PCI_CONFIG, PIRQRC.FIRST, PIRQRC.COUNT),
    field(
      "PIRC",
      { access: FIELD_ACCESS.BYTE },
      ...PINS.map((pirq) => ({ name: routeField(pirq), bits: 8 })),
    ),
    ...children,
  );
}

/** The four link devices, below `\_SB`. */
export function linkDevices(pci: Pci): Term[] {
  const possible = [...new Set(pci.pirqGsi)].filter((gsi) => gsi < PIC_INPUTS);
  // Where the board gives no interrupt of the PICs, those every PC leaves to PCI.
  const numbers = possible.length > 0 ? possible : [10, 11];
  return PINS.map((pirq) => linkDevice(pirq, numbers));
}

function linkDevice(pirq: number, possible: readonly number[]): Term {
  const route = path(`\\_SB.PCI0.ISA.${routeField(pirq)}`);
  const disabled = and(route, integer(PIRQRC.DISABLED));
  return device(
    linkName(pirq),
    name("_HID", integer(eisaId(HID.INTERRUPT_LINK))),
    name("_UID", integer(pirq)),
    name("_PRS", resourceTemplate(extendedInterrupt(possible, PIRQ_SIGNALLING))),
    method(
      "_STA",
      {},
      ifThen(disabled, [returns(integer(STA.LINK_DISABLED))]),
      returns(integer(STA.LINK_ENABLED)),
    ),
    method("_DIS", {}, or(route, integer(PIRQRC.DISABLED), route)),
    // Objects made inside a method cost a search of the namespace at each call; the value is one per device anyway.
    name("CRSB", resourceTemplate(extendedInterrupt([0], PIRQ_SIGNALLING))),
    createField(4, path("CRSB"), EXTENDED_INTERRUPT_NUMBER, "CRSI"),
    method(
      "_CRS",
      { serialized: true },
      ifThen(disabled, [store(integer(0), path("CRSI"))], [and(route, integer(PIRQRC.IRQ), path("CRSI"))]),
      returns(path("CRSB")),
    ),
    method(
      "_SRS",
      { args: 1, serialized: true },
      createField(4, arg(0), EXTENDED_INTERRUPT_NUMBER, "IRQ0"),
      store(path("IRQ0"), route),
    ),
  );
}

function rootResources(board: BoardResources, pci: Pci): Descriptor[] {
  const windows = [
    ...(board.hasVga ? [VGA_MEMORY] : []),
    ...pci.memory.filter(({ length }) => length > 0),
  ];
  return [
    wordBusNumber(0, board.ecam?.buses ?? BUSES),
    io(CONFIG_PORTS.BASE, CONFIG_PORTS.LENGTH),
    ...pci.io.filter(({ length }) => length > 0).map(({ base, length }) => ioWindow(base, length)),
    ...windows.map(memoryWindow),
  ];
}

function routingTables(pci: Pci): Term[] {
  const links = routing(pci, (pirq) => [path(linkName(pirq)), integer(0)]);
  if (pci.pirqGsi.every((gsi) => gsi < PIC_INPUTS)) return [name("_PRT", links)];
  const numbers = routing(pci, (pirq) => [integer(0), integer(pci.pirqGsi[pirq] ?? 0)]);
  return [
    name("PRTP", links),
    name("PRTA", numbers),
    method(
      "_PRT",
      {},
      ifThen(equal(path(`\\${MODE}`), integer(1)), [returns(path("PRTA"))]),
      returns(path("PRTP")),
    ),
  ];
}

function routing(pci: Pci, source: (pirq: 0 | 1 | 2 | 3) => readonly [Term, Term]): Term {
  const entries: Term[] = [];
  for (let slot = 0; slot < DEVICES_PER_BUS; slot++) {
    for (const pin of PINS) {
      const pirq = (pci.pirqOf(slot, pin) & 3) as 0 | 1 | 2 | 3;
      entries.push(pack(integer(slot * 0x10000 + ANY_FUNCTION), integer(pin), ...source(pirq)));
    }
  }
  return pack(...entries);
}

function linkName(pirq: number): string {
  return `LNK${"ABCD"[pirq]}`;
}

function routeField(pirq: number): string {
  return `PRQ${"ABCD"[pirq]}`;
}
