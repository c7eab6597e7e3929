import assert from "node:assert/strict";
import { decode, OK } from "./decode.ts";
import { formatInsn, nameOf, registerName } from "./format.ts";
import { Insn } from "./insn.ts";

const insn = new Insn();

function shown(mode: number, text: string, address = 0n): string {
  const bytes = Uint8Array.from(text.split(" "), (one) => parseInt(one, 16));
  assert.equal(decode(bytes, 0, bytes.length, mode, insn), OK, text);
  return formatInsn(insn, address);
}

Deno.test("formatInsn prints prefixes that do something and no others", () => {
  assert.equal(shown(64, "f0 48 0f b1 0f"), "lock cmpxchg qword ptr [rdi], rcx");
  assert.equal(shown(64, "f3 48 a5"), "rep movs qword ptr es:[rdi], qword ptr [rsi]");
  assert.equal(shown(64, "f3 a6"), "repe cmps byte ptr [rsi], byte ptr es:[rdi]");
  assert.equal(shown(64, "f2 ae"), "repne scas al, byte ptr es:[rdi]");
  assert.equal(shown(64, "f3 c3"), "ret");
  assert.equal(shown(64, "2e 75 00"), "jne 0x3");
  assert.equal(shown(32, "3e 8b 00"), "mov eax, dword ptr [eax]");
  assert.equal(shown(32, "3e 8b 45 00"), "mov eax, dword ptr ds:[ebp]");
  assert.equal(shown(32, "65 d7"), "xlat byte ptr gs:[ebx+al]");
});

Deno.test("formatInsn prints addresses of every width", () => {
  assert.equal(shown(16, "8b 42 f0"), "mov ax, word ptr [bp+si-0x10]");
  assert.equal(shown(16, "8b 0e 34 f2"), "mov cx, word ptr [0xf234]");
  assert.equal(shown(32, "8b 84 88 00 00 00 80"), "mov eax, dword ptr [eax+ecx*4-0x80000000]");
  assert.equal(shown(64, "8b 04 25 00 00 00 80"), "mov eax, dword ptr [0xffffffff80000000]");
  assert.equal(shown(64, "67 8b 04 25 00 00 00 80"), "mov eax, dword ptr [0x80000000]");
  assert.equal(shown(64, "67 48 8b 00"), "mov rax, qword ptr [eax]");
});

Deno.test("formatInsn prints targets from the address given", () => {
  assert.equal(shown(64, "e8 fb ff ff ff", 0xffff_8000_0000_0000n), "call 0xffff800000000000");
  assert.equal(shown(16, "eb fe", 0x7c00n), "jmp 0x7c00");
  assert.equal(shown(32, "9a 78 56 34 12 08 00"), "call 0x8:0x12345678");
});

Deno.test("nameOf chooses by operand or address size", () => {
  const names = [[16, "98"], [32, "98"], [64, "48 98"], [64, "cf"], [64, "48 cf"], [64, "e3 00"], [
    64,
    "67 e3 00",
  ], [32, "60"]];
  assert.deepEqual(
    names.map(([mode, text]) => {
      shown(mode as number, text as string);
      return nameOf(insn);
    }),
    ["cbw", "cwde", "cdqe", "iretd", "iretq", "jrcxz", "jecxz", "pushad"],
  );
});

Deno.test("registerName knows every width", () => {
  assert.deepEqual([1, 2, 4, 8].map((size) => registerName(4, size)), ["spl", "sp", "esp", "rsp"]);
  assert.deepEqual([1, 2, 4, 8].map((size) => registerName(11, size)), ["r11b", "r11w", "r11d", "r11"]);
  assert.equal(registerName(16, 1), "ah");
});
