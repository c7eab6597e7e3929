/**
 * Real mode: flat binaries without any header, put at 1000:0000.
 *
 * These programs have a small runtime of their own; as nothing below sets up page tables or descriptor tables, they run
 * from the first byte on what the loader gives them.
 *
 * Sources: [SDM] Intel SDM vol. 3B, 20.1 (real-address mode); vol. 3A, 9.9 (switching modes).
 * @module
 */

import { byte, dword, mem, ref, type Reg16, word } from "../../hvm/testing/asm.ts";
import { ALL_IRQCHIPS, type GuestOptions, type GuestProgram, PASSED } from "./guest.ts";
import { LAPIC, LVT, P, PIT_HZ, UART } from "./hardware.ts";
import { Program } from "./program.ts";

const SEGMENT = 0x1000;
const ORIGIN = SEGMENT * 16;

/** A 16-bit program being written. All segments are 1000h; checks keep all registers but the flags. */
class RealGuest extends Program {
  constructor(name: string) {
    super(name, { origin: ORIGIN, bits: 16 });
    this.bits(16, ORIGIN);
  }

  /** A 16-bit register must hold `expected`. */
  equal(what: string, actual: Reg16, expected: number): void {
    this.push(expected > 0x7fff ? expected - 0x10000 : expected).push(actual).push(this.text(what));
    this.call("rt.equal").add("sp", 6);
  }

  outb(port: number, value: number): void {
    this.mov("al", value).out(port, "al");
  }

  /** Points interrupt vector `n` at a label of this program. */
  vector(n: number, handler: string): void {
    this.push("es").xor("ax", "ax").mov("es", "ax");
    this.mov({ ...word(4 * n), segment: "es" }, ref(handler));
    this.mov({ ...word(4 * n + 2), segment: "es" }, SEGMENT).pop("es");
  }

  /** The report and the verdict. */
  finish(): Uint8Array {
    this.mov("si", this.text(this.name)).call("rt.puts").cmp(word(ref("failures")), 0).jnz("rt.failed");
    this.mov("si", this.text(": ok\n")).call("rt.puts").xor("ax", "ax").jmp("rt.exit");
    this.label("rt.failed").mov("si", this.text(": FAILED\n")).call("rt.puts").mov(
      "ax",
      mem(ref("failures")),
    );
    this.label("rt.exit").out(P.EXIT, "al").label("rt.stop").cli().hlt().jmp("rt.stop");
    this.writeLater();
    this.#runtime();
    // Zeroed memory is part of the image: a flat binary has no other.
    const bytes = this.writeTail();
    const image = this.assemble();
    const whole = new Uint8Array(image.length + bytes);
    whole.set(image);
    return whole;
  }

  #runtime(): void {
    this.bss("failures", 2);
    this.label("rt.putc").push("dx").push("cx").out(P.DEBUGCON, "al").mov("ah", "al");
    this.mov("dx", P.COM1 + UART.LSR).mov("cx", 0xffff);
    this.label("rt.poll").in("al", "dx").test("al", 0x20).jnz("rt.empty").loop("rt.poll");
    this.label("rt.empty").mov("al", "ah").mov("dx", P.COM1).out("dx", "al").pop("cx").pop("dx").ret();
    this.label("rt.puts").push("ax");
    this.label("rt.next").mov("al", byte("si")).test("al", "al").jz("rt.end").call("rt.putc").inc("si").jmp(
      "rt.next",
    );
    this.label("rt.end").pop("ax").ret();
    this.label("rt.hex").push("ax").push("bx").push("cx").mov("bx", "ax").mov("cx", 4);
    this.label("rt.digit").rol("bx", 4).mov("al", "bl").and("al", 15).add("al", 0x30).cmp("al", 0x3a).jb(
      "rt.put",
    );
    this.add("al", 0x27).label("rt.put").call("rt.putc").loop("rt.digit").pop("cx").pop("bx").pop("ax").ret();
    this.label("rt.equal").push("bp").mov("bp", "sp").push("ax").push("si").mov("ax", mem("bp", 6));
    this.cmp("ax", mem("bp", 8)).jz("rt.same").inc(word(ref("failures")));
    const say = (text: string) => this.mov("si", this.text(text)).call("rt.puts");
    say("  ");
    this.mov("si", mem("bp", 4)).call("rt.puts");
    say(": got ");
    this.mov("ax", mem("bp", 6)).call("rt.hex");
    say(", expected ");
    this.mov("ax", mem("bp", 8)).call("rt.hex");
    say("\n");
    this.label("rt.same").pop("si").pop("ax").pop("bp").ret();
  }
}

/** What the loader gives, and the instructions of the time. */
function basics(g: RealGuest): void {
  g.mov("bx", "sp").pushf().pop("ax").and("ax", 0x300);
  g.equal("interrupts and tracing off", "ax", 0);
  for (const segment of ["cs", "ds", "es", "ss"] as const) {
    g.mov("ax", segment);
    g.equal(segment.toUpperCase(), "ax", SEGMENT);
  }
  g.equal("stack: the whole segment", "bx", 0);
  g.mov("eax", 0x12345678).push("eax").pop("cx").pop("dx");
  g.equal("32-bit operands, low", "cx", 0x5678);
  g.equal("32-bit operands, high", "dx", 0x1234);
  g.bss("buffer", 64);
  g.mov("si", g.text("moved")).mov("di", ref("buffer")).mov("cx", 6).cld().rep().movsb();
  g.mov("ax", mem(ref("buffer", 4)));
  g.equal("rep movsb", "ax", 0x0064);
  g.mov("ax", 0x2000).mov("es", "ax").mov("di", 0x10).mov({ ...word("di"), segment: "es" }, 0xbeef);
  g.mov("ax", 0x2001).mov("es", "ax").mov("ax", mem({ base: "di", disp: -0x10, segment: "es" }));
  g.equal("one address by two segments", "ax", 0xbeef);
  g.push(SEGMENT).pop("es");
  g.callFar(SEGMENT, "far").jmp("beyond").label("far").mov("bx", 0x1357).retf().label("beyond");
  g.equal("far call and return", "bx", 0x1357);
  g.mov("ax", 1000).mov("bx", 7).xor("dx", "dx").div("bx");
  g.equal("quotient", "ax", 142);
  g.equal("remainder", "dx", 6);
  g.mov("cx", 10).xor("ax", "ax").label("sum").add("ax", "cx").loop("sum");
  g.equal("loop", "ax", 55);
  g.mov("dx", P.COM2 + UART.SCR).mov("al", 0x69).out("dx", "al").xor("ax", "ax").in("al", "dx");
  g.equal("ports", "ax", 0x69);
  g.mov("si", g.text("  by outsb\n")).mov("cx", 11).mov("dx", P.DEBUGCON).rep().outsb();
  g.equal("rep outsb", "cx", 0);
}

/** Ten ticks of the PIT through the PIC, waking from HLT. */
function hardwareInterrupts(g: RealGuest): void {
  g.bss("ticks", 2);
  g.later(() => {
    g.label("tick").push("ax").push("ds").push(SEGMENT).pop("ds").inc(word(ref("ticks")));
    g.outb(P.PIC1_CMD, 0x20);
    g.pop("ds").pop("ax").iretw();
  });
  const words = [
    [P.PIC1_CMD, 0x11],
    [P.PIC1_DATA, 0x20],
    [P.PIC1_DATA, 0x04],
    [P.PIC1_DATA, 0x01],
    [P.PIC2_DATA, 0xff],
    [P.PIC1_DATA, 0xfe],
  ] as const;
  for (const [port, value] of words) g.outb(port, value);
  g.vector(0x20, "tick");
  // The PIC reaches the processor through LINT0, which firmware opens; there was none. [SDM] vol. 3A, 11.4.7.1
  inProtectedMode(g, () => {
    g.mov(dword(LAPIC.BASE + LAPIC.SVR), 0x1ff).mov(dword(LAPIC.BASE + LAPIC.LVT_LINT0), LVT.EXT_INT);
  });
  const count = Math.round(PIT_HZ / 1000);
  g.outb(P.PIT_CTRL, 0x34);
  g.outb(P.PIT0, count & 0xff);
  g.outb(P.PIT0, count >>> 8);
  g.label("wait").cli().cmp(word(ref("ticks")), 10).jae("ticked").sti().hlt().jmp("wait").label("ticked");
  g.outb(P.PIC1_DATA, 0xff);
}

/** INT n through the vector table, and the frame it makes. */
function softwareInterrupt(g: RealGuest): void {
  g.later(() => {
    g.label("service").push("bp").mov("bp", "sp").mov("cx", mem("bp", 4)).pop("bp").add("ax", 1).iretw();
  });
  g.vector(0x60, "service");
  g.mov("ax", 41).int(0x60);
  g.equal("INT 60h", "ax", 42);
  g.equal("code segment in the frame", "cx", SEGMENT);
}

/** Runs `write` in flat 32-bit protected mode and comes back to real mode. [SDM] vol. 3A, 9.9 */
function inProtectedMode(g: RealGuest, write: () => void): void {
  const [over, flat, narrow, back] = [
    g.unique("over"),
    g.unique("flat"),
    g.unique("narrow"),
    g.unique("back"),
  ];
  g.jmp(over).align(8);
  const gdt = g.here;
  // Null, flat code and data, 16-bit code and data at this segment's base.
  g.dq(0, 0x00cf9b000000ffffn, 0x00cf93000000ffffn, 0x00009b010000ffffn, 0x000093010000ffffn);
  const gdtr = g.here - ORIGIN;
  g.dw(5 * 8 - 1).dd(gdt);
  g.label(over).cli().lgdt(mem(gdtr)).mov("eax", "cr0").or("al", 1).mov("cr0", "eax");
  g.bits(16, 0).jmpFar(0x08, flat, 4);
  g.bits(32, 0).label(flat).mov("eax", 0x10).mov("ds", "eax").mov("es", "eax");
  write();
  g.jmpFar(0x18, ref(narrow, -ORIGIN));
  g.bits(16, ORIGIN).label(narrow).mov("eax", 0x20).mov("ds", "eax").mov("es", "eax").mov("ss", "eax");
  g.mov("eax", "cr0").and("al", 0xfe).mov("cr0", "eax").jmpFar(SEGMENT, back);
  g.label(back).mov("ax", "cs").mov("ds", "ax").mov("es", "ax").mov("ss", "ax");
}

/** To memory above 1 MiB and back. */
function protectedAndBack(g: RealGuest): void {
  inProtectedMode(g, () => g.mov(dword(0x200000), 0x5aa5c33c).mov("ebx", mem(0x200000)));
  g.equal("memory above 1 MiB, low half", "bx", 0xc33c);
  g.shr("ebx", 16);
  g.equal("memory above 1 MiB, high half", "bx", 0x5aa5);
  g.mov("eax", "cr0").and("ax", 1);
  g.equal("back in real mode", "ax", 0);
}

function real(name: string, options: GuestOptions, body: (g: RealGuest) => void): GuestProgram {
  return {
    name,
    protocol: "flat",
    irqchips: ALL_IRQCHIPS,
    quirks: options.quirks ?? [],
    timeoutS: 20,
    qemu: {},
    expect: { end: "exit-port", status: PASSED, value: 0, output: `${name}: ok` },
    build: () => {
      const g = new RealGuest(name);
      body(g);
      return g.finish();
    },
  };
}

/** The programs. */
export const REAL_PROGRAMS: readonly GuestProgram[] = [
  real("real-basics", {}, basics),
  real("real-interrupts", {}, hardwareInterrupts),
  real("real-software-interrupt", {}, softwareInterrupt),
  real("real-protected", {}, protectedAndBack),
];
