/**
 * The architectural state of one x86 processor as plain data, and its values after RESET.
 *
 * This is the neutral form every engine reads and writes, loaders prepare, diagnoses print and snapshots keep. It
 * survives a structured clone, so it may cross threads. Engines keep their own, faster form inside.
 *
 * Sources: [SDM] Intel SDM vol. 3A, table 10-1 (state after reset), 3.4.5 (segment descriptors); [APM] AMD APM vol. 2,
 * 14.1.3.
 * @module
 */

/** Indices into {@linkcode CpuState.gpr}: the numbers instructions encode. [SDM] vol. 2A, table 2-4 */
export const GPR = {
  RAX: 0,
  RCX: 1,
  RDX: 2,
  RBX: 3,
  RSP: 4,
  RBP: 5,
  RSI: 6,
  RDI: 7,
  R8: 8,
  R9: 9,
  R10: 10,
  R11: 11,
  R12: 12,
  R13: 13,
  R14: 14,
  R15: 15,
} as const;

/** EFLAGS bits. [SDM] vol. 1, 3.4.3 */
export const RFLAGS = {
  CF: 1 << 0,
  ALWAYS_ONE: 1 << 1,
  PF: 1 << 2,
  AF: 1 << 4,
  ZF: 1 << 6,
  SF: 1 << 7,
  TF: 1 << 8,
  IF: 1 << 9,
  DF: 1 << 10,
  OF: 1 << 11,
  IOPL: 3 << 12,
  NT: 1 << 14,
  RF: 1 << 16,
  VM: 1 << 17,
  AC: 1 << 18,
  VIF: 1 << 19,
  VIP: 1 << 20,
  ID: 1 << 21,
} as const;

/** CR0 bits. [SDM] vol. 3A, 2.5 */
export const CR0 = {
  PE: 1 << 0,
  MP: 1 << 1,
  EM: 1 << 2,
  TS: 1 << 3,
  ET: 1 << 4,
  NE: 1 << 5,
  WP: 1 << 16,
  AM: 1 << 18,
  NW: 1 << 29,
  CD: 1 << 30,
  PG: 2 ** 31,
} as const;

/** CR4 bits. [SDM] vol. 3A, 2.5 */
export const CR4 = {
  VME: 1 << 0,
  PVI: 1 << 1,
  TSD: 1 << 2,
  DE: 1 << 3,
  PSE: 1 << 4,
  PAE: 1 << 5,
  MCE: 1 << 6,
  PGE: 1 << 7,
  PCE: 1 << 8,
  OSFXSR: 1 << 9,
  OSXMMEXCPT: 1 << 10,
  UMIP: 1 << 11,
  LA57: 1 << 12,
  FSGSBASE: 1 << 16,
  PCIDE: 1 << 17,
  OSXSAVE: 1 << 18,
  SMEP: 1 << 20,
  SMAP: 1 << 21,
} as const;

/** IA32_EFER bits. [SDM] vol. 3A, 2.2.1; [APM] 3.1.7 */
export const EFER = { SCE: 1 << 0, LME: 1 << 8, LMA: 1 << 10, NXE: 1 << 11, SVME: 1 << 12 } as const;

/** A segment register with its hidden part. */
export interface SegmentState {
  selector: number;
  base: bigint;
  /** In bytes, granularity already applied. */
  limit: number;
  /** The four type bits of the descriptor. [SDM] vol. 3A, 3.4.5.1 and 3.5 */
  type: number;
  /** Code or data (true) or system (false). */
  codeOrData: boolean;
  dpl: number;
  present: boolean;
  available: boolean;
  long: boolean;
  /** The D/B bit: 32-bit default. */
  big: boolean;
  granular: boolean;
  /** Not to be used: loaded with a null selector. */
  unusable: boolean;
}

/** GDTR or IDTR. */
export interface TableState {
  base: bigint;
  limit: number;
}

/** Everything a loader or a diagnosis needs of one processor. */
export interface CpuState {
  /** RAX to R15 in encoding order ({@linkcode GPR}). */
  gpr: BigUint64Array;
  rip: bigint;
  rflags: bigint;
  cs: SegmentState;
  ds: SegmentState;
  es: SegmentState;
  fs: SegmentState;
  gs: SegmentState;
  ss: SegmentState;
  tr: SegmentState;
  ldt: SegmentState;
  gdt: TableState;
  idt: TableState;
  cr0: bigint;
  cr2: bigint;
  cr3: bigint;
  cr4: bigint;
  cr8: bigint;
  efer: bigint;
}

/** What {@linkcode CpuState} leaves out: registers that only some need, and that cost more to ask for. */
export interface ExtendedState {
  /** The standard form of XSAVE's area: 576 bytes and what components beyond SSE take. [SDM] vol. 1, 13.4 */
  readonly xsave: Uint8Array<ArrayBuffer>;
  readonly xcr0: bigint;
  /** DR0 to DR3, DR6, DR7. */
  readonly debug: readonly bigint[];
}

/** Descriptor types used when a segment is built by hand. [SDM] vol. 3A, tables 3-1 and 3-2 */
export const SEGMENT_TYPE = {
  DATA_RW_ACCESSED: 0x3,
  CODE_XR_ACCESSED: 0xb,
  LDT: 0x2,
  TSS16_BUSY: 0x3,
  TSS_BUSY: 0xb,
} as const;

/** A segment of real-address mode: base 16 times the selector, 64 KiB. */
export function realModeSegment(
  selector: number,
  type: number = SEGMENT_TYPE.DATA_RW_ACCESSED,
): SegmentState {
  return {
    selector,
    base: BigInt(selector) << 4n,
    limit: 0xffff,
    type,
    codeOrData: true,
    dpl: 0,
    present: true,
    available: false,
    long: false,
    big: false,
    granular: false,
    unusable: false,
  };
}

/** A flat 4 GiB segment of protected mode, or a 64-bit code segment when `long`. */
export function flatSegment(selector: number, type: number, options: { long?: boolean } = {}): SegmentState {
  const long = options.long ?? false;
  return {
    selector,
    base: 0n,
    limit: 0xffffffff,
    type,
    codeOrData: true,
    dpl: 0,
    present: true,
    available: false,
    long,
    big: !long,
    granular: true,
    unusable: false,
  };
}

/** A system segment (TR or LDTR). */
export function systemSegment(selector: number, type: number, base: bigint, limit: number): SegmentState {
  return {
    ...realModeSegment(selector, type),
    base,
    limit,
    codeOrData: false,
  };
}

/** The state after RESET: real mode at FFFF:FFF0 with the code segment's base at FFFF0000h. [SDM] vol. 3A, table 10-1 */
export function resetState(): CpuState {
  const gpr = new BigUint64Array(16);
  gpr[GPR.RDX] = 0x600n;
  return {
    gpr,
    rip: 0xfff0n,
    rflags: BigInt(RFLAGS.ALWAYS_ONE),
    cs: { ...realModeSegment(0xf000, SEGMENT_TYPE.CODE_XR_ACCESSED), base: 0xffff0000n },
    ds: realModeSegment(0),
    es: realModeSegment(0),
    fs: realModeSegment(0),
    gs: realModeSegment(0),
    ss: realModeSegment(0),
    tr: systemSegment(0, SEGMENT_TYPE.TSS_BUSY, 0n, 0xffff),
    ldt: systemSegment(0, SEGMENT_TYPE.LDT, 0n, 0xffff),
    gdt: { base: 0n, limit: 0xffff },
    idt: { base: 0n, limit: 0xffff },
    cr0: BigInt(CR0.CD | CR0.NW | CR0.ET),
    cr2: 0n,
    cr3: 0n,
    cr4: 0n,
    cr8: 0n,
    efer: 0n,
  };
}
