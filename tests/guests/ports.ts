/**
 * Port I/O: every width, unclaimed ports, accesses across registers.
 *
 * Sources: [PIIX3] Intel 290550-002 (port map); [PCI] PCI Local Bus 3.0, 3.2.2.3.2 (CF8h, CFCh); [16550] table II.
 * @module
 */

import { guest, type GuestProgram } from "./guest.ts";
import { P, UART } from "./hardware.ts";
import type { Guest } from "./lib.ts";

/** Nothing on a PC answers here, in a place where no PCI device is put. */
const UNCLAIMED = 0x0a10;
const HOST_BRIDGE_ID = 0x12378086;
/** 00:01.0, register 60h: PIRQ route control A to D, one byte each, bits 7 and 3:0. [PIIX3] 2.2.10 */
const PIRQ_ROUTES = 0x80000860;

function unclaimed(g: Guest): void {
  g.inb(UNCLAIMED);
  g.equal("byte", "eax", 0xff);
  g.inw(UNCLAIMED);
  g.equal("word", "eax", 0xffff);
  g.inl(UNCLAIMED);
  g.equal("dword", "eax", 0xffffffff);
  g.outb(UNCLAIMED, 0x12);
  g.outw(UNCLAIMED, 0x1234);
  g.outl(UNCLAIMED, 0x12345678);
  g.inl(UNCLAIMED);
  g.equal("dword after writes", "eax", 0xffffffff);
  g.mov("rax", 0x1122334455667788n).mov("dx", UNCLAIMED).in("al", "dx").shr("rax", 8);
  g.equal("a byte read leaves the rest of the register", "eax", 0x44556677);
  g.mov("rax", -1).mov("dx", UNCLAIMED).in("eax", "dx").shr("rax", 32);
  g.equal("a dword read clears the upper half", "eax", 0);
}

function immediateAndDx(g: Guest): void {
  g.mov("al", 0x5a).out(P.POST, "al");
  g.mov("al", 0xa5).mov("dx", P.POST).out("dx", "al");
  g.inb(P.RTC_DATA);
  g.mov("ecx", "eax");
  g.mov("dx", P.RTC_DATA).xor("eax", "eax").in("al", "dx");
  g.equal("port in DX reads as port in the instruction", "eax", "ecx");
}

/** UART scratch register of COM2: holds any byte. [16550] 8.10 */
function scratch(g: Guest): void {
  const SCR = P.COM2 + UART.SCR;
  for (const value of [0, 0xff, 0x55, 0xaa, 1, 0x80]) {
    g.outb(SCR, value);
    g.inb(SCR);
    g.equal(`scratch ${value}`, "eax", value);
  }
}

/** A word or dword at byte registers is so many byte accesses, the lowest port in the lowest byte. */
function acrossRegisters(g: Guest): void {
  const SCR = P.COM2 + UART.SCR;
  g.outw(SCR - 1, 0x7e00);
  g.inb(SCR);
  g.equal("word write: high byte to the higher port", "eax", 0x7e);
  g.inw(SCR - 1);
  g.shr("eax", 8);
  g.equal("word read: high byte from the higher port", "eax", 0x7e);
  g.outb(P.COM2 + UART.MCR, 0x0b);
  g.inl(P.COM2 + UART.MCR);
  g.equal("dword read: first and last register", "eax", 0x7e00000b, 0xff0000ff);
  // Modem control 03h, then line and modem status (writes ignored), then scratch.
  g.outl(P.COM2 + UART.MCR, 0x66000003);
  g.inb(SCR);
  g.equal("dword write: last byte to the last port", "eax", 0x66);
  g.inb(P.COM2 + UART.MCR);
  g.equal("dword write: first byte to the first port", "eax", 0x03);
}

/** The upper half of a word at a device's last port belongs to whoever is next: nobody. */
function acrossTheEnd(g: Guest): void {
  g.outb(P.COM2 + UART.SCR, 0x3c);
  g.inw(P.COM2 + UART.SCR);
  g.equal("word read", "eax", 0xff3c);
  g.outw(P.COM2 + UART.SCR, 0x1234);
  g.inb(P.COM2 + UART.SCR);
  g.equal("word write", "eax", 0x34);
  g.inl(P.COM2 - 2);
  g.shr("eax", 16);
  g.mov("ecx", "eax");
  g.inw(P.COM2);
  g.equal("dword read into a device from below", "ecx", "eax", 0xff00);
}

/** Mechanism #1: the address register takes dwords only, data takes every width at its byte. */
function pciConfig(g: Guest): void {
  g.outl(P.CF8, 0x80000000);
  g.inl(P.CF8);
  g.equal("address register", "eax", 0x80000000);
  g.inl(P.CFC);
  g.equal("dword", "eax", HOST_BRIDGE_ID);
  g.inw(P.CFC);
  g.equal("word", "eax", HOST_BRIDGE_ID & 0xffff);
  g.inw(P.CFC + 2);
  g.equal("upper word", "eax", HOST_BRIDGE_ID >>> 16);
  for (let i = 0; i < 4; i++) {
    g.inb(P.CFC + i);
    g.equal(`byte ${i}`, "eax", HOST_BRIDGE_ID >>> 8 * i & 0xff);
  }
  g.outb(P.CF8, 0x55);
  g.outw(P.CF8, 0x5555);
  g.inl(P.CF8);
  g.equal("narrow writes miss the address register", "eax", 0x80000000);
  g.outl(P.CF8, 0);
  g.inl(P.CFC);
  g.equal("data without the enable bit", "eax", 0xffffffff);
}

function pciWrites(g: Guest): void {
  g.outl(P.CF8, PIRQ_ROUTES);
  g.inl(P.CFC);
  g.mov("ebx", "eax");
  g.outl(P.CFC, 0x80808080);
  g.inl(P.CFC);
  g.equal("dword write", "eax", 0x80808080);
  g.outw(P.CFC + 2, 0x0b0a);
  g.inl(P.CFC);
  g.equal("word write", "eax", 0x0b0a8080);
  g.outb(P.CFC + 1, 0x05);
  g.inl(P.CFC);
  g.equal("byte write", "eax", 0x0b0a0580);
  g.mov("eax", "ebx").mov("dx", P.CFC).out("dx", "eax");
}

/** The programs. */
export const PORT_PROGRAMS: readonly GuestProgram[] = [
  guest("ports-unclaimed", {}, unclaimed),
  guest("ports-width", {}, (g) => {
    immediateAndDx(g);
    scratch(g);
    acrossRegisters(g);
  }),
  guest("ports-across-end", { qemu: { skip: "its UART stops at an assertion" } }, acrossTheEnd),
  guest("ports-pci-config", {}, (g) => {
    pciConfig(g);
    pciWrites(g);
  }),
];
