/**
 * What guests need of the processor: faults, descriptor tables, MSRs, paging, ring 3, locked instructions, the TSC.
 *
 * This is no test of the instruction set: it shows that the engine and its set-up carry what systems rest on.
 *
 * Sources: [SDM] Intel SDM vol. 3A, 6.15 (exceptions), 4.7 (page-fault error codes), 4.8 (accessed and dirty),
 * 5.8.8 (SYSCALL); vol. 2.
 * @module
 */

import { byte, dword, mem, qword, ref } from "../../hvm/testing/asm.ts";
import { guest, type GuestProgram } from "./guest.ts";
import { MSR } from "./hardware.ts";
import { FRAME32, FRAME64, type Guest, SELECTOR } from "./lib.ts";

const FAULT = { DE: 0, BP: 3, UD: 6, NP: 11, SS: 12, GP: 13, PF: 14 } as const;
/** Where the stub saves R15: the last register pushed. */
const FRAME_R15 = 0;
/** An address the identity mapping of 4 GiB leaves out. */
const UNMAPPED = 0x5_0000_1238n;

/** Handlers that note vector and error code and go on at the address in R15. */
function catchFaults(g: Guest, vectors: readonly number[]): void {
  for (const name of ["seen", "error"]) g.bss(name, 8);
  for (const vector of vectors) {
    g.on(vector, () => {
      g.mov("eax", mem("rdi", FRAME64.VECTOR)).inc("eax").mov(mem(ref("seen")), "eax");
      g.mov("eax", mem("rdi", FRAME64.ERROR)).mov(mem(ref("error")), "eax");
      g.mov("rax", mem("rdi", FRAME_R15)).mov(mem("rdi", FRAME64.RIP), "rax");
    });
  }
}

/** Runs `write`, which must fault with `vector` (and `error`), or must not when `vector` is absent. */
function expectFault(g: Guest, what: string, write: () => void, vector?: number, error?: number): void {
  const after = g.unique("after");
  g.mov(dword(ref("seen")), 0).mov("r15", ref(after));
  write();
  g.label(after).mov("eax", mem(ref("seen")));
  g.equal(what, "eax", vector === undefined ? 0 : vector + 1);
  if (error === undefined) return;
  g.mov("eax", mem(ref("error")));
  g.equal(`${what}: error code`, "eax", error);
}

function faults(g: Guest): void {
  catchFaults(g, [FAULT.DE, FAULT.UD, FAULT.NP, FAULT.SS, FAULT.GP, FAULT.PF]);
  expectFault(g, "division by 0", () => g.xor("ecx", "ecx").mov("eax", 1).cdq().div("ecx"), FAULT.DE);
  expectFault(g, "UD2", () => g.ud2(), FAULT.UD);
  expectFault(
    g,
    "load of a selector past the table",
    () => g.mov("eax", 0x1000).mov("ds", "eax"),
    FAULT.GP,
    0x1000,
  );
  expectFault(g, "load of a code segment into SS", () => g.mov("eax", 0x18).mov("ss", "eax"), FAULT.GP, 0x18);
  expectFault(
    g,
    "an address that is not canonical",
    () => {
      g.mov("rax", 0x8000_0000_0000_0000n).mov("eax", mem("rax"));
    },
    FAULT.GP,
    0,
  );
  expectFault(
    g,
    "page fault on reading",
    () => {
      g.mov("rbx", UNMAPPED).mov("eax", mem("rbx"));
    },
    FAULT.PF,
    0,
  );
  g.mov("rax", "cr2");
  g.equal("CR2, low", "eax", Number(UNMAPPED & 0xffffffffn));
  g.shr("rax", 32);
  g.equal("CR2, high", "eax", Number(UNMAPPED >> 32n));
  expectFault(g, "page fault on writing", () => g.mov("rbx", UNMAPPED).mov(dword("rbx"), 1), FAULT.PF, 2);
  expectFault(g, "page fault on jumping", () => g.mov("rbx", UNMAPPED).jmp("rbx"), FAULT.PF);
  expectFault(g, "no fault", () => g.nop());
}

/** A fault whose gate switches stacks, and one while the stack is bad. [SDM] 6.14.5 */
function interruptStacks(g: Guest): void {
  g.bss("stacks", 16);
  g.on(FAULT.UD, () => {
    g.mov("rax", "rsp").mov(mem(ref("stacks")), "rax").mov("rax", mem("rdi", FRAME64.RSP)).mov(
      mem(ref("stacks", 8)),
      "rax",
    );
    g.add(qword("rdi", FRAME64.RIP), 2);
  });
  // The IST field of the gate: bits 2:0 of its fifth byte.
  g.mov(byte(ref("idt", 16 * FAULT.UD + 4)), 1);
  g.mov("rbx", "rsp").ud2();
  g.cmp("rbx", "rsp").setz("al");
  g.equal("the stack is back", "al", 1);
  g.cmp("rbx", mem(ref("stacks", 8))).setz("al");
  g.equal("the frame has the old stack", "al", 1);
  g.mov("rax", mem(ref("stacks"))).sub("rax", ref("stack.ist1"));
  g.between("the handler ran on its own", "eax", 0x3000, 0x4000);
}

/** INT3 and INT n from ring 0. */
function softwareInterrupts(g: Guest): void {
  g.onCount(FAULT.BP, "breakpoints", () => {});
  g.onCount(0x90, "soft", () => {});
  g.int3();
  g.mov("eax", mem(ref("breakpoints")));
  g.equal("INT3", "eax", 1);
  g.int(3);
  g.mov("eax", mem(ref("breakpoints")));
  g.equal("INT 3", "eax", 2);
  g.int(0x90);
  g.mov("eax", mem(ref("soft")));
  g.equal("INT n", "eax", 1);
}

function wrmsr(g: Guest, index: number, low: number, high: number): void {
  g.mov("ecx", index).mov("eax", low).mov("edx", high).wrmsr();
}

function msrs(g: Guest): void {
  for (
    const [name, index] of [["FS", MSR.FS_BASE], ["GS", MSR.GS_BASE], [
      "kernel GS",
      MSR.KERNEL_GS_BASE,
    ]] as const
  ) {
    wrmsr(g, index, 0x00123000, 0x7ff);
    g.xor("eax", "eax").xor("edx", "edx").mov("ecx", index).rdmsr();
    g.equal(`${name} base, low`, "eax", 0x00123000);
    g.equal(`${name} base, high`, "edx", 0x7ff);
  }
  g.bss("value", 16);
  g.mov(dword(ref("value", 8)), 0x1234abcd);
  g.mov("ecx", MSR.FS_BASE).mov("eax", ref("value")).xor("edx", "edx").wrmsr();
  g.push(8).pop("rbx").mov("eax", mem({ base: "rbx", segment: "fs" }));
  g.equal("memory through FS", "eax", 0x1234abcd);
  wrmsr(g, MSR.GS_BASE, 0x1000, 0);
  wrmsr(g, MSR.KERNEL_GS_BASE, 0x2000, 0);
  g.swapgs().mov("ecx", MSR.GS_BASE).rdmsr();
  g.equal("SWAPGS", "eax", 0x2000);
  g.mov("ecx", MSR.EFER).rdmsr();
  g.equal("EFER: long mode enabled and active", "eax", 0x500, 0x500);
  wrmsr(g, MSR.LSTAR, 0x00105000, 0xffffffff);
  g.mov("ecx", MSR.LSTAR).rdmsr();
  g.equal("LSTAR", "eax", 0x00105000);
}

/** What is reserved faults: kernels find out by trying. */
function reserved(g: Guest): void {
  catchFaults(g, [FAULT.GP]);
  const cr4 = () => g.mov("rax", "cr4").bts("rax", 15).mov("cr4", "rax");
  expectFault(g, "reserved bit of CR4", cr4, FAULT.GP, 0);
  expectFault(g, "read of an MSR that is not there", () => g.mov("ecx", 0x40).rdmsr(), FAULT.GP, 0);
  expectFault(g, "write of it", () => wrmsr(g, 0x40, 0, 0), FAULT.GP, 0);
}

/** 4 KiB pages: aliases, protection, accessed and dirty bits, INVLPG. */
function paging(g: Guest): void {
  const WINDOW = 0x8000000000;
  const BIT = { PRESENT: 1, WRITABLE: 2, USER: 4, ACCESSED: 0x20, DIRTY: 0x40 } as const;
  for (const name of ["pt.pdpt", "pt.pd", "pt.pt", "page.a", "page.b"]) g.bss(name, 4096, 4096);
  catchFaults(g, [FAULT.PF]);
  const link = (table: string, target: string, bits: number) => g.mov(qword(ref(table)), ref(target, bits));
  g.mov(qword(ref("pml4", 8)), ref("pt.pdpt", 7));
  link("pt.pdpt", "pt.pd", 7);
  link("pt.pd", "pt.pt", 7);
  link("pt.pt", "page.a", BIT.PRESENT | BIT.WRITABLE);
  g.mov(dword(ref("page.a")), 0xaaaa).mov(dword(ref("page.b")), 0xbbbb);
  g.mov("rbx", BigInt(WINDOW)).mov("eax", mem("rbx"));
  g.equal("through the new mapping", "eax", 0xaaaa);
  g.mov("eax", mem(ref("pt.pt")));
  g.equal("accessed, not dirty", "eax", BIT.ACCESSED, BIT.ACCESSED | BIT.DIRTY);
  g.mov(dword("rbx", 4), 0x5555).mov("eax", mem(ref("page.a", 4)));
  g.equal("a write through it", "eax", 0x5555);
  g.mov("eax", mem(ref("pt.pt")));
  g.equal("dirty", "eax", BIT.DIRTY, BIT.DIRTY);
  link("pt.pt", "page.b", BIT.PRESENT);
  g.invlpg(mem("rbx")).mov("eax", mem("rbx"));
  g.equal("another page after INVLPG", "eax", 0xbbbb);
  g.mov("rax", "cr0").or("eax", 1 << 16).mov("cr0", "rax");
  expectFault(g, "write of a read-only page with CR0.WP", () => g.mov(dword("rbx"), 1), FAULT.PF, 3);
  g.mov("rax", "cr0").and("eax", 0xfffeffff).mov("cr0", "rax");
  expectFault(g, "without it", () => g.mov(dword("rbx"), 0x1111));
  g.mov("eax", mem(ref("page.b")));
  g.equal("the write without it", "eax", 0x1111);
  g.mov(qword(ref("pt.pt")), 0).mov("rax", "cr3").mov("cr3", "rax");
  expectFault(g, "unmapped, flushed by CR3", () => g.mov("eax", mem("rbx", 0x123)), FAULT.PF, 0);
  g.mov("rax", "cr2");
  g.equal("CR2", "eax", 0x123);
}

/** 32-bit paging with 4 MiB and 4 KiB pages: what old systems use. [SDM] 4.3 */
function paging32(g: Guest): void {
  for (const name of ["pd32", "pt32", "page.a"]) g.bss(name, 4096, 4096);
  g.bss("seen", 4);
  g.on(FAULT.PF, () => {
    g.mov("eax", "cr2").mov(mem(ref("seen")), "eax");
    g.mov("eax", ref("after.fault")).mov(mem("edi", FRAME32.EIP), "eax");
  });
  // Identity by 4 MiB pages but for the directory entry of 512 MiB.
  g.mov("edi", ref("pd32")).mov("eax", 0x83).mov("ecx", 1024);
  g.label("fill").mov(mem("edi"), "eax").add("eax", 0x400000).add("edi", 4).dec("ecx").jnz("fill");
  g.mov(dword(ref("pd32", 4 * 128)), ref("pt32", 3)).mov(dword(ref("pt32")), ref("page.a", 3));
  g.mov(dword(ref("page.a")), 0xcafe);
  g.mov("eax", "cr4").or("eax", 1 << 4).mov("cr4", "eax");
  g.mov("eax", ref("pd32")).mov("cr3", "eax");
  g.mov("eax", "cr0").or("eax", 0x80000000).mov("cr0", "eax");
  g.mov("eax", mem(512 * 2 ** 20));
  g.equal("through a 4 KiB page", "eax", 0xcafe);
  g.mov("eax", mem(512 * 2 ** 20 + 0x1234));
  g.label("after.fault").mov("eax", mem(ref("seen")));
  g.equal("page fault", "eax", 512 * 2 ** 20 + 0x1234);
  g.mov("eax", "cr0").and("eax", 0x7fffffff).mov("cr0", "eax");
  g.mov("eax", mem(ref("page.a")));
  g.equal("paging off again", "eax", 0xcafe);
}

/** Leaves ring 0 for the label `to`, on a stack of its own. */
function enterUser(g: Guest, to: string): void {
  g.bss("stack.user", 4096, 16);
  g.push(SELECTOR.USER_DATA).push(ref("stack.user", 4096)).push(0x202).push(SELECTOR.USER_CODE).push(ref(to))
    .iretq();
}

/** Ring 3 and back by faults: privilege, stack, error codes. */
function ring3(g: Guest): void {
  catchUser(g, FAULT.UD, "user.1", () => {
    g.mov("eax", mem("rdi", FRAME64.CS));
    g.equal("code selector of ring 3", "eax", SELECTOR.USER_CODE);
    g.mov("eax", mem("rdi", FRAME64.SS));
    g.equal("stack selector of ring 3", "eax", SELECTOR.USER_DATA);
    g.mov("rax", "rsp").sub("rax", ref("stack.rsp0"));
    g.between("the handler runs on the stack of the TSS", "eax", 0x3000, 0x4000);
    g.mov("eax", mem("rdi", FRAME64.RSP)).sub("eax", ref("stack.user"));
    g.equal("stack of ring 3", "eax", 4096);
  });
  catchUser(g, FAULT.GP, "user.2", () => {
    g.mov("eax", mem("rdi", FRAME64.ERROR));
    g.equal("CLI in ring 3: error code", "eax", 0);
  });
  catchUser(g, FAULT.PF, "user.3", () => {
    g.mov("eax", mem("rdi", FRAME64.ERROR));
    g.equal("page fault from ring 3: user, write", "eax", 6);
  });
  enterUser(g, "user.0");
  g.label("user.0").ud2();
  g.label("user.1").cli();
  g.label("user.2").mov("rbx", UNMAPPED).mov(dword("rbx"), 1);
  g.label("user.3").mov("ecx", 10_000_000).xor("esi", "esi");
  g.label("user.sum").add("esi", "ecx").dec("ecx").jnz("user.sum");
  // Division by zero takes the program home.
  g.on(FAULT.DE, () => {
    g.mov("eax", "esi");
    g.equal("a sum computed in ring 3", "eax", 10_000_000 * 10_000_001 / 2 % 2 ** 32);
    g.pass();
  });
  g.xor("ecx", "ecx").div("ecx");
}

/** A handler for a fault from ring 3 that goes on at `next` there. */
function catchUser(g: Guest, vector: number, next: string, check: () => void): void {
  g.on(vector, () => {
    check();
    g.mov("eax", ref(next)).mov(mem("rdi", FRAME64.RIP), "rax");
  });
}

/** SYSCALL from ring 3 to LSTAR and SYSRET back; INT n through a gate of ring 3. */
function systemCalls(g: Guest): void {
  g.mov("ecx", MSR.EFER).rdmsr().or("eax", 1).wrmsr();
  // SYSRET loads CS from STAR[63:48] + 16 and SS from + 8: 18h gives 2Bh and 23h.
  wrmsr(g, MSR.STAR, 0, 0x001b << 16 | SELECTOR.CODE64);
  g.mov("ecx", MSR.LSTAR).mov("eax", ref("syscall.entry")).xor("edx", "edx").wrmsr();
  wrmsr(g, MSR.FMASK, 0x200, 0);
  g.bss("calls", 4);
  g.onCount(0x90, "ints", () => {});
  g.mov(byte(ref("idt", 16 * 0x90 + 5)), 0xee);
  enterUser(g, "user.call");
  g.label("syscall.entry").inc(dword(ref("calls")));
  // REX.W SYSRET.
  g.bytes([0x48, 0x0f, 0x07]);
  g.label("user.call").mov("edx", 3);
  g.label("user.again").syscall().dec("edx").jnz("user.again").int(0x90);
  g.on(FAULT.DE, () => {
    g.mov("eax", mem(ref("calls")));
    g.equal("system calls", "eax", 3);
    g.mov("eax", mem(ref("ints")));
    g.equal("INT n from ring 3", "eax", 1);
    g.pass();
  });
  g.xor("ecx", "ecx").mov("eax", "ecx").div("ecx");
}

function locked(g: Guest): void {
  g.bss("word", 16, 16);
  const at = () => mem(ref("word"));
  const expect = (what: string, value: number) => {
    g.mov("eax", at());
    g.equal(what, "eax", value);
  };
  g.lock().add(dword(ref("word")), 5);
  expect("lock add", 5);
  g.mov("ecx", 7).lock().xadd(at(), "ecx");
  expect("lock xadd", 12);
  g.equal("lock xadd: old value", "ecx", 5);
  g.mov("eax", 12).mov("ecx", 99).lock().cmpxchg(at(), "ecx").setz("al");
  g.equal("lock cmpxchg: equal", "al", 1);
  expect("lock cmpxchg stores", 99);
  g.mov("eax", 1).lock().cmpxchg(at(), "ecx").setz("bl");
  g.equal("lock cmpxchg: other", "bl", 0);
  g.equal("and loads what is there", "eax", 99);
  g.mov("ecx", 1).xchg(at(), "ecx");
  g.equal("xchg", "ecx", 99);
  g.lock().bts(dword(ref("word")), 4).setb("al");
  g.equal("lock bts: was clear", "al", 0);
  g.lock().btr(dword(ref("word")), 0).setb("al");
  g.equal("lock btr: was set", "al", 1);
  expect("after the bit instructions", 0x10);
  g.lock().inc(dword(ref("word"))).lock().neg(dword(ref("word"))).lock().not(dword(ref("word")));
  expect("lock inc, neg, not", 0x10);
  g.mov("eax", 0x10).xor("edx", "edx").mov("ebx", 0x1111).mov("ecx", 0x2222);
  g.lock().cmpxchg8b(mem(ref("word"))).setz("al");
  g.equal("lock cmpxchg8b", "al", 1);
  g.mov("eax", mem(ref("word", 4)));
  g.equal("and its upper half", "eax", 0x2222);
  // Across a cache line and a page.
  g.bss("edge", 8192, 4096);
  g.mov("ebx", ref("edge", 4094)).mov(dword("rbx"), 0).lock().add(dword("rbx"), 0x12345678);
  g.mov("eax", mem("rbx"));
  g.equal("lock add across a page", "eax", 0x12345678);
}

/** The counter runs forward and at one rate. */
function tsc(g: Guest): void {
  for (const name of ["first", "second"]) g.bss(name, 8);
  const [again, bad, fine] = [g.unique("next"), g.unique("bad"), g.unique("fine")];
  const now = () => g.rdtsc().shl("rdx", 32).or("rax", "rdx");
  now();
  g.mov("rbx", "rax").mov("ebp", 1000).label(again);
  now();
  g.cmp("rax", "rbx").jbe(bad).mov("rbx", "rax").dec("ebp").jnz(again).jmp(fine).label(bad);
  g.fail("the TSC stood still or went back");
  g.label(fine);
  g.retry(12, () => {
    for (const name of ["first", "second"]) {
      now();
      g.mov("rbx", "rax");
      g.delayUs(50_000);
      now();
      g.sub("rax", "rbx").mov(mem(ref(name)), "rax");
    }
    g.mov("rax", mem(ref("first"))).imul("rax", "rax", 100).xor("edx", "edx").div(qword(ref("second")));
    g.between("two spans of 50 ms, in percent", "eax", 50, 200);
  });
}

/** Interrupts and faults in 32-bit mode. */
function interrupts32(g: Guest): void {
  g.on(FAULT.UD, () => g.add(dword("edi", FRAME32.EIP), 2));
  g.onCount(0x50, "ticks", () => g.eoi());
  g.ud2();
  g.enableLapic();
  g.sti();
  for (let i = 1; i <= 3; i++) {
    g.mov(dword(0xfee00300), 0x44050);
    g.waitFor(`interrupt ${i}`, "ticks", i);
  }
}

/** Segments, stack and far calls in 32-bit mode. */
function protected32(g: Guest): void {
  g.push(0x12345678).pop("eax");
  g.equal("stack", "eax", 0x12345678);
  g.pusha().popa();
  g.mov("eax", "cs");
  g.equal("CS", "eax", SELECTOR.CODE32, 0xffff);
  g.callFar(SELECTOR.CODE32, "far").jmp("beyond");
  g.label("far").mov("ebx", 0x77).retf();
  g.label("beyond");
  g.equal("far call and return", "ebx", 0x77);
}

/** The programs. */
export const CPU_PROGRAMS: readonly GuestProgram[] = [
  guest("cpu-faults", {}, faults),
  guest("cpu-interrupt-stacks", {}, interruptStacks),
  guest("cpu-software-interrupts", {}, softwareInterrupts),
  guest("cpu-msrs", {}, msrs),
  guest("cpu-reserved", { qemu: { skip: "it has every MSR and every bit of CR4" } }, reserved),
  guest("cpu-paging", {}, paging),
  guest("cpu-paging32", { mode: 32, container: "elf32", quirks: [{ id: "pvm-modes" }] }, paging32),
  guest("cpu-ring3", {}, ring3),
  guest("cpu-system-calls", { quirks: [{ id: "pvm-no-system-calls" }] }, systemCalls),
  guest("cpu-locked", {}, locked),
  guest("cpu-tsc", {}, tsc),
  guest("cpu-protected32", { mode: 32, container: "elf32" }, protected32),
  guest("cpu-interrupts32", {
    mode: 32,
    container: "elf32",
    quirks: [{ id: "pvm-kernel-apic", irqchips: ["split", "kernel"] }],
  }, interrupts32),
];
