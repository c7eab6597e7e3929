/**
 * hvm as a library: start guests, talk to their consoles, wait for their end.
 *
 * ```ts ignore
 * import { Machine } from "hvm";
 *
 * await using machine = await Machine.start({ kernel: "debian", memory: "512M", timeout: 60_000 });
 * await machine.console.expect("~ # ");
 * await machine.console.send("uname -r; poweroff -f\n");
 * const { end } = await machine.ended; // "poweroff"
 * ```
 *
 * Everything is disposable and nothing is global: many machines run in one process. What the user got wrong is a
 * {@linkcode ConfigError} or an {@linkcode ImageError}, what the host refused a {@linkcode HostError}; each is one
 * sentence that says what to do.
 * @module
 */

export { ConfigError, HostError, ImageError } from "./base/errors.ts";
export type { MachineConfig, MachineOptions } from "./machine/config.ts";
export { ConsoleClosedError, ExpectError } from "./script/console.ts";
export type { EventSource } from "./script/events.ts";
export { Machine } from "./script/machine.ts";
export type {
  ByteListener,
  EndKind,
  EngineChoice,
  GuestConsole,
  MachineEnd,
  MachineEvent,
  MachineMap,
  MachineStats,
  StartOptions,
  StartProgress,
  StopReason,
  WaitOptions,
} from "./script/types.ts";
