/**
 * Intel 82371AB (PIIX4), function 3: power management as ACPI uses it.
 *
 * PM1 events and control with soft off, the power management timer, general purpose events, the SCI, and the SMI
 * command port, whose two ACPI commands are carried out here as the SMI handler of a BIOS would. SMIs, clock
 * throttling and device idle timers have nobody to act on: their registers keep what is written.
 *
 * Sources: [PIIX4] Intel 290562-001, power management (function 3); [ACPI] 6.5, 4.8.2 and 4.8.3
 * (fixed hardware registers).
 * Deviates: all sixteen general purpose events belong to the board; they may be shown at another offset than 0Ch, for
 * boards that say so in their FADT. No power button override: the host can end a machine at any time. The states
 * between working and off wake at once.
 * @module
 */

import type { Clock } from "../../hvm/base/clock.ts";
import type { Line } from "../../hvm/base/line.ts";
import { field } from "../../hvm/base/bits.ts";
import type { Device, Width, Window } from "../../hvm/io/device.ts";
import { PmTimer } from "../timer/pm_timer.ts";
import { ConfigSpace } from "./config.ts";
import type { Piix4PmState } from "./piix4_pm_state.ts";
import type { Place } from "./placement.ts";
import { CLASS, PCI_COMMAND, PCI_STATUS } from "./regs.ts";
import { RegisterFile, type RegisterRow } from "./register_file.ts";

/** Configuration registers. [PIIX4] configuration registers */
export const PIIX4_REG = {
  PMBASE: 0x40,
  CNTA: 0x44,
  CNTB: 0x48,
  GPICTL: 0x4c,
  DEVRESD: 0x50,
  DEVRESJ: 0x7c,
  PMREGMISC: 0x80,
  SMBBA: 0x90,
  SMBHSTCFG: 0xd2,
  SMBSLVC: 0xd3,
  SMBSHDW1: 0xd4,
  SMBSHDW2: 0xd5,
  SMBREV: 0xd6,
} as const;

/** Power management base address. [PIIX4] PMBASE */
export const PMBASE = { BASE: 0xffc0, IO: 1 << 0 } as const;
/** Miscellaneous power management. [PIIX4] PMREGMISC */
export const PMREGMISC = { IO_ENABLE: 1 << 0 } as const;

/** Offsets in the power management block. [PIIX4] I/O space registers */
export const PM_REG = {
  PMSTS: 0x00,
  PMEN: 0x02,
  PMCNTRL: 0x04,
  PMTMR: 0x08,
  GPSTS: 0x0c,
  GPEN: 0x0e,
  PCNTRL: 0x10,
  GLBSTS: 0x18,
  DEVSTS: 0x1c,
  GLBEN: 0x20,
  GLBCTL: 0x28,
  DEVCTL: 0x2c,
  GPIREG: 0x30,
  GPOREG: 0x34,
} as const;

/** Bytes of the block. */
export const PM_BLOCK_SIZE = 64;

/** PM1 status. [PIIX4] PMSTS, [ACPI] 4.8.3.1.1 */
export const PMSTS = {
  TIMER: 1 << 0,
  BUS_MASTER: 1 << 4,
  GLOBAL: 1 << 5,
  POWER_BUTTON: 1 << 8,
  RTC: 1 << 10,
  OVERRIDE: 1 << 11,
  WAKE: 1 << 15,
} as const;

/** PM1 enable. [PIIX4] PMEN, [ACPI] 4.8.3.1.2 */
export const PMEN = { TIMER: 1 << 0, GLOBAL: 1 << 5, POWER_BUTTON: 1 << 8, RTC: 1 << 10 } as const;

/** PM1 control. [PIIX4] PMCNTRL, [ACPI] 4.8.3.2.1 */
export const PMCNTRL = {
  SCI_EN: 1 << 0,
  BUS_MASTER_RELOAD: 1 << 1,
  GLOBAL_RELEASE: 1 << 2,
  SLEEP_TYPE: 7 << 10,
  SLEEP_ENABLE: 1 << 13,
} as const;

/** The sleep type of soft off, for the \_S5 package. [PIIX4] PMCNTRL */
export const SLEEP_TYPE_SOFT_OFF = 0;

/** What the SMI command port takes to switch ACPI on and off, unless the board says otherwise. */
export const SMI_COMMANDS = { acpiEnable: 0xf1, acpiDisable: 0xf0 } as const;

const CONFIG_ROWS: readonly RegisterRow[] = [
  { at: PIIX4_REG.PMBASE, width: 4, reset: PMBASE.IO, writable: PMBASE.BASE },
  { at: PIIX4_REG.CNTA, width: 4, writable: 0xffffffff },
  { at: PIIX4_REG.CNTB, width: 4, writable: 0xffffffff },
  { at: PIIX4_REG.GPICTL, width: 4, writable: 0xffffffff },
  // Device resources D, A, B, A to C, E to J: what each idle timer watches.
  ...range(PIIX4_REG.DEVRESD, PIIX4_REG.DEVRESJ).map((at) => ({
    at,
    width: 4 as const,
    writable: 0xffffffff,
  })),
  { at: PIIX4_REG.PMREGMISC, writable: PMREGMISC.IO_ENABLE },
  { at: PIIX4_REG.SMBBA, width: 4, reset: 0x00000001, writable: 0x0000fff0 },
  { at: PIIX4_REG.SMBHSTCFG, writable: 0x0f },
  { at: PIIX4_REG.SMBSLVC, writable: 0xff },
  { at: PIIX4_REG.SMBSHDW1, writable: 0xfe },
  { at: PIIX4_REG.SMBSHDW2, writable: 0xfe },
  { at: PIIX4_REG.SMBREV, reset: 0x00 },
];

/** The block without the general purpose events, whose place the board chooses. */
const BLOCK_ROWS: readonly RegisterRow[] = [
  { at: PM_REG.PMSTS, width: 2, clearable: bitsIn(PMSTS) },
  { at: PM_REG.PMEN, width: 2, writable: bitsIn(PMEN) },
  // Sleep enable and global release act and read as 0.
  {
    at: PM_REG.PMCNTRL,
    width: 2,
    writable: PMCNTRL.SCI_EN | PMCNTRL.BUS_MASTER_RELOAD | PMCNTRL.SLEEP_TYPE,
  },
  { at: PM_REG.PCNTRL, width: 4, writable: 0x00023e1e },
  { at: PM_REG.GLBSTS, width: 2, clearable: 0x0dff },
  { at: PM_REG.DEVSTS, width: 4, clearable: 0x3fff3fff },
  { at: PM_REG.GLBEN, width: 2, writable: 0xffff },
  { at: PM_REG.GLBCTL, width: 4, writable: 0x0701ff07 },
  { at: PM_REG.DEVCTL, width: 4, writable: 0x3fffffff },
  { at: PM_REG.GPOREG, width: 4, reset: 0x7fffbfff, writable: 0x7fffffff },
];

/** What the board hands over. */
export interface Piix4PmOptions {
  readonly id: string;
  readonly clock: Clock;
  /** The system control interrupt: level, active high. */
  readonly sci: Line;
  /** The guest wrote soft off to PM1 control. */
  readonly powerOff: () => void;
  /** Moves the power management block, the window {@linkcode Piix4Pm.block}. */
  readonly place: Place;
  /** Where in the block general purpose events are (status, then enable, 2 bytes each); 0Ch when absent. */
  readonly gpeOffset?: number;
  readonly acpiEnable?: number;
  readonly acpiDisable?: number;
}

/** The power management function. */
export class Piix4Pm implements Device<Piix4PmState> {
  readonly id: string;
  readonly config: ConfigSpace;
  /** The power management block; placed by PMBASE and PMREGMISC. */
  readonly block: Window = {
    length: PM_BLOCK_SIZE,
    unit: 4,
    read: (offset, width) => this.#read(offset, width),
    write: (offset, width, value) => this.#write(offset, width, value),
  };
  /** The SMI command and status ports, B2h and B3h. */
  readonly smiPorts: Window = {
    length: 2,
    unit: 1,
    read: (offset) => offset === 0 ? this.#apmc : this.#apms,
    write: (offset, _width, value) => this.#writeSmiPort(offset, value),
  };
  readonly #options: Piix4PmOptions;
  readonly #gpe: number;
  readonly #registers: RegisterFile;
  readonly #timer: PmTimer;
  #apmc = 0;
  #apms = 0;

  constructor(options: Piix4PmOptions) {
    this.id = options.id;
    this.#options = options;
    this.#gpe = options.gpeOffset ?? PM_REG.GPSTS;
    this.#registers = new RegisterFile(PM_BLOCK_SIZE, [
      ...BLOCK_ROWS,
      { at: this.#gpe, width: 2, clearable: 0xffff },
      { at: this.#gpe + 2, width: 2, writable: 0xffff },
    ]);
    this.#timer = new PmTimer({ clock: options.clock, toggled: () => this.#catchUp() });
    this.config = new ConfigSpace(
      {
        vendor: 0x8086,
        device: 0x7113,
        revision: 0x03,
        classCode: CLASS.OTHER_BRIDGE,
        // The SCI is wired to the ISA interrupt; the pin register only says that there is one.
        interruptPin: 1,
        commandWritable: PCI_COMMAND.IO_SPACE,
        status: PCI_STATUS.DEVSEL_MEDIUM | PCI_STATUS.FAST_BACK_TO_BACK,
      },
      CONFIG_ROWS,
      { written: () => this.#sync() },
    );
    this.#sync();
  }

  /** Somebody pressed the power button. [ACPI] 4.8.2.2 */
  pressPowerButton(): void {
    this.#raise(PM_REG.PMSTS, PMSTS.POWER_BUTTON);
  }

  /** The RTC's alarm went off: a wake event. [ACPI] 4.8.2.4 */
  rtcAlarm(): void {
    this.#raise(PM_REG.PMSTS, PMSTS.RTC);
  }

  /** General purpose event `number`, 0 to 15, happened. [ACPI] 4.8.4.1 */
  raiseGpe(number: number): void {
    this.#raise(this.#gpe, 1 << number);
  }

  reset(): void {
    this.config.reset();
    this.#registers.reset();
    this.#timer.reset();
    this.#apmc = 0;
    this.#apms = 0;
    this.#sync();
  }

  save(): Piix4PmState {
    return {
      config: this.config.save(),
      block: this.#registers.save(),
      timer: this.#timer.save(),
      apmc: this.#apmc,
      apms: this.#apms,
    };
  }

  load(state: Piix4PmState): void {
    this.config.load(state.config);
    this.#registers.load(state.block);
    this.#timer.load(state.timer);
    this.#apmc = state.apmc;
    this.#apms = state.apms;
    this.#sync();
  }

  #read(offset: number, width: Width): number {
    if (offset >= PM_REG.PMTMR && offset < PM_REG.PMTMR + 4) {
      return this.#timer.value() >>> (offset - PM_REG.PMTMR) * 8 &
        (width === 1 ? 0xff : width === 2 ? 0xffff : 0xffffff);
    }
    this.#catchUp();
    return this.#registers.get(offset, width);
  }

  #write(offset: number, width: Width, value: number): void {
    // An overflow that happened before this write is cleared by it, not after it.
    this.#catchUp();
    this.#registers.write(offset, width, value);
    this.#sync();
    const high = PM_REG.PMCNTRL + 1;
    if (offset > high || offset + width <= high) return;
    const control = offset === high ? value << 8 : value;
    if ((control & PMCNTRL.SLEEP_ENABLE) !== 0) this.#sleep();
  }

  #sleep(): void {
    const type = field(this.#registers.get(PM_REG.PMCNTRL, 2), PMCNTRL.SLEEP_TYPE);
    if (type === SLEEP_TYPE_SOFT_OFF) this.#options.powerOff();
    else this.#raise(PM_REG.PMSTS, PMSTS.WAKE);
  }

  /** What a BIOS does in SMM when the operating system takes or gives back ACPI. [ACPI] 4.8.2.5 */
  #writeSmiPort(offset: number, value: number): void {
    if (offset === 1) {
      this.#apms = value;
      return;
    }
    this.#catchUp();
    this.#apmc = value;
    const control = this.#registers.get(PM_REG.PMCNTRL, 2);
    const { acpiEnable = SMI_COMMANDS.acpiEnable, acpiDisable = SMI_COMMANDS.acpiDisable } = this.#options;
    if (value === acpiEnable) this.#registers.set(PM_REG.PMCNTRL, 2, control | PMCNTRL.SCI_EN);
    else if (value === acpiDisable) this.#registers.set(PM_REG.PMCNTRL, 2, control & ~PMCNTRL.SCI_EN);
    this.#sync();
  }

  /** Brings the status to the time there is now: the one look at the clock of an access. */
  #catchUp(): void {
    if (this.#timer.takeToggled()) {
      const registers = this.#registers;
      registers.set(PM_REG.PMSTS, 2, registers.get(PM_REG.PMSTS, 2) | PMSTS.TIMER);
    }
    this.#sync();
  }

  #raise(at: number, bits: number): void {
    this.#registers.set(at, 2, this.#registers.get(at, 2) | bits);
    this.#sync();
  }

  #sync(): void {
    const registers = this.#registers;
    const pmsts = registers.get(PM_REG.PMSTS, 2);
    const pmen = registers.get(PM_REG.PMEN, 2);
    const sciEnabled = (registers.get(PM_REG.PMCNTRL, 2) & PMCNTRL.SCI_EN) !== 0;
    const events = (pmsts & pmen & bitsIn(PMEN)) |
      (registers.get(this.#gpe, 2) & registers.get(this.#gpe + 2, 2));
    this.#timer.watch(sciEnabled && (pmen & PMEN.TIMER) !== 0 && (pmsts & PMSTS.TIMER) === 0);
    this.#options.sci.set(sciEnabled && events !== 0);
    this.#place();
  }

  #place(): void {
    const { registers } = this.config;
    const enabled = (registers.get(PIIX4_REG.PMREGMISC) & PMREGMISC.IO_ENABLE) !== 0;
    this.#options.place(enabled ? registers.get(PIIX4_REG.PMBASE, 2) & PMBASE.BASE : undefined);
  }
}

function bitsIn(register: Readonly<Record<string, number>>): number {
  return Object.values(register).reduce((all, bit) => all | bit, 0);
}

/** Offsets of dwords from `first` to `last`. */
function range(first: number, last: number): number[] {
  return Array.from({ length: (last - first) / 4 + 1 }, (_, i) => first + i * 4);
}
