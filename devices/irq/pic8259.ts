/**
 * The pair of Intel 8259A interrupt controllers of a PC, with the edge/level registers of the PIIX3.
 *
 * The secondary chip's INT output is input 2 of the primary. What the pair offers the processor is one INT line and
 * {@linkcode Pic8259.acknowledge}, which stands for the two INTA cycles. Nothing can change between the two here, so the
 * spurious vector a guest sees is that of the primary's level 7; the secondary's (IRQ 15) would need a request that goes
 * away after the first.
 *
 * Sources: [8259A] Intel 8259A data sheet, order 231468; [PIIX3] Intel 82371SB data sheet, order 290550.
 * Deviates: MCS-80/85 mode answers an acknowledge with a vector, as 8086 mode does; LTIM of ICW1 does nothing, since
 * ELCR replaces it [PIIX3]; buffered mode has no pin to drive; the request is not frozen between a poll command and its
 * read.
 * @module
 */

import type { Line } from "../../hvm/base/line.ts";
import type { Device, Window } from "../../hvm/io/device.ts";
import { initialChip, PicChip, SPURIOUS_LEVEL } from "./pic8259_chip.ts";
import { ELCR_WRITABLE, ICW3 } from "./pic8259_regs.ts";
import type { PicState } from "./pic8259_state.ts";

/** The input of the primary chip that the secondary is wired to. */
const CASCADE = 2;

/** What the data bus gives when no chip drives it in an INTA cycle. */
const FLOATING = 0xff;

/** What the board gives the pair. */
export interface PicOptions {
  readonly id?: string;
  /** INT of the primary chip. */
  readonly int: Line;
}

/** Both controllers. */
export class Pic8259 implements Device<PicState> {
  readonly id: string;
  /** Two ports each: 20h and A0h on a PC. */
  readonly primary: Window;
  readonly secondary: Window;
  /** Two ports, 4D0h on a PC. */
  readonly elcr: Window;

  readonly #int: Line;
  readonly #primary = new PicChip();
  readonly #secondary = new PicChip();
  readonly #lines: readonly Line[];

  constructor(options: PicOptions) {
    this.id = options.id ?? "pic";
    this.#int = options.int;
    this.primary = this.#windowOf(this.#primary);
    this.secondary = this.#windowOf(this.#secondary);
    this.elcr = {
      length: 2,
      unit: 1,
      read: (offset) => this.#chipAt(offset).state.elcr,
      write: (offset, _width, value) => {
        this.#chipAt(offset).state.elcr = value & ELCR_WRITABLE[offset as 0 | 1];
        this.#sync();
      },
    };
    this.#lines = Array.from({ length: 16 }, (_, irq) => {
      const chip = this.#chipAt(irq >> 3);
      return {
        set: (level: boolean) => {
          chip.setInput(irq & 7, level);
          this.#sync();
        },
      };
    });
    this.reset();
  }

  /**
   * The input of an interrupt request, 0 to 15.
   * @throws {RangeError} for a number that has no input; 2 has none, it is the cascade.
   */
  line(irq: number): Line {
    const line = this.#lines[irq];
    if (line === undefined || irq === CASCADE) throw new RangeError(`The PIC has no input for IRQ ${irq}`);
    return line;
  }

  /** The INT output: an interrupt waits for {@linkcode Pic8259.acknowledge}. */
  get interrupt(): boolean {
    return this.#primary.interrupt;
  }

  /**
   * Acknowledges an interrupt, as the processor does when it takes one.
   * @returns its vector; the spurious one of level 7 when the request has gone. [8259A] "Interrupt Sequence"
   */
  acknowledge(): number {
    const level = this.#primary.acknowledge();
    const cascaded = level >= 0 && (this.#primary.cascades & 1 << level) !== 0;
    const vector = cascaded
      ? this.#acknowledgeCascade(level)
      : this.#primary.state.icw2 | (level < 0 ? SPURIOUS_LEVEL : level);
    this.#acknowledged(this.#primary);
    return vector;
  }

  reset(): void {
    this.#primary.state = initialChip();
    this.#secondary.state = initialChip();
    this.#sync();
  }

  save(): PicState {
    return { primary: { ...this.#primary.state }, secondary: { ...this.#secondary.state } };
  }

  load(state: PicState): void {
    this.#primary.state = { ...state.primary };
    this.#secondary.state = { ...state.secondary };
    this.#sync();
  }

  #chipAt(index: number): PicChip {
    return index === 0 ? this.#primary : this.#secondary;
  }

  #windowOf(chip: PicChip): Window {
    return {
      length: 2,
      unit: 1,
      read: (offset) => {
        const polled = chip.state.pollArmed;
        const value = chip.read(offset);
        if (polled) this.#acknowledged(chip);
        return value;
      },
      write: (offset, _width, value) => {
        chip.write(offset, value);
        this.#sync();
      },
    };
  }

  /** The second INTA cycle of a level that is a cascade: the chip with that identity answers. [8259A] "Cascade Mode" */
  #acknowledgeCascade(level: number): number {
    const { state } = this.#secondary;
    if ((state.icw3 & ICW3.ID) !== level) return FLOATING;
    const answered = this.#secondary.acknowledge();
    this.#acknowledged(this.#secondary);
    return state.icw2 | (answered < 0 ? SPURIOUS_LEVEL : answered);
  }

  /** After an acknowledge INT falls for a moment, so that a request still waiting makes an edge again. */
  #acknowledged(chip: PicChip): void {
    if (chip === this.#secondary) this.#primary.setInput(CASCADE, false);
    else this.#int.set(false);
    this.#sync();
  }

  #sync(): void {
    this.#primary.setInput(CASCADE, this.#secondary.interrupt);
    this.#int.set(this.#primary.interrupt);
  }
}
