/**
 * The structures of the KVM interface on x86-64, members named as the kernel's header names them.
 *
 * The test "every structure of the ABI has the kernel's size and offsets" compares all of them with the header.
 *
 * Sources: [KVM] Linux Documentation/virt/kvm/api.rst; linux/kvm.h and asm/kvm.h of the kernel's user-space interface.
 * @module
 */

import {
  addr64,
  aligned,
  array,
  bytes,
  type FieldType,
  i32,
  i64,
  struct,
  u16,
  u32,
  u64,
  u8,
} from "../base/layout.ts";

const u64x = (length: number) => array(u64, length);
const u32x = (length: number) => array(u32, length);

/** KVM_GET_REGS, KVM_SET_REGS. */
export const REGS = struct("kvm_regs", {
  rax: u64,
  rbx: u64,
  rcx: u64,
  rdx: u64,
  rsi: u64,
  rdi: u64,
  rsp: u64,
  rbp: u64,
  r8: u64,
  r9: u64,
  r10: u64,
  r11: u64,
  r12: u64,
  r13: u64,
  r14: u64,
  r15: u64,
  rip: u64,
  rflags: u64,
}, { size: 144 });

/** A segment register with its hidden part. */
export const SEGMENT = struct("kvm_segment", {
  base: u64,
  limit: u32,
  selector: u16,
  type: u8,
  present: u8,
  dpl: u8,
  db: u8,
  s: u8,
  l: u8,
  g: u8,
  avl: u8,
  unusable: u8,
  padding: u8,
}, { size: 24 });

/** GDTR or IDTR. */
export const DTABLE = struct("kvm_dtable", { base: u64, limit: u16, padding: array(u16, 3) }, { size: 16 });

const SPECIAL = {
  cs: SEGMENT,
  ds: SEGMENT,
  es: SEGMENT,
  fs: SEGMENT,
  gs: SEGMENT,
  ss: SEGMENT,
  tr: SEGMENT,
  ldt: SEGMENT,
  gdt: DTABLE,
  idt: DTABLE,
  cr0: u64,
  cr2: u64,
  cr3: u64,
  cr4: u64,
  cr8: u64,
  efer: u64,
  apic_base: u64,
} as const;

/** KVM_GET_SREGS, KVM_SET_SREGS. */
export const SREGS = struct("kvm_sregs", { ...SPECIAL, interrupt_bitmap: u64x(4) }, { size: 312 });

/** KVM_GET_SREGS2, KVM_SET_SREGS2: no interrupt bitmap, but the PDPTRs. */
export const SREGS2 = struct("kvm_sregs2", { ...SPECIAL, flags: u64, pdptrs: u64x(4) }, { size: 320 });

/** KVM_GET_FPU, KVM_SET_FPU. */
export const FPU = struct("kvm_fpu", {
  fpr: bytes(128),
  fcw: u16,
  fsw: u16,
  ftwx: u8,
  pad1: u8,
  last_opcode: u16,
  last_ip: u64,
  last_dp: u64,
  xmm: bytes(256),
  mxcsr: u32,
  pad2: u32,
}, { size: 416 });

/** The head of `kvm_msrs`; {@linkcode MSR_ENTRY} follows `nmsrs` times. */
export const MSRS = struct("kvm_msrs", { nmsrs: u32, pad: u32 }, { size: 8 });
export const MSR_ENTRY = struct("kvm_msr_entry", { index: u32, reserved: u32, data: u64 }, { size: 16 });
/** The head of `kvm_msr_list`; `nmsrs` 32-bit indices follow. */
export const MSR_LIST = struct("kvm_msr_list", { nmsrs: u32 }, { size: 4 });

/** The head of `kvm_cpuid2`; {@linkcode CPUID_ENTRY} follows `nent` times. */
export const CPUID2 = struct("kvm_cpuid2", { nent: u32, padding: u32 }, { size: 8 });
export const CPUID_ENTRY = struct("kvm_cpuid_entry2", {
  function: u32,
  index: u32,
  flags: u32,
  eax: u32,
  ebx: u32,
  ecx: u32,
  edx: u32,
  padding: u32x(3),
}, { size: 40 });

const EXCEPTION_EVENT = struct("exception", {
  injected: u8,
  nr: u8,
  has_error_code: u8,
  pending: u8,
  error_code: u32,
});
const INTERRUPT_EVENT = struct("interrupt", { injected: u8, nr: u8, soft: u8, shadow: u8 });
const NMI_EVENT = struct("nmi", { injected: u8, pending: u8, masked: u8, pad: u8 });
const SMI_EVENT = struct("smi", { smm: u8, pending: u8, smm_inside_nmi: u8, latched_init: u8 });

/** KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS. */
export const VCPU_EVENTS = struct("kvm_vcpu_events", {
  exception: EXCEPTION_EVENT,
  interrupt: INTERRUPT_EVENT,
  nmi: NMI_EVENT,
  sipi_vector: u32,
  flags: u32,
  smi: SMI_EVENT,
  triple_fault: struct("triple_fault", { pending: u8 }),
  reserved: bytes(26),
  exception_has_payload: u8,
  exception_payload: u64,
}, { size: 64 });

/** KVM_GET_MP_STATE, KVM_SET_MP_STATE. */
export const MP_STATE_ARG = struct("kvm_mp_state", { mp_state: u32 }, { size: 4 });
/** KVM_GET_LAPIC, KVM_SET_LAPIC: the register page. */
export const LAPIC_STATE = struct("kvm_lapic_state", { regs: bytes(1024) }, { size: 1024 });
/** KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS. */
export const DEBUGREGS = struct("kvm_debugregs", {
  db: u64x(4),
  dr6: u64,
  dr7: u64,
  flags: u64,
  reserved: u64x(9),
}, { size: 128 });
/** KVM_GET_XSAVE, KVM_SET_XSAVE; KVM_GET_XSAVE2 appends what KVM_CAP_XSAVE2 says. */
export const XSAVE = struct("kvm_xsave", { region: u32x(1024) }, { size: 4096 });
export const XCR = struct("kvm_xcr", { xcr: u32, reserved: u32, value: u64 }, { size: 16 });
/** KVM_GET_XCRS, KVM_SET_XCRS. */
export const XCRS = struct("kvm_xcrs", {
  nr_xcrs: u32,
  flags: u32,
  xcrs: array(XCR, 16),
  padding: u64x(16),
}, { size: 392 });

/** KVM_SET_USER_MEMORY_REGION. */
export const MEMORY_REGION = struct("kvm_userspace_memory_region", {
  slot: u32,
  flags: u32,
  guest_phys_addr: addr64,
  memory_size: addr64,
  userspace_addr: addr64,
}, { size: 32 });
/** KVM_GET_DIRTY_LOG. */
export const DIRTY_LOG = struct("kvm_dirty_log", { slot: u32, padding1: u32, dirty_bitmap: addr64 }, {
  size: 16,
});
/** KVM_CLEAR_DIRTY_LOG. */
export const CLEAR_DIRTY_LOG = struct("kvm_clear_dirty_log", {
  slot: u32,
  num_pages: u32,
  first_page: addr64,
  dirty_bitmap: addr64,
}, { size: 24 });
/** KVM_TRANSLATE. */
export const TRANSLATION = struct("kvm_translation", {
  linear_address: u64,
  physical_address: u64,
  valid: u8,
  writeable: u8,
  usermode: u8,
  pad: bytes(5),
}, { size: 24 });

/** KVM_IRQ_LINE. */
export const IRQ_LEVEL = struct("kvm_irq_level", { irq: u32, level: u32 }, { size: 8 });
/** KVM_INTERRUPT. */
export const INTERRUPT = struct("kvm_interrupt", { irq: u32 }, { size: 4 });
/** KVM_SIGNAL_MSI. */
export const MSI = struct("kvm_msi", {
  address_lo: u32,
  address_hi: u32,
  data: u32,
  flags: u32,
  devid: u32,
  pad: bytes(12),
}, { size: 32 });

/** The head of `kvm_irq_routing`; {@linkcode ROUTING_ENTRY} follows `nr` times. */
export const ROUTING = struct("kvm_irq_routing", { nr: u32, flags: u32 }, { size: 8 });
/** A route: `u` is {@linkcode ROUTE_IRQCHIP} or {@linkcode ROUTE_MSI}. */
export const ROUTING_ENTRY = struct("kvm_irq_routing_entry", {
  gsi: u32,
  type: u32,
  flags: u32,
  pad: u32,
  u: aligned(bytes(32), 8),
}, { size: 48 });
export const ROUTE_IRQCHIP = struct("kvm_irq_routing_irqchip", { irqchip: u32, pin: u32 }, { size: 8 });
export const ROUTE_MSI = struct("kvm_irq_routing_msi", {
  address_lo: u32,
  address_hi: u32,
  data: u32,
  devid: u32,
}, { size: 16 });

/** One 8259 inside KVM_GET_IRQCHIP. */
export const PIC_STATE = struct("kvm_pic_state", {
  last_irr: u8,
  irr: u8,
  imr: u8,
  isr: u8,
  priority_add: u8,
  irq_base: u8,
  read_reg_select: u8,
  poll: u8,
  special_mask: u8,
  init_state: u8,
  auto_eoi: u8,
  rotate_on_auto_eoi: u8,
  special_fully_nested_mode: u8,
  init4: u8,
  elcr: u8,
  elcr_mask: u8,
}, { size: 16 });
/** The IOAPIC inside KVM_GET_IRQCHIP. */
export const IOAPIC_STATE = struct("kvm_ioapic_state", {
  base_address: u64,
  ioregsel: u32,
  id: u32,
  irr: u32,
  pad: u32,
  redirtbl: u64x(24),
}, { size: 216 });
/** KVM_GET_IRQCHIP, KVM_SET_IRQCHIP. */
export const IRQCHIP = struct("kvm_irqchip", { chip_id: u32, pad: u32, chip: aligned(bytes(512), 8) }, {
  size: 520,
});

/** KVM_CREATE_PIT2. */
export const PIT_CONFIG = struct("kvm_pit_config", { flags: u32, pad: u32x(15) }, { size: 64 });
export const PIT_CHANNEL = struct("kvm_pit_channel_state", {
  count: u32,
  latched_count: u16,
  count_latched: u8,
  status_latched: u8,
  status: u8,
  read_state: u8,
  write_state: u8,
  write_latch: u8,
  rw_mode: u8,
  mode: u8,
  bcd: u8,
  gate: u8,
  count_load_time: i64,
}, { size: 24 });
/** KVM_GET_PIT2, KVM_SET_PIT2. */
export const PIT_STATE2 = struct("kvm_pit_state2", {
  channels: array(PIT_CHANNEL, 3),
  flags: u32,
  reserved: u32x(9),
}, { size: 112 });
/** KVM_REINJECT_CONTROL. */
export const REINJECT_CONTROL = struct(
  "kvm_reinject_control",
  { pit_reinject: u8, reserved: bytes(31) },
  { size: 32 },
);

/** KVM_ENABLE_CAP. */
export const ENABLE_CAP = struct("kvm_enable_cap", { cap: u32, flags: u32, args: u64x(4), pad: bytes(64) }, {
  size: 104,
});
/** One range of an MSR filter. */
export const MSR_FILTER_RANGE = struct("kvm_msr_filter_range", {
  flags: u32,
  nmsrs: u32,
  base: u32,
  bitmap: addr64,
}, { size: 24 });
/** KVM_X86_SET_MSR_FILTER. */
export const MSR_FILTER = struct("kvm_msr_filter", { flags: u32, ranges: array(MSR_FILTER_RANGE, 16) }, {
  size: 392,
});

/** KVM_SET_SIGNAL_MASK's head; the kernel's 8-byte set follows. */
export const SIGNAL_MASK = struct("kvm_signal_mask", { len: u32 }, { size: 4 });
/** KVM_REGISTER_COALESCED_MMIO. */
export const COALESCED_ZONE = struct("kvm_coalesced_mmio_zone", { addr: addr64, size: u32, pio: u32 }, {
  size: 16,
});
/** One entry of the coalesced ring. */
export const COALESCED_ENTRY = struct("kvm_coalesced_mmio", {
  phys_addr: addr64,
  len: u32,
  pio: u32,
  data: bytes(8),
}, { size: 24 });
/** The head of the coalesced ring, at page {@linkcode COALESCED_PAGE} of the vCPU's mapping. */
export const COALESCED_RING = struct("kvm_coalesced_mmio_ring", { first: u32, last: u32 }, { size: 8 });

/** KVM_IRQFD. */
export const IRQFD = struct("kvm_irqfd", {
  fd: i32,
  gsi: u32,
  flags: u32,
  resamplefd: i32,
  pad: bytes(16),
}, { size: 32 });
/** KVM_IOEVENTFD. */
export const IOEVENTFD = struct("kvm_ioeventfd", {
  datamatch: u64,
  addr: addr64,
  len: u32,
  fd: i32,
  flags: u32,
  pad: bytes(36),
}, { size: 64 });
/** KVM_GET_CLOCK, KVM_SET_CLOCK. */
export const CLOCK_DATA = struct("kvm_clock_data", {
  clock: u64,
  flags: u32,
  pad0: u32,
  realtime: u64,
  host_tsc: u64,
  pad: u32x(4),
}, { size: 48 });
/** KVM_SET_GUEST_DEBUG. */
export const GUEST_DEBUG = struct("kvm_guest_debug", { control: u32, pad: u32, debugreg: u64x(8) }, {
  size: 72,
});

/** A member of a union: at offset 0 of it. */
const arm = <F extends Readonly<Record<string, FieldType<unknown>>>>(name: string, fields: F) =>
  struct(name, fields);

/** The arms of the union in `kvm_run`, all at {@linkcode RUN}'s `exit`. */
export const EXIT_ARM = {
  hw: arm("hw", { hardware_exit_reason: u64 }),
  fail_entry: arm("fail_entry", { hardware_entry_failure_reason: u64, cpu: u32 }),
  ex: arm("ex", { exception: u32, error_code: u32 }),
  io: arm("io", { direction: u8, size: u8, port: u16, count: u32, data_offset: u64 }),
  debug: arm("debug", { exception: u32, pad: u32, pc: u64, dr6: u64, dr7: u64 }),
  mmio: arm("mmio", { phys_addr: addr64, data: bytes(8), len: u32, is_write: u8 }),
  hypercall: arm("hypercall", { nr: u64, args: u64x(6), ret: u64, longmode: u32, pad: u32 }),
  tpr_access: arm("tpr_access", { rip: u64, is_write: u32, pad: u32 }),
  internal: arm("internal", { suberror: u32, ndata: u32, data: u64x(16) }),
  emulation_failure: arm("emulation_failure", {
    suberror: u32,
    ndata: u32,
    flags: u64,
    insn_size: u8,
    insn_bytes: bytes(15),
  }),
  system_event: arm("system_event", { type: u32, ndata: u32, data: u64x(16) }),
  eoi: arm("eoi", { vector: u8 }),
  msr: arm("msr", { error: u8, pad: bytes(7), reason: u32, index: u32, data: u64 }),
  notify: arm("notify", { flags: u32 }),
} as const;

/** Registers that travel in the run page (KVM_CAP_SYNC_REGS). */
export const SYNC_REGS = struct("kvm_sync_regs", { regs: REGS, sregs: SREGS, events: VCPU_EVENTS }, {
  size: 520,
});

/** The run page; `exit` is the union, `s` the union of synced registers. */
export const RUN = struct("kvm_run", {
  request_interrupt_window: u8,
  immediate_exit: u8,
  padding1: bytes(6),
  exit_reason: u32,
  ready_for_interrupt_injection: u8,
  if_flag: u8,
  flags: u16,
  cr8: u64,
  apic_base: u64,
  exit: aligned(bytes(256), 8),
  kvm_valid_regs: u64,
  kvm_dirty_regs: u64,
  s: aligned(bytes(2048), 8),
}, { size: 2352 });
