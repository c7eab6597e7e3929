/**
 * What a processor's thread has of its engine, whichever it is.
 * @module
 */

import type { Clock } from "../base/clock.ts";
import type { GuestMemory } from "../base/memory.ts";
import type { Bus } from "../io/bus.ts";
import type { KickHandle } from "../kvm/kick.ts";
import type { Exit, VendorOps } from "../vendor/ops.ts";
import type { ApicFacts, InterruptFabric, KernelInterrupts } from "./interrupts.ts";

/** What an engine that makes accesses by itself needs of the board. */
export interface EngineBoard {
  readonly ports: Bus;
  readonly memoryIo: Bus;
  readonly fabric: InterruptFabric;
  readonly clock: Clock;
  /** The guest's memory as devices write it. */
  readonly memory: GuestMemory;
}

/** An engine on its thread. */
export interface EngineThread<V> {
  readonly ops: VendorOps<V>;
  readonly cpu: V;
  readonly exit: Exit;
  readonly kernel: KernelInterrupts;
  readonly apic: ApicFacts;
  /** For other threads. */
  readonly kick: KickHandle;
  /** Nanoseconds that the machine's time follows; absent: the host's. */
  readonly timeNs?: () => number;
  /** Nanoseconds an instruction takes of that time; absent where it is the host's. */
  readonly instructionNs?: number;
  /** SHA-256 of memory and processors; absent where runs cannot be repeated. */
  digest?(): Promise<string>;
  /** Gives the engine the board, before the first run. */
  connect(board: EngineBoard): void;
  /** Sleeps until kicked or until `deadline`, nanoseconds of its time; takes the kick. */
  wait(deadline: number): void;
  setAlarm(deadline: number): void;
  takeKick(): void;
  /** Gives batched writes to the buses, in the order they were made. */
  drain(ports: Bus, memoryIo: Bus): void;
  close(): void;
}
