/**
 * What CPUID of the soft engine can show: just what is implemented.
 *
 * Sources: [SDM] Intel SDM vol. 2A, CPUID; [APM] AMD APM vol. 3, appendix E.
 * @module
 */

import type { CpuidLeaf, FeatureBit } from "./cpuid.ts";
import { ISA_FEATURE } from "./isa_features.ts";
import { PHYSICAL_BITS } from "./paging.ts";

const FEATURES = (
  "FPU TSC MSR PAE MCE CX8 APIC SEP MTRR PGE MCA CMOV PAT CLFSH MMX FXSR SSE SSE2 SSE3 PCLMULQDQ SSSE3 CX16 " +
  "SSE4_1 SSE4_2 X2APIC MOVBE POPCNT TSC_DEADLINE XSAVE RDRAND FSGSBASE BMI1 BMI2 INVPCID RDSEED ADX SMAP " +
  "CLFLUSHOPT CLWB RDPID XSAVEOPT XSAVEC LAHF64 LZCNT PREFETCHW SYSCALL NX PDPE1GB RDTSCP LM"
).split(" ");

/** Those no instruction asks for: VME, DE, PSE, PSE-36, SMEP, ERMS, UMIP, IBRS with IBPB, ARCH_CAPABILITIES. */
const OTHERS: readonly FeatureBit[] = [
  { leaf: 1, subleaf: 0, register: "edx", bit: 1 },
  { leaf: 1, subleaf: 0, register: "edx", bit: 2 },
  { leaf: 1, subleaf: 0, register: "edx", bit: 3 },
  { leaf: 1, subleaf: 0, register: "edx", bit: 17 },
  { leaf: 7, subleaf: 0, register: "ebx", bit: 7 },
  { leaf: 7, subleaf: 0, register: "ebx", bit: 9 },
  { leaf: 7, subleaf: 0, register: "ecx", bit: 2 },
  { leaf: 7, subleaf: 0, register: "edx", bit: 26 },
  { leaf: 7, subleaf: 0, register: "edx", bit: 29 },
];
/** Features this hvm names beside rows' gates. */
export const OTHER_GATES: Readonly<Record<string, FeatureBit>> = {
  SMEP: OTHERS[4]!,
  UMIP: OTHERS[6]!,
};

const BRAND = "hvm soft CPU";
/** A 64-byte line for CLFLUSH. */
const CLFLUSH_LINE = 8 << 8;
/** Family 6. */
const SIGNATURE = 0x000506e0;
/** Bytes of an XSAVE area with x87 and SSE. */
const XSAVE_BYTES = 576;
const TSC_HZ = 1_000_000_000;

function leaf(
  number: number,
  values?: Partial<Pick<CpuidLeaf, "eax" | "ebx" | "ecx" | "edx">>,
  subleaf?: number,
): CpuidLeaf {
  const indexed = subleaf !== undefined;
  return { leaf: number, subleaf: subleaf ?? 0, indexed, eax: 0, ebx: 0, ecx: 0, edx: 0, ...values };
}

/** Four characters at a time. */
function words(text: string): number[] {
  const bytes = new TextEncoder().encode(text);
  return Array.from(
    { length: bytes.length / 4 },
    (_, i) => new DataView(bytes.buffer).getUint32(i * 4, true),
  );
}

/** Deterministic cache parameters: type and level, ways, line size, sets. */
function cache(type: number, level: number, ways: number, sets: number): Partial<CpuidLeaf> {
  return { eax: type | level << 5 | 1 << 8, ebx: (ways - 1) << 22 | 63, ecx: sets - 1 };
}

/** The leaves. */
export function softLeaves(): CpuidLeaf[] {
  const [ebx, edx, ecx] = words("GenuineIntel") as [number, number, number];
  const brand = words(BRAND.padEnd(48, "\0"));
  const leaves = [
    leaf(0, { eax: 0x15, ebx, ecx, edx }),
    leaf(1, { eax: SIGNATURE, ebx: CLFLUSH_LINE }),
    leaf(2, { eax: 0x00feff01, edx: 0 }),
    leaf(4, cache(1, 1, 8, 64), 0),
    leaf(4, cache(2, 1, 8, 64), 1),
    leaf(4, cache(3, 2, 8, 1024), 2),
    leaf(4, {}, 3),
    leaf(7, {}, 0),
    leaf(0xb, {}, 0),
    leaf(0xb, {}, 1),
    leaf(0xb, {}, 2),
    leaf(0xd, { eax: 3, ebx: XSAVE_BYTES, ecx: XSAVE_BYTES }, 0),
    leaf(0xd, { ebx: XSAVE_BYTES }, 1),
    // The time stamp counter and its crystal run at 1 GHz.
    leaf(0x15, { eax: 1, ebx: 1, ecx: TSC_HZ }),
    leaf(0x80000000, { eax: 0x80000008 }),
    leaf(0x80000001),
    ...[0, 1, 2].map((n) => {
      const [eax, b, c, d] = brand.slice(n * 4, n * 4 + 4) as [number, number, number, number];
      return leaf(0x80000002 + n, { eax, ebx: b, ecx: c, edx: d });
    }),
    leaf(0x80000006, { ecx: 512 << 16 | 6 << 12 | 64 }),
    // An invariant time stamp counter.
    leaf(0x80000007, { edx: 1 << 8 }),
    leaf(0x80000008, { eax: PHYSICAL_BITS | 48 << 8 }),
  ];
  for (const where of [...FEATURES.map((name) => ISA_FEATURE[name]!), ...OTHERS]) {
    const found = leaves.find((one) => one.leaf === where.leaf && one.subleaf === where.subleaf)!;
    found[where.register] = (found[where.register] | 1 << where.bit) >>> 0;
  }
  return leaves;
}
