/**
 * CPUID features that gate instructions: those of the guest's CPUID by their names there, and those only rows need.
 *
 * Sources: [SDM] vol. 2A, CPUID, tables 3-8 to 3-12; [APM] vol. 3, appendix E.
 * @module
 */

import { FEATURE, type FeatureBit } from "./cpuid.ts";

function at(leaf: number, register: FeatureBit["register"], bit: number, subleaf = 0): FeatureBit {
  return { leaf, subleaf, register, bit };
}

/** Where the bit of every feature is that a row may name after `@`. */
export const ISA_FEATURE: Readonly<Record<string, FeatureBit>> = {
  ...FEATURE,
  PCLMULQDQ: at(1, "ecx", 1),
  SMX: at(1, "ecx", 6),
  AES: at(1, "ecx", 25),
  RDRAND: at(1, "ecx", 30),
  FSGSBASE: at(7, "ebx", 0),
  BMI1: at(7, "ebx", 3),
  BMI2: at(7, "ebx", 8),
  INVPCID: at(7, "ebx", 10),
  RTM: at(7, "ebx", 11),
  RDSEED: at(7, "ebx", 18),
  ADX: at(7, "ebx", 19),
  SMAP: at(7, "ebx", 20),
  CLFLUSHOPT: at(7, "ebx", 23),
  CLWB: at(7, "ebx", 24),
  SHA: at(7, "ebx", 29),
  PKU: at(7, "ecx", 3),
  GFNI: at(7, "ecx", 8),
  RDPID: at(7, "ecx", 22),
  CLDEMOTE: at(7, "ecx", 25),
  MOVDIRI: at(7, "ecx", 27),
  MOVDIR64B: at(7, "ecx", 28),
  SERIALIZE: at(7, "edx", 14),
  XSAVEOPT: at(0xd, "eax", 0, 1),
  XSAVEC: at(0xd, "eax", 1, 1),
  XSAVES: at(0xd, "eax", 3, 1),
  LZCNT: at(0x80000001, "ecx", 5),
  SSE4A: at(0x80000001, "ecx", 6),
  PREFETCHW: at(0x80000001, "ecx", 8),
  SKINIT: at(0x80000001, "ecx", 12),
  MONITORX: at(0x80000001, "ecx", 29),
  CLZERO: at(0x80000008, "ebx", 0),
  RDPRU: at(0x80000008, "ebx", 4),
  WBNOINVD: at(0x80000008, "ebx", 9),
};
