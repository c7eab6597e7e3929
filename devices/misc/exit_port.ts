/**
 * The port a test guest writes its verdict to.
 *
 * A write of 1, 2 or 4 bytes to the first port hands over the value; what becomes of the machine is the board's
 * business. Reads give the last verdict, or ones before there is one.
 *
 * Sources: [QEMU] the ISA debug exit device, whose place (F4h) and use this port has.
 * @module
 */

import { type Device, ones, type Width, type Window } from "../../hvm/io/device.ts";
import type { ExitPortState } from "./exit_port_state.ts";

/** A test guest's way out. */
export class ExitPort implements Device<ExitPortState> {
  readonly id: string;
  readonly window: Window;
  readonly #exit: (value: number) => void;
  #state: ExitPortState = { verdict: null };

  /**
   * @param options.exit takes each verdict, an unsigned number as wide as the write was.
   * @param options.length ports answered, 4 when absent; a write wider than this reaches `exit` with its low part.
   */
  constructor(options: { id: string; exit: (value: number) => void; length?: Width }) {
    this.id = options.id;
    this.#exit = options.exit;
    const length = options.length ?? 4;
    this.window = {
      length,
      unit: length,
      read: (offset, width) => this.#read(offset, width),
      write: (offset, _width, value) => this.#write(offset, value),
    };
  }

  reset(): void {
    this.#state = { verdict: null };
  }

  save(): ExitPortState {
    return { ...this.#state };
  }

  load(state: ExitPortState): void {
    this.#state = { ...state };
  }

  #read(offset: number, width: Width): number {
    const { verdict } = this.#state;
    return verdict === null ? ones(width) : (verdict >>> offset * 8 & ones(width)) >>> 0;
  }

  #write(offset: number, value: number): void {
    if (offset !== 0) return;
    this.#state.verdict = value;
    this.#exit(value);
  }
}
