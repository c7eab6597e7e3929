import assert from "node:assert/strict";
import { decode, OK } from "./decode.ts";
import {
  branchTarget,
  classOf,
  conditionOf,
  displacement,
  flagEffects,
  gateOf,
  immediate,
  Insn,
  isRepeated,
  keyOf,
  memoryOperand,
  OPERAND,
  operandAccess,
  operandCount,
  operandKind,
  operandRegister,
  operandSize,
  traitsOf,
} from "./insn.ts";
import { TRAIT } from "./isa.ts";
import { ACCESS } from "./isa_tables.ts";
import { RFLAGS } from "./state.ts";

const insn = new Insn();

function decoded(mode: number, text: string): Insn {
  const bytes = Uint8Array.from(text.split(" "), (one) => parseInt(one, 16));
  assert.equal(decode(bytes, 0, bytes.length, mode, insn), OK, text);
  return insn;
}

Deno.test("operands have a kind, a size, a register and an access", () => {
  decoded(64, "48 01 08"); // add qword ptr [rax], rcx
  assert.equal(operandCount(insn), 2);
  assert.deepEqual([0, 1, 2].map((n) => operandKind(insn, n)), [OPERAND.MEMORY, OPERAND.GPR, OPERAND.NONE]);
  assert.deepEqual([0, 1].map((n) => operandSize(insn, n)), [8, 8]);
  assert.deepEqual([0, 1].map((n) => operandAccess(insn, n)), [ACCESS.RW, ACCESS.R]);
  assert.equal(operandRegister(insn, 1), 1);
  assert.equal(memoryOperand(insn), 0);
  decoded(64, "48 01 c8");
  assert.equal(operandKind(insn, 0), OPERAND.GPR);
  assert.equal(memoryOperand(insn), -1);
});

Deno.test("memory operands tell what a device access needs [SDM]", () => {
  const cases: [string, number, number][] = [
    ["8b 00", 4, ACCESS.R], // mov eax, [rax]
    ["89 00", 4, ACCESS.W],
    ["66 89 00", 2, ACCESS.W],
    ["88 00", 1, ACCESS.W],
    ["48 89 00", 8, ACCESS.W],
    ["c6 00 05", 1, ACCESS.W],
    ["c7 00 05 00 00 00", 4, ACCESS.W],
    ["0f b6 00", 1, ACCESS.R], // movzx eax, byte ptr [rax]
    ["0f b7 00", 2, ACCESS.R],
    ["48 0f be 00", 1, ACCESS.R],
    ["48 63 00", 4, ACCESS.R],
    ["83 00 01", 4, ACCESS.RW],
    ["80 38 01", 1, ACCESS.R], // cmp
    ["a8 01 00", 0, ACCESS.NONE], // test al, 1: no memory
    ["f6 00 01", 1, ACCESS.R],
    ["0f ba 20 01", 4, ACCESS.R], // bt
    ["0f ba 28 01", 4, ACCESS.RW], // bts
    ["87 00", 4, ACCESS.RW],
    ["0f b1 08", 4, ACCESS.RW],
    ["ff 00", 4, ACCESS.RW],
    ["ff 30", 8, ACCESS.R], // push
    ["8f 00", 8, ACCESS.W], // pop
    ["ff 10", 8, ACCESS.R], // call
    ["aa", 1, ACCESS.W], // stos
    ["ab", 4, ACCESS.W],
    ["a4", 1, ACCESS.W], // movs: the first operand
    ["ac", 1, ACCESS.R],
    ["a0 0 0 0 0 0 0 0 0", 1, ACCESS.R],
    ["a3 0 0 0 0 0 0 0 0", 4, ACCESS.W],
    ["8d 00", 0, ACCESS.NONE], // lea
    ["0f 18 00", 1, ACCESS.NONE], // prefetch
    ["0f 90 00", 1, ACCESS.W], // seto
    ["0f 6f 00", 8, ACCESS.R],
    ["66 0f 7f 00", 16, ACCESS.W],
    ["f3 0f 10 00", 4, ACCESS.R],
    ["0f c3 00", 4, ACCESS.W], // movnti
    ["0f 38 f1 00", 4, ACCESS.W], // movbe
    ["db 28", 10, ACCESS.R], // fld tbyte
    ["df 18", 2, ACCESS.W], // fistp word
    ["0f 01 10", 10, ACCESS.R], // lgdt
    ["8c 00", 2, ACCESS.W], // mov [rax], es
    ["d7", 1, ACCESS.R], // xlat
  ];
  for (const [text, size, access] of cases) {
    decoded(64, text.split(" ").slice(0, text === "a8 01 00" ? 2 : undefined).join(" "));
    const n = memoryOperand(insn);
    if (n < 0) assert.equal(size, 0, text);
    else assert.deepEqual([operandSize(insn, n), operandAccess(insn, n)], [size, access], text);
  }
});

Deno.test("byte registers are AH to BH without REX and SPL to DIL with it", () => {
  assert.equal(operandRegister(decoded(64, "88 e0"), 1), 16);
  assert.equal(operandRegister(decoded(64, "40 88 e0"), 1), 4);
  assert.equal(operandRegister(decoded(64, "b7 01"), 0), 19);
  assert.equal(operandRegister(decoded(64, "41 b7 01"), 0), 15);
  assert.equal(operandRegister(decoded(64, "66 89 e0"), 1), 4); // SP
});

Deno.test("MMX and segment registers take no REX bits [SDM] vol. 2A, 2.2.1.2", () => {
  decoded(64, "45 0f 6f c9"); // movq mm1, mm1
  assert.deepEqual([0, 1].map((n) => operandRegister(insn, n)), [1, 1]);
  decoded(64, "44 8e d8"); // mov ds, ax
  assert.equal(operandRegister(insn, 0), 3);
  decoded(64, "45 0f 28 c9");
  assert.deepEqual([0, 1].map((n) => operandRegister(insn, n)), [9, 9]);
});

Deno.test("immediates and displacements are extended as the instruction does", () => {
  assert.equal(immediate(decoded(64, "48 83 c0 ff"), 1), -1n);
  assert.equal(immediate(decoded(64, "48 81 c0 00 00 00 80"), 1), -0x80000000n);
  assert.equal(immediate(decoded(64, "cd 80"), 0), 0x80n);
  assert.equal(immediate(decoded(64, "d1 e0"), 1), 1n);
  decoded(32, "c8 00 80 05"); // enter
  assert.deepEqual([0, 1].map((n) => immediate(insn, n)), [0x8000n, 5n]);
  assert.equal(displacement(decoded(64, "8b 40 f0")), -16n);
  assert.equal(displacement(decoded(64, "a0 ff ff ff ff ff ff ff ff")), -1n);
  assert.equal(displacement(decoded(64, "67 a0 ff ff ff ff")), 0xffff_ffffn);
});

Deno.test("branchTarget wraps at the operand size [SDM] JMP", () => {
  assert.equal(branchTarget(decoded(16, "eb fd"), 0n), 0xffffn);
  assert.equal(branchTarget(decoded(32, "eb fd"), 0n), 0xffff_ffffn);
  assert.equal(branchTarget(decoded(64, "eb fd"), 0n), 2n ** 64n - 1n);
  assert.equal(branchTarget(decoded(32, "66 eb 00"), 0x1_2340n), 0x2343n);
});

Deno.test("rows tell class, key, traits, gate and flags", () => {
  decoded(64, "0f 8f 00 00 00 00"); // jg
  assert.deepEqual([classOf(insn), keyOf(insn), conditionOf(insn)], ["branch", "jcc", 15]);
  assert.equal(flagEffects(insn).read, RFLAGS.ZF | RFLAGS.SF | RFLAGS.OF);
  assert.ok((traitsOf(insn) & TRAIT.END) !== 0);
  assert.equal(gateOf(decoded(64, "f3 0f b8 c0")), "POPCNT");
  assert.equal(gateOf(decoded(64, "01 c0")), undefined);
  assert.equal(flagEffects(decoded(64, "d3 e0")).kept & RFLAGS.CF, RFLAGS.CF);
  assert.ok((traitsOf(decoded(64, "66 0f 6f 00")) & TRAIT.AL16) !== 0);
  assert.ok((traitsOf(decoded(64, "f3 0f 6f 00")) & TRAIT.AL16) === 0);
  assert.ok(isRepeated(decoded(64, "f2 a4")));
  assert.ok(!isRepeated(decoded(64, "f3 c3")));
});
