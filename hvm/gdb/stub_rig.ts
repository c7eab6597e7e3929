/**
 * For tests: a processor that a debugger thinks it debugs, and a debugger that talks to a stub in plain text.
 * @module
 */

import type { DebugRegisters, DebugTarget } from "../vcpu/debug.ts";
import type { DebugMemory } from "../vcpu/debug_memory.ts";
import type { DebugPoints } from "../vcpu/debug_points.ts";
import type { Outcome } from "../vcpu/outcome.ts";
import { type CpuState, type ExtendedState, resetState } from "../x86/state.ts";
import { bytesOf, encodePacket, PacketReader, textOf } from "./packets.ts";
import { Stub } from "./stub.ts";

/** 64 KiB of memory at 0, registers, and a log of what was asked of it. */
export class FakeTarget implements DebugTarget {
  held = true;
  attached = false;
  state: CpuState = resetState();
  /** An area in its initial state; bit 1 of its header says that it has SSE. */
  extended: ExtendedState = { xsave: new Uint8Array(576), xcr0: 3n, debug: [] };
  readonly ram = new Uint8Array(0x10000);
  readonly log: string[] = [];
  refuses = false;

  readonly memory: DebugMemory = {
    read: (linear, bytes) => this.ram.slice(Number(linear), Number(linear) + bytes),
    write: (linear, bytes) => {
      if (Number(linear) + bytes.length > this.ram.length) return false;
      this.ram.set(bytes, Number(linear));
      return true;
    },
  };

  readonly points: DebugPoints = {
    set: (kind, linear, length) => {
      this.log.push(`set ${kind} ${linear.toString(16)} ${length}`);
      return !this.refuses;
    },
    clear: (kind, linear, length) => void this.log.push(`clear ${kind} ${linear.toString(16)} ${length}`),
    clearAll: () => void this.log.push("clear all"),
    copyTo: () => void this.log.push("copy"),
  };

  readRegisters(): DebugRegisters {
    return structuredClone({ state: this.state, extended: this.extended });
  }

  writeRegisters({ state, extended }: Partial<DebugRegisters>): void {
    if (state !== undefined) this.state = state;
    if (extended !== undefined) this.extended = extended;
  }

  resume(step: boolean): void {
    this.held = false;
    this.log.push(step ? "step" : "run");
  }

  hold(): void {
    this.held = true;
  }

  end(outcome: Outcome): void {
    this.log.push(outcome.kind);
  }

  describe(): string {
    return "rip 0";
  }
}

/** A stub with a debugger that does not acknowledge. */
export class StubRig {
  readonly target = new FakeTarget();
  readonly stub: Stub;
  /** Everything the stub sent, as it went over the line. */
  raw = "";

  constructor() {
    this.stub = new Stub(this.target, (bytes) => this.raw += textOf(bytes));
    this.stub.connected();
    this.ask("QStartNoAckMode");
    this.raw = "";
  }

  /** The packets a packet is answered with. */
  ask(data: string): string[] {
    this.raw = "";
    this.stub.receive(encodePacket(data));
    return this.packets();
  }

  /** The packets of all that was sent since. */
  packets(): string[] {
    return new PacketReader(1 << 20).feed(bytesOf(this.raw)).flatMap((one) =>
      one.kind === "packet" ? [textOf(one.bytes)] : []
    );
  }
}
