/**
 * Instructions that kernels use and emulators of supervisor code lack: each once, at level 0, with its result.
 *
 * Where KVM cannot emulate them they are finished by hvm's own processor; everywhere the results are the same.
 *
 * Sources: [SDM] Intel SDM vol. 2, under each instruction's name; vol. 1, 13.3 (XSAVE's enabling).
 * @module
 */

import { dword, mem, qword, ref } from "../../hvm/testing/asm.ts";
import { guest, type GuestProgram } from "./guest.ts";
import { FRAME64, type Guest, SELECTOR } from "./lib.ts";

const VECTOR = { BP: 3, UD: 6 } as const;
const CR4_OSFXSR = 1 << 9;
const CR4_OSXSAVE = 1 << 18;

/** One instruction by its bytes, and what EAX is afterwards; EAX, ECX and EDX are set before. */
interface Case {
  readonly name: string;
  readonly bytes: readonly number[];
  readonly eax?: number;
  readonly ecx?: number;
  readonly edx?: number;
  readonly result: number;
}

/** [SDM] vol. 2 under each name. */
const CASES: readonly Case[] = [
  { name: "popcnt", bytes: [0xf3, 0x0f, 0xb8, 0xc1], ecx: 0xf00f_0001, result: 9 },
  // The check value of "123456789" begins with that of one dword; CRC-32C of 00000000h from 0 is 0.
  { name: "crc32", bytes: [0xf2, 0x0f, 0x38, 0xf1, 0xc1], eax: 0, ecx: 0, result: 0 },
  { name: "andn", bytes: [0xc4, 0xe2, 0x70, 0xf2, 0xc2], ecx: 0xff00, edx: 0x1234, result: 0x34 },
  { name: "bextr", bytes: [0xc4, 0xe2, 0x68, 0xf7, 0xc1], ecx: 0x1234_5678, edx: 0x0c08, result: 0x456 },
  { name: "blsi", bytes: [0xc4, 0xe2, 0x78, 0xf3, 0xd9], ecx: 0x5800, result: 0x800 },
  { name: "blsr", bytes: [0xc4, 0xe2, 0x78, 0xf3, 0xc9], ecx: 0x5800, result: 0x5000 },
  { name: "bzhi", bytes: [0xc4, 0xe2, 0x68, 0xf5, 0xc1], ecx: 0x1234_5678, edx: 12, result: 0x678 },
  { name: "pdep", bytes: [0xc4, 0xe2, 0x73, 0xf5, 0xc2], ecx: 0b101, edx: 0xf0f0_0000, result: 0x50_0000 },
  { name: "pext", bytes: [0xc4, 0xe2, 0x72, 0xf5, 0xc2], ecx: 0x1234_5678, edx: 0xf0f0_0000, result: 0x13 },
  { name: "rorx", bytes: [0xc4, 0xe3, 0x7b, 0xf0, 0xc1, 8], ecx: 0x1234_5678, result: 0x7812_3456 },
  { name: "sarx", bytes: [0xc4, 0xe2, 0x6a, 0xf7, 0xc1], ecx: 0x8000_0000, edx: 4, result: 0xf800_0000 },
  { name: "adcx", bytes: [0xf8, 0x66, 0x0f, 0x38, 0xf6, 0xc1], eax: 3, ecx: 4, result: 7 },
  { name: "adox", bytes: [0x33, 0xdb, 0xf3, 0x0f, 0x38, 0xf6, 0xc1], eax: 3, ecx: 4, result: 7 },
  // ENTER 16, 1 and LEAVE leave the stack as it was.
  { name: "enter", bytes: [0x48, 0x89, 0xe0, 0xc8, 16, 0, 1, 0xc9, 0x48, 0x29, 0xe0], result: 0 },
];

function integers(g: Guest): void {
  for (const { name, bytes, eax = 0, ecx = 0, edx = 0, result } of CASES) {
    g.mov("eax", eax).mov("ecx", ecx).mov("edx", edx);
    g.db(...bytes);
    g.equal(name, "eax", result);
  }
  // 16 bytes that are equal are exchanged.
  g.bss("pair", 16, 16);
  g.mov("rdi", ref("pair")).mov(qword("rdi"), 5).mov(qword("rdi", 8), 6);
  g.mov("eax", 5).mov("edx", 6).mov("ebx", 7).mov("ecx", 8).db(0xf0, 0x48, 0x0f, 0xc7, 0x0f).setz("bl");
  g.equal("cmpxchg16b, ZF", "ebx", 1, 0xff);
  g.mov("eax", mem("rdi")).add("eax", mem("rdi", 8));
  g.equal("cmpxchg16b, memory", "eax", 15);
}

/** Software interrupts and undefined instructions, by their handlers. ICEBP is not: the svm lab's processor has none. */
function events(g: Guest): void {
  const skip = (name: string, vector: number, bytes: number) => {
    g.bss(name, 4);
    g.on(vector, () => g.inc(dword(ref(name))).add(qword("rdi", FRAME64.RIP), bytes));
  };
  skip("breakpoints", VECTOR.BP, 0);
  skip("undefined", VECTOR.UD, 3);
  g.int3().int(VECTOR.BP);
  // UD1 and UD0 with a ModRM byte.
  g.db(0x0f, 0xb9, 0xc0).db(0x0f, 0xff, 0xc0);
  for (const [name, times] of [["breakpoints", 2], ["undefined", 2]] as const) {
    g.mov("eax", mem(ref(name)));
    g.equal(name, "eax", times);
  }
}

/** What a descriptor allows, read by selector. [SDM] LAR, LSL, VERR, VERW */
function descriptors(g: Guest): void {
  g.mov("ecx", SELECTOR.DATA).db(0x0f, 0x03, 0xc1);
  g.equal("lsl", "eax", 0xffffffff);
  g.mov("ecx", SELECTOR.DATA).db(0x0f, 0x02, 0xc1).and("eax", 0xfe00);
  g.equal("lar: present, level 0, data that can be written", "eax", 0x9200);
  for (
    const [name, modrm, selector, answer] of [
      ["verr of data", 0xe1, SELECTOR.DATA, 1],
      ["verw of data", 0xe9, SELECTOR.DATA, 1],
      ["verw of code", 0xe9, SELECTOR.CODE64, 0],
    ] as const
  ) {
    g.mov("ecx", selector).db(0x0f, 0x00, modrm).setz("al");
    g.equal(name, "eax", answer, 0xff);
  }
}

/** x87, SSE and XSAVE, enabled as systems do. */
function extended(g: Guest): void {
  g.bss("area", 1024, 64);
  g.mov("rax", "cr4").or("rax", CR4_OSFXSR | CR4_OSXSAVE).mov("cr4", "rax");
  g.mov("rdi", ref("area"));
  // FNINIT; FLD1; FLD1; FADDP; FISTP [rdi]
  g.db(0xdb, 0xe3, 0xd9, 0xe8, 0xd9, 0xe8, 0xde, 0xc1, 0xdb, 0x1f).mov("eax", mem("rdi"));
  g.equal("x87: 1 + 1", "eax", 2);
  // MOVD XMM0, EAX; PADDD XMM0, XMM0; MOVD EAX, XMM0
  g.mov("eax", 21).db(0x66, 0x0f, 0x6e, 0xc0, 0x66, 0x0f, 0xfe, 0xc0, 0x66, 0x0f, 0x7e, 0xc0);
  g.equal("paddd", "eax", 42);
  // CVTSI2SS XMM1, EAX; MULSS XMM1, XMM1; CVTTSS2SI EAX, XMM1
  g.mov("eax", 12).db(0xf3, 0x0f, 0x2a, 0xc8, 0xf3, 0x0f, 0x59, 0xc9, 0xf3, 0x0f, 0x2c, 0xc1);
  g.equal("mulss", "eax", 144);
  g.mov(dword("rdi"), 0x1fa0).db(0x0f, 0xae, 0x17).mov(dword("rdi"), 0).db(0x0f, 0xae, 0x1f);
  g.mov("eax", mem("rdi"));
  g.equal("ldmxcsr, stmxcsr", "eax", 0x1fa0);
  // XSETBV and XGETBV of XCR0: x87 and SSE.
  g.xor("ecx", "ecx").xor("edx", "edx").mov("eax", 3).db(0x0f, 0x01, 0xd1).xor("eax", "eax").db(
    0x0f,
    0x01,
    0xd0,
  );
  g.equal("xgetbv", "eax", 3);
  // XSAVE keeps XMM0 over a change; XRSTOR brings it back.
  g.mov("eax", 3).xor("edx", "edx").db(0x0f, 0xae, 0x27).db(0x66, 0x0f, 0xef, 0xc0);
  g.db(0x66, 0x0f, 0x7e, 0xc0);
  g.equal("pxor", "eax", 0);
  g.mov("eax", 3).db(0x0f, 0xae, 0x2f).db(0x66, 0x0f, 0x7e, 0xc0);
  g.equal("xrstor", "eax", 42);
}

/** The programs. */
export const RARE_PROGRAMS: readonly GuestProgram[] = [
  guest("rare-integers", {}, integers),
  guest("rare-events", {}, events),
  guest("rare-descriptors", {}, descriptors),
  guest("rare-extended", {}, extended),
];
