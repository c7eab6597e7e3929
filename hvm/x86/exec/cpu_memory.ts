/**
 * Where one processor's state lies in its private WebAssembly memory (memory 0), and what an executable record holds.
 *
 * Semantics emitted as WebAssembly and system code in TypeScript read and write the same bytes. All numbers are
 * little-endian; a cell is aligned to its width.
 *
 * EFLAGS is in two places. System flags and DF are in {@linkcode CPU.EFLAGS}. The six arithmetic flags are lazy: they are a
 * function of {@linkcode CPU.FLAG_RESULT} and {@linkcode CPU.FLAG_AUX}, see flags.ts.
 * @module
 */

/** Offsets of the state. Registers in records are byte offsets from 0, so that AH is just 1. */
export const CPU = {
  /** RAX to R15 in encoding order, 8 bytes each. */
  GPR: 0x000,
  /** Always 0: stands for an absent base or index. */
  ZERO: 0x080,
  /** RIP of the first instruction of the block that runs. */
  RIP_BASE: 0x088,
  /** RIP, while no block runs and where TypeScript is asked; a branch leaves its target here. */
  RIP: 0x090,
  /** i64: the last result, sign-extended from its width. */
  FLAG_RESULT: 0x098,
  /** i32: bits of {@linkcode AUX}. */
  FLAG_AUX: 0x0a0,
  /** i32: EFLAGS without CF, PF, AF, ZF, SF, OF (they read as 0 here); bit 1 is 1. */
  EFLAGS: 0x0a4,
  /** Seven u64: bases of ES, CS, SS, DS, FS, GS; 0. */
  SEG_BASE: 0x0a8,
  /** u64, always 2 ** 32: the index of addresses whose displacement from RIP_BASE is beyond 31 bits. */
  WRAP: 0x0e0,
  /** Eight u32: limits in bytes. */
  SEG_LIMIT: 0x0e8,
  /** Eight u32: attributes as {@linkcode ATTR}. */
  SEG_ATTR: 0x108,
  /** Eight u32: selectors of ES, CS, SS, DS, FS, GS, LDTR, TR. */
  SELECTOR: 0x128,
  /** u64 base, u32 limit, u32 attributes (as {@linkcode ATTR}) of LDTR, of TR; then base and limit of GDTR, of IDTR. */
  LDT: 0x148,
  TR: 0x158,
  GDT: 0x168,
  IDT: 0x178,
  /** u64 each. */
  CR0: 0x188,
  CR2: 0x190,
  CR3: 0x198,
  CR4: 0x1a0,
  EFER: 0x1b0,
  /** u64: DR0 to DR7. */
  DR: 0x1b8,
  XCR0: 0x1f8,
  /** u32: 0 to 3. */
  CPL: 0x200,
  /** u32: where the TLB of the current kind of access begins in memory 0; see {@linkcode TLB}. */
  TLB_BASE: 0x204,
  /** u32: the code mode, bits of {@linkcode MODE}. */
  MODE: 0x208,
  /** u32: entries of the jump cache with another generation are stale. */
  GENERATION: 0x20c,
  /** i64: instructions retired, up to date at the end of a block. */
  RETIRED: 0x210,
  /** i64: the run ends at the first end of a block at which RETIRED has reached this. */
  LIMIT: 0x218,
  /** u64: an interrupt is not taken while RIP and RETIRED are these (after STI, MOV SS). */
  SHADOW_RIP: 0x220,
  SHADOW_RETIRED: 0x228,
  /** u32: 1: the run is to end as soon as EFLAGS.IF is set. */
  WINDOW: 0x230,
  /** u32: why the run ended, for TypeScript. */
  EXIT: 0x234,
  /** 32 bytes for arguments and results of calls into TypeScript. */
  SCRATCH: 0x238,
  /** u64s: SYSENTER_CS, _ESP, _EIP, STAR, LSTAR, CSTAR, FMASK, KERNEL_GS_BASE, TSC_AUX, PAT, MISC_ENABLE. */
  MSR: 0x258,
  /** u32: MXCSR. */
  MXCSR: 0x2c0,
  /** u32 each: the x87 control word; the status word with TOP in bits 11-13; tags, a bit for each physical register: 1 empty. */
  FCW: 0x2c4,
  FSW: 0x2c8,
  FTAG: 0x2cc,
  /** u32: opcode (11 bits) of the last x87 instruction; u64: its address; u64: its operand's; u32: their selectors. */
  FOP: 0x2d0,
  FCS: 0x2d4,
  FIP: 0x2d8,
  FDP: 0x2e0,
  FDS: 0x2e8,
  /** Eight physical x87 registers of 16 bytes: significand, then sign and exponent in 16 bits. MMX registers are the significands. */
  X87: 0x300,
  /** Sixteen XMM registers of 16 bytes. */
  XMM: 0x380,
  /** Room for temporaries of semantics. */
  TEMP: 0x480,
  END: 0x500,
} as const;

/** Which u64 of {@linkcode CPU.MSR}. */
export const MSR_CELL = {
  SYSENTER_CS: 0,
  SYSENTER_ESP: 1,
  SYSENTER_EIP: 2,
  STAR: 3,
  LSTAR: 4,
  CSTAR: 5,
  FMASK: 6,
  KERNEL_GS_BASE: 7,
  TSC_AUX: 8,
  PAT: 9,
  MISC_ENABLE: 10,
} as const;

/** Bits of {@linkcode CPU.FLAG_AUX}. */
export const AUX = {
  /** SF is the result's sign with this. */
  SIGN_FLIP: 1 << 0,
  AF: 1 << 3,
  /** Bits 8-15: PF is the even parity of the result's low byte with this byte. */
  PARITY_SHIFT: 8,
  /** OF is bit 31 with bit 30. */
  OF_WITH_CF: 1 << 30,
  CF: 1 << 31,
} as const;

/** Segment attributes: bits 8 to 23 of a descriptor's high dword, moved down by 8, and one more. [SDM] vol. 3A, 3.4.5 */
export const ATTR = {
  TYPE: 0xf,
  /** Of code and data. */
  ACCESSED: 1 << 0,
  /** Data can be written, code can be read. */
  WRITE_OR_READ: 1 << 1,
  /** Data grows down, code is conforming. */
  DOWN_OR_CONFORMING: 1 << 2,
  CODE: 1 << 3,
  CODE_OR_DATA: 1 << 4,
  DPL: 3 << 5,
  DPL_SHIFT: 5,
  PRESENT: 1 << 7,
  AVL: 1 << 12,
  LONG: 1 << 13,
  BIG: 1 << 14,
  GRANULAR: 1 << 15,
  /** Loaded with a null selector. */
  UNUSABLE: 1 << 16,
} as const;

/** What the decoding of a block depends on besides bytes. */
export const MODE = {
  /** 0, 1, 2: 16-, 32-, 64-bit code. */
  CODE: 3,
  CODE16: 0,
  CODE32: 1,
  CODE64: 2,
  /** 0, 1, 2: the stack pointer is SP, ESP, RSP. */
  STACK_SHIFT: 2,
  STACK: 3 << 2,
  /** CR0.EM or CR0.TS: x87 is #NM. */
  NO_X87: 1 << 4,
  /** CR0.EM, or CR4.OSFXSR clear: SSE is #UD. */
  NO_SSE: 1 << 5,
  /** CR0.TS: SSE and MMX are #NM. */
  TS: 1 << 6,
  /** Real-address or virtual-8086 mode. */
  REAL: 1 << 7,
  /** One instruction a block. */
  STEP: 1 << 8,
  /** CR0.EM: MMX is #UD. */
  EM: 1 << 9,
} as const;

/** An executable record: one decoded instruction as the interpreter reads it. */
export const RECORD = {
  BYTES: 32,
  /** u16: which handler. */
  HANDLER: 0,
  /** u8: length of the instruction. */
  LENGTH: 2,
  /** u8: bits of {@linkcode RECORD_FLAG}. */
  FLAGS: 3,
  /** u8 each: the register of operand 0 to 3, as the byte offset in its file (GPR, XMM, MMX by 16, ST(i) as i, others as numbers). */
  REG: 4,
  /** u8: byte offset of base register and index register in the state. */
  BASE: 8,
  INDEX: 9,
  /** u8: shift of the index (0 to 3) in bits 0-1; address size in bytes in bits 2-5. */
  SCALE: 10,
  /** u8: segment register of the memory operand. */
  SEGMENT: 11,
  /** i32: displacement; with RIP as base, that of the next instruction from RIP_BASE is included. */
  DISP: 12,
  /** i64: the immediate, sign-extended as the instruction does; or an absolute address. */
  IMM: 16,
  /** Of a direct branch: i64 at DISP: its target as an offset from RIP_BASE; and u32: record of it, 0 when not known. */
  LINK: 20,
  /** i32: this instruction's address less RIP_BASE. */
  RIP: 24,
  /** u8: place in the block, the first is 0. */
  PLACE: 28,
  /** u8: the second immediate. */
  IMM2: 29,
  /** u8: bytes of the memory operand, for limit checks (0: one). */
  SPAN: 30,
} as const;

/** Bits of {@linkcode RECORD.FLAGS}. */
export const RECORD_FLAG = {
  /** The address is base + index + displacement: 64-bit address size, no segment base. */
  PLAIN: 1 << 0,
  /** The memory operand is written. */
  WRITE: 1 << 1,
  LOCK: 1 << 2,
  /** The address is IMM. */
  ABSOLUTE: 1 << 3,
  /** The target of a direct branch is in the page of the block. */
  SAME_PAGE: 1 << 4,
} as const;

/** Translation look-aside buffers: one direct-mapped table for each kind of access, in memory 0. */
export const TLB = {
  ENTRIES: 1024,
  ENTRY_BYTES: 32,
  /** u64: page address (bits 12 and up, sign-extended) that can be read; 1 when none. */
  READ: 0,
  /** u64: the same for writes; pages with decoded code, without the dirty bit or not RAM have none. */
  WRITE: 8,
  /** i64: address in memory 1 less linear address. */
  ADDEND: 16,
  /** u64: page address that code can be fetched from. */
  FETCH: 24,
} as const;

/** Where things are in memory 0. */
export const PLACE = {
  CPU: 0,
  /** Three TLBs: supervisor, supervisor that may touch user pages (SMAP off, or AC), user. */
  TLB: 0x10000,
  /** Jump cache: {@linkcode JUMP}. */
  JUMPS: 0x30000,
  JUMP_ENTRIES: 8192,
  /** Blocks of records. */
  BLOCKS: 0x70000,
} as const;

/**
 * An entry of the jump cache. It serves while GENERATION is the same; after that it serves again once the TLB says that its
 * page can be fetched from and is where it was.
 */
export const JUMP = {
  BYTES: 32,
  /** u64. */
  RIP: 0,
  /** u32. */
  RECORD: 8,
  /** u32. */
  GENERATION: 12,
  /** i64: the TLB's ADDEND of the page. */
  ADDEND: 16,
  /** u32: MODE; {@linkcode JUMP.ONCE} where the TLB cannot tell. */
  MODE: 24,
  ONCE: -1,
} as const;
