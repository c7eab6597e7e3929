/**
 * The contract between devices and the machine.
 *
 * A device is plain state (one object, one schema, one `initial` function), the windows it answers, and the outputs
 * (lines, sinks, timers) handed to its constructor. It never throws for what a guest does and never sees the bus, its
 * base port, its interrupt number, the CPU or real time.
 * @module
 */

/** Access width in bytes that a window sees. */
export type Width = 1 | 2 | 4;

/** One run of registers a device answers; the board attaches it to ports or memory. */
export interface Window {
  /** Bytes answered. */
  readonly length: number;
  /**
   * The widest access this window takes as one. Wider guest accesses are split into accesses of `unit`, low part
   * first.
   */
  readonly unit: Width;
  /**
   * The narrowest access this window takes, `unit` when absent. Narrower or misaligned guest reads take the bytes they
   * want out of a whole one; narrower writes arrive as {@linkcode Window.write} with the other bytes read first only
   * when `mergeWrites` says that reading has no effect, and are otherwise dropped.
   */
  readonly least?: Width;
  /** Reading has no side effect, so a narrow write may be merged into what is read. */
  readonly mergeWrites?: boolean;
  /** The unsigned value of `width` bytes at `offset`; `offset` is a multiple of `width`. */
  read(offset: number, width: Width): number;
  write(offset: number, width: Width, value: number): void;
}

/** What every chip can do. `S` is plain JSON data. */
export interface Device<S = unknown> {
  /** Unique in one machine; names the device in traces and snapshots. */
  readonly id: string;
  /** Power-on state, outputs included. */
  reset(): void;
  /** Plain data, nothing derived. */
  save(): S;
  /** Takes a state its schema has already checked; outputs are derived again, silently. */
  load(state: S): void;
}

/**
 * Only devices with work in flight (disk, network): requests go to a backend, completions are taken by `poll` on the
 * owner's thread, whose event loop may never run.
 */
export interface Draining {
  poll(): void;
  /** How many requests are still out. */
  drain(): number;
  resume(): void;
}

/** All ones of a width: what nobody answers with. */
export function ones(width: Width): number {
  return width === 4 ? 0xffffffff : width === 2 ? 0xffff : 0xff;
}
