/**
 * Interrupt controllers of hvm's own: the PIC pair and the IOAPIC, and with irqchip `user` the local APIC.
 *
 * @module
 */

import { IoApic } from "../../devices/irq/ioapic.ts";
import { Lapic } from "../../devices/irq/lapic.ts";
import { Pic8259 } from "../../devices/irq/pic8259.ts";
import { Wire } from "../base/line.ts";
import { encodeMsi, type InterruptMessage } from "../io/msi.ts";
import { SplitDelivery, UserDelivery } from "../vcpu/events.ts";
import { type FabricOptions, type InterruptFabric, IsaLines } from "./interrupts.ts";
import { ADDRESS, PIT_GSI, PORT } from "./layout.ts";

/** Modes `user` and `split`: the PIC and the IOAPIC are ours, and in `user` the local APIC too. */
export function ownFabric({ mode, shape, clock, ports, memoryIo, kernel }: FabricOptions): InterruptFabric {
  const lapic = mode === "user" && shape.lapic ? buildLapic(clock, memoryIo) : undefined;
  const hasApic = shape.lapic;
  const intr = new Wire((level) => lapic?.lint(0).set(level));
  const pic = new Pic8259({ id: "pic", int: intr });
  ports.attach(PORT.PIC_PRIMARY, pic.primary, "pic");
  ports.attach(PORT.PIC_SECONDARY, pic.secondary, "pic");
  ports.attach(PORT.ELCR, pic.elcr, "pic-elcr");

  const send = (message: InterruptMessage) => {
    if (lapic !== undefined) return void (lapic.matches(message) && lapic.accept(message));
    const { address, data } = encodeMsi(message);
    kernel.signalMsi(address, data);
  };
  const ioapic = hasApic && shape.ioapic ? new IoApic({ id: "ioapic", apicId: shape.cpus, send }) : undefined;
  if (ioapic !== undefined) memoryIo.attach(ADDRESS.IOAPIC, ioapic.window, "ioapic");
  const lines = new IsaLines((irq, level) => {
    pic.line(irq).set(level);
    ioapic?.line(irq === 0 ? PIT_GSI : irq).set(level);
  });
  return {
    isaIrq: (irq) => lines.input(irq),
    nmi: lapic === undefined ? { set: () => {} } : lapic.lint(1),
    message: send,
    endOfInterrupt: (vector) => ioapic?.eoi(vector),
    delivery: (ops, cpu) =>
      mode === "split" ? new SplitDelivery(ops, cpu, pic) : new UserDelivery(ops, cpu, lapic, pic),
    readMsr: (index) => lapic?.readMsr(index),
    writeMsr: (index, value) => lapic?.writeMsr(index, value) ?? false,
    devices: [pic, ...(ioapic === undefined ? [] : [ioapic]), ...(lapic === undefined ? [] : [lapic])],
  };
}
