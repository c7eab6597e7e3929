/**
 * Boards of many shapes, for tests.
 * @module
 */

import { GIB, MIB } from "../hvm/base/addr.ts";
import type { BoardResources } from "../hvm/io/resources.ts";

/** A PC with everything the tables can describe but ECAM and HPET. */
export const PC: BoardResources = {
  apicIds: [0],
  lapicBase: 0xfee00000,
  ioapic: { id: 1, base: 0xfec00000, gsiBase: 0 },
  overrides: [
    { irq: 0, gsi: 2, activeLow: false, level: false },
    { irq: 9, gsi: 9, activeLow: false, level: true },
  ],
  fixed: {
    pm1EventPort: 0x600,
    pm1ControlPort: 0x604,
    pmTimerPort: 0x608,
    gpe0Port: 0x620,
    gpe0Length: 4,
    smiCommandPort: 0xb2,
    acpiEnable: 0xf1,
    acpiDisable: 0xf0,
    sciIrq: 9,
    resetPort: 0xcf9,
    resetValue: 6,
    s5SleepType: 5,
  },
  hasPic: true,
  hasRtc: true,
  rtcCentury: 0x32,
  hasI8042: true,
  hasVga: false,
  isa: [
    { name: "COM1", hid: "PNP0501", uid: 1, placed: [{ space: "port", base: 0x3f8, length: 8 }], irq: 4 },
    { name: "COM2", hid: "PNP0501", uid: 2, placed: [{ space: "port", base: 0x2f8, length: 8 }], irq: 3 },
    {
      name: "KBD",
      hid: "PNP0303",
      placed: [{ space: "port", base: 0x60, length: 1 }, { space: "port", base: 0x64, length: 1 }],
      irq: 1,
    },
    { name: "MOU", hid: "PNP0F13", placed: [], irq: 12 },
    { name: "RTC", hid: "PNP0B00", placed: [{ space: "port", base: 0x70, length: 2 }], irq: 8 },
    { name: "PEVT", hid: "QEMU0001", placed: [{ space: "port", base: 0x505, length: 1 }] },
    { name: "FWCF", hid: "QEMU0002", placed: [{ space: "port", base: 0x510, length: 12 }] },
  ],
  pci: {
    io: [{ base: 0, length: 0xcf8 }, { base: 0xd00, length: 0xf300 }],
    memory: [
      { base: 3 * GIB, length: 0xfec00000 - 3 * GIB, prefetchable: false },
      { base: 64 * GIB, length: 64 * GIB, prefetchable: true },
    ],
    pirqOf: (device, pin) => (device + pin + 3) % 4,
    pirqGsi: [10, 11, 10, 11],
    isaBridge: { device: 1, function: 0 },
  },
};

function without(board: BoardResources, ...keys: (keyof BoardResources)[]): BoardResources {
  return Object.fromEntries(
    Object.entries(board).filter(([key]) => !keys.includes(key as keyof BoardResources)),
  ) as unknown as BoardResources;
}

function processors(count: number): number[] {
  return Array.from({ length: count }, (_, id) => id);
}

const PCI = PC.pci as NonNullable<BoardResources["pci"]>;

/** A name for each shape. */
export const BOARDS: Readonly<Record<string, BoardResources>> = {
  "one processor": PC,
  "8 processors": { ...PC, apicIds: processors(8), ioapic: { id: 8, base: 0xfec00000, gsiBase: 0 } },
  "300 processors": { ...PC, apicIds: processors(300), ioapic: { id: 0, base: 0xfec00000, gsiBase: 0 } },
  "4096 processors": { ...PC, apicIds: processors(4096), ioapic: { id: 0, base: 0xfec00000, gsiBase: 0 } },
  "sparse APIC ids": { ...PC, apicIds: [0, 2, 16, 254, 255, 1000] },
  "no LAPIC": without(PC, "lapicBase", "ioapic"),
  "no IOAPIC": without(PC, "ioapic"),
  "no PIC": { ...PC, hasPic: false },
  "no PCI": without(PC, "pci"),
  "no ISA devices": { ...PC, isa: [], hasI8042: false, hasRtc: false },
  "hardware-reduced": without(PC, "fixed"),
  "hardware-reduced with nothing": {
    ...without(PC, "fixed", "pci", "ioapic", "rtcCentury"),
    isa: [],
    hasPic: false,
    hasRtc: false,
    hasI8042: false,
  },
  "ECAM and HPET": { ...PC, ecam: { base: 0xb0000000, buses: 256 }, hpetBase: 0xfed00000 },
  "ECAM above 4 GiB": { ...PC, ecam: { base: 8 * GIB, buses: 64 } },
  "VGA": { ...PC, hasVga: true },
  "all ports to PCI": { ...PC, pci: { ...PCI, io: [{ base: 0, length: 0x10000 }] } },
  "no windows": {
    ...PC,
    pci: { ...PCI, io: [], memory: [{ base: 3 * GIB, length: 0, prefetchable: false }] },
  },
  "PIRQs at IOAPIC pins 16 to 19": { ...PC, pci: { ...PCI, pirqGsi: [16, 17, 18, 19] } },
  "ISA device with memory and many ports": {
    ...PC,
    isa: [{
      name: "ODD",
      hid: "PNP0FFF",
      uid: 300,
      placed: [{ space: "memory", base: 0xd0000, length: MIB / 64 }, {
        space: "port",
        base: 0x1000,
        length: 0x300,
      }],
    }],
  },
};
