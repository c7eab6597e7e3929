/**
 * From interrupt pins of PCI functions to ISA interrupts: the board's swizzle and the ISA bridge's route registers.
 *
 * A PCI interrupt is a shared level: a PIRQ is high while any pin on it is, an ISA interrupt while any PIRQ routed to it
 * is.
 *
 * Sources: [PIIX3] Intel 290550-002, PIRQRC registers, interrupt steering; [PCI] PCI Local Bus Specification 3.0,
 * 2.2.6 (interrupt pins).
 * @module
 */

import { type Line, SharedLine, Wire } from "../../hvm/base/line.ts";

/** PIRQA to PIRQD. */
export const PIRQS = 4;

/** A route register. [PIIX3] PIRQRC */
export const PIRQRC = { IRQ: 0x0f, DISABLED: 1 << 7 } as const;

/** ISA interrupts a PIRQ can be routed to; the codes of the others are reserved. [PIIX3] PIRQRC */
export const ROUTABLE_IRQS: readonly number[] = [3, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15];

/** Which PIRQ (0 to 3) the pin (0 for INTA to 3) of a device is wired to: INTA of device 1 to PIRQA, and so around. */
export function pirqOfPin(device: number, pin: number): number {
  return (device + pin + 3) % PIRQS;
}

/** The router; part of the ISA bridge. */
export class PirqRouter {
  readonly #pirqs: readonly { readonly shared: SharedLine; readonly wire: Wire }[];
  readonly #outputs: readonly { readonly irq: number; readonly line: Line }[];
  readonly #routes = new Uint8Array(PIRQS).fill(PIRQRC.DISABLED);

  /** @param output gives the line of a routable ISA interrupt; asked once for each at build time. */
  constructor(output: (irq: number) => Line) {
    this.#pirqs = Array.from({ length: PIRQS }, () => {
      const wire = new Wire(() => this.#sync());
      return { wire, shared: new SharedLine(wire) };
    });
    this.#outputs = ROUTABLE_IRQS.map((irq) => ({ irq, line: output(irq) }));
  }

  /** A new input for the pin (0 for INTA to 3) of a device, to be given to the function that drives it. */
  input(device: number, pin: number): Line {
    return this.#pirqs[pirqOfPin(device, pin)]!.shared.input();
  }

  /** Takes the four route registers. */
  setRoutes(routes: ArrayLike<number>): void {
    this.#routes.set(routes);
    this.#sync();
  }

  /** The ISA interrupt of a PIRQ, undefined while it goes nowhere. */
  irqOf(pirq: number): number | undefined {
    const route = this.#routes[pirq]!;
    const irq = route & PIRQRC.IRQ;
    return (route & PIRQRC.DISABLED) === 0 && ROUTABLE_IRQS.includes(irq) ? irq : undefined;
  }

  #sync(): void {
    let high = 0;
    for (let pirq = 0; pirq < PIRQS; pirq++) {
      const irq = this.irqOf(pirq);
      if (irq !== undefined && this.#pirqs[pirq]!.wire.level) high |= 1 << irq;
    }
    for (const { irq, line } of this.#outputs) line.set((high & 1 << irq) !== 0);
  }
}
