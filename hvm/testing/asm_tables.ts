/**
 * Opcodes of the test assembler that need no operands or follow one pattern.
 *
 * Sources: [SDM] Intel SDM vol. 2, the page of each instruction.
 * @module
 */

/** Instructions without operands whose bytes are the same in every mode. */
export const PLAIN = {
  nop: [0x90],
  pause: [0xf3, 0x90],
  hlt: [0xf4],
  cli: [0xfa],
  sti: [0xfb],
  cld: [0xfc],
  std: [0xfd],
  clc: [0xf8],
  stc: [0xf9],
  cmc: [0xf5],
  lahf: [0x9f],
  sahf: [0x9e],
  ret: [0xc3],
  leave: [0xc9],
  int3: [0xcc],
  into: [0xce],
  int1: [0xf1],
  ud2: [0x0f, 0x0b],
  cpuid: [0x0f, 0xa2],
  rdtsc: [0x0f, 0x31],
  rdtscp: [0x0f, 0x01, 0xf9],
  rdpmc: [0x0f, 0x33],
  rdmsr: [0x0f, 0x32],
  wrmsr: [0x0f, 0x30],
  clts: [0x0f, 0x06],
  invd: [0x0f, 0x08],
  wbinvd: [0x0f, 0x09],
  syscall: [0x0f, 0x05],
  swapgs: [0x0f, 0x01, 0xf8],
  lfence: [0x0f, 0xae, 0xe8],
  mfence: [0x0f, 0xae, 0xf0],
  sfence: [0x0f, 0xae, 0xf8],
  vmcall: [0x0f, 0x01, 0xc1],
  vmmcall: [0x0f, 0x01, 0xd9],
  fninit: [0xdb, 0xe3],
} as const;

/** Instructions without operands whose name gives their operand size. */
export const SIZED = {
  insb: [0x6c, 1],
  insw: [0x6d, 2],
  insd: [0x6d, 4],
  outsb: [0x6e, 1],
  outsw: [0x6f, 2],
  outsd: [0x6f, 4],
  movsb: [0xa4, 1],
  movsw: [0xa5, 2],
  movsd: [0xa5, 4],
  movsq: [0xa5, 8],
  cmpsb: [0xa6, 1],
  cmpsw: [0xa7, 2],
  cmpsd: [0xa7, 4],
  cmpsq: [0xa7, 8],
  stosb: [0xaa, 1],
  stosw: [0xab, 2],
  stosd: [0xab, 4],
  stosq: [0xab, 8],
  lodsb: [0xac, 1],
  lodsw: [0xad, 2],
  lodsd: [0xad, 4],
  lodsq: [0xad, 8],
  scasb: [0xae, 1],
  scasw: [0xaf, 2],
  scasd: [0xaf, 4],
  scasq: [0xaf, 8],
  iretw: [0xcf, 2],
  iret: [0xcf, 4],
  iretq: [0xcf, 8],
  cbw: [0x98, 2],
  cwde: [0x98, 4],
  cdqe: [0x98, 8],
  cwd: [0x99, 2],
  cdq: [0x99, 4],
  cqo: [0x99, 8],
} as const;

/** Two-operand arithmetic: the number is both the opcode row (times 8) and the /digit of the immediate forms. */
export const ALU = { add: 0, or: 1, adc: 2, sbb: 3, and: 4, sub: 5, xor: 6, cmp: 7 } as const;

/** Shifts and rotates by their /digit. */
export const SHIFT = { rol: 0, ror: 1, rcl: 2, rcr: 3, shl: 4, shr: 5, sar: 7 } as const;

/** One-operand instructions of F6/F7 and FE/FF by base opcode and /digit. */
export const UNARY = {
  not: [0xf6, 2],
  neg: [0xf6, 3],
  mul: [0xf6, 4],
  imul: [0xf6, 5],
  div: [0xf6, 6],
  idiv: [0xf6, 7],
  inc: [0xfe, 0],
  dec: [0xfe, 1],
} as const;

/** Bit tests by their /digit (immediate form) and second opcode byte (register form). */
export const BIT_TEST = { bt: [4, 0xa3], bts: [5, 0xab], btr: [6, 0xb3], btc: [7, 0xbb] } as const;

/** Register from r/m, both of one size: second opcode byte. */
export const REG_RM = { bsf: 0xbc, bsr: 0xbd } as const;

/** System instructions on one memory operand: opcode bytes and /digit. */
export const DESCRIPTOR = {
  sgdt: [[0x0f, 0x01], 0],
  sidt: [[0x0f, 0x01], 1],
  lgdt: [[0x0f, 0x01], 2],
  lidt: [[0x0f, 0x01], 3],
  invlpg: [[0x0f, 0x01], 7],
  clflush: [[0x0f, 0xae], 7],
  fxsave: [[0x0f, 0xae], 0],
  fxrstor: [[0x0f, 0xae], 1],
} as const;

/** System instructions on a 16-bit register or memory word: opcode bytes and /digit. */
export const SELECTOR = {
  sldt: [[0x0f, 0x00], 0],
  str: [[0x0f, 0x00], 1],
  lldt: [[0x0f, 0x00], 2],
  ltr: [[0x0f, 0x00], 3],
  smsw: [[0x0f, 0x01], 4],
  lmsw: [[0x0f, 0x01], 6],
} as const;

/** Condition codes by every name they have. [SDM] vol. 1, appendix B */
export const CONDITION = {
  o: 0,
  no: 1,
  b: 2,
  c: 2,
  nae: 2,
  ae: 3,
  nb: 3,
  nc: 3,
  e: 4,
  z: 4,
  ne: 5,
  nz: 5,
  be: 6,
  na: 6,
  a: 7,
  nbe: 7,
  s: 8,
  ns: 9,
  p: 10,
  pe: 10,
  np: 11,
  po: 11,
  l: 12,
  nge: 12,
  ge: 13,
  nl: 13,
  le: 14,
  ng: 14,
  g: 15,
  nle: 15,
} as const;

/** Branches with a byte distance only. */
export const LOOP = { loopne: 0xe0, loope: 0xe1, loop: 0xe2, jrcxz: 0xe3 } as const;

/** Prefixes that may stand before another instruction. */
export const PREFIX = { lock: 0xf0, repne: 0xf2, rep: 0xf3, repe: 0xf3 } as const;
