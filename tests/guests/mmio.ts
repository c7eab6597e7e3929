/**
 * Memory-mapped I/O: every width and many instruction forms, at the IOAPIC, the local APIC and where nobody answers.
 *
 * Sources: [82093AA] Intel 290566-001, 3.0; [APM] AMD APM vol. 2; [SDM] Intel SDM vol. 3A, 11.4.1 (local APIC registers are 32 bits wide at
 * 16-byte steps).
 * @module
 */

import { byte, dword, mem, qword, ref, word } from "../../hvm/testing/asm.ts";
import { guest, type GuestProgram } from "./guest.ts";
import { IOAPIC, LAPIC } from "./hardware.ts";
import type { Guest } from "./lib.ts";

/** In the PCI hole of every PC, where no device of ours is put. */
const UNCLAIMED = 0xf1234000;
/** The low half of the last redirection entry: masked, and every writable bit can be tried. */
const SCRATCH_INDEX = IOAPIC.REDIRECTION + 2 * 23;
const MASKED = 0x10000;

/** Loads of every width, plain and extending, into `rax`. */
function unclaimed(g: Guest): void {
  g.mov("ebx", UNCLAIMED);
  g.xor("eax", "eax").mov("al", mem("rbx", 1));
  g.equal("byte", "eax", 0xff);
  g.xor("eax", "eax").mov("ax", mem("rbx", 2));
  g.equal("word", "eax", 0xffff);
  g.mov("eax", mem("rbx", 4));
  g.equal("dword", "eax", 0xffffffff);
  g.mov("rax", mem("rbx", 8));
  g.equal("low half of a qword", "eax", 0xffffffff);
  g.shr("rax", 32);
  g.equal("high half of a qword", "eax", 0xffffffff);
  g.movzx("eax", byte("rbx", 3));
  g.equal("zero-extended byte", "eax", 0xff);
  g.movsx("eax", word("rbx", 6));
  g.equal("sign-extended word", "eax", 0xffffffff);
  g.mov("eax", mem("rbx", 0xffd));
  g.equal("dword across a page", "eax", 0xffffffff);
  g.mov("rax", mem("rbx", 3));
  g.equal("misaligned qword", "eax", 0xffffffff);
  g.mov(byte("rbx"), 0x12).mov(word("rbx"), 0x1234).mov(dword("rbx"), 0x12345678).mov(qword("rbx"), -2);
  g.mov("eax", mem("rbx"));
  g.equal("after writes", "eax", 0xffffffff);
}

/** The register file behind the window, by plain moves. */
function ioapicMoves(g: Guest): void {
  g.ioapicWrite(SCRATCH_INDEX + 1, 0x5a000000);
  g.ioapicRead(SCRATCH_INDEX + 1);
  g.equal("destination field", "eax", 0x5a000000, 0xff000000);
  g.ioapicWrite(SCRATCH_INDEX, MASKED | 0x7e);
  g.ioapicRead(SCRATCH_INDEX);
  g.equal("entry", "eax", MASKED | 0x7e);
  g.mov("ebx", IOAPIC.SELECT);
  g.mov(byte("rbx"), SCRATCH_INDEX).mov("eax", mem("rbx", 0x10));
  g.equal("index written by a byte", "eax", MASKED | 0x7e);
  g.mov("eax", mem("rbx"));
  g.equal("index reads back", "eax", SCRATCH_INDEX, 0xff);
}

/** Narrow loads of a 32-bit register take the bytes they name. */
function narrowLoads(g: Guest): void {
  g.ioapicWrite(SCRATCH_INDEX, MASKED | 0x87);
  g.mov("ebx", IOAPIC.WINDOW);
  g.xor("eax", "eax").mov("al", mem("rbx"));
  g.equal("low byte", "eax", 0x87);
  g.xor("eax", "eax").mov("ax", mem("rbx"));
  g.equal("low word", "eax", 0x0087);
}

/** Instructions that read, write and both, with register and constant operands. */
function forms(g: Guest): void {
  // The timer's initial count holds every bit and, with its entry masked, does nothing.
  const at = LAPIC.BASE + LAPIC.TIMER_INITIAL;
  const expect = (what: string, value: number) => {
    g.lapicRead(LAPIC.TIMER_INITIAL);
    g.equal(what, "eax", value, 0xff);
  };
  g.mov("ebx", at).mov(dword("rbx"), 0x10);
  expect("mov constant", 0x10);
  g.mov("ecx", 0x20).mov(mem("rbx"), "ecx");
  expect("mov register", 0x20);
  g.or(dword("rbx"), 0x05);
  expect("or constant", 0x25);
  g.mov("ecx", 0xf0).and(mem("rbx"), "ecx");
  expect("and register", 0x20);
  g.add(dword("rbx"), 0x31);
  expect("add constant", 0x51);
  g.sub(dword("rbx"), 1);
  expect("sub constant", 0x50);
  g.xor(dword("rbx"), 0xff);
  expect("xor constant", 0xaf);
  g.inc(dword("rbx"));
  expect("inc", 0xb0);
  g.mov("ecx", 0x77).xchg(mem("rbx"), "ecx");
  expect("xchg stores", 0x77);
  g.equal("xchg loads", "ecx", 0xb0, 0xff);
  g.cmp(dword("rbx"), 0x77).setz("cl");
  g.equal("cmp", "cl", 1);
  g.test(dword("rbx"), 0x88).setz("cl");
  g.equal("test", "cl", 1);
  g.mov("ecx", 1).add("ecx", mem("rbx"));
  g.equal("add from memory", "ecx", 0x78);
  g.push(0x30).pop("rcx").mov(mem({ base: "rbx", index: "rcx", scale: 1, disp: -0x30 }), "ecx");
  expect("base, index and displacement", 0x30);
  g.mov(dword("rbx"), 0);
}

/** String instructions and the stack with one side in device memory. */
function strings(g: Guest): void {
  g.bss("buffer", 64, 16);
  g.mov("esi", LAPIC.BASE + LAPIC.SVR).mov("edi", ref("buffer")).lodsd().mov("ecx", "eax");
  g.lapicRead(LAPIC.SVR);
  g.equal("lods", "ecx", "eax");
  g.mov("edi", LAPIC.BASE + LAPIC.TPR).mov("eax", 0x40).stosd();
  g.lapicRead(LAPIC.TPR);
  g.equal("stos", "eax", 0x40);
  g.equal("stos moves on", "edi", LAPIC.BASE + LAPIC.TPR + 4);
  g.mov("esi", LAPIC.BASE + LAPIC.TPR).mov("edi", ref("buffer")).movsd().mov("eax", mem(ref("buffer")));
  g.equal("movs from device", "eax", 0x40);
  g.mov(dword(ref("buffer")), 0x60).mov("esi", ref("buffer")).mov("edi", LAPIC.BASE + LAPIC.TPR).movsd();
  g.lapicRead(LAPIC.TPR);
  g.equal("movs to device", "eax", 0x60);
  g.mov("ebx", LAPIC.BASE + LAPIC.TPR).mov(dword("rbx"), 0);
  // Four dwords of nothing into memory, then memory to nothing.
  g.mov("esi", UNCLAIMED).mov("edi", ref("buffer", 16)).mov("ecx", 4).cld().rep().movsd();
  g.equal("rep movs counts down", "ecx", 0);
  g.equal("rep movs moves on", "esi", UNCLAIMED + 16);
  g.mov("edi", UNCLAIMED + 0xff8).mov("eax", 0x12345678).mov("ecx", 4).rep().stosd();
  g.equal("rep stos across a page", "edi", UNCLAIMED + 0x1008);
}

/** The local APIC's registers stand 16 bytes apart; what cannot be written stays. */
function lapicRegisters(g: Guest): void {
  g.lapicRead(LAPIC.VERSION);
  g.equal("version: an integrated APIC", "eax", 0x10, 0xf0);
  g.lapicRead(LAPIC.VERSION);
  g.mov("ecx", "eax").shr("ecx", 16);
  g.between("highest LVT entry", "cl", 3, 6);
  g.lapicWrite(LAPIC.VERSION, 0);
  g.mov("ecx", "eax");
  g.lapicRead(LAPIC.VERSION);
  g.equal("version is read-only", "eax", "ecx");
  g.lapicRead(LAPIC.ID);
  g.equal("id of the first processor", "eax", 0);
  g.lapicWrite(LAPIC.SVR, 0x1ff);
  g.lapicRead(LAPIC.SVR);
  g.equal("spurious vector register", "eax", 0x1ff);
  // The class only: KVM's APIC on SVM takes the priority back from the processor's four bits. [APM] 15.21.4
  for (const value of [0, 0x80, 0xff, 0x10]) {
    g.lapicWrite(LAPIC.TPR, value);
    g.lapicRead(LAPIC.TPR);
    g.equal(`task priority ${value}`, "eax", value & 0xf0, 0xf0);
    g.lapicRead(LAPIC.PPR);
    g.equal(`processor priority follows ${value}`, "eax", value & 0xf0, 0xf0);
  }
  g.lapicWrite(LAPIC.TPR, 0);
  g.lapicWrite(LAPIC.LVT_TIMER, 0x10040);
  g.lapicRead(LAPIC.LVT_TIMER);
  g.equal("timer entry", "eax", 0x10040);
  g.lapicWrite(LAPIC.LDR, 0x01ffffff);
  g.lapicRead(LAPIC.LDR);
  g.equal("logical destination: the top byte", "eax", 0x01000000);
  g.lapicWrite(LAPIC.ICR_HIGH, 0x12ffffff);
  g.lapicRead(LAPIC.ICR_HIGH);
  g.equal("ICR destination: the top byte", "eax", 0x12000000, 0xff000000);
  g.lapicWrite(LAPIC.ICR_HIGH, 0);
}

/** The programs. */
export const MMIO_PROGRAMS: readonly GuestProgram[] = [
  guest("mmio-unclaimed", { qemu: { skip: "it answers zeros where nobody does" } }, unclaimed),
  guest("mmio-width", {}, ioapicMoves),
  guest("mmio-narrow", { qemu: { skip: "its IOAPIC answers dwords only" } }, narrowLoads),
  guest("mmio-forms", {}, forms),
  guest("mmio-strings", {}, strings),
  guest("mmio-lapic", {}, lapicRegisters),
];
