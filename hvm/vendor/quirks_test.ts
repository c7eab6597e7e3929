import assert from "node:assert/strict";
import { GUESTDBG } from "../kvm/abi.ts";
import { type Asm, mem, qword } from "../testing/asm.ts";
import { kvmMissing, kvmTest } from "../testing/kvm.ts";
import { CR0, CR4, GPR } from "../x86/state.ts";
import { setDebug } from "./kvm_shared.ts";
import { EXIT, type Exit, type ExitKind } from "./ops.ts";
import { QUIRKS, quirksOf } from "./quirks.ts";
import {
  AT,
  type Guest,
  guest,
  type GuestOptions,
  hostProbe,
  setGate64,
  setVector16,
  startState,
  userState,
} from "./vendor_rig.ts";

const vendor = kvmMissing() === undefined ? hostProbe().vendor : undefined;

function expectKind(exit: Exit, kind: ExitKind): Exit {
  assert.equal(exit.kind, kind, `code ${exit.code}, info ${exit.info}`);
  return exit;
}

kvmTest("a filtered MSR is answered, faulted and written", { needs: ["X86_MSR_FILTER"] }, () => {
  using g = guest((a) => {
    a.mov("ecx", 0x40000123).rdmsr().out(0x80, "eax").mov("eax", 0x55).mov("edx", 0x66).wrmsr();
    a.out(0x81, "al").rdmsr().out(0x82, "al").wrmsr().out(0x83, "al").hlt();
    a.label("gp").mov("al", 13).out(0x84, "al").add("rsp", 8).add(qword(mem("rsp")), 2).iretq();
  }, { mode: "long", msrExits: [{ base: 0x40000100, count: 0x100, read: true, write: true }] });
  setGate64(g, 13, "gp");
  assert.equal(expectKind(g.run(), EXIT.MSR_READ).msr, 0x40000123);
  g.exit.value = 0x1_0000_0042n;
  expectKind(g.run(), EXIT.IO);
  assert.deepEqual([g.exit.port, ...g.exit.data], [0x80, 0x42, 0, 0, 0]);
  expectKind(g.run(), EXIT.MSR_WRITE);
  assert.deepEqual([g.exit.msr, g.exit.value], [0x40000123, 0x6600000055n]);
  assert.equal(expectKind(g.run(), EXIT.IO).port, 0x81);
  expectKind(g.run(), EXIT.MSR_READ);
  g.exit.fault = true;
  assert.equal(expectKind(g.run(), EXIT.IO).port, 0x84);
  assert.equal(expectKind(g.run(), EXIT.IO).port, 0x82);
  expectKind(g.run(), EXIT.MSR_WRITE);
  g.exit.fault = true;
  assert.equal(expectKind(g.run(), EXIT.IO).port, 0x84);
  assert.equal(expectKind(g.run(), EXIT.IO).port, 0x83);
});

kvmTest(
  "an MSR answer is kept when the state is read before the next run",
  { needs: ["X86_MSR_FILTER"] },
  () => {
    using g = guest((a) => a.mov("ecx", 0x40000123).rdmsr().hlt(), {
      msrExits: [{ base: 0x40000123, count: 1, read: true, write: true }],
    });
    expectKind(g.run(), EXIT.MSR_READ);
    g.exit.value = 0x7_0000_0009n;
    const { gpr } = g.ops.readState(g.cpu);
    assert.deepEqual([gpr[GPR.RAX], gpr[GPR.RDX]], [9n, 7n]);
    expectKind(g.run(), EXIT.HLT);
  },
);

kvmTest("x2APIC registers exit when MSR exits are on", { needs: ["X86_MSR_FILTER"] }, () => {
  using g = guest((a) => {
    a.mov("ecx", 0x1b).mov("eax", 0xfee00d00).xor("edx", "edx").wrmsr().mov("ecx", 0x802).rdmsr();
    a.out(0x80, "al").hlt();
  }, {
    msrExits: [],
    cpuid: (supported) =>
      supported.map((leaf) => leaf.leaf === 1 ? { ...leaf, ecx: (leaf.ecx | 1 << 21) >>> 0 } : leaf),
  });
  assert.equal(expectKind(g.run(), EXIT.MSR_READ).msr, 0x802);
  g.exit.value = 3n;
  assert.equal(expectKind(g.run(), EXIT.IO).data[0], 3);
});

kvmTest("the other vendor's hypercall instruction faults and stays as it is", {
  needs: ["DISABLE_QUIRKS2"],
}, () => {
  using g = guest((a) => {
    a.label("call").db(0x0f, 0x01, vendor === "vmx" ? 0xd9 : 0xc1).hlt();
    a.label("ud").mov("al", 6).out(0x80, "al").hlt();
  });
  setVector16(g, 6, "ud");
  const before = g.ram.slice(AT.CODE, AT.CODE + 4);
  expectKind(g.run(), EXIT.IO);
  assert.deepEqual(g.ram.slice(AT.CODE, AT.CODE + 4), before);
});

kvmTest("single steps come as debug exits with the program counter", {}, () => {
  using g = guest((a) => a.nop().nop().nop().hlt());
  setDebug(g.cpu, GUESTDBG.ENABLE | GUESTDBG.SINGLESTEP);
  const seen: number[] = [];
  for (let i = 0; i < 3; i++) {
    assert.equal(expectKind(g.run(), EXIT.DEBUG).code, 1);
    seen.push(g.exit.gpa - AT.CODE);
  }
  // The VT-x lab's processor traps once before its first step.
  assert.ok(["1,2,3", "0,1,2"].includes(seen.join()), seen.join());
  setDebug(g.cpu, 0);
  expectKind(g.run(), EXIT.HLT);
});

kvmTest("code where there is no memory ends the run with an internal error", {}, () => {
  using g = guest((a) => a.mov("rax", 0xd0000000).jmp("rax"), { mode: "long" });
  assert.equal(expectKind(g.run(), EXIT.INTERNAL_ERROR).code, 1);
});

kvmTest("an instruction KVM cannot emulate ends the run with its bytes", { only: "pvm" }, () => {
  using g = guest((a) => a.mov("eax", 0xff).db(0xf3, 0x0f, 0xb8, 0xc0).hlt(), { mode: "long" }); // popcnt eax, eax
  const exit = expectKind(g.run(), EXIT.INTERNAL_ERROR);
  assert.equal(exit.code, 1);
  assert.deepEqual([...exit.bytes.subarray(0, 4)], [0xf3, 0x0f, 0xb8, 0xc0]);
  assert.deepEqual([...g.ops.instructionBytes(g.cpu).subarray(0, 4)], [0xf3, 0x0f, 0xb8, 0xc0]);
  g.ops.skipInstruction(g.cpu, 4);
  expectKind(g.run(), EXIT.HLT);
});

kvmTest("32-bit paging does not run without hardware virtualization", { only: "pvm" }, () => {
  using g = guest((a) => a.out(0x80, "al").hlt(), { mode: "flat" });
  const state = startState("flat");
  state.cr0 |= BigInt(CR0.PG);
  state.cr4 |= BigInt(CR4.PSE);
  state.cr3 = 0x30000n;
  new DataView(g.ram.buffer, g.ram.byteOffset).setUint32(0x30000, 0x87, true);
  g.ops.writeState(g.cpu, state);
  assert.notEqual(g.run().kind, EXIT.IO);
});

kvmTest("LZCNT runs as BSR without hardware virtualization", { only: "pvm" }, () => {
  using g = guest((a) => a.mov("eax", 1).db(0xf3, 0x0f, 0xbd, 0xc0).out(0x80, "al").hlt(), { mode: "long" });
  assert.equal(expectKind(g.run(), EXIT.IO).data[0], 0); // LZCNT says 31
});

kvmTest(
  "the host's features shine through CPUID without hardware virtualization",
  { only: "pvm" },
  () => {
    using g = guest(
      (a) => a.mov("eax", 1).xor("ecx", "ecx").cpuid().mov("eax", "edx").out(0x80, "eax").hlt(),
      {
        mode: "long",
        cpuid: (supported) => supported.map((leaf) => leaf.leaf === 1 ? { ...leaf, ecx: 0, edx: 0 } : leaf),
      },
    );
    const [b0, b1, b2, b3] = expectKind(g.run(), EXIT.IO).data;
    assert.notEqual(b0! | b1! | b2! | b3!, 0);
  },
);

kvmTest("supervisor code runs, slowly, and says so in the facts", { only: "pvm" }, () => {
  const { caps, reason } = hostProbe();
  assert.equal(caps.stockGuests, false);
  assert.match(reason, /^engine kvm \(pvm\): .*; it has no path for the system calls/);
  using g = guest((a) => a.mov("ecx", 20000).label("again").dec("ecx").jnz("again").hlt(), { mode: "long" });
  expectKind(g.run(), EXIT.HLT);
});

/** User code at `user`; ring 0 reports the vector on port 80h and the code segment it came from on port 81h. */
function ringGuest(program: (a: Asm) => void, options: GuestOptions = {}): Guest {
  const g = guest((a) => {
    program(a);
    for (const vector of [1, 6, 13, 14]) {
      a.label(`trap${vector}`).mov("al", vector).out(0x80, "al");
      // An error code lies under RIP and CS for 13 and 14.
      a.mov("rax", mem("rsp", vector >= 13 ? 16 : 8)).out(0x81, "al").hlt();
    }
  }, { ...options, mode: "long" });
  for (const vector of [1, 6, 13, 14]) setGate64(g, vector, `trap${vector}`);
  g.ops.writeState(g.cpu, userState(g, "user"));
  return g;
}

/** The vector and the privilege level the processor reported. */
function trap(g: Guest): [number, number] {
  assert.equal(expectKind(g.run(), EXIT.IO).port, 0x80);
  const vector = g.exit.data[0]!;
  assert.equal(expectKind(g.run(), EXIT.IO).port, 0x81);
  return [vector, g.exit.data[0]! & 3];
}

kvmTest("user code runs, and faults into ring 0", {}, () => {
  using g = ringGuest((a) => a.label("user").mov("eax", 1).ud2());
  assert.deepEqual(trap(g), [6, 3]);
});

kvmTest(
  "ring 3 gets no ports without hardware virtualization, whatever IOPL is",
  { only: "pvm" },
  () => {
    using g = ringGuest((a) => a.label("user").out(0x90, "al").ud2());
    assert.deepEqual(trap(g), [13, 3]);
  },
);

kvmTest("ring 3 has ports with IOPL 3", { quirk: "pvm-iopl" }, () => {
  using g = ringGuest((a) => a.label("user").out(0x90, "al").ud2());
  assert.equal(expectKind(g.run(), EXIT.IO).port, 0x90);
  assert.deepEqual(trap(g), [6, 3]);
});

// FLD of a device's memory: no processor does it without KVM's help, and KVM has no x87 loads.
const loadFromDevice = (a: Asm) => a.label("user").mov("rbx", 0xd0000000).db(0xdb, 0x2b).hlt();

kvmTest("user code that KVM cannot emulate faults in the guest", { quirk: "pvm-user-failure" }, () => {
  using g = ringGuest(loadFromDevice, { exitOnUserFailure: false });
  assert.deepEqual(trap(g), [6, 3]);
});

kvmTest("user code that KVM cannot emulate ends the run where that is asked for", {
  needs: ["EXIT_ON_EMULATION_FAILURE"],
}, () => {
  using g = ringGuest(loadFromDevice, { exitOnUserFailure: true });
  assert.equal(expectKind(g.run(), EXIT.INTERNAL_ERROR).code, 1);
  assert.deepEqual([...g.exit.bytes.subarray(0, 2)], [0xdb, 0x2b]);
});

const LSTAR = 0xc0000082;
const STAR = 0xc0000081;

kvmTest("SYSCALL in ring 3 stays in ring 3 without hardware virtualization", { only: "pvm" }, () => {
  using g = ringGuest((a) => a.label("user").syscall().label("kernel").ud2());
  const state = userState(g, "user");
  g.ops.writeState(g.cpu, { ...state, efer: state.efer | 1n });
  g.ops.writeMsr(g.cpu, STAR, 0x0010_0008_0000_0000n);
  g.ops.writeMsr(g.cpu, LSTAR, BigInt(g.labels.addressOf("kernel")!));
  const [, level] = trap(g);
  assert.equal(level, 3);
});

kvmTest("SYSCALL enters ring 0", { quirk: "pvm-no-system-calls" }, () => {
  using g = ringGuest((a) => a.label("user").syscall().label("kernel").out(0x90, "al").ud2());
  const state = userState(g, "user");
  g.ops.writeState(g.cpu, { ...state, efer: state.efer | 1n });
  g.ops.writeMsr(g.cpu, STAR, 0x0010_0008_0000_0000n);
  g.ops.writeMsr(g.cpu, LSTAR, BigInt(g.labels.addressOf("kernel")!));
  assert.equal(expectKind(g.run(), EXIT.IO).port, 0x90);
  assert.deepEqual(trap(g), [6, 0]);
});

kvmTest("64-bit ring 3 does not single-step without hardware virtualization", { only: "pvm" }, () => {
  using g = ringGuest((a) => a.label("user").nop().nop().nop().ud2());
  setDebug(g.cpu, GUESTDBG.ENABLE | GUESTDBG.SINGLESTEP);
  const exit = g.run();
  const user = BigInt(g.labels.addressOf("user")!);
  assert.ok(exit.kind !== EXIT.DEBUG || BigInt(exit.gpa) !== user + 1n);
});

kvmTest("there is no system management mode and no nesting without hardware virtualization", {
  only: "pvm",
}, () => {
  const { capabilities } = hostProbe();
  assert.equal(capabilities.X86_SMM, undefined);
  assert.equal(capabilities.NESTED_STATE, undefined);
});

Deno.test("every test a quirk names exists", () => {
  const folders = ["../vendor/", "../x86/", "../../tests/guests/"].map((path) =>
    new URL(path, import.meta.url)
  );
  const source = folders.flatMap((folder) =>
    [...Deno.readDirSync(folder)].filter(({ name }) => name.endsWith("_test.ts"))
      .map(({ name }) => Deno.readTextFileSync(new URL(name, folder)))
  ).join("\n");
  for (const { id, test } of QUIRKS) {
    // Tests made in a loop end with what differs.
    const name = test.slice(0, 40);
    assert.ok(source.includes(`"${name}`) || source.includes(`\`${name}`), `${id}: ${test}`);
  }
});

Deno.test("every quirk names hosts, evidence, answer and test, once each", () => {
  assert.equal(new Set(QUIRKS.map(({ id }) => id)).size, QUIRKS.length);
  for (const { id, hosts, evidence, answer, test } of QUIRKS) {
    assert.match(id, /^[a-z0-9-]+$/);
    assert.ok(hosts.length > 0 && evidence.length > 20 && answer.length > 20 && test.length > 10, id);
  }
  for (const kind of ["vmx", "svm", "pvm"] as const) assert.ok(quirksOf(kind).length >= 4);
  assert.deepEqual(quirksOf("soft"), []);
});
