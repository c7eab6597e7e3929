/**
 * Where everything is on the PC board: every port, address and interrupt, in one table.
 *
 * Sources: [PIIX3] Intel 290550-002, chapter 2 (register tables); [PIIX4] Intel 290562-001, 3.2; [82441FX] Intel
 * 290549-001, 3.2; [ISA] the IBM PC AT's port map; [QEMU] docs/specs (fw_cfg, pvpanic, ISA debug exit) for the ports of
 * paravirtual devices.
 * @module
 */

import { pirqOfPin } from "../../devices/pci/pirq.ts";
import { RTC_REG } from "../../devices/timer/rtc_regs.ts";
import { FOUR_GIB, GIB } from "../base/addr.ts";
import type { BoardResources, IsaDevice } from "../io/resources.ts";

/** First ports of ISA and chipset devices. */
export const PORT = {
  PIC_PRIMARY: 0x20,
  PIT: 0x40,
  I8042_DATA: 0x60,
  SYSTEM_CONTROL_B: 0x61,
  I8042_COMMAND: 0x64,
  RTC: 0x70,
  POST_CODE: 0x80,
  SYSTEM_CONTROL_A: 0x92,
  PIC_SECONDARY: 0xa0,
  SMI_COMMAND: 0xb2,
  DEBUG_CONSOLE: 0xe9,
  TEST_EXIT: 0xf4,
  COMMAND_STATUS: 0xf8,
  COM4: 0x2e8,
  COM2: 0x2f8,
  COM3: 0x3e8,
  COM1: 0x3f8,
  FIRMWARE_DEBUG: 0x402,
  ELCR: 0x4d0,
  PVPANIC: 0x505,
  FW_CFG: 0x510,
  PM_BASE: 0x600,
  RESET_CONTROL: 0xcf9,
  PCI_CONFIG: 0xcf8,
} as const;

/** Guest-physical addresses. */
export const ADDRESS = {
  IOAPIC: 0xfec00000,
  LAPIC: 0xfee00000,
  /** Three pages KVM on VT-x needs for its real-mode task state; below the BIOS, above everything else. */
  KVM_TSS: 0xfffbd000,
  /** One page of identity map for the same. */
  KVM_IDENTITY_MAP: 0xfffbc000,
} as const;

/** ISA interrupts. */
export const IRQ = {
  PIT: 0,
  KEYBOARD: 1,
  COM2_COM4: 3,
  COM1_COM3: 4,
  RTC: 8,
  SCI: 9,
  MOUSE: 12,
} as const;

/** The PIT arrives at IOAPIC pin 2, as on every PC with one. [ACPI] 5.2.12.5 has the override that says so. */
export const PIT_GSI = 2;

/** The four serial ports in Linux's order. */
export const SERIAL_PORTS = [
  { name: "COM1", port: PORT.COM1, irq: IRQ.COM1_COM3 },
  { name: "COM2", port: PORT.COM2, irq: IRQ.COM2_COM4 },
  { name: "COM3", port: PORT.COM3, irq: IRQ.COM1_COM3 },
  { name: "COM4", port: PORT.COM4, irq: IRQ.COM2_COM4 },
] as const;

/** RAM below this is one piece; the rest of the 32-bit space is for PCI and chipset. */
export const LOW_RAM_LIMIT = 3 * GIB;

/** Values written to the SMI command port to switch ACPI on and off. */
export const SMI_COMMAND = { ACPI_ENABLE: 0xf1, ACPI_DISABLE: 0xf0 } as const;

/** Offsets within the power management block. [PIIX4] 7.1 */
export const PM_OFFSET = { EVENT: 0x00, CONTROL: 0x04, TIMER: 0x08, GPE0: 0x0c } as const;

/** The write to port CF9h that resets the machine: system reset, then go. [PIIX3] 2.5.5.2 */
export const RESET_VALUE = 0x06;

/** PIRQA to PIRQD in PIC mode and at the IOAPIC: the interrupts the boot code of a PC leaves in the route registers. */
export const PIRQ_IRQ = [10, 11, 10, 11] as const;

/** Device numbers on PCI bus 0. */
export const PCI_SLOT = {
  HOST_BRIDGE: { device: 0, function: 0 },
  ISA_BRIDGE: { device: 1, function: 0 },
  IDE: { device: 1, function: 1 },
  POWER_MANAGEMENT: { device: 1, function: 3 },
  FIRST_FREE_DEVICE: 2,
} as const;

/** How `bytes` of RAM lie around the hole below 4 GiB. */
export function ramLayout(bytes: number): { lowBytes: number; highBytes: number } {
  const lowBytes = Math.min(bytes, LOW_RAM_LIMIT);
  return { lowBytes, highBytes: bytes - lowBytes };
}

/** What of the board is there. */
export interface BoardShape {
  readonly cpus: number;
  readonly memoryBytes: number;
  /** As the HVMlite ABI allows: a machine without a local APIC has no IOAPIC either. */
  readonly lapic: boolean;
  readonly ioapic: boolean;
}

/** The record ACPI tables and `hvm info` are made from. */
export function boardResources(shape: BoardShape): BoardResources {
  const { lowBytes, highBytes } = ramLayout(shape.memoryBytes);
  const lapic = shape.lapic;
  const ioapic = lapic && shape.ioapic;
  const highStart = Math.max(FOUR_GIB + highBytes, 64 * GIB);
  return {
    apicIds: Array.from({ length: shape.cpus }, (_, index) => index),
    ...(lapic ? { lapicBase: ADDRESS.LAPIC } : {}),
    ...(ioapic ? { ioapic: { id: ioapicId(shape.cpus), base: ADDRESS.IOAPIC, gsiBase: 0 } } : {}),
    overrides: [
      { irq: IRQ.PIT, gsi: PIT_GSI, activeLow: false, level: false },
      { irq: IRQ.SCI, gsi: IRQ.SCI, activeLow: false, level: true },
      ...[...new Set(PIRQ_IRQ)].map((irq) => ({ irq, gsi: irq, activeLow: false, level: true })),
    ],
    fixed: {
      pm1EventPort: PORT.PM_BASE + PM_OFFSET.EVENT,
      pm1ControlPort: PORT.PM_BASE + PM_OFFSET.CONTROL,
      pmTimerPort: PORT.PM_BASE + PM_OFFSET.TIMER,
      gpe0Port: PORT.PM_BASE + PM_OFFSET.GPE0,
      gpe0Length: 4,
      smiCommandPort: PORT.SMI_COMMAND,
      acpiEnable: SMI_COMMAND.ACPI_ENABLE,
      acpiDisable: SMI_COMMAND.ACPI_DISABLE,
      sciIrq: IRQ.SCI,
      resetPort: PORT.RESET_CONTROL,
      resetValue: RESET_VALUE,
      s5SleepType: 0,
    },
    hasPic: true,
    hasRtc: true,
    rtcCentury: RTC_REG.CENTURY,
    hasI8042: true,
    hasVga: false,
    isa: isaDevices(),
    pci: {
      io: [{ base: 0, length: 0xcf8 }, { base: 0xd00, length: 0xf300 }],
      memory: [
        {
          base: Math.max(lowBytes, LOW_RAM_LIMIT),
          length: ADDRESS.IOAPIC - LOW_RAM_LIMIT,
          prefetchable: false,
        },
        { base: highStart, length: 64 * GIB, prefetchable: true },
      ],
      pirqOf: pirqOfPin,
      pirqGsi: PIRQ_IRQ,
      isaBridge: PCI_SLOT.ISA_BRIDGE,
    },
  };
}

/** The IOAPIC's id: past the processors' where it still fits its four bits, else 0: its address tells it apart anyway. */
export function ioapicId(cpus: number): number {
  return cpus < 16 ? cpus : 0;
}

function isaDevices(): IsaDevice[] {
  const ports = (base: number, length: number) => ({ space: "port" as const, base, length });
  return [
    ...SERIAL_PORTS.map(({ name, port, irq }, uid) => ({
      name,
      hid: "PNP0501",
      uid: uid + 1,
      placed: [ports(port, 8)],
      irq,
    })),
    {
      name: "KBD",
      hid: "PNP0303",
      placed: [ports(PORT.I8042_DATA, 1), ports(PORT.I8042_COMMAND, 1)],
      irq: IRQ.KEYBOARD,
    },
    { name: "MOU", hid: "PNP0F13", placed: [], irq: IRQ.MOUSE },
    { name: "RTC", hid: "PNP0B00", placed: [ports(PORT.RTC, 2)], irq: IRQ.RTC },
    { name: "PEVT", hid: "QEMU0001", placed: [ports(PORT.PVPANIC, 1)] },
    { name: "FWCF", hid: "QEMU0002", placed: [ports(PORT.FW_CFG, 12)] },
  ];
}
