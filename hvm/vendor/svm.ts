/**
 * The table for KVM on AMD SVM.
 *
 * Sources: [APM] AMD APM vol. 2, 15.5 and vol. 3 (VMMCALL); [KVM] Linux Documentation/virt/kvm/api.rst.
 * @module
 */

import { type KvmCpu, SET } from "./kvm_cpu.ts";
import type { KvmMachine } from "./kvm_machine.ts";
import { kvmTable } from "./kvm_shared.ts";
import type { VendorCaps, VendorOps } from "./ops.ts";
import { quirksOf } from "./quirks.ts";

/** VMMCALL. [APM] */
const VMMCALL = Uint8Array.of(0x0f, 0x01, 0xd9);

/** The table for this host. */
export function svmTable(caps: VendorCaps): VendorOps<KvmCpu, KvmMachine> {
  return kvmTable({
    caps,
    quirks: quirksOf("svm"),
    hypercallInstruction: VMMCALL,
    syncAtExit: SET.REGS,
    injectByRegisters: false,
  });
}
