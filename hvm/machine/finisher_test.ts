import assert from "node:assert/strict";
import { Trace } from "../base/trace.ts";
import { allocateGuestRam, releaseGuestRam } from "../host/guest_ram.ts";
import { Bus } from "../io/bus.ts";
import { GUESTDBG } from "../kvm/abi.ts";
import { bytesAt } from "../sys/memory.ts";
import { monotonicNs } from "../sys/timers.ts";
import { type Asm, byte, dword, mem, word } from "../testing/asm.ts";
import { kvmTest } from "../testing/kvm.ts";
import { setDebug } from "../vendor/kvm_shared.ts";
import { EXIT } from "../vendor/ops.ts";
import { AT, type Guest, guest } from "../vendor/vendor_rig.ts";
import type { CpuState } from "../x86/state.ts";
import { Finisher } from "./finisher.ts";

const DATA = 0x30000;
const MORE_STEPS = 64;
const GUARD_NS = 300e9;

/** Two machines with the same program: KVM steps one, the other one's instructions are finished, all of them. */
function sideBySide(mode: "real" | "flat" | "long", write: (a: Asm) => void) {
  const ram = allocateGuestRam(AT.RAM_END, 0);
  const memory = { bytes: bytesAt(ram.address, AT.RAM_END), address: ram.address };
  const program = (a: Asm) => (write(a), a.label("end").hlt());
  const finished = guest(program, { mode, memory });
  const trace = new Trace();
  const finisher = new Finisher({
    ops: finished.ops,
    cpu: finished.cpu,
    ram,
    ports: new Bus("port", 0x10000),
    memoryIo: new Bus("memory", 2 ** 52),
    trace,
    components: [],
    run: 1,
  });
  const stepped = guest(program, { mode });
  // The rig's guard is too short for a software host, where the finisher alone takes ten seconds to be made.
  stepped.cpu.kick.setAlarm(monotonicNs() + GUARD_NS);
  setDebug(stepped.cpu, GUESTDBG.ENABLE | GUESTDBG.SINGLESTEP);
  return {
    stepped,
    finished,
    finisher,
    trace,
    [Symbol.dispose]() {
      stepped[Symbol.dispose]();
      finished[Symbol.dispose]();
      releaseGuestRam(ram);
    },
  };
}

/** What is compared: all but the accessed bits of hidden parts, and RF and TF, which stepping itself uses. */
function shown({ gpr, rip, rflags, cs, ss, ds, es, cr0, cr2, cr3, cr4, efer }: CpuState): unknown {
  const part = ({ selector, base, limit }: CpuState["cs"]) => ({ selector, base, limit });
  const segments = [cs, ss, ds, es].map(part);
  return { gpr: [...gpr], rip, rflags: rflags & ~0x10100n, segments, cr0, cr2, cr3, cr4, efer };
}

/** Steps until the program counter moves: a repeated instruction may stop after each turn. */
function advance(g: Guest, step: () => void): CpuState {
  const before = g.ops.readState(g.cpu).rip;
  for (let i = 0; i < MORE_STEPS; i++) {
    step();
    const state = g.ops.readState(g.cpu);
    if (state.rip !== before) return state;
  }
  return g.ops.readState(g.cpu);
}

/** Programs of instructions that KVM has on every host; where flags are undefined they are set anew. */
const PROGRAMS: readonly { name: string; mode: "real" | "flat" | "long"; write: (a: Asm) => unknown }[] = [
  {
    name: "arithmetic in real mode",
    mode: "real",
    write: (a) =>
      a.mov("ax", 0x7fff).add("ax", 1).mov("bx", "ax").sub("bx", 0x1234).adc("bx", 0).xor("cx", "cx").dec(
        "cx",
      )
        .inc("ax").cmp("ax", "bx").push("ax").push("bx").pop("cx").pop("dx").shl("dx", 1).and("cx", 0xff0)
        .or("cx", 0x8001).test("cx", 1),
  },
  {
    name: "segments and memory in real mode",
    mode: "real",
    write: (a) =>
      a.mov("ax", DATA >> 4).mov("ds", "ax").mov("es", "ax").mov("bx", 0x100).mov(word("bx"), 0x1234)
        .mov("ax", mem("bx")).mov(byte("bx", 2), 0x56).add(word("bx"), 1).mov("di", 0x200).mov("cx", 5).rep()
        .stosb().mov("si", 0x100).mov("cx", 3).rep().movsb(),
  },
  {
    name: "calls and jumps in 32-bit mode",
    mode: "flat",
    write: (a) =>
      a.mov("eax", 5).call("double").call("double").mov("ecx", 3).label("again").add("eax", "ecx").dec("ecx")
        .jnz("again").cmp("eax", 26).jz("end").label("double").add("eax", "eax").ret(),
  },
  {
    name: "memory and flags in 64-bit mode",
    mode: "long",
    write: (a) =>
      a.mov("rax", 0x8000_0000_0000_0000n).add("rax", "rax").mov("rbx", DATA).mov(dword("rbx"), 0xdeadbeef)
        .mov("ecx", mem("rbx")).stc().mov("r9", "rbx").add("r9", 8).mov(
          mem("r9"),
          "rcx",
        )
        .xchg("rax", "rcx").neg("rax").not("rcx").push("rax").pop("r8").movzx("edx", byte("rbx"))
        .cmp("edx", 0xef).setz("al").lea("rdi", mem("rbx", 64)).mov("ecx", 4).rep().stosb(),
  },
];

for (const { name, mode, write } of PROGRAMS) {
  kvmTest(`every instruction finished leaves what KVM's single step leaves: ${name}`, {}, () => {
    using pair = sideBySide(mode, (a) => void write(a));
    const { stepped, finished, finisher } = pair;
    const end = BigInt(stepped.labels.addressOf("end")!);
    let steps = 0;
    for (let at = -1n; at !== end; steps++) {
      assert.ok(steps < 200, "the program does not come to its end");
      const one = advance(stepped, () => {
        // The VT-x lab's processor traps once before its first step.
        assert.equal(stepped.run().kind, EXIT.DEBUG);
      });
      const other = advance(finished, () => assert.deepEqual(finisher.finish(), { kind: "done" }));
      assert.deepEqual(shown(other), shown(one), `after step ${steps}`);
      at = one.rip;
    }
    assert.ok(steps > 10, `${steps} steps`);
    const data = (g: Guest) => g.ram.slice(DATA, DATA + 0x1000);
    assert.deepEqual(data(finished), data(stepped));
  });
}
