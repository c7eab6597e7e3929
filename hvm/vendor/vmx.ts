/**
 * The table for KVM on Intel VT-x.
 *
 * Sources: [SDM] Intel SDM vol. 3C, chapter 31 (VMCALL); [KVM] Linux Documentation/virt/kvm/api.rst.
 * @module
 */

import { type KvmCpu, SET } from "./kvm_cpu.ts";
import type { KvmMachine } from "./kvm_machine.ts";
import { kvmTable } from "./kvm_shared.ts";
import type { VendorCaps, VendorOps } from "./ops.ts";
import { quirksOf } from "./quirks.ts";

/** VMCALL. [SDM] */
const VMCALL = Uint8Array.of(0x0f, 0x01, 0xc1);

/** The table for this host. */
export function vmxTable(caps: VendorCaps): VendorOps<KvmCpu, KvmMachine> {
  return kvmTable({
    caps,
    quirks: quirksOf("vmx"),
    hypercallInstruction: VMCALL,
    // KVM has these at hand after every exit; segments cost a VMREAD each and are fetched when somebody asks.
    syncAtExit: SET.REGS,
    injectByRegisters: false,
  });
}
