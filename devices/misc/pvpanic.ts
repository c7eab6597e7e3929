/**
 * The port by which a guest says that it panicked. ACPI names it QEMU0001.
 *
 * Sources: [PVPANIC] QEMU docs/specs/pvpanic.rst.
 * @module
 */

import type { Device, Window } from "../../hvm/io/device.ts";
import type { PvPanicState } from "./pvpanic_state.ts";

/** What a guest can say; a read gives the bits that are understood. [PVPANIC] */
export const PVPANIC = {
  /** It panicked, and the host should act. */
  PANICKED: 1 << 0,
  /** It panicked and takes care of it (a crash kernel is loaded): to be noted only. */
  CRASH_LOADED: 1 << 1,
  /** It shut down in an orderly way. */
  SHUTDOWN: 1 << 2,
} as const;

/** One of the port's events. */
export type PvPanicEvent = "panicked" | "crash-loaded" | "shutdown";

const EVENTS: readonly (readonly [bit: number, event: PvPanicEvent])[] = [
  [PVPANIC.PANICKED, "panicked"],
  [PVPANIC.CRASH_LOADED, "crash-loaded"],
  [PVPANIC.SHUTDOWN, "shutdown"],
];
const UNDERSTOOD = PVPANIC.PANICKED | PVPANIC.CRASH_LOADED | PVPANIC.SHUTDOWN;

/** The panic port. */
export class PvPanic implements Device<PvPanicState> {
  readonly id: string;
  readonly window: Window = {
    length: 1,
    unit: 1,
    read: () => UNDERSTOOD,
    write: (_offset, _width, value) => this.#write(value & UNDERSTOOD),
  };
  readonly #happened: (event: PvPanicEvent) => void;
  #state: PvPanicState = { events: 0 };

  /** @param options.happened takes each event of each write, in the order of their bits. */
  constructor(options: { id: string; happened: (event: PvPanicEvent) => void }) {
    this.id = options.id;
    this.#happened = options.happened;
  }

  reset(): void {
    this.#state = { events: 0 };
  }

  save(): PvPanicState {
    return { ...this.#state };
  }

  load(state: PvPanicState): void {
    this.#state = { ...state };
  }

  #write(value: number): void {
    this.#state.events |= value;
    for (const [bit, event] of EVENTS) if ((value & bit) !== 0) this.#happened(event);
  }
}
