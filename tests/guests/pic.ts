/**
 * The 8259 pair: registers, delivery through the cascade, ends of interrupt, priorities, polling, ELCR.
 *
 * The sources of interrupts are the PIT (IRQ 0) and the RTC's periodic interrupt (IRQ 8).
 *
 * Sources: [8259A] Intel 231468-003; [PIIX3] Intel 290550-002, 2.5.4 (ELCR).
 * @module
 */

import { dword, mem, ref } from "../../hvm/testing/asm.ts";
import { guest, type GuestProgram } from "./guest.ts";
import { P, PIT_HZ, VECTOR } from "./hardware.ts";
import { FRAME64, type Guest } from "./lib.ts";
import { rtcAcknowledge, rtcPeriodic } from "./rtc.ts";

/** OCW3 words. [8259A] figure 8 */
const OCW3 = { READ_IRR: 0x0a, READ_ISR: 0x0b, POLL: 0x0c, SPECIAL_MASK: 0x68, NORMAL_MASK: 0x48 } as const;
const SPECIFIC_EOI = 0x60;
const KHZ = Math.round(PIT_HZ / 1000);

/** Reads IRR or ISR of the PIC at `command` into `eax`. */
function readPic(g: Guest, command: number, what: number): void {
  g.outb(command, what);
  g.inb(command);
}

function registers(g: Guest): void {
  g.startPic([]);
  for (const [what, port] of [["primary", P.PIC1_DATA], ["secondary", P.PIC2_DATA]] as const) {
    for (const value of [0xa5, 0x5a, 0x00, 0xff]) {
      g.outb(port, value);
      g.inb(port);
      g.equal(`${what} mask`, "eax", value);
    }
  }
  readPic(g, P.PIC1_CMD, OCW3.READ_ISR);
  g.equal("nothing in service", "eax", 0);
  for (const [port, writable] of [[P.ELCR1, 0xf8], [P.ELCR2, 0xde]] as const) {
    g.inb(port);
    g.mov("ebx", "eax");
    g.outb(port, 0xff);
    g.inb(port);
    g.equal("ELCR: the timer, keyboard, cascade, RTC and FPU stay edge", "eax", writable);
    g.outb(port, 0);
    g.inb(port);
    g.equal("ELCR clears", "eax", 0);
    g.mov("eax", "ebx").mov("dx", port).out("dx", "al");
  }
}

/** One interrupt from request to end, seen in IRR and ISR. */
function lifeOfOne(g: Guest): void {
  g.bss("isr", 4);
  g.startPic([0]);
  g.bss("ticks", 4);
  g.on(VECTOR.PIC1, () => {
    readPic(g, P.PIC1_CMD, OCW3.READ_ISR);
    g.mov(mem(ref("isr")), "eax");
    g.inc(dword(ref("ticks")));
    g.picEoi(0);
  });
  g.startPit(0, KHZ);
  g.delayUs(3000);
  readPic(g, P.PIC1_CMD, OCW3.READ_IRR);
  g.equal("requested", "eax", 1, 1);
  g.mov("eax", mem(ref("ticks")));
  g.equal("not delivered with IF clear", "eax", 0);
  g.sti().nop();
  g.waitFor("delivered", "ticks", 1);
  g.cli();
  g.mov("eax", mem(ref("isr")));
  g.equal("in service within the handler", "eax", 1, 1);
  readPic(g, P.PIC1_CMD, OCW3.READ_ISR);
  g.equal("over after the EOI", "eax", 0);
  g.sti();
  g.delayUs(3000);
  g.mov("eax", mem(ref("ticks")));
  g.equal("mode 0 gives one edge", "eax", 1);
}

function periodic(g: Guest): void {
  g.startPic([0]);
  g.onCount(VECTOR.PIC1, "ticks", () => g.picEoi(0));
  g.startPit(2, KHZ);
  g.sti();
  g.waitFor("ten ticks of mode 2", "ticks", 10);
  g.startPit(3, KHZ);
  g.mov(dword(ref("ticks")), 0);
  g.waitFor("ten ticks of mode 3", "ticks", 10);
}

function masking(g: Guest): void {
  g.startPic([]);
  g.onCount(VECTOR.PIC1, "ticks", () => g.picEoi(0));
  g.sti();
  g.startPit(2, KHZ);
  g.delayUs(5000);
  g.mov("eax", mem(ref("ticks")));
  g.equal("masked", "eax", 0);
  g.outb(P.PIC1_DATA, 0xfe);
  g.waitFor("unmasked", "ticks", 3);
  g.outb(P.PIC1_DATA, 0xff);
  g.mov("ebx", mem(ref("ticks")));
  g.delayUs(5000);
  g.mov("eax", mem(ref("ticks")));
  g.equal("masked again", "eax", "ebx");
}

function cascade(g: Guest): void {
  g.bss("isr", 8);
  g.startPic([8]);
  g.bss("ticks", 4);
  g.on(VECTOR.PIC2, () => {
    readPic(g, P.PIC1_CMD, OCW3.READ_ISR);
    g.mov(mem(ref("isr")), "eax");
    readPic(g, P.PIC2_CMD, OCW3.READ_ISR);
    g.mov(mem(ref("isr", 4)), "eax");
    g.mov("eax", mem("rdi", FRAME64.VECTOR));
    g.equal("vector", "eax", VECTOR.PIC2);
    rtcAcknowledge(g);
    g.inc(dword(ref("ticks")));
    g.picEoi(8);
  });
  rtcPeriodic(g, 6);
  g.sti();
  g.waitFor("five ticks", "ticks", 5);
  g.cli();
  g.mov("eax", mem(ref("isr")));
  g.equal("the cascade is in service at the primary", "eax", 1 << 2);
  g.mov("eax", mem(ref("isr", 4)));
  g.equal("IRQ 8 at the secondary", "eax", 1);
}

function autoEoi(g: Guest): void {
  g.bss("isr", 4);
  g.startPic([0], { autoEoi: true });
  g.bss("ticks", 4);
  g.on(VECTOR.PIC1, () => {
    readPic(g, P.PIC1_CMD, OCW3.READ_ISR);
    g.or(mem(ref("isr")), "eax");
    g.inc(dword(ref("ticks")));
  });
  g.startPit(2, KHZ);
  g.sti();
  g.waitFor("ten ticks without EOI", "ticks", 10);
  g.cli();
  g.mov("eax", mem(ref("isr")));
  g.equal("never in service", "eax", 0);
}

function polling(g: Guest): void {
  g.startPic([0]);
  g.retry(4, () => {
    g.startPit(0, 50 * KHZ);
    readPic(g, P.PIC1_CMD, OCW3.POLL);
    g.equal("nothing yet", "eax", 0, 0x80);
    g.delayUs(60_000);
    readPic(g, P.PIC1_CMD, OCW3.POLL);
    g.equal("level 0 wants service", "eax", 0x80, 0x87);
    readPic(g, P.PIC1_CMD, OCW3.READ_ISR);
    g.equal("the poll took it into service", "eax", 1, 1);
    g.outb(P.PIC1_CMD, SPECIFIC_EOI);
    g.inb(P.PIC1_CMD);
    g.equal("specific EOI", "eax", 0);
  });
  g.sti();
  g.delayUs(1000);
}

/** While IRQ 0 is in service, IRQ 8 waits; the other way round it does not. */
function nesting(g: Guest): void {
  g.startPic([0, 8]);
  for (const name of ["pit", "rtc", "seen", "rtc.nest"]) g.bss(name, 4);
  g.on(VECTOR.PIC2, () => {
    rtcAcknowledge(g);
    g.inc(dword(ref("rtc")));
    const plain = g.unique("plain");
    g.cmp(dword(ref("rtc.nest")), 0).jz(plain);
    g.mov(dword(ref("rtc.nest")), 0);
    g.sti();
    g.waitFor("IRQ 0 within IRQ 8", "pit", 2);
    g.cli();
    g.label(plain);
    g.picEoi(8);
  });
  g.on(VECTOR.PIC1, () => {
    const plain = g.unique("plain");
    g.inc(dword(ref("pit"))).cmp(dword(ref("pit")), 1).jnz(plain);
    g.mov("ebx", mem(ref("rtc"))).sti();
    g.delayUs(20_000);
    g.cli().sub("ebx", mem(ref("rtc"))).mov(mem(ref("seen")), "ebx");
    g.label(plain);
    g.picEoi(0);
  });
  g.startPit(0, KHZ);
  g.sti();
  g.waitFor("IRQ 0", "pit", 1);
  rtcPeriodic(g, 6);
  g.waitFor("IRQ 8 after IRQ 0", "rtc", 3);
  g.mov("eax", mem(ref("seen")));
  g.equal("IRQ 8 within IRQ 0", "eax", 0);
  // IRQ 0 in 20 ms, and long before it an IRQ 8 whose handler waits for it.
  g.cli();
  g.startPit(0, 20 * KHZ);
  g.mov(dword(ref("rtc.nest")), 1).sti();
  g.waitFor("both", "pit", 2);
}

/** In special mask mode a masked level in service no longer blocks lower ones. [8259A] p. 16 */
function specialMask(g: Guest): void {
  g.startPic([0, 8]);
  g.bss("pit", 4);
  g.onCount(VECTOR.PIC2, "rtc", () => {
    rtcAcknowledge(g);
    g.outb(P.PIC2_CMD, SPECIFIC_EOI);
    g.outb(P.PIC1_CMD, SPECIFIC_EOI | 2);
  });
  g.on(VECTOR.PIC1, () => {
    g.outb(P.PIC1_CMD, OCW3.SPECIAL_MASK);
    g.outb(P.PIC1_DATA, 0xfb);
    g.sti();
    g.waitFor("IRQ 8 within masked IRQ 0", "rtc", 3);
    g.cli();
    g.outb(P.PIC1_CMD, OCW3.NORMAL_MASK);
    g.outb(P.PIC1_CMD, SPECIFIC_EOI);
    g.inc(dword(ref("pit")));
  });
  rtcPeriodic(g, 6);
  g.startPit(0, KHZ);
  g.sti();
  g.waitFor("IRQ 0", "pit", 1);
}

/** KVM's own PIC answers a poll without taking the interrupt into service, and has no special mask mode. */
const OURS = ["user", "split"] as const;

/** The programs. */
export const PIC_PROGRAMS: readonly GuestProgram[] = [
  guest("pic-registers", {}, registers),
  guest("pic-one-interrupt", {}, lifeOfOne),
  guest("pic-periodic", {}, periodic),
  guest("pic-mask", {}, masking),
  guest("pic-cascade", {}, cascade),
  guest("pic-auto-eoi", {}, autoEoi),
  guest("pic-poll", { irqchips: OURS }, polling),
  guest("pic-nesting", {}, nesting),
  guest("pic-special-mask", { irqchips: OURS }, specialMask),
];
