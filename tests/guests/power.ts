/**
 * Ends of a machine: exit port by every width, power off, the ways to reset, triple fault, panic; PM registers.
 *
 * Sources: [ACPI] 6.5, 4.8.3 (PM1 registers, PM timer), 4.8.3.2.1 (SLP_TYP, SLP_EN); [PIIX3] Intel 290550-002, 2.5.5
 * (CF9h); [PS2] (port 92h, command FEh); [SDM] vol. 3A, 6.15 (double fault, shutdown); [QEMU] docs/specs/pvpanic.
 * @module
 */

import { mem, ref } from "../../hvm/testing/asm.ts";
import { guest, type GuestProgram } from "./guest.ts";
import { P } from "./hardware.ts";
import type { Guest } from "./lib.ts";

const PM1_EN = { TMR: 1 << 0, GBL: 1 << 5, PWRBTN: 1 << 8, RTC: 1 << 10 } as const;
const SLP_EN = 1 << 13;
const SCI_EN = 1 << 0;

/** 24 bits that only go up, at three counts to one of the PIT (which pit-rate measures). */
function pmTimer(g: Guest): void {
  g.mov("ebp", 1000);
  const [again, bad, fine] = [g.unique("next"), g.unique("bad"), g.unique("fine")];
  g.inl(P.PM_TMR);
  g.mov("ebx", "eax").mov("esi", "eax").label(again);
  g.inl(P.PM_TMR);
  g.mov("ecx", "eax").sub("ecx", "ebx").and("ecx", 0xffffff).cmp("ecx", 0x400000).ja(bad);
  g.mov("ebx", "eax").or("esi", "eax").dec("ebp").jnz(again);
  g.jmp(fine).label(bad);
  g.fail("it went back");
  g.label(fine).shr("esi", 24);
  g.equal("bits above the 24th", "esi", 0);
  g.sub("ebx", "eax");
  g.inl(P.PM_TMR);
  g.mov("ebx", "eax");
  g.delayUs(1000);
  g.inl(P.PM_TMR);
  g.sub("eax", "ebx").and("eax", 0xffffff);
  g.between("counts in a millisecond, or more", "eax", 3579, 4_000_000);
  g.outl(P.PM_TMR, 0);
  g.inl(P.PM_TMR);
  g.sub("eax", "ebx").and("eax", 0xffffff);
  g.between("a write does not set it", "eax", 3579, 4_000_000);
}

function pm1(g: Guest): void {
  g.outb(P.SMI_CMD, 0xf1);
  const enabled = g.unique("enabled");
  g.label(enabled);
  g.inw(P.PM1_CNT);
  g.test("eax", SCI_EN).jz(enabled);
  for (const value of [PM1_EN.TMR, PM1_EN.GBL, PM1_EN.PWRBTN, PM1_EN.RTC, 0]) {
    g.outw(P.PM1_EN, value);
    g.inw(P.PM1_EN);
    g.equal("enable register", "eax", value, PM1_EN.TMR | PM1_EN.GBL | PM1_EN.PWRBTN | PM1_EN.RTC);
  }
  g.outw(P.PM1_STS, 0xffff);
  g.inw(P.PM1_STS);
  g.equal("status clears by ones", "eax", 0, PM1_EN.GBL | PM1_EN.PWRBTN | PM1_EN.RTC);
  // Bit 23 of the timer changes within 2.4 seconds and sets the status whether or not it is enabled.
  g.outw(P.PM1_STS, 1);
  g.delayUs(2_500_000);
  g.inw(P.PM1_STS);
  g.equal("timer status", "eax", 1, 1);
  g.outw(P.PM1_STS, 0);
  g.inw(P.PM1_STS);
  g.equal("zeros clear nothing", "eax", 1, 1);
  g.outw(P.PM1_STS, 1);
  g.inw(P.PM1_STS);
  g.equal("a one does", "eax", 0, 1);
}

/** Each half of a PM1 register by itself. [ACPI] 4.8.3: PM1 registers take byte and word accesses */
function pm1Bytes(g: Guest): void {
  g.outb(P.PM1_EN + 1, PM1_EN.PWRBTN >> 8);
  g.inw(P.PM1_EN);
  g.equal("enable register, upper byte", "eax", PM1_EN.PWRBTN);
  g.inb(P.PM1_EN + 1);
  g.equal("read by the byte", "eax", PM1_EN.PWRBTN >> 8);
  g.outb(P.PM1_EN + 1, 0);
  g.inw(P.PM1_EN);
  g.equal("cleared by the byte", "eax", 0);
}

/** Reports, does it, and fails if it is still there two seconds later. */
function last(g: Guest, act: () => void): void {
  g.report();
  act();
  g.delayUs(2_000_000);
  g.fail("still running");
}

function tripleFault(g: Guest): void {
  g.bss("no.idt", 10);
  g.lidt(mem(ref("no.idt"))).ud2();
}

/** Ends by a verdict of its own. */
function verdict(width: 1 | 2 | 4, value: number): (g: Guest) => void {
  const accumulator = ({ 1: "al", 2: "ax", 4: "eax" } as const)[width];
  return (g) => {
    last(g, () => {
      g.mov("eax", value).out(P.EXIT, accumulator);
    });
  };
}

/** The programs. */
export const POWER_PROGRAMS: readonly GuestProgram[] = [
  guest("pm-timer", {}, pmTimer),
  guest("pm1-registers", {}, pm1),
  guest("pm1-bytes", { qemu: { skip: "it takes whole registers only" } }, pm1Bytes),
  guest("exit-byte", { status: 0x21 << 1 | 1, value: 0x21 }, verdict(1, 0x21)),
  guest("exit-word", { status: (0x1234 << 1 | 1) & 0xff, value: 0x1234 }, verdict(2, 0x1234)),
  guest("exit-dword", { status: (0x5678 << 1 | 1) & 0xff, value: 0x5678 }, verdict(4, 0x5678)),
  guest("power-off", { end: "poweroff" }, (g) => last(g, () => g.outw(P.PM1_CNT, SLP_EN))),
  guest("reset-cf9", { end: "reboot" }, (g) =>
    last(g, () => {
      g.outb(P.CF9, 0x02);
      g.outb(P.CF9, 0x06);
    })),
  guest("reset-i8042", { end: "reboot" }, (g) => last(g, () => g.outb(P.KBC_CMD, 0xfe))),
  guest("reset-port92", { end: "reboot" }, (g) =>
    last(g, () => {
      g.inb(P.PORT92);
      g.and("al", 0xfe).out(P.PORT92, "al").or("al", 1).out(P.PORT92, "al");
    })),
  guest("triple-fault", { end: "triple-fault" }, (g) => last(g, () => tripleFault(g))),
  guest(
    "pvpanic",
    { end: "panic", qemu: { args: ["-device", "pvpanic", "-action", "panic=exit-failure"], status: 1 } },
    (g) => {
      g.inb(P.PVPANIC);
      g.equal("panics are understood", "eax", 1, 1);
      last(g, () => g.outb(P.PVPANIC, 1));
    },
  ),
];
