/**
 * Which breakpoints a KVM host's processor has for guests. Processors do, but those of the host labs are software: QEMU's
 * delivers INT3 to the guest though KVM intercepts #BP, and arms nothing when a guest's DR7 is loaded; Bochs' overlooks
 * accesses to pages it has in its TLB already.
 * @module
 */

import { mem } from "../../hvm/testing/asm.ts";
import { kvmMissing } from "../../hvm/testing/kvm.ts";
import { GUESTDBG } from "../../hvm/kvm/abi.ts";
import { setDebug } from "../../hvm/vendor/kvm_shared.ts";
import { EXIT } from "../../hvm/vendor/ops.ts";
import { guest, hostProbe } from "../../hvm/vendor/vendor_rig.ts";

const DATA = 0x9000;
/** DR7: breakpoint 0 at instructions, at writes of a byte. */
const CONTROL = { hardware: 0x702n, data: 0x1_0702n } as const;

/** Why breakpoints of a kind cannot be tested here, undefined when they can; quirk `pvm-debug` is another matter. */
export function breakpointsMissing(kind: "software" | "hardware" | "data"): string | undefined {
  if (kvmMissing() !== undefined || hostProbe().vendor === "pvm") return undefined;
  using g = guest((a) => {
    if (kind === "software") return a.nop().int3().hlt();
    // The page of the data is in the TLB before anything is armed.
    a.mov("rbx", DATA).mov("al", mem("rbx")).mov(mem("rbx"), "al").out(0x80, "al");
    a.label("armed").nop().mov(mem("rbx"), "al").nop().hlt();
  }, { mode: "long" });
  if (kind === "software") setDebug(g.cpu, GUESTDBG.ENABLE | GUESTDBG.USE_SW_BP);
  else {
    if (g.run().kind !== EXIT.IO) return undefined; // no test of breakpoints: let the stories fail
    const address = kind === "data" ? DATA : g.labels.addressOf("armed")!;
    const registers = [BigInt(address), 0n, 0n, 0n, 0n, 0n, 0n, CONTROL[kind]];
    setDebug(g.cpu, GUESTDBG.ENABLE | GUESTDBG.USE_HW_BP, registers);
  }
  if (g.run().kind === EXIT.DEBUG) return undefined;
  return `this host's processor is software that has no ${kind} breakpoints for guests`;
}
