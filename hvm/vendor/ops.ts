/**
 * The vendor table: everything generic code may ask of an engine, and the facts it may read about it.
 *
 * There is one complete table for each engine (`vmx`, `svm`, `pvm`, `soft`); no entry is optional, and what an engine
 * may lack is a fact in {@linkcode VendorCaps}. Generic code asks the facts, never the vendor's name. What an engine
 * keeps about a processor is its own type `V`, which nobody else looks into.
 * @module
 */

import type { CpuState, ExtendedState } from "../x86/state.ts";

/** The engines. */
export type VendorName = "vmx" | "svm" | "pvm" | "soft";

/** Who emulates the interrupt controllers: hvm all of them, hvm all but the local APIC, or KVM all of them. */
export type IrqchipMode = "user" | "split" | "kernel";

/** Why a run ended. */
export const EXIT = {
  /** A port access: `port`, `width`, `count`, `write`, `data`. */
  IO: 1,
  /** A memory access where there is no memory: `gpa`, `length`, `write`, `data`. */
  MMIO: 2,
  /** HLT with no interrupt controller in the engine. */
  HLT: 3,
  /** Triple fault. */
  SHUTDOWN: 4,
  /** The window asked for is open: an interrupt can be injected now. */
  INTERRUPT_WINDOW: 5,
  /** A signal or a kick. */
  INTERRUPTED: 6,
  /** The engine asks to be entered again at once. */
  AGAIN: 7,
  /** The processor could not be entered: `code` is the hardware's reason. */
  FAIL_ENTRY: 8,
  /**
   * The engine gave up: `code` is the suberror, `info` its data words, `bytes` the instruction where known. A negative
   * `code` is the negated number of the error with which the host's kernel refused to run the processor.
   */
  INTERNAL_ERROR: 9,
  /** The guest asked for a reset, shutdown or crash by a paravirtual way: `code`. */
  SYSTEM_EVENT: 10,
  /** RDMSR of a register the engine leaves to us: `msr`; answer in `value`, or set `fault`. */
  MSR_READ: 11,
  /** WRMSR likewise, `value` is what was written. */
  MSR_WRITE: 12,
  /** A debug exception taken from the guest: `code` is the vector, `gpa` the program counter, `info` DR6 and DR7. */
  DEBUG: 13,
  /** A hypercall: `code` its number, `info` its arguments; answer in `value`. */
  HYPERCALL: 14,
  /** The local APIC of the engine finished a level interrupt: `code` is the vector. */
  EOI: 15,
  /** CR8 was written and now lies below the threshold given. */
  TPR: 16,
  /** The engine does not know what happened: `code` is the hardware's word. */
  UNKNOWN: 17,
  /** Something this hvm has no arm for: `code` is the raw exit reason. */
  OTHER: 18,
} as const;
export type ExitKind = typeof EXIT[keyof typeof EXIT];

/**
 * One exit as data; one record per processor, refilled by every run. Only the members {@linkcode EXIT} names for a kind
 * mean anything.
 */
export interface Exit {
  kind: ExitKind;
  port: number;
  width: 1 | 2 | 4;
  /** String I/O moves `count` units of `width`, all through the same port. */
  count: number;
  write: boolean;
  gpa: number;
  length: number;
  /**
   * Where the data is: for a write, the bytes written; for a read, where the answer goes before the next run. It is a
   * view of memory shared with the engine and valid until the next run.
   */
  data: Uint8Array<ArrayBufferLike>;
  code: number;
  info: bigint[];
  bytes: Uint8Array<ArrayBufferLike>;
  msr: number;
  value: bigint;
  fault: boolean;
}

/** Something to inject into a processor. */
export type CpuEvent =
  | { readonly kind: "interrupt"; readonly vector: number }
  | { readonly kind: "nmi" }
  | { readonly kind: "exception"; readonly vector: number; readonly errorCode?: number };

/** Reasons why an interrupt cannot be injected now; a set of bits, 0 when it can. */
export const BLOCKED = {
  /** EFLAGS.IF is clear. */
  FLAGS: 1 << 0,
  /** The instruction after STI or MOV SS. */
  SHADOW: 1 << 1,
  /** Another event is already on its way. */
  PENDING: 1 << 2,
  /** An NMI handler has not returned. */
  NMI: 1 << 3,
} as const;

/** Data accesses a debugger waits for. */
export interface Watch {
  readonly access: "write" | "read" | "access";
  /** Linear. */
  readonly address: bigint;
  readonly length: number;
}

/** What is to stop a run for a debugger outside of the guest. */
export interface DebugPlan {
  /** After one instruction. */
  readonly step: boolean;
  /** Before instructions at these linear addresses: by whatever means, and by the processor's own registers. */
  readonly software: readonly bigint[];
  readonly hardware: readonly bigint[];
  /** After instructions that access data. */
  readonly watches: readonly Watch[];
}

/** What stopped a run for a debugger. */
export type DebugStop =
  | { readonly kind: "step" }
  | { readonly kind: "software" | "hardware" }
  | { readonly kind: "watch"; readonly watch: Watch };

/** Facts about an engine on this host. */
export interface VendorCaps {
  readonly vendor: VendorName;
  /** Real-address and 16-bit protected mode run without help. */
  readonly realMode: boolean;
  /** Stock operating systems run: all paging modes, system calls, every instruction CPUID shows. */
  readonly stockGuests: boolean;
  readonly irqchips: readonly IrqchipMode[];
  /** The one of them that serves best. */
  readonly bestIrqchip: IrqchipMode;
  /** Registers travel with the exit, without calls of their own. */
  readonly syncRegs: boolean;
  /** Port and MMIO writes can be batched. */
  readonly coalescedIo: boolean;
  readonly readonlyMemory: boolean;
  /** Register accesses the guest makes can be given to us. */
  readonly msrExits: boolean;
  /** The most processors one machine may have. */
  readonly maxCpus: number;
  /** The guest's time stamp counter, in kHz; 0 when it was not measured. */
  readonly tscKhz: number;
}

/** A known fault or peculiarity of a kind of host. */
export interface Quirk {
  /** Short and stable: tests and skips cite it. */
  readonly id: string;
  readonly hosts: readonly VendorName[];
  /** What was seen, where. */
  readonly evidence: string;
  /** What hvm does about it. */
  readonly answer: string;
  /** The test that shows it. */
  readonly test: string;
}

/** Registers that travel with every exit at no cost; see {@linkcode VendorCaps.syncRegs}. */
export interface FastState {
  /** Program counter at the last exit. */
  readonly rip: bigint;
  /** EFLAGS.IF at the last exit. */
  readonly interruptsEnabled: boolean;
  /** An interrupt can be injected now, as the engine itself judges. */
  readonly readyForInterrupt: boolean;
  /** The task priority (CR8) at the last exit. */
  readonly cr8: number;
  /** IA32_APIC_BASE at the last exit. */
  readonly apicBase: bigint;
}

/** The table. `V` is one engine's processor; `M` its machine. */
export interface VendorOps<V, M = unknown> {
  readonly caps: VendorCaps;
  readonly quirks: readonly Quirk[];
  /** The opcode bytes of this vendor's hypercall instruction. */
  readonly hypercallInstruction: Uint8Array;
  /** Makes processor `index` of a machine on the calling thread, which must be the one that runs it. */
  construct(machine: M, index: number): V;
  relinquish(cpu: V): void;
  /** Runs until the next exit and describes it in `exit`. */
  run(cpu: V, exit: Exit): void;
  /** Makes the processor's current or next run end with INTERRUPTED; called on the processor's own thread. */
  kickSelf(cpu: V): void;
  /** What came along with the last exit. */
  fast(cpu: V): FastState;
  /** Asks for an INTERRUPT_WINDOW exit as soon as an interrupt can be injected. */
  requestWindow(cpu: V, wanted: boolean): void;
  /** The task priority that the next run starts with. */
  setCr8(cpu: V, cr8: number): void;
  /** The IA32_APIC_BASE that the next run starts with. */
  setApicBase(cpu: V, apicBase: bigint): void;
  readState(cpu: V): CpuState;
  /** Sets all registers; nothing is on its way to the processor and nothing held back afterwards. */
  writeState(cpu: V, state: CpuState): void;
  /**
   * Sets all registers after an instruction was executed elsewhere: what is on its way stays so; `shadow` and
   * `nmiBlocked` say what that instruction left held back.
   */
  adoptState(cpu: V, state: CpuState, held: { shadow: "none" | "sti" | "mov-ss"; nmiBlocked: boolean }): void;
  readExtended(cpu: V): ExtendedState;
  writeExtended(cpu: V, state: ExtendedState): void;
  inject(cpu: V, event: CpuEvent): void;
  /** A set of {@linkcode BLOCKED} bits. */
  blocked(cpu: V, kind: CpuEvent["kind"]): number;
  /** Moves past the instruction at the program counter, `length` bytes long. */
  skipInstruction(cpu: V, length: number): void;
  realMode(cpu: V): boolean;
  pagingEnabled(cpu: V): boolean;
  /** The length of the instruction at the last exit where the engine tells, else 0. */
  instructionLength(cpu: V): number;
  /** Up to 15 bytes at the program counter where they can be read, else fewer. */
  instructionBytes(cpu: V): Uint8Array;
  readMsr(cpu: V, index: number): bigint | undefined;
  /** False when the engine refuses. */
  writeMsr(cpu: V, index: number, value: bigint): boolean;
  /** Changes registers in the middle of a run: what is on its way to the processor stays. */
  changeState(cpu: V, state: CpuState): void;
  /** Somebody else wrote guest memory that may be code. */
  memoryWritten(cpu: V, gpa: number, bytes: number): void;
  /** Arms what is to stop runs from now on, in place of what was; false when not all of it can be. */
  setDebug(cpu: V, plan: DebugPlan): boolean;
  /**
   * What the last exit means for a debugger: `none` when it has nothing to do with debugging, `guest` when the guest's
   * own debugging made it and got what it was to have.
   */
  debugStop(cpu: V, exit: Exit): DebugStop | "none" | "guest";
}
