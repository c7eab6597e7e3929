/**
 * The rest of the board: PCI functions, fw_cfg, keyboard controller, port 92h, the PV clock.
 *
 * Sources: [82441FX] Intel 290549-001; [PIIX3] Intel 290550-002; [PIIX4] Intel 290562-001; [QEMU] docs/specs/fw_cfg; [PS2];
 * [KVM] Documentation/virt/kvm/x86/{cpuid,msr}.rst.
 * @module
 */

import { byte, dword, mem, ref } from "../../hvm/testing/asm.ts";
import { guest, type GuestProgram } from "./guest.ts";
import { MSR, P } from "./hardware.ts";
import type { Guest } from "./lib.ts";

/** Reads a configuration dword into `eax`. */
function pciRead(g: Guest, device: number, fn: number, offset: number, bus = 0): void {
  g.outl(P.CF8, (0x80000000 | bus << 16 | device << 11 | fn << 8 | offset) >>> 0);
  g.inl(P.CFC);
}

function pciFunctions(g: Guest): void {
  const there = [
    ["host bridge", 0, 0, 0x12378086, 0x060000],
    ["ISA bridge", 1, 0, 0x70008086, 0x060100],
    ["power management", 1, 3, 0x71138086, 0x068000],
  ] as const;
  for (const [name, device, fn, id, classCode] of there) {
    pciRead(g, device, fn, 0);
    g.equal(`${name}: id`, "eax", id);
    pciRead(g, device, fn, 8);
    g.shr("eax", 8);
    g.equal(`${name}: class`, "eax", classCode);
    g.outl(P.CFC, 0);
    pciRead(g, device, fn, 8);
    g.shr("eax", 8);
    g.equal(`${name}: class is read-only`, "eax", classCode);
  }
  pciRead(g, 1, 0, 0x0c);
  g.equal("device 1 has several functions", "eax", 0x800000, 0xff0000);
  for (const [device, fn, bus] of [[31, 0, 0], [1, 7, 0], [0, 1, 0], [0, 0, 1], [31, 7, 255]] as const) {
    pciRead(g, device, fn, 0, bus);
    g.equal(`nobody at ${bus}:${device}.${fn}`, "eax", 0xffffffff);
  }
  pciRead(g, 0, 0, 0);
}

/** The bytes of a fw_cfg item by port, and of the same item by DMA. [QEMU] fw_cfg */
function fwCfg(g: Guest): void {
  const DMA = { ERROR: 1, READ: 2, SKIP: 4, SELECT: 8 } as const;
  const SIGNATURE = 0x554d4551;
  g.bss("dma", 16, 16);
  g.bss("target", 16, 16);
  /** Runs one DMA command on item `key`; control ends in `eax`. */
  const dma = (key: number, command: number, length: number) => {
    g.mov("eax", key << 16 | command).bswap("eax").mov(mem(ref("dma")), "eax");
    g.mov("eax", length).bswap("eax").mov(mem(ref("dma", 4)), "eax");
    g.mov(dword(ref("dma", 8)), 0).mov("eax", ref("target")).bswap("eax").mov(mem(ref("dma", 12)), "eax");
    g.outl(P.FW_CFG_DMA, 0);
    g.mov("eax", ref("dma")).bswap("eax").mov("dx", P.FW_CFG_DMA + 4).out("dx", "eax");
    g.mov("eax", mem(ref("dma"))).bswap("eax");
  };
  const letters = () => {
    for (const letter of "QEMU") {
      g.inb(P.FW_CFG_DATA);
      g.equal(`signature: ${letter}`, "eax", letter.charCodeAt(0));
    }
  };
  g.outw(P.FW_CFG_SELECT, 0);
  letters();
  g.inb(P.FW_CFG_DATA);
  g.equal("past the end", "eax", 0);
  g.outw(P.FW_CFG_SELECT, 0);
  letters();
  g.outw(P.FW_CFG_SELECT, 1);
  g.inb(P.FW_CFG_DATA);
  g.equal("traditional interface and DMA", "eax", 3);
  g.inl(P.FW_CFG_DMA);
  g.bswap("eax");
  g.equal("DMA signature, high half", "eax", 0x51454d55);
  dma(0, DMA.SELECT | DMA.READ, 4);
  g.equal("DMA control when done", "eax", 0);
  g.mov("eax", mem(ref("target")));
  g.equal("DMA bytes", "eax", SIGNATURE);
  dma(0, DMA.SELECT | DMA.SKIP, 2);
  g.equal("DMA skip", "eax", 0);
  dma(0, DMA.READ, 1);
  g.movzx("eax", byte(ref("target")));
  g.equal("DMA goes on after it", "eax", 0x4d);
  g.outw(P.FW_CFG_SELECT, 0x3ffe);
  g.inb(P.FW_CFG_DATA);
  g.equal("an item that is not there", "eax", 0);
  g.outw(P.FW_CFG_SELECT, 0x19);
  g.mov("edi", ref("target")).mov("ecx", 4).mov("dx", P.FW_CFG_DATA).cld().rep().insb();
  g.mov("eax", mem(ref("target"))).bswap("eax");
  g.between("files in the directory", "eax", 0, 64);
}

/** Self-tests answer, the output port shows A20 open. [PS2] */
function keyboardController(g: Guest): void {
  /** Waits for a bit of the status register to have a value, 10000 reads at most. */
  const until = (bit: number, set: boolean) => {
    const [again, done] = [g.unique("kbc"), g.unique("kbc")];
    g.mov("ecx", 10_000).label(again).in("al", P.KBC_CMD).test("al", bit);
    if (set) g.jnz(done);
    else g.jz(done);
    g.dec("ecx").jnz(again);
    g.fail("the keyboard controller does not answer");
    g.label(done);
  };
  const command = (value: number) => {
    until(2, false);
    g.outb(P.KBC_CMD, value);
  };
  const answer = () => {
    until(1, true);
    g.inb(P.KBC_DATA);
  };
  command(0xad);
  const [drain, empty] = [g.unique("drain"), g.unique("empty")];
  g.label(drain).in("al", P.KBC_CMD).test("al", 1).jz(empty).in("al", P.KBC_DATA).jmp(drain).label(empty);
  command(0xaa);
  answer();
  g.equal("self-test", "eax", 0x55);
  command(0xab);
  answer();
  g.equal("keyboard line test", "eax", 0);
  command(0x60);
  until(2, false);
  g.outb(P.KBC_DATA, 0x74);
  command(0x20);
  answer();
  g.equal("command byte", "eax", 0x74);
  command(0xd0);
  answer();
  g.equal("output port: not in reset", "eax", 1, 1);
  g.in("al", P.KBC_CMD);
  g.equal("nothing left", "al", 0, 1);
}

/** A20 through port 92h: it opens, and the megabytes differ. */
function a20(g: Guest): void {
  g.inb(P.PORT92);
  g.or("al", 2).and("al", 0xfe).out(P.PORT92, "al");
  g.inb(P.PORT92);
  g.equal("bit 1 stays", "eax", 2, 3);
  // 2 MiB and 3 MiB differ in address line 20 alone.
  g.mov("ebx", 0x200000).mov("esi", 0x300000);
  g.mov(dword("rbx"), 0x11111111).mov(dword("rsi"), 0x22222222).mov("eax", mem("rbx"));
  g.equal("an even megabyte is not the odd one above", "eax", 0x11111111);
}

/** System time by the page KVM keeps, against the PM timer. [KVM] msr.rst, MSR_KVM_SYSTEM_TIME_NEW */
function kvmClock(g: Guest): void {
  const PAGE = { VERSION: 0, TSC: 8, TIME: 16, MUL: 24, SHIFT: 28 } as const;
  const CLOCKSOURCE2 = 1 << 3;
  const [absent, there] = [g.unique("absent"), g.unique("there")];
  g.mov("eax", 0x40000000).cpuid().cmp("ebx", 0x4b4d564b).jnz(absent);
  g.mov("eax", 0x40000001).cpuid().test("eax", CLOCKSOURCE2).jnz(there);
  g.label(absent);
  g.print("  the clock is not shown\n");
  g.pass();
  g.label(there);
  g.bss("clock", 32, 64);
  g.bss("first", 8);
  g.mov("ecx", MSR.KVM_SYSTEM_TIME_NEW).mov("eax", ref("clock", 1)).xor("edx", "edx").wrmsr();
  g.mov("eax", mem(ref("clock", PAGE.VERSION)));
  g.equal("version is even when nobody writes", "eax", 0, 1);
  g.between("and not 0", "eax", 1, 0xffffffff);
  g.mov("eax", mem(ref("clock", PAGE.MUL)));
  g.between("multiplier", "eax", 1, 0xffffffff);
  const now = () => {
    const [left, scaled] = [g.unique("left"), g.unique("scaled")];
    g.rdtsc().shl("rdx", 32).or("rax", "rdx").sub("rax", mem(ref("clock", PAGE.TSC)));
    g.movsx("ecx", byte(ref("clock", PAGE.SHIFT))).test("ecx", "ecx").jns(left);
    g.neg("ecx").shr("rax", "cl").jmp(scaled).label(left).shl("rax", "cl").label(scaled);
    g.mov("ebx", mem(ref("clock", PAGE.MUL))).mul("rbx").shr("rax", 32).shl("rdx", 32).or("rax", "rdx");
    g.add("rax", mem(ref("clock", PAGE.TIME)));
  };
  now();
  g.mov(mem(ref("first")), "rax");
  g.delayUs(50_000);
  now();
  g.sub("rax", mem(ref("first"))).mov("rdx", "rax").shr("rdx", 32);
  g.equal("high half of 50 ms", "edx", 0);
  g.between("50 ms in ns", "eax", 49_000_000, 2_000_000_000);
}

/** The programs. */
export const PLATFORM_PROGRAMS: readonly GuestProgram[] = [
  guest("pci-functions", {}, pciFunctions),
  guest("fw-cfg", {}, fwCfg),
  guest("i8042", {}, keyboardController),
  guest("a20", {}, a20),
  guest("kvm-clock", {}, kvmClock),
];
