import assert from "node:assert/strict";
import { mem } from "../testing/asm.ts";
import { kvmTest } from "../testing/kvm.ts";
import { GPR, RFLAGS } from "../x86/state.ts";
import { BLOCKED, EXIT, type Exit, type ExitKind } from "./ops.ts";
import {
  AT,
  type Guest,
  guest,
  type GuestOptions,
  hostProbe,
  setGate64,
  setVector16,
  startState,
} from "./vendor_rig.ts";

/** Every test of registers runs with them in the run page and by requests of their own. */
function bothWays(name: string, fn: (options: GuestOptions) => void): void {
  kvmTest(`${name}, registers in the run page`, { needs: ["SYNC_REGS"] }, () => fn({}));
  kvmTest(`${name}, registers by request`, {}, () => fn({ caps: { syncRegs: false } }));
}

function expectKind(exit: Exit, kind: ExitKind): Exit {
  const name = (value: number) => Object.entries(EXIT).find(([, v]) => v === value)?.[0];
  assert.equal(name(exit.kind), name(kind), `code ${exit.code}, info ${exit.info}`);
  return exit;
}

/** Runs to an IO write of one unit and gives its value. */
function expectOut(g: Guest, port: number): number {
  const exit = expectKind(g.run(), EXIT.IO);
  assert.deepEqual([exit.port, exit.write, exit.count], [port, true, 1]);
  return exit.data.reduceRight((value, byte) => value * 256 + byte, 0);
}

for (const irqchip of ["user", "split", "kernel"] as const) {
  const needs = irqchip === "split"
    ? ["SPLIT_IRQCHIP"] as const
    : irqchip === "kernel"
    ? ["PIT2"] as const
    : [];
  kvmTest(`a machine of each irqchip mode runs a real-mode guest: ${irqchip}`, { needs }, () => {
    using g = guest((a) => a.mov("al", 0x42).out(0x80, "al").hlt(), { irqchip });
    assert.equal(expectOut(g, 0x80), 0x42);
  });
}

bothWays("port writes and reads of every width carry their data", (options) => {
  using g = guest((a) => {
    a.mov("eax", 0x11223344).out(0x80, "al").out(0x81, "ax").out(0x82, "eax");
    a.mov("dx", 0x1234).in("al", 0x90).out("dx", "al").in("ax", 0x91).out("dx", "ax");
    a.in("eax", 0x92).out("dx", "eax").hlt();
  }, options);
  assert.deepEqual([expectOut(g, 0x80), g.exit.width], [0x44, 1]);
  assert.deepEqual([expectOut(g, 0x81), g.exit.width], [0x3344, 2]);
  assert.deepEqual([expectOut(g, 0x82), g.exit.width], [0x11223344, 4]);
  for (const width of [1, 2, 4]) {
    const exit = expectKind(g.run(), EXIT.IO);
    assert.deepEqual([exit.port, exit.width, exit.write, exit.data.length], [
      0x8f + Math.ceil(width / 1.4),
      width,
      false,
      width,
    ]);
    exit.data.set([0xa1, 0xb2, 0xc3, 0xd4].slice(0, width));
    assert.equal(expectOut(g, 0x1234), [0xa1, 0xb2a1, 0, 0xd4c3b2a1][width - 1]);
  }
  expectKind(g.run(), EXIT.HLT);
});

bothWays("string I/O comes with its count, and every unit arrives", (options) => {
  const count = 600;
  using g = guest((a) => {
    a.mov("dx", 0x3f8).mov("si", 0x1000).mov("cx", count).cld().rep().outsb();
    a.mov("di", 0x2000).mov("cx", count).rep().insw().hlt();
  }, options);
  for (let i = 0; i < count; i++) g.ram[0x1000 + i] = i * 7;
  const written: number[] = [];
  let read = 0;
  while (expectKind(g.run(), g.exit.kind).kind === EXIT.IO) {
    assert.deepEqual([g.exit.port, g.exit.data.length], [0x3f8, g.exit.count * g.exit.width]);
    assert.ok(g.exit.count >= 1);
    if (g.exit.write) written.push(...g.exit.data);
    else for (let i = 0; i < g.exit.count; i++, read++) g.exit.data.set([read, read >> 8], 2 * i);
  }
  expectKind(g.exit, EXIT.HLT);
  assert.deepEqual(written, Array.from({ length: count }, (_, i) => i * 7 & 0xff));
  assert.equal(read, count);
  const words = new Uint16Array(g.ram.buffer, g.ram.byteOffset + 0x2000, count);
  assert.deepEqual([...words], Array.from({ length: count }, (_, i) => i));
});

bothWays("memory accesses of every width exit where there is no memory", (options) => {
  using g = guest((a) => {
    a.mov("rbx", 0xd0000010).mov("rax", 0x1122334455667788n);
    a.mov(mem("rbx"), "al").mov(mem("rbx"), "ax").mov(mem("rbx"), "eax").mov(mem("rbx"), "rax");
    a.mov("rcx", mem("rbx")).mov("rax", "rcx").out(0x80, "eax").shr("rax", 32).out(0x80, "eax");
    a.mov("cl", mem("rbx")).mov("al", "cl").out(0x80, "al").hlt();
  }, { ...options, mode: "long" });
  for (const width of [1, 2, 4, 8]) {
    const exit = expectKind(g.run(), EXIT.MMIO);
    assert.deepEqual([exit.gpa, exit.length, exit.write], [0xd0000010, width, true]);
    assert.deepEqual([...exit.data], [0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11].slice(0, width));
  }
  assert.deepEqual([expectKind(g.run(), EXIT.MMIO).length, g.exit.write], [8, false]);
  g.exit.data.set([1, 2, 3, 4, 5, 6, 7, 8]);
  assert.equal(expectOut(g, 0x80), 0x04030201);
  assert.equal(expectOut(g, 0x80), 0x08070605);
  assert.deepEqual([expectKind(g.run(), EXIT.MMIO).length, g.exit.write], [1, false]);
  g.exit.data[0] = 0x5a;
  assert.equal(expectOut(g, 0x80), 0x5a);
});

bothWays(
  "an access in two pieces is finished piece by piece, whoever asks for the state between",
  (options) => {
    using g = guest((a) => {
      a.mov("rbx", 0xd0000ffc).mov("rax", mem("rbx")).mov("rdx", "rax").out(0x80, "eax");
      a.mov("rax", "rdx").shr("rax", 32).out(0x80, "eax").hlt();
    }, { ...options, mode: "long" });
    expectKind(g.run(), EXIT.MMIO);
    assert.deepEqual([g.exit.gpa, g.exit.length], [0xd0000ffc, 4]);
    g.exit.data.set([1, 2, 3, 4]);
    const { rip } = g.ops.readState(g.cpu);
    assert.equal(g.ops.readState(g.cpu).rip, rip);
    expectKind(g.run(), EXIT.MMIO);
    assert.deepEqual([g.exit.gpa, g.exit.length], [0xd0001000, 4]);
    g.exit.data.set([5, 6, 7, 8]);
    assert.equal(expectOut(g, 0x80), 0x04030201);
    assert.equal(expectOut(g, 0x80), 0x08070605);
  },
);

for (const port of [0x80, 0x7e]) {
  bothWays(
    `RIP is behind the OUT once the exit is complete, port ${port.toString(16)}h included`,
    (options) => {
      using g = guest((a) => a.mov("al", 1).out(port, "al").mov("al", 2).out(port, "al").hlt(), options);
      assert.equal(expectOut(g, port), 1);
      assert.equal(g.ops.readState(g.cpu).rip, BigInt(AT.CODE + 4));
      assert.equal(expectOut(g, port), 2);
      expectKind(g.run(), EXIT.HLT);
    },
  );
}

bothWays("the answer to a read is there when the state is read", (options) => {
  using g = guest((a) => a.in("al", 0x60).hlt(), options);
  expectKind(g.run(), EXIT.IO);
  g.exit.data[0] = 0x99;
  assert.equal(g.ops.readState(g.cpu).gpr[GPR.RAX]! & 0xffn, 0x99n);
  expectKind(g.run(), EXIT.HLT);
});

bothWays("the state written is the state read, in every mode", (options) => {
  for (const mode of ["real", "flat", "long"] as const) {
    using g = guest((a) => a.hlt(), { ...options, mode });
    const state = startState(mode);
    state.gpr.forEach((_, i) => state.gpr[i] = BigInt(i + 1) * 0x1111n);
    state.ds = { ...state.ds, base: mode === "long" ? 0n : 0x1230n, limit: 0xffff, granular: false };
    state.fs = { ...state.fs, base: 0x45670n };
    state.cr2 = 0xdead000n;
    state.idt = { base: 0x1000n, limit: 0x3ff };
    g.ops.writeState(g.cpu, state);
    assert.deepEqual(g.ops.readState(g.cpu), state);
    expectKind(g.run(), EXIT.HLT);
    const after = g.ops.readState(g.cpu);
    // Processors differ in what the type of CS is in real mode, where it has no meaning.
    const cs = mode === "real" ? state.cs : after.cs;
    assert.deepEqual({ ...after, cs, rip: after.rip - 1n }, state);
    assert.equal(g.ops.realMode(g.cpu), mode === "real");
    assert.equal(g.ops.pagingEnabled(g.cpu), mode === "long");
  }
});

bothWays("a state written after an exit replaces what the exit had left to do", (options) => {
  using g = guest((a) => {
    a.mov("rbx", 0xd0000ffc).mov("rax", mem("rbx")).hlt();
    a.label("second").mov("al", 7).out(0x81, "al").hlt();
  }, { ...options, mode: "long" });
  expectKind(g.run(), EXIT.MMIO);
  g.ops.writeState(g.cpu, { ...startState("long"), rip: BigInt(g.labels.addressOf("second")!) });
  assert.equal(expectOut(g, 0x81), 7);
});

bothWays("skipInstruction moves past an instruction and no further", (options) => {
  using g = guest((a) => {
    a.out(0x80, "al").label("skipped").db(0x0f, 0x0b).mov("al", 3).out(0x80, "al").hlt();
  }, options);
  expectOut(g, 0x80);
  g.ops.skipInstruction(g.cpu, 2);
  assert.equal(g.ops.fast(g.cpu).rip, BigInt(g.labels.addressOf("skipped")! + 2));
  assert.equal(expectOut(g, 0x80), 3);
});

/** Loops in real mode with interrupts on; handlers of vectors 20h and 2 write 20h and 2 to port 80h. */
function interruptGuest(options: GuestOptions): Guest {
  const g = guest((a) => {
    a.sti().label("idle").hlt().jmp("idle");
    a.label("irq").mov("al", 0x20).out(0x80, "al").iretw();
    a.label("nmi").mov("al", 2).out(0x80, "al").iretw();
    a.label("ud").mov("al", 6).out(0x80, "al").iretw();
  }, options);
  setVector16(g, 0x20, "irq");
  setVector16(g, 2, "nmi");
  setVector16(g, 6, "ud");
  return g;
}

bothWays("an interrupt goes in with the registers or by request", (options) => {
  using g = interruptGuest(options);
  expectKind(g.run(), EXIT.HLT);
  for (let i = 0; i < 3; i++) {
    assert.equal(g.ops.fast(g.cpu).readyForInterrupt, true);
    assert.equal(g.ops.fast(g.cpu).interruptsEnabled, true);
    assert.equal(g.ops.blocked(g.cpu, "interrupt"), 0);
    g.ops.inject(g.cpu, { kind: "interrupt", vector: 0x20 });
    assert.equal(g.ops.fast(g.cpu).readyForInterrupt, false);
    assert.equal(g.ops.blocked(g.cpu, "interrupt"), BLOCKED.PENDING);
    assert.equal(expectOut(g, 0x80), 0x20);
    assert.equal(g.ops.blocked(g.cpu, "interrupt"), BLOCKED.FLAGS);
    expectKind(g.run(), EXIT.HLT);
  }
});

bothWays("the interrupt window opens after STI and its shadow, not before", (options) => {
  using g = guest((a) => {
    a.cli().out(0x80, "al").nop().sti().nop().label("open").nop().jmp("open");
    a.label("irq").hlt();
  }, options);
  setVector16(g, 0x20, "irq");
  expectOut(g, 0x80);
  assert.equal(g.ops.fast(g.cpu).readyForInterrupt, false);
  assert.equal(g.ops.blocked(g.cpu, "interrupt"), BLOCKED.FLAGS);
  g.ops.requestWindow(g.cpu, true);
  expectKind(g.run(), EXIT.INTERRUPT_WINDOW);
  g.ops.requestWindow(g.cpu, false);
  const beyond = Number(g.ops.fast(g.cpu).rip) - g.labels.addressOf("open")!;
  // See the quirk pvm-late-events: there it is somewhere in the loop.
  if (hostProbe().vendor === "pvm") assert.ok(beyond >= 0 && beyond <= 2, `${beyond}`);
  else assert.equal(beyond, 0);
  assert.equal(g.ops.fast(g.cpu).readyForInterrupt, true);
  g.ops.inject(g.cpu, { kind: "interrupt", vector: 0x20 });
  expectKind(g.run(), EXIT.HLT);
  assert.equal(g.ops.fast(g.cpu).rip, BigInt(g.labels.addressOf("irq")! + 1));
});

bothWays("an NMI gets in with interrupts off, and a second one waits for IRET", (options) => {
  using g = guest((a) => {
    a.mov("bx", 2).cli().out(0x81, "al").sti().label("again").or("bx", "bx").jnz("again").out(0x82, "al")
      .hlt();
    a.label("nmi").mov("al", 2).out(0x80, "al").mov("al", 3).out(0x80, "al").dec("bx").iretw();
  }, options);
  setVector16(g, 2, "nmi");
  expectOut(g, 0x81);
  assert.equal(g.ops.blocked(g.cpu, "nmi"), 0);
  g.ops.inject(g.cpu, { kind: "nmi" });
  assert.equal(expectOut(g, 0x80), 2);
  assert.equal(g.ops.blocked(g.cpu, "nmi") & BLOCKED.NMI, BLOCKED.NMI);
  g.ops.inject(g.cpu, { kind: "nmi" });
  assert.equal(expectOut(g, 0x80), 3);
  assert.equal(expectOut(g, 0x80), 2);
  assert.equal(expectOut(g, 0x80), 3);
  // To its end: the VT-x lab's processor takes blocked NMIs along into the next machine.
  expectOut(g, 0x82);
  assert.equal(g.ops.blocked(g.cpu, "nmi"), 0);
});

bothWays("an exception is delivered with its error code", (options) => {
  using g = guest((a) => {
    a.mov("al", 1).out(0x80, "al").hlt();
    a.label("gp").pop("rax").out(0x81, "eax").hlt();
  }, { ...options, mode: "long" });
  setGate64(g, 13, "gp");
  expectOut(g, 0x80);
  g.ops.inject(g.cpu, { kind: "exception", vector: 13, errorCode: 0x1230 });
  assert.equal(g.ops.blocked(g.cpu, "exception"), BLOCKED.PENDING);
  assert.equal(expectOut(g, 0x81), 0x1230);
});

bothWays("an exception without an error code finds its handler", (options) => {
  using g = interruptGuest(options);
  expectKind(g.run(), EXIT.HLT);
  g.ops.inject(g.cpu, { kind: "exception", vector: 6 });
  assert.equal(expectOut(g, 0x80), 6);
});

bothWays("CR8 goes in and out through the run page", (options) => {
  using g = guest((a) => {
    a.mov("rax", "cr8").out(0x80, "al").mov("eax", 9).mov("cr8", "rax").out(0x80, "al").hlt();
  }, { ...options, mode: "long" });
  g.ops.setCr8(g.cpu, 5);
  assert.equal(expectOut(g, 0x80), 5);
  assert.equal(expectOut(g, 0x80), 9);
  assert.equal(g.ops.fast(g.cpu).cr8, 9);
  assert.equal(g.ops.readState(g.cpu).cr8, 9n);
  g.ops.writeState(g.cpu, { ...g.ops.readState(g.cpu), cr8: 3n });
  expectKind(g.run(), EXIT.HLT);
  assert.equal(g.ops.readState(g.cpu).cr8, 3n);
});

bothWays("the APIC base goes in and comes out", (options) => {
  using g = guest((a) => a.mov("ecx", 0x1b).rdmsr().out(0x80, "eax").hlt(), options);
  g.ops.setApicBase(g.cpu, 0xfed00900n);
  assert.equal(expectOut(g, 0x80), 0xfed00900);
  assert.equal(g.ops.fast(g.cpu).apicBase, 0xfed00900n);
});

bothWays("MSRs are read and written, also right after registers", (options) => {
  using g = guest((a) => a.hlt(), { ...options, mode: "long" });
  const LSTAR = 0xc0000082;
  const EFER = 0xc0000080;
  assert.equal(g.ops.writeMsr(g.cpu, LSTAR, 0xffffffff81234567n), true);
  assert.equal(g.ops.readMsr(g.cpu, LSTAR), 0xffffffff81234567n);
  assert.equal(g.ops.readMsr(g.cpu, EFER), 0x500n);
  assert.equal(g.ops.readMsr(g.cpu, 0x7fffffff), undefined);
  assert.equal(g.ops.writeMsr(g.cpu, 0x7fffffff, 0n), false);
});

bothWays("a triple fault is a shutdown", (options) => {
  using g = guest((a) => a.lidt(mem(0x500)).ud2(), { ...options, mode: "flat" });
  expectKind(g.run(), EXIT.SHUTDOWN);
});

bothWays("the bytes of an instruction are read from memory when the exit has none", (options) => {
  using g = guest(
    (a) => a.zero(0x1000 - 4).out(0x80, "al").db(0xf4, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
    {
      ...options,
      mode: "long",
    },
  );
  g.ops.writeState(g.cpu, { ...startState("long"), rip: BigInt(AT.CODE + 0xffc) });
  expectOut(g, 0x80);
  g.ops.readState(g.cpu);
  assert.deepEqual([...g.ops.instructionBytes(g.cpu)], [0xf4, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
  assert.equal(g.ops.instructionLength(g.cpu), 0);
  g.ops.writeState(g.cpu, { ...startState("long"), rip: 0x7fff_0000_0000n });
  assert.equal(g.ops.instructionBytes(g.cpu).length, 0);
});

bothWays("kickSelf ends the next run once", (options) => {
  using g = guest((a) => a.mov("al", 1).out(0x80, "al").jmp("end").label("end").hlt(), options);
  g.ops.kickSelf(g.cpu);
  expectKind(g.run(), EXIT.INTERRUPTED);
  assert.equal(expectOut(g, 0x80), 1);
  g.ops.kickSelf(g.cpu);
  g.ops.readState(g.cpu);
  expectKind(g.run(), EXIT.INTERRUPTED);
  assert.equal(g.ops.fast(g.cpu).rip, BigInt(AT.CODE + 4));
  expectKind(g.run(), EXIT.HLT);
});

bothWays("a guest with flags set keeps them through exits", (options) => {
  using g = guest((a) => a.mov("ax", 0x7fff).add("ax", 1).out(0x80, "al").hlt(), options);
  expectOut(g, 0x80);
  const flags = Number(g.ops.readState(g.cpu).rflags);
  assert.equal(flags & (RFLAGS.OF | RFLAGS.SF), RFLAGS.OF | RFLAGS.SF);
  assert.equal(flags & RFLAGS.CF, 0);
});

kvmTest("a run with a state KVM refuses ends with an error number", { needs: ["SYNC_REGS"] }, () => {
  using g = guest((a) => a.hlt());
  g.ops.writeState(g.cpu, { ...startState("long"), efer: 0n, cr4: 0x8000_0000_0000n });
  const exit = expectKind(g.run(), EXIT.INTERNAL_ERROR);
  assert.equal(exit.code, -22);
  g.ops.writeState(g.cpu, startState("real"));
  expectKind(g.run(), EXIT.HLT);
});
