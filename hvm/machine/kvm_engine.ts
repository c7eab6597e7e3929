/**
 * KVM behind a machine: what the main thread makes, and what a processor's thread makes of it.
 * @module
 */

import { addCoalescedZone, setGsiRouting } from "../kvm/vm_extras.ts";
import { CoalescedRing } from "../kvm/coalesced.ts";
import type { CpuidEntry } from "../kvm/cpuid_list.ts";
import { tscKhz } from "../kvm/vcpu_state.ts";
import { KvmSystem } from "../kvm/system.ts";
import { KvmVm } from "../kvm/vm.ts";
import type { GuestMemory } from "../base/memory.ts";
import { FOUR_GIB } from "../base/addr.ts";
import type { GuestRam } from "../host/guest_ram.ts";
import { emptyExit } from "../vendor/kvm_exits.ts";
import type { KvmCpu } from "../vendor/kvm_cpu.ts";
import { attachMachine, closeMachine, createMachine, type KvmMachineHandle } from "../vendor/kvm_machine.ts";
import { setCpuid } from "../vendor/kvm_shared.ts";
import type { IrqchipMode, VendorCaps, VendorOps } from "../vendor/ops.ts";
import { supportedCpuid } from "../vendor/probe.ts";
import type { KvmVendor } from "../vendor/quirks.ts";
import { kvmTableFor } from "../vendor/table.ts";
import { cpuidFor, type CpuidRequest } from "../x86/cpuid.ts";
import type { ForeignComponent } from "../x86/cpu.ts";
import type { EngineThread } from "./engine_thread.ts";
import type { KernelInterrupts } from "./interrupts.ts";
import { ADDRESS, PORT } from "./layout.ts";

/** Slots of guest memory. */
const SLOT = { LOW: 0, HIGH: 1 } as const;

/** Ports whose writes change nothing a guest could see before its next access to a device. */
const BATCHED_PORTS = [
  { port: PORT.RTC, length: 1 },
  { port: PORT.POST_CODE, length: 1 },
];

/**
 * Makes a machine with memory and no processors.
 * @throws {HostError} when KVM refuses.
 */
export function createKvmMachine(
  vendor: KvmVendor,
  caps: VendorCaps,
  irqchip: IrqchipMode,
  ram: GuestRam,
): KvmMachineHandle {
  const system = KvmSystem.open();
  try {
    const handle = createMachine(system, {
      vendor,
      irqchip,
      identityMap: ADDRESS.KVM_IDENTITY_MAP,
      taskState: ADDRESS.KVM_TSS,
    });
    try {
      const vm = KvmVm.attach(handle.vmFd, handle.vcpuMapSize);
      vm.setMemory({ slot: SLOT.LOW, gpa: 0, length: ram.lowBytes, address: ram.address });
      if (ram.highBytes > 0) {
        const address = ram.address + ram.lowBytes;
        vm.setMemory({ slot: SLOT.HIGH, gpa: FOUR_GIB, length: ram.highBytes, address });
      }
      if (caps.coalescedIo) {
        for (const { port, length } of BATCHED_PORTS) {
          addCoalescedZone(vm, { pio: true, address: port, length });
        }
      }
    } catch (error) {
      closeMachine(handle);
      throw error;
    }
    return handle;
  } finally {
    system.close();
  }
}

let supported: CpuidEntry[] | undefined;

/** The CPUID leaves KVM offers, asked for once in a thread. @throws {HostError} */
export function supportedLeaves(): readonly CpuidEntry[] {
  return supported ??= supportedCpuid();
}

/** Extended state beyond SSE as leaf 0Dh describes it; what is the supervisor's (IA32_XSS) is none. */
export function foreignComponents(leaves: readonly CpuidEntry[]): ForeignComponent[] {
  const found = leaves.filter(({ leaf, subleaf, eax, ecx }) =>
    leaf === 0xd && subleaf >= 2 && eax !== 0 && (ecx & 1) === 0
  );
  return found.sort((a, b) => a.subleaf - b.subleaf).map(({ subleaf, eax, ebx, ecx }) => ({
    bit: 1n << BigInt(subleaf),
    offset: ebx,
    size: eax,
    aligned: (ecx & 2) !== 0,
  }));
}

/**
 * Makes processor 0 on the calling thread.
 * @throws {HostError} when KVM refuses.
 */
export function openKvmThread(
  handle: KvmMachineHandle,
  caps: VendorCaps,
  cpuid: Omit<CpuidRequest, "tscKhz">,
  memory: GuestMemory,
): EngineThread<KvmCpu> {
  const ops = kvmTableFor(caps) as VendorOps<KvmCpu>;
  const machine = attachMachine(handle, memory);
  const cpu = ops.construct(machine, 0);
  try {
    setCpuid(cpu, cpuidFor({ ...cpuid, tscKhz: tscKhz(cpu.vcpu) }));
  } catch (error) {
    ops.relinquish(cpu);
    throw error;
  }
  const ring = caps.coalescedIo ? CoalescedRing.of(cpu.page.bytes) : undefined;
  return {
    ops,
    cpu,
    exit: emptyExit(),
    kernel: kernelInterrupts(machine.vm),
    // KVM gives no exits for the registers of x2APIC mode, and swallows the deadline register.
    apic: { x2apic: false },
    connect: () => {},
    kick: cpu.kick.handle,
    wait: (deadline) => cpu.kick.wait(deadline),
    // A deadline between two nanoseconds must not ring before it.
    setAlarm: (deadline) => cpu.kick.setAlarm(Math.ceil(deadline)),
    takeKick: () => cpu.kick.take(),
    drain: (ports, memoryIo) => {
      if (ring === undefined || !ring.pending) return;
      ring.drain((pio, address, bytes, at, length) =>
        (pio ? ports : memoryIo).writeBytes(address, bytes, at, length)
      );
    },
    close: () => ops.relinquish(cpu),
  };
}

function kernelInterrupts(vm: KvmVm): KernelInterrupts {
  return {
    irqLine: (gsi, level) => vm.irqLine(gsi, level),
    signalMsi: (address, data) => void vm.signalMsi(address, data),
    setPinRoutes: (routes) =>
      setGsiRouting(
        vm,
        routes.flatMap((route, gsi) => route === undefined ? [] : [{ gsi, ...route }]),
      ),
  };
}
