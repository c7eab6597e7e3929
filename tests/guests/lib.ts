/**
 * What the guest programs stand on: entry from the boot protocol, 32-bit or 64-bit mode with descriptor tables and
 * interrupt handlers, text on the debug port and COM1, checks, waiting against the PM timer, and the verdict.
 *
 * A program is a {@linkcode Guest}: the constructor writes the entry, the caller writes the body, `finish` writes the
 * rest. All checks keep all registers. A failed check prints `  what: got 0x.., expected 0x..` and counts; the end
 * prints `name: ok` or `name: FAILED` and writes the number of failures to port F4h.
 *
 * Memory: the program at 1 MiB, zeroed memory after it; identity mapping of 4 GiB by 2 MiB pages in 64-bit mode.
 *
 * Sources: [SDM] Intel SDM vol. 3A, 9.8.5 (entering IA-32e mode), 3.4.5, 5.14.1 (descriptors and gates); [PVH] Xen
 * docs/misc/pvh; [MB] Multiboot Specification 0.6.96, 3.2; [ACPI] 4.8.3.3 (PM timer).
 * @module
 */

import { dword, mem, ref, type Reg } from "../../hvm/testing/asm.ts";
import { register } from "../../hvm/testing/asm_operand.ts";
import { type Loaded, MULTIBOOT_FLAG, MULTIBOOT_HEADER_BYTES, multibootHeader } from "./build.ts";
import { LAPIC, LVT, MSR, P, PM_TIMER_HZ, VECTOR } from "./hardware.ts";
import { Program } from "./program.ts";
import { writeRuntime } from "./runtime.ts";

export { FRAME32, FRAME64, UNEXPECTED } from "./runtime.ts";

/** Selectors of the program's GDT. */
export const SELECTOR = {
  CODE32: 0x08,
  DATA: 0x10,
  CODE64: 0x18,
  USER_DATA: 0x23,
  USER_CODE: 0x2b,
  TSS: 0x30,
  CODE16: 0x40,
  DATA16: 0x48,
} as const;

/** Where programs start. */
export const ORIGIN = 0x100000;

/** Vectors that push an error code. [SDM] vol. 3A, table 6-1 */
const WITH_ERROR = new Set([8, 10, 11, 12, 13, 14, 17, 21]);
const STACK_BYTES = 0x4000;
const PAGE = 0x1000;
const TSS_BYTES = 104;

/** A program being written. */
export class Guest extends Program {
  readonly #handlers = new Set<number>();
  readonly #mode: 32 | 64;

  constructor(name: string, mode: 32 | 64 = 64) {
    super(name, { origin: ORIGIN, bits: 32 });
    this.#mode = mode;
    this.bss("stack", STACK_BYTES, 16);
    this.label("header").zero(MULTIBOOT_HEADER_BYTES);
    this.label("start");
    this.#enter();
  }

  /** The handler of a vector: keeps all registers, finds its frame at `rdi`, must acknowledge by itself. */
  on(vector: number, write: () => void): void {
    if (this.#handlers.has(vector)) throw new RangeError(`Cannot handle vector ${vector} twice`);
    this.#handlers.add(vector);
    this.later(() => {
      this.label(`on.${vector}`);
      write();
      this.ret();
    });
  }

  /** A handler that only counts in the dword `counter` and acknowledges. */
  onCount(vector: number, counter: string, acknowledge: () => void): void {
    this.bss(counter, 4);
    this.on(vector, () => {
      this.inc(dword(ref(counter)));
      acknowledge();
    });
  }

  print(text: string): void {
    this.push(this.text(text)).call("rt.print");
    this.#drop(1);
  }

  /** The register's low 32 bits, masked, must be `expected`. */
  equal(what: string, actual: Reg, expected: number | Reg, mask = 0xffffffff): void {
    this.#pushNumber(mask % (onesOf(actual) + 1));
    if (typeof expected === "number") this.#pushNumber(expected);
    else this.push(this.#full(expected));
    this.push(this.#full(actual)).push(this.text(what)).call("rt.equal");
    this.#drop(4);
  }

  /** The register's low 32 bits (or its fewer), unsigned, must be from `least` to `most`. */
  between(what: string, actual: Reg, least: number, most: number): void {
    this.#pushNumber(onesOf(actual));
    this.#pushNumber(most);
    this.#pushNumber(least);
    this.push(this.#full(actual)).push(this.text(what)).call("rt.between");
    this.#drop(5);
  }

  /**
   * Runs `write` again, up to `times` in all, as long as a check in it fails: for what a host that is busy elsewhere
   * may spoil. Only the last run's failures count and are printed.
   * It begins from any state it left, and holds no other.
   */
  retry(times: number, write: () => void): void {
    const [again, done] = [this.unique("retry"), this.unique("retry")];
    const [left, bad] = [dword(ref("retry.left")), dword(ref("retry.bad"))];
    this.mov(left, times - 1);
    this.label(again).mov(bad, 0);
    write();
    this.cmp(bad, 0).jz(done).cmp(left, 0).jz(done).dec(left).jmp(again);
    this.label(done).mov(left, 0);
  }

  /**
   * Checks the rate at which the dword `counter` goes up: 50 ticks take no less than they should, and of many spans of
   * 3 ticks one takes hardly more. A busy host delivers late, so most may take longer; none comes early.
   * Take a rate near 100 Hz: a software host with a KVM of its own takes a millisecond for an interrupt at times.
   */
  checkRate(what: string, counter: string, hz: number): void {
    const since = "rate.since";
    this.bss(since, 4);
    const span = (ticks: number) => {
      this.clear(counter);
      this.waitFor(`${what}: the first tick`, counter, 1);
      this.inl(P.PM_TMR);
      this.mov(mem(ref(since)), "eax");
      this.waitFor(`${what}: ${ticks} ticks`, counter, ticks + 1, 4000);
      this.inl(P.PM_TMR);
      this.sub("eax", mem(ref(since))).and("eax", 0xffffff);
    };
    const expected = (ticks: number) => ticks * PM_TIMER_HZ / hz;
    span(50);
    this.between(`${what}: time of 50 ticks`, "eax", Math.floor(expected(50) * 0.85), 0xffffff);
    this.retry(100, () => {
      span(3);
      const [least, most] = [Math.floor(expected(3) * 0.6), Math.ceil(expected(3) * 1.4)];
      this.between(`${what}: time of 3 ticks`, "eax", least, most);
    });
  }

  /** Sets the dword `counter` to 0. */
  clear(counter: string): void {
    this.mov(dword(ref(counter)), 0);
  }

  /** Counts a failure. */
  fail(what: string): void {
    this.push(this.text(what)).call("rt.fail");
    this.#drop(1);
  }

  /** Spins until the dword `counter` is at least `count`; a failure after `ms` (at most 4000) of PM timer. */
  waitFor(what: string, counter: string, count: number, ms = 2000): void {
    this.#pushNumber(Math.ceil(ms * PM_TIMER_HZ / 1000)).#pushNumber(count);
    this.push(ref(counter)).push(this.text(what)).call("rt.wait");
    this.#drop(4);
  }

  /** Sleeps by HLT until the dword `counter` is at least `count`. Only an interrupt ends it. */
  hltFor(counter: string, count: number): void {
    const again = this.unique("hlt");
    const done = this.unique("hlt");
    // STI takes effect after the next instruction, so nothing slips in between it and HLT. [SDM] STI
    this.label(again).cli().cmp(dword(ref(counter)), count).jae(done).sti().hlt().jmp(again);
    this.label(done).sti();
  }

  /** Spins for `us` microseconds of PM timer, at most 4 seconds. */
  delayUs(us: number): void {
    this.#pushNumber(Math.ceil(us * PM_TIMER_HZ / 1e6)).call("rt.delay");
    this.#drop(1);
  }

  outb(port: number, value: number): void {
    this.mov("al", value);
    if (port < 0x100) this.out(port, "al");
    else this.mov("dx", port).out("dx", "al");
  }

  outl(port: number, value: number): void {
    this.mov("eax", value).mov("dx", port).out("dx", "eax");
  }

  outw(port: number, value: number): void {
    this.mov("ax", value).mov("dx", port).out("dx", "ax");
  }

  /** Into `al`; `eax` above it is cleared. */
  inb(port: number): void {
    this.xor("eax", "eax");
    if (port < 0x100) this.in("al", port);
    else this.mov("dx", port).in("al", "dx");
  }

  inw(port: number): void {
    this.xor("eax", "eax").mov("dx", port).in("ax", "dx");
  }

  inl(port: number): void {
    this.mov("dx", port).in("eax", "dx");
  }

  /** Reads a local APIC register into `eax`. */
  lapicRead(offset: number): void {
    this.mov("eax", mem(LAPIC.BASE + offset));
  }

  lapicWrite(offset: number, value: number): void {
    this.mov(dword(LAPIC.BASE + offset), value);
  }

  /** Acknowledges the interrupt in service at the local APIC. */
  eoi(): void {
    this.lapicWrite(LAPIC.EOI, 0);
  }

  /** Software-enables the local APIC with TPR 0. [SDM] vol. 3A, 11.4.7.1 */
  enableLapic(): void {
    this.lapicWrite(LAPIC.SVR, 0x100 | VECTOR.SPURIOUS);
    this.lapicWrite(LAPIC.TPR, 0);
  }

  /** The PIC's interrupts reach the processor through LINT0 (virtual wire), masked all but `irqs`; vectors 20h and 28h. */
  startPic(irqs: readonly number[], options: { autoEoi?: boolean } = {}): void {
    this.enableLapic();
    this.lapicWrite(LAPIC.LVT_LINT0, LVT.EXT_INT);
    const icw4 = options.autoEoi === true ? 0x03 : 0x01;
    const mask = irqs.reduce(
      (mask, irq) => mask & ~(1 << irq),
      irqs.some((irq) => irq >= 8) ? 0xfffb : 0xffff,
    );
    const words: readonly (readonly [number, number])[] = [
      [P.PIC1_CMD, 0x11],
      [P.PIC1_DATA, VECTOR.PIC1],
      [P.PIC1_DATA, 0x04],
      [P.PIC1_DATA, icw4],
      [P.PIC2_CMD, 0x11],
      [P.PIC2_DATA, VECTOR.PIC2],
      [P.PIC2_DATA, 0x02],
      [P.PIC2_DATA, 0x01],
      [P.PIC1_DATA, mask & 0xff],
      [P.PIC2_DATA, mask >>> 8],
    ];
    for (const [port, value] of words) this.outb(port, value);
  }

  /** Non-specific end of interrupt. [8259A] OCW2 */
  picEoi(irq: number): void {
    if (irq >= 8) this.outb(P.PIC2_CMD, 0x20);
    this.outb(P.PIC1_CMD, 0x20);
  }

  /** Counter 0 of the PIT in a mode, counting `count`. */
  startPit(mode: number, count: number): void {
    this.outb(P.PIT_CTRL, 0x30 | mode << 1);
    this.outb(P.PIT0, count & 0xff);
    this.outb(P.PIT0, count >>> 8 & 0xff);
  }

  /** Writes an IOAPIC register. */
  ioapicWrite(index: number, value: number): void {
    this.mov(dword(0xfec00000), index).mov(dword(0xfec00010), value);
  }

  /** Reads an IOAPIC register into `eax`. */
  ioapicRead(index: number): void {
    this.mov(dword(0xfec00000), index).mov("eax", mem(0xfec00010));
  }

  /** Prints the name with `: ok` and goes on, or leaves with the number of failures. */
  report(): void {
    this.call("rt.report");
  }

  /** Ends the program here: report, and 0 to the exit port. */
  pass(): void {
    this.report();
    this.outb(P.EXIT, 0);
    const stop = this.unique("stop");
    this.label(stop).cli().hlt().jmp(stop);
  }

  /** Writes what is left and gives the program. */
  finish(options: { multiboot?: "elf" | "flat" } = {}): Loaded {
    this.pass();
    this.writeLater();
    writeRuntime(this);
    this.#tables();
    const bssBytes = this.writeTail();
    const loaded = {
      origin: ORIGIN,
      entry: this.addressOf("start")!,
      bytes: this.assemble(),
      bssBytes,
    };
    if (options.multiboot !== undefined) {
      const flags = MULTIBOOT_FLAG.PAGE_ALIGN | MULTIBOOT_FLAG.MEMORY_INFO;
      loaded.bytes.set(multibootHeader(flags, options.multiboot === "flat" ? loaded : undefined));
    }
    return loaded;
  }

  #drop(words: number): void {
    this.add(this.wide("sp"), words * this.mode / 8);
  }

  #pushNumber(value: number): this {
    return this.push(value >= 2 ** 31 ? value - 2 ** 32 : value);
  }

  /** The register of the mode's width that holds `name`. */
  #full(name: Reg): Reg {
    const info = register(name);
    if (info.rex === false) throw new RangeError(`Cannot check ${name}: move it to another register`);
    const classic = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"] as const;
    return info.code < 8 ? this.wide(classic[info.code]!) : `r${info.code}` as Reg;
  }

  /** From the protocol's entry (32-bit, flat, no paging) to the mode the body runs in. [PVH], [MB] 3.2 */
  #enter(): void {
    this.cli().cld();
    this.mov("esp", ref("stack", STACK_BYTES));
    this.bss("boot.magic", 4);
    this.bss("boot.info", 4);
    this.mov(mem(ref("boot.magic")), "eax").mov(mem(ref("boot.info")), "ebx");
    this.mov("al", 0xff).out(P.PIC1_DATA, "al").out(P.PIC2_DATA, "al");
    this.lgdt(mem(ref("gdtr")));
    this.mov("eax", SELECTOR.DATA);
    for (const segment of ["ds", "es", "ss", "fs", "gs"] as const) this.mov(segment, "eax");
    if (this.#mode === 64) this.#enterLong();
    else this.jmpFar(SELECTOR.CODE32, "body");
    this.label("body");
    this.lidt(mem(ref("idtr")));
    if (this.#mode === 64) this.mov("ax", SELECTOR.TSS).ltr("ax");
  }

  #enterLong(): void {
    this.bss("pml4", PAGE, PAGE);
    this.bss("pdpt", PAGE, PAGE);
    this.bss("pd", 4 * PAGE, PAGE);
    const PRESENT_WRITABLE_USER = 7;
    const LARGE = 0x80;
    this.mov(dword(ref("pml4")), ref("pdpt", PRESENT_WRITABLE_USER));
    for (let i = 0; i < 4; i++) {
      this.mov(dword(ref("pdpt", 8 * i)), ref("pd", i * PAGE + PRESENT_WRITABLE_USER));
    }
    this.mov("edi", ref("pd")).mov("eax", LARGE | PRESENT_WRITABLE_USER).mov("ecx", 2048);
    this.label("enter.page").mov(mem("edi"), "eax").add("eax", 0x200000).add("edi", 8);
    this.dec("ecx").jnz("enter.page");
    this.mov("eax", "cr4").or("eax", 1 << 5).mov("cr4", "eax");
    this.mov("eax", ref("pml4")).mov("cr3", "eax");
    this.mov("ecx", MSR.EFER).rdmsr().or("eax", 1 << 8).wrmsr();
    this.mov("eax", "cr0").or("eax", 0x80000000).mov("cr0", "eax");
    this.jmpFar(SELECTOR.CODE64, "body");
    this.bits(64);
  }

  /** Descriptor tables, interrupt stubs, the handler table. */
  #tables(): void {
    for (let vector = 0; vector < 256; vector++) {
      this.label(`isr.${vector}`);
      if (!WITH_ERROR.has(vector)) this.push(0);
      this.push(vector).jmp("rt.isr");
    }
    this.#tss();
    this.align(16).label("idt");
    for (let vector = 0; vector < 256; vector++) this.#gate(this.addressOf(`isr.${vector}`)!);
    this.label("idt.end").align(16).label("gdt");
    // Null; flat 32-bit code and data; 64-bit code; user data and 64-bit code; the TSS; 16-bit code and data. [SDM] 3.4.5
    this.dq(
      0,
      0x00cf9b000000ffffn,
      0x00cf93000000ffffn,
      0x00af9b000000ffffn,
      0x00cff3000000ffffn,
      0x00affb000000ffffn,
    );
    const tss = this.addressOf("tss")!;
    this.dw(TSS_BYTES - 1, tss & 0xffff).db(tss >>> 16 & 0xff, 0x89, 0, tss >>> 24 & 0xff).dd(0, 0);
    this.dq(0x00009b000000ffffn, 0x000093000000ffffn);
    this.label("gdt.end").align(8);
    const wide = (label: string) => this.mode === 64 ? this.dq(ref(label)) : this.dd(ref(label));
    this.label("gdtr").dw(this.addressOf("gdt.end")! - this.addressOf("gdt")! - 1);
    wide("gdt");
    this.label("idtr").dw(this.addressOf("idt.end")! - this.addressOf("idt")! - 1);
    wide("idt");
    this.align(8).label("handlers");
    for (let vector = 0; vector < 256; vector++) {
      if (this.#handlers.has(vector)) wide(`on.${vector}`);
      else this.zero(this.mode / 8);
    }
  }

  /** An interrupt gate. [SDM] vol. 3A, figures 6-2 and 6-7 */
  #gate(address: number): void {
    const selector = this.mode === 64 ? SELECTOR.CODE64 : SELECTOR.CODE32;
    this.dw(address & 0xffff, selector, 0x8e00, address >>> 16);
    if (this.mode === 64) this.dd(0, 0);
  }

  /** The 64-bit TSS: stacks for entry from ring 3 and for gates with IST 1. [SDM] vol. 3A, figure 8-11 */
  #tss(): void {
    this.align(16).label("tss").dd(0);
    this.dq(ref("stack.rsp0", STACK_BYTES), 0, 0, 0, ref("stack.ist1", STACK_BYTES)).zero(6 * 8 + 8 + 2).dw(
      TSS_BYTES,
    );
    this.bss("stack.rsp0", STACK_BYTES, 16);
    this.bss("stack.ist1", STACK_BYTES, 16);
  }
}

/** The bits a check looks at: the register's own, at most 32. */
function onesOf(name: Reg): number {
  return 2 ** (8 * Math.min(register(name).size, 4)) - 1;
}
