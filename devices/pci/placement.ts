/**
 * Windows that software moves: puts them on a bus, takes them off, and bears it when two are wanted at one place.
 *
 * While software sizes and assigns base addresses, windows overlap for a moment. On a PCI bus both would answer; here
 * the one that was there first keeps the place, and the other waits until it is free.
 * @module
 */

import type { Bus } from "../../hvm/io/bus.ts";
import type { Window } from "../../hvm/io/device.ts";

/** Moves one window to `base`, or takes it away with undefined. Telling it what it knows does nothing. */
export type Place = (base: number | undefined) => void;

interface Slot {
  readonly window: Window;
  readonly name: string;
  wanted: number | undefined;
  at: number | undefined;
}

/** All movable windows of one bus. */
export class Placements {
  readonly #bus: Bus;
  readonly #slots: Slot[] = [];

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  /** Makes a window movable; it starts off the bus. */
  slot(window: Window, name: string): Place {
    const slot: Slot = { window, name, wanted: undefined, at: undefined };
    this.#slots.push(slot);
    return (base) => this.#move(slot, base);
  }

  #move(slot: Slot, base: number | undefined): void {
    if (base === slot.wanted) return;
    slot.wanted = base;
    if (slot.at !== undefined) {
      this.#bus.detach(slot.at);
      slot.at = undefined;
    }
    for (const waiting of this.#slots) {
      if (waiting.wanted !== undefined && waiting.at === undefined) this.#tryAttach(waiting, waiting.wanted);
    }
  }

  #tryAttach(slot: Slot, base: number): void {
    const { length } = slot.window;
    if (base < 0 || base + length > this.#bus.limit || !this.#bus.isFree(base, length)) return;
    this.#bus.attach(base, slot.window, slot.name);
    slot.at = base;
  }
}
