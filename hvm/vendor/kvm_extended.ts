/**
 * Extended state of a processor under KVM: x87, SSE and what else XSAVE keeps, XCR0, debug registers.
 *
 * Sources: [KVM] Linux Documentation/virt/kvm/api.rst, KVM_GET_XSAVE, KVM_GET_XCRS, KVM_GET_DEBUGREGS.
 * @module
 */

import { DEBUGREGS, XCR, XCRS } from "../kvm/abi_structs.ts";
import { getState, setState } from "../kvm/vcpu_state.ts";
import type { ExtendedState } from "../x86/state.ts";
import type { KvmCpu } from "./kvm_cpu.ts";

/** Where the value of XCR0, the only such register there is, stands. */
const XCR0_AT = XCRS.offset.xcrs + XCR.offset.value;

/** Reads extended state. @throws {HostError} */
export function readExtended(cpu: KvmCpu): ExtendedState {
  cpu.complete();
  cpu.flush();
  const { vcpu } = cpu;
  const xcrs = getState(vcpu, "XCRS");
  const { db, dr6, dr7 } = DEBUGREGS.view(getState(vcpu, "DEBUGREGS"));
  return {
    xsave: getState(vcpu, "XSAVE"),
    xcr0: new DataView(xcrs.buffer).getBigUint64(XCR0_AT, true),
    debug: [...db, dr6, dr7],
  };
}

/** Sets extended state. @throws {HostError} when KVM refuses the values. */
export function writeExtended(cpu: KvmCpu, state: ExtendedState): void {
  cpu.complete();
  cpu.flush();
  const { vcpu } = cpu;
  const xcrs = getState(vcpu, "XCRS");
  const view = new DataView(xcrs.buffer);
  if (view.getBigUint64(XCR0_AT, true) !== state.xcr0) {
    view.setBigUint64(XCR0_AT, state.xcr0, true);
    setState(vcpu, "XCRS", xcrs);
  }
  setState(vcpu, "XSAVE", state.xsave);
  const bytes = new Uint8Array(DEBUGREGS.size);
  const registers = DEBUGREGS.view(bytes);
  registers.db = state.debug.slice(0, 4);
  registers.dr6 = state.debug[4]!;
  registers.dr7 = state.debug[5]!;
  setState(vcpu, "DEBUGREGS", bytes);
}
