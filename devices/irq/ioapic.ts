/**
 * Intel 82093AA I/O APIC: 24 pins, each redirected to an interrupt message; of version 20h, with an EOI register.
 *
 * Messages are accepted as soon as they are sent, so delivery status always reads as idle and remote IRR is set with the
 * sending. A level pin sends again when its vector ends (a local APIC's EOI, or the EOI register) while it is asserted.
 * An edge on a masked pin is ignored and not held, as the data sheet says: drivers unmask before they enable a source.
 * Entries with delivery modes other than fixed and lowest priority are edge-triggered whatever their trigger bit says.
 *
 * Sources: [IOAPIC] Intel 82093AA data sheet, order 290566; [ICH2] Intel 82801BA data sheet, order 290687 (EOI register).
 * Deviates: there is no APIC bus, so the arbitration identification is that of the ID register.
 * @module
 */

import { field } from "../../hvm/base/bits.ts";
import type { Line } from "../../hvm/base/line.ts";
import type { Device, Window } from "../../hvm/io/device.ts";
import { DELIVERY, type InterruptMessage, type MessageSink } from "../../hvm/io/msi.ts";
import {
  IOAPIC_ID,
  IOAPIC_MMIO,
  IOAPIC_PINS,
  IOAPIC_REG,
  IOAPIC_VERSION,
  REDIR,
  REDIR_WRITABLE,
} from "./ioapic_regs.ts";
import type { IoApicState } from "./ioapic_state.ts";

/** Bytes of memory an IOAPIC answers. */
export const IOAPIC_BYTES = 0x1000;

/** A redirection entry in words. */
export interface Redirection {
  /** What the pin sends. */
  readonly message: InterruptMessage;
  readonly masked: boolean;
  readonly activeLow: boolean;
  /** The interrupt is in service and has not ended. */
  readonly remoteIrr: boolean;
}

/** What the board gives the IOAPIC. */
export interface IoApicOptions {
  readonly id?: string;
  /** The identification that firmware would have set, 0 to 15. */
  readonly apicId: number;
  readonly send: MessageSink;
  /** A pin's redirection entry changed, by a guest, a reset or a load; the constructor does not call it. */
  readonly changed?: (pin: number) => void;
  /**
   * Lines say "asserted" rather than "high", so the polarity a guest sets changes nothing; KVM's own IOAPIC does this.
   * Without it a pin set to active low is asserted while its line is low.
   */
  readonly ignorePolarity?: boolean;
}

/** The I/O APIC. */
export class IoApic implements Device<IoApicState> {
  readonly id: string;
  readonly window: Window;

  readonly #options: IoApicOptions;
  readonly #lines: readonly Line[];
  readonly #low = new Uint32Array(IOAPIC_PINS);
  readonly #destinations = new Uint8Array(IOAPIC_PINS);
  /** What each pin sends, made anew when its entry changes. */
  readonly #messages: InterruptMessage[] = [];
  #apicId = 0;
  #select = 0;
  #inputs = 0;

  constructor(options: IoApicOptions) {
    this.id = options.id ?? "ioapic";
    this.#options = options;
    this.window = {
      length: IOAPIC_BYTES,
      unit: 4,
      least: 4,
      mergeWrites: true,
      read: (offset) => this.#read(offset),
      write: (offset, _width, value) => this.#write(offset, value),
    };
    this.#lines = Array.from({ length: IOAPIC_PINS }, (_, pin) => ({
      set: (level: boolean) => this.#setInput(pin, level),
    }));
    this.#powerOn();
  }

  /**
   * A pin, 0 to 23.
   * @throws {RangeError} for a number that is none.
   */
  line(pin: number): Line {
    const line = this.#lines[pin];
    if (line === undefined) throw new RangeError(`The IOAPIC has no pin ${pin}`);
    return line;
  }

  /** The redirection entry of a pin, 0 to 23. */
  redirection(pin: number): Redirection {
    const message = this.#messages[pin];
    if (message === undefined) throw new RangeError(`The IOAPIC has no pin ${pin}`);
    const low = this.#low[pin]!;
    return {
      message,
      masked: (low & REDIR.MASKED) !== 0,
      activeLow: (low & REDIR.ACTIVE_LOW) !== 0,
      remoteIrr: (low & REDIR.REMOTE_IRR) !== 0,
    };
  }

  /** An interrupt with this vector ended: its level pins may send again. */
  eoi(vector: number): void {
    for (let pin = 0; pin < IOAPIC_PINS; pin++) {
      const low = this.#low[pin]!;
      if ((low & REDIR.REMOTE_IRR) === 0 || (low & REDIR.VECTOR) !== vector) continue;
      this.#low[pin] = low & ~REDIR.REMOTE_IRR;
      this.#sync(pin);
    }
  }

  reset(): void {
    this.#powerOn();
    this.#tellAll();
  }

  save(): IoApicState {
    return {
      apicId: this.#apicId,
      select: this.#select,
      inputs: this.#inputs,
      redirections: Array.from(this.#low, (low, pin) => ({ low, destination: this.#destinations[pin]! })),
    };
  }

  load(state: IoApicState): void {
    this.#apicId = state.apicId;
    this.#select = state.select;
    this.#inputs = state.inputs;
    state.redirections.forEach(({ low, destination }, pin) => {
      this.#low[pin] = low;
      this.#destinations[pin] = destination;
    });
    for (let pin = 0; pin < IOAPIC_PINS; pin++) this.#compose(pin);
    this.#tellAll();
  }

  #powerOn(): void {
    this.#apicId = this.#options.apicId;
    this.#select = this.#inputs = 0;
    this.#low.fill(REDIR.MASKED);
    this.#destinations.fill(0);
    for (let pin = 0; pin < IOAPIC_PINS; pin++) this.#compose(pin);
  }

  #tellAll(): void {
    for (let pin = 0; pin < IOAPIC_PINS; pin++) this.#options.changed?.(pin);
  }

  #read(offset: number): number {
    if (offset === IOAPIC_MMIO.SELECT) return this.#select;
    if (offset !== IOAPIC_MMIO.WINDOW) return 0;
    switch (this.#select) {
      case IOAPIC_REG.ID:
      case IOAPIC_REG.ARBITRATION:
        return this.#apicId << 24;
      case IOAPIC_REG.VERSION:
        return IOAPIC_VERSION;
    }
    const pin = this.#selectedPin();
    if (pin < 0) return 0;
    return this.#select % 2 === 0 ? this.#low[pin]! : this.#destinations[pin]! * 0x1000000;
  }

  #write(offset: number, value: number): void {
    if (offset === IOAPIC_MMIO.SELECT) this.#select = value & 0xff;
    else if (offset === IOAPIC_MMIO.EOI) this.eoi(value & 0xff);
    else if (offset === IOAPIC_MMIO.WINDOW) this.#writeWindow(value);
  }

  #writeWindow(value: number): void {
    if (this.#select === IOAPIC_REG.ID) {
      this.#apicId = field(value, IOAPIC_ID);
      return;
    }
    const pin = this.#selectedPin();
    if (pin < 0) return;
    if (this.#select % 2 === 0) this.#writeLow(pin, value);
    else this.#destinations[pin] = value >>> 24;
    this.#compose(pin);
    this.#options.changed?.(pin);
    this.#sync(pin);
  }

  /** An entry that turns edge-triggered forgets the interrupt in service: guests end one that way. */
  #writeLow(pin: number, value: number): void {
    const kept = (value & REDIR.LEVEL) !== 0 ? this.#low[pin]! & REDIR.REMOTE_IRR : 0;
    this.#low[pin] = value & REDIR_WRITABLE | kept;
  }

  /** The pin whose entry is selected, -1 for none. */
  #selectedPin(): number {
    const pin = this.#select - IOAPIC_REG.REDIRECTION >> 1;
    return pin < IOAPIC_PINS ? Math.max(pin, -1) : -1;
  }

  /** Makes the message of a pin from its entry. */
  #compose(pin: number): void {
    const low = this.#low[pin]!;
    this.#messages[pin] = {
      vector: low & REDIR.VECTOR,
      delivery: field(low, REDIR.DELIVERY),
      destination: this.#destinations[pin]!,
      logical: (low & REDIR.LOGICAL) !== 0,
      level: this.#isLevel(low),
      asserted: true,
    };
  }

  #isLevel(low: number): boolean {
    return (low & REDIR.LEVEL) !== 0 && field(low, REDIR.DELIVERY) <= DELIVERY.LOWEST_PRIORITY;
  }

  #setInput(pin: number, level: boolean): void {
    const bit = 1 << pin;
    if (((this.#inputs & bit) !== 0) === level) return;
    this.#inputs ^= bit;
    const low = this.#low[pin]!;
    if (this.#isLevel(low)) this.#sync(pin);
    else if (this.#asserted(pin) && (low & REDIR.MASKED) === 0) this.#send(pin);
  }

  #asserted(pin: number): boolean {
    const high = (this.#inputs & 1 << pin) !== 0;
    const activeLow = (this.#low[pin]! & REDIR.ACTIVE_LOW) !== 0 && this.#options.ignorePolarity !== true;
    return high !== activeLow;
  }

  /** Sends what a level pin has to send. */
  #sync(pin: number): void {
    const low = this.#low[pin]!;
    if (!this.#isLevel(low) || (low & (REDIR.MASKED | REDIR.REMOTE_IRR)) !== 0 || !this.#asserted(pin)) {
      return;
    }
    this.#low[pin] = low | REDIR.REMOTE_IRR;
    this.#send(pin);
  }

  /** Modes 3 and 6 are reserved and go nowhere. [IOAPIC] 3.2.4 */
  #send(pin: number): void {
    const message = this.#messages[pin]!;
    if (message.delivery !== 3 && message.delivery !== DELIVERY.STARTUP) this.#options.send(message);
  }
}
