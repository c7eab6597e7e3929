/**
 * Ports CF8h to CFFh: PCI configuration mechanism 1, and the reset control register that lies among them.
 *
 * CF8h is one register of four bytes; what is narrower than that is no access to it but goes on to the bus behind,
 * where the ISA bridge's reset control register answers at CF9h.
 *
 * Sources: [PCI] PCI Local Bus Specification 3.0, 3.2.2.3.2; [PIIX3] Intel 290550-002, RC register.
 * @module
 */

import { type Device, ones, type Width, type Window } from "../../hvm/io/device.ts";
import type { ConfigPortsState } from "./config_ports_state.ts";
import type { PciRoot } from "./root.ts";

/** The address register. [PCI] 3.2.2.3.2 */
export const CONFIG_ADDRESS = { ENABLE: 0x80000000, WRITABLE: 0x80fffffc } as const;

const DATA = 4;
const RESET_CONTROL = 1;

/** The window on configuration space; attach it at CF8h. */
export class ConfigPorts implements Device<ConfigPortsState> {
  readonly id: string;
  readonly window: Window = {
    length: 8,
    unit: 4,
    read: (offset, width) => this.#read(offset, width),
    write: (offset, width, value) => this.#write(offset, width, value),
  };
  readonly #root: PciRoot;
  readonly #resetControl: Window;
  #state: ConfigPortsState = { address: 0 };

  /** @param options.resetControl the register of one byte at CF9h. */
  constructor(options: { id: string; root: PciRoot; resetControl: Window }) {
    this.id = options.id;
    this.#root = options.root;
    this.#resetControl = options.resetControl;
  }

  reset(): void {
    this.#state = { address: 0 };
  }

  save(): ConfigPortsState {
    return { ...this.#state };
  }

  load(state: ConfigPortsState): void {
    this.#state = { ...state };
  }

  #read(offset: number, width: Width): number {
    if (offset >= DATA) {
      const target = this.#target(offset);
      return target === undefined
        ? ones(width)
        : this.#root.read(target.bus, target.devfn, target.register, width);
    }
    if (width === 4) return this.#state.address;
    return offset === RESET_CONTROL && width === 1 ? this.#resetControl.read(0, 1) : ones(width);
  }

  #write(offset: number, width: Width, value: number): void {
    if (offset >= DATA) {
      const target = this.#target(offset);
      if (target !== undefined) {
        this.#root.write(target.bus, target.devfn, target.register, width, value);
      }
    } else if (width === 4) {
      this.#state.address = (value & CONFIG_ADDRESS.WRITABLE) >>> 0;
    } else if (offset === RESET_CONTROL && width === 1) {
      this.#resetControl.write(0, 1, value);
    }
  }

  #target(offset: number): { bus: number; devfn: number; register: number } | undefined {
    const { address } = this.#state;
    if ((address & CONFIG_ADDRESS.ENABLE) === 0) return undefined;
    return {
      bus: address >>> 16 & 0xff,
      devfn: address >>> 8 & 0xff,
      register: (address & 0xfc) + offset - DATA,
    };
  }
}
