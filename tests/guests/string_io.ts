/**
 * String I/O: INS and OUTS of every width with counts, both directions, across pages.
 *
 * The fw_cfg data port gives the next byte of "QEMU" at every read; the RTC's index and data ports are a word apart,
 * so one OUTSW writes one byte of CMOS; PCI configuration takes dwords.
 *
 * Sources: [SDM] Intel SDM vol. 2A, INS/OUTS/REP; [QEMU] docs/specs/fw_cfg; [MC146818] (64 bytes and their ports).
 * @module
 */

import { byte, mem, ref } from "../../hvm/testing/asm.ts";
import { guest, type GuestProgram } from "./guest.ts";
import { P } from "./hardware.ts";
import type { Guest } from "./lib.ts";

/** CMOS bytes that nobody minds. */
const CMOS = 0x70;

function insb(g: Guest): void {
  g.bss("in", 8192, 4096);
  g.outw(P.FW_CFG_SELECT, 0);
  g.mov("edi", ref("in")).mov("ecx", 4).mov("dx", P.FW_CFG_DATA).cld().rep().insb();
  g.equal("count", "ecx", 0);
  g.sub("edi", ref("in"));
  g.equal("bytes stored", "edi", 4);
  g.mov("eax", mem(ref("in")));
  g.equal("in order", "eax", 0x554d4551);
  g.outw(P.FW_CFG_SELECT, 0);
  g.mov("edi", ref("in", 19)).mov("ecx", 4).mov("dx", P.FW_CFG_DATA).std().rep().insb().cld();
  g.sub("edi", ref("in"));
  g.equal("downward: bytes stored", "edi", 15);
  g.mov("eax", mem(ref("in", 16)));
  g.equal("downward: last first", "eax", 0x51454d55);
  g.mov("edi", ref("in")).xor("ecx", "ecx").mov("dx", P.FW_CFG_DATA).rep().insb();
  g.sub("edi", ref("in"));
  g.equal("a count of 0 does nothing", "edi", 0);
  g.outw(P.FW_CFG_SELECT, 0);
  g.mov("edi", ref("in", 32)).mov("dx", P.FW_CFG_DATA).insb().insb();
  g.movzx("eax", byte(ref("in", 33)));
  g.equal("without REP one each", "eax", 0x45);
}

/** Thousands of bytes, from and to the middle of pages. */
function long(g: Guest): void {
  g.bss("in", 12288, 4096);
  g.outb(P.COM2 + 7, 0x5a);
  g.mov("edi", ref("in", 100)).mov("ecx", 9000).mov("dx", P.COM2 + 7).cld().rep().insb();
  g.equal("insb count", "ecx", 0);
  g.sub("edi", ref("in"));
  g.equal("insb end", "edi", 9100);
  g.mov("edi", ref("in", 100)).mov("al", 0x5a).mov("ecx", 9000).repe().scasb();
  g.setz("al");
  g.equal("every byte arrived", "ecx", 0);
  g.equal("the last too", "al", 1);
  g.movzx("eax", byte(ref("in", 9100)));
  g.equal("and not one more", "eax", 0);
  g.mov("esi", ref("in", 99)).mov("ecx", 9002).mov("dx", P.COM2 + 7).rep().outsb();
  g.equal("outsb count", "ecx", 0);
  g.sub("esi", ref("in"));
  g.equal("outsb end", "esi", 9101);
  g.inb(P.COM2 + 7);
  g.equal("the last byte out was written last", "eax", 0);
}

/** OUTSW writes index and byte; INSW of the pair reads the byte at the index last set. */
function words(g: Guest): void {
  const skip = g.unique("skip");
  g.jmp(skip).label("pairs");
  for (let i = 0; i < 8; i++) g.db(CMOS + i, 0x11 * (i + 1));
  g.label(skip);
  g.mov("esi", ref("pairs")).mov("ecx", 8).mov("dx", P.RTC_INDEX).cld().rep().outsw();
  g.equal("outsw count", "ecx", 0);
  for (let i = 0; i < 8; i++) {
    g.outb(P.RTC_INDEX, CMOS + i);
    g.inb(P.RTC_DATA);
    g.equal(`CMOS byte ${i}`, "eax", 0x11 * (i + 1));
  }
  g.mov("esi", ref("pairs", 6)).mov("ecx", 4).mov("dx", P.RTC_INDEX).std().rep().outsw().cld();
  g.sub("esi", ref("pairs"));
  g.equal("downward: address", "esi", 0xfffffffe);
  g.inb(P.RTC_DATA);
  g.equal("downward: the first pair last", "eax", 0x11);
  g.bss("in", 64);
  g.outb(P.RTC_INDEX, CMOS + 2);
  g.mov("edi", ref("in")).mov("ecx", 3).mov("dx", P.RTC_INDEX).rep().insw();
  g.sub("edi", ref("in"));
  g.equal("insw end", "edi", 6);
  for (let i = 0; i < 3; i++) {
    g.movzx("eax", byte(ref("in", 2 * i + 1)));
    g.equal(`insw ${i}: byte of the higher port`, "eax", 0x33);
  }
}

/** Dwords at the PCI data port: host bridge and ISA bridge ids in, PIRQ routes out. */
function dwords(g: Guest): void {
  g.bss("in", 64);
  g.outl(P.CF8, 0x80000800);
  g.mov("edi", ref("in")).mov("ecx", 5).mov("dx", P.CFC).cld().rep().insd();
  g.sub("edi", ref("in"));
  g.equal("insd end", "edi", 20);
  for (const at of [0, 16]) {
    g.mov("eax", mem(ref("in", at)));
    g.equal(`insd at ${at}`, "eax", 0x70008086);
  }
  g.mov("eax", mem(ref("in", 20)));
  g.equal("and not one more", "eax", 0);
  const skip = g.unique("skip");
  g.jmp(skip).label("routes").dd(0x80808080, 0x0a0a0a0a, 0x0b800b05).label(skip);
  g.outl(P.CF8, 0x80000860);
  g.inl(P.CFC);
  g.mov("ebx", "eax");
  g.mov("esi", ref("routes")).mov("ecx", 3).mov("dx", P.CFC).rep().outsd();
  g.sub("esi", ref("routes"));
  g.equal("outsd end", "esi", 12);
  g.inl(P.CFC);
  g.equal("the last dword out stays", "eax", 0x0b800b05);
  g.mov("eax", "ebx").mov("dx", P.CFC).out("dx", "eax");
}

/** Forms with a 32-bit address and count: the upper halves of RSI and RCX do not count. */
function narrowAddress(g: Guest): void {
  g.bss("in", 64);
  g.outb(P.COM2 + 7, 0x77);
  g.mov("rcx", 0x0000_0005_0000_0003n).mov("edi", ref("in")).mov("dx", P.COM2 + 7).cld();
  g.bytes([0x67]).rep().insb();
  g.equal("count by ECX", "ecx", 0);
  g.sub("edi", ref("in"));
  g.equal("end", "edi", 3);
  g.movzx("eax", byte(ref("in", 3)));
  g.equal("not one more", "eax", 0);
}

/** Text by OUTSB to the debug port, as kernels print. */
function debugText(g: Guest): void {
  const text = "  printed by outsb\n";
  g.mov("esi", g.text(text)).mov("ecx", text.length).mov("dx", P.DEBUGCON).cld().rep().outsb();
  g.sub("esi", g.text(text));
  g.equal("end", "esi", text.length);
}

/** The programs. */
export const STRING_PROGRAMS: readonly GuestProgram[] = [
  guest("string-insb", {}, insb),
  guest("string-long", {}, long),
  guest("string-words", {}, words),
  guest("string-dwords", {}, dwords),
  guest("string-address32", {}, narrowAddress),
  guest("string-debug-text", {}, debugText),
];
