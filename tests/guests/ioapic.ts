/**
 * The IOAPIC: registers, edge from the PIT, level from a UART, masking, remote IRR, the SCI.
 *
 * Sources: [82093AA] Intel 290566-001, 3.0 (registers), 3.4 (interrupt delivery); [16550] 8.6 (interrupt enable);
 * [ACPI] 4.8.3.1 (PM1 event registers), 5.2.12.5 (the PIT at pin 2).
 * @module
 */

import { dword, mem, ref } from "../../hvm/testing/asm.ts";
import { guest, type GuestProgram } from "./guest.ts";
import { IOAPIC, LAPIC, P, PIT_HZ, REDIR, UART, VECTOR } from "./hardware.ts";
import type { Guest } from "./lib.ts";

const PIN = { PIT: 2, COM2: 3, SCI: 9 } as const;
const KHZ = Math.round(PIT_HZ / 1000);

/** Programs a pin for the first processor. */
function redirect(g: Guest, pin: number, low: number): void {
  g.ioapicWrite(IOAPIC.REDIRECTION + 2 * pin + 1, 0);
  g.ioapicWrite(IOAPIC.REDIRECTION + 2 * pin, low);
}

function readPin(g: Guest, pin: number): void {
  g.ioapicRead(IOAPIC.REDIRECTION + 2 * pin);
}

function registers(g: Guest): void {
  g.ioapicRead(IOAPIC.VERSION);
  g.mov("ebx", "eax");
  g.between("version", "al", 0x11, 0x20);
  g.shr("ebx", 16);
  g.equal("24 pins", "bl", 23);
  g.ioapicWrite(IOAPIC.VERSION, 0);
  g.ioapicRead(IOAPIC.VERSION);
  g.shr("eax", 16);
  g.equal("version is read-only", "al", 23);
  g.ioapicRead(IOAPIC.ID);
  g.mov("ebx", "eax");
  g.ioapicWrite(IOAPIC.ID, 0x0f000000);
  g.ioapicRead(IOAPIC.ID);
  g.equal("id", "eax", 0x0f000000, 0x0f000000);
  g.mov(dword(IOAPIC.SELECT), IOAPIC.ID).mov(mem(IOAPIC.WINDOW), "ebx");
  for (const pin of [0, 5, 16, 23]) {
    redirect(g, pin, REDIR.MASKED);
    readPin(g, pin);
    g.equal(`pin ${pin} masked`, "eax", REDIR.MASKED);
    // All writable bits but ExtINT and its like: vector, logical, active low, level.
    redirect(g, pin, REDIR.MASKED | REDIR.LEVEL | REDIR.ACTIVE_LOW | 0x800 | 0xfe);
    readPin(g, pin);
    g.equal(`pin ${pin} fields`, "eax", REDIR.MASKED | REDIR.LEVEL | REDIR.ACTIVE_LOW | 0x800 | 0xfe);
    redirect(g, pin, REDIR.MASKED | REDIR.PENDING | REDIR.REMOTE_IRR);
    readPin(g, pin);
    g.equal(`pin ${pin}: status bits are read-only`, "eax", REDIR.MASKED);
  }
  g.ioapicRead(0x7f);
  g.ioapicWrite(0x7f, 0x12345678);
}

function edge(g: Guest): void {
  g.enableLapic();
  g.onCount(VECTOR.IOAPIC, "ticks", () => g.eoi());
  redirect(g, PIN.PIT, VECTOR.IOAPIC);
  g.startPit(2, KHZ);
  g.sti();
  g.waitFor("ten edges", "ticks", 10);
  readPin(g, PIN.PIT);
  g.equal("an edge has no remote IRR", "eax", 0, REDIR.REMOTE_IRR);
  redirect(g, PIN.PIT, REDIR.MASKED | VECTOR.IOAPIC);
  g.delayUs(3000);
  g.mov("ebx", mem(ref("ticks")));
  g.delayUs(10_000);
  g.mov("eax", mem(ref("ticks")));
  g.equal("masked", "eax", "ebx");
  g.onCount(VECTOR.IOAPIC + 0x10, "others", () => g.eoi());
  redirect(g, PIN.PIT, VECTOR.IOAPIC + 0x10);
  g.waitFor("another vector", "others", 5);
  // A one-shot after 50 ms: one rising edge. Ticks of before may still come until it is set up.
  g.retry(4, () => {
    g.startPit(0, 50 * KHZ);
    g.delayUs(1000);
    g.clear("others");
    g.waitFor("mode 0", "others", 1);
    g.delayUs(60_000);
    g.mov("eax", mem(ref("others")));
    g.equal("mode 0 gives one edge", "eax", 1);
  });
}

/** COM2 asks for service while its transmitter is empty and that interrupt is enabled. */
function raiseCom2(g: Guest): void {
  g.outb(P.COM2 + UART.IER, 0);
  // OUT2 connects the interrupt to the bus on a PC.
  g.outb(P.COM2 + UART.MCR, 0x08);
  g.outb(P.COM2 + UART.IER, 0x02);
}

function dropCom2(g: Guest): void {
  g.outb(P.COM2 + UART.IER, 0);
}

/** The line stays high: as long as it does, every EOI brings the next interrupt. */
function level(g: Guest): void {
  const REPEATS = 5;
  g.enableLapic();
  for (const name of ["ticks", "remote", "tmr"]) g.bss(name, 4);
  g.on(VECTOR.IOAPIC, () => {
    const more = g.unique("more");
    readPin(g, PIN.COM2);
    g.mov(mem(ref("remote")), "eax");
    g.lapicRead(LAPIC.TMR + 0x10 * (VECTOR.IOAPIC >> 5));
    g.mov(mem(ref("tmr")), "eax");
    g.inc(dword(ref("ticks"))).cmp(dword(ref("ticks")), REPEATS).jb(more);
    dropCom2(g);
    g.label(more);
    g.eoi();
  });
  dropCom2(g);
  redirect(g, PIN.COM2, REDIR.LEVEL | VECTOR.IOAPIC);
  g.sti();
  raiseCom2(g);
  g.waitFor("until the line falls", "ticks", REPEATS);
  g.delayUs(5000);
  g.mov("eax", mem(ref("ticks")));
  g.equal("not after it fell", "eax", REPEATS);
  g.mov("eax", mem(ref("remote")));
  g.equal("remote IRR in the handler", "eax", REDIR.REMOTE_IRR, REDIR.REMOTE_IRR);
  g.mov("eax", mem(ref("tmr")));
  g.equal("trigger mode register", "eax", 1 << (VECTOR.IOAPIC & 31), 1 << (VECTOR.IOAPIC & 31));
  readPin(g, PIN.COM2);
  g.equal("remote IRR after EOI", "eax", 0, REDIR.REMOTE_IRR);
  g.mov(dword(ref("ticks")), REPEATS - 1);
  raiseCom2(g);
  g.waitFor("the next rise", "ticks", REPEATS);
}

/** The EOI takes its time: nothing comes while the interrupt is in service, however high the line is. */
function levelInService(g: Guest): void {
  g.enableLapic();
  g.bss("seen", 4);
  g.bss("ticks", 4);
  g.on(VECTOR.IOAPIC, () => {
    const late = g.unique("late");
    g.inc(dword(ref("ticks"))).cmp(dword(ref("ticks")), 1).jnz(late);
    g.sti();
    // A new rise while the first is in service is not a second interrupt: remote IRR holds it.
    dropCom2(g);
    raiseCom2(g);
    g.delayUs(3000);
    g.cli().mov("eax", mem(ref("ticks"))).mov(mem(ref("seen")), "eax");
    g.label(late);
    dropCom2(g);
    g.eoi();
  });
  redirect(g, PIN.COM2, REDIR.LEVEL | VECTOR.IOAPIC);
  g.sti();
  raiseCom2(g);
  g.waitFor("delivered", "ticks", 1);
  g.delayUs(2000);
  g.mov("eax", mem(ref("seen")));
  g.equal("interrupts before the EOI", "eax", 1);
  g.mov("eax", mem(ref("ticks")));
  g.equal("and none after it, the line being low", "eax", 1);
}

/** A high line behind a mask is delivered when the mask goes. */
function levelMask(g: Guest): void {
  g.enableLapic();
  g.bss("ticks", 4);
  g.on(VECTOR.IOAPIC, () => {
    dropCom2(g);
    g.inc(dword(ref("ticks")));
    g.eoi();
  });
  redirect(g, PIN.COM2, REDIR.MASKED | REDIR.LEVEL | VECTOR.IOAPIC);
  g.sti();
  raiseCom2(g);
  g.delayUs(3000);
  g.mov("eax", mem(ref("ticks")));
  g.equal("masked", "eax", 0);
  redirect(g, PIN.COM2, REDIR.LEVEL | VECTOR.IOAPIC);
  g.waitFor("unmasked", "ticks", 1);
  redirect(g, PIN.COM2, REDIR.MASKED | REDIR.LEVEL | VECTOR.IOAPIC);
  raiseCom2(g);
  dropCom2(g);
  redirect(g, PIN.COM2, REDIR.LEVEL | VECTOR.IOAPIC);
  g.delayUs(3000);
  g.mov("eax", mem(ref("ticks")));
  g.equal("a level that came and went behind the mask", "eax", 1);
}

/** The transmitter's interrupt, edge-triggered: one for every byte that leaves. */
function uart(g: Guest): void {
  g.enableLapic();
  g.bss("ticks", 4);
  g.on(VECTOR.IOAPIC, () => {
    g.inb(P.COM2 + UART.IIR);
    g.equal("IIR: transmitter empty", "eax", 0x02, 0x0f);
    g.inb(P.COM2 + UART.IIR);
    g.equal("IIR: gone by reading it", "eax", 0x01, 0x0f);
    g.inc(dword(ref("ticks")));
    g.eoi();
  });
  redirect(g, PIN.COM2, VECTOR.IOAPIC);
  g.outb(P.COM2 + UART.LCR, 0x83);
  g.outb(P.COM2, 1);
  g.outb(P.COM2 + 1, 0);
  g.outb(P.COM2 + UART.LCR, 0x03);
  g.outb(P.COM2 + UART.FCR, 0);
  g.sti();
  raiseCom2(g);
  g.waitFor("empty at the start", "ticks", 1);
  for (let i = 2; i <= 6; i++) {
    g.outb(P.COM2 + UART.THR, 0x41);
    g.waitFor(`after byte ${i}`, "ticks", i);
  }
  dropCom2(g);
  g.outb(P.COM2 + UART.THR, 0x41);
  g.delayUs(3000);
  g.mov("eax", mem(ref("ticks")));
  g.equal("none while it is not enabled", "eax", 6);
}

/** The PM timer's overflow, through the SCI. Bit 23 changes every 2.34 seconds. */
function sci(g: Guest): void {
  g.enableLapic();
  g.bss("status", 4);
  g.bss("ticks", 4);
  g.on(VECTOR.IOAPIC, () => {
    g.inw(P.PM1_STS);
    g.mov(mem(ref("status")), "eax");
    g.outw(P.PM1_STS, 1);
    g.inc(dword(ref("ticks")));
    g.eoi();
  });
  g.outb(P.SMI_CMD, 0xf1);
  const enabled = g.unique("enabled");
  g.label(enabled);
  g.inw(P.PM1_CNT);
  g.test("eax", 1).jz(enabled);
  g.outw(P.PM1_STS, 1);
  redirect(g, PIN.SCI, REDIR.LEVEL | VECTOR.IOAPIC);
  g.outw(P.PM1_EN, 1);
  g.sti();
  g.waitFor("an overflow", "ticks", 1, 3500);
  g.outw(P.PM1_EN, 0);
  g.mov("eax", mem(ref("status")));
  g.equal("timer status", "eax", 1, 1);
  g.delayUs(3000);
  g.mov("eax", mem(ref("ticks")));
  g.equal("once", "eax", 1);
  redirect(g, PIN.SCI, REDIR.MASKED);
}

const KVM_APIC_FAULTS = { quirks: [{ id: "pvm-kernel-apic", irqchips: ["split", "kernel"] }] } as const;

/** The programs. */
export const IOAPIC_PROGRAMS: readonly GuestProgram[] = [
  guest("ioapic-registers", {}, registers),
  guest("ioapic-edge", {}, edge),
  guest("ioapic-level", KVM_APIC_FAULTS, level),
  guest("ioapic-level-in-service", KVM_APIC_FAULTS, levelInService),
  guest("ioapic-level-mask", KVM_APIC_FAULTS, levelMask),
  guest("ioapic-uart", {}, uart),
  guest("ioapic-sci", KVM_APIC_FAULTS, sci),
];
