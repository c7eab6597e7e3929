/**
 * Interrupt controllers of hvm's own: the PIC pair and the IOAPIC, and with irqchip `user` the local APIC.
 * @module
 */

import { IoApic } from "../../devices/irq/ioapic.ts";
import { IOAPIC_PINS } from "../../devices/irq/ioapic_regs.ts";
import { Lapic } from "../../devices/irq/lapic.ts";
import { LAPIC_WORDS } from "../../devices/irq/lapic_words.ts";
import { Pic8259 } from "../../devices/irq/pic8259.ts";
import { Placements } from "../../devices/pci/placement.ts";
import { UNCONNECTED } from "../base/line.ts";
import type { Device } from "../io/device.ts";
import { encodeMsi, type InterruptMessage } from "../io/msi.ts";
import { type LocalApic, SplitDelivery, UserDelivery } from "../vcpu/events.ts";
import { type FabricOptions, type InterruptFabric, IsaLines, type KernelInterrupts } from "./interrupts.ts";
import { ADDRESS, ioapicId, PIT_GSI, PORT } from "./layout.ts";

/** IA32_APIC_BASE. [SDM] vol. 4, table 2-2 */
const MSR_APIC_BASE = 0x1b;
/** Linux's and the APIC model's idea of a front-side bus: what the APIC timer counts, in Hz. */
const APIC_BUS_HZ = 1_000_000_000;

/** Modes `user` and `split`: the PIC and the IOAPIC are ours, and in `user` the local APIC too. */
export function ownFabric(options: FabricOptions): InterruptFabric {
  const { mode, shape, ports, kernel } = options;
  const lapic = mode === "user" && shape.lapic ? buildLapic(options, () => ioapic) : undefined;
  const pic = new Pic8259({ int: lapic?.lint(0) ?? UNCONNECTED });
  ports.attach(PORT.PIC_PRIMARY, pic.primary, "pic");
  ports.attach(PORT.PIC_SECONDARY, pic.secondary, "pic");
  ports.attach(PORT.ELCR, pic.elcr, "pic-elcr");

  const send = lapic === undefined
    ? (message: InterruptMessage) => signal(kernel, message)
    : (message: InterruptMessage) => void (lapic.matches(message) && lapic.accept(message));
  const ioapic: IoApic | undefined = shape.lapic && shape.ioapic ? buildIoApic(options, send) : undefined;
  const lines = new IsaLines((irq, level) => {
    pic.line(irq).set(level);
    ioapic?.line(irq === 0 ? PIT_GSI : irq).set(level);
  });
  const own: (Device | undefined)[] = [pic, ioapic, lapic];
  return {
    apicBase: lapic?.apicBase,
    isaIrq: (irq) => lines.input(irq),
    nmi: lapic?.lint(1) ?? UNCONNECTED,
    message: send,
    endOfInterrupt: (vector) => ioapic?.eoi(vector),
    delivery: (ops, cpu) => {
      const external = {
        get pending() {
          return pic.interrupt;
        },
        acknowledge: () => pic.acknowledge(),
      };
      if (mode === "split") return new SplitDelivery(ops, cpu, external);
      return new UserDelivery(ops, cpu, lapic === undefined ? undefined : localApic(lapic), external);
    },
    initialise: () => lapic?.enterVirtualWire(),
    readMsr: (index) => lapic?.readMsr(index),
    writeMsr: (index, value) => lapic?.writeMsr(index, value) ?? false,
    taskPriority: () => lapic?.cr8 ?? 0,
    setTaskPriority: (value) => {
      if (lapic !== undefined) lapic.cr8 = value;
    },
    devices: own.filter((device) => device !== undefined),
  };
}

function signal(kernel: KernelInterrupts, message: InterruptMessage): void {
  const { address, data } = encodeMsi(message);
  kernel.signalMsi(address, data);
}

/** The boot processor's APIC, at the address its base register says. */
function buildLapic({ clock, memoryIo, apic }: FabricOptions, ioapic: () => IoApic | undefined): Lapic {
  const placements = new Placements(memoryIo);
  let place: (base: number | undefined) => void = () => {};
  const lapic = new Lapic({
    apicId: 0,
    bsp: true,
    clock,
    words: new Int32Array(LAPIC_WORDS),
    send: (message) => void (lapic.matches(message) && lapic.accept(message)),
    eoi: (vector) => ioapic()?.eoi(vector),
    changed: () => {}, // the loop looks before every entry
    moved: (base) => place(base),
    busHz: APIC_BUS_HZ,
    x2apic: apic.x2apic,
    ...(apic.tsc === undefined ? {} : { tsc: apic.tsc(clock) }),
  });
  place = placements.slot(lapic.window, "lapic");
  place(ADDRESS.LAPIC);
  return lapic;
}

/** The IOAPIC; under KVM's local APICs its pins are made known, so that ends of level interrupts come back. */
function buildIoApic(
  { mode, shape, memoryIo, kernel }: FabricOptions,
  send: (message: InterruptMessage) => void,
): IoApic {
  const changed = mode === "split" ? () => kernel.setPinRoutes(routes()) : undefined;
  const ioapic: IoApic = new IoApic({
    apicId: ioapicId(shape.cpus),
    send,
    ignorePolarity: true,
    ...(changed === undefined ? {} : { changed }),
  });
  const routes = () =>
    Array.from({ length: IOAPIC_PINS }, (_, pin) => {
      const { masked, message } = ioapic.redirection(pin);
      return masked ? undefined : encodeMsi(message);
    });
  memoryIo.attach(ADDRESS.IOAPIC, ioapic.window, "ioapic");
  return ioapic;
}

/** What the delivery of interrupts sees of the APIC. */
function localApic(lapic: Lapic): LocalApic {
  return {
    highestPending: () => lapic.highestPending(),
    acknowledge: () => lapic.acknowledge(),
    get acceptsExtInt() {
      return lapic.acceptsExtInt;
    },
    get nmiPending() {
      return lapic.nmiPending;
    },
    takeNmi: () => lapic.takeNmi(),
    get cr8() {
      return lapic.cr8;
    },
    setCr8: (value) => lapic.cr8 = value,
    get apicBase() {
      return lapic.apicBase;
    },
    setApicBase: (value) => void lapic.writeMsr(MSR_APIC_BASE, value),
  };
}
