/**
 * The configuration space of one PCI function: the header, what can be written in it, its list of capabilities, and
 * the two header bits that decide whether its interrupt pin is driven.
 *
 * Sources: [PCI] PCI Local Bus Specification 3.0, chapter 6.
 * @module
 */

import type { Width, Window } from "../../hvm/io/device.ts";
import { CONFIG_SIZE, PCI_COMMAND, PCI_REG, PCI_STATUS } from "./regs.ts";
import { RegisterFile, type RegisterRow } from "./register_file.ts";

/** What a function's header says. */
export interface ConfigHeader {
  readonly vendor: number;
  readonly device: number;
  readonly revision?: number;
  /** Base class, subclass and interface in 24 bits. */
  readonly classCode: number;
  readonly subsystemVendor?: number;
  readonly subsystem?: number;
  /** 1 to 4 for INTA to INTD, 0 or absent for none. */
  readonly interruptPin?: number;
  /** Command register after reset; 0 when absent. */
  readonly command?: number;
  /** Bits of the command register that can be written. */
  readonly commandWritable: number;
  /** Status register after reset; 0 when absent. */
  readonly status?: number;
}

/** Error bits of the status register, which a written 1 clears. [PCI] 6.2.3 */
const STATUS_CLEARABLE = PCI_STATUS.MASTER_PARITY_ERROR | PCI_STATUS.SIGNALED_TARGET_ABORT |
  PCI_STATUS.RECEIVED_TARGET_ABORT | PCI_STATUS.RECEIVED_MASTER_ABORT | PCI_STATUS.SIGNALED_SYSTEM_ERROR |
  PCI_STATUS.DETECTED_PARITY_ERROR;

/**
 * One function's configuration space; it is a window of 256 bytes to whoever finds it by bus, device and function.
 *
 * The function that owns it derives what follows from the registers in `written`, and in its own reset and load.
 */
export class ConfigSpace implements Window {
  readonly length = CONFIG_SIZE;
  readonly unit = 4;
  readonly registers: RegisterFile;
  readonly #written: (offset: number, width: Width) => void;
  readonly #beforeRead: (offset: number, width: Width) => void;
  #lastCapability: number = PCI_REG.CAPABILITIES;
  #nextFree: number = PCI_REG.DEVICE_SPECIFIC;

  /**
   * @param rows the registers beyond the header; a row may redefine one of the header.
   * @param hooks.written runs after each write of the guest.
   * @param hooks.before runs before each read of the guest, for registers that are counted rather than stored.
   */
  constructor(
    header: ConfigHeader,
    rows: readonly RegisterRow[] = [],
    hooks: {
      written?: (offset: number, width: Width) => void;
      before?: (offset: number, width: Width) => void;
    } = {},
  ) {
    this.registers = new RegisterFile(CONFIG_SIZE, [...headerRows(header), ...rows]);
    this.#written = hooks.written ?? (() => {});
    this.#beforeRead = hooks.before ?? (() => {});
  }

  read(offset: number, width: Width): number {
    this.#beforeRead(offset, width);
    return this.registers.get(offset, width);
  }

  write(offset: number, width: Width, value: number): void {
    this.registers.write(offset, width, value);
    this.#written(offset, width);
  }

  /** The command register. */
  get command(): number {
    return this.registers.get(PCI_REG.COMMAND, 2);
  }

  /** The function may be the master of the bus. */
  get busMaster(): boolean {
    return (this.command & PCI_COMMAND.BUS_MASTER) !== 0;
  }

  /** Says whether the function wants service, for the status register and {@linkcode ConfigSpace.intx}. */
  setInterrupt(wanted: boolean): void {
    const status = this.registers.get(PCI_REG.STATUS, 2);
    const bit = PCI_STATUS.INTERRUPT;
    this.registers.set(PCI_REG.STATUS, 2, wanted ? status | bit : status & ~bit);
  }

  /** The level the function's interrupt pin has: wanted, and not disabled. [PCI] 6.2.2 */
  get intx(): boolean {
    return (this.registers.get(PCI_REG.STATUS, 2) & PCI_STATUS.INTERRUPT) !== 0 &&
      (this.command & PCI_COMMAND.INTX_DISABLE) === 0;
  }

  /**
   * Adds a capability at the end of the list, at build time. [PCI] 6.7
   * @param length its bytes, id and next pointer included.
   * @param rows its registers, with offsets from its own start.
   * @param at where it starts, a multiple of 4; after the last one when absent.
   * @returns its offset.
   * @throws {RangeError} when there is no room.
   */
  addCapability(id: number, length: number, rows: readonly RegisterRow[], at = this.#nextFree): number {
    if (at < PCI_REG.DEVICE_SPECIFIC || at % 4 !== 0 || at + length > CONFIG_SIZE) {
      throw new RangeError(`Cannot add capability ${id} of ${length} bytes at 0x${at.toString(16)}`);
    }
    this.registers.define({ at: this.#lastCapability, reset: at });
    this.registers.define({ at, reset: id });
    this.registers.define({ at: at + 1, reset: 0 });
    for (const row of rows) this.registers.define({ ...row, at: at + row.at });
    const status = this.registers.get(PCI_REG.STATUS, 2) | PCI_STATUS.CAPABILITIES;
    this.registers.define(statusRow(status));
    this.#lastCapability = at + 1;
    this.#nextFree = Math.max(this.#nextFree, Math.ceil((at + length) / 4) * 4);
    return at;
  }

  reset(): void {
    this.registers.reset();
  }

  save(): string {
    return this.registers.save();
  }

  load(content: string): void {
    this.registers.load(content);
  }
}

function statusRow(reset: number): RegisterRow {
  return {
    at: PCI_REG.STATUS,
    width: 2,
    reset,
    clearable: STATUS_CLEARABLE,
    internal: PCI_STATUS.INTERRUPT,
  };
}

function headerRows(header: ConfigHeader): RegisterRow[] {
  const pin = header.interruptPin ?? 0;
  return [
    { at: PCI_REG.VENDOR_ID, width: 2, reset: header.vendor },
    { at: PCI_REG.DEVICE_ID, width: 2, reset: header.device },
    { at: PCI_REG.COMMAND, width: 2, reset: header.command ?? 0, writable: header.commandWritable },
    statusRow(header.status ?? 0),
    { at: PCI_REG.REVISION_ID, width: 4, reset: ((header.revision ?? 0) | header.classCode << 8) >>> 0 },
    { at: PCI_REG.SUBSYSTEM_VENDOR_ID, width: 2, reset: header.subsystemVendor ?? 0 },
    { at: PCI_REG.SUBSYSTEM_ID, width: 2, reset: header.subsystem ?? 0 },
    { at: PCI_REG.INTERRUPT_LINE, writable: pin === 0 ? 0 : 0xff },
    { at: PCI_REG.INTERRUPT_PIN, reset: pin },
  ];
}
