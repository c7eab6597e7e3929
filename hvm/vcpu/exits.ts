/**
 * From exit to action: one exhaustive switch over what the engine reports.
 *
 * Port and memory accesses go to the buses, which answer for absent devices too, so nothing a guest does can fail here.
 * What ends the guest is told to the world as an outcome.
 * @module
 */

import { unreachable } from "../base/errors.ts";
import type { TracePoint } from "../base/trace.ts";
import type { Bus } from "../io/bus.ts";
import type { Width } from "../io/device.ts";
import { EXIT, type Exit, type ExitKind } from "../vendor/ops.ts";
import type { Outcome } from "./outcome.ts";

/** What the handling of exits reaches. */
export interface ExitWorld {
  readonly ports: Bus;
  readonly memoryIo: Bus;
  /** The value of a model-specific register, undefined where RDMSR faults. */
  readMsr(index: number): bigint | undefined;
  /** False where WRMSR faults. */
  writeMsr(index: number, value: bigint): boolean;
  /** The engine's own APIC finished a level-triggered interrupt. */
  endOfInterrupt(vector: number): void;
  /**
   * Executes the instruction that the engine could not emulate: `later` when that has to be made ready first, and the loop
   * is to be left for it; undefined when nobody can.
   */
  finish(): "done" | "halted" | "shutdown" | "later" | undefined;
  /** The guest is over. */
  end(outcome: Outcome): void;
  /** Text about the processor as it is now, for an end that needs explaining. */
  diagnose(why: string): string;
  readonly traceExit: TracePoint;
}

/** What the loop does next. */
export const NEXT = {
  /** Run on. */
  RUN: 0,
  /** Wait until an interrupt can be taken. */
  HALT: 1,
  /** Leave the loop; the exit is handled again when it is entered anew. */
  LEAVE: 2,
} as const;

/** KVM's system events. [KVM] Documentation/virt/kvm/api.rst, KVM_EXIT_SYSTEM_EVENT */
const SYSTEM_EVENT = { SHUTDOWN: 1, RESET: 2, CRASH: 3 } as const;

/** The engine could not emulate an instruction. [KVM] KVM_INTERNAL_ERROR_EMULATION */
const EMULATION_FAILED = 1;

/** What a hypercall nobody serves returns: -KVM_ENOSYS. [KVM] Documentation/virt/kvm/x86/hypercalls.rst */
const HYPERCALL_UNKNOWN = BigInt.asUintN(64, -1000n);

/** Acts on one exit. Answers to reads are left in the exit record, where the engine takes them from. */
export function handleExit(exit: Exit, world: ExitWorld): number {
  const kind: ExitKind = exit.kind;
  switch (kind) {
    case EXIT.IO:
      handlePort(exit, world.ports);
      return NEXT.RUN;
    case EXIT.MMIO:
      if (exit.write) world.memoryIo.writeBytes(exit.gpa, exit.data, 0, exit.length);
      else world.memoryIo.readBytes(exit.gpa, exit.data, 0, exit.length);
      return NEXT.RUN;
    case EXIT.HLT:
      return NEXT.HALT;
    case EXIT.INTERRUPT_WINDOW:
    case EXIT.INTERRUPTED:
    case EXIT.AGAIN:
    case EXIT.TPR:
      return NEXT.RUN; // the loop looks at interrupts and requests before every run
    case EXIT.MSR_READ: {
      const value = world.readMsr(exit.msr);
      exit.fault = value === undefined;
      exit.value = value ?? 0n;
      return NEXT.RUN;
    }
    case EXIT.MSR_WRITE:
      exit.fault = !world.writeMsr(exit.msr, exit.value);
      return NEXT.RUN;
    case EXIT.EOI:
      world.endOfInterrupt(exit.code);
      return NEXT.RUN;
    case EXIT.HYPERCALL:
      exit.value = HYPERCALL_UNKNOWN;
      return NEXT.RUN;
    case EXIT.SYSTEM_EVENT:
      world.end(systemEvent(exit.code, world));
      return NEXT.RUN;
    case EXIT.SHUTDOWN:
      return shutDown(world);
    case EXIT.INTERNAL_ERROR:
      if (exit.code === EMULATION_FAILED) return emulationFailed(world);
      return fail(world, internalError(exit));
    case EXIT.FAIL_ENTRY:
      return fail(
        world,
        `the host's processor refused to enter the guest (reason 0x${exit.code.toString(16)})`,
      );
    case EXIT.DEBUG:
      return fail(world, "a debug exception arrived that nobody asked for");
    case EXIT.UNKNOWN:
      return fail(world, `KVM met a hardware exit it does not know (reason 0x${exit.code.toString(16)})`);
    case EXIT.OTHER:
      return fail(world, `KVM reports exit reason ${exit.code}, which hvm has no answer to`);
    default:
      return unreachable(kind);
  }
}

function handlePort(exit: Exit, ports: Bus): void {
  const { data, width, port } = exit;
  for (let i = 0; i < exit.count; i++) {
    const at = i * width;
    if (exit.write) ports.write(port, width, get(data, at, width));
    else put(data, at, width, ports.read(port, width));
  }
}

function get(data: Uint8Array, at: number, width: Width): number {
  if (width === 1) return data[at]!;
  if (width === 2) return data[at]! | data[at + 1]! << 8;
  return (data[at]! | data[at + 1]! << 8 | data[at + 2]! << 16 | data[at + 3]! << 24) >>> 0;
}

function put(data: Uint8Array, at: number, width: Width, value: number): void {
  for (let i = 0; i < width; i++) data[at + i] = value >>> i * 8;
}

function fail(world: ExitWorld, message: string): number {
  world.end({ kind: "host-error", message, diagnosis: world.diagnose(message) });
  return NEXT.RUN;
}

function systemEvent(code: number, world: ExitWorld): Outcome {
  if (code === SYSTEM_EVENT.SHUTDOWN) return { kind: "poweroff" };
  if (code === SYSTEM_EVENT.RESET) return { kind: "reset", cause: "system-event" };
  if (code === SYSTEM_EVENT.CRASH) return { kind: "panic" };
  const message = `KVM reports system event ${code}, which hvm has no answer to`;
  return { kind: "host-error", message, diagnosis: world.diagnose(message) };
}

function shutDown(world: ExitWorld): number {
  world.end({ kind: "triple-fault", diagnosis: world.diagnose("the processor shut down (triple fault)") });
  return NEXT.RUN;
}

function emulationFailed(world: ExitWorld): number {
  switch (world.finish()) {
    case "done":
      return NEXT.RUN;
    case "halted":
      return NEXT.HALT;
    case "later":
      return NEXT.LEAVE;
    case "shutdown":
      return shutDown(world);
    case undefined: {
      const message = "KVM could not emulate an instruction of the guest";
      world.end({ kind: "emulation-failure", message, diagnosis: world.diagnose(message) });
      return NEXT.RUN;
    }
  }
}

function internalError({ code, info }: Exit): string {
  const words = info.map((word) => `0x${word.toString(16)}`).join(" ");
  return `KVM gave up with internal error ${code}${words === "" ? "" : ` (${words})`}`;
}
