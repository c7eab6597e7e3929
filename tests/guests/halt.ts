/**
 * HLT and what wakes from it; interrupts that must reach a guest which never leaves by itself.
 *
 * Sources: [SDM] Intel SDM vol. 2A, HLT and STI; vol. 3A, 6.8.1 (one instruction after STI).
 * @module
 */

import { dword, mem, ref } from "../../hvm/testing/asm.ts";
import { guest, type GuestProgram } from "./guest.ts";
import { ICR, LAPIC, LVT, P, PIT_HZ, PM_TIMER_HZ, REDIR, VECTOR } from "./hardware.ts";
import type { Guest } from "./lib.ts";

const KHZ = Math.round(PIT_HZ / 1000);

/** Starts the local APIC's timer at about `us` microseconds a tick, by a calibration of 10 ms. */
function startLapicTimer(g: Guest, lvt: number, us: number): void {
  g.lapicWrite(LAPIC.TIMER_DIVIDE, 0xb);
  g.lapicWrite(LAPIC.LVT_TIMER, LVT.MASKED);
  g.lapicWrite(LAPIC.TIMER_INITIAL, 0xffffffff);
  g.delayUs(10_000);
  g.lapicRead(LAPIC.TIMER_CURRENT);
  g.not("eax").mov("ecx", us).mul("ecx").mov("ecx", 10_000).div("ecx");
  g.lapicWrite(LAPIC.LVT_TIMER, lvt);
  g.mov(mem(LAPIC.BASE + LAPIC.TIMER_INITIAL), "eax");
}

function since(g: Guest): void {
  g.bss("since", 4);
  g.inl(P.PM_TMR);
  g.mov(mem(ref("since")), "eax");
}

/** The PM timer's milliseconds since {@linkcode since} must lie in a range. */
function elapsed(g: Guest, what: string, leastMs: number, mostMs: number): void {
  g.inl(P.PM_TMR);
  g.sub("eax", mem(ref("since"))).and("eax", 0xffffff);
  const ticks = (ms: number) => Math.floor(ms * PM_TIMER_HZ / 1000);
  g.between(what, "eax", ticks(leastMs), ticks(mostMs));
}

function wakeByLapic(g: Guest): void {
  g.enableLapic();
  g.onCount(VECTOR.TIMER, "ticks", () => g.eoi());
  g.retry(4, () => {
    g.cli();
    g.clear("ticks");
    startLapicTimer(g, LVT.PERIODIC | VECTOR.TIMER, 2000);
    g.hltFor("ticks", 1);
    since(g);
    g.hltFor("ticks", 26);
    elapsed(g, "25 periods of 2 ms", 45, 1000);
  });
  g.retry(4, () => {
    g.cli();
    startLapicTimer(g, VECTOR.TIMER, 200_000);
    since(g);
    g.clear("ticks");
    g.hltFor("ticks", 1);
    elapsed(g, "a single sleep of 200 ms", 150, 1500);
  });
}

function wakeByPit(g: Guest): void {
  g.startPic([0]);
  g.onCount(VECTOR.PIC1, "ticks", () => g.picEoi(0));
  g.startPit(2, KHZ);
  g.retry(4, () => {
    g.clear("ticks");
    g.hltFor("ticks", 1);
    since(g);
    g.hltFor("ticks", 51);
    elapsed(g, "50 periods of 1 ms", 45, 1000);
  });
}

function wakeByIoapic(g: Guest): void {
  g.enableLapic();
  g.onCount(VECTOR.IOAPIC, "ticks", () => g.eoi());
  g.ioapicWrite(0x10 + 2 * 2 + 1, 0);
  g.ioapicWrite(0x10 + 2 * 2, VECTOR.IOAPIC);
  g.startPit(2, KHZ);
  g.hltFor("ticks", 20);
  g.ioapicWrite(0x10 + 2 * 2, REDIR.MASKED);
}

/** An interrupt that waits before STI is taken after the HLT behind it: the processor must not sleep on. */
function pendingBeforeSti(g: Guest): void {
  g.enableLapic();
  g.onCount(VECTOR.IPI, "ticks", () => g.eoi());
  for (let i = 1; i <= 5; i++) {
    g.cli();
    g.lapicWrite(LAPIC.ICR_LOW, ICR.SELF | ICR.ASSERT | VECTOR.IPI);
    g.sti().hlt();
    g.mov("eax", mem(ref("ticks")));
    g.equal(`round ${i}`, "eax", i);
  }
}

/** STI takes effect after the next instruction: between STI and CLI back to back nothing gets in. */
function stiShadow(g: Guest): void {
  g.enableLapic();
  g.onCount(VECTOR.IPI, "ticks", () => g.eoi());
  g.lapicWrite(LAPIC.ICR_LOW, ICR.SELF | ICR.ASSERT | VECTOR.IPI);
  for (let i = 0; i < 100; i++) g.sti().cli();
  g.mov("eax", mem(ref("ticks")));
  g.equal("interrupts between STI and CLI", "eax", 0);
  g.sti();
  g.waitFor("once there is room", "ticks", 1);
}

/** Spins without leaving the processor until `ticks` is `count`, for at most four seconds of TSC. */
function spin(g: Guest, what: string, count: number): void {
  for (const name of ["tsc.per10ms", "tsc.start"]) g.bss(name, 8);
  g.rdtsc().mov(mem(ref("tsc.start")), "eax");
  g.delayUs(10_000);
  g.rdtsc().sub("eax", mem(ref("tsc.start"))).mov(mem(ref("tsc.per10ms")), "eax");
  g.mov("ebx", mem(ref("tsc.per10ms"))).imul("rbx", "rbx", 400);
  g.rdtsc().shl("rdx", 32).or("rax", "rdx").add("rbx", "rax");
  const [again, inner, done] = [g.unique("spin"), g.unique("spin"), g.unique("spin")];
  g.label(again).mov("ecx", 1000);
  g.label(inner).imul("esi", "esi", 1103515245).add("esi", 12345).dec("ecx").jnz(inner);
  g.cmp(dword(ref("ticks")), count).jae(done);
  g.rdtsc().shl("rdx", 32).or("rax", "rdx").cmp("rax", "rbx").jb(again);
  g.label(done).mov("eax", mem(ref("ticks")));
  g.between(what, "eax", count, 0xffffffff);
}

/** The host must stop a guest that computes: here nothing else would. */
function loadLapic(g: Guest): void {
  g.enableLapic();
  g.onCount(VECTOR.TIMER, "ticks", () => g.eoi());
  startLapicTimer(g, LVT.PERIODIC | VECTOR.TIMER, 2000);
  g.sti();
  g.retry(4, () => {
    g.clear("ticks");
    since(g);
    spin(g, "timer ticks while computing", 50);
    elapsed(g, "50 periods of 2 ms", 70, 2000);
  });
}

function loadPit(g: Guest): void {
  g.startPic([0]);
  g.onCount(VECTOR.PIC1, "ticks", () => g.picEoi(0));
  g.startPit(2, 2 * KHZ);
  g.sti();
  spin(g, "PIT ticks while computing", 50);
}

/** Ticks keep their number when the guest is busy with port I/O instead. */
function loadIo(g: Guest): void {
  g.enableLapic();
  g.onCount(VECTOR.TIMER, "ticks", () => g.eoi());
  startLapicTimer(g, LVT.PERIODIC | VECTOR.TIMER, 2000);
  g.sti();
  g.mov("ebp", 20_000);
  const [again, done] = [g.unique("io"), g.unique("io")];
  g.label(again).cmp(dword(ref("ticks")), 20).jae(done);
  g.in("al", P.POST).out(P.POST, "al").dec("ebp").jnz(again);
  g.label(done);
  g.waitFor("ticks", "ticks", 20);
}

/** The programs. */
export const HALT_PROGRAMS: readonly GuestProgram[] = [
  guest("halt-lapic", {}, wakeByLapic),
  guest("halt-pit", {}, wakeByPit),
  guest("halt-ioapic", {}, wakeByIoapic),
  guest("halt-pending", {}, pendingBeforeSti),
  guest("halt-sti-shadow", {}, stiShadow),
  guest("load-lapic", {}, loadLapic),
  guest("load-pit", {}, loadPit),
  guest("load-io", {}, loadIo),
];
