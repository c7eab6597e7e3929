/**
 * What the board placed where: the one record that ACPI, firmware tables and `hvm info` are made from.
 * @module
 */

/** A run of ports or of memory a device occupies. */
export interface Placed {
  readonly space: "port" | "memory";
  readonly base: number;
  readonly length: number;
}

/** An ISA device as ACPI describes it. */
export interface IsaDevice {
  /** The AML name segment, as `COM1`. */
  readonly name: string;
  /** The EISA id, as `PNP0501`. */
  readonly hid: string;
  readonly uid?: number;
  readonly placed: readonly Placed[];
  readonly irq?: number;
}

/** An interrupt override of the MADT: ISA interrupt `irq` arrives at `gsi`. [ACPI] 6.5, 5.2.12.5 */
export interface IrqOverride {
  readonly irq: number;
  readonly gsi: number;
  readonly activeLow: boolean;
  readonly level: boolean;
}

/** The ACPI fixed hardware ports. */
export interface FixedHardware {
  readonly pm1EventPort: number;
  readonly pm1ControlPort: number;
  readonly pmTimerPort: number;
  readonly gpe0Port: number;
  readonly gpe0Length: number;
  readonly smiCommandPort: number;
  readonly acpiEnable: number;
  readonly acpiDisable: number;
  readonly sciIrq: number;
  readonly resetPort: number;
  readonly resetValue: number;
  /** SLP_TYP for S5. */
  readonly s5SleepType: number;
}

/** Where PCI devices may be put. */
export interface PciWindows {
  readonly io: readonly { readonly base: number; readonly length: number }[];
  readonly memory: readonly {
    readonly base: number;
    readonly length: number;
    readonly prefetchable: boolean;
  }[];
}

/** Everything the tables are made from. */
export interface BoardResources {
  /** Local APIC ids of the processors, in order. */
  readonly apicIds: readonly number[];
  /** Absent: no local APIC, so no MADT (as the PVH ABI allows). */
  readonly lapicBase?: number;
  /** Absent: no IOAPIC. */
  readonly ioapic?: { readonly id: number; readonly base: number; readonly gsiBase: number };
  readonly overrides: readonly IrqOverride[];
  /** Absent: a board without legacy fixed hardware; the FADT then says hardware-reduced. */
  readonly fixed?: FixedHardware;
  readonly hasPic: boolean;
  readonly hasRtc: boolean;
  /** The CMOS byte that holds the century; absent: none does. */
  readonly rtcCentury?: number;
  readonly hasI8042: boolean;
  readonly hasVga: boolean;
  readonly isa: readonly IsaDevice[];
  /** Absent: no PCI. */
  readonly pci?: PciWindows & {
    /** `routing[device][pin]` is the PIRQ (0 to 3 for A to D) the pin of that slot is wired to. */
    readonly pirqOf: (device: number, pin: number) => number;
    /** GSIs of PIRQA to PIRQD in IOAPIC mode. */
    readonly pirqGsi: readonly [number, number, number, number];
    /** The device and function of the ISA bridge that holds the PIRQ route registers at 60h to 63h. */
    readonly isaBridge: { readonly device: number; readonly function: number };
  };
  /** Absent: no memory-mapped configuration space. */
  readonly ecam?: { readonly base: number; readonly buses: number };
  readonly hpetBase?: number;
}
