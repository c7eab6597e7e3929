/**
 * Port 80h, where firmware says how far it has got, and the other DMA page registers no channel uses.
 *
 * On an AT the page registers are a file of sixteen byte latches at 80h to 8Fh of which eight have no channel; 80h is
 * one of those, and what is written there shows on a diagnostic card. All read back what was written. Linux also
 * writes to 80h to wait a microsecond.
 *
 * Sources: [PCAT] IBM PC AT Technical Reference, system board (I/O address map, DMA page register addresses);
 * [PIIX3] Intel 290550-002, DMA page registers.
 * @module
 */

import type { Device, Window } from "../../hvm/io/device.ts";
import type { PostCodeState } from "./post_code_state.ts";

/** A power of two, as the ring's index needs; the schema allows as many. */
const KEPT = 32;

/** The diagnostic port and the spare page latches. */
export class PostCode implements Device<PostCodeState> {
  readonly id: string;
  /** Port 80h. */
  readonly window: Window;
  /** Ports 84h to 86h. */
  readonly spare84: Window;
  /** Port 88h. */
  readonly spare88: Window;
  /** Ports 8Ch to 8Eh. */
  readonly spare8c: Window;
  readonly #latches = new Uint8Array(8);
  readonly #ring = new Uint8Array(KEPT);
  #total = 0;

  constructor(options: { id: string }) {
    this.id = options.id;
    this.window = {
      length: 1,
      unit: 1,
      read: () => this.#latches[0]!,
      write: (_offset, _width, value) => {
        this.#latches[0] = value;
        this.#ring[this.#total++ % KEPT] = value;
      },
    };
    this.spare84 = this.#latchWindow(1, 3);
    this.spare88 = this.#latchWindow(4, 1);
    this.spare8c = this.#latchWindow(5, 3);
  }

  /** The last codes, oldest first: how far a guest got before it went silent. */
  codes(): number[] {
    const count = Math.min(this.#total, KEPT);
    return Array.from({ length: count }, (_, i) => this.#ring[(this.#total - count + i) % KEPT]!);
  }

  reset(): void {
    this.#latches.fill(0);
    this.#total = 0;
  }

  save(): PostCodeState {
    return { codes: this.codes(), total: this.#total, latches: [...this.#latches] };
  }

  load(state: PostCodeState): void {
    this.#latches.set(state.latches);
    this.#total = state.total;
    state.codes.forEach((code, i) => this.#ring[(state.total - state.codes.length + i) % KEPT] = code);
  }

  #latchWindow(first: number, length: number): Window {
    return {
      length,
      unit: 1,
      read: (offset) => this.#latches[first + offset]!,
      write: (offset, _width, value) => this.#latches[first + offset] = value,
    };
  }
}
