/**
 * Numbers of the KVM interface on x86-64: ioctl requests computed from direction, number and argument size,
 * capabilities, exit reasons and flags, each named as the kernel's header names it without the `KVM_`.
 *
 * The test "every number of the ABI is the kernel's" compares all of them with the header.
 *
 * Sources: [KVM] Linux Documentation/virt/kvm/api.rst; linux/kvm.h and asm/kvm.h; [ioctl] asm-generic/ioctl.h.
 * @module
 */

import * as S from "./abi_structs.ts";

/** The only version of the interface there has been since Linux 2.6.22. */
export const API_VERSION = 12;

/** The type byte of every KVM request. */
const KVMIO = 0xae;
const NONE = 0;
const WRITE = 1;
const READ = 2;

/** A request number: direction in bits 30-31, size in 16-29, type in 8-15, number in 0-7. [ioctl] */
function request(direction: number, number: number, size: number): number {
  return (direction << 30 | size << 16 | KVMIO << 8 | number) >>> 0;
}
const io = (number: number) => request(NONE, number, 0);
const ior = (number: number, { size }: { size: number }) => request(READ, number, size);
const iow = (number: number, { size }: { size: number }) => request(WRITE, number, size);
const iowr = (number: number, { size }: { size: number }) => request(READ | WRITE, number, size);
const U64 = { size: 8 };

/** ioctl requests. */
export const IOCTL = {
  GET_API_VERSION: io(0x00),
  CREATE_VM: io(0x01),
  GET_MSR_INDEX_LIST: iowr(0x02, S.MSR_LIST),
  CHECK_EXTENSION: io(0x03),
  GET_VCPU_MMAP_SIZE: io(0x04),
  GET_SUPPORTED_CPUID: iowr(0x05, S.CPUID2),
  GET_EMULATED_CPUID: iowr(0x09, S.CPUID2),
  GET_MSR_FEATURE_INDEX_LIST: iowr(0x0a, S.MSR_LIST),
  CREATE_VCPU: io(0x41),
  GET_DIRTY_LOG: iow(0x42, S.DIRTY_LOG),
  SET_USER_MEMORY_REGION: iow(0x46, S.MEMORY_REGION),
  SET_TSS_ADDR: io(0x47),
  SET_IDENTITY_MAP_ADDR: iow(0x48, U64),
  CREATE_IRQCHIP: io(0x60),
  IRQ_LINE: iow(0x61, S.IRQ_LEVEL),
  GET_IRQCHIP: iowr(0x62, S.IRQCHIP),
  SET_IRQCHIP: ior(0x63, S.IRQCHIP),
  REGISTER_COALESCED_MMIO: iow(0x67, S.COALESCED_ZONE),
  UNREGISTER_COALESCED_MMIO: iow(0x68, S.COALESCED_ZONE),
  SET_GSI_ROUTING: iow(0x6a, S.ROUTING),
  REINJECT_CONTROL: io(0x71),
  IRQFD: iow(0x76, S.IRQFD),
  CREATE_PIT2: iow(0x77, S.PIT_CONFIG),
  SET_BOOT_CPU_ID: io(0x78),
  IOEVENTFD: iow(0x79, S.IOEVENTFD),
  SET_CLOCK: iow(0x7b, S.CLOCK_DATA),
  GET_CLOCK: ior(0x7c, S.CLOCK_DATA),
  RUN: io(0x80),
  GET_REGS: ior(0x81, S.REGS),
  SET_REGS: iow(0x82, S.REGS),
  GET_SREGS: ior(0x83, S.SREGS),
  SET_SREGS: iow(0x84, S.SREGS),
  TRANSLATE: iowr(0x85, S.TRANSLATION),
  INTERRUPT: iow(0x86, S.INTERRUPT),
  GET_MSRS: iowr(0x88, S.MSRS),
  SET_MSRS: iow(0x89, S.MSRS),
  SET_SIGNAL_MASK: iow(0x8b, S.SIGNAL_MASK),
  GET_FPU: ior(0x8c, S.FPU),
  SET_FPU: iow(0x8d, S.FPU),
  GET_LAPIC: ior(0x8e, S.LAPIC_STATE),
  SET_LAPIC: iow(0x8f, S.LAPIC_STATE),
  SET_CPUID2: iow(0x90, S.CPUID2),
  GET_CPUID2: iowr(0x91, S.CPUID2),
  GET_MP_STATE: ior(0x98, S.MP_STATE_ARG),
  SET_MP_STATE: iow(0x99, S.MP_STATE_ARG),
  NMI: io(0x9a),
  SET_GUEST_DEBUG: iow(0x9b, S.GUEST_DEBUG),
  GET_PIT2: ior(0x9f, S.PIT_STATE2),
  SET_PIT2: iow(0xa0, S.PIT_STATE2),
  GET_VCPU_EVENTS: ior(0x9f, S.VCPU_EVENTS),
  SET_VCPU_EVENTS: iow(0xa0, S.VCPU_EVENTS),
  GET_DEBUGREGS: ior(0xa1, S.DEBUGREGS),
  SET_DEBUGREGS: iow(0xa2, S.DEBUGREGS),
  SET_TSC_KHZ: io(0xa2),
  GET_TSC_KHZ: io(0xa3),
  ENABLE_CAP: iow(0xa3, S.ENABLE_CAP),
  GET_XSAVE: ior(0xa4, S.XSAVE),
  SET_XSAVE: iow(0xa5, S.XSAVE),
  SIGNAL_MSI: iow(0xa5, S.MSI),
  GET_XCRS: ior(0xa6, S.XCRS),
  SET_XCRS: iow(0xa7, S.XCRS),
  KVMCLOCK_CTRL: io(0xad),
  CLEAR_DIRTY_LOG: iowr(0xc0, S.CLEAR_DIRTY_LOG),
  X86_SET_MSR_FILTER: iow(0xc6, S.MSR_FILTER),
  GET_SREGS2: ior(0xcc, S.SREGS2),
  SET_SREGS2: iow(0xcd, S.SREGS2),
  GET_XSAVE2: ior(0xcf, S.XSAVE),
} as const;
/** The name of a request, as `CREATE_VM`. */
export type IoctlName = keyof typeof IOCTL;

/** Capabilities asked for with KVM_CHECK_EXTENSION. */
export const CAP = {
  IRQCHIP: 0,
  USER_MEMORY: 3,
  SET_TSS_ADDR: 4,
  EXT_CPUID: 7,
  NR_VCPUS: 9,
  NR_MEMSLOTS: 10,
  MP_STATE: 14,
  COALESCED_MMIO: 15,
  USER_NMI: 22,
  SET_GUEST_DEBUG: 23,
  REINJECT_CONTROL: 24,
  IRQ_ROUTING: 25,
  IRQFD: 32,
  PIT2: 33,
  SET_BOOT_CPU_ID: 34,
  PIT_STATE2: 35,
  IOEVENTFD: 36,
  SET_IDENTITY_MAP_ADDR: 37,
  ADJUST_CLOCK: 39,
  INTERNAL_ERROR_DATA: 40,
  VCPU_EVENTS: 41,
  INTR_SHADOW: 49,
  DEBUGREGS: 50,
  XSAVE: 55,
  XCRS: 56,
  TSC_CONTROL: 60,
  GET_TSC_KHZ: 61,
  MAX_VCPUS: 66,
  TSC_DEADLINE_TIMER: 72,
  SYNC_REGS: 74,
  KVMCLOCK_CTRL: 76,
  SIGNAL_MSI: 77,
  READONLY_MEM: 81,
  IRQFD_RESAMPLE: 82,
  ENABLE_CAP_VM: 98,
  CHECK_EXTENSION_VM: 105,
  DISABLE_QUIRKS: 116,
  X86_SMM: 117,
  SPLIT_IRQCHIP: 121,
  MAX_VCPU_ID: 128,
  X2APIC_API: 129,
  IMMEDIATE_EXIT: 136,
  X86_DISABLE_EXITS: 143,
  NESTED_STATE: 157,
  COALESCED_PIO: 162,
  EXCEPTION_PAYLOAD: 164,
  MANUAL_DIRTY_LOG_PROTECT2: 168,
  HALT_POLL: 182,
  X86_USER_SPACE_MSR: 188,
  X86_MSR_FILTER: 189,
  DIRTY_LOG_RING: 192,
  SREGS2: 200,
  EXIT_HYPERCALL: 201,
  EXIT_ON_EMULATION_FAILURE: 204,
  VM_GPA_BITS: 207,
  XSAVE2: 208,
  DISABLE_QUIRKS2: 213,
  VM_TSC_CONTROL: 214,
  X86_TRIPLE_FAULT_EVENT: 218,
  X86_NOTIFY_VMEXIT: 219,
} as const;
/** The name of a capability, as `SYNC_REGS`. */
export type CapName = keyof typeof CAP;

/** Why KVM_RUN returned. */
export const EXIT_REASON = {
  UNKNOWN: 0,
  EXCEPTION: 1,
  IO: 2,
  HYPERCALL: 3,
  DEBUG: 4,
  HLT: 5,
  MMIO: 6,
  IRQ_WINDOW_OPEN: 7,
  SHUTDOWN: 8,
  FAIL_ENTRY: 9,
  INTR: 10,
  SET_TPR: 11,
  TPR_ACCESS: 12,
  NMI: 16,
  INTERNAL_ERROR: 17,
  WATCHDOG: 21,
  SYSTEM_EVENT: 24,
  IOAPIC_EOI: 26,
  HYPERV: 27,
  X86_RDMSR: 29,
  X86_WRMSR: 30,
  DIRTY_RING_FULL: 31,
  AP_RESET_HOLD: 32,
  X86_BUS_LOCK: 33,
  XEN: 34,
  NOTIFY: 37,
} as const;

/** Suberrors of EXIT_INTERNAL_ERROR. */
export const INTERNAL_ERROR = {
  EMULATION: 1,
  SIMUL_EX: 2,
  DELIVERY_EV: 3,
  UNEXPECTED_EXIT_REASON: 4,
} as const;
/** `emulation_failure.flags`: the instruction's bytes are there. */
export const EMULATION_FLAG_INSTRUCTION_BYTES = 1;

/** `io.direction`. */
export const EXIT_IO = { IN: 0, OUT: 1 } as const;
/** Why an MSR access came to user space; also the argument of CAP_X86_USER_SPACE_MSR. */
export const MSR_EXIT_REASON = { INVAL: 1 << 0, UNKNOWN: 1 << 1, FILTER: 1 << 2 } as const;
/** `kvm_msr_filter_range.flags`. */
export const MSR_FILTER_ACCESS = { READ: 1 << 0, WRITE: 1 << 1 } as const;
/** `kvm_msr_filter.flags`. */
export const MSR_FILTER_DEFAULT = { ALLOW: 0, DENY: 1 } as const;
export const SYSTEM_EVENT = {
  SHUTDOWN: 1,
  RESET: 2,
  CRASH: 3,
  WAKEUP: 4,
  SUSPEND: 5,
  SEV_TERM: 6,
} as const;

/** `kvm_userspace_memory_region.flags`. */
export const MEM = { LOG_DIRTY_PAGES: 1 << 0, READONLY: 1 << 1 } as const;
/** `kvm_valid_regs` and `kvm_dirty_regs`. */
export const SYNC_X86 = { REGS: 1 << 0, SREGS: 1 << 1, EVENTS: 1 << 2 } as const;
/** `kvm_mp_state`. */
export const MP_STATE = {
  RUNNABLE: 0,
  UNINITIALIZED: 1,
  INIT_RECEIVED: 2,
  HALTED: 3,
  SIPI_RECEIVED: 4,
} as const;
/** `kvm_vcpu_events.flags`: which members a SET takes. */
export const VCPUEVENT_VALID = {
  NMI_PENDING: 1 << 0,
  SIPI_VECTOR: 1 << 1,
  SHADOW: 1 << 2,
  SMM: 1 << 3,
  PAYLOAD: 1 << 4,
  TRIPLE_FAULT: 1 << 5,
} as const;
/** `kvm_vcpu_events.interrupt.shadow`. */
export const X86_SHADOW_INT = { MOV_SS: 1 << 0, STI: 1 << 1 } as const;
/** `kvm_run.flags`. */
export const RUN_X86 = { SMM: 1 << 0, BUS_LOCK: 1 << 1 } as const;
/** Chips of KVM_GET_IRQCHIP and of routes. */
export const IRQCHIP_ID = { PIC_MASTER: 0, PIC_SLAVE: 1, IOAPIC: 2 } as const;
/** `kvm_irq_routing_entry.type`. */
export const IRQ_ROUTING = { IRQCHIP: 1, MSI: 2 } as const;
/** Pins of KVM's IOAPIC. */
export const IOAPIC_NUM_PINS = 24;
/** `kvm_pit_config.flags`: port 61h is KVM's too. */
export const PIT_SPEAKER_DUMMY = 1;
/** `kvm_pit_state2.flags`. */
export const PIT_FLAGS = { HPET_LEGACY: 1 << 0, SPEAKER_DATA_ON: 1 << 1 } as const;
/** `kvm_irqfd.flags`. */
export const IRQFD_FLAG = { DEASSIGN: 1 << 0, RESAMPLE: 1 << 1 } as const;
/** `kvm_ioeventfd.flags`. */
export const IOEVENTFD_FLAG = { DATAMATCH: 1 << 0, PIO: 1 << 1, DEASSIGN: 1 << 2 } as const;
/** `kvm_clock_data.flags`. */
export const CLOCK = { TSC_STABLE: 2, REALTIME: 1 << 2, HOST_TSC: 1 << 3 } as const;
/** `kvm_guest_debug.control`. */
export const GUESTDBG = {
  ENABLE: 0x1,
  SINGLESTEP: 0x2,
  USE_SW_BP: 0x10000,
  USE_HW_BP: 0x20000,
  INJECT_DB: 0x40000,
  INJECT_BP: 0x80000,
  BLOCKIRQ: 0x100000,
} as const;
/** Arguments of CAP_DISABLE_QUIRKS2. */
export const X86_QUIRK = {
  LINT0_REENABLED: 1 << 0,
  CD_NW_CLEARED: 1 << 1,
  LAPIC_MMIO_HOLE: 1 << 2,
  OUT_7E_INC_RIP: 1 << 3,
  MISC_ENABLE_NO_MWAIT: 1 << 4,
  FIX_HYPERCALL_INSN: 1 << 5,
  MWAIT_NEVER_UD_FAULTS: 1 << 6,
} as const;
/** Arguments of CAP_X2APIC_API. */
export const X2APIC_API = { USE_32BIT_IDS: 1 << 0, DISABLE_BROADCAST_QUIRK: 1 << 1 } as const;
/** `kvm_cpuid_entry2.flags`: `index` (ECX) chooses among entries of one function. */
export const CPUID_FLAG_SIGNIFCANT_INDEX = 1;
/** Pages of a vCPU's mapping. */
export const PIO_PAGE_OFFSET = 1;
export const COALESCED_MMIO_PAGE_OFFSET = 2;
