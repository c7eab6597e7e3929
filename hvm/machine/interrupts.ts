/**
 * The interrupt controllers of a machine: hvm's own, KVM's, or both, behind one set of lines.
 *
 * Devices get a line of an ISA interrupt and never learn where it ends. Each ISA interrupt may be shared (COM1 and COM3,
 * PCI interrupts), so every call of {@linkcode InterruptFabric.isaIrq} gives a new input of a wired-or.
 *
 * Sources: [KVM] Linux Documentation/virt/kvm/api.rst, KVM_CAP_SPLIT_IRQCHIP, KVM_IRQ_LINE, KVM_SIGNAL_MSI.
 * @module
 */

import type { TscPort } from "../../devices/irq/lapic_timer.ts";
import type { Clock } from "../base/clock.ts";
import { type Line, SharedLine, Wire } from "../base/line.ts";
import type { Bus } from "../io/bus.ts";
import { encodeMsi, type InterruptMessage } from "../io/msi.ts";
import type { Device } from "../io/device.ts";
import { type EventDelivery, KernelDelivery } from "../vcpu/events.ts";
import type { IrqchipMode, VendorOps } from "../vendor/ops.ts";
import type { BoardShape } from "./layout.ts";

/** What KVM's part of the controllers can be told. */
export interface KernelInterrupts {
  irqLine(gsi: number, level: boolean): void;
  signalMsi(address: number, data: number): void;
  /** Replaces the messages that the pins of an IOAPIC of ours send; undefined for a masked pin. */
  setPinRoutes(routes: readonly ({ readonly address: number; readonly data: number } | undefined)[]): void;
}

/** What a local APIC of hvm's own can show under an engine. */
export interface ApicFacts {
  /** Registers of x2APIC mode reach us. */
  readonly x2apic: boolean;
  /** The time stamp counter, where writes to the deadline register reach us. */
  readonly tsc?: (clock: Clock) => TscPort;
}

/** What the fabric is made from. */
export interface FabricOptions {
  readonly mode: IrqchipMode;
  readonly shape: BoardShape;
  readonly clock: Clock;
  readonly ports: Bus;
  readonly memoryIo: Bus;
  /** What a local APIC of ours can show. */
  readonly apic: ApicFacts;
  /** KVM's part; unused by mode `user`. */
  readonly kernel: KernelInterrupts;
}

/** The controllers of one machine. */
export interface InterruptFabric {
  /** IA32_APIC_BASE after reset, where the local APIC is ours. */
  readonly apicBase: bigint | undefined;
  /** A new input of the ISA interrupt. */
  isaIrq(irq: number): Line;
  /** The non-maskable interrupt of the boot processor. */
  readonly nmi: Line;
  /** A message a device or the guest sent to FEExxxxxh. */
  message(message: InterruptMessage): void;
  /** The engine's APIC finished a level interrupt. */
  endOfInterrupt(vector: number): void;
  delivery<V>(ops: VendorOps<V>, cpu: V): EventDelivery;
  /** Leaves the controllers as a BIOS does; after every reset of theirs. */
  initialise(): void;
  /** APIC registers as MSRs; undefined or false where there is no such register or it is not ours. */
  readMsr(index: number): bigint | undefined;
  writeMsr(index: number, value: bigint): boolean;
  /** The task priority (CR8) of a local APIC of ours; 0 without one. */
  taskPriority(): number;
  setTaskPriority(value: number): void;
  /** The chips that are ours. */
  readonly devices: readonly Device[];
}

/** The ISA interrupts, each with any number of drivers. */
export class IsaLines {
  readonly #shared: readonly SharedLine[];

  constructor(drive: (irq: number, level: boolean) => void) {
    this.#shared = Array.from(
      { length: 16 },
      (_, irq) => new SharedLine(new Wire((level) => drive(irq, level))),
    );
  }

  input(irq: number): Line {
    return this.#shared[irq]!.input();
  }
}

/** irqchip `kernel`: KVM has every controller, and its timer. */
export function kernelFabric(kernel: KernelInterrupts): InterruptFabric {
  const lines = new IsaLines((irq, level) => kernel.irqLine(irq, level));
  return {
    apicBase: undefined,
    isaIrq: (irq) => lines.input(irq),
    nmi: { set: () => {} }, // KVM's timer and port 61h have no error inputs
    message: (message) => {
      const { address, data } = encodeMsi(message);
      kernel.signalMsi(address, data);
    },
    endOfInterrupt: () => {},
    delivery: () => new KernelDelivery(),
    initialise: () => {},
    readMsr: () => undefined,
    writeMsr: () => false,
    taskPriority: () => 0,
    setTaskPriority: () => {},
    devices: [],
  };
}
