/**
 * What is peculiar about kinds of hosts: rows with evidence and test, and the policy that follows from them.
 *
 * A test named here is found by its name; one that shows a peculiarity of a host runs on that host alone. The numbers
 * of instructions and times were measured with one program on the bare processor and under KVM.
 * @module
 */

import { X86_QUIRK } from "../kvm/abi.ts";
import type { FeatureName } from "../x86/cpuid.ts";
import type { IrqchipMode, Quirk, VendorName } from "./ops.ts";

const ALL_KVM = ["vmx", "svm", "pvm"] as const;

/** Every known peculiarity. */
export const QUIRKS: readonly Quirk[] = [
  {
    id: "vmx-task-state",
    hosts: ["vmx"],
    evidence:
      "kvm_intel needs three pages for a task state and one for an identity map while the guest is in real " +
      "mode without unrestricted guest; KVM_RUN fails where they are missing or hidden by other memory",
    answer: "the pages the board keeps free below the BIOS are named before the first processor is made",
    test: "a machine of each irqchip mode runs a real-mode guest",
  },
  {
    id: "vmx-no-unrestricted-guest",
    hosts: ["vmx"],
    evidence:
      "where kvm_intel's parameter unrestricted_guest is N, KVM emulates real and 16-bit protected mode",
    answer:
      "the fact caps.realMode is false there; loaders enter kernels in 64-bit mode, which needs neither",
    test: "facts follow the module's parameters",
  },
  {
    id: "hypercall-patching",
    hosts: ALL_KVM,
    evidence:
      "KVM overwrites the other vendor's hypercall instruction in guest memory with its own (VMCALL, VMMCALL); " +
      "on pvm the rewritten instruction traps again, for ever, inside KVM_RUN",
    answer:
      "KVM_X86_QUIRK_FIX_HYPERCALL_INSN is disabled where the kernel can (5.19 and newer): the instruction faults",
    test: "the other vendor's hypercall instruction faults and stays as it is",
  },
  {
    id: "out-7e-rip",
    hosts: ALL_KVM,
    evidence: "for OUT to port 7Eh alone KVM moves RIP before the exit",
    answer: "KVM_X86_QUIRK_OUT_7E_INC_RIP is disabled where the kernel can",
    test: "RIP is behind the OUT once the exit is complete, port 7Eh included",
  },
  {
    id: "svm-topology-leaves",
    hosts: ["svm"],
    evidence:
      "KVM_GET_SUPPORTED_CPUID reports the host's own leaves 8000001Dh, 8000001Eh, 0Bh: APIC ids and sharing of " +
      "the processor the call happened to run on",
    answer: "the CPUID policy writes these leaves from the machine's own processors",
    test: "cpuidFor gives each processor its own APIC id and the package its count",
  },
  {
    id: "svm-decode-assists",
    hosts: ["svm"],
    evidence:
      "processors without DecodeAssists (CPUID 8000000Ah EDX bit 7; QEMU's software CPU among them) hand KVM no " +
      "instruction bytes, so an exit may come without them",
    answer: "the bytes are read from guest memory by the guest's page tables",
    test: "the bytes of an instruction are read from memory when the exit has none",
  },
  {
    id: "user-cr8",
    hosts: ALL_KVM,
    evidence:
      "without an APIC in KVM, kvm_run.cr8 is written into the processor at every entry, over synced registers",
    answer: "CR8 is set in the run page as well, and read from there",
    test: "CR8 goes in and out through the run page",
  },
  {
    id: "user-mp-state",
    hosts: ALL_KVM,
    evidence: "without an APIC in KVM, KVM_SET_MP_STATE takes RUNNABLE alone",
    answer: "waiting for INIT and SIPI is hvm's; the processor is not entered meanwhile",
    test: "without an APIC in KVM a processor is runnable and nothing else",
  },
  {
    id: "user-tsc-deadline",
    hosts: ALL_KVM,
    evidence:
      "without an APIC in KVM, writes to IA32_TSC_DEADLINE vanish; kvm_intel takes them before any MSR filter",
    answer: "TSC-deadline is hidden in CPUID with irqchip user",
    test: "cpuidFor hides what needs KVM's own APIC when the APIC is ours",
  },
  {
    id: "user-x2apic",
    hosts: ALL_KVM,
    evidence:
      "x2APIC registers (800h to 8FFh) cannot be filtered; without an APIC in KVM they exit with reason INVAL " +
      "where such exits are on, and fault otherwise",
    answer: "x2APIC is hidden with irqchip user unless MSR exits are on",
    test: "x2APIC registers exit when MSR exits are on",
  },
  {
    id: "pvm-modes",
    hosts: ["pvm"],
    evidence:
      "real mode, 32-bit protected mode without paging and 64-bit mode work; every other paging mode ends in a " +
      "fault at the write of CR0, or in a triple fault when set from outside",
    answer: "caps.stockGuests is false; loaders enter in 64-bit mode",
    test: "32-bit paging does not run without hardware virtualization",
  },
  {
    id: "pvm-ring0-emulated",
    hosts: ["pvm"],
    evidence:
      "only 64-bit ring 3 runs natively; all else is emulated at 3.8 to 5.1 million instructions a second, string " +
      "moves at 2 to 15 MiB/s",
    answer: "payloads are unpacked on the host; nothing compares times with those of another host",
    test: "supervisor code runs, slowly, and says so in the facts",
  },
  {
    id: "pvm-late-events",
    hosts: ["pvm"],
    evidence:
      "emulated code runs in batches (kvm_pvm's parameter pvm_emul_batch, 1024 instructions) and takes interrupts, " +
      "NMIs and window requests only between them, so a HLT may come first",
    answer: "a halted processor with something to take is entered again, as on every host",
    test: "the interrupt window opens after STI and its shadow, not before",
  },
  {
    id: "pvm-no-system-calls",
    hosts: ["pvm"],
    evidence: "SYSCALL in ring 3 goes to LSTAR still in ring 3; INT n there is #UD; SYSENTER is unknown",
    answer: "caps.stockGuests is false, and a guest that crashes or panics is told to take --engine soft",
    test: "SYSCALL in ring 3 stays in ring 3 without hardware virtualization",
  },
  {
    id: "pvm-iopl",
    hosts: ["pvm"],
    evidence:
      "IN and OUT in ring 3 are #GP whatever IOPL is; only the I/O permission bitmap of the task state is asked",
    answer: "none is needed: stock systems do port I/O in ring 0",
    test: "ring 3 gets no ports without hardware virtualization, whatever IOPL is",
  },
  {
    id: "pvm-cpuid",
    hosts: ["pvm"],
    evidence:
      "features of the host are ORed into what KVM_SET_CPUID2 set; only bits KVM_GET_SUPPORTED_CPUID reports can " +
      "be cleared",
    answer: "what ring 0 cannot execute is hidden as far as that goes; --cpu baseline is refused",
    test: "the host's features shine through CPUID without hardware virtualization",
  },
  {
    id: "pvm-request-cost",
    hosts: ["pvm"],
    evidence:
      "every request about a processor costs 7.5 us, as much as an exit; requests about the machine 0.1 us",
    answer: "all registers travel with the exit, and interrupts go in with the registers",
    test: "an interrupt goes in with the registers",
  },
  {
    id: "pvm-emulator-gaps",
    hosts: ["pvm"],
    evidence:
      "in ring 0 KVM lacks CMPXCHG16B, POPCNT, CRC32, BMI, ADX, MOVDIRI, deep ENTER, INT n, INT3, ICEBP, UD0, UD1, " +
      "SYSENTER, RDTSCP, XGETBV, XSETBV, XSAVE, LDMXCSR, STMXCSR, CLWB, STAC, CLAC, INVPCID, LAR, LSL, VERR, VERW, " +
      "MONITOR, MWAIT, most x87, AVX and SSE beyond plain moves: internal error 1 with the bytes",
    answer: "hvm's own processor executes them in KVM's place; see finish-run",
    test: "an instruction KVM cannot emulate ends the run with its bytes",
  },
  {
    id: "finish-run",
    hosts: ALL_KVM,
    evidence:
      "finishing one instruction costs some 30 requests about the processor, on pvm 200 us; there instructions KVM " +
      "lacks come in groups (x87, SSE, XSAVE), elsewhere singly",
    answer:
      "on pvm up to 16 instructions are executed before KVM goes on, unless one is privileged; elsewhere one",
    test: "what KVM cannot emulate is finished, and counted by kind",
  },
  {
    id: "pvm-user-failure",
    hosts: ["pvm"],
    evidence: "an instruction of user code that KVM cannot emulate ends the run even without " +
      "KVM_CAP_EXIT_ON_EMULATION_FAILURE, where other hosts make the guest fault",
    answer: "the capability is switched on, so that the bytes come along",
    test: "user code that KVM cannot emulate faults in the guest",
  },
  {
    id: "pvm-lzcnt",
    hosts: ["pvm"],
    evidence: "LZCNT and TZCNT run as BSR and BSF in ring 0, without an error; MOVBE and RDPID are #UD there",
    answer: "none is possible from outside; the features are hidden as far as pvm-cpuid allows",
    test: "LZCNT runs as BSR without hardware virtualization",
  },
  {
    id: "pvm-debug",
    hosts: ["pvm"],
    evidence:
      "single-step works everywhere but in 64-bit ring 3, execute breakpoints in ring 0 alone, watchpoints nowhere",
    answer:
      "a debugger's data breakpoints are refused, so that it watches by stepping; see HostPolicy.dataBreakpoints",
    test: "64-bit ring 3 does not single-step without hardware virtualization",
  },
  {
    id: "pvm-kernel-apic",
    hosts: ["pvm"],
    evidence:
      "KVM's own APIC was seen to lose NMIs and TSC-deadline interrupts on one such host; on Linux 6.18 thousands of " +
      "both arrived",
    answer: "nothing is hidden; irqchip auto takes user, and the test would show a host that does lose them",
    test: "KVM's own APIC delivers TSC-deadline interrupts and NMIs: split",
  },
  {
    id: "pvm-no-smm",
    hosts: ["pvm"],
    evidence: "KVM_CAP_X86_SMM and KVM_CAP_NESTED_STATE are absent",
    answer: "nothing here uses system management mode or nesting on KVM",
    test: "there is no system management mode and no nesting without hardware virtualization",
  },
];

/** The rows for one kind of host. */
export function quirksOf(vendor: VendorName): Quirk[] {
  return QUIRKS.filter((quirk) => quirk.hosts.includes(vendor));
}

/** A kind of KVM. */
export type KvmVendor = Exclude<VendorName, "soft">;

/** What a machine is given because of the rows above. */
export interface HostPolicy {
  /** See `vmx-task-state`. */
  readonly needsTaskState: boolean;
  /** KVM's own compatibility quirks that are switched off, a set of X86_QUIRK bits. */
  readonly disabledQuirks: number;
  /**
   * An instruction of user code that KVM cannot emulate ends the run in place of faulting in the guest. Off where the
   * processor itself runs user code: there it meets only odd accesses to devices, and #UD kills one process, not all.
   */
  readonly exitOnUserFailure: boolean;
  /** See `finish-run`. */
  readonly finishRun: number;
  /** The debug registers stop at accesses to data. See `pvm-debug`. */
  readonly dataBreakpoints: boolean;
  /** CPUID features not to be shown. */
  readonly hiddenFeatures: readonly FeatureName[];
  /** The division of the interrupt controllers that serves best, where the host has it. */
  readonly irqchip: IrqchipMode;
}

const DISABLED = X86_QUIRK.FIX_HYPERCALL_INSN | X86_QUIRK.OUT_7E_INC_RIP;

/** See `pvm-emulator-gaps` and `hypercall-patching`. */
const PVM_HIDDEN: readonly FeatureName[] = [
  "CX16",
  "SSE4_2",
  "MOVBE",
  "POPCNT",
  "XSAVE",
  "OSXSAVE",
  "PCID",
  "RDTSCP",
  "LA57",
  "KVM_PV_UNHALT",
  "KVM_PV_TLB_FLUSH",
  "KVM_PV_SEND_IPI",
  "KVM_PV_SCHED_YIELD",
  "KVM_ASYNC_PF",
  "KVM_ASYNC_PF_INT",
];

/** The policy for each kind of KVM host. */
export const HOST_POLICY: Readonly<Record<KvmVendor, HostPolicy>> = {
  vmx: {
    irqchip: "kernel",
    needsTaskState: true,
    disabledQuirks: DISABLED,
    exitOnUserFailure: false,
    finishRun: 1,
    dataBreakpoints: true,
    hiddenFeatures: [],
  },
  svm: {
    irqchip: "kernel",
    needsTaskState: false,
    disabledQuirks: DISABLED,
    exitOnUserFailure: false,
    finishRun: 1,
    dataBreakpoints: true,
    hiddenFeatures: [],
  },
  pvm: {
    // KVM's own controllers have faults of their own here: see the rows about its APIC.
    irqchip: "user",
    needsTaskState: false,
    disabledQuirks: DISABLED,
    exitOnUserFailure: true,
    finishRun: 16,
    dataBreakpoints: false,
    hiddenFeatures: PVM_HIDDEN,
  },
};
