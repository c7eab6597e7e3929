/**
 * Which interrupt comes next, why it cannot be taken yet, and how it gets into the processor.
 *
 * One strategy for each division of work between hvm's interrupt controllers and the engine's. All of them run on the
 * processor's own thread, right before it enters the guest.
 * @module
 */

import type { VendorOps } from "../vendor/ops.ts";

/** Delivery of interrupts to one processor. */
export interface EventDelivery {
  /** Injects what is due, or asks for a window. */
  beforeRun(): void;
  /** Takes over what the guest changed about its interrupts without an exit of its own. */
  afterRun(): void;
  /** A halted processor would wake now. */
  canWake(): boolean;
}

/** The parts of a local APIC that delivery uses. */
export interface LocalApic {
  /** The vector that interrupts the processor now, -1 when there is none above the priority. */
  highestPending(): number;
  acknowledge(): number;
  readonly acceptsExtInt: boolean;
  readonly nmiPending: boolean;
  takeNmi(): boolean;
  readonly cr8: number;
  setCr8(value: number): void;
  readonly apicBase: bigint;
  setApicBase(value: bigint): void;
}

/** The parts of the PIC pair that delivery uses. */
export interface ExternalInterrupts {
  /** The INT output. */
  readonly pending: boolean;
  /** The INTA cycle: the vector. */
  acknowledge(): number;
}

/** irqchip `user`: every controller is ours. */
export class UserDelivery<V> implements EventDelivery {
  readonly #ops: VendorOps<V>;
  readonly #cpu: V;
  readonly #apic: LocalApic | undefined;
  readonly #pic: ExternalInterrupts;
  #windowWanted = false;

  /** `apic` is absent on a machine without local APICs: the PIC then drives the INTR pin alone. */
  constructor(ops: VendorOps<V>, cpu: V, apic: LocalApic | undefined, pic: ExternalInterrupts) {
    this.#ops = ops;
    this.#cpu = cpu;
    this.#apic = apic;
    this.#pic = pic;
  }

  beforeRun(): void {
    const apic = this.#apic;
    if (apic?.nmiPending && apic.takeNmi()) this.#ops.inject(this.#cpu, { kind: "nmi" });
    if (apic !== undefined) this.#ops.setCr8(this.#cpu, apic.cr8);
    if (this.#anyPending() && this.#ops.fast(this.#cpu).readyForInterrupt) {
      this.#ops.inject(this.#cpu, { kind: "interrupt", vector: this.#take() });
    }
    this.#want(this.#anyPending());
  }

  afterRun(): void {
    const apic = this.#apic;
    if (apic === undefined) return;
    const fast = this.#ops.fast(this.#cpu);
    if (fast.cr8 !== apic.cr8) apic.setCr8(fast.cr8);
    if (fast.apicBase !== apic.apicBase) apic.setApicBase(fast.apicBase);
  }

  canWake(): boolean {
    if (this.#apic?.nmiPending) return true;
    return this.#anyPending() && this.#ops.fast(this.#cpu).interruptsEnabled;
  }

  #anyPending(): boolean {
    const apic = this.#apic;
    if (apic === undefined) return this.#pic.pending;
    return apic.highestPending() >= 0 || this.#pic.pending && apic.acceptsExtInt;
  }

  /** An external interrupt has no priority of the APIC's and goes first. [SDM] vol. 3A, 11.8.2 has it outside IRR */
  #take(): number {
    const apic = this.#apic;
    if (apic === undefined || this.#pic.pending && apic.acceptsExtInt) return this.#pic.acknowledge();
    return apic.acknowledge();
  }

  #want(wanted: boolean): void {
    if (wanted === this.#windowWanted) return;
    this.#windowWanted = wanted;
    this.#ops.requestWindow(this.#cpu, wanted);
  }
}

/** irqchip `split`: the engine has the local APIC, the PIC's vectors go in by hand. */
export class SplitDelivery<V> implements EventDelivery {
  readonly #ops: VendorOps<V>;
  readonly #cpu: V;
  readonly #pic: ExternalInterrupts;
  #windowWanted = false;

  constructor(ops: VendorOps<V>, cpu: V, pic: ExternalInterrupts) {
    this.#ops = ops;
    this.#cpu = cpu;
    this.#pic = pic;
  }

  beforeRun(): void {
    // The engine calls itself ready only while its LINT0 takes external interrupts.
    if (this.#pic.pending && this.#ops.fast(this.#cpu).readyForInterrupt) {
      this.#ops.inject(this.#cpu, { kind: "interrupt", vector: this.#pic.acknowledge() });
    }
    const wanted = this.#pic.pending;
    if (wanted === this.#windowWanted) return;
    this.#windowWanted = wanted;
    this.#ops.requestWindow(this.#cpu, wanted);
  }

  afterRun(): void {}

  canWake(): boolean {
    return true; // the engine halts by itself
  }
}

/** irqchip `kernel`: the engine has every controller. */
export class KernelDelivery implements EventDelivery {
  beforeRun(): void {}
  afterRun(): void {}
  canWake(): boolean {
    return true;
  }
}
