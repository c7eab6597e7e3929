/**
 * Which breakpoints a KVM host's processor has for guests. Processors do, but that of the svm lab, QEMU's in software, does
 * not: it delivers INT3 to the guest though KVM intercepts #BP, and arms nothing when a guest's DR7 is loaded. (The vmx lab's,
 * Bochs, has all.)
 * @module
 */

import { GUESTDBG } from "../../hvm/kvm/abi.ts";
import { kvmMissing } from "../../hvm/testing/kvm.ts";
import { setDebug } from "../../hvm/vendor/kvm_shared.ts";
import { EXIT } from "../../hvm/vendor/ops.ts";
import { AT, guest, hostProbe } from "../../hvm/vendor/vendor_rig.ts";

/** DR7: breakpoint 0 at instructions. */
const DR7 = 0x702n;

/** Why breakpoints of a kind cannot be tested here, undefined when they can. Only an svm host may lack them. */
export function breakpointsMissing(kind: "software" | "hardware"): string | undefined {
  if (kvmMissing() !== undefined || hostProbe().vendor !== "svm") return undefined;
  using g = guest((a) => kind === "software" ? a.nop().int3().hlt() : a.nop().nop().hlt());
  if (kind === "software") setDebug(g.cpu, GUESTDBG.ENABLE | GUESTDBG.USE_SW_BP);
  else {
    const registers = [BigInt(AT.CODE) + 1n, 0n, 0n, 0n, 0n, 0n, 0n, DR7];
    setDebug(g.cpu, GUESTDBG.ENABLE | GUESTDBG.USE_HW_BP, registers);
  }
  if (g.run().kind === EXIT.DEBUG) return undefined;
  return `this host's processor is software that has no ${kind} breakpoints for guests`;
}
