/**
 * Finds out what this host can do and chooses an engine.
 *
 * Never by the processor's flags alone: a KVM without hardware virtualization exists. What decides is which KVM module
 * is there (/sys/module) and what /dev/kvm answers.
 * @module
 */

import { HostError } from "../base/errors.ts";
import { CAP, type CapName, SYNC_X86 } from "../kvm/abi.ts";
import { cpuVirtualization } from "../kvm/advice.ts";
import type { CpuidEntry } from "../kvm/cpuid_list.ts";
import { KvmSystem } from "../kvm/system.ts";
import { tscKhz } from "../kvm/vcpu_state.ts";
import { closeFile, OPEN, readSmallText, tryOpen } from "../sys/files.ts";
import type { FeatureName } from "../x86/cpuid.ts";
import type { IrqchipMode, Quirk, VendorCaps, VendorName } from "./ops.ts";
import { HOST_POLICY, type KvmVendor, quirksOf } from "./quirks.ts";

/** What the user may ask for. */
export type EngineRequest = "auto" | "kvm" | "soft";

/** What probing reads of the host; tests hand in their own. */
export interface HostFiles {
  /** True when the directory or file is there. */
  exists(path: string): boolean;
  /** Text of a small file, empty when it is not there. */
  read(path: string): string;
}

/** The answer. */
export interface Probe {
  readonly vendor: VendorName;
  readonly caps: VendorCaps;
  /** One line: which engine and why. */
  readonly reason: string;
  readonly quirks: readonly Quirk[];
  /** Features CPUID must not show here. */
  readonly hiddenFeatures: readonly FeatureName[];
  /** What KVM answers for each capability that is there. */
  readonly capabilities: Readonly<Partial<Record<CapName, number>>>;
}

/** The answer where the engine is KVM. */
export interface KvmProbe extends Probe {
  readonly vendor: KvmVendor;
}

/** The running system's files. */
export const HOST_FILES: HostFiles = {
  exists(path) {
    const fd = tryOpen(path, OPEN.READ_ONLY);
    if (fd >= 0) closeFile(fd);
    return fd >= 0;
  },
  read: (path) => readSmallText(path),
};

const KINDS: readonly { readonly vendor: KvmVendor; readonly module: string; readonly text: string }[] = [
  { vendor: "vmx", module: "kvm_intel", text: "KVM on Intel VT-x" },
  { vendor: "svm", module: "kvm_amd", text: "KVM on AMD SVM" },
  { vendor: "pvm", module: "kvm_pvm", text: "KVM without hardware virtualization" },
];

const SOFT_INSTEAD = "--engine soft runs them";

/**
 * Chooses the engine.
 * @param options.measureTsc fills in `caps.tscKhz`, which takes a machine of its own
 * @throws {HostError} when KVM is asked for and cannot be used, with a sentence that says what to do.
 */
export function probe(
  request: EngineRequest,
  options: ProbeOptions = {},
): Probe {
  if (request === "soft") return softProbe("as asked");
  if (request === "kvm") return probeKvm(request, options);
  try {
    const found = probeKvm(request, options);
    if (found.caps.stockGuests) return found;
    const why =
      `since this KVM (${found.vendor}) cannot run stock guests; --engine kvm takes it all the same`;
    return { ...softProbe(why), capabilities: found.capabilities };
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    return softProbe(`since KVM cannot be used: ${error.message}`);
  }
}

/** What a probe may be told. */
export interface ProbeOptions {
  readonly device?: string;
  readonly files?: HostFiles;
  readonly measureTsc?: boolean;
}

/** What this host's KVM is. @throws {HostError} when it cannot be used. */
export function probeKvm(request: EngineRequest = "kvm", options: ProbeOptions = {}): KvmProbe {
  const files = options.files ?? HOST_FILES;
  const system = KvmSystem.open(options.device);
  try {
    const vendor = kvmVendor(files);
    return {
      vendor,
      caps: readCaps(system, vendor, files, options.measureTsc ?? false),
      reason: reasonFor(vendor, request),
      quirks: quirksOf(vendor),
      hiddenFeatures: HOST_POLICY[vendor].hiddenFeatures,
      capabilities: readCapabilities(system),
    };
  } finally {
    system.close();
  }
}

/** The soft engine, which every host has. */
function softProbe(why: string): Probe {
  return {
    vendor: "soft",
    caps: SOFT_CAPS,
    reason: `engine soft: hvm's own processor, ${why}`,
    quirks: quirksOf("soft"),
    hiddenFeatures: [],
    capabilities: {},
  };
}

/** What the soft engine can do, on every host alike. */
const SOFT_CAPS: VendorCaps = {
  vendor: "soft",
  realMode: true,
  stockGuests: true,
  irqchips: ["user"],
  bestIrqchip: "user",
  syncRegs: true,
  coalescedIo: false,
  readonlyMemory: false,
  msrExits: true,
  maxCpus: 1,
  tscKhz: 1_000_000,
};

/**
 * The CPUID leaves KVM can offer. Where the host is itself a guest this takes milliseconds, so it is asked for by the
 * thread that needs it.
 * @throws {HostError}
 */
export function supportedCpuid(device?: string): CpuidEntry[] {
  const system = KvmSystem.open(device);
  try {
    return system.supportedCpuid();
  } finally {
    system.close();
  }
}

/**
 * Which kind of KVM this is. Kernels with several modules built in have the directories of all of them: then the
 * processor's flags say which one is at work.
 * @throws {HostError} when it is none of those hvm knows.
 */
export function kvmVendor(files: HostFiles = HOST_FILES): KvmVendor {
  const present = KINDS.filter(({ module }) => files.exists(`/sys/module/${module}`));
  const flag = cpuVirtualization(files.read("/proc/cpuinfo"));
  const chosen = present.find(({ vendor }) => vendor === flag) ??
    present.find(({ vendor }) => vendor === "pvm") ??
    (present.length === 1 ? present[0] : undefined);
  if (chosen !== undefined) return chosen.vendor;
  throw new HostError(
    "Cannot use KVM of this host: it is of a kind hvm does not know (/sys/module has none of kvm_intel, kvm_amd, " +
      "kvm_pvm that fits the processor); use --engine soft",
    { operation: "probe" },
  );
}

function reasonFor(vendor: KvmVendor, request: EngineRequest): string {
  const { text, module } = KINDS.find((kind) => kind.vendor === vendor)!;
  const asked = request === "auto" ? "the fastest engine here" : "as asked";
  const what = `engine kvm (${vendor}): ${text} (${module}), ${asked}`;
  if (vendor !== "pvm") return what;
  return `${what}; it has no path for the system calls of user programs: ${SOFT_INSTEAD}`;
}

function readCaps(system: KvmSystem, vendor: KvmVendor, files: HostFiles, measureTsc: boolean): VendorCaps {
  const has = (name: CapName) => system.capability(name) !== 0;
  const irqchips: IrqchipMode[] = ["user"];
  if (has("SPLIT_IRQCHIP") && has("SIGNAL_MSI")) irqchips.push("split");
  if (has("IRQCHIP") && has("PIT2")) irqchips.push("kernel");
  const everySet = SYNC_X86.REGS | SYNC_X86.SREGS | SYNC_X86.EVENTS;
  const emulatesRealMode = vendor === "vmx" &&
    /^[N0]/.test(files.read("/sys/module/kvm_intel/parameters/unrestricted_guest"));
  return {
    vendor,
    realMode: !emulatesRealMode,
    stockGuests: vendor !== "pvm",
    irqchips,
    bestIrqchip: irqchips.includes(HOST_POLICY[vendor].irqchip) ? HOST_POLICY[vendor].irqchip : "user",
    syncRegs: (system.capability("SYNC_REGS") & everySet) === everySet,
    coalescedIo: has("COALESCED_MMIO") && has("COALESCED_PIO"),
    readonlyMemory: has("READONLY_MEM"),
    msrExits: has("X86_USER_SPACE_MSR") && has("X86_MSR_FILTER"),
    maxCpus: Math.max(1, system.capability("MAX_VCPUS") || system.capability("NR_VCPUS")),
    tscKhz: measureTsc ? readTscKhz(system) : 0,
  };
}

/** Only a processor can be asked, so a machine is made for the question; taking it apart can last 20 ms. */
function readTscKhz(system: KvmSystem): number {
  const vm = system.createVm();
  try {
    const vcpu = vm.createVcpu(0);
    const khz = tscKhz(vcpu);
    vcpu.close();
    return khz;
  } finally {
    vm.close();
  }
}

function readCapabilities(system: KvmSystem): Partial<Record<CapName, number>> {
  const result: Partial<Record<CapName, number>> = {};
  for (const name of Object.keys(CAP) as CapName[]) {
    const value = system.capability(name);
    if (value !== 0) result[name] = value;
  }
  return result;
}
