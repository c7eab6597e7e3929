import assert from "node:assert/strict";
import { RUN_EXIT } from "../../x86/cpu.ts";
import { CPU } from "../../x86/exec/cpu_memory.ts";
import { VECTOR } from "../../x86/exec/sem.ts";
import { GPR, RFLAGS } from "../../x86/state.ts";
import { RIG, SoftRig } from "./soft_rig.ts";

const hex = (text: string) => text.trim().split(/\s+/).map((byte) => parseInt(byte, 16));
const STATUS = RFLAGS.CF | RFLAGS.PF | RFLAGS.AF | RFLAGS.ZF | RFLAGS.SF | RFLAGS.OF;

/** Runs code to its HLT. */
function ran(text: string, prepare: (rig: SoftRig) => void = () => {}): SoftRig {
  const rig = new SoftRig();
  prepare(rig);
  assert.equal(rig.run(hex(text)), RUN_EXIT.HALT);
  return rig;
}

Deno.test("additions and subtractions give the flags of their width [SDM] vol. 2, ADD, SUB", () => {
  const cases: [string, bigint, bigint, bigint, number][] = [
    // add al, bl
    ["00 d8", 0x7fn, 1n, 0x80n, RFLAGS.OF | RFLAGS.SF | RFLAGS.AF],
    ["00 d8", 0xffn, 1n, 0n, RFLAGS.CF | RFLAGS.ZF | RFLAGS.AF | RFLAGS.PF],
    // add eax, ebx clears the high half
    ["01 d8", 0xffffffff_ffffffffn, 1n, 0n, RFLAGS.CF | RFLAGS.ZF | RFLAGS.AF | RFLAGS.PF],
    // sub rax, rbx
    ["48 29 d8", 0n, 1n, 0xffffffff_ffffffffn, RFLAGS.CF | RFLAGS.SF | RFLAGS.AF | RFLAGS.PF],
    ["48 29 d8", 1n << 63n, 1n, (1n << 63n) - 1n, RFLAGS.OF | RFLAGS.AF | RFLAGS.PF],
    // sub ax, bx keeps the rest
    ["66 29 d8", 0x12340000n, 1n, 0x1234ffffn, RFLAGS.CF | RFLAGS.SF | RFLAGS.AF | RFLAGS.PF],
  ];
  for (const [code, a, b, result, flags] of cases) {
    const { cpu } = ran(code, ({ cpu }) => {
      cpu.gpr[GPR.RAX] = a;
      cpu.gpr[GPR.RBX] = b;
    });
    assert.equal(cpu.gpr[GPR.RAX], result, code);
    assert.equal(cpu.eflags & STATUS, flags, code);
  }
});

Deno.test("INC keeps CF, a shift by zero keeps all flags [SDM] vol. 2, INC, SAL", () => {
  // stc; inc eax
  assert.equal(ran("f9 ff c0").cpu.eflags & RFLAGS.CF, RFLAGS.CF);
  // stc; xor ecx, ecx would clear it: mov ecx, 0; stc; shl eax, cl
  assert.equal(ran("b9 00 00 00 00 f9 d3 e0").cpu.eflags & RFLAGS.CF, RFLAGS.CF);
});

Deno.test("loops, calls and returns [SDM] vol. 2, CALL, LOOP, RET", () => {
  // mov ecx, 10; xor eax, eax; l: call f; loop l; jmp end; f: add eax, ecx; ret; end:
  const { cpu } = ran("b9 0a 00 00 00 31 c0 e8 04 00 00 00 e2 f9 eb 03 01 c8 c3");
  assert.equal(cpu.gpr[GPR.RAX], 55n);
  assert.equal(cpu.gpr[GPR.RSP], BigInt(RIG.STACK));
});

Deno.test("division by zero and out of range raise #DE [SDM] vol. 2, DIV", () => {
  // xor ecx, ecx; div rcx
  assert.equal(ran("31 c9 48 f7 f1").cpu.gpr[GPR.R15], BigInt(VECTOR.DE));
  // rdx:rax = 5:7 / 16
  const { cpu } = ran("48 f7 f1", ({ cpu }) => {
    cpu.gpr[GPR.RDX] = 5n;
    cpu.gpr[GPR.RAX] = 7n;
    cpu.gpr[GPR.RCX] = 16n;
  });
  assert.equal(cpu.gpr[GPR.RAX], ((5n << 64n) + 7n) / 16n);
  assert.equal(cpu.gpr[GPR.RDX], 7n);
});

Deno.test("a page fault gives error code, CR2 and the faulting RIP [SDM] vol. 3A, 5.7", () => {
  // mov [rbx], eax where nothing is mapped
  const { cpu, view } = ran("89 03", ({ cpu }) => cpu.gpr[GPR.RBX] = 0x1234567890n);
  assert.equal(cpu.gpr[GPR.R15], BigInt(VECTOR.PF));
  assert.equal(cpu.cell64(CPU.CR2), 0x1234567890n);
  const frame = Number(cpu.gpr[GPR.RSP]);
  assert.equal(view.getBigUint64(frame, true), 2n); // a write, not present, supervisor
  assert.equal(view.getBigUint64(frame + 8, true), BigInt(RIG.CODE));
});

Deno.test("a non-canonical address is #GP, an undefined instruction #UD [SDM] vol. 1, 3.3.7", () => {
  assert.equal(ran("8b 03", ({ cpu }) => cpu.gpr[GPR.RBX] = 1n << 60n).cpu.gpr[GPR.R15], BigInt(VECTOR.GP));
  assert.equal(ran("0f 0b").cpu.gpr[GPR.R15], BigInt(VECTOR.UD));
});

Deno.test("code that rewrites what comes next runs as rewritten [SDM] vol. 3A, 11.1.3", () => {
  // mov byte [rip+1], 42; mov al, 1 (its immediate becomes 42)
  assert.equal(ran("c6 05 01 00 00 00 2a b0 01").cpu.gpr[GPR.RAX]! & 0xffn, 42n);
});

Deno.test("REP MOVSB copies overlapping ranges byte by byte [SDM] vol. 2, MOVS", () => {
  const { ram } = ran("f3 a4", ({ cpu, ram }) => {
    ram[RIG.DATA] = 7;
    cpu.gpr[GPR.RSI] = BigInt(RIG.DATA);
    cpu.gpr[GPR.RDI] = BigInt(RIG.DATA + 1);
    cpu.gpr[GPR.RCX] = 100n;
  });
  assert.ok(ram.subarray(RIG.DATA, RIG.DATA + 101).every((byte) => byte === 7));
  assert.equal(ram[RIG.DATA + 101], 0);
});

Deno.test("REP STOSD fills across pages, REPNE SCASB finds [SDM] vol. 2, STOS, SCAS", () => {
  const fill = ran("f3 ab", ({ cpu }) => {
    cpu.gpr[GPR.RDI] = BigInt(RIG.DATA + 0xff0);
    cpu.gpr[GPR.RAX] = 0x01020304n;
    cpu.gpr[GPR.RCX] = 16n;
  });
  assert.equal(fill.view.getUint32(RIG.DATA + 0x1000, true), 0x01020304);
  assert.equal(fill.cpu.gpr[GPR.RDI], BigInt(RIG.DATA + 0xff0 + 64));
  const found = ran("f2 ae", ({ cpu, ram }) => {
    ram[RIG.DATA + 5] = 9;
    cpu.gpr[GPR.RDI] = BigInt(RIG.DATA);
    cpu.gpr[GPR.RAX] = 9n;
    cpu.gpr[GPR.RCX] = 100n;
  });
  assert.equal(found.cpu.gpr[GPR.RCX], 94n);
});

Deno.test("SSE2: paddd, pshufb, cvttsd2si, comisd [SDM] vol. 2", () => {
  const { cpu } = ran("66 0f fe c1", ({ cpu }) => {
    cpu.u32.set([1, 2, 3, 0xffffffff], CPU.XMM >> 2);
    cpu.u32.set([10, 20, 30, 1], (CPU.XMM >> 2) + 4);
  });
  assert.deepEqual([...cpu.u32.subarray(CPU.XMM >> 2, (CPU.XMM >> 2) + 4)], [11, 22, 33, 0]);
  // cvttsd2si rax, xmm0
  const convert = (value: number) =>
    ran("f2 48 0f 2c c0", ({ cpu }) => {
      new Float64Array(cpu.buffer, CPU.XMM, 1)[0] = value;
    }).cpu.gpr[GPR.RAX];
  assert.equal(convert(-3.99), BigInt.asUintN(64, -3n));
  assert.equal(convert(1e300), 1n << 63n);
  assert.equal(convert(NaN), 1n << 63n);
  // comisd xmm0, xmm1 of a NaN is unordered
  const order = ran("66 0f 2f c1", ({ cpu }) => {
    new Float64Array(cpu.buffer, CPU.XMM, 4).set([NaN, 0, 1, 0]);
  });
  assert.equal(order.cpu.eflags & STATUS, RFLAGS.ZF | RFLAGS.PF | RFLAGS.CF);
});

Deno.test("x87: 1/3 in extended precision, and a stack fault [SDM] vol. 1, 8.5.1.1", () => {
  // fld1; push 3; fidiv dword [rsp]; fstp tbyte [rbx]
  const { view } = ran("d9 e8 6a 03 da 34 24 db 3b", ({ cpu }) => cpu.gpr[GPR.RBX] = BigInt(RIG.DATA));
  assert.equal(view.getBigUint64(RIG.DATA, true), 0xaaaaaaaaaaaaaaabn);
  assert.equal(view.getUint16(RIG.DATA + 8, true), 0x3ffd);
  // fstp of an empty register: IE and SF, C1 0; the default NaN is stored
  const empty = ran("dd 1b df e0", ({ cpu }) => cpu.gpr[GPR.RBX] = BigInt(RIG.DATA));
  assert.equal(Number(empty.cpu.gpr[GPR.RAX]! & 0x7ffn), 0x41);
  assert.equal(empty.view.getBigUint64(RIG.DATA, true), 0xfff8000000000000n);
});

Deno.test("POPF at level 0 changes IF, and an interrupt waits for the instruction after STI [SDM] vol. 2, STI", () => {
  const { cpu, processor } = ran("90");
  cpu.rip = BigInt(RIG.CODE);
  cpu.eflags = RFLAGS.ALWAYS_ONE;
  processor.blocks.flush();
  new Uint8Array(cpu.world.ram.buffer).set(hex("fb 90 90 f4"), RIG.CODE); // sti; nop; nop; hlt
  cpu.setCell32(CPU.WINDOW, 1);
  processor.run(cpu.i64[CPU.RETIRED >> 3]! + 100n);
  assert.notEqual(cpu.cell32(CPU.EFLAGS) & RFLAGS.IF, 0);
});

Deno.test("a run ends at its limit and goes on as if it had not [SDM] has no such thing", () => {
  const count = (slices: bigint) => {
    const rig = new SoftRig();
    const code = hex("31 c0 ff c0 3d 00 10 00 00 75 f7 f4"); // count to 1000h
    rig.ram.set(code, RIG.CODE);
    rig.cpu.rip = BigInt(RIG.CODE);
    while (rig.processor.run(rig.cpu.i64[CPU.RETIRED >> 3]! + slices) === RUN_EXIT.LIMIT);
    return [rig.cpu.gpr[GPR.RAX], rig.cpu.i64[CPU.RETIRED >> 3]];
  };
  assert.deepEqual(count(1_000_000n), count(7n));
  assert.equal(count(64n)[0], 0x1000n);
});

Deno.test("INT3 through a gate of level 3, and IRETQ back [SDM] vol. 2, INT, IRET", () => {
  const rig = new SoftRig();
  // The handler of #BP: mov r14, 1; iretq
  rig.ram.set(hex("49 c7 c6 01 00 00 00 48 cf"), RIG.HANDLERS + 3 * 16);
  assert.equal(rig.run(hex("cc b8 07 00 00 00")), RUN_EXIT.HALT);
  assert.equal(rig.cpu.gpr[GPR.R14], 1n);
  assert.equal(rig.cpu.gpr[GPR.RAX], 7n);
  assert.equal(rig.cpu.gpr[GPR.RSP], BigInt(RIG.STACK));
});

Deno.test("a fault that cannot be delivered shuts the processor down [SDM] vol. 3A, table 7-5", () => {
  const rig = new SoftRig();
  rig.cpu.setCell32(CPU.IDT + 8, 0);
  assert.equal(rig.run(hex("0f 0b")), RUN_EXIT.SHUTDOWN);
});

Deno.test("code that a device writes is decoded anew [SDM] vol. 3A, 12.6", () => {
  const rig = new SoftRig();
  // mov eax, 1
  rig.run([0xb8, 1, 0, 0, 0]);
  assert.equal(rig.cpu.gpr[0], 1n);
  rig.ram[RIG.CODE + 1] = 2;
  rig.processor.memoryWritten(RIG.CODE + 1, 1);
  rig.cpu.rip = BigInt(RIG.CODE);
  rig.processor.run(rig.cpu.i64[CPU.RETIRED >> 3]! + 10n);
  assert.equal(rig.cpu.gpr[0], 2n);
});
