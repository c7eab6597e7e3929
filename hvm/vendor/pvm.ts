/**
 * The table for KVM without hardware virtualization: 64-bit user code runs natively, all else is emulated inside the
 * host's kernel.
 *
 * What such a host does differently is in the quirk rows; here it is that a request about a processor costs as much as
 * an exit, so what interrupts need travels with the exit and they go in with the registers.
 * @module
 */

import { type KvmCpu, SET } from "./kvm_cpu.ts";
import type { KvmMachine } from "./kvm_machine.ts";
import { kvmTable } from "./kvm_shared.ts";
import type { VendorCaps, VendorOps } from "./ops.ts";
import { quirksOf } from "./quirks.ts";

/** VMCALL, which faults here as it should; see the quirk `pvm-hypercall-loops`. */
const VMCALL = Uint8Array.of(0x0f, 0x01, 0xc1);

/** The table for this host. */
export function pvmTable(caps: VendorCaps): VendorOps<KvmCpu, KvmMachine> {
  return kvmTable({
    caps,
    quirks: quirksOf("pvm"),
    hypercallInstruction: VMCALL,
    syncAtExit: SET.REGS | SET.EVENTS,
    injectByRegisters: true,
  });
}
