/**
 * The hostile guest in a thread of its own, so that whoever started it can end it.
 * @module
 */

import { isa } from "../../x86/isa_build.ts";
import { HostileGuest, setAllRows } from "./hostile_rig.ts";

/** What the thread is told. */
export interface HostileOrder {
  readonly seed: number;
  readonly instructions: number;
  /** The number of the present episode goes here. */
  readonly progress: Int32Array<SharedArrayBuffer>;
}

self.onmessage = ({ data }: MessageEvent<HostileOrder>) => {
  const guest = new HostileGuest(data.seed);
  setAllRows(isa().text.length - 1);
  try {
    const report = guest.run(data.instructions, (episode) => Atomics.store(data.progress, 0, episode));
    self.postMessage({ report });
  } catch (error) {
    const stack = error instanceof Error ? error.stack ?? error.message : String(error);
    self.postMessage({ failure: `${guest.about}: ${stack}` });
  }
};
