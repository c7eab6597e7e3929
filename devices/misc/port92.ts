/**
 * System control port A (92h) of the PS/2: the fast way to open the A20 gate and to reset the CPU.
 *
 * The A20 line is one of two that open the gate, the other being the keyboard controller's; the board joins them.
 *
 * Sources: [PS2] IBM PS/2 Hardware Interface Technical Reference, system control port A.
 * Deviates: the fixed-disk light (bits 7:6), the security lock (bit 3) and the watchdog (bit 4) are not there and read
 * as 0.
 * @module
 */

import type { Line } from "../../hvm/base/line.ts";
import type { Device, Window } from "../../hvm/io/device.ts";
import type { Port92State } from "./port92_state.ts";

/** Bits of system control port A. [PS2] */
export const CONTROL_A = { INIT: 1 << 0, A20: 1 << 1 } as const;

/** System control port A. */
export class Port92 implements Device<Port92State> {
  readonly id: string;
  readonly window: Window = {
    length: 1,
    unit: 1,
    read: () => this.#state.value,
    write: (_offset, _width, value) => this.#write(value & (CONTROL_A.INIT | CONTROL_A.A20)),
  };
  readonly #a20: Line;
  readonly #reset: () => void;
  #state: Port92State = { value: 0 };

  /** @param options.reset asks for a reset of the CPU: bit 0 went from 0 to 1. */
  constructor(options: { id: string; a20: Line; reset: () => void }) {
    this.id = options.id;
    this.#a20 = options.a20;
    this.#reset = options.reset;
    this.#sync();
  }

  reset(): void {
    this.#state = { value: 0 };
    this.#sync();
  }

  save(): Port92State {
    return { ...this.#state };
  }

  load(state: Port92State): void {
    this.#state = { ...state };
    this.#sync();
  }

  #write(value: number): void {
    const rises = value & ~this.#state.value;
    this.#state.value = value;
    this.#sync();
    if ((rises & CONTROL_A.INIT) !== 0) this.#reset();
  }

  #sync(): void {
    this.#a20.set((this.#state.value & CONTROL_A.A20) !== 0);
  }
}
