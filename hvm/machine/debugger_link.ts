/**
 * The way of a debugger's bytes to the processor's thread and back, from the main thread's side.
 * @module
 */

import type { DebuggerLink } from "../gdb/server.ts";
import { REQUEST } from "../vcpu/loop.ts";
import type { Channel } from "./channel.ts";

/** A machine as far as a debugger's connection needs it. */
interface LinkedMachine {
  readonly channel: Channel;
  request(bits: number): void;
}

/** The link of a machine that has been started. */
export function debuggerLink(machine: LinkedMachine): DebuggerLink {
  const { channel } = machine;
  return {
    turn() {
      channel.turnDebugger();
      machine.request(REQUEST.DEBUG);
    },
    get hasTurned() {
      return channel.debuggerTurns === channel.debuggerTurnsSeen;
    },
    write(bytes) {
      const taken = channel.fromDebugger.write(bytes);
      machine.request(REQUEST.DEBUG);
      return taken;
    },
    read() {
      const bytes = channel.toDebugger.read();
      if (channel.takeDebuggerFull()) machine.request(REQUEST.DEBUG);
      return bytes;
    },
  };
}
