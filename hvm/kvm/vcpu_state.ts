/**
 * The rarer state of a virtual processor: CPUID, run state, local APIC page, debug registers, extended state, address
 * translation. Functions over {@linkcode KvmVcpu}, on the processor's own thread.
 *
 * Sources: [KVM] Linux Documentation/virt/kvm/api.rst.
 * @module
 */

import { ioctlInt } from "../sys/files.ts";
import { IOCTL } from "./abi.ts";
import {
  DEBUGREGS,
  FPU,
  GUEST_DEBUG,
  LAPIC_STATE,
  MP_STATE_ARG,
  REGS,
  SREGS,
  TRANSLATION,
  VCPU_EVENTS,
  XCRS,
  XSAVE,
} from "./abi_structs.ts";
import { type CpuidEntry, encodeCpuid } from "./cpuid_list.ts";
import type { KvmVcpu } from "./vcpu.ts";

/** State requests that fill or take one structure of a fixed size. */
const STATE = {
  REGS: REGS.size,
  SREGS: SREGS.size,
  FPU: FPU.size,
  VCPU_EVENTS: VCPU_EVENTS.size,
  LAPIC: LAPIC_STATE.size,
  DEBUGREGS: DEBUGREGS.size,
  XSAVE: XSAVE.size,
  XCRS: XCRS.size,
  MP_STATE: MP_STATE_ARG.size,
} as const;
/** The name of a state, as `LAPIC` for KVM_GET_LAPIC. */
export type StateName = keyof typeof STATE;

/** The bytes of one state structure. @throws {HostError} */
export function getState(vcpu: KvmVcpu, name: StateName): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(STATE[name]);
  vcpu.call(`GET_${name}`, bytes);
  return bytes;
}

/** Sets one state structure. @throws {HostError} */
export function setState(vcpu: KvmVcpu, name: StateName, bytes: Uint8Array<ArrayBuffer>): void {
  vcpu.call(`SET_${name}`, bytes);
}

/** The extended state with `size` bytes, which is what KVM_CAP_XSAVE2 answers. @throws {HostError} */
export function getXsave2(vcpu: KvmVcpu, size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.max(size, XSAVE.size));
  vcpu.call("GET_XSAVE2", bytes);
  return bytes;
}

/** What CPUID answers on this processor. @throws {HostError} */
export function setCpuid(vcpu: KvmVcpu, entries: readonly CpuidEntry[]): void {
  vcpu.call("SET_CPUID2", encodeCpuid(entries));
}

/** The run state: one of `MP_STATE` of the ABI. @throws {HostError} */
export function getMpState(vcpu: KvmVcpu): number {
  return MP_STATE_ARG.view(getState(vcpu, "MP_STATE")).mp_state;
}

/** Sets the run state; without an APIC in the kernel only RUNNABLE is taken. @throws {HostError} */
export function setMpState(vcpu: KvmVcpu, state: number): void {
  setState(vcpu, "MP_STATE", MP_STATE_ARG.encode({ mp_state: state }));
}

/** The frequency of the guest's time stamp counter in kHz, 0 when KVM does not tell. */
export function tscKhz(vcpu: KvmVcpu): number {
  return Math.max(0, ioctlInt(vcpu.fd, IOCTL.GET_TSC_KHZ, 0));
}

/**
 * Tells a guest with the paravirtual clock that it was paused, so that its watchdogs forgive the time.
 * @returns false when the guest does not use that clock.
 */
export function tellPaused(vcpu: KvmVcpu): boolean {
  return ioctlInt(vcpu.fd, IOCTL.KVMCLOCK_CTRL, 0) >= 0;
}

/**
 * The guest-physical address of a linear one, by the guest's own page tables.
 * @returns -1 when it is not mapped.
 */
export function translate(vcpu: KvmVcpu, linear: bigint): number {
  const bytes = TRANSLATION.encode({ linear_address: linear });
  vcpu.call("TRANSLATE", bytes);
  const { valid, physical_address } = TRANSLATION.view(bytes);
  return valid === 0 ? -1 : Number(physical_address);
}

/** Sets what KVM debugs: `control` is a set of `GUESTDBG` bits, `registers` DR0 to DR7. @throws {HostError} */
export function setGuestDebug(vcpu: KvmVcpu, control: number, registers: bigint[] = []): void {
  vcpu.call("SET_GUEST_DEBUG", GUEST_DEBUG.encode({ control, debugreg: registers }));
}
