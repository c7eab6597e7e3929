/**
 * Between KVM's register structures and the neutral processor state.
 *
 * Sources: [KVM] Linux Documentation/virt/kvm/api.rst, KVM_GET_REGS, KVM_GET_SREGS, KVM_SET_VCPU_EVENTS; [SDM] Intel
 * SDM vol. 2A, table 2-4 (numbers of registers).
 * @module
 */

import type { Values } from "../base/layout.ts";
import { VCPUEVENT_VALID } from "../kvm/abi.ts";
import { DTABLE, REGS, SEGMENT, SREGS, VCPU_EVENTS } from "../kvm/abi_structs.ts";
import type { CpuState, SegmentState, TableState } from "../x86/state.ts";

type Regs = Values<typeof REGS.fields>;
type Sregs = Values<typeof SREGS.fields>;
type Events = Values<typeof VCPU_EVENTS.fields>;
type Segment = Values<typeof SEGMENT.fields>;
type Table = Values<typeof DTABLE.fields>;

/** KVM's members in the order instructions number the registers. [SDM] table 2-4 */
const GPR_NAMES = [
  "rax",
  "rcx",
  "rdx",
  "rbx",
  "rsp",
  "rbp",
  "rsi",
  "rdi",
  "r8",
  "r9",
  "r10",
  "r11",
  "r12",
  "r13",
  "r14",
  "r15",
] as const;
const SEGMENT_NAMES = ["cs", "ds", "es", "fs", "gs", "ss", "tr", "ldt"] as const;
const CONTROL_NAMES = ["cr0", "cr2", "cr3", "cr4", "cr8", "efer"] as const;

function segmentFrom(s: Segment): SegmentState {
  return {
    selector: s.selector,
    base: s.base,
    limit: s.limit,
    type: s.type,
    codeOrData: s.s !== 0,
    dpl: s.dpl,
    present: s.present !== 0,
    available: s.avl !== 0,
    long: s.l !== 0,
    big: s.db !== 0,
    granular: s.g !== 0,
    unusable: s.unusable !== 0,
  };
}

function segmentInto(s: Segment, from: SegmentState): void {
  s.selector = from.selector;
  s.base = from.base;
  s.limit = from.limit;
  s.type = from.type;
  s.s = from.codeOrData ? 1 : 0;
  s.dpl = from.dpl;
  s.present = from.present ? 1 : 0;
  s.avl = from.available ? 1 : 0;
  s.l = from.long ? 1 : 0;
  s.db = from.big ? 1 : 0;
  s.g = from.granular ? 1 : 0;
  s.unusable = from.unusable ? 1 : 0;
}

function tableFrom({ base, limit }: Table): TableState {
  return { base, limit };
}

/** The neutral state out of KVM's. */
export function stateFrom(regs: Regs, sregs: Sregs): CpuState {
  const gpr = new BigUint64Array(16);
  GPR_NAMES.forEach((name, i) => gpr[i] = regs[name]);
  const segments = Object.fromEntries(
    SEGMENT_NAMES.map((name) => [name, segmentFrom(sregs[name])]),
  ) as Record<typeof SEGMENT_NAMES[number], SegmentState>;
  const { cr0, cr2, cr3, cr4, cr8, efer } = sregs;
  return {
    gpr,
    rip: regs.rip,
    rflags: regs.rflags,
    ...segments,
    gdt: tableFrom(sregs.gdt),
    idt: tableFrom(sregs.idt),
    cr0,
    cr2,
    cr3,
    cr4,
    cr8,
    efer,
  };
}

/** Puts the neutral state into KVM's; the APIC base stays, a pending interrupt goes. */
export function stateInto(state: CpuState, regs: Regs, sregs: Sregs): void {
  GPR_NAMES.forEach((name, i) => regs[name] = state.gpr[i]!);
  regs.rip = state.rip;
  regs.rflags = state.rflags;
  for (const name of SEGMENT_NAMES) segmentInto(sregs[name], state[name]);
  for (const name of ["gdt", "idt"] as const) {
    sregs[name].base = state[name].base;
    sregs[name].limit = state[name].limit;
  }
  for (const name of CONTROL_NAMES) sregs[name] = state[name];
  sregs.interrupt_bitmap = [0n, 0n, 0n, 0n];
}

/** Clears every event on its way and everything that holds one back. */
export function clearEvents(events: Events): void {
  Object.assign(events.exception, { injected: 0, nr: 0, has_error_code: 0, pending: 0, error_code: 0 });
  Object.assign(events.interrupt, { injected: 0, nr: 0, soft: 0, shadow: 0 });
  Object.assign(events.nmi, { injected: 0, pending: 0, masked: 0 });
  events.exception_has_payload = 0;
  events.exception_payload = 0n;
  events.flags = VCPUEVENT_VALID.NMI_PENDING | VCPUEVENT_VALID.SHADOW;
}
