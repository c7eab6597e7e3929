/**
 * What a processor's thread has of its engine, whichever it is.
 * @module
 */

import type { TscPort } from "../../devices/irq/lapic_timer.ts";
import type { Clock } from "../base/clock.ts";
import type { Bus } from "../io/bus.ts";
import type { KickHandle } from "../kvm/kick.ts";
import type { Exit, VendorOps } from "../vendor/ops.ts";
import type { InterruptFabric, KernelInterrupts } from "./interrupts.ts";

/** What an engine that makes accesses by itself needs of the board. */
export interface EngineBoard {
  readonly ports: Bus;
  readonly memoryIo: Bus;
  readonly fabric: InterruptFabric;
  readonly clock: Clock;
}

/** What a local APIC of hvm's own can show under an engine. */
export interface ApicFacts {
  /** Registers of x2APIC mode reach us. */
  readonly x2apic: boolean;
  /** The time stamp counter, where writes to the deadline register reach us. */
  readonly tsc?: (clock: Clock) => TscPort;
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
  /** Gives the engine the board, before the first run. */
  connect(board: EngineBoard): void;
  /** Sleeps until kicked or until `deadline`, host nanoseconds; takes the kick. */
  wait(deadline: number): void;
  setAlarm(deadline: number): void;
  takeKick(): void;
  /** Gives batched writes to the buses, in the order they were made. */
  drain(ports: Bus, memoryIo: Bus): void;
  close(): void;
}
