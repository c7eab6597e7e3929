import assert from "node:assert/strict";
import { Asm, mem, qword } from "../../testing/asm.ts";
import { RUN_EXIT } from "../../x86/cpu.ts";
import { CPU } from "../../x86/exec/cpu_memory.ts";
import type { OuterPlan } from "../../x86/debug.ts";
import { VECTOR } from "../../x86/exec/sem.ts";
import { GPR, RFLAGS } from "../../x86/state.ts";
import { RIG, SoftRig } from "./soft_rig.ts";

const DR6_AT_RESET = 0xffff0ff0n;
const BD = 1n << 13n;
const BS = 1n << 14n;
/** R/W and LEN of breakpoint 0 in DR7, with L0. */
const CONTROL = { execute: 0x1n, write1: 0x1_0001n, write4: 0xd_0001n, access8: 0xb_0001n } as const;
const TABLE_2 = RIG.TABLES + 0x1000;

interface Made {
  readonly rig: SoftRig;
  readonly at: (label: string) => bigint;
}

/** A rig with a program in it, at its first instruction. */
function made(program: (a: Asm) => void): Made {
  const rig = new SoftRig();
  const a = new Asm({ bits: 64, origin: RIG.CODE });
  program(a);
  rig.ram.set(a.assemble(), RIG.CODE);
  rig.cpu.rip = BigInt(RIG.CODE);
  return { rig, at: (label) => BigInt(a.addressOf(label)!) };
}

/** Sets breakpoint 0 as MOV to DR0 and DR7 do. */
function setDebug({ cpu }: SoftRig, address: bigint, dr7: bigint): void {
  cpu.setCell64(CPU.DR, address);
  cpu.setCell64(CPU.DR + 56, dr7);
  cpu.debug.refresh();
}

function dr6({ cpu }: SoftRig): bigint {
  return cpu.cell64(CPU.DR + 48);
}

/** What an exception without an error code pushed: RIP, CS, RFLAGS. */
function pushed({ cpu, view }: SoftRig): { rip: bigint; flags: bigint } {
  const rsp = Number(cpu.gpr[GPR.RSP]!);
  return { rip: view.getBigUint64(rsp, true), flags: view.getBigUint64(rsp + 16, true) };
}

function go(rig: SoftRig, limit = 10_000n): number {
  return rig.processor.run(rig.cpu.i64[CPU.RETIRED >> 3]! + limit);
}

/** Runs to the HLT of a handler and says whose. */
function vector(rig: SoftRig): number {
  // A run ends early where a look at what happened is due.
  let exit = go(rig);
  for (let i = 0; i < 20 && exit === RUN_EXIT.LIMIT; i++) exit = go(rig);
  assert.equal(exit, RUN_EXIT.HALT);
  return Number(rig.cpu.gpr[GPR.R15]);
}

Deno.test("an instruction breakpoint is a fault before its instruction [SDM] vol. 3B, 19.3.1.1", () => {
  const { rig, at } = made((a) => a.mov("eax", 1).mov("eax", 2).label("here").mov("eax", 3).hlt());
  setDebug(rig, at("here"), CONTROL.execute);
  assert.equal(vector(rig), VECTOR.DB);
  assert.equal(rig.cpu.gpr[GPR.RAX], 2n);
  assert.equal(dr6(rig), DR6_AT_RESET | 1n);
  assert.equal(pushed(rig).rip, at("here"));
  assert.equal(pushed(rig).flags & BigInt(RFLAGS.RF), 0n);
});

Deno.test("an instruction breakpoint that is not enabled does nothing [SDM] vol. 3B, 19.2.4", () => {
  const { rig, at } = made((a) => a.label("here").mov("eax", 3).hlt());
  setDebug(rig, at("here"), 0n);
  assert.equal(vector(rig), 0);
  assert.equal(dr6(rig), DR6_AT_RESET);
});

Deno.test("RF holds an instruction breakpoint off for one instruction [SDM] vol. 3B, 19.3.1.1", () => {
  const { rig, at } = made((a) => a.label("here").inc("eax").jmp("here"));
  setDebug(rig, at("here"), CONTROL.execute);
  rig.cpu.eflags = rig.cpu.eflags | RFLAGS.RF;
  assert.equal(vector(rig), VECTOR.DB);
  assert.equal(rig.cpu.gpr[GPR.RAX], 1n);
  assert.equal(pushed(rig).flags & BigInt(RFLAGS.RF), 0n);
});

Deno.test("a handler goes on behind an instruction breakpoint by RF in the image of IRET [SDM] vol. 3A, 2.3", () => {
  const { rig, at } = made((a) => {
    a.mov("ecx", 3).label("here").inc("eax").dec("ecx").jnz("here").mov("r15", 99).hlt();
    a.label("handler").inc("ebx").bts(qword("rsp", 16), 16).iretq();
  });
  setDebug(rig, at("here"), CONTROL.execute);
  setGate(rig, VECTOR.DB, at("handler"));
  assert.equal(vector(rig), 99);
  assert.equal(rig.cpu.gpr[GPR.RAX], 3n);
  assert.equal(rig.cpu.gpr[GPR.RBX], 3n);
});

function setGate({ view }: SoftRig, number: number, handler: bigint): void {
  const low = handler & 0xffffn | 8n << 16n | 0x8e00n << 32n | handler >> 16n << 48n;
  view.setBigUint64(RIG.IDT + number * 16, low, true);
}

Deno.test("a data breakpoint is a trap after the access [SDM] vol. 3B, 19.3.1.2", () => {
  const cases: [string, bigint, bigint, (a: Asm) => void, boolean][] = [
    ["write of the byte", CONTROL.write1, 0n, (a) => a.mov(mem("rbx"), "al"), true],
    ["read, where writes are waited for", CONTROL.write1, 0n, (a) => a.mov("al", mem("rbx")), false],
    ["read, where accesses are waited for", CONTROL.access8, 0n, (a) => a.mov("al", mem("rbx", 7)), true],
    ["write next to it", CONTROL.write1, 0n, (a) => a.mov(mem("rbx", 1), "al"), false],
    ["wide write that reaches it", CONTROL.write1, 0n, (a) => a.mov(mem("rbx", -7), "rax"), true],
    ["low bits of the address are ignored", CONTROL.write4, 3n, (a) => a.mov(mem("rbx"), "al"), true],
    ["read and write in one", CONTROL.write1, 0n, (a) => a.inc(qword("rbx")), true],
    ["push", CONTROL.write4, 0n, (a) => a.lea("rsp", mem("rbx", 8)).push("rax"), true],
    ["call", CONTROL.write4, 0n, (a) => a.lea("rsp", mem("rbx", 8)).call("far"), true],
    ["fxsave, which TypeScript does", CONTROL.write4, 0n, (a) => a.db(0x0f, 0xae, 0x03), true],
  ];
  for (const [what, control, low, access, traps] of cases) {
    const { rig, at } = made((a) => {
      a.mov("rbx", RIG.DATA);
      access(a);
      a.label("next").mov("ecx", 5).label("far").hlt();
    });
    setDebug(rig, BigInt(RIG.DATA) + low, control);
    assert.equal(vector(rig), traps ? VECTOR.DB : 0, what);
    assert.equal(dr6(rig) & 0xfn, traps ? 1n : 0n, what);
    if (traps) assert.equal(pushed(rig).rip, at(what === "call" ? "far" : "next"), what);
  }
});

Deno.test("a data breakpoint and a single step are one trap [SDM] vol. 3B, 19.3.1.2", () => {
  const { rig, at } = made((a) => a.label("here").mov(mem("rbx"), "al").label("next").hlt());
  rig.cpu.gpr[GPR.RBX] = BigInt(RIG.DATA);
  setDebug(rig, BigInt(RIG.DATA), CONTROL.write1);
  rig.cpu.eflags = rig.cpu.eflags | RFLAGS.TF;
  assert.equal(vector(rig), VECTOR.DB);
  assert.equal(dr6(rig), DR6_AT_RESET | 1n | BS);
  assert.equal(pushed(rig).rip, at("next"));
});

Deno.test("DR7.GD guards the debug registers, and the handler may touch them [SDM] vol. 3B, 19.3.1.3", () => {
  const { rig, at } = made((a) => a.label("here").db(0x0f, 0x23, 0xc0).hlt()); // mov dr0, rax
  setDebug(rig, 0n, 1n << 13n);
  assert.equal(vector(rig), VECTOR.DB);
  assert.equal(dr6(rig), DR6_AT_RESET | BD);
  assert.equal(pushed(rig).rip, at("here"));
  assert.equal(rig.cpu.cell64(CPU.DR + 56) >> 13n & 1n, 0n);
});

Deno.test("MOV to DR7 arms at once [SDM] vol. 3B, 19.2.4", () => {
  const { rig, at } = made((a) => {
    a.mov("eax", 1).db(0x0f, 0x23, 0xc3); // mov dr0, rbx
    a.db(0x0f, 0x23, 0xf8).nop().label("here").mov("ecx", 5).hlt(); // mov dr7, rax
  });
  rig.cpu.gpr[GPR.RBX] = at("here");
  assert.equal(vector(rig), VECTOR.DB);
  assert.equal(pushed(rig).rip, at("here"));
});

// ---- a debugger outside ------------------------------------------------------------------------------------------------

const NOTHING: OuterPlan = { step: false, software: [], hardware: [], watches: [] };

function arm(rig: SoftRig, plan: Partial<OuterPlan>): void {
  rig.cpu.debug.arm({ ...NOTHING, ...plan });
}

Deno.test("a debugger's breakpoint ends the run before its instruction, each time it is met", () => {
  const { rig, at } = made((a) => a.mov("eax", 0).label("again").inc("eax").nop().jmp("again"));
  go(rig, 100n);
  arm(rig, { software: [at("again")] });
  for (let i = 0; i < 3; i++) {
    const before = rig.cpu.gpr[GPR.RAX]! + 1n;
    assert.equal(go(rig), RUN_EXIT.DEBUG);
    assert.equal(rig.cpu.rip, at("again"));
    assert.deepEqual(rig.cpu.debug.takeStop(), { kind: "software" });
    if (i > 0) assert.equal(rig.cpu.gpr[GPR.RAX], before);
    arm(rig, { software: [at("again")] });
  }
  arm(rig, {});
  assert.equal(go(rig), RUN_EXIT.LIMIT);
});

Deno.test("a debugger steps one instruction, over calls into TypeScript, jumps and faults", () => {
  const { rig, at } = made((a) => {
    a.nop().cpuid().jmp("there").nop().label("there").push("rax").ud2();
  });
  const seen: bigint[] = [];
  for (let i = 0; i < 5; i++) {
    arm(rig, { step: true });
    assert.equal(go(rig), RUN_EXIT.DEBUG);
    assert.deepEqual(rig.cpu.debug.takeStop(), { kind: "step" });
    seen.push(rig.cpu.rip);
  }
  const start = BigInt(RIG.CODE);
  const handler = BigInt(RIG.HANDLERS + VECTOR.UD * 16);
  assert.deepEqual(seen, [start + 1n, start + 3n, at("there"), at("there") + 1n, handler]);
});

Deno.test("a breakpoint is at a linear address: other mappings of its page have none", () => {
  const { rig, at } = made((a) => a.label("here").mov("eax", 1).hlt());
  // The second GiB is the first once more.
  rig.view.setBigUint64(TABLE_2 + 8, 0x87n, true);
  arm(rig, { software: [at("here") + (1n << 30n)] });
  assert.equal(go(rig), RUN_EXIT.HALT);
  rig.cpu.rip = at("here") + (1n << 30n);
  assert.equal(go(rig), RUN_EXIT.DEBUG);
  arm(rig, { software: [at("here")] });
  assert.equal(go(rig), RUN_EXIT.HALT);
  rig.cpu.rip = at("here");
  assert.equal(go(rig), RUN_EXIT.DEBUG);
});

Deno.test("an instruction in two pages can have a breakpoint, also when it was executed before", () => {
  const { rig, at } = made((a) => {
    a.jmp("here");
    while (a.here < RIG.CODE + 0xffe) a.nop();
    a.label("here").mov("eax", 7).label("next").hlt();
  });
  assert.equal(go(rig), RUN_EXIT.HALT);
  for (const label of ["here", "next"]) {
    arm(rig, { software: [at(label)] });
    rig.cpu.rip = BigInt(RIG.CODE);
    assert.equal(go(rig), RUN_EXIT.DEBUG, label);
    assert.equal(rig.cpu.rip, at(label));
    arm(rig, { software: [at(label)] });
    assert.equal(go(rig), RUN_EXIT.HALT, label);
  }
  arm(rig, {});
  rig.cpu.rip = BigInt(RIG.CODE);
  assert.equal(go(rig), RUN_EXIT.HALT);
});

Deno.test("a debugger's watchpoints tell reads from writes", () => {
  const address = BigInt(RIG.DATA);
  const program = (a: Asm) => {
    a.mov("rbx", RIG.DATA).mov("eax", mem("rbx")).label("read").mov(mem("rbx", 4), "eax").label("write")
      .hlt();
  };
  for (
    const [access, from, stop] of [["read", 0n, "read"], ["write", 4n, "write"], [
      "access",
      3n,
      "read",
    ]] as const
  ) {
    const { rig, at } = made(program);
    const watch = { access, address: address + from, length: 1 };
    arm(rig, { watches: [watch] });
    assert.equal(go(rig), RUN_EXIT.DEBUG, access);
    assert.deepEqual(rig.cpu.debug.takeStop(), { kind: "watch", watch });
    assert.equal(rig.cpu.rip, at(stop), access);
    assert.equal(go(rig), RUN_EXIT.HALT, access);
  }
});

Deno.test("a watchpoint of nobody's interest changes nothing", () => {
  const { rig } = made((a) => {
    a.mov("rdi", RIG.DATA).mov("ecx", 100).mov("eax", 0x55).rep().stosb().hlt();
  });
  arm(rig, { watches: [{ access: "write", address: BigInt(RIG.DATA) + 200n, length: 8 }] });
  assert.equal(go(rig), RUN_EXIT.HALT);
  assert.ok(rig.ram.slice(RIG.DATA, RIG.DATA + 100).every((byte) => byte === 0x55));
});

Deno.test("a watchpoint in the middle of a repeated store is met", () => {
  const { rig } = made((a) => {
    a.mov("rdi", RIG.DATA).mov("ecx", 100).mov("eax", 0x55).rep().stosb().hlt();
  });
  const watch = { access: "write", address: BigInt(RIG.DATA) + 50n, length: 1 } as const;
  arm(rig, { watches: [watch] });
  assert.equal(go(rig), RUN_EXIT.DEBUG);
  assert.deepEqual(rig.cpu.debug.takeStop(), { kind: "watch", watch });
  assert.equal(go(rig), RUN_EXIT.HALT);
  assert.ok(rig.ram.slice(RIG.DATA, RIG.DATA + 100).every((byte) => byte === 0x55));
});

Deno.test("TF set by POPF traps after the instruction behind it [SDM] vol. 3B, 19.3.1.4", () => {
  const { rig, at } = made((a) => {
    a.nop().pushf().bts(qword("rsp"), 8).popf().inc("eax").label("next").inc("eax").inc("eax").hlt();
  });
  assert.equal(vector(rig), VECTOR.DB);
  assert.equal(rig.cpu.gpr[GPR.RAX], 1n);
  assert.equal(pushed(rig).rip, at("next"));
  assert.equal(dr6(rig), DR6_AT_RESET | BS);
});
