import assert from "node:assert/strict";
import type { FieldType, Struct } from "../base/layout.ts";
import { cProbe, cProbeTest } from "../testing/c_probe.ts";
import * as ABI from "./abi.ts";
import * as STRUCTS from "./abi_structs.ts";

type AnyStruct = Struct<Readonly<Record<string, FieldType<unknown>>>>;
const HEADERS = ["linux/kvm.h"];

/** Groups of constants and the prefix their names have in the header. */
const GROUPS: [string, Readonly<Record<string, number>>][] = [
  ["KVM_", ABI.IOCTL],
  ["KVM_CAP_", ABI.CAP],
  ["KVM_EXIT_", ABI.EXIT_REASON],
  ["KVM_INTERNAL_ERROR_", ABI.INTERNAL_ERROR],
  ["KVM_EXIT_IO_", ABI.EXIT_IO],
  ["KVM_MSR_EXIT_REASON_", ABI.MSR_EXIT_REASON],
  ["KVM_MSR_FILTER_", ABI.MSR_FILTER_ACCESS],
  ["KVM_MSR_FILTER_DEFAULT_", ABI.MSR_FILTER_DEFAULT],
  ["KVM_SYSTEM_EVENT_", ABI.SYSTEM_EVENT],
  ["KVM_MEM_", ABI.MEM],
  ["KVM_SYNC_X86_", ABI.SYNC_X86],
  ["KVM_MP_STATE_", ABI.MP_STATE],
  ["KVM_VCPUEVENT_VALID_", ABI.VCPUEVENT_VALID],
  ["KVM_X86_SHADOW_INT_", ABI.X86_SHADOW_INT],
  ["KVM_RUN_X86_", ABI.RUN_X86],
  ["KVM_IRQCHIP_", ABI.IRQCHIP_ID],
  ["KVM_IRQ_ROUTING_", ABI.IRQ_ROUTING],
  ["KVM_PIT_FLAGS_", ABI.PIT_FLAGS],
  ["KVM_IRQFD_FLAG_", ABI.IRQFD_FLAG],
  ["KVM_IOEVENTFD_FLAG_", ABI.IOEVENTFD_FLAG],
  ["KVM_CLOCK_", ABI.CLOCK],
  ["KVM_GUESTDBG_", ABI.GUESTDBG],
  ["KVM_X86_QUIRK_", ABI.X86_QUIRK],
  ["KVM_X2APIC_API_", ABI.X2APIC_API],
  ["KVM_", {
    API_VERSION: ABI.API_VERSION,
    INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES: ABI.EMULATION_FLAG_INSTRUCTION_BYTES,
    IOAPIC_NUM_PINS: ABI.IOAPIC_NUM_PINS,
    PIT_SPEAKER_DUMMY: ABI.PIT_SPEAKER_DUMMY,
    CPUID_FLAG_SIGNIFCANT_INDEX: ABI.CPUID_FLAG_SIGNIFCANT_INDEX,
    PIO_PAGE_OFFSET: ABI.PIO_PAGE_OFFSET,
    COALESCED_MMIO_PAGE_OFFSET: ABI.COALESCED_MMIO_PAGE_OFFSET,
  }],
];

/** Members the header names otherwise: unions it nests, a flexible array whose head alone we describe. */
const MEMBER: Readonly<Record<string, string>> = {
  "kvm_guest_debug.debugreg": "arch.debugreg",
  "kvm_run.exit": "hw",
  "kvm_pit_state2.channels": "channels",
};
/** Exit arms that the header nests one level deeper. */
const ARM: Readonly<Record<string, string>> = { debug: "debug.arch" };

cProbeTest("every number of the ABI is the kernel's", () => {
  const rows = GROUPS.flatMap(([prefix, group]) =>
    Object.entries(group).map(([name, value]) => [prefix + name, value] as const)
  );
  const values = cProbe(HEADERS, rows.map(([name]) => name));
  assert.ok(rows.length > 200);
  assert.deepEqual(rows, rows.map(([name], i) => [name, Number(values[i])]));
});

Deno.test("every group of numbers is compared", () => {
  const compared = new Set<unknown>(GROUPS.map(([, group]) => group));
  for (const [name, value] of Object.entries(ABI)) {
    if (typeof value === "object") assert.ok(compared.has(value), name);
  }
});

/** Every structure and, for each of its members, an expression for its offset; anonymous inner structures by path. */
function layoutRows(type: string, described: AnyStruct, at: string, base: number): [string, number][] {
  const rows: [string, number][] = [];
  for (const [field, fieldType] of Object.entries(described.fields)) {
    const member = MEMBER[`${described.name}.${field}`] ?? field;
    const path = at === "" ? member : `${at}.${member}`;
    const offset = base + described.offset[field]!;
    rows.push([`offsetof(${type}, ${path})`, offset]);
    // Data arrays at the end of an overlay have no fixed size in the header; all others must agree.
    rows.push([`sizeof(((${type} *)0)->${path})`, fieldType.size]);
    if ("fields" in fieldType && !String((fieldType as AnyStruct).name).startsWith("kvm_")) {
      rows.push(...layoutRows(type, fieldType as AnyStruct, path, offset));
    }
  }
  return rows;
}

cProbeTest("every structure of the ABI has the kernel's size and offsets", () => {
  const { EXIT_ARM, ...structs } = STRUCTS;
  const rows: [string, number][] = [];
  for (const described of Object.values(structs) as unknown as AnyStruct[]) {
    const type = `struct ${described.name}`;
    rows.push([`sizeof(${type})`, described.size], ...layoutRows(type, described, "", 0));
  }
  for (const [name, described] of Object.entries(EXIT_ARM) as unknown as [string, AnyStruct][]) {
    rows.push(...layoutRows("struct kvm_run", described, ARM[name] ?? name, STRUCTS.RUN.offset.exit));
  }
  // The union's own size is that of its padding, which is anonymous.
  const known = rows.filter(([text]) => text !== "sizeof(((struct kvm_run *)0)->hw)");
  const extra: [string, number][] = [
    ["offsetof(struct kvm_run, kvm_valid_regs) - offsetof(struct kvm_run, hw)", 256],
    ["offsetof(struct kvm_msrs, entries)", STRUCTS.MSRS.size],
    ["offsetof(struct kvm_msr_list, indices)", STRUCTS.MSR_LIST.size],
    ["offsetof(struct kvm_cpuid2, entries)", STRUCTS.CPUID2.size],
    ["offsetof(struct kvm_irq_routing, entries)", STRUCTS.ROUTING.size],
    ["offsetof(struct kvm_signal_mask, sigset)", STRUCTS.SIGNAL_MASK.size],
    ["offsetof(struct kvm_coalesced_mmio_ring, coalesced_mmio)", STRUCTS.COALESCED_RING.size],
  ];
  const all = [...known, ...extra];
  const values = cProbe(HEADERS, all.map(([text]) => text));
  assert.ok(all.length > 500);
  assert.deepEqual(all, all.map(([text], i) => [text, Number(values[i])]));
});
