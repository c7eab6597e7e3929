/**
 * The whole PC board over a clock and a KVM that are not real, and a random hand on its ports and memory.
 * @module
 */

import type { Clock } from "../../hvm/base/clock.ts";
import { GuestMemory } from "../../hvm/base/memory.ts";
import { Bus } from "../../hvm/io/bus.ts";
import type { Width } from "../../hvm/io/device.ts";
import { PcBoard } from "../../hvm/machine/board_pc.ts";
import { buildFabric } from "../../hvm/machine/fabric.ts";
import type { InterruptFabric } from "../../hvm/machine/interrupts.ts";
import type { BoardShape } from "../../hvm/machine/layout.ts";
import type { IrqchipMode } from "../../hvm/vendor/ops.ts";
import type { Outcome } from "../../hvm/vcpu/outcome.ts";

/** RAM of the test's machine; a power of two. */
export const RAM_BYTES = 1 << 20;

/** 2024-02-23 23:59:57.250 UTC. */
export const EPOCH_MS = 1_708_732_797_250;

/** A board and what it told its surroundings. */
export interface TestBoard {
  readonly board: PcBoard;
  readonly ports: Bus;
  readonly memoryIo: Bus;
  readonly memory: GuestMemory;
  readonly fabric: InterruptFabric;
  /** What the guest asked for, in order. */
  readonly outcomes: Outcome[];
  /** Levels and messages given to KVM. */
  readonly kernelCalls: number[];
}

/** What may be chosen of it. */
export interface TestBoardOptions {
  readonly clock: Clock;
  readonly mode: IrqchipMode;
  readonly shape?: Partial<BoardShape>;
  /** The host's calendar at the clock's zero. */
  readonly epochMs?: number;
}

/** Builds a board as a processor's thread does. */
export function buildBoard(options: TestBoardOptions): TestBoard {
  const { clock, mode, epochMs = EPOCH_MS } = options;
  const shape = { cpus: 1, memoryBytes: RAM_BYTES, lapic: true, ioapic: true, ...options.shape };
  const ports = new Bus("port", 0x10000);
  const memoryIo = new Bus("memory", 2 ** 52);
  const memory = new GuestMemory();
  memory.map(0, { name: "ram", bytes: new Uint8Array(RAM_BYTES) });
  const kernelCalls: number[] = [];
  const kernel = {
    irqLine: (gsi: number, level: boolean) => void kernelCalls.push(gsi * 2 + Number(level)),
    signalMsi: (_address: number, data: number) => void kernelCalls.push(0x10000 + data),
    setPinRoutes: () => {},
  };
  const outcomes: Outcome[] = [];
  const apic = { x2apic: false };
  const fabric = buildFabric({ mode, shape, clock, ports, memoryIo, kernel, apic });
  const board = new PcBoard({
    shape,
    clock,
    memory,
    commandLine: "console=ttyS0",
    ports,
    memoryIo,
    fabric,
    kernelPit: mode === "kernel",
    epochMs,
    serialOutput: () => {},
    serialReady: () => {},
    serialReturned: () => {},
    debugOutput: () => {},
    end: (outcome) => void outcomes.push(outcome),
  });
  return { board, ports, memoryIo, memory, fabric, outcomes, kernelCalls };
}

/** Random words of 32 bits, the same for the same seed. */
export function randomWords(seed: number): () => number {
  let word = Math.imul(seed, 0x9e3779b1) >>> 0 || 1;
  return () => {
    word ^= word << 13;
    word ^= word >>> 17;
    word ^= word << 5;
    return word >>>= 0;
  };
}

/** One access of any width at any alignment: mostly in or just beside what is attached, now and then anywhere. */
export function randomAccess(bus: Bus, next: () => number): { width: Width; value: number | undefined } {
  const width = ([1, 2, 4] as const)[next() % 3]!;
  const placed = bus.map();
  const window = placed[next() % Math.max(1, placed.length)];
  const anywhere = window === undefined || next() % 8 === 0;
  const address = anywhere
    ? (bus.limit > 2 ** 32 ? next() * 2 ** 20 + next() : next()) % bus.limit
    : Math.min(bus.limit - 1, Math.max(0, window.base - 3 + next() % (window.length + 6)));
  if (next() % 2 === 0) return { width, value: bus.read(address, width) };
  bus.write(address, width, randomValue(next) % 2 ** (8 * width));
  return { width, value: undefined };
}

/** Single bits, small numbers and ones are what registers are sensitive to. */
function randomValue(next: () => number): number {
  const word = next();
  switch (word % 4) {
    case 0:
      return 2 ** (word >>> 8 & 31);
    case 1:
      return word >>> 8 & 7;
    case 2:
      return 0xffffffff;
    default:
      return next();
  }
}
