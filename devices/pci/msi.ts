/**
 * MSI: up to 32 messages that share one address, with masks, all in the function's configuration space.
 *
 * Sources: [PCI] PCI Local Bus Specification 3.0, 6.8.1 (MSI capability, 64-bit address, per-vector masking).
 * @module
 */

import { join32 } from "../../hvm/base/addr.ts";
import { field } from "../../hvm/base/bits.ts";
import type { ConfigSpace } from "./config.ts";
import type { MsiSender } from "./msix.ts";
import { CAPABILITY } from "./regs.ts";

/** Message control, at 2 in the capability. [PCI] 6.8.1.3 */
export const MSI_CONTROL = {
  ENABLE: 1 << 0,
  CAPABLE: 7 << 1,
  ALLOTTED: 7 << 4,
  ADDRESS_64: 1 << 7,
  MASKING: 1 << 8,
} as const;

/** Offsets in the capability with a 64-bit address and masks. [PCI] 6.8.1 */
export const MSI_OFFSET = {
  CONTROL: 2,
  ADDRESS: 4,
  UPPER_ADDRESS: 8,
  DATA: 12,
  MASK: 16,
  PENDING: 20,
  SIZE: 24,
} as const;

/** The greatest logarithm of a number of messages. */
const LOG_MESSAGES_MAX = 5;

/** The MSI part of a function; its state is in the configuration space. */
export class Msi {
  readonly #config: ConfigSpace;
  readonly #at: number;
  readonly #send: MsiSender;
  readonly #capable: number;

  /**
   * @param options.messages how many it can use: 1, 2, 4, 8, 16 or 32.
   * @throws {RangeError} when it is none of these.
   */
  constructor(config: ConfigSpace, options: { messages: number; send: MsiSender; at?: number }) {
    this.#capable = Math.log2(options.messages);
    if (!Number.isInteger(this.#capable) || this.#capable < 0 || this.#capable > LOG_MESSAGES_MAX) {
      throw new RangeError(`Cannot make an MSI capability of ${options.messages} messages`);
    }
    this.#config = config;
    this.#send = options.send;
    const mask = 2 ** options.messages - 1;
    this.#at = config.addCapability(CAPABILITY.MSI, MSI_OFFSET.SIZE, [
      {
        at: MSI_OFFSET.CONTROL,
        width: 2,
        reset: this.#capable << 1 | MSI_CONTROL.ADDRESS_64 | MSI_CONTROL.MASKING,
        writable: MSI_CONTROL.ENABLE | MSI_CONTROL.ALLOTTED,
      },
      { at: MSI_OFFSET.ADDRESS, width: 4, writable: 0xfffffffc },
      { at: MSI_OFFSET.UPPER_ADDRESS, width: 4, writable: 0xffffffff },
      { at: MSI_OFFSET.DATA, width: 2, writable: 0xffff },
      { at: MSI_OFFSET.MASK, width: 4, writable: mask },
      { at: MSI_OFFSET.PENDING, width: 4, internal: mask },
    ], options.at);
  }

  /** The function uses messages: its interrupt pin stays quiet. [PCI] 6.8.1.3 */
  get enabled(): boolean {
    return (this.#control & MSI_CONTROL.ENABLE) !== 0;
  }

  /** How many messages software allotted, never more than the function can use. */
  get allotted(): number {
    return 1 << Math.min(field(this.#control, MSI_CONTROL.ALLOTTED), this.#capable);
  }

  /** Sends `message`, or marks it to wait while it is masked; one past those allotted counts around. */
  raise(message: number): void {
    if (!this.enabled) return;
    const number = message % this.allotted;
    this.#setPending(number, true);
    this.#deliver(number);
  }

  /** Sends what waits and may go now; the function calls it after every change of its configuration space. */
  sync(): void {
    const pending = this.#get(MSI_OFFSET.PENDING);
    if (pending === 0 || !this.enabled) return;
    for (let number = 0; number < this.allotted; number++) {
      if ((pending & 1 << number) !== 0) this.#deliver(number);
    }
  }

  get #control(): number {
    return this.#config.registers.get(this.#at + MSI_OFFSET.CONTROL, 2);
  }

  #get(offset: number): number {
    return this.#config.registers.get(this.#at + offset, 4);
  }

  #deliver(number: number): void {
    if ((this.#get(MSI_OFFSET.MASK) & 1 << number) !== 0 || !this.#config.busMaster) return;
    this.#setPending(number, false);
    const data = this.#config.registers.get(this.#at + MSI_OFFSET.DATA, 2);
    // The low bits of the data say which of the allotted messages it is. [PCI] 6.8.1.6
    const low = this.allotted - 1;
    this.#send(
      join32(this.#get(MSI_OFFSET.UPPER_ADDRESS), this.#get(MSI_OFFSET.ADDRESS)),
      (data & ~low) | number,
    );
  }

  #setPending(number: number, waits: boolean): void {
    const pending = this.#get(MSI_OFFSET.PENDING);
    const bit = 1 << number;
    this.#config.registers.set(
      this.#at + MSI_OFFSET.PENDING,
      4,
      (waits ? pending | bit : pending & ~bit) >>> 0,
    );
  }
}
