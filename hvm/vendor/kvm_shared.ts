/**
 * What the three KVM tables have in common: everything but facts and the hypercall instruction.
 *
 * Sources: [KVM] Linux Documentation/virt/kvm/api.rst; [SDM] Intel SDM vol. 3A, 7.8.3 and 11.8; vol. 1, 3.4.3.
 * @module
 */

import { PAGE_SIZE } from "../base/addr.ts";
import { HostError } from "../base/errors.ts";
import { VCPUEVENT_VALID, X86_SHADOW_INT } from "../kvm/abi.ts";
import { DEBUGREGS } from "../kvm/abi_structs.ts";
import type { CpuidEntry } from "../kvm/cpuid_list.ts";
import { KickReceiver } from "../kvm/kick.ts";
import { getState, setCpuid as setVcpuCpuid, setGuestDebug, setState, translate } from "../kvm/vcpu_state.ts";
import { type CpuState, CR0, EFER, RFLAGS } from "../x86/state.ts";
import { KvmCpu, SET, type SyncPolicy } from "./kvm_cpu.ts";
import { armPlan, guestDr6, stopOf } from "./kvm_debug.ts";
import { ExitReader } from "./kvm_exits.ts";
import type { KvmMachine } from "./kvm_machine.ts";
import { readExtended, writeExtended } from "./kvm_extended.ts";
import { clearEvents, stateFrom, stateInto } from "./kvm_state.ts";
import {
  BLOCKED,
  type CpuEvent,
  EXIT,
  type Exit,
  type FastState,
  type Quirk,
  type VendorCaps,
  type VendorOps,
} from "./ops.ts";

/** What one vendor adds to the common entries. */
export interface VendorParts {
  readonly caps: VendorCaps;
  readonly quirks: readonly Quirk[];
  readonly hypercallInstruction: Uint8Array;
  /** Register sets worth storing at every exit on this kind of host; ignored where caps.syncRegs is false. */
  readonly syncAtExit: number;
  /** Interrupts go in with the registers: right where a request of its own costs as much as an exit. */
  readonly injectByRegisters: boolean;
}

/** Longest instruction. [SDM] vol. 2A, 2.3.11 */
const MAX_INSTRUCTION = 15;
const ALL_SETS = SET.REGS | SET.SREGS | SET.EVENTS;
const readers = new WeakMap<KvmCpu, ExitReader>();

/** A complete table for a kind of KVM host. */
export function kvmTable(parts: VendorParts): VendorOps<KvmCpu, KvmMachine> {
  const { caps } = parts;
  const sync: SyncPolicy = caps.syncRegs
    ? { valid: parts.syncAtExit, dirty: ALL_SETS }
    : { valid: 0, dirty: 0 };
  return {
    caps,
    quirks: parts.quirks,
    hypercallInstruction: parts.hypercallInstruction,
    construct: (machine, index) => construct(machine, index, sync),
    relinquish: (cpu) => cpu.close(),
    run,
    kickSelf: (cpu) => {
      cpu.page.immediateExit = true;
    },
    fast: (cpu): FastState => cpu.fast,
    requestWindow: (cpu, wanted) => {
      cpu.page.requestWindow = wanted;
    },
    setCr8,
    setApicBase,
    readState,
    writeState,
    adoptState,
    readExtended,
    writeExtended,
    inject: (cpu, event) => inject(cpu, event, parts.injectByRegisters),
    blocked,
    skipInstruction,
    realMode: (cpu) => (special(cpu).cr0 & BigInt(CR0.PE)) === 0n,
    pagingEnabled: (cpu) => (special(cpu).cr0 & BigInt(CR0.PG)) !== 0n,
    instructionLength: () => 0, // KVM keeps it to itself
    instructionBytes,
    readMsr: (cpu, index) => {
      cpu.flush(SET.SREGS);
      return cpu.vcpu.readMsr(index);
    },
    writeMsr: (cpu, index, value) => {
      cpu.flush(SET.SREGS);
      cpu.forget(SET.SREGS);
      return cpu.vcpu.writeMsr(index, value);
    },
    changeState,
    memoryWritten: () => {}, // the host's memory is the guest's
    setDebug: armPlan,
    debugStop: (cpu, exit) => {
      const stop = stopOf(cpu, exit);
      if (typeof stop !== "object" || !("vector" in stop)) return stop;
      if (stop.vector === VECTOR_DB) setDr6(cpu, guestDr6(exit));
      inject(cpu, { kind: "exception", vector: stop.vector }, parts.injectByRegisters);
      return "guest";
    },
  };
}

/** Sets what CPUID answers; before the first run. @throws {HostError} */
export function setCpuid(cpu: KvmCpu, entries: readonly CpuidEntry[]): void {
  setVcpuCpuid(cpu.vcpu, entries);
}

/** Finishes what the last exit left to do; see {@linkcode KvmCpu.complete}. */
export function complete(cpu: KvmCpu): void {
  cpu.complete();
}

/**
 * Sets what KVM debugs: `control` is a set of GUESTDBG bits of the ABI, `registers` DR0 to DR7. KVM remembers where the
 * processor is, so changes of its registers go in first.
 * @throws {HostError}
 */
export function setDebug(cpu: KvmCpu, control: number, registers: bigint[] = []): void {
  cpu.complete();
  cpu.flush();
  setGuestDebug(cpu.vcpu, control, registers);
}

/** KVM's own local APIC as its 1 KiB register page; irqchip `split` and `kernel`. @throws {HostError} */
export function getLapic(cpu: KvmCpu): Uint8Array<ArrayBuffer> {
  return getState(cpu.vcpu, "LAPIC");
}

/** Sets KVM's own local APIC. @throws {HostError} */
export function setLapic(cpu: KvmCpu, page: Uint8Array<ArrayBuffer>): void {
  setState(cpu.vcpu, "LAPIC", page);
}

function construct(machine: KvmMachine, index: number, sync: SyncPolicy): KvmCpu {
  const vcpu = machine.vm.createVcpu(index);
  try {
    const kick = new KickReceiver();
    try {
      vcpu.setSignalMask(kick.runMask);
      const cpu = new KvmCpu(machine, index, vcpu, kick, sync);
      readers.set(cpu, new ExitReader(vcpu.page));
      return cpu;
    } catch (error) {
      kick.close();
      throw error;
    }
  } catch (error) {
    vcpu.close();
    throw error;
  }
}

function run(cpu: KvmCpu, exit: Exit): void {
  const result = cpu.enter(exit);
  readers.get(cpu)!.read(result, exit);
  if (exit.kind === EXIT.INTERRUPTED) cpu.page.immediateExit = false;
  cpu.failedBytes = exit.kind === EXIT.INTERNAL_ERROR ? exit.bytes.slice() : NO_BYTES;
}

const NO_BYTES = new Uint8Array(0);

/** Only without an APIC in KVM does the run page's CR8 count, and then it overrides all others. */
function setCr8(cpu: KvmCpu, cr8: number): void {
  if (cpu.machine.irqchip === "user") cpu.page.cr8 = cr8;
}

function setApicBase(cpu: KvmCpu, apicBase: bigint): void {
  const sregs = special(cpu);
  if (sregs.apic_base === apicBase) return;
  sregs.apic_base = apicBase;
  cpu.touch(SET.SREGS);
}

function special(cpu: KvmCpu): KvmCpu["sregs"] {
  cpu.load(SET.SREGS);
  return cpu.sregs;
}

function readState(cpu: KvmCpu): CpuState {
  cpu.complete();
  cpu.load(SET.REGS | SET.SREGS);
  const state = stateFrom(cpu.regs, cpu.sregs);
  if (cpu.machine.irqchip === "user") state.cr8 = BigInt(cpu.page.cr8);
  return state;
}

function writeState(cpu: KvmCpu, state: CpuState): void {
  cpu.abandon();
  cpu.load(ALL_SETS);
  stateInto(state, cpu.regs, cpu.sregs);
  clearEvents(cpu.events);
  setCr8(cpu, Number(state.cr8));
  cpu.page.readyForInterrupt = false;
  cpu.touch(ALL_SETS);
}

function adoptState(
  cpu: KvmCpu,
  state: CpuState,
  { shadow, nmiBlocked }: { shadow: "none" | "sti" | "mov-ss"; nmiBlocked: boolean },
): void {
  cpu.complete();
  cpu.load(ALL_SETS);
  stateInto(state, cpu.regs, cpu.sregs);
  setCr8(cpu, Number(state.cr8));
  cpu.events.interrupt.shadow = SHADOWS[shadow];
  cpu.events.nmi.masked = nmiBlocked ? 1 : 0;
  cpu.events.flags |= VCPUEVENT_VALID.SHADOW;
  cpu.page.readyForInterrupt = shadow === "none" && (state.rflags & BigInt(RFLAGS.IF)) !== 0n;
  cpu.touch(ALL_SETS);
}

const SHADOWS = { none: 0, sti: X86_SHADOW_INT.STI, "mov-ss": X86_SHADOW_INT.MOV_SS } as const;
/** As {@linkcode writeState}, but what is on its way stays. */
function changeState(cpu: KvmCpu, state: CpuState): void {
  cpu.complete();
  cpu.load(SET.REGS | SET.SREGS);
  stateInto(state, cpu.regs, cpu.sregs);
  setCr8(cpu, Number(state.cr8));
  cpu.touch(SET.REGS | SET.SREGS);
}

const VECTOR_DB = 1;

function setDr6(cpu: KvmCpu, bits: bigint): void {
  const bytes = getState(cpu.vcpu, "DEBUGREGS");
  const view = DEBUGREGS.view(bytes);
  view.dr6 = view.dr6 & ~0xfn | bits;
  setState(cpu.vcpu, "DEBUGREGS", bytes);
}

function inject(cpu: KvmCpu, event: CpuEvent, byRegisters: boolean): void {
  switch (event.kind) {
    case "interrupt":
      // One at a time: KVM says at the next exit when it takes another.
      cpu.page.readyForInterrupt = false;
      // With an APIC in KVM the vector is the PIC's, which KVM merges with its own: that takes the request.
      if (cpu.machine.irqchip !== "user" || !byRegisters && !cpu.changed(SET.EVENTS)) {
        cpu.flush(SET.EVENTS);
        cpu.vcpu.interrupt(event.vector);
        return cpu.forget(SET.EVENTS);
      }
      cpu.load(SET.EVENTS);
      Object.assign(cpu.events.interrupt, { injected: 1, nr: event.vector, soft: 0 });
      return cpu.touch(SET.EVENTS);
    case "nmi":
      // As a request of its own, since KVM counts a second one that comes while the first is handled.
      cpu.flush(SET.EVENTS);
      cpu.vcpu.callInt("NMI", 0);
      return cpu.forget(SET.EVENTS);
    case "exception": {
      cpu.complete();
      cpu.load(SET.EVENTS);
      const { vector: nr, errorCode } = event;
      Object.assign(cpu.events.exception, {
        injected: 1,
        pending: 0,
        nr,
        has_error_code: errorCode === undefined ? 0 : 1,
        error_code: errorCode ?? 0,
      });
      return cpu.touch(SET.EVENTS);
    }
  }
}

function blocked(cpu: KvmCpu, kind: CpuEvent["kind"]): number {
  cpu.complete();
  cpu.load(SET.EVENTS | SET.REGS);
  const { exception, interrupt, nmi } = cpu.events;
  let reasons = 0;
  if (exception.injected !== 0 || exception.pending !== 0) reasons |= BLOCKED.PENDING;
  if (kind === "exception") return reasons;
  if (interrupt.injected !== 0) reasons |= BLOCKED.PENDING;
  // STI holds back interrupts alone, MOV SS all: [SDM] vol. 3A, 7.8.3.
  const shadows = kind === "nmi" ? X86_SHADOW_INT.MOV_SS : X86_SHADOW_INT.MOV_SS | X86_SHADOW_INT.STI;
  if ((interrupt.shadow & shadows) !== 0) reasons |= BLOCKED.SHADOW;
  if (kind === "nmi") {
    if (nmi.masked !== 0) reasons |= BLOCKED.NMI;
    if (nmi.injected !== 0 || nmi.pending !== 0) reasons |= BLOCKED.PENDING;
  } else if ((cpu.regs.rflags & BigInt(RFLAGS.IF)) === 0n) reasons |= BLOCKED.FLAGS;
  return reasons;
}

/** True in 64-bit code, where addresses have no segment base. */
function is64Bit(cpu: KvmCpu): boolean {
  const sregs = special(cpu);
  return (sregs.efer & BigInt(EFER.LMA)) !== 0n && sregs.cs.l !== 0;
}

function skipInstruction(cpu: KvmCpu, length: number): void {
  cpu.complete();
  cpu.load(ALL_SETS);
  cpu.regs.rip = BigInt.asUintN(is64Bit(cpu) ? 64 : 32, cpu.regs.rip + BigInt(length));
  cpu.regs.rflags &= ~BigInt(RFLAGS.RF);
  if (cpu.events.interrupt.shadow !== 0) {
    cpu.events.interrupt.shadow = 0;
    cpu.touch(SET.EVENTS);
  }
  cpu.touch(SET.REGS);
}

function instructionBytes(cpu: KvmCpu): Uint8Array {
  if (cpu.failedBytes.length > 0) return cpu.failedBytes;
  cpu.load(SET.REGS | SET.SREGS);
  const linear = is64Bit(cpu)
    ? cpu.regs.rip
    : BigInt.asUintN(32, cpu.sregs.cs.base + BigInt.asUintN(32, cpu.regs.rip));
  const inPage = PAGE_SIZE - Number(linear % BigInt(PAGE_SIZE));
  const first = linearBytes(cpu, linear, Math.min(MAX_INSTRUCTION, inPage));
  if (first.length < inPage || inPage >= MAX_INSTRUCTION) return first;
  const second = linearBytes(cpu, linear + BigInt(inPage), MAX_INSTRUCTION - inPage);
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** Bytes within one page at a linear address; none when it is not mapped. */
function linearBytes(cpu: KvmCpu, linear: bigint, length: number): Uint8Array {
  try {
    cpu.flush();
    const gpa = translate(cpu.vcpu, linear);
    return gpa < 0 ? NO_BYTES : cpu.machine.memory.read(gpa, length);
  } catch (error) {
    // This only decorates a diagnosis; a host that cannot translate has none.
    if (error instanceof HostError) return NO_BYTES;
    throw error;
  }
}
