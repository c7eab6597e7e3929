/**
 * The soft engine behind a machine: guest RAM as WebAssembly's shared memory, and the board as the processor reaches it.
 * @module
 */

import type { TscPort } from "../../devices/irq/lapic_timer.ts";
import { FOUR_GIB } from "../base/addr.ts";
import type { Clock } from "../base/clock.ts";
import { digestOf } from "../host/digest.ts";
import type { GuestRam } from "../host/guest_ram.ts";
import { ramMemory } from "../host/wasm_ram.ts";
import { KickReceiver } from "../kvm/kick.ts";
import { monotonicNs } from "../host/monotonic.ts";
import { emptyExit } from "../vendor/kvm_exits.ts";
import type { VendorCaps } from "../vendor/ops.ts";
import { compileInterpreter } from "../vendor/soft/module.ts";
import {
  skipTo,
  type SoftBoard,
  type SoftCpu,
  type SoftMachine,
  softTable,
  timeNs,
} from "../vendor/soft/mod.ts";
import { SoftProcessor } from "../vendor/soft/processor.ts";
import { cpuidFor, type CpuidRequest } from "../x86/cpuid.ts";
import { saveState } from "../x86/cpu_state.ts";
import { softLeaves } from "../x86/soft_cpuid.ts";
import type { EngineBoard, EngineThread } from "./engine_thread.ts";
import type { SoftOptions } from "./thread_messages.ts";

/** With the clock of instructions: 200 million a second, about what they take. */
const INSTRUCTION_NS = 5;
/** IA32_APIC_BASE. [SDM] vol. 4, table 2-2 */
const MSR_APIC_BASE = 0x1b;
/** The time stamp counter counts nanoseconds. */
const TSC_KHZ = 1_000_000;

/** The time stamp counter of a machine: the machine's nanoseconds and an offset. */
export class SoftTsc implements TscPort {
  readonly #clock: Clock;
  #offset = 0n;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  read(): bigint {
    return BigInt.asUintN(64, BigInt(Math.floor(this.#clock.now())) + this.#offset);
  }

  write(value: bigint): void {
    this.#offset = BigInt.asIntN(64, value - BigInt(Math.floor(this.#clock.now())));
  }

  deadlineNs(tsc: bigint): number {
    return Number(BigInt.asIntN(64, tsc - this.#offset));
  }
}

/** Makes processor 0 on the calling thread. */
export function openSoftThread(
  ram: GuestRam,
  caps: VendorCaps,
  cpuid: Omit<CpuidRequest, "tscKhz" | "supported">,
  { blockCacheBytes, countsTime }: SoftOptions,
): EngineThread<SoftCpu> {
  const { memory, bytes, pages, wide } = ramMemory(ram);
  const board = new LateBoard();
  const ops = softTable(caps);
  const machine: SoftMachine = {
    ram: memory,
    ramBytes: bytes,
    wasm: compileInterpreter({
      statePages: SoftProcessor.statePages(blockCacheBytes),
      ramPages: pages,
      wide,
    }),
    blockCacheBytes,
    ramOffset: (gpa) => {
      if (gpa < ram.lowBytes) return gpa;
      const high = gpa - FOUR_GIB;
      return high >= 0 && high < ram.highBytes ? ram.lowBytes + high : -1;
    },
    cpuid: cpuidFor({ ...cpuid, supported: softLeaves(), tscKhz: TSC_KHZ }),
    board,
    hostNs: monotonicNs,
    ...(countsTime ? { instructionNs: INSTRUCTION_NS } : {}),
  };
  const cpu = ops.construct(machine, 0);
  const kick = new KickReceiver();
  return {
    ops,
    cpu,
    exit: emptyExit(),
    kernel: { irqLine: () => {}, signalMsi: () => {}, setPinRoutes: () => {} },
    ...(countsTime ? repeatable(cpu, bytes) : {}),
    apic: { x2apic: true, tsc: (clock) => board.tsc ??= new SoftTsc(clock) },
    kick: kick.handle,
    connect: (parts) => {
      board.connect(parts);
      // What devices write may be code that was decoded.
      parts.memory.watch((gpa, length) => cpu.processor.memoryWritten(machine.ramOffset(gpa), length));
    },
    wait: (deadline) => {
      if (!countsTime) return kick.wait(deadline);
      // Sleeps as long as it would have, and is exactly where it wanted to be: how long it took shows nowhere.
      const until = monotonicNs() + deadline - timeNs(cpu);
      kick.wait(until);
      if (monotonicNs() >= until) skipTo(cpu, deadline);
    },
    setAlarm: (deadline) => {
      cpu.deadline = deadline;
    },
    takeKick: () => kick.take(),
    drain: () => {},
    close: () => kick.close(),
  };
}

/** What a thread has more when its time is its instructions. */
function repeatable(cpu: SoftCpu, ram: Uint8Array): Partial<EngineThread<SoftCpu>> {
  return {
    timeNs: () => timeNs(cpu),
    instructionNs: INSTRUCTION_NS,
    digest: () => {
      const state = saveState(cpu.processor.cpu);
      const text = JSON.stringify(
        state,
        (_, value) => typeof value === "bigint" ? value.toString(16) : value,
      );
      return digestOf(new TextEncoder().encode(text), cpu.processor.cpu.extendedState(), ram);
    },
  };
}

/** The board, connected after the processor was made. */
class LateBoard implements SoftBoard {
  tsc: SoftTsc | undefined;
  #parts: EngineBoard | undefined;

  connect(parts: EngineBoard): void {
    this.#parts = parts;
    this.tsc ??= new SoftTsc(parts.clock);
  }

  readonly mmioRead = (gpa: number, width: 1 | 2 | 4): number => this.#parts!.memoryIo.read(gpa, width);
  readonly mmioWrite = (gpa: number, width: 1 | 2 | 4, value: number): void =>
    this.#parts!.memoryIo.write(gpa, width, value);
  readonly portRead = (port: number, width: 1 | 2 | 4): number => this.#parts!.ports.read(port, width);
  readonly portWrite = (port: number, width: 1 | 2 | 4, value: number): void =>
    this.#parts!.ports.write(port, width, value);
  readonly readMsr = (index: number): bigint | undefined => this.#parts!.fabric.readMsr(index);
  readonly writeMsr = (index: number, value: bigint): boolean => this.#parts!.fabric.writeMsr(index, value);
  readonly readTsc = (): bigint => this.tsc!.read();
  readonly writeTsc = (value: bigint): void => this.tsc!.write(value);
  readonly taskPriority = (): number => this.#parts?.fabric.taskPriority() ?? 0;
  readonly setTaskPriority = (value: number): void => this.#parts?.fabric.setTaskPriority(value);
  readonly apicBase = (): bigint => this.#parts?.fabric.readMsr(MSR_APIC_BASE) ?? 0n;
}
