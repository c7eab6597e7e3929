/**
 * The MC146818 clock: time, update cycle, its three interrupts, CMOS bytes.
 *
 * Sources: [MC146818] Motorola ADI-856-R2 (registers A to D); [PIIX3] Intel 290550-002, 2.5.6 (ports, NMI bit).
 * @module
 */

import { dword, mem, ref } from "../../hvm/testing/asm.ts";
import { guest, type GuestProgram } from "./guest.ts";
import { P, PM_TIMER_HZ, VECTOR } from "./hardware.ts";
import type { Guest } from "./lib.ts";

const RTC = {
  SECONDS: 0,
  SECONDS_ALARM: 1,
  MINUTES: 2,
  MINUTES_ALARM: 3,
  HOURS: 4,
  HOURS_ALARM: 5,
  DAY_OF_WEEK: 6,
  DAY: 7,
  MONTH: 8,
  YEAR: 9,
  A: 10,
  B: 11,
  C: 12,
  D: 13,
} as const;
/** The CMOS byte the FADT of a PC names. */
const CENTURY = 0x32;
const B = { SET: 0x80, PIE: 0x40, AIE: 0x20, UIE: 0x10, BINARY: 0x04, HOURS24: 0x02 } as const;
const C = { IRQF: 0x80, PF: 0x40, AF: 0x20, UF: 0x10 } as const;
const UIP = 0x80;
/** The 32.768 kHz time base. [MC146818] table 4 */
const TIME_BASE = 0x20;

/** Reads a register into `eax`. */
function read(g: Guest, index: number): void {
  g.outb(P.RTC_INDEX, index);
  g.inb(P.RTC_DATA);
}

function write(g: Guest, index: number, value: number): void {
  g.outb(P.RTC_INDEX, index);
  g.outb(P.RTC_DATA, value);
}

/** Reads register C, which drops the interrupt line; into `eax`. */
export function rtcAcknowledge(g: Guest): void {
  read(g, RTC.C);
}

/** Starts the periodic interrupt at 32768 >> (`rate` - 1) Hz: 6 is 1024 Hz. [MC146818] table 5 */
export function rtcPeriodic(g: Guest, rate: number): void {
  write(g, RTC.A, TIME_BASE | rate);
  enable(g, B.PIE);
}

/** Enables one interrupt, with its flag of earlier times gone. */
function enable(g: Guest, which: number): void {
  write(g, RTC.B, B.HOURS24);
  rtcAcknowledge(g);
  write(g, RTC.B, which | B.HOURS24);
}

/** Counts interrupts in `ticks`, gathers register C in `flags`. */
function countInterrupts(g: Guest): void {
  g.startPic([8]);
  g.bss("ticks", 4);
  g.bss("flags", 4);
  g.on(VECTOR.PIC2, () => {
    rtcAcknowledge(g);
    g.mov(mem(ref("flags")), "eax").inc(dword(ref("ticks")));
    g.picEoi(8);
  });
}

/** PM timer ticks since `since` into `eax`. */
function elapsed(g: Guest, since: string): void {
  g.inl(P.PM_TMR);
  g.sub("eax", mem(ref(since))).and("eax", 0xffffff);
}

function start(g: Guest, since: string): void {
  g.bss(since, 4);
  g.inl(P.PM_TMR);
  g.mov(mem(ref(since)), "eax");
}

function registers(g: Guest): void {
  write(g, RTC.B, B.HOURS24);
  read(g, RTC.D);
  g.equal("register D: the battery is good", "eax", 0x80);
  write(g, RTC.D, 0);
  read(g, RTC.D);
  g.equal("register D is read-only", "eax", 0x80);
  for (const value of [TIME_BASE | 6, TIME_BASE | 15, TIME_BASE]) {
    write(g, RTC.A, value);
    read(g, RTC.A);
    g.equal("register A", "eax", value, 0x7f);
  }
  write(g, RTC.A, 0xff & ~UIP & ~0x50);
  write(g, RTC.A, TIME_BASE | 6);
  read(g, RTC.B);
  g.equal("register B", "eax", B.HOURS24);
  for (const value of [0x00, 0xc5, 0x3a]) {
    write(g, RTC.MINUTES_ALARM, value);
    read(g, RTC.MINUTES_ALARM);
    g.equal("alarm byte", "eax", value);
    write(g, 0x7f, value);
    read(g, 0x7f);
    g.equal("CMOS byte 7Fh", "eax", value);
    g.outb(P.RTC_INDEX, 0xff);
    g.inb(P.RTC_DATA);
    g.equal("bit 7 of the index is not part of it", "eax", value);
  }
}

/** Every field a BCD number in its range. */
function time(g: Guest): void {
  write(g, RTC.A, TIME_BASE | 6);
  write(g, RTC.B, B.HOURS24);
  const again = g.unique("uip");
  g.label(again);
  read(g, RTC.A);
  g.test("al", UIP).jnz(again);
  const fields = [
    ["seconds", RTC.SECONDS, 0, 0x59],
    ["minutes", RTC.MINUTES, 0, 0x59],
    ["hours", RTC.HOURS, 0, 0x23],
    ["day of week", RTC.DAY_OF_WEEK, 1, 7],
    ["day", RTC.DAY, 1, 0x31],
    ["month", RTC.MONTH, 1, 0x12],
    ["year", RTC.YEAR, 0, 0x99],
  ] as const;
  for (const [name, index, least, most] of fields) {
    read(g, index);
    g.between(name, "eax", least, most);
    g.and("eax", 0xf);
    g.between(`${name}: BCD`, "eax", 0, 9);
  }
}

/** The new year: set, let go, one second later all fields have carried. */
function rollover(g: Guest): void {
  write(g, RTC.A, TIME_BASE | 6);
  write(g, RTC.B, B.SET | B.HOURS24);
  const before = [[RTC.SECONDS, 0x59], [RTC.MINUTES, 0x59], [RTC.HOURS, 0x23], [RTC.DAY, 0x31], [
    RTC.MONTH,
    0x12,
  ]];
  for (const [index, value] of [...before, [RTC.YEAR, 0x27], [RTC.DAY_OF_WEEK, 6]]) write(g, index!, value!);
  g.delayUs(1_200_000);
  read(g, RTC.SECONDS);
  g.equal("SET holds the time", "eax", 0x59);
  countInterrupts(g);
  enable(g, B.UIE);
  g.sti();
  g.waitFor("an update", "ticks", 1, 2500);
  write(g, RTC.B, B.SET | B.HOURS24);
  const after = [
    ["seconds", RTC.SECONDS, 0],
    ["minutes", RTC.MINUTES, 0],
    ["hours", RTC.HOURS, 0],
    ["day", RTC.DAY, 1],
    ["month", RTC.MONTH, 1],
    ["year", RTC.YEAR, 0x28],
    ["day of week", RTC.DAY_OF_WEEK, 7],
  ] as const;
  for (const [name, index, value] of after) {
    read(g, index);
    g.equal(name, "eax", value);
  }
  write(g, RTC.B, B.HOURS24);
}

/** The hour in 12-hour and in binary form. */
function formats(g: Guest): void {
  write(g, RTC.A, TIME_BASE | 6);
  write(g, RTC.B, B.SET);
  write(g, RTC.HOURS, 0x81);
  read(g, RTC.HOURS);
  g.equal("1 pm in 12-hour BCD", "eax", 0x81);
  write(g, RTC.B, B.SET | B.HOURS24 | B.BINARY);
  write(g, CENTURY, 20);
  const fields = [[RTC.SECONDS, 50], [RTC.MINUTES, 59], [RTC.HOURS, 23], [RTC.DAY, 30], [RTC.MONTH, 11]];
  for (const [index, value] of [...fields, [RTC.YEAR, 27], [RTC.DAY_OF_WEEK, 3]]) write(g, index!, value!);
  read(g, RTC.MINUTES);
  g.equal("binary minutes", "eax", 59);
  write(g, RTC.B, B.HOURS24 | B.BINARY);
  g.delayUs(1_200_000);
  read(g, RTC.SECONDS);
  g.between("binary seconds count", "eax", 51, 59);
  read(g, RTC.HOURS);
  g.equal("binary hours", "eax", 23);
}

function periodic(g: Guest): void {
  countInterrupts(g);
  rtcPeriodic(g, 9);
  g.sti();
  g.checkRate("rate 9", "ticks", 128);
  g.mov("eax", mem(ref("flags")));
  g.equal("register C", "eax", C.IRQF | C.PF, C.IRQF | C.PF);
  g.cli();
  write(g, RTC.B, B.HOURS24);
  read(g, RTC.C);
  read(g, RTC.C);
  g.equal("reading clears it", "eax", 0, C.IRQF | C.AF | C.UF);
}

/** The line stays up until register C is read, and an edge-triggered input sees nothing new. */
function unacknowledged(g: Guest): void {
  g.startPic([8]);
  g.onCount(VECTOR.PIC2, "ticks", () => g.picEoi(8));
  rtcPeriodic(g, 6);
  g.sti();
  g.waitFor("the first tick", "ticks", 1);
  g.delayUs(20_000);
  g.mov("eax", mem(ref("ticks")));
  g.equal("ticks without reading C", "eax", 1);
  rtcAcknowledge(g);
  g.waitFor("the next", "ticks", 2);
}

/** One update a second, by the PM timer. */
function update(g: Guest): void {
  countInterrupts(g);
  write(g, RTC.A, TIME_BASE | 6);
  enable(g, B.UIE);
  g.sti();
  g.retry(12, () => {
    g.clear("ticks");
    g.waitFor("an update", "ticks", 1, 2500);
    start(g, "since");
    g.waitFor("the next update", "ticks", 2, 2500);
    elapsed(g, "since");
    g.between("a second", "eax", Math.floor(PM_TIMER_HZ * 0.95), Math.ceil(PM_TIMER_HZ * 1.1));
  });
  g.mov("eax", mem(ref("flags")));
  g.equal("register C", "eax", C.IRQF | C.UF, C.IRQF | C.UF);
}

/** UIP goes up before the update, 244 microseconds at least, and falls with it. [MC146818] "update cycle" */
function updateInProgress(g: Guest): void {
  write(g, RTC.A, TIME_BASE | 6);
  write(g, RTC.B, B.HOURS24);
  g.retry(12, () => {
    uipIs(g, "UIP never seen", true, 4000);
    uipIs(g, "UIP does not fall", false, 1000);
  });
}

/** Polls register A until UIP is set or clear, for `ms` at most. */
function uipIs(g: Guest, failure: string, set: boolean, ms: number): void {
  const [again, done] = [g.unique("uip"), g.unique("uip")];
  start(g, "since");
  g.label(again);
  read(g, RTC.A);
  g.test("al", UIP);
  if (set) g.jnz(done);
  else g.jz(done);
  elapsed(g, "since");
  g.cmp("eax", Math.floor(ms * PM_TIMER_HZ / 1000)).jb(again);
  g.fail(failure);
  g.label(done);
}

/** "Don't care" in all three alarm bytes: every second. */
function alarm(g: Guest): void {
  countInterrupts(g);
  write(g, RTC.A, TIME_BASE | 6);
  for (const index of [RTC.SECONDS_ALARM, RTC.MINUTES_ALARM, RTC.HOURS_ALARM]) write(g, index, 0xff);
  enable(g, B.AIE);
  g.sti();
  g.waitFor("an alarm", "ticks", 1, 2500);
  g.mov("eax", mem(ref("flags")));
  g.equal("register C", "eax", C.IRQF | C.AF, C.IRQF | C.AF);
  // An alarm that is half an hour away at least does not come.
  write(g, RTC.B, B.HOURS24);
  read(g, RTC.MINUTES);
  g.and("eax", 0x70).xor("eax", 0x30).mov("ebx", "eax");
  g.outb(P.RTC_INDEX, RTC.MINUTES_ALARM);
  g.mov("eax", "ebx").out(P.RTC_DATA, "al");
  enable(g, B.AIE);
  g.mov(dword(ref("ticks")), 0);
  g.delayUs(1_300_000);
  g.mov("eax", mem(ref("ticks")));
  g.equal("alarms at another time", "eax", 0);
}

/** The programs. */
export const RTC_PROGRAMS: readonly GuestProgram[] = [
  guest("rtc-registers", {}, registers),
  guest("rtc-time", {}, time),
  guest("rtc-rollover", {}, rollover),
  guest("rtc-formats", {}, formats),
  guest("rtc-periodic", { timeoutS: 60 }, periodic),
  guest("rtc-unacknowledged", {}, unacknowledged),
  guest("rtc-update", {}, update),
  guest("rtc-uip", { timeoutS: 40 }, updateInProgress),
  guest("rtc-alarm", {}, alarm),
];
