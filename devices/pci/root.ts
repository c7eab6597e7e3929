/**
 * PCI bus 0: finds the function that a bus, device and function number names; ones where there is none.
 *
 * Sources: [PCI] PCI Local Bus Specification 3.0, 3.2.2.3 (configuration cycles, master abort), 6.1 (multi-function
 * devices).
 * @module
 */

import { ones, type Width, type Window } from "../../hvm/io/device.ts";
import { HEADER_TYPE, PCI_REG } from "./regs.ts";

/** Devices on a bus. */
export const PCI_DEVICES = 32;
/** Functions of a device. */
export const PCI_FUNCTIONS = 8;

/** The functions of bus 0. */
export class PciRoot {
  /** By device * 8 + function. */
  readonly #functions: (Window | undefined)[] = new Array(PCI_DEVICES * PCI_FUNCTIONS).fill(undefined);
  /** How many functions each device has. */
  readonly #counts = new Uint8Array(PCI_DEVICES);

  /**
   * Puts a function's configuration space into a slot.
   * @throws {RangeError} when the slot does not exist or is taken.
   */
  add(slot: { device: number; function: number }, config: Window): void {
    const { device, function: number } = slot;
    if (!(device >= 0 && device < PCI_DEVICES && number >= 0 && number < PCI_FUNCTIONS)) {
      throw new RangeError(`Cannot add PCI function ${device}.${number}: no such slot`);
    }
    const index = device * PCI_FUNCTIONS + number;
    if (this.#functions[index] !== undefined) {
      throw new RangeError(`Cannot add PCI function ${device}.${number}: the slot is taken`);
    }
    this.#functions[index] = config;
    this.#counts[device] = this.#counts[device]! + 1;
  }

  /** The first device number from `from` on that has no function; undefined when the bus is full. */
  freeDevice(from: number): number | undefined {
    for (let device = from; device < PCI_DEVICES; device++) if (this.#counts[device] === 0) return device;
    return undefined;
  }

  /** Reads a register; ones for whatever is not there. */
  read(bus: number, devfn: number, offset: number, width: Width): number {
    const config = this.#find(bus, devfn);
    if (config === undefined) return ones(width);
    const value = config.read(offset, width);
    // Function 0 says whether there are others.
    const at = PCI_REG.HEADER_TYPE - offset;
    if (devfn % PCI_FUNCTIONS !== 0 || at < 0 || at >= width) return value;
    return this.#counts[devfn / PCI_FUNCTIONS]! > 1
      ? (value | HEADER_TYPE.MULTI_FUNCTION << at * 8) >>> 0
      : value;
  }

  write(bus: number, devfn: number, offset: number, width: Width, value: number): void {
    this.#find(bus, devfn)?.write(offset, width, value);
  }

  #find(bus: number, devfn: number): Window | undefined {
    return bus === 0 ? this.#functions[devfn] : undefined;
  }
}
