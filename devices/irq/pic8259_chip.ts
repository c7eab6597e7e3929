/**
 * One 8259A: requests, masks, priorities and the command words. The pair and its wiring are in pic8259.ts.
 *
 * A request of an edge-triggered input lives as long as the input stays high, as in the chip: an input that falls before
 * it is acknowledged takes its request back, and an acknowledge that comes too late gets the default level 7.
 *
 * Sources: [8259A] Intel 8259A data sheet, order 231468; [PIIX3] Intel 82371SB data sheet, order 290550.
 * @module
 */

import { field } from "../../hvm/base/bits.ts";
import { ICW1, ICW2, ICW4, OCW2, OCW2_COMMAND, OCW3, PIC_REG, POLL } from "./pic8259_regs.ts";
import type { PicChipState } from "./pic8259_state.ts";

/** The level a chip answers an acknowledge with when nothing is requested. [8259A] "Interrupt Sequence" */
export const SPURIOUS_LEVEL = 7;

/** The state of a chip at power-on: undefined in the data sheet; everything is masked here. */
export function initialChip(): PicChipState {
  return {
    inputs: 0,
    edges: 0,
    elcr: 0,
    isr: 0,
    imr: 0xff,
    icw2: 0,
    icw3: 0,
    icw4: 0,
    single: false,
    icw4Wanted: false,
    nextIcw: 0,
    lowest: 7,
    rotateInAeoi: false,
    specialMask: false,
    readIsr: false,
    pollArmed: false,
  };
}

/** A chip. Its owner looks at {@linkcode PicChip.interrupt} after every call. */
export class PicChip {
  state: PicChipState = initialChip();

  /** Interrupt request register: level inputs as they are, edge inputs as they were caught. */
  get irr(): number {
    const { inputs, edges, elcr } = this.state;
    return (inputs & elcr) | (edges & ~elcr);
  }

  /** The INT output. */
  get interrupt(): boolean {
    return this.#requested() >= 0;
  }

  /** Drives an input. */
  setInput(input: number, level: boolean): void {
    const { state } = this;
    const bit = 1 << input;
    if (!level) {
      state.inputs &= ~bit;
      state.edges &= ~bit;
    } else if ((state.inputs & bit) === 0) {
      state.inputs |= bit;
      state.edges |= bit;
    }
  }

  /** INTA: takes the highest request into service. @returns its level, or -1 when there is none. */
  acknowledge(): number {
    const level = this.#requested();
    if (level < 0) return -1;
    const { state } = this;
    const bit = 1 << level;
    state.edges &= ~bit;
    if ((state.icw4 & ICW4.AEOI) === 0) state.isr |= bit;
    else if (state.rotateInAeoi) state.lowest = level;
    return level;
  }

  /** The inputs this chip treats as cascades. */
  get cascades(): number {
    return this.state.single ? 0 : this.state.icw3;
  }

  read(offset: number): number {
    const { state } = this;
    if (state.pollArmed) {
      state.pollArmed = false;
      const level = this.acknowledge();
      return level < 0 ? 0 : POLL.REQUEST | level;
    }
    if (offset === PIC_REG.DATA) return state.imr;
    return state.readIsr ? state.isr : this.irr;
  }

  write(offset: number, value: number): void {
    if (offset === PIC_REG.DATA) this.#writeData(value);
    else if ((value & ICW1.INIT) !== 0) this.#initialize(value);
    else if ((value & OCW3.SELECT) !== 0) this.#control(value);
    else this.#endOfInterrupt(field(value, OCW2.COMMAND), field(value, OCW2.LEVEL));
  }

  /** The level to be acknowledged, -1 when none may interrupt now. */
  #requested(): number {
    const { state } = this;
    if (state.nextIcw !== 0) return -1;
    const requests = this.irr & ~state.imr;
    if (requests === 0) return -1;
    const level = this.#highest(requests);
    const inService = this.#blocking();
    if (inService === 0) return level;
    const serviced = this.#highest(inService);
    const rank = this.#rank(level) - this.#rank(serviced);
    if (rank < 0) return level;
    // Special fully nested mode: a cascade may interrupt again while it is in service. [8259A] "Special Fully Nested"
    const nested = rank === 0 && (state.icw4 & ICW4.SFNM) !== 0 && (this.cascades & 1 << level) !== 0;
    return nested ? level : -1;
  }

  /** In-service bits that hold lower requests back: in special mask mode those that are not masked. */
  #blocking(): number {
    const { isr, imr, specialMask } = this.state;
    return specialMask ? isr & ~imr : isr;
  }

  /** 0 for the input of highest priority, 7 for the lowest. */
  #rank(level: number): number {
    return level - this.state.lowest - 1 & 7;
  }

  /** The input of highest priority among the bits of a non-zero byte. */
  #highest(set: number): number {
    const first = this.state.lowest + 1 & 7;
    const rotated = set >>> first | set << 8 - first;
    return 31 - Math.clz32(rotated & -rotated) + first & 7;
  }

  /** ICW1: starts the sequence and resets what the data sheet lists. [8259A] "Initialization Command Word 1" */
  #initialize(icw1: number): void {
    const { inputs, elcr, icw2, icw3, icw4 } = this.state;
    this.state = {
      ...initialChip(),
      inputs,
      elcr,
      icw2,
      icw3,
      icw4: (icw1 & ICW1.IC4) !== 0 ? icw4 : 0,
      imr: 0,
      single: (icw1 & ICW1.SNGL) !== 0,
      icw4Wanted: (icw1 & ICW1.IC4) !== 0,
      nextIcw: 2,
    };
  }

  #writeData(value: number): void {
    const { state } = this;
    switch (state.nextIcw) {
      case 0:
        state.imr = value;
        return;
      case 2:
        state.icw2 = value & ICW2.BASE;
        state.nextIcw = state.single ? (state.icw4Wanted ? 4 : 0) : 3;
        return;
      case 3:
        state.icw3 = value;
        state.nextIcw = state.icw4Wanted ? 4 : 0;
        return;
      case 4:
        state.icw4 = value & (ICW4.UPM | ICW4.AEOI | ICW4.MS | ICW4.BUF | ICW4.SFNM);
        state.nextIcw = 0;
    }
  }

  /** OCW3. [8259A] "Operation Control Word 3" */
  #control(value: number): void {
    const { state } = this;
    if ((value & OCW3.ESMM) !== 0) state.specialMask = (value & OCW3.SMM) !== 0;
    if ((value & OCW3.POLL) !== 0) state.pollArmed = true;
    else if ((value & OCW3.RR) !== 0) state.readIsr = (value & OCW3.RIS) !== 0;
  }

  /** OCW2. [8259A] "Operation Control Word 2" */
  #endOfInterrupt(command: number, level: number): void {
    const { state } = this;
    switch (command) {
      case OCW2_COMMAND.EOI:
      case OCW2_COMMAND.ROTATE_ON_EOI: {
        // In special mask mode a masked level is passed over. [8259A] "End of Interrupt"
        const serviced = this.#blocking();
        if (serviced === 0) return;
        const highest = this.#highest(serviced);
        state.isr &= ~(1 << highest);
        if (command === OCW2_COMMAND.ROTATE_ON_EOI) state.lowest = highest;
        return;
      }
      case OCW2_COMMAND.SPECIFIC_EOI:
        state.isr &= ~(1 << level);
        return;
      case OCW2_COMMAND.ROTATE_ON_SPECIFIC_EOI:
        state.isr &= ~(1 << level);
        state.lowest = level;
        return;
      case OCW2_COMMAND.SET_PRIORITY:
        state.lowest = level;
        return;
      case OCW2_COMMAND.ROTATE_IN_AEOI_SET:
        state.rotateInAeoi = true;
        return;
      case OCW2_COMMAND.ROTATE_IN_AEOI_CLEAR:
        state.rotateInAeoi = false;
    }
  }
}
