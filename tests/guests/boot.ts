/**
 * What boot protocols hand over: PVH start info, multiboot information, ACPI tables.
 *
 * Sources: [PVH] Xen docs/misc/pvh and public/arch-x86/hvm/start_info.h; [MB] Multiboot Specification 0.6.96, 3.2, 3.3;
 * [ACPI] 6.5, 5.2.5 (RSDP), 5.2.7 (RSDT), 5.2.8 (XSDT), 5.2.9 (FADT), 5.2.12 (MADT).
 * @module
 */

import { byte, dword, mem, ref } from "../../hvm/testing/asm.ts";
import { guest, type GuestProgram } from "./guest.ts";
import { type Guest, ORIGIN } from "./lib.ts";

/** hvm_start_info, hvm_modlist_entry, hvm_memmap_table_entry. [PVH] */
const START = {
  MAGIC: 0,
  VERSION: 4,
  FLAGS: 8,
  MODULES: 12,
  MODULE_LIST: 16,
  COMMAND_LINE: 24,
  RSDP: 32,
  MAP: 40,
  MAP_ENTRIES: 48,
} as const;
const MODULE = { ADDRESS: 0, SIZE: 8, COMMAND_LINE: 16, BYTES: 32 } as const;
const MAP = { BASE: 0, LENGTH: 8, TYPE: 16, BYTES: 24 } as const;
const RAM = 1;
const COMMAND_LINE = 'alpha=1 beta  "two"';

/** Bytes that tell where they are. */
function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + seed + (i >>> 8)) & 0xff);
}

function sumOf(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte) => sum + byte, 0);
}

/** The text at `rsi` must be `expected`. */
function textEqual(g: Guest, what: string, expected: string): void {
  const [next, end] = [g.unique("text"), g.unique("text")];
  const si = g.wide("si");
  g.mov(g.wide("di"), g.text(expected));
  g.label(next).mov("al", byte(si)).cmp("al", byte(g.wide("di"))).jnz(end).test("al", "al").jz(end);
  g.inc(si).inc(g.wide("di")).jmp(next);
  g.label(end).mov("cl", byte(g.wide("di")));
  g.equal(what, "al", "ecx", 0xff);
}

/** The sum of `ecx` bytes at `rsi` into `eax`. */
function sum(g: Guest): void {
  const [next, end] = [g.unique("sum"), g.unique("sum")];
  const si = g.wide("si");
  g.xor("eax", "eax").test("ecx", "ecx").jz(end);
  g.label(next).movzx("edx", byte(si)).add("eax", "edx").inc(si).dec("ecx").jnz(next).label(end);
}

/** EBX at entry, then the structure. */
function startInfo(g: Guest): void {
  const bx = g.wide("bx");
  g.mov("ebx", mem(ref("boot.info"))).mov("eax", mem(bx, START.MAGIC));
  g.equal("magic", "eax", 0x336ec578);
  g.mov("eax", mem(bx, START.VERSION));
  g.equal("version", "eax", 1);
  g.mov("eax", mem(bx, START.FLAGS));
  g.equal("flags", "eax", 0);
}

/** The map: in order, nothing twice, this program in RAM, the legacy video hole not. Keeps RBX. */
function memoryMap(g: Guest): void {
  const [next, done, hole, notHere] = [g.unique("map"), g.unique("map"), g.unique("map"), g.unique("map")];
  g.mov("ecx", mem("rbx", START.MAP_ENTRIES));
  g.between("map entries", "ecx", 2, 128);
  g.mov("rsi", mem("rbx", START.MAP)).xor("edi", "edi").xor("r8", "r8").xor("r9", "r9");
  // RDI: the end of the entry before; R8: RAM bytes at the program; R9: RAM entries that touch the hole.
  g.label(next).test("ecx", "ecx").jz(done);
  g.mov("rax", mem("rsi", MAP.BASE)).mov("rdx", "rax").cmp("rax", "rdi").setb("r10b").add(
    "rdx",
    mem("rsi", MAP.LENGTH),
  );
  g.equal("entries in order", "r10b", 0);
  g.mov("rdi", "rdx").cmp(dword("rsi", MAP.TYPE), RAM).jnz(notHere);
  g.cmp("rax", 0xc0000).jae(hole).cmp("rdx", 0xa0000).jbe(hole).inc("r9").label(hole);
  g.cmp("rax", ORIGIN).ja(notHere).cmp("rdx", ORIGIN).jbe(notHere).mov("r8", mem("rsi", MAP.LENGTH));
  g.label(notHere).add("rsi", MAP.BYTES).dec("ecx").jmp(next).label(done);
  g.between("RAM around the program", "r8d", 0x1000000, 0xffffffff);
  g.equal("RAM in the video hole", "r9d", 0);
}

function pvh(g: Guest): void {
  startInfo(g);
  g.mov("rsi", mem("rbx", START.COMMAND_LINE));
  textEqual(g, "command line", COMMAND_LINE);
  memoryMap(g);
  g.mov("eax", mem("rbx", START.RSDP));
  g.between("RSDP", "eax", 1, 0xffffffff);
}

/** The n-th module must hold `content`; with `text` also that command line. */
function moduleEqual(g: Guest, index: number, content: Uint8Array, text?: string): void {
  g.mov("rdi", mem("rbx", START.MODULE_LIST)).add("rdi", index * MODULE.BYTES);
  g.mov("eax", mem("rdi", MODULE.SIZE));
  g.equal(`module ${index}: size`, "eax", content.length);
  g.mov("rsi", mem("rdi", MODULE.ADDRESS)).mov("ecx", content.length);
  sum(g);
  g.equal(`module ${index}: sum of its bytes`, "eax", sumOf(content));
  g.mov("rsi", mem("rdi", MODULE.ADDRESS)).movzx("eax", byte("rsi", content.length - 1));
  g.equal(`module ${index}: last byte`, "eax", content.at(-1)!);
  if (text === undefined) return;
  g.mov("rsi", mem("rdi", MODULE.COMMAND_LINE));
  textEqual(g, `module ${index}: command line`, text);
}

function pvhInitrd(g: Guest): void {
  startInfo(g);
  g.mov("eax", mem("rbx", START.MODULES));
  g.equal("modules", "eax", 1);
  moduleEqual(g, 0, INITRD);
}

function pvhModules(g: Guest): void {
  startInfo(g);
  g.mov("eax", mem("rbx", START.MODULES));
  g.equal("modules", "eax", MODULES.length);
  MODULES.forEach(({ content, text }, i) => moduleEqual(g, i, content, text));
}

/** The state PVH demands at entry that can still be seen: no paging, no other bits. */
function pvhEntry(g: Guest): void {
  startInfo(g);
  g.mov("eax", "cr0");
  g.equal("CR0: PE, ET and nothing else", "eax", 0x11);
  g.mov("eax", "cr4");
  g.equal("CR4", "eax", 0);
  g.pushf().pop("eax");
  g.equal("flags: interrupts off, not virtual-8086, not tracing", "eax", 0, 0x20300);
}

/** A table's bytes must sum to 0 modulo 256; RSI points to it, its length is in ECX. */
function checksum(g: Guest, what: string): void {
  g.push("rsi").push("rcx");
  sum(g);
  g.pop("rcx").pop("rsi");
  g.equal(`${what}: checksum`, "al", 0);
}

/** From the RSDP through XSDT or RSDT to every table, the DSDT and the FACS. */
function acpi(g: Guest): void {
  const RSDP = { REVISION: 15, RSDT: 16, LENGTH: 20, XSDT: 24 } as const;
  startInfo(g);
  g.mov("rbp", mem("rbx", START.RSDP)).mov("rsi", "rbp");
  g.mov("eax", mem("rsi"));
  g.equal("RSDP signature", "eax", 0x20445352);
  g.mov("eax", mem("rsi", 4));
  g.equal("RSDP signature, second half", "eax", 0x20525450);
  g.mov("ecx", 20);
  checksum(g, "RSDP");
  for (const name of ["facp", "apic", "entry.bytes"]) g.bss(name, 8);
  const [old, walk] = [g.unique("old"), g.unique("walk")];
  g.cmp(byte("rbp", RSDP.REVISION), 2).jb(old);
  g.mov("ecx", mem("rbp", RSDP.LENGTH)).mov("rsi", "rbp");
  checksum(g, "RSDP, all of it");
  g.mov(dword(ref("entry.bytes")), 8).mov("rsi", mem("rbp", RSDP.XSDT)).mov("eax", mem("rsi"));
  g.equal("XSDT signature", "eax", 0x54445358);
  g.jmp(walk).label(old);
  g.mov(dword(ref("entry.bytes")), 4).mov("esi", mem("rbp", RSDP.RSDT)).mov("eax", mem("rsi"));
  g.equal("RSDT signature", "eax", 0x54445352);
  g.label(walk).mov("ecx", mem("rsi", 4));
  checksum(g, "table list");
  acpiTables(g);
  fadt(g);
  madt(g);
}

/** Every table the list at RSI (length ECX) names: checksum; FADT and MADT are noted. */
function acpiTables(g: Guest): void {
  const [next, wide, got, notFadt, notMadt, done] = ["next", "wide", "got", "facp", "apic", "done"].map((s) =>
    g.unique(s)
  ) as [string, string, string, string, string, string];
  g.lea("rdi", mem({ base: "rsi", index: "rcx", scale: 1 })).lea("rbp", mem("rsi", 36));
  g.label(next).cmp("rbp", "rdi").jae(done);
  g.cmp(dword(ref("entry.bytes")), 8).jz(wide).mov("esi", mem("rbp")).jmp(got);
  g.label(wide).mov("rsi", mem("rbp")).label(got);
  g.mov("ecx", mem("rsi", 4));
  g.between("table length", "ecx", 36, 0x100000);
  checksum(g, "table");
  g.cmp(dword("rsi"), 0x50434146).jnz(notFadt).mov(mem(ref("facp")), "rsi").label(notFadt);
  g.cmp(dword("rsi"), 0x43495041).jnz(notMadt).mov(mem(ref("apic")), "rsi").label(notMadt);
  g.mov("eax", mem(ref("entry.bytes"))).add("rbp", "rax").jmp(next).label(done);
}

function fadt(g: Guest): void {
  const FADT = { FACS: 36, DSDT: 40, SCI: 46, SMI_CMD: 48, PM1A_EVT: 56, PM1A_CNT: 64, PM_TMR: 76 } as const;
  const [there, noFacs] = [g.unique("facp"), g.unique("facs")];
  g.mov("rbp", mem(ref("facp"))).test("rbp", "rbp").jnz(there);
  g.fail("no FADT");
  g.pass();
  g.label(there);
  for (
    const [what, offset, value] of [
      ["PM1a event block", FADT.PM1A_EVT, 0x600],
      ["PM1a control block", FADT.PM1A_CNT, 0x604],
      ["PM timer block", FADT.PM_TMR, 0x608],
      ["SMI command port", FADT.SMI_CMD, 0xb2],
    ] as const
  ) {
    g.mov("eax", mem("rbp", offset));
    g.equal(what, "eax", value);
  }
  g.movzx("eax", { ...mem("rbp", FADT.SCI), size: 2 });
  g.equal("SCI interrupt", "eax", 9);
  g.mov("esi", mem("rbp", FADT.DSDT)).mov("eax", mem("rsi"));
  g.equal("DSDT signature", "eax", 0x54445344);
  g.mov("ecx", mem("rsi", 4));
  checksum(g, "DSDT");
  g.mov("esi", mem("rbp", FADT.FACS)).test("esi", "esi").jz(noFacs).mov("eax", mem("rsi"));
  g.equal("FACS signature", "eax", 0x53434146);
  g.equal("FACS alignment", "esi", 0, 63);
  g.label(noFacs);
}

/** One enabled processor, one IOAPIC, the PIT at pin 2. */
function madt(g: Guest): void {
  const ENTRY = { PROCESSOR: 0, IOAPIC: 1, OVERRIDE: 2 } as const;
  const names = ["there", "next", "cpu", "ioapic", "override", "step", "done"];
  const [there, next, cpu, ioapic, override, step, done] = names.map((s) => g.unique(s)) as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  g.mov("rbp", mem(ref("apic"))).test("rbp", "rbp").jnz(there);
  g.fail("no MADT");
  g.pass();
  g.label(there).mov("eax", mem("rbp", 36));
  g.equal("local APIC address", "eax", 0xfee00000);
  g.mov("eax", mem("rbp", 40));
  g.equal("there is a PIC pair", "eax", 1, 1);
  g.mov("edi", mem("rbp", 4)).add("rdi", "rbp").add("rbp", 44).xor("r8d", "r8d").xor("r9d", "r9d").xor(
    "r10d",
    "r10d",
  );
  g.label(next).cmp("rbp", "rdi").jae(done).movzx("eax", byte("rbp"));
  g.cmp("eax", ENTRY.PROCESSOR).jz(cpu).cmp("eax", ENTRY.IOAPIC).jz(ioapic).cmp("eax", ENTRY.OVERRIDE).jz(
    override,
  );
  g.jmp(step);
  g.label(cpu).mov("eax", mem("rbp", 4)).and("eax", 1).add("r8d", "eax").jmp(step);
  g.label(ioapic).inc("r9d").mov("eax", mem("rbp", 4));
  g.equal("IOAPIC address", "eax", 0xfec00000);
  g.mov("eax", mem("rbp", 8));
  g.equal("IOAPIC's first interrupt", "eax", 0);
  g.jmp(step);
  g.label(override).cmp(byte("rbp", 3), 0).jnz(step).mov("r10d", mem("rbp", 4));
  g.label(step).movzx("eax", byte("rbp", 1));
  g.between("entry length", "eax", 2, 255);
  g.add("rbp", "rax").jmp(next).label(done);
  g.equal("processors", "r8d", 1);
  g.equal("IOAPICs", "r9d", 1);
  g.equal("IRQ 0 is interrupt 2", "r10d", 2);
}

/** The information structure. [MB] 3.3; runs in 32-bit mode. */
function multiboot(g: Guest): void {
  const FLAG = { MEMORY: 1, COMMAND_LINE: 4, MODULES: 8, MAP: 0x40 } as const;
  const INFO = {
    LOWER: 4,
    UPPER: 8,
    COMMAND_LINE: 16,
    MODULES: 20,
    MODULE_LIST: 24,
    MAP_BYTES: 44,
    MAP: 48,
  } as const;
  const wanted = FLAG.MEMORY | FLAG.COMMAND_LINE | FLAG.MODULES | FLAG.MAP;
  g.mov("eax", mem(ref("boot.magic")));
  g.equal("magic", "eax", 0x2badb002);
  g.mov("ebx", mem(ref("boot.info"))).mov("eax", mem("ebx"));
  g.equal("memory, command line, modules, map", "eax", wanted, wanted);
  g.mov("eax", mem("ebx", INFO.LOWER));
  g.between("lower memory in KiB", "eax", 512, 640);
  g.mov("eax", mem("ebx", INFO.UPPER));
  g.between("upper memory in KiB", "eax", 16 * 1024, 0x400000);
  // A loader may put the kernel's own name in front; the end is ours.
  g.mov("edi", mem("ebx", INFO.COMMAND_LINE)).xor("eax", "eax").mov("ecx", 0x1000).cld().repne().scasb();
  g.lea("esi", mem("edi", -1 - COMMAND_LINE.length));
  textEqual(g, "command line", COMMAND_LINE);
  g.mov("eax", mem("ebx", INFO.MODULES));
  g.equal("modules", "eax", 1);
  const { content, text } = MODULES[0]!;
  g.mov("edi", mem("ebx", INFO.MODULE_LIST)).mov("eax", mem("edi", 4)).sub("eax", mem("edi"));
  g.equal("module: size", "eax", content.length);
  g.mov("eax", mem("edi"));
  g.equal("module: page-aligned as the header asks", "eax", 0, 0xfff);
  g.mov("esi", "eax").mov("ecx", content.length);
  sum(g);
  g.equal("module: sum of its bytes", "eax", sumOf(content));
  g.mov("edi", mem("ebx", INFO.MODULE_LIST)).mov("esi", mem("edi", 8));
  // Some loaders put the file's name in front here too.
  g.mov("edi", "esi").xor("eax", "eax").mov("ecx", 0x1000).repne().scasb().lea(
    "esi",
    mem("edi", -1 - text.length),
  );
  textEqual(g, "module: command line", text);
  const [next, miss, done] = [g.unique("map"), g.unique("map"), g.unique("map")];
  g.mov("esi", mem("ebx", INFO.MAP)).mov("edi", mem("ebx", INFO.MAP_BYTES)).add("edi", "esi").xor(
    "ebp",
    "ebp",
  );
  g.label(next).cmp("esi", "edi").jae(done).cmp(dword("esi", 20), RAM).jnz(miss);
  g.cmp(dword("esi", 4), ORIGIN).ja(miss).cmp(dword("esi", 8), 0).jnz(miss).mov("eax", mem("esi", 4));
  g.add("eax", mem("esi", 12)).cmp("eax", ORIGIN).jbe(miss).inc("ebp");
  g.label(miss).add("esi", mem("esi")).add("esi", 4).jmp(next).label(done);
  g.equal("RAM entries that hold the program", "ebp", 1);
}

const INITRD = pattern(70_001, 3);
const MODULES = [
  { content: pattern(5000, 1), text: "first module" },
  { content: pattern(12_345, 99), text: "second" },
] as const;
const ONE_MODULE = MODULES.slice(0, 1);

/** The programs. */
export const BOOT_PROGRAMS: readonly GuestProgram[] = [
  guest("boot-pvh", { append: COMMAND_LINE }, pvh),
  guest("boot-pvh-elf32", { append: COMMAND_LINE, container: "elf32" }, pvh),
  guest("boot-pvh-entry", { mode: 32, container: "elf32" }, pvhEntry),
  guest("boot-pvh-initrd", { initrd: INITRD }, pvhInitrd),
  guest("boot-pvh-modules", { modules: MODULES, qemu: { skip: "it takes one module only" } }, pvhModules),
  guest("boot-acpi", {}, acpi),
  guest("boot-multiboot-elf", {
    mode: 32,
    container: "multiboot-elf",
    append: COMMAND_LINE,
    modules: ONE_MODULE,
  }, multiboot),
  guest("boot-multiboot-flat", {
    mode: 32,
    container: "multiboot-flat",
    append: COMMAND_LINE,
    modules: ONE_MODULE,
  }, multiboot),
];
