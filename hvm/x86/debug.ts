/**
 * What breaks into execution: instruction and data breakpoints, those of the guest's debug registers and those of a
 * debugger outside, and single steps of the latter.
 *
 * One unit per processor. It knows where breakpoints are and what happens when one is met; who executes asks it before an
 * instruction and tells it of data accesses, and only while something is armed. Executing one instruction at a time
 * (`stepwise`) is how an instruction with a breakpoint is got past, and how accesses near a data breakpoint are looked at
 * closely.
 *
 * Sources: [SDM] Intel SDM vol. 3B, chapter 19 (19.2 debug registers, 19.3 debug exceptions); vol. 3A, 2.3 (RF).
 * Deviates: no I/O breakpoints (CR4.DE); a repeated string instruction traps after the last of the iterations that are
 * done in one go.
 * @module
 */

import { type Access, DataBreakpoints, type DataPoint, type DataRange } from "./debug_data.ts";
import { CPU } from "./exec/cpu_memory.ts";
import { RFLAGS } from "./state.ts";

/** DR6: which breakpoint's condition was met; and why else a debug exception came. [SDM] 19.2.3 */
export const DR6 = { B: 0xfn, BD: 1n << 13n, BS: 1n << 14n, BT: 1n << 15n } as const;

/** R/W fields of DR7. [SDM] 19.2.4 */
const RW = { EXECUTE: 0, WRITE: 1, IO: 2, ACCESS: 3 } as const;
/** LEN fields of DR7 as bytes. */
const LENGTH = [1, 2, 8, 4] as const;

/** Faults that are none of the guest's: they take a run out of emitted code at an exact instruction. */
export const BREAK_FAULT = {
  /** An instruction with a breakpoint is next. */
  EXECUTE: 0x100,
  /** An instruction is about to access data near a breakpoint. */
  DATA: 0x101,
} as const;

const PAGE_BITS = 12n;

/** What a debugger outside of the guest wants. */
export interface OuterPlan {
  readonly step: boolean;
  readonly software: readonly bigint[];
  readonly hardware: readonly bigint[];
  readonly watches: readonly DataPoint[];
}

/** Why a run ended for a debugger. */
export type OuterStop =
  | { readonly kind: "step" | "software" | "hardware" }
  | { readonly kind: "watch"; readonly watch: DataPoint };

/** What the unit needs of its processor. */
export interface BreakableCpu {
  readonly rip: bigint;
  readonly code64: boolean;
  cell32(offset: number): number;
  setCell32(offset: number, value: number): void;
  cell64(offset: number): bigint;
  segBase(seg: number): bigint;
  fault(vector: number, code?: number): unknown;
  updateMode(): void;
  endSoon(): void;
}

const NO_PLAN: OuterPlan = { step: false, software: [], hardware: [], watches: [] };
const CS = 1;

/** The debugging of one processor. */
export class DebugUnit {
  /** Instruction breakpoints there are: the linear pages they are in, and their places in pages. */
  readonly breakPages = new Set<bigint>();
  readonly breakOffsets = new Set<number>();
  readonly data = new DataBreakpoints();
  /** One instruction at a time. */
  stepwise = false;
  /** Told when breakpoints changed: code has to be decoded anew, translations to be forgotten. */
  changed: (data: boolean) => void = () => {};
  readonly #cpu: BreakableCpu;
  #plan = NO_PLAN;
  /** The guest's instruction breakpoints as bits of DR6, by address. */
  #guest = new Map<bigint, bigint>();
  #outer = new Map<bigint, "software" | "hardware">();
  #ranges: DataRange[] = [];
  #stop: OuterStop | undefined;
  /** RF was set before the instruction that runs. */
  #resumed = false;
  /** The debugger's breakpoint at this address was met, while this many instructions had retired. */
  #skip = -1n;
  #skipRetired = 0n;

  constructor(cpu: BreakableCpu) {
    this.#cpu = cpu;
  }

  /** The guest has instruction breakpoints, which RF holds off. */
  get guestBreaks(): boolean {
    return this.#guest.size > 0;
  }

  // ---- arming -----------------------------------------------------------------------------------------------------

  /** Sets what the debugger wants. The instruction that is next is not stopped at again. */
  arm(plan: OuterPlan): void {
    this.#plan = plan;
    this.#stop = undefined;
    this.#skipHere();
    this.refresh();
    this.stepwise = plan.step;
    this.#cpu.updateMode();
  }

  /** Looks at the debug registers again. */
  refresh(): void {
    const before = this.#signature();
    const data = this.#ranges.length > 0;
    this.#guest = new Map();
    this.#outer = new Map();
    this.#ranges = [];
    const dr7 = Number(this.#cpu.cell64(CPU.DR + 56));
    for (let n = 0; n < 4; n++) if ((dr7 >>> 2 * n & 3) !== 0) this.#addGuest(n, dr7 >>> 16 + 4 * n & 15);
    for (const address of this.#plan.hardware) this.#outer.set(address, "hardware");
    for (const address of this.#plan.software) this.#outer.set(address, "software");
    for (const watch of this.#plan.watches) {
      const { access, address, length } = watch;
      this.#addRange(address, length, {
        read: access !== "write",
        write: access !== "read",
        guest: 0n,
        watch,
      });
    }
    if (this.#signature() === before) return;
    this.#index();
    this.changed(data || this.#ranges.length > 0);
    this.#cpu.updateMode();
  }

  #addGuest(n: number, control: number): void {
    const bit = 1n << BigInt(n);
    const length = LENGTH[control >> 2]!;
    const address = this.#cpu.cell64(CPU.DR + n * 8);
    const kind = control & 3;
    if (kind === RW.EXECUTE) this.#guest.set(address, (this.#guest.get(address) ?? 0n) | bit);
    else if (kind !== RW.IO) {
      // The low bits of the address are not looked at. [SDM] 19.2.5
      const first = address & ~BigInt(length - 1);
      this.#addRange(first, length, { read: kind === RW.ACCESS, write: true, guest: bit });
    }
  }

  #addRange(first: bigint, length: number, what: Omit<DataRange, "first" | "last">): void {
    this.#ranges.push({ first, last: first + BigInt(Math.max(1, length)) - 1n, ...what });
  }

  #signature(): string {
    const ranges = this.#ranges.map((r) => `${r.first}-${r.last}${r.read}${r.write}${r.guest}`);
    return `${[...this.#guest]};${[...this.#outer]};${ranges}`;
  }

  #index(): void {
    this.breakPages.clear();
    this.breakOffsets.clear();
    for (const address of [...this.#guest.keys(), ...this.#outer.keys()]) {
      this.breakPages.add(address >> PAGE_BITS);
      this.breakOffsets.add(Number(address & 0xfffn));
    }
    this.data.set(this.#ranges);
  }

  // ---- instructions -----------------------------------------------------------------------------------------------

  /** The linear address of the next instruction. */
  #here(): bigint {
    const { rip, code64 } = this.#cpu;
    return code64 ? rip : BigInt.asUintN(32, rip + this.#cpu.segBase(CS));
  }

  #skipHere(): void {
    this.#skip = this.#here();
    this.#skipRetired = this.#cpu.cell64(CPU.RETIRED);
  }

  #skips(linear: bigint): boolean {
    return linear === this.#skip && this.#cpu.cell64(CPU.RETIRED) === this.#skipRetired;
  }

  /** Before one instruction is executed by itself. Throws BREAK_FAULT.EXECUTE. */
  beforeStep(): void {
    const cpu = this.#cpu;
    this.#resumed = (cpu.cell32(CPU.EFLAGS) & RFLAGS.RF) !== 0;
    if (this.breakPages.size === 0) return;
    const linear = this.#here();
    const outer = this.#outer.has(linear) && !this.#skips(linear);
    const guest = this.#guest.has(linear) && !this.#resumed;
    if (outer || guest) throw cpu.fault(BREAK_FAULT.EXECUTE);
  }

  /**
   * An instruction that may have a breakpoint is next.
   * @returns bits of DR6 for a debug fault, 0 when the run goes on or ends with {@linkcode takeStop}.
   */
  atBreak(): bigint {
    const linear = this.#here();
    const outer = this.#outer.get(linear);
    if (outer !== undefined && !this.#skips(linear)) {
      this.#stop = { kind: outer };
      this.#endStep();
      return 0n;
    }
    const guest = this.#guest.get(linear);
    if (guest !== undefined && (this.#cpu.cell32(CPU.EFLAGS) & RFLAGS.RF) === 0) return guest;
    this.#skipHere();
    this.stepByItself();
    return 0n;
  }

  /** The next instruction is executed by itself. */
  stepByItself(): void {
    this.stepwise = true;
    this.#cpu.updateMode();
  }

  /**
   * After an instruction that was executed by itself, or that met a data breakpoint.
   * @returns bits of DR6 for a debug trap.
   */
  afterStep(): bigint {
    const cpu = this.#cpu;
    // RF holds one instruction; what set it, IRET, is not that one. [SDM] 19.3.1.1
    if (this.#resumed) cpu.setCell32(CPU.EFLAGS, cpu.cell32(CPU.EFLAGS) & ~RFLAGS.RF);
    this.#resumed = false;
    const { guest, watch } = this.data.take();
    if (watch !== undefined) this.#stop = { kind: "watch", watch };
    else if (this.#plan.step) this.#stop = { kind: "step" };
    this.#endStep();
    return guest;
  }

  /** The instruction that was executed by itself faulted: what is next is its handler. */
  faulted(): void {
    this.#resumed = false;
    this.data.take();
    if (this.#plan.step) this.#stop = { kind: "step" };
    this.#endStep();
  }

  #endStep(): void {
    this.stepwise = this.#plan.step && this.#stop === undefined;
    this.#cpu.updateMode();
  }

  /** The run is to end for the debugger. */
  get stopped(): boolean {
    return this.#stop !== undefined;
  }

  /** Why the run ended for the debugger, once. */
  takeStop(): OuterStop | undefined {
    const stop = this.#stop;
    this.#stop = undefined;
    return stop;
  }

  /** An access is made by an instruction that TypeScript does, or by one that is executed by itself. */
  accessed(linear: bigint, bytes: number, access: Access): void {
    if (this.data.accessed(linear, bytes, access)) this.#cpu.endSoon();
  }
}
