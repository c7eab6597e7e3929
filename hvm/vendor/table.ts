/**
 * From the facts the probe found to the table, for threads that were handed those facts.
 * @module
 */

import { ConfigError } from "../base/errors.ts";
import type { KvmCpu } from "./kvm_cpu.ts";
import type { KvmMachine } from "./kvm_machine.ts";
import type { VendorCaps, VendorOps } from "./ops.ts";
import { pvmTable } from "./pvm.ts";
import { svmTable } from "./svm.ts";
import { vmxTable } from "./vmx.ts";

/** The table of a KVM engine. @throws {ConfigError} for an engine that is none. */
export function kvmTableFor(caps: VendorCaps): VendorOps<KvmCpu, KvmMachine> {
  switch (caps.vendor) {
    case "vmx":
      return vmxTable(caps);
    case "svm":
      return svmTable(caps);
    case "pvm":
      return pvmTable(caps);
    case "soft":
      throw new ConfigError("The soft engine does not run on KVM", { path: "engine" });
  }
}
