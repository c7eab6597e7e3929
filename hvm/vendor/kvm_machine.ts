/**
 * The machine of a KVM engine: the descriptor and how its interrupt controllers are divided.
 *
 * The main thread makes it and keeps it open; each processor's thread attaches to it by plain numbers.
 *
 * Sources: [KVM] Linux Documentation/virt/kvm/api.rst; [SDM] Intel SDM vol. 3C, 27.3.1.2 (why VT-x needs a task state).
 * @module
 */

import { unreachable } from "../base/errors.ts";
import { IOAPIC_NUM_PINS, IRQCHIP_ID } from "../kvm/abi.ts";
import type { KvmSystem } from "../kvm/system.ts";
import { KvmVm } from "../kvm/vm.ts";
import { filterMsrs, type GsiRoute, type MsrRange, setGsiRouting } from "../kvm/vm_extras.ts";
import type { IrqchipMode } from "./ops.ts";
import { HOST_POLICY, type KvmVendor } from "./quirks.ts";

/** What is asked of a new machine. */
export interface MachineRequest {
  readonly vendor: KvmVendor;
  readonly irqchip: IrqchipMode;
  /** One page and, elsewhere, three pages below 4 GiB that the guest leaves alone. */
  readonly identityMap: number;
  readonly taskState: number;
  /**
   * Registers whose accesses become exits, beside all that KVM does not know. Undefined: none at all, KVM faults by
   * itself.
   */
  readonly msrExits?: readonly MsrRange[];
  /** In place of what is the rule on this kind of host; see `HostPolicy`. */
  readonly exitOnUserFailure?: boolean;
}

/** Plain data, so that it crosses threads. */
export interface KvmMachineHandle {
  readonly vendor: KvmVendor;
  readonly vmFd: number;
  readonly vcpuMapSize: number;
  readonly irqchip: IrqchipMode;
}

/** A machine as one thread sees it. */
export interface KvmMachine extends KvmMachineHandle {
  readonly vm: KvmVm;
  readonly memory: KvmMemory;
}

/** Guest memory, for showing the instruction a guest died at and for a debugger's breakpoints. */
export interface KvmMemory {
  read(gpa: number, length: number): Uint8Array;
  write(gpa: number, bytes: Uint8Array): void;
}

/**
 * Makes a machine without memory or processors.
 * @throws {HostError} when KVM refuses.
 */
export function createMachine(system: KvmSystem, request: MachineRequest): KvmMachineHandle {
  const vm = system.createVm();
  try {
    const policy = HOST_POLICY[request.vendor];
    if (policy.needsTaskState) {
      vm.setIdentityMapAddress(request.identityMap);
      vm.setTssAddress(request.taskState);
    }
    const supported = BigInt(vm.capability("DISABLE_QUIRKS2"));
    const quirks = BigInt(policy.disabledQuirks) & supported;
    if (quirks !== 0n) vm.enable("DISABLE_QUIRKS2", quirks);
    createIrqchip(vm, request.irqchip);
    const wanted = request.exitOnUserFailure ?? policy.exitOnUserFailure;
    if (wanted && vm.capability("EXIT_ON_EMULATION_FAILURE") !== 0) {
      vm.enable("EXIT_ON_EMULATION_FAILURE", 1n);
    }
    if (request.msrExits !== undefined && vm.capability("X86_MSR_FILTER") !== 0) {
      filterMsrs(vm, request.msrExits);
    }
  } catch (error) {
    vm.close();
    throw error;
  }
  const { vendor, irqchip } = request;
  return { vendor, irqchip, vmFd: vm.fd, vcpuMapSize: vm.vcpuMapSize };
}

/** The calling thread's view of a machine. */
export function attachMachine(
  handle: KvmMachineHandle,
  memory: KvmMemory,
): KvmMachine {
  return { ...handle, vm: KvmVm.attach(handle.vmFd, handle.vcpuMapSize), memory };
}

/** Closes the machine's descriptor; its processors must have been relinquished. */
export function closeMachine(handle: KvmMachineHandle): void {
  KvmVm.attach(handle.vmFd, handle.vcpuMapSize).close();
}

function createIrqchip(vm: KvmVm, mode: IrqchipMode): void {
  switch (mode) {
    case "user":
      return;
    case "split":
      vm.splitIrqchip(IOAPIC_NUM_PINS);
      return;
    case "kernel":
      vm.createIrqchip();
      setGsiRouting(vm, pcRoutes());
      vm.createPit();
      return;
    default:
      return unreachable(mode);
  }
}

/**
 * The wiring of a PC: ISA lines 0 to 15 go to the PIC pair (2 is the cascade) and to the IOAPIC, where line 0 arrives at
 * pin 2. KVM's own default has it at pin 0, which no PC's tables say.
 */
export function pcRoutes(): GsiRoute[] {
  const routes: GsiRoute[] = [];
  for (let gsi = 0; gsi < 16; gsi++) {
    if (gsi === 2) continue;
    const irqchip = gsi < 8 ? IRQCHIP_ID.PIC_MASTER : IRQCHIP_ID.PIC_SLAVE;
    routes.push({ gsi, irqchip, pin: gsi % 8 });
  }
  for (let gsi = 0; gsi < IOAPIC_NUM_PINS; gsi++) {
    if (gsi !== 2) routes.push({ gsi, irqchip: IRQCHIP_ID.IOAPIC, pin: gsi === 0 ? 2 : gsi });
  }
  return routes;
}
