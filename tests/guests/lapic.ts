/**
 * The local APIC: timer in every mode, interrupts to itself, priorities, spurious and error handling, x2APIC.
 *
 * Sources: [SDM] Intel SDM vol. 3A, ch. 11 (sections cited in place).
 * @module
 */

import { dword, mem, qword, ref } from "../../hvm/testing/asm.ts";
import { guest, type GuestProgram } from "./guest.ts";
import { ICR, LAPIC, LVT, MSR, VECTOR } from "./hardware.ts";
import { FRAME64, type Guest } from "./lib.ts";

/** Values of the divide configuration register. [SDM] figure 11-10 */
const DIVIDE = { BY1: 0xb, BY16: 0x3 } as const;
const CPUID1_ECX = { X2APIC: 1 << 21, TSC_DEADLINE: 1 << 24 } as const;
const GP = 13;

/** Divide by 1, one-shot, `initial` counts. */
function startTimer(g: Guest, lvt: number, initial: number, divide: number = DIVIDE.BY1): void {
  g.lapicWrite(LAPIC.TIMER_DIVIDE, divide);
  g.lapicWrite(LAPIC.LVT_TIMER, lvt);
  g.lapicWrite(LAPIC.TIMER_INITIAL, initial);
}

/**
 * Measures how far the masked timer counts in `ms` of PM timer, into the dword `rate`: the least of eight, as a host
 * that is busy elsewhere makes a measurement longer, never shorter.
 */
function calibrate(g: Guest, ms: number, divide: number, rate: string): void {
  const [again, more] = [g.unique("calibrate"), g.unique("calibrate")];
  g.bss(rate, 4);
  g.mov(dword(ref(rate)), -1).mov("ebp", 8);
  g.label(again);
  startTimer(g, LVT.MASKED | VECTOR.TIMER, 0xffffffff, divide);
  g.delayUs(ms * 1000);
  g.lapicRead(LAPIC.TIMER_CURRENT);
  g.not("eax").cmp("eax", mem(ref(rate))).jae(more).mov(mem(ref(rate)), "eax");
  g.label(more).dec("ebp").jnz(again);
  g.lapicWrite(LAPIC.TIMER_INITIAL, 0);
}

function oneShot(g: Guest): void {
  g.enableLapic();
  g.onCount(VECTOR.TIMER, "ticks", () => g.eoi());
  g.retry(12, () => oneShotOnce(g));
}

/** Starts, fires once, is stopped, is masked. */
function oneShotOnce(g: Guest): void {
  g.cli();
  g.clear("ticks");
  calibrate(g, 2, DIVIDE.BY1, "per2ms");
  g.sti();
  g.lapicWrite(LAPIC.LVT_TIMER, VECTOR.TIMER);
  g.mov("eax", mem(ref("per2ms"))).imul("ecx", "eax", 10).mov(mem(LAPIC.BASE + LAPIC.TIMER_INITIAL), "ecx");
  g.lapicRead(LAPIC.TIMER_CURRENT);
  g.mov("ebx", "eax");
  g.lapicRead(LAPIC.TIMER_INITIAL);
  g.equal("initial count reads back", "eax", "ecx");
  const down = g.unique("down");
  g.cmp("ebx", "eax").jbe(down);
  g.fail("the current count is above the initial one");
  g.label(down);
  g.waitFor("it fires", "ticks", 1);
  g.lapicRead(LAPIC.TIMER_CURRENT);
  g.equal("and stands at 0", "eax", 0);
  g.delayUs(30_000);
  g.mov("eax", mem(ref("ticks")));
  g.equal("once", "eax", 1);
  // An initial count of 0 stops it. [SDM] 11.5.4
  g.mov("eax", mem(ref("per2ms"))).imul("ecx", "eax", 10).mov(mem(LAPIC.BASE + LAPIC.TIMER_INITIAL), "ecx");
  g.lapicWrite(LAPIC.TIMER_INITIAL, 0);
  g.delayUs(30_000);
  g.mov("eax", mem(ref("ticks")));
  g.equal("stopped before it fires", "eax", 1);
  startTimer(g, LVT.MASKED | VECTOR.TIMER, 1000);
  g.delayUs(10_000);
  g.mov("eax", mem(ref("ticks")));
  g.equal("masked", "eax", 1);
}

function periodic(g: Guest): void {
  g.enableLapic();
  g.onCount(VECTOR.TIMER, "ticks", () => g.eoi());
  // Long, since on a slow host reading the clocks itself takes a millisecond.
  calibrate(g, 32, DIVIDE.BY1, "per32ms");
  g.lapicWrite(LAPIC.LVT_TIMER, LVT.PERIODIC | VECTOR.TIMER);
  g.mov("eax", mem(ref("per32ms"))).shr("eax", 2).mov(mem(LAPIC.BASE + LAPIC.TIMER_INITIAL), "eax").sti();
  g.checkRate("periods of 8 ms", "ticks", 125);
  g.lapicRead(LAPIC.TIMER_CURRENT);
  g.mov("ebx", "eax");
  g.lapicRead(LAPIC.TIMER_INITIAL);
  g.cmp("ebx", "eax").setbe("al");
  g.equal("the count stays within the period", "al", 1);
  g.lapicWrite(LAPIC.TIMER_INITIAL, 0);
  g.delayUs(10_000);
  g.mov("ebx", mem(ref("ticks")));
  g.delayUs(40_000);
  g.mov("eax", mem(ref("ticks")));
  g.equal("stopped by a count of 0", "eax", "ebx");
}

/** Divide by 16 counts a sixteenth. */
function divider(g: Guest): void {
  g.enableLapic();
  g.retry(12, () => {
    calibrate(g, 2, DIVIDE.BY1, "by1");
    calibrate(g, 2, DIVIDE.BY16, "by16");
    g.mov("eax", mem(ref("by1"))).xor("edx", "edx").mov("ecx", mem(ref("by16"))).add("ecx", 1).div("ecx");
    g.between("ratio", "eax", 12, 20);
  });
  g.lapicWrite(LAPIC.TIMER_DIVIDE, 0xffffffff);
  g.lapicRead(LAPIC.TIMER_DIVIDE);
  g.equal("bits of the divide register", "eax", 0xb, 0xf);
}

/** Leaves with a word when CPUID.1:ECX does not show a feature. */
function needsFeature(g: Guest, bit: number, name: string): void {
  const there = g.unique("there");
  g.mov("eax", 1).cpuid().test("ecx", bit).jnz(there);
  g.print(`  ${name} is not shown\n`);
  g.pass();
  g.label(there);
}

/** TSC plus `delta` into IA32_TSC_DEADLINE. */
function deadline(g: Guest, delta: number): void {
  g.rdtsc().add("eax", delta).adc("edx", 0).mov("ecx", MSR.TSC_DEADLINE).wrmsr();
}

function tscDeadline(g: Guest): void {
  needsFeature(g, CPUID1_ECX.TSC_DEADLINE, "TSC-deadline");
  g.enableLapic();
  g.onCount(VECTOR.TIMER, "ticks", () => g.eoi());
  g.lapicWrite(LAPIC.LVT_TIMER, LVT.TSC_DEADLINE | VECTOR.TIMER);
  g.mfence().sti();
  deadline(g, 3_000_000);
  g.waitFor("it fires", "ticks", 1);
  g.mov("ecx", MSR.TSC_DEADLINE).rdmsr().or("eax", "edx");
  g.equal("the deadline reads 0 once it is over", "eax", 0);
  deadline(g, 0);
  g.waitFor("a deadline that is over fires at once", "ticks", 2);
  g.retry(12, () => {
    g.clear("ticks");
    deadline(g, 100_000_000);
    g.mov("ecx", MSR.TSC_DEADLINE).xor("eax", "eax").xor("edx", "edx").wrmsr();
    g.delayUs(150_000);
    g.mov("eax", mem(ref("ticks")));
    g.equal("0 disarms it", "eax", 0);
  });
  g.clear("ticks");
  g.lapicWrite(LAPIC.TIMER_INITIAL, 1000);
  g.delayUs(5000);
  g.mov("eax", mem(ref("ticks")));
  g.equal("the initial count does nothing in this mode", "eax", 0);
}

function selfIpi(g: Guest): void {
  g.enableLapic();
  g.bss("isr", 4);
  g.bss("irr", 4);
  g.bss("ticks", 4);
  g.on(VECTOR.IPI, () => {
    g.lapicRead(LAPIC.ISR + 0x10 * (VECTOR.IPI >> 5));
    g.mov(mem(ref("isr")), "eax");
    g.inc(dword(ref("ticks")));
    g.mov("eax", mem("rdi", FRAME64.VECTOR));
    g.equal("vector", "eax", VECTOR.IPI);
    g.eoi();
  });
  const IRR = LAPIC.IRR + 0x10 * (VECTOR.IPI >> 5);
  const bit = 1 << (VECTOR.IPI & 31);
  g.lapicWrite(LAPIC.ICR_LOW, ICR.SELF | ICR.ASSERT | VECTOR.IPI);
  g.delayUs(100);
  g.lapicRead(IRR);
  g.equal("requested while IF is clear", "eax", bit, bit);
  g.sti().nop();
  g.waitFor("by shorthand", "ticks", 1);
  g.mov("eax", mem(ref("isr")));
  g.equal("in service in the handler", "eax", bit, bit);
  g.lapicRead(LAPIC.ISR + 0x10 * (VECTOR.IPI >> 5));
  g.equal("out of service after EOI", "eax", 0, bit);
  g.lapicRead(IRR);
  g.equal("request gone", "eax", 0, bit);
  g.lapicWrite(LAPIC.ICR_HIGH, 0);
  g.lapicWrite(LAPIC.ICR_LOW, ICR.ASSERT | VECTOR.IPI);
  g.waitFor("by id", "ticks", 2);
  g.lapicWrite(LAPIC.LDR, 0x01000000);
  g.lapicWrite(LAPIC.DFR, 0xffffffff);
  g.lapicWrite(LAPIC.ICR_HIGH, 0x01000000);
  g.lapicWrite(LAPIC.ICR_LOW, ICR.LOGICAL | ICR.ASSERT | VECTOR.IPI);
  g.waitFor("by logical destination", "ticks", 3);
  g.lapicWrite(LAPIC.ICR_HIGH, 0x02000000);
  g.lapicWrite(LAPIC.ICR_LOW, ICR.LOGICAL | ICR.ASSERT | VECTOR.IPI);
  g.delayUs(1000);
  g.mov("eax", mem(ref("ticks")));
  g.equal("not when the set is another", "eax", 3);
}

function self(g: Guest, vector: number): void {
  g.lapicWrite(LAPIC.ICR_LOW, ICR.SELF | ICR.ASSERT | vector);
}

/** The task priority holds back its own class and those below. [SDM] 11.8.3.1 */
function taskPriority(g: Guest): void {
  g.enableLapic();
  g.onCount(0x51, "ticks", () => g.eoi());
  g.sti();
  for (const [tpr, passes] of [[0x40, true], [0x4f, true], [0x50, false], [0x60, false]] as const) {
    g.mov(dword(ref("ticks")), 0);
    g.lapicWrite(LAPIC.TPR, tpr);
    self(g, 0x51);
    if (passes) {
      g.waitFor(`TPR ${tpr}`, "ticks", 1);
    } else {
      g.delayUs(1000);
      g.mov("eax", mem(ref("ticks")));
      g.equal(`TPR ${tpr}`, "eax", 0);
    }
    g.lapicWrite(LAPIC.TPR, 0);
    g.waitFor("delivered when TPR falls", "ticks", 1);
  }
  // CR8 is the upper half of TPR. [SDM] 11.8.6
  g.mov("eax", 5).mov("cr8", "rax");
  g.lapicRead(LAPIC.TPR);
  g.equal("CR8 sets TPR", "eax", 0x50);
  g.mov(dword(ref("ticks")), 0);
  self(g, 0x51);
  g.delayUs(1000);
  g.mov("eax", mem(ref("ticks")));
  g.equal("held back by CR8", "eax", 0);
  g.mov("eax", 4).mov("cr8", "rax");
  g.waitFor("delivered when CR8 falls", "ticks", 1);
  g.lapicWrite(LAPIC.TPR, 0x37);
  g.mov("rax", "cr8");
  g.equal("TPR sets CR8", "eax", 3);
}

/** Of two requests the higher vector first; a handler is interrupted by higher classes only. [SDM] 11.8.4 */
function priorities(g: Guest): void {
  g.enableLapic();
  for (const name of ["next", "order", "seen"]) g.bss(name, name === "order" ? 16 : 4);
  const note = (vector: number) =>
    g.on(vector, () => {
      g.mov("ecx", mem(ref("next"))).mov(mem({ base: "rcx", disp: ref("order") }), "al").inc(
        dword(ref("next")),
      );
      g.mov("eax", mem("rdi", FRAME64.VECTOR));
      g.mov(mem({ base: "rcx", disp: ref("order") }), "al");
      if (vector === 0x71) {
        // Same class, then a higher and a lower one, with this one in service.
        for (const other of [0x72, 0x81, 0x61]) self(g, other);
        g.sti();
        g.waitFor("81h within 71h", "next", 2);
        g.delayUs(1000);
        g.cli();
        g.mov("eax", mem(ref("next"))).mov(mem(ref("seen")), "eax");
      }
      g.eoi();
    });
  for (const vector of [0x41, 0x61, 0x71, 0x72, 0x81]) note(vector);
  self(g, 0x41);
  self(g, 0x71);
  g.sti();
  g.waitFor("all of them", "next", 5);
  g.delayUs(1000);
  g.cli();
  g.mov("eax", mem(ref("next")));
  g.equal("interrupts", "eax", 5);
  g.mov("eax", mem(ref("order")));
  g.equal("order: 71h, within it 81h, then 72h, 61h", "eax", 0x61728171);
  g.mov("eax", mem(ref("order", 4)));
  g.equal("and 41h at last", "eax", 0x41, 0xff);
  g.mov("eax", mem(ref("seen")));
  g.equal("seen by the end of 71h", "eax", 2);
}

/** With the software enable bit clear all LVT entries are masked and stay so. [SDM] 11.4.7.2 */
function softwareDisable(g: Guest): void {
  g.enableLapic();
  g.onCount(VECTOR.TIMER, "ticks", () => g.eoi());
  g.lapicWrite(LAPIC.LVT_TIMER, VECTOR.TIMER);
  g.lapicRead(LAPIC.LVT_TIMER);
  g.equal("unmasked", "eax", VECTOR.TIMER);
  g.lapicWrite(LAPIC.SVR, VECTOR.SPURIOUS);
  g.lapicRead(LAPIC.LVT_TIMER);
  g.equal("masked by the software disable", "eax", LVT.MASKED | VECTOR.TIMER);
  g.lapicWrite(LAPIC.LVT_TIMER, VECTOR.TIMER);
  g.lapicRead(LAPIC.LVT_TIMER);
  g.equal("the mask cannot be cleared then", "eax", LVT.MASKED | VECTOR.TIMER);
  g.enableLapic();
  g.lapicRead(LAPIC.LVT_TIMER);
  g.equal("enabling leaves it masked", "eax", LVT.MASKED | VECTOR.TIMER);
}

/** Errors of sending and of register access; the register shows them after it is written. [SDM] 11.5.3 */
function errors(g: Guest): void {
  const SEND_ILLEGAL = 1 << 5;
  const ILLEGAL_REGISTER = 1 << 7;
  g.enableLapic();
  g.onCount(0x70, "ticks", () => g.eoi());
  g.lapicWrite(LAPIC.LVT_ERROR, 0x70);
  g.lapicWrite(LAPIC.ESR, 0);
  g.lapicWrite(LAPIC.ESR, 0);
  g.lapicRead(LAPIC.ESR);
  g.equal("no error", "eax", 0);
  g.sti();
  self(g, 5);
  g.waitFor("an error interrupt", "ticks", 1);
  g.lapicWrite(LAPIC.ESR, 0);
  g.lapicRead(LAPIC.ESR);
  g.equal("send of an illegal vector", "eax", SEND_ILLEGAL, SEND_ILLEGAL | ILLEGAL_REGISTER);
  g.lapicWrite(LAPIC.ESR, 0);
  g.lapicRead(LAPIC.ESR);
  g.equal("a write clears what was shown", "eax", 0);
  g.lapicRead(0x40);
  g.lapicWrite(LAPIC.ESR, 0);
  g.lapicRead(LAPIC.ESR);
  g.equal("read of a reserved register", "eax", ILLEGAL_REGISTER, ILLEGAL_REGISTER);
}

/** An NMI to itself arrives at vector 2 with interrupts off, and needs no EOI. */
function nmi(g: Guest): void {
  const NMI = 4 << 8;
  g.enableLapic();
  g.onCount(2, "ticks", () => {});
  g.lapicWrite(LAPIC.ICR_HIGH, 0);
  g.lapicWrite(LAPIC.ICR_LOW, ICR.ASSERT | NMI);
  g.waitFor("with IF clear", "ticks", 1);
  g.lapicWrite(LAPIC.ICR_LOW, ICR.ASSERT | NMI);
  g.waitFor("again after IRETQ", "ticks", 2);
}

/** Reads an MSR into `edx:eax`. */
function rdmsr(g: Guest, index: number): void {
  g.mov("ecx", index).rdmsr();
}

function wrmsr(g: Guest, index: number, low: number, high = 0): void {
  g.mov("ecx", index).mov("eax", low).mov("edx", high).wrmsr();
}

const EXTD = 1 << 10;

/** The MSR of a register by its xAPIC offset. [SDM] table 11-6 */
function msrOf(register: number): number {
  return MSR.X2APIC + (register >> 4);
}

/** Switches to x2APIC mode, or leaves where there is none; #GP on RDMSR or WRMSR is counted in `faults`. */
function enterX2apic(g: Guest): void {
  needsFeature(g, CPUID1_ECX.X2APIC, "x2APIC");
  g.bss("faults", 4);
  g.on(GP, () => {
    // Both instructions are two bytes.
    g.inc(dword(ref("faults"))).add(qword("rdi", FRAME64.RIP), 2);
  });
  g.enableLapic();
  rdmsr(g, MSR.APIC_BASE);
  g.equal("base, BSP, enabled", "eax", 0xfee00900, 0xfffffd00);
  g.or("eax", EXTD).wrmsr();
}

function expectFaults(g: Guest, cases: readonly (readonly [string, () => void])[]): void {
  for (const [what, write] of cases) {
    g.mov(dword(ref("faults")), 0);
    write();
    g.mov("eax", mem(ref("faults")));
    g.equal(`#GP for ${what}`, "eax", 1);
  }
}

function x2apic(g: Guest): void {
  const SELF_IPI = MSR.X2APIC + 0x3f;
  enterX2apic(g);
  g.onCount(VECTOR.IPI, "ticks", () => wrmsr(g, msrOf(LAPIC.EOI), 0));
  g.onCount(VECTOR.TIMER, "timer", () => wrmsr(g, msrOf(LAPIC.EOI), 0));
  rdmsr(g, msrOf(LAPIC.ID));
  g.equal("id", "eax", 0);
  rdmsr(g, msrOf(LAPIC.VERSION));
  g.equal("version", "eax", 0x10, 0xf0);
  rdmsr(g, msrOf(LAPIC.LDR));
  g.equal("logical id follows from the id", "eax", 1);
  rdmsr(g, msrOf(LAPIC.SVR));
  g.equal("registers are kept", "eax", 0x1ff);
  wrmsr(g, msrOf(LAPIC.TPR), 0x20);
  g.mov("rax", "cr8");
  g.equal("TPR by MSR", "eax", 2);
  wrmsr(g, msrOf(LAPIC.TPR), 0);
  g.sti();
  wrmsr(g, SELF_IPI, VECTOR.IPI);
  g.waitFor("self IPI register", "ticks", 1);
  wrmsr(g, msrOf(LAPIC.ICR_LOW), ICR.ASSERT | VECTOR.IPI, 0);
  g.waitFor("64-bit ICR", "ticks", 2);
  wrmsr(g, msrOf(LAPIC.TIMER_DIVIDE), DIVIDE.BY1);
  wrmsr(g, msrOf(LAPIC.LVT_TIMER), VECTOR.TIMER);
  wrmsr(g, msrOf(LAPIC.TIMER_INITIAL), 100_000);
  g.waitFor("timer", "timer", 1);
  expectFaults(g, [
    ["a write of the id", () => wrmsr(g, msrOf(LAPIC.ID), 1)],
    ["a read of EOI", () => rdmsr(g, msrOf(LAPIC.EOI))],
    ["a register that is not there", () => rdmsr(g, MSR.X2APIC + 0x31)],
    ["x2APIC straight back to xAPIC", () => wrmsr(g, MSR.APIC_BASE, 0xfee00900)],
  ]);
}

/** Bits that must be written as 0. [SDM] 11.12.1.3 */
function x2apicReserved(g: Guest): void {
  enterX2apic(g);
  expectFaults(g, [
    ["EOI of other than 0", () => wrmsr(g, msrOf(LAPIC.EOI), 1)],
    ["reserved bits of TPR", () => wrmsr(g, msrOf(LAPIC.TPR), 0x100)],
    ["the upper half of a 32-bit register", () => wrmsr(g, msrOf(LAPIC.TPR), 0, 1)],
  ]);
}

/** IA32_APIC_BASE: where the registers are, and that this is the first processor. */
function base(g: Guest): void {
  rdmsr(g, MSR.APIC_BASE);
  g.equal("base, global enable, BSP", "eax", 0xfee00900);
  g.equal("high half", "edx", 0);
}

/** KVM's own APIC keeps no errors and lets reserved bits pass. */
const OURS = ["user"] as const;
const KVM_APIC_FAULTS = { quirks: [{ id: "pvm-kernel-apic", irqchips: ["split", "kernel"] }] } as const;

/** The programs. */
export const LAPIC_PROGRAMS: readonly GuestProgram[] = [
  guest("lapic-base", {}, base),
  guest("lapic-one-shot", {}, oneShot),
  guest("lapic-periodic", { timeoutS: 60 }, periodic),
  guest("lapic-divider", {}, divider),
  guest("lapic-tsc-deadline", {}, tscDeadline),
  guest("lapic-self-ipi", KVM_APIC_FAULTS, selfIpi),
  guest("lapic-task-priority", {}, taskPriority),
  guest("lapic-priorities", KVM_APIC_FAULTS, priorities),
  guest("lapic-software-disable", { qemu: { skip: "it does not mask the entries" } }, softwareDisable),
  guest("lapic-errors", { irqchips: OURS, qemu: { skip: "it keeps no such errors" } }, errors),
  guest("lapic-nmi", {}, nmi),
  guest("lapic-x2apic", {}, x2apic),
  guest("lapic-x2apic-reserved", { irqchips: OURS, qemu: { skip: "it lets them pass" } }, x2apicReserved),
];
