/**
 * CPUID: the leaves a guest sees, from what the engine offers and what this machine can really do.
 *
 * All filtering happens here and nowhere else. `host` starts from the engine's own list and removes what the interrupt
 * controller mode, the engine's quirks or hvm itself cannot keep; `baseline` keeps one fixed x86-64-v2 processor and
 * refuses an engine that lacks any of it, so that a snapshot may move between engines.
 *
 * Sources: [SDM] Intel SDM vol. 2A, CPUID; [APM] AMD APM vol. 3, appendix E; [KVM] Linux Documentation/virt/kvm/x86/
 * cpuid.rst; [PSABI] x86-64 psABI 1.0, table 3.1 (micro-architecture levels).
 * @module
 */

import { ConfigError } from "../base/errors.ts";

/** One answer of CPUID. */
export interface CpuidLeaf {
  leaf: number;
  subleaf: number;
  /** The answer depends on ECX. */
  indexed: boolean;
  eax: number;
  ebx: number;
  ecx: number;
  edx: number;
}

type Register = "eax" | "ebx" | "ecx" | "edx";

/** Where a feature's bit is. */
export interface FeatureBit {
  readonly leaf: number;
  readonly subleaf: number;
  readonly register: Register;
  readonly bit: number;
}

function at(leaf: number, register: Register, bit: number, subleaf = 0): FeatureBit {
  return { leaf, subleaf, register, bit };
}

/** Features by name. [SDM] tables 3-8 to 3-12; [APM] E.3, E.4 */
export const FEATURE = {
  FPU: at(1, "edx", 0),
  TSC: at(1, "edx", 4),
  MSR: at(1, "edx", 5),
  PAE: at(1, "edx", 6),
  MCE: at(1, "edx", 7),
  CX8: at(1, "edx", 8),
  APIC: at(1, "edx", 9),
  SEP: at(1, "edx", 11),
  MTRR: at(1, "edx", 12),
  PGE: at(1, "edx", 13),
  MCA: at(1, "edx", 14),
  CMOV: at(1, "edx", 15),
  PAT: at(1, "edx", 16),
  CLFSH: at(1, "edx", 19),
  MMX: at(1, "edx", 23),
  FXSR: at(1, "edx", 24),
  SSE: at(1, "edx", 25),
  SSE2: at(1, "edx", 26),
  HTT: at(1, "edx", 28),
  SSE3: at(1, "ecx", 0),
  MONITOR: at(1, "ecx", 3),
  VMX: at(1, "ecx", 5),
  SSSE3: at(1, "ecx", 9),
  CX16: at(1, "ecx", 13),
  PDCM: at(1, "ecx", 15),
  PCID: at(1, "ecx", 17),
  SSE4_1: at(1, "ecx", 19),
  SSE4_2: at(1, "ecx", 20),
  X2APIC: at(1, "ecx", 21),
  MOVBE: at(1, "ecx", 22),
  POPCNT: at(1, "ecx", 23),
  TSC_DEADLINE: at(1, "ecx", 24),
  XSAVE: at(1, "ecx", 26),
  OSXSAVE: at(1, "ecx", 27),
  HYPERVISOR: at(1, "ecx", 31),
  WAITPKG: at(7, "ecx", 5),
  LA57: at(7, "ecx", 16),
  LAHF64: at(0x80000001, "ecx", 0),
  CMP_LEGACY: at(0x80000001, "ecx", 1),
  SVM: at(0x80000001, "ecx", 2),
  EXTAPIC: at(0x80000001, "ecx", 3),
  TOPOEXT: at(0x80000001, "ecx", 22),
  PERFCTR_CORE: at(0x80000001, "ecx", 23),
  SYSCALL: at(0x80000001, "edx", 11),
  NX: at(0x80000001, "edx", 20),
  PDPE1GB: at(0x80000001, "edx", 26),
  RDTSCP: at(0x80000001, "edx", 27),
  LM: at(0x80000001, "edx", 29),
  KVM_CLOCKSOURCE: at(0x40000001, "eax", 0),
  KVM_NOP_IO_DELAY: at(0x40000001, "eax", 1),
  KVM_CLOCKSOURCE2: at(0x40000001, "eax", 3),
  KVM_ASYNC_PF: at(0x40000001, "eax", 4),
  KVM_STEAL_TIME: at(0x40000001, "eax", 5),
  KVM_PV_EOI: at(0x40000001, "eax", 6),
  KVM_PV_UNHALT: at(0x40000001, "eax", 7),
  KVM_PV_TLB_FLUSH: at(0x40000001, "eax", 9),
  KVM_ASYNC_PF_VMEXIT: at(0x40000001, "eax", 10),
  KVM_PV_SEND_IPI: at(0x40000001, "eax", 11),
  KVM_POLL_CONTROL: at(0x40000001, "eax", 12),
  KVM_PV_SCHED_YIELD: at(0x40000001, "eax", 13),
  KVM_ASYNC_PF_INT: at(0x40000001, "eax", 14),
  KVM_MSI_EXT_DEST_ID: at(0x40000001, "eax", 15),
  KVM_CLOCKSOURCE_STABLE: at(0x40000001, "eax", 24),
} as const satisfies Record<string, FeatureBit>;
export type FeatureName = keyof typeof FEATURE;

/** What decides the leaves of one processor. */
export interface CpuidRequest {
  /** What the engine says it can do. */
  readonly supported: readonly CpuidLeaf[];
  readonly model: "host" | "baseline";
  /** The local APIC is ours: its features are what our model and the engine's exits can keep. */
  readonly userApic: boolean;
  /** Every register access of a local APIC of ours reaches it: x2APIC mode and the TSC deadline work. */
  readonly apicExits?: boolean;
  /** The engine runs the TSC-deadline timer of its own APIC. */
  readonly tscDeadline: boolean;
  /** Features this host is known to answer wrongly. */
  readonly hidden?: readonly FeatureName[];
  readonly apicId: number;
  /** Logical processors of the machine, all in one package. */
  readonly cpus: number;
  /** The time stamp counter's rate; 0 when not known. */
  readonly tscKhz: number;
}

/** Never shown: nested virtualization and debug facilities have no exits here, MONITOR would sleep in the host. */
const NEVER: readonly FeatureName[] = [
  "VMX",
  "SVM",
  "MONITOR",
  "OSXSAVE",
  "PDCM",
  "PERFCTR_CORE",
  "EXTAPIC",
  "WAITPKG",
];

/** Paravirtual features that need an interrupt or hypercall path of KVM's own APIC. [KVM] */
const NEEDS_KVM_APIC: readonly FeatureName[] = [
  "X2APIC",
  "TSC_DEADLINE",
  "KVM_PV_EOI",
  "KVM_PV_UNHALT",
  "KVM_ASYNC_PF",
  "KVM_ASYNC_PF_VMEXIT",
  "KVM_ASYNC_PF_INT",
  "KVM_PV_SEND_IPI",
  "KVM_PV_SCHED_YIELD",
  "KVM_PV_TLB_FLUSH",
  "KVM_POLL_CONTROL",
  "KVM_MSI_EXT_DEST_ID",
];

/** What x86-64-v2 asks for, with what every 64-bit kernel needs beside it. [PSABI] table 3.1 */
const BASELINE: readonly FeatureName[] = [
  "FPU",
  "TSC",
  "MSR",
  "PAE",
  "MCE",
  "CX8",
  "APIC",
  "SEP",
  "MTRR",
  "PGE",
  "MCA",
  "CMOV",
  "PAT",
  "CLFSH",
  "MMX",
  "FXSR",
  "SSE",
  "SSE2",
  "SSE3",
  "SSSE3",
  "CX16",
  "SSE4_1",
  "SSE4_2",
  "POPCNT",
  "LAHF64",
  "SYSCALL",
  "NX",
  "LM",
];

/** The hypervisor range of leaves. [KVM] */
const HYPERVISOR_BASE = 0x40000000;
const KVM_FEATURES = 0x40000001;

/**
 * The leaves one processor shows.
 * @throws {ConfigError} when `baseline` is asked of an engine that cannot keep it; the sentence names what is missing.
 */
export function cpuidFor(request: CpuidRequest): CpuidLeaf[] {
  const leaves = request.model === "baseline"
    ? baselineLeaves(request)
    : request.supported.map((leaf) => ({ ...leaf }));
  const table = new CpuidTable(leaves);
  for (const name of NEVER) table.set(name, false);
  if (request.userApic && request.apicExits !== true) {
    for (const name of NEEDS_KVM_APIC) table.set(name, false);
  } else if (request.tscDeadline && request.model === "host") table.set("TSC_DEADLINE", true);
  for (const name of request.hidden ?? []) table.set(name, false);
  table.set("APIC", true);
  table.set("HYPERVISOR", true);
  applyTopology(table, request);
  applyHypervisor(table, request);
  return table.leaves;
}

/** A list of leaves addressed by feature name. */
export class CpuidTable {
  readonly leaves: CpuidLeaf[];

  constructor(leaves: CpuidLeaf[]) {
    this.leaves = leaves;
  }

  find(leaf: number, subleaf = 0): CpuidLeaf | undefined {
    return this.leaves.find((l) => l.leaf === leaf && (!l.indexed || l.subleaf === subleaf));
  }

  has(name: FeatureName): boolean {
    const where = FEATURE[name];
    const leaf = this.find(where.leaf, where.subleaf);
    return leaf !== undefined && (leaf[where.register] >>> where.bit & 1) === 1;
  }

  /** Sets or clears a feature; a leaf that is not there stays away. */
  set(name: FeatureName, on: boolean): void {
    const where = FEATURE[name];
    const leaf = this.find(where.leaf, where.subleaf);
    if (leaf === undefined) return;
    const bit = 1 << where.bit;
    leaf[where.register] = (on ? leaf[where.register] | bit : leaf[where.register] & ~bit) >>> 0;
  }

  /** Replaces or adds a leaf that does not depend on ECX. */
  put(leaf: number, values: { eax?: number; ebx?: number; ecx?: number; edx?: number }): void {
    const found = this.find(leaf);
    if (found !== undefined) Object.assign(found, values);
    else this.leaves.push({ leaf, subleaf: 0, indexed: false, eax: 0, ebx: 0, ecx: 0, edx: 0, ...values });
  }
}

/** Processor counts and ids: one package of `cpus` single-threaded cores. [SDM] leaves 1, 4, 0Bh, 1Fh; [APM] 8000_0008h, 1Dh, 1Eh */
function applyTopology(table: CpuidTable, { apicId, cpus }: CpuidRequest): void {
  const coreBits = Math.ceil(Math.log2(cpus));
  const one = table.find(1);
  if (one !== undefined) {
    one.ebx = (one.ebx & 0x0000ffff | Math.min(2 ** coreBits, 255) << 16 | (apicId & 0xff) << 24) >>> 0;
  }
  table.set("HTT", cpus > 1);
  table.set("CMP_LEGACY", cpus > 1 && table.find(0)?.ebx === 0x68747541); // AMD counts cores by the legacy method
  for (const leaf of table.leaves) {
    if (leaf.leaf === 4 && (leaf.eax & 0x1f) !== 0) {
      const level = leaf.eax >>> 5 & 7;
      const sharing = level >= 3 ? 2 ** coreBits - 1 : 0;
      leaf.eax = (leaf.eax & 0x3fff | sharing << 14 | (2 ** coreBits - 1) << 26) >>> 0;
    }
    if (leaf.leaf === 0x8000001d && (leaf.eax & 0x1f) !== 0) {
      const level = leaf.eax >>> 5 & 7;
      leaf.eax = (leaf.eax & 0x3fff | (level >= 3 ? cpus - 1 : 0) << 14) >>> 0;
    }
    if (leaf.leaf === 0xb || leaf.leaf === 0x1f) {
      leaf.edx = apicId;
      if (leaf.subleaf === 0) Object.assign(leaf, { eax: 0, ebx: 1, ecx: 1 << 8 });
      else if (leaf.subleaf === 1) Object.assign(leaf, { eax: coreBits, ebx: cpus, ecx: 2 << 8 | 1 });
      else Object.assign(leaf, { eax: 0, ebx: 0, ecx: leaf.subleaf });
    }
  }
  const sizes = table.find(0x80000008);
  if (sizes !== undefined) sizes.ecx = (sizes.ecx & ~0xf0ff | coreBits << 12 | cpus - 1) >>> 0;
  const extended = table.find(0x8000001e);
  if (extended !== undefined) Object.assign(extended, { eax: apicId, ebx: apicId & 0xff, ecx: 0 });
}

/** The hypervisor leaves: KVM's own signature and what is left of its features. [KVM] */
function applyHypervisor(table: CpuidTable, { tscKhz, model }: CpuidRequest): void {
  const features = table.find(KVM_FEATURES);
  if (features === undefined) return;
  // The hints say that the host dedicates cores; nobody promised that here.
  features.edx = 0;
  const last = tscKhz > 0 && model === "host" ? HYPERVISOR_BASE + 0x10 : KVM_FEATURES;
  table.put(HYPERVISOR_BASE, { eax: last, ebx: 0x4b4d564b, ecx: 0x564b4d56, edx: 0x4d });
  if (last > KVM_FEATURES) table.put(last, { eax: tscKhz >>> 0, ebx: 1_000_000, ecx: 0, edx: 0 });
}

/** The fixed processor of `baseline`: the features of {@linkcode BASELINE}, no more, with the host vendor's name. */
function baselineLeaves({ supported }: CpuidRequest): CpuidLeaf[] {
  const host = new CpuidTable(supported.map((leaf) => ({ ...leaf })));
  const missing = BASELINE.filter((name) => name !== "APIC" && !host.has(name));
  if (missing.length > 0) {
    throw new ConfigError(
      `The engine cannot keep --cpu baseline (it lacks ${missing.join(", ")}): use --cpu host`,
      { path: "cpu" },
    );
  }
  const table = new CpuidTable([]);
  const vendor = host.find(0);
  table.put(0, { eax: 0xd, ebx: vendor?.ebx ?? 0, ecx: vendor?.ecx ?? 0, edx: vendor?.edx ?? 0 });
  table.put(1, { eax: 0x000106a0, ebx: 8 << 8 });
  table.put(7, {});
  table.put(0xd, {});
  table.put(0x80000000, { eax: 0x80000008 });
  table.put(0x80000001, {});
  const name = "hvm baseline x86-64-v2".padEnd(48, "\0");
  for (let i = 0; i < 3; i++) {
    const word = (offset: number) => {
      let value = 0;
      for (let b = 3; b >= 0; b--) value = (value << 8 | name.charCodeAt(i * 16 + offset + b)) >>> 0;
      return value;
    };
    table.put(0x80000002 + i, { eax: word(0), ebx: word(4), ecx: word(8), edx: word(12) });
  }
  table.put(0x80000008, { eax: 48 << 8 | 40 });
  for (const feature of BASELINE) table.set(feature, true);
  const kvm = host.find(KVM_FEATURES);
  if (kvm !== undefined) table.put(KVM_FEATURES, { eax: kvm.eax });
  return table.leaves;
}
