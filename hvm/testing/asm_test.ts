import assert from "node:assert/strict";
import fc from "fast-check";
import { Asm, type Bits, byte, dword, mem, qword, ref, word } from "./asm.ts";
import { ASM_CASES } from "./asm_cases.ts";

function hexOf(bits: Bits, write: (a: Asm) => unknown, origin = 0): string {
  const a = new Asm({ origin, bits });
  write(a);
  return Array.from(a.assemble(), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

for (const bits of [64, 32, 16] as const) {
  Deno.test(`Asm encodes ${bits}-bit instructions as the GNU assembler does`, () => {
    const rows = ASM_CASES.filter((row) => row[0] === bits);
    assert.ok(rows.length > 20);
    for (const [, text, bytes, write] of rows) assert.equal(hexOf(bits, write), bytes, text);
  });
}

Deno.test("Asm branches to what is behind by a byte where it reaches, else by the full distance [SDM] Jcc", () => {
  assert.equal(hexOf(64, (a) => a.label("x").jnz("x")), "75 fe");
  assert.equal(hexOf(64, (a) => a.label("x").jmp("x")), "eb fe");
  assert.equal(hexOf(64, (a) => a.label("x").call("x")), "e8 fb ff ff ff");
  assert.equal(hexOf(16, (a) => a.label("x").call("x")), "e8 fd ff");
  assert.equal(hexOf(32, (a) => a.label("x").nop().loop("x")), "90 e2 fd");
  assert.equal(hexOf(64, (a) => a.label("x").zero(126).jmp("x")).slice(-5), "eb 80");
  assert.equal(hexOf(64, (a) => a.label("x").zero(127).jmp("x")).slice(-14), "e9 7c ff ff ff");
});

Deno.test("Asm branches forward by the full distance of the mode", () => {
  assert.equal(hexOf(64, (a) => a.jz("x").nop().label("x")), "0f 84 01 00 00 00 90");
  assert.equal(hexOf(16, (a) => a.jmp("x").nop().label("x")), "e9 01 00 90");
  assert.equal(hexOf(32, (a) => a.jrcxz("x").label("x")), "e3 00");
});

Deno.test("Asm addresses a label from the end of the instruction in 64-bit mode, constants included [SDM] 2.2.1.6", () => {
  assert.equal(hexOf(64, (a) => a.label("x").mov("eax", mem(ref("x")))), "8b 05 fa ff ff ff");
  assert.equal(
    hexOf(64, (a) => a.label("x").mov(dword(ref("x")), 7)),
    "c7 05 f6 ff ff ff 07 00 00 00",
  );
  assert.equal(hexOf(64, (a) => a.cmp(byte(ref("x", 1)), 7).label("x")), "80 3d 01 00 00 00 07");
});

Deno.test("Asm puts a label's address where 16- and 32-bit code and data ask for it", () => {
  assert.equal(hexOf(32, (a) => a.label("x").mov("eax", mem(ref("x"))), 0x100000), "8b 05 00 00 10 00");
  assert.equal(hexOf(32, (a) => a.label("x").mov("esi", ref("x", 4)), 0x100000), "be 04 00 10 00");
  assert.equal(hexOf(64, (a) => a.label("x").mov("rsi", ref("x", 4)), 0x100000), "be 04 00 10 00");
  assert.equal(hexOf(16, (a) => a.label("x").mov("cx", mem(ref("x"))), 0x7c00), "8b 0e 00 7c");
  assert.equal(hexOf(16, (a) => a.label("x").dq(ref("x", 1)), 0x7c00), "01 7c 00 00 00 00 00 00");
});

Deno.test("Asm takes 16-bit addresses relative to the base of the code's segment", () => {
  assert.equal(hexOf(16, (a) => a.bits(16, 0x8000).label("x").mov("si", ref("x")), 0x8010), "be 10 00");
  assert.throws(() => hexOf(16, (a) => a.label("x").mov("si", ref("x")), 0x10000), /Cannot reach x/);
});

Deno.test("Asm switches modes within one program", () => {
  const program = hexOf(32, (a) => a.mov("ax", 1).bits(64).mov("rax", "rbx").bits(16).mov("ax", 1));
  assert.equal(program, "66 b8 01 00 48 89 d8 b8 01 00");
});

Deno.test("Asm lays out data, text and alignment", () => {
  assert.equal(
    hexOf(64, (a) => a.db(1, -1).align(4).dw(0x1234).ascii("hi").dd(5).dq(2n ** 64n - 1n)),
    "01 ff 00 00 34 12 68 69 05 00 00 00 ff ff ff ff ff ff ff ff",
  );
});

Deno.test("Asm refuses what cannot be encoded", () => {
  const refuse = (bits: Bits, write: (a: Asm) => unknown, message: RegExp) =>
    assert.throws(() => hexOf(bits, write), message);
  refuse(32, (a) => a.mov("rax", "rbx"), /32-bit mode/);
  refuse(16, (a) => a.mov("r8d", "eax"), /16-bit mode/);
  refuse(32, (a) => a.mov("eax", mem("rbx")), /64-bit address/);
  refuse(64, (a) => a.mov("eax", mem("bx")), /16-bit address/);
  refuse(64, (a) => a.mov("ah", "sil"), /REX/);
  refuse(64, (a) => a.mov("ah", "r8b"), /REX/);
  refuse(64, (a) => a.mov("ax", "ebx"), /mix operands/);
  refuse(64, (a) => a.mov(mem("rbx"), 5), /width/);
  refuse(64, (a) => a.inc(mem("rbx")), /width/);
  refuse(64, (a) => a.mov("al", 256), /store/);
  refuse(64, (a) => a.mov("al", -129), /store/);
  refuse(64, (a) => a.add("rax", 0x80000000), /64-bit operation/);
  refuse(64, (a) => a.mov("eax", mem({ base: "rax", index: "rsp" })), /stack pointer/);
  refuse(16, (a) => a.mov("ax", mem({ base: "bx", index: "bp" })), /address by/);
  refuse(64, (a) => a.jmp("nowhere"), /Cannot find label nowhere/);
  refuse(64, (a) => a.label("x").label("x"), /twice/);
  refuse(64, (a) => a.label("eax"), /register/);
  refuse(64, (a) => a.jrcxz("x").zero(128).label("x"), /Cannot reach x/);
});

/** Reads the address parts back as [SDM] vol. 2A tables 2-2 and 2-3 say, for 64-bit `mov eax, [...]`. */
function readBack(bytes: Uint8Array): { base?: number; index?: number; scale: number; disp: number } {
  let at = 0;
  let rex = 0;
  if ((bytes[at]! & 0xf0) === 0x40) rex = bytes[at++]!;
  assert.equal(bytes[at++], 0x8b);
  const modrm = bytes[at++]!;
  const mod = modrm >>> 6;
  const view = new DataView(bytes.buffer);
  if ((modrm & 7) !== 4) {
    const disp = mod === 1 ? view.getInt8(at) : mod === 2 ? view.getInt32(at, true) : 0;
    return { base: modrm & 7 | (rex & 1) << 3, scale: 1, disp };
  }
  const sib = bytes[at++]!;
  const noBase = mod === 0 && (sib & 7) === 5;
  const index = sib >>> 3 & 7 | (rex & 2) << 2;
  const disp = mod === 1 ? view.getInt8(at) : mod === 2 || noBase ? view.getInt32(at, true) : 0;
  return {
    ...(noBase ? {} : { base: sib & 7 | (rex & 1) << 3 }),
    ...(index === 4 ? {} : { index }),
    scale: 1 << (sib >>> 6),
    disp,
  };
}

Deno.test("Asm encodes every base, index, scale and displacement so that the tables read it back", () => {
  const names = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r12", "r13", "r15"] as const;
  const codes = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 15];
  const register = fc.option(fc.nat(names.length - 1), { nil: undefined });
  const disp = fc.oneof(
    fc.constantFrom(0, 1, -1, 127, 128, -128, -129),
    fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  );
  fc.assert(fc.property(register, register, fc.constantFrom(1, 2, 4, 8), disp, (base, index, scale, disp) => {
    if (index === 4 || base === undefined && index === undefined) return;
    const a = new Asm({ origin: 0, bits: 64 });
    a.mov(
      "eax",
      mem({
        ...(base === undefined ? {} : { base: names[base]! }),
        ...(index === undefined ? {} : { index: names[index]! }),
        scale: scale as 1 | 2 | 4 | 8,
        disp,
      }),
    );
    const got = readBack(a.assemble());
    assert.equal(got.base, base === undefined ? undefined : codes[base]);
    assert.equal(got.index, index === undefined ? undefined : codes[index]);
    if (index !== undefined) assert.equal(got.scale, scale);
    assert.equal(got.disp, disp);
  }));
});

Deno.test("Asm keeps the widths of sized memory operands", () => {
  assert.equal(hexOf(64, (a) => a.inc(byte("rbx"))), "fe 03");
  assert.equal(hexOf(64, (a) => a.inc(word("rbx"))), "66 ff 03");
  assert.equal(hexOf(64, (a) => a.inc(dword("rbx"))), "ff 03");
  assert.equal(hexOf(64, (a) => a.inc(qword("rbx"))), "48 ff 03");
});
