/**
 * Interrupt and signal lines between chips.
 *
 * A chip drives a {@linkcode Line} it was given by the board and never knows what is at the other end. Setting the
 * level a line already has does nothing, so a chip may always set all its outputs after any change.
 * @module
 */

/** The driving end of one wire. */
export interface Line {
  /** Drives the wire; setting the level it has does nothing. */
  set(level: boolean): void;
}

/** A wire that tells its far end about changes only. */
export class Wire implements Line {
  #level = false;
  readonly #changed: (level: boolean) => void;

  constructor(changed: (level: boolean) => void) {
    this.#changed = changed;
  }

  get level(): boolean {
    return this.#level;
  }

  set(level: boolean): void {
    if (level === this.#level) return;
    this.#level = level;
    this.#changed(level);
  }

  /** Takes a level without telling the far end: what loading a snapshot does. */
  settle(level: boolean): void {
    this.#level = level;
  }
}

/** A wire several chips may pull: high while any of its inputs is high (level-triggered, shared PCI interrupts). */
export class SharedLine {
  readonly #inputs = new Set<object>();
  readonly #out: Line;

  constructor(out: Line) {
    this.#out = out;
  }

  /** A new input of the wire. */
  input(): Line {
    const key = {};
    return {
      set: (level) => {
        if (level) this.#inputs.add(key);
        else this.#inputs.delete(key);
        this.#out.set(this.#inputs.size > 0);
      },
    };
  }
}

/** A line that leads nowhere. */
export const UNCONNECTED: Line = { set: () => {} };
