/**
 * The 8254: modes, latches, read-back, BCD, gate and output of counter 2 at port 61h, rates.
 *
 * Counter 2 serves the tests without interrupts: its gate is bit 0 of port 61h, its output bit 5.
 *
 * Sources: [8254] Intel 231164-005 (control word p. 7, read-back p. 8, modes p. 9-15); [PIIX3] Intel 290550-002, 2.5.3.
 * @module
 */

import { mem, ref } from "../../hvm/testing/asm.ts";
import { guest, type GuestProgram } from "./guest.ts";
import { P, PIT_HZ, VECTOR } from "./hardware.ts";
import type { Guest } from "./lib.ts";

/** Control words for counter 2. */
const CW = { COUNTER2: 0x80, LATCH: 0x00, LOW: 0x10, HIGH: 0x20, BOTH: 0x30, BCD: 0x01 } as const;
const READ_BACK = { BOTH2: 0xc8, STATUS2: 0xe8, COUNT2: 0xd8 } as const;
const STATUS = { OUT: 0x80, NULL_COUNT: 0x40 } as const;
const GATE2 = 0x01;

/** Programs counter 2; the gate is as it is. */
function program(g: Guest, mode: number, count: number, bcd = 0): void {
  g.outb(P.PIT_CTRL, CW.COUNTER2 | CW.BOTH | mode << 1 | bcd);
  g.outb(P.PIT2, count & 0xff);
  g.outb(P.PIT2, count >>> 8);
}

function gate(g: Guest, open: boolean): void {
  g.outb(P.PORT61, open ? GATE2 : 0);
}

/** Latches and reads counter 2 into `eax`. */
function count(g: Guest): void {
  g.outb(P.PIT_CTRL, CW.COUNTER2 | CW.LATCH);
  readPair(g);
}

/** Low then high byte of counter 2 into `eax`; `ecx` is lost. */
function readPair(g: Guest): void {
  g.inb(P.PIT2);
  g.mov("ecx", "eax");
  g.inb(P.PIT2);
  g.shl("eax", 8).or("eax", "ecx");
}

/** The output of counter 2 as 0 or 1 in `eax`. */
function output(g: Guest): void {
  g.inb(P.PORT61);
  g.shr("eax", 5).and("eax", 1);
}

function mode0(g: Guest): void {
  g.retry(12, () => {
    gate(g, true);
    program(g, 0, 12_000);
    output(g);
    g.equal("output is low while it counts", "eax", 0);
    count(g);
    g.between("it counts down", "eax", 1, 12_000);
    g.mov("ebx", "eax");
    g.delayUs(1000);
    count(g);
    g.sub("ebx", "eax");
    g.between("by 1193 in a millisecond, or more", "ebx", 1150, 11_000);
    g.delayUs(15_000);
    output(g);
    g.equal("output is high when it is over", "eax", 1);
  });
}

/** A square wave: the output is high for half of the time, the count goes down by two. */
function mode3(g: Guest): void {
  gate(g, true);
  program(g, 3, 20_000);
  g.xor("esi", "esi").xor("edi", "edi");
  const again = g.unique("sample");
  g.mov("ebp", 200).label(again);
  output(g);
  g.add("esi", "eax").inc("edi");
  count(g);
  g.test("eax", 1).setz("al").movzx("eax", "al").add("edi", "eax").dec("edi");
  g.delayUs(317);
  g.dec("ebp").jnz(again);
  g.between("samples with a high output, of 200", "esi", 40, 160);
  g.equal("every count is even", "edi", 200);
}

/** A rate generator: from the count down to one, over and over. */
function mode2(g: Guest): void {
  gate(g, true);
  program(g, 2, 5000);
  g.xor("esi", "esi");
  const again = g.unique("sample");
  g.mov("ebp", 100).label(again);
  count(g);
  const low = g.unique("low");
  g.dec("eax").cmp("eax", 5000).jae(low).inc("esi").label(low);
  g.delayUs(517);
  g.dec("ebp").jnz(again);
  g.equal("counts from 1 to 5000, of 100", "esi", 100);
}

/** The output: low from the control word of mode 0 on, high in mode 2 but for one clock of each period. [8254] p. 9-12 */
function outputs(g: Guest): void {
  gate(g, true);
  g.outb(P.PIT_CTRL, CW.COUNTER2 | CW.BOTH | 4);
  output(g);
  g.equal("the control word of mode 2 takes it high", "eax", 1);
  g.outb(P.PIT_CTRL, CW.COUNTER2 | CW.BOTH);
  output(g);
  g.equal("the control word of mode 0 takes it low", "eax", 0);
  program(g, 2, 5000);
  g.xor("edi", "edi").mov("ebp", 100);
  const again = g.unique("sample");
  g.label(again);
  output(g);
  g.add("edi", "eax");
  g.delayUs(517);
  g.dec("ebp").jnz(again);
  g.between("samples of mode 2 with a high output, of 100", "edi", 95, 100);
}

/** A latched count stays until it is read; a second latch before that changes nothing. */
function latch(g: Guest): void {
  g.retry(12, () => {
    gate(g, true);
    program(g, 2, 0);
    g.delayUs(100);
    g.outb(P.PIT_CTRL, CW.COUNTER2 | CW.LATCH);
    g.inb(P.PIT2);
    g.mov("ebx", "eax");
    g.delayUs(5000);
    g.inb(P.PIT2);
    g.shl("eax", 8).or("ebx", "eax");
    count(g);
    g.mov("esi", "ebx").sub("esi", "eax").and("esi", 0xffff);
    g.between("the count went on behind the latch", "esi", 5000, 60_000);
    g.outb(P.PIT_CTRL, CW.COUNTER2 | CW.LATCH);
    g.delayUs(5000);
    g.outb(P.PIT_CTRL, CW.COUNTER2 | CW.LATCH);
    readPair(g);
    g.mov("ebx", "eax");
    count(g);
    g.sub("ebx", "eax").and("ebx", 0xffff);
    g.between("the first latch counts", "ebx", 5000, 60_000);
  });
}

function readBack(g: Guest): void {
  gate(g, true);
  program(g, 3, 0x4000);
  g.delayUs(100);
  g.outb(P.PIT_CTRL, READ_BACK.STATUS2);
  g.inb(P.PIT2);
  g.equal("status: both bytes, mode 3, binary", "eax", 0x36, 0x3f);
  g.equal("status: the count is loaded", "eax", 0, STATUS.NULL_COUNT);
  g.outb(P.PIT_CTRL, READ_BACK.BOTH2);
  g.delayUs(1000);
  g.inb(P.PIT2);
  g.equal("status comes first", "eax", 0x36, 0x3f);
  readPair(g);
  g.between("then the count", "eax", 2, 0x4000);
  g.outb(P.PIT_CTRL, READ_BACK.COUNT2);
  readPair(g);
  g.between("count alone", "eax", 2, 0x4000);
  program(g, 0, 2);
  g.delayUs(200);
  g.outb(P.PIT_CTRL, READ_BACK.STATUS2);
  g.inb(P.PIT2);
  g.equal("status shows the output", "eax", STATUS.OUT | 0x30, STATUS.OUT | 0x3f);
  g.outb(P.PIT_CTRL, CW.COUNTER2 | CW.LOW | 4);
  g.outb(P.PIT2, 100);
  g.outb(P.PIT_CTRL, READ_BACK.STATUS2);
  g.inb(P.PIT2);
  g.equal("status: low byte only, mode 2", "eax", 0x14, 0x3f);
  g.inb(P.PIT2);
  g.between("a low byte is the whole count", "eax", 1, 100);
}

/** A count that is not complete yet is marked. [8254] p. 8 */
function nullCount(g: Guest): void {
  gate(g, true);
  g.outb(P.PIT_CTRL, CW.COUNTER2 | CW.BOTH | 4);
  g.outb(P.PIT_CTRL, READ_BACK.STATUS2);
  g.inb(P.PIT2);
  g.equal("after the control word", "eax", STATUS.NULL_COUNT, STATUS.NULL_COUNT);
  g.outb(P.PIT2, 0x00);
  g.outb(P.PIT2, 0x10);
  g.delayUs(50);
  g.outb(P.PIT_CTRL, READ_BACK.STATUS2);
  g.inb(P.PIT2);
  g.equal("after the count", "eax", 0, STATUS.NULL_COUNT);
}

/** Four decimal digits; 0 is 10000. [8254] p. 7 */
function bcd(g: Guest): void {
  g.retry(12, () => {
    gate(g, true);
    program(g, 2, 0x9999, CW.BCD);
    g.xor("esi", "esi").mov("ebp", 100);
    const again = g.unique("sample");
    g.label(again);
    count(g);
    // Adding 6 to every digit carries out of one above 9.
    g.mov("ebx", "eax").add("ebx", 0x6666).xor("ebx", "eax").xor("ebx", 0x6666).and("ebx", 0x11110).setz(
      "al",
    );
    g.movzx("eax", "al").add("esi", "eax");
    g.delayUs(137);
    g.dec("ebp").jnz(again);
    g.equal("decimal counts, of 100", "esi", 100);
    program(g, 0, 0x2000, CW.BCD);
    g.delayUs(900);
    count(g);
    g.between("about a thousand in 900 microseconds", "eax", 1, 0x0999);
    g.delayUs(3000);
    output(g);
    g.equal("over after two thousand", "eax", 1);
  });
}

/** A low gate stops mode 0; in mode 2 it lifts the output and a rising edge starts anew. [8254] p. 15 */
function gates(g: Guest): void {
  g.retry(12, () => {
    gate(g, true);
    program(g, 0, 60_000);
    g.delayUs(500);
    gate(g, false);
    count(g);
    g.mov("ebx", "eax");
    g.delayUs(2000);
    count(g);
    g.equal("mode 0 stands still", "eax", "ebx");
    gate(g, true);
    g.delayUs(1000);
    count(g);
    g.sub("ebx", "eax");
    g.between("and goes on from there", "ebx", 1100, 40_000);
    program(g, 2, 60_000);
    g.delayUs(5000);
    gate(g, false);
    output(g);
    g.equal("mode 2 with the gate low: output high", "eax", 1);
    gate(g, true);
    g.delayUs(200);
    count(g);
    g.between("a rising gate loads the count anew", "eax", 55_000, 60_000);
  });
}

/** A pulse that the gate's rising edge starts, and starts again. [8254] p. 10 */
function oneShot(g: Guest): void {
  g.retry(12, () => {
    gate(g, false);
    program(g, 1, 10_000);
    g.delayUs(100);
    output(g);
    g.equal("high until the trigger", "eax", 1);
    gate(g, true);
    g.delayUs(100);
    output(g);
    g.equal("low after it", "eax", 0);
    g.delayUs(20_000);
    output(g);
    g.equal("high again", "eax", 1);
    gate(g, false);
    gate(g, true);
    g.delayUs(100);
    output(g);
    g.equal("triggered once more", "eax", 0);
  });
}

/** Port 61h: gate and speaker are kept, the refresh bit toggles. */
function port61(g: Guest): void {
  for (const value of [0, 1, 2, 3]) {
    g.outb(P.PORT61, value);
    g.inb(P.PORT61);
    g.equal(`bits 1:0 as ${value}`, "eax", value, 3);
  }
  g.outb(P.PORT61, 0);
  g.xor("esi", "esi").mov("ebp", 100);
  const again = g.unique("sample");
  g.inb(P.PORT61);
  g.mov("ebx", "eax");
  g.label(again);
  g.inb(P.PORT61);
  g.xor("ebx", "eax").shr("ebx", 4).and("ebx", 1).add("esi", "ebx").mov("ebx", "eax");
  g.delayUs(23);
  g.dec("ebp").jnz(again);
  g.between("changes of the refresh bit", "esi", 5, 100);
}

/** Three PM timer ticks to one of the counter, as both come from one crystal. */
function rate(g: Guest): void {
  g.retry(12, () => {
    for (const name of ["a1", "b1", "a2", "b2"]) g.bss(name, 4);
    const sample = (before: string, after: string) => {
      g.inl(P.PM_TMR);
      g.mov(mem(ref(before)), "eax");
      count(g);
      g.mov("ebx", "eax");
      g.inl(P.PM_TMR);
      g.mov(mem(ref(after)), "eax");
    };
    gate(g, true);
    program(g, 2, 0);
    sample("a1", "b1");
    g.mov("esi", "ebx");
    g.delayUs(20_000);
    sample("a2", "b2");
    g.sub("esi", "ebx").and("esi", 0xffff).imul("esi", "esi", 3);
    // Between the inner and the outer difference of the PM timer, with one percent of grace.
    g.mov("eax", mem(ref("a2"))).sub("eax", mem(ref("b1"))).and("eax", 0xffffff);
    g.imul("eax", "eax", 99).xor("edx", "edx").mov("ecx", 100).div("ecx").mov("ebx", "eax");
    g.mov("eax", mem(ref("b2"))).sub("eax", mem(ref("a1"))).and("eax", 0xffffff);
    g.imul("eax", "eax", 101).xor("edx", "edx").div("ecx");
    g.sub("eax", "ebx").sub("esi", "ebx");
    const fine = g.unique("fine");
    g.cmp("esi", "eax").jbe(fine);
    g.fail("counter 2 and the PM timer disagree");
    g.label(fine);
  });
}

/** Interrupts at 125 Hz, by the PM timer: a slow host too can deliver these in time. */
function interruptRate(g: Guest): void {
  const COUNT = Math.round(PIT_HZ / 125);
  g.startPic([0]);
  g.onCount(VECTOR.PIC1, "ticks", () => g.picEoi(0));
  g.startPit(2, COUNT);
  g.sti();
  g.checkRate("mode 2", "ticks", PIT_HZ / COUNT);
  g.startPit(3, COUNT);
  g.checkRate("mode 3", "ticks", PIT_HZ / COUNT);
}

/** KVM's own PIT, and QEMU's of the same descent, count in binary only, ignore the gate in mode 0, turn modes 1 and 2 upside
 * down and never show a null count. */
const OURS = { irqchips: ["user", "split"], qemu: { skip: "its 8254 does not do this" } } as const;

/** The programs. */
export const PIT_PROGRAMS: readonly GuestProgram[] = [
  guest("pit-mode0", {}, mode0),
  guest("pit-mode2", {}, mode2),
  guest("pit-mode3", {}, mode3),
  guest("pit-latch", {}, latch),
  guest("pit-read-back", {}, readBack),
  guest("pit-null-count", OURS, nullCount),
  guest("pit-bcd", OURS, bcd),
  guest("pit-output", OURS, outputs),
  guest("pit-gate", OURS, gates),
  guest("pit-one-shot", OURS, oneShot),
  guest("pit-port61", {}, port61),
  guest("pit-rate", {}, rate),
  guest("pit-interrupt-rate", { timeoutS: 60 }, interruptRate),
];
