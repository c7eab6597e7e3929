/**
 * The routines behind {@linkcode Program}: printing, checks, waiting, interrupt dispatch, the verdict.
 *
 * They run in 32- and 64-bit mode, take their arguments on the stack (the caller drops them) and keep every register.
 * @module
 */

import { byte, dword, mem, ref } from "../../hvm/testing/asm.ts";
import { P, UART } from "./hardware.ts";
import type { Program } from "./program.ts";

/** Offsets in the frame a handler finds at `rdi` (`edi` in 32-bit mode). */
export const FRAME64 = { VECTOR: 120, ERROR: 128, RIP: 136, CS: 144, FLAGS: 152, RSP: 160, SS: 168 } as const;
export const FRAME32 = { VECTOR: 32, ERROR: 36, EIP: 40, CS: 44, FLAGS: 48 } as const;

/** What the exit port gets when an exception nobody expected ends the program. */
export const UNEXPECTED = 99;

const SAVED = ["ax", "bx", "cx", "dx", "si"] as const;
const LSR_THRE = 1 << 5;
/** Polls of the line status before a byte is dropped: a COM1 that never empties must not hang a program. */
const THRE_POLLS = 100_000;

/** Writes them all. */
export function writeRuntime(g: Program): void {
  g.bss("failures", 4);
  g.bss("retry.left", 4);
  g.bss("retry.bad", 4);
  writePutc(g);
  writePuts(g);
  writeHex(g);
  routine(g, "rt.print", () => {
    argument(g, "si", 0);
    g.call("rt.puts");
  });
  routine(g, "rt.fail", () => {
    argument(g, "si", 0);
    failed(g, "rt.fail");
    put(g, "\n");
  });
  writeEqual(g);
  writeBetween(g);
  writeWait(g);
  writeDelay(g);
  writeReport(g);
  writeIsr(g);
}

/** A routine that keeps its registers. */
function routine(g: Program, name: string, write: () => void): void {
  g.label(name);
  for (const register of SAVED) g.push(g.wide(register));
  write();
  g.label(`${name}.out`);
  for (const register of [...SAVED].reverse()) g.pop(g.wide(register));
  g.ret();
}

/** Argument `index` of a routine, the last one pushed being 0. */
function argument(g: Program, to: typeof SAVED[number], index: number): void {
  g.mov(g.wide(to), mem(g.wide("sp"), (SAVED.length + 1 + index) * g.mode / 8));
}

function put(g: Program, text: string): void {
  g.mov(g.wide("si"), g.text(text)).call("rt.puts");
}

function putHex(g: Program, from: "eax" | "ebx" | "ecx" | "edx"): void {
  if (from !== "eax") g.mov("eax", from);
  g.call("rt.hex");
}

/** Counts a failure and prints two spaces and the text at SI; or leaves `routine`, when there is another try. */
function failed(g: Program, routine: string): void {
  const last = g.unique("last");
  g.cmp(dword(ref("retry.left")), 0).jz(last).inc(dword(ref("retry.bad"))).jmp(`${routine}.out`);
  g.label(last).inc(dword(ref("failures")));
  g.push(g.wide("si"));
  put(g, "  ");
  g.pop(g.wide("si")).call("rt.puts");
}

/** AL to the debug port and to COM1. */
function writePutc(g: Program): void {
  g.label("rt.putc").push(g.wide("dx")).push(g.wide("cx"));
  g.out(P.DEBUGCON, "al").mov("ah", "al").mov("dx", P.COM1 + UART.LSR).mov("ecx", THRE_POLLS);
  g.label("rt.putc.poll").in("al", "dx").test("al", LSR_THRE).jnz("rt.putc.empty").dec("ecx").jnz(
    "rt.putc.poll",
  );
  g.label("rt.putc.empty").mov("al", "ah").mov("dx", P.COM1 + UART.THR).out("dx", "al");
  g.pop(g.wide("cx")).pop(g.wide("dx")).ret();
}

/** The zero-terminated text at SI. */
function writePuts(g: Program): void {
  const si = g.wide("si");
  g.label("rt.puts").push(g.wide("ax"));
  g.label("rt.puts.next").mov("al", byte(si)).test("al", "al").jz("rt.puts.end");
  g.call("rt.putc").inc(si).jmp("rt.puts.next");
  g.label("rt.puts.end").pop(g.wide("ax")).ret();
}

/** EAX as 0x and eight digits. */
function writeHex(g: Program): void {
  g.label("rt.hex").push(g.wide("bx")).push(g.wide("cx")).push(g.wide("si"));
  g.mov("ebx", "eax");
  put(g, "0x");
  g.mov("ecx", 8);
  g.label("rt.hex.digit").rol("ebx", 4).mov("al", "bl").and("al", 15).add("al", 0x30);
  g.cmp("al", 0x3a).jb("rt.hex.put").add("al", 0x27);
  g.label("rt.hex.put").call("rt.putc").dec("ecx").jnz("rt.hex.digit");
  g.pop(g.wide("si")).pop(g.wide("cx")).pop(g.wide("bx")).ret();
}

/** text, actual, expected, mask. */
function writeEqual(g: Program): void {
  routine(g, "rt.equal", () => {
    argument(g, "si", 0);
    argument(g, "bx", 1);
    argument(g, "cx", 2);
    argument(g, "dx", 3);
    g.and("ebx", "edx").and("ecx", "edx").cmp("ebx", "ecx").jz("rt.equal.out");
    failed(g, "rt.equal");
    put(g, ": got ");
    putHex(g, "ebx");
    put(g, ", expected ");
    putHex(g, "ecx");
    put(g, "\n");
  });
}

/** text, actual, least, most, mask. */
function writeBetween(g: Program): void {
  routine(g, "rt.between", () => {
    argument(g, "si", 0);
    argument(g, "bx", 1);
    argument(g, "cx", 2);
    argument(g, "dx", 4);
    g.and("ebx", "edx");
    argument(g, "dx", 3);
    g.cmp("ebx", "ecx").jb("rt.between.bad").cmp("ebx", "edx").jbe("rt.between.out");
    g.label("rt.between.bad");
    failed(g, "rt.between");
    put(g, ": got ");
    putHex(g, "ebx");
    put(g, ", expected ");
    putHex(g, "ecx");
    put(g, " to ");
    putHex(g, "edx");
    put(g, "\n");
  });
}

/** The PM timer into EAX. */
function readTimer(g: Program): void {
  g.mov("dx", P.PM_TMR).in("eax", "dx");
}

/** text, address of the counter, count wanted, PM timer ticks allowed. */
function writeWait(g: Program): void {
  routine(g, "rt.wait", () => {
    readTimer(g);
    g.mov("ebx", "eax");
    argument(g, "si", 1);
    argument(g, "cx", 2);
    g.label("rt.wait.again").cmp(mem(g.wide("si")), "ecx").jae("rt.wait.out");
    g.pause();
    readTimer(g);
    g.sub("eax", "ebx").and("eax", 0xffffff);
    argument(g, "dx", 3);
    g.cmp("eax", "edx").jb("rt.wait.again");
    g.mov("ebx", mem(g.wide("si")));
    argument(g, "si", 0);
    failed(g, "rt.wait");
    put(g, ": timed out at ");
    putHex(g, "ebx");
    put(g, " of ");
    putHex(g, "ecx");
    put(g, "\n");
  });
}

/** PM timer ticks. */
function writeDelay(g: Program): void {
  routine(g, "rt.delay", () => {
    readTimer(g);
    g.mov("ebx", "eax");
    argument(g, "cx", 0);
    g.label("rt.delay.again");
    readTimer(g);
    g.sub("eax", "ebx").and("eax", 0xffffff).cmp("eax", "ecx").jb("rt.delay.again");
  });
}

/** Returns after `name: ok`; with failures it does not return. */
function writeReport(g: Program): void {
  routine(g, "rt.report", () => {
    put(g, g.name);
    g.cmp(dword(ref("failures")), 0).jnz("rt.report.bad");
    put(g, ": ok\n");
    g.jmp("rt.report.out");
    g.label("rt.report.bad");
    put(g, ": FAILED\n");
    g.mov("eax", mem(ref("failures")));
    g.label("rt.exit").out(P.EXIT, "al").cli();
    g.label("rt.stop").hlt().jmp("rt.stop");
  });
}

/** What every interrupt stub jumps to, with the vector and an error code pushed. */
function writeIsr(g: Program): void {
  const all = [
    "rax",
    "rcx",
    "rdx",
    "rbx",
    "rbp",
    "rsi",
    "rdi",
    "r8",
    "r9",
    "r10",
    "r11",
    "r12",
    "r13",
    "r14",
    "r15",
  ] as const;
  const frame = g.mode === 64
    ? { vector: FRAME64.VECTOR, error: FRAME64.ERROR, ip: FRAME64.RIP }
    : { vector: FRAME32.VECTOR, error: FRAME32.ERROR, ip: FRAME32.EIP };
  const [ax, di, sp] = [g.wide("ax"), g.wide("di"), g.wide("sp")];
  g.label("rt.isr");
  if (g.mode === 64) { for (const register of all) g.push(register); }
  else g.pusha();
  g.cld().mov(di, sp).mov("eax", mem(di, frame.vector));
  g.mov(ax, mem({ index: ax, scale: g.mode === 64 ? 8 : 4, disp: ref("handlers") }));
  g.test(ax, ax).jz("rt.isr.unexpected").call(ax);
  if (g.mode === 64) { for (const register of [...all].reverse()) g.pop(register); }
  else g.popa();
  g.add(sp, 2 * g.mode / 8);
  if (g.mode === 64) g.iretq();
  else g.iret();

  g.label("rt.isr.unexpected");
  put(g, "  unexpected vector ");
  g.mov("eax", mem(di, frame.vector)).call("rt.hex");
  put(g, " error ");
  g.mov("eax", mem(di, frame.error)).call("rt.hex");
  put(g, " at ");
  g.mov("eax", mem(di, frame.ip)).call("rt.hex");
  put(g, " cr2 ");
  g.mov(ax, "cr2").call("rt.hex");
  put(g, "\n");
  put(g, g.name);
  put(g, ": FAILED\n");
  g.mov("eax", UNEXPECTED).jmp("rt.exit");
}
