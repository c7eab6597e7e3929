/**
 * A bare machine for the tests of this folder: 1 MiB of memory, one processor, a program in one of three modes.
 * @module
 */

import { Asm } from "../testing/asm.ts";
import type { CpuidEntry } from "../kvm/cpuid_list.ts";
import { KvmSystem } from "../kvm/system.ts";
import { mapAnonymous } from "../sys/memory.ts";
import { monotonicNs } from "../sys/timers.ts";
import {
  type CpuState,
  CR0,
  CR4,
  EFER,
  flatSegment,
  realModeSegment,
  resetState,
  SEGMENT_TYPE,
  systemSegment,
} from "../x86/state.ts";
import type { KvmCpu } from "./kvm_cpu.ts";
import { emptyExit } from "./kvm_exits.ts";
import { attachMachine, closeMachine, createMachine, type KvmMachine } from "./kvm_machine.ts";
import { setCpuid } from "./kvm_shared.ts";
import type { Exit, IrqchipMode, VendorCaps, VendorOps } from "./ops.ts";
import { type KvmProbe, probeKvm, supportedCpuid } from "./probe.ts";
import { kvmTableFor } from "./table.ts";
import type { MsrRange } from "../kvm/vm_extras.ts";

/** Longer than any test runs. */
const GUARD_NS = 10e9;

/** Where programs start, the stack ends, and tables are. */
export const AT = {
  STACK: 0x7000,
  CODE: 0x8000,
  IDT: 0x9800,
  TABLES: 0x10000,
  GDT: 0x20000,
  TSS: 0x21000,
  RING0_STACK: 0x23000,
  RAM_END: 0x100000,
} as const;

export interface GuestOptions {
  readonly mode?: "real" | "flat" | "long";
  readonly irqchip?: IrqchipMode;
  /** Facts to pretend, as a host without KVM_CAP_SYNC_REGS. */
  readonly caps?: Partial<VendorCaps>;
  readonly msrExits?: readonly MsrRange[];
  readonly exitOnUserFailure?: boolean;
  /** Memory of the caller's in place of the rig's own, {@linkcode AT.RAM_END} bytes. */
  readonly memory?: { readonly bytes: Uint8Array<ArrayBuffer>; readonly address: number };
  /** Leaves in place of all that KVM supports. */
  readonly cpuid?: (supported: readonly CpuidEntry[]) => CpuidEntry[];
}

export interface Guest {
  readonly ops: VendorOps<KvmCpu, KvmMachine>;
  readonly machine: KvmMachine;
  readonly cpu: KvmCpu;
  readonly exit: Exit;
  readonly ram: Uint8Array<ArrayBuffer>;
  readonly labels: Asm;
  /** Runs to the next exit and returns the one record. */
  run(): Exit;
  [Symbol.dispose](): void;
}

let probed: KvmProbe | undefined;
/** The facts of this host. */
export function hostProbe(): KvmProbe {
  return probed ??= probeKvm();
}

/** The state a program starts with. */
export function startState(mode: "real" | "flat" | "long"): CpuState {
  const state = resetState();
  state.rip = BigInt(AT.CODE);
  state.gpr[4] = BigInt(AT.STACK);
  if (mode === "real") return { ...state, cs: realModeSegment(0, SEGMENT_TYPE.CODE_XR_ACCESSED), cr0: 0x10n };
  const data = flatSegment(0x10, SEGMENT_TYPE.DATA_RW_ACCESSED);
  const long = mode === "long";
  return {
    ...state,
    cs: flatSegment(8, SEGMENT_TYPE.CODE_XR_ACCESSED, { long }),
    ds: data,
    es: { ...data },
    fs: { ...data },
    gs: { ...data },
    ss: { ...data },
    gdt: { base: BigInt(AT.GDT), limit: 0x17 },
    idt: { base: BigInt(AT.IDT), limit: 0xfff },
    cr0: BigInt(CR0.PE | CR0.ET | CR0.NE) | (long ? BigInt(CR0.PG) : 0n),
    cr3: long ? BigInt(AT.TABLES) : 0n,
    cr4: long ? BigInt(CR4.PAE) : 0n,
    efer: long ? BigInt(EFER.LME | EFER.LMA) : 0n,
  };
}

/** Identity tables of 2 MiB pages for the first 4 GiB, and a GDT with a 64-bit code and a data segment. */
function fillTables(ram: Uint8Array<ArrayBuffer>): void {
  const words = new DataView(ram.buffer, ram.byteOffset, ram.byteLength);
  const put = (at: number, value: bigint) => words.setBigUint64(at, value, true);
  put(AT.TABLES, BigInt(AT.TABLES + 0x1000) | 7n);
  for (let g = 0; g < 4; g++) {
    put(AT.TABLES + 0x1000 + g * 8, BigInt(AT.TABLES + 0x2000 + g * 0x1000) | 7n);
    for (let i = 0; i < 512; i++) {
      put(AT.TABLES + 0x2000 + g * 0x1000 + i * 8, BigInt(g * 512 + i) << 21n | 0x87n);
    }
  }
  put(AT.GDT + 8, 0x00af9b000000ffffn);
  put(AT.GDT + 16, 0x00cf93000000ffffn);
  put(AT.GDT + 24, 0x00affb000000ffffn);
  put(AT.GDT + 32, 0x00cff3000000ffffn);
  // The stack for interrupts taken in ring 3. [SDM] vol. 3A, 8.7
  put(AT.TSS + 4, BigInt(AT.RING0_STACK));
  words.setUint16(AT.TSS + 0x66, 0x68, true); // no I/O permission bitmap
}

/** 64-bit user code at `label` with its own stack, IOPL 3, and a task state for the way back to ring 0. */
export function userState(guest: Guest, label: string): CpuState {
  const state = startState("long");
  const data = { ...flatSegment(0x23, SEGMENT_TYPE.DATA_RW_ACCESSED), dpl: 3 };
  return {
    ...state,
    rip: BigInt(guest.labels.addressOf(label)!),
    rflags: 0x3002n,
    cs: { ...flatSegment(0x1b, SEGMENT_TYPE.CODE_XR_ACCESSED, { long: true }), dpl: 3 },
    ss: data,
    ds: { ...data },
    es: { ...data },
    tr: systemSegment(0x28, SEGMENT_TYPE.TSS_BUSY, BigInt(AT.TSS), 0x67),
    gdt: { base: BigInt(AT.GDT), limit: 0x27 },
  };
}

/** Puts a 64-bit interrupt gate for `vector` to `handler` into the IDT. [SDM] vol. 3A, 6.14.1 */
export function setGate64(guest: Guest, vector: number, handler: string): void {
  const address = BigInt(guest.labels.addressOf(handler)!);
  const words = new DataView(guest.ram.buffer, guest.ram.byteOffset + AT.IDT + vector * 16);
  words.setBigUint64(0, address & 0xffffn | 0x8n << 16n | 0x8e00n << 32n | (address >> 16n) << 48n, true);
  words.setBigUint64(8, address >> 32n, true);
}

/** Puts `handler` into the real-mode vector table. */
export function setVector16(guest: Guest, vector: number, handler: string): void {
  new DataView(guest.ram.buffer, guest.ram.byteOffset).setUint32(
    vector * 4,
    guest.labels.addressOf(handler)!,
    true,
  );
}

/** Builds the machine and puts `program` at its start address. */
export function guest(program: (a: Asm) => void, options: GuestOptions = {}): Guest {
  const mode = options.mode ?? "real";
  const { vendor, caps } = hostProbe();
  const ops = kvmTableFor({ ...caps, ...options.caps });
  const system = KvmSystem.open();
  const handle = createMachine(system, {
    vendor,
    irqchip: options.irqchip ?? "user",
    identityMap: 0xfffbc000,
    taskState: 0xfffbd000,
    ...(options.msrExits === undefined ? {} : { msrExits: options.msrExits }),
    ...(options.exitOnUserFailure === undefined ? {} : { exitOnUserFailure: options.exitOnUserFailure }),
  });
  system.close();
  const own = options.memory === undefined ? mapAnonymous(AT.RAM_END) : undefined;
  const mapping = options.memory ?? own!;
  const ram = mapping.bytes;
  const machine = attachMachine(handle, {
    read: (gpa, length) => ram.slice(gpa, gpa + length),
    write: (gpa, bytes) => ram.set(bytes, gpa),
  });
  machine.vm.setMemory({ slot: 0, gpa: 0, length: AT.RAM_END, address: mapping.address });
  const labels = new Asm({ origin: AT.CODE, bits: mode === "real" ? 16 : mode === "flat" ? 32 : 64 });
  program(labels);
  ram.set(labels.assemble(), AT.CODE);
  fillTables(ram);
  const cpu = ops.construct(machine, 0);
  const supported = supportedCpuid();
  setCpuid(cpu, options.cpuid?.(supported) ?? supported);
  ops.writeState(cpu, startState(mode));
  // A guest that never exits fails its test in place of hanging it; tests with alarms of their own move this one.
  cpu.kick.setAlarm(monotonicNs() + GUARD_NS);
  const exit = emptyExit();
  return {
    ops,
    machine,
    cpu,
    exit,
    ram,
    labels,
    run() {
      ops.run(cpu, exit);
      return exit;
    },
    [Symbol.dispose]() {
      ops.relinquish(cpu);
      closeMachine(handle);
      own?.unmap();
    },
  };
}
