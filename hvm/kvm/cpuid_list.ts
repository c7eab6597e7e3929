/**
 * CPUID entries in the form KVM takes them.
 *
 * Sources: [KVM] Linux Documentation/virt/kvm/api.rst, KVM_SET_CPUID2.
 * @module
 */

import { CPUID_FLAG_SIGNIFCANT_INDEX } from "./abi.ts";
import { CPUID2, CPUID_ENTRY } from "./abi_structs.ts";

/** One answer of CPUID. */
export interface CpuidEntry {
  leaf: number;
  subleaf: number;
  /** The answer depends on ECX. */
  indexed: boolean;
  eax: number;
  ebx: number;
  ecx: number;
  edx: number;
}

/** A `kvm_cpuid2` that holds the entries and has room for `capacity`; `nent` is the capacity when that is more. */
export function encodeCpuid(
  entries: readonly CpuidEntry[],
  capacity = entries.length,
): Uint8Array<ArrayBuffer> {
  const count = Math.max(capacity, entries.length);
  const bytes = new Uint8Array(CPUID2.size + count * CPUID_ENTRY.size);
  bytes.set(CPUID2.encode({ nent: count }));
  entries.forEach(({ leaf, subleaf, indexed, eax, ebx, ecx, edx }, i) => {
    const flags = indexed ? CPUID_FLAG_SIGNIFCANT_INDEX : 0;
    const entry = CPUID_ENTRY.encode({ function: leaf, index: subleaf, flags, eax, ebx, ecx, edx });
    bytes.set(entry, CPUID2.size + i * CPUID_ENTRY.size);
  });
  return bytes;
}

/** The entries of a `kvm_cpuid2` that KVM filled. */
export function decodeCpuid(bytes: Uint8Array): CpuidEntry[] {
  const { nent } = CPUID2.view(bytes);
  return Array.from({ length: nent }, (_, i) => {
    const entry = CPUID_ENTRY.view(bytes, CPUID2.size + i * CPUID_ENTRY.size);
    return {
      leaf: entry.function,
      subleaf: entry.index,
      indexed: (entry.flags & CPUID_FLAG_SIGNIFCANT_INDEX) !== 0,
      eax: entry.eax,
      ebx: entry.ebx,
      ecx: entry.ecx,
      edx: entry.edx,
    };
  });
}
