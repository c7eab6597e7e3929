/**
 * A port that takes text a byte at a time and answers E9h, by which software knows it is there.
 *
 * Port E9h is where kernels and test guests print; port 402h is the firmware's (SeaBIOS, OVMF). One object serves one
 * port; both may share a sink.
 *
 * Sources: [BOCHS] user manual, the port E9 hack; [QEMU] isa-debugcon, whose read-back value is E9h by default, which
 * SeaBIOS and OVMF test for at 402h too.
 * @module
 */

import type { Device, Window } from "../../hvm/io/device.ts";
import type { DebugconState } from "./debugcon_state.ts";

/** What a read gives. [BOCHS] */
const PRESENT = 0xe9;

/** One debug port. */
export class DebugConsole implements Device<DebugconState> {
  readonly id: string;
  readonly window: Window;

  /** @param options.output takes each byte written. */
  constructor(options: { id: string; output: (byte: number) => void }) {
    this.id = options.id;
    this.window = {
      length: 1,
      unit: 1,
      read: () => PRESENT,
      write: (_offset, _width, value) => options.output(value),
    };
  }

  reset(): void {}

  save(): DebugconState {
    return {};
  }

  load(_state: DebugconState): void {}
}
