import assert from "node:assert/strict";
import { ioctlError } from "../kvm/advice.ts";
import { MP_STATE } from "../kvm/abi.ts";
import { getMpState, setMpState } from "../kvm/vcpu_state.ts";
import { setGsiRouting } from "../kvm/vm_extras.ts";
import { monotonicNs } from "../sys/timers.ts";
import { type Asm, dword, mem } from "../testing/asm.ts";
import { kvmTest } from "../testing/kvm.ts";
import { pcRoutes } from "./kvm_machine.ts";
import { getLapic, setLapic } from "./kvm_shared.ts";
import { EXIT, type Exit } from "./ops.ts";
import { type Guest, guest, setGate64, setVector16 } from "./vendor_rig.ts";

const LAPIC = 0xfee00000;
const SPURIOUS = 0xf0;
const EOI = 0xb0;
const LVT_LINT0 = 0x350;

/** Runs until the guest writes a port, giving up after two seconds. */
function untilIo(g: Guest): Exit {
  const end = monotonicNs() + 2e9;
  g.cpu.kick.setAlarm(end);
  for (;;) {
    const exit = g.run();
    if (exit.kind === EXIT.IO || exit.kind === EXIT.EOI) return exit;
    if (exit.kind === EXIT.INTERRUPTED) g.cpu.kick.take();
    assert.ok(monotonicNs() < end, `no port write, last exit ${exit.kind} code ${exit.code}`);
  }
}

/** Switches the local APIC on and waits with interrupts on; the handler of vector 41h reports it and ends it. */
function apicProgram(a: Asm): void {
  a.mov("rbx", LAPIC);
  a.mov(dword(mem("rbx", SPURIOUS)), 0x1ff).mov("al", 1).out(0x80, "al").sti();
  a.label("idle").hlt().jmp("idle");
  a.label("irq").mov("al", 0x41).out(0x81, "al").mov("rbx", LAPIC).mov(dword(mem("rbx", EOI)), 0).iretq();
}

kvmTest(
  "split: a message reaches KVM's APIC and wakes the guest from HLT",
  { needs: ["SPLIT_IRQCHIP"] },
  () => {
    using g = guest(apicProgram, { mode: "long", irqchip: "split" });
    setGate64(g, 0x41, "irq");
    assert.equal(untilIo(g).port, 0x80);
    for (let i = 0; i < 3; i++) {
      assert.equal(g.machine.vm.signalMsi(LAPIC, 0x41), true);
      assert.equal(untilIo(g).port, 0x81);
    }
    // A message to a processor that is not there.
    assert.equal(g.machine.vm.signalMsi(LAPIC | 7 << 12, 0x41), false);
  },
);

kvmTest(
  "split: the end of a level interrupt that a route names is an exit",
  { needs: ["SPLIT_IRQCHIP"] },
  () => {
    using g = guest(apicProgram, { mode: "long", irqchip: "split" });
    setGate64(g, 0x41, "irq");
    setGsiRouting(g.machine.vm, [{ gsi: 5, address: LAPIC, data: 0x41 | 1 << 15 | 1 << 14 }]);
    assert.equal(untilIo(g).port, 0x80);
    g.machine.vm.signalMsi(LAPIC, 0x41 | 1 << 15 | 1 << 14);
    assert.equal(untilIo(g).port, 0x81);
    const exit = untilIo(g);
    assert.deepEqual([exit.kind, exit.code], [EXIT.EOI, 0x41]);
  },
);

kvmTest(
  "split: a vector of the PIC goes in by hand while LINT0 takes it",
  { needs: ["SPLIT_IRQCHIP"] },
  () => {
    using g = guest((a) => {
      a.mov("rbx", LAPIC).mov(dword(mem("rbx", SPURIOUS)), 0x1ff).mov(dword(mem("rbx", LVT_LINT0)), 0x700);
      a.sti().mov("al", 1).out(0x80, "al").label("idle").jmp("idle");
      a.label("irq").mov("al", 0x30).out(0x81, "al").iretq();
    }, { mode: "long", irqchip: "split" });
    setGate64(g, 0x30, "irq");
    assert.equal(untilIo(g).port, 0x80);
    if (!g.ops.fast(g.cpu).readyForInterrupt) {
      g.ops.requestWindow(g.cpu, true);
      g.run();
      g.ops.requestWindow(g.cpu, false);
    }
    assert.equal(g.ops.fast(g.cpu).readyForInterrupt, true);
    g.ops.inject(g.cpu, { kind: "interrupt", vector: 0x30 });
    assert.equal(untilIo(g).port, 0x81);
  },
);

kvmTest("kernel: a line reaches the PIC, and the timer ticks", { needs: ["PIT2"] }, () => {
  using g = guest((a) => {
    // ICW1 to ICW4: edge, vectors from 20h, slave on 2, 8086 mode; mask all but line 5.
    a.mov("al", 0x11).out(0x20, "al").mov("al", 0x20).out(0x21, "al").mov("al", 4).out(0x21, "al");
    a.mov("al", 1).out(0x21, "al").mov("al", 0xdf).out(0x21, "al");
    a.sti().mov("al", 1).out(0x80, "al").label("idle").hlt().jmp("idle");
    a.label("irq").mov("al", 0x20).out(0x20, "al").mov("al", 5).out(0x81, "al");
    // Counter 0 in mode 2 at about 1 kHz, and unmask line 0.
    a.mov("al", 0x34).out(0x43, "al").mov("al", 0xa9).out(0x40, "al").mov("al", 0x04).out(0x40, "al");
    a.mov("al", 0xfe).out(0x21, "al").iretw();
    a.label("tick").mov("al", 0x20).out(0x20, "al").out(0x82, "al").iretw();
  }, { irqchip: "kernel" });
  setVector16(g, 0x25, "irq");
  setVector16(g, 0x20, "tick");
  assert.equal(untilIo(g).port, 0x80);
  g.machine.vm.irqLine(5, true);
  assert.equal(untilIo(g).port, 0x81);
  g.machine.vm.irqLine(5, false);
  for (let i = 0; i < 3; i++) assert.equal(untilIo(g).port, 0x82);
});

kvmTest("kernel: line 0 arrives at pin 2 of the IOAPIC", { needs: ["PIT2"] }, () => {
  const IOAPIC = 0xfec00000;
  using g = guest((a) => {
    a.mov("rbx", LAPIC).mov(dword(mem("rbx", SPURIOUS)), 0x1ff).mov("rdx", IOAPIC);
    a.mov(dword(mem("rdx")), 0x14).mov(dword(mem("rdx", 0x10)), 0x41); // redirection entry 2, low half
    // The PIC has the line too, and nobody has given it vectors.
    a.mov("al", 0xff).out(0x21, "al").sti().mov("al", 1).out(0x80, "al").label("idle").hlt().jmp("idle");
    a.label("irq").mov("al", 2).out(0x81, "al").hlt();
  }, { mode: "long", irqchip: "kernel" });
  setGate64(g, 0x41, "irq");
  assert.equal(untilIo(g).port, 0x80);
  g.machine.vm.irqLine(0, true);
  assert.equal(untilIo(g).port, 0x81);
});

kvmTest("KVM's APIC page is read and written", { needs: ["SPLIT_IRQCHIP"] }, () => {
  using g = guest(apicProgram, { mode: "long", irqchip: "split" });
  assert.equal(untilIo(g).port, 0x80);
  const page = getLapic(g.cpu);
  const words = new DataView(page.buffer);
  assert.equal(words.getUint32(SPURIOUS, true), 0x1ff);
  words.setUint32(0x80, 0x30, true); // TPR
  setLapic(g.cpu, page);
  assert.equal(new DataView(getLapic(g.cpu).buffer).getUint32(0x80, true), 0x30);
});

for (const irqchip of ["split", "kernel"] as const) {
  kvmTest(`KVM's own APIC delivers TSC-deadline interrupts and NMIs: ${irqchip}`, {
    needs: ["SPLIT_IRQCHIP", "PIT2", "TSC_DEADLINE_TIMER"],
  }, () => {
    using g = guest((a) => {
      a.mov("rbx", LAPIC).mov(dword(mem("rbx", SPURIOUS)), 0x1ff);
      a.mov(dword(mem("rbx", 0x320)), 0x40041).mfence(); // LVT timer: TSC-deadline, vector 41h
      a.label("again").sti().rdtsc().add("eax", 20000).adc("edx", 0).mov("ecx", 0x6e0).wrmsr();
      a.label("idle").hlt().jmp("idle");
      a.label("irq").out(0x81, "al").mov(dword(mem("rbx", EOI)), 0).mov("rsp", 0x7000).jmp("again");
      a.label("nmi").out(0x82, "al").iretq();
    }, {
      mode: "long",
      irqchip,
      cpuid: (supported) =>
        supported.map((leaf) => leaf.leaf === 1 ? { ...leaf, ecx: (leaf.ecx | 1 << 24) >>> 0 } : leaf),
    });
    setGate64(g, 0x41, "irq");
    setGate64(g, 2, "nmi");
    let ticks = 0;
    let nmis = 0;
    let port = 0;
    // It ends outside the NMI handler: the VT-x lab's processor takes blocked NMIs along into the next machine.
    while (ticks < 300 || nmis < 29 || port === 0x82) {
      port = untilIo(g).port;
      if (port === 0x82) nmis++;
      else if (++ticks % 10 === 0) g.ops.inject(g.cpu, { kind: "nmi" });
    }
  });
}

kvmTest("without an APIC in KVM a processor is runnable and nothing else", {}, () => {
  using g = guest((a) => a.hlt());
  assert.equal(getMpState(g.cpu.vcpu), MP_STATE.RUNNABLE);
  setMpState(g.cpu.vcpu, MP_STATE.RUNNABLE);
  assert.throws(() => setMpState(g.cpu.vcpu, MP_STATE.HALTED), { name: "HostError", errno: "EINVAL" });
  assert.match(ioctlError("SET_MP_STATE", 22).message, /KVM_SET_MP_STATE.*EINVAL/);
});

Deno.test("the routes of a PC lead every line to PIC and IOAPIC, line 0 to pin 2", () => {
  const routes = pcRoutes() as { gsi: number; irqchip: number; pin: number }[];
  const to = (irqchip: number, gsi: number) =>
    routes.filter((r) => r.irqchip === irqchip && r.gsi === gsi).map((r) => r.pin);
  assert.deepEqual([to(0, 0), to(0, 7), to(1, 8), to(1, 15), to(0, 2)], [[0], [7], [0], [7], []]);
  assert.deepEqual([to(2, 0), to(2, 1), to(2, 2), to(2, 23)], [[2], [1], [], [23]]);
});
