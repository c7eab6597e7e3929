import assert from "node:assert/strict";
import fc from "fast-check";
import { decode, MAX_LENGTH, MORE, OK, TOO_LONG, UD } from "./decode.ts";
import { formatInsn } from "./format.ts";
import { BASE_RIP, Insn, NO_REGISTER, PREFIX, SEG } from "./insn.ts";
import { GPR } from "./state.ts";

const insn = new Insn();

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text.split(" "), (one) => parseInt(one, 16));
}

/** Decodes all of the bytes. */
function result(mode: number, text: string): number {
  const bytes = bytesOf(text);
  return decode(bytes, 0, bytes.length, mode, insn);
}

/** The text of bytes that are one instruction. */
function shown(mode: number, text: string): string {
  assert.equal(result(mode, text), OK, text);
  assert.equal(insn.length, bytesOf(text).length, text);
  return formatInsn(insn);
}

Deno.test("decode refuses a sixteenth byte [SDM] vol. 2A, 2.3.11", () => {
  const bytes = (prefixes: number) =>
    Uint8Array.of(...new Array(prefixes).fill(0x66), 0x01, 0xc8, 0, 0, 0, 0);
  assert.equal(decode(bytes(13), 0, 19, 32, insn), OK);
  assert.equal(insn.length, 15);
  assert.equal(decode(bytes(14), 0, 20, 32, insn), TOO_LONG);
  assert.equal(decode(bytes(14), 0, 15, 32, insn), TOO_LONG);
  assert.equal(decode(bytes(14), 0, 14, 32, insn), MORE);
  assert.equal(decode(new Uint8Array(15).fill(0xf3), 0, 15, 64, insn), TOO_LONG);
  assert.equal(decode(new Uint8Array(14).fill(0xf3), 0, 14, 64, insn), MORE);
  // An immediate and a displacement that reach past the fifteenth byte.
  assert.equal(result(64, "66 66 66 66 66 66 66 48 c7 84 c8 1 2 3 4 5 6 7 8"), TOO_LONG);
  assert.equal(result(64, "66 66 66 48 c7 84 c8 1 2 3 4 5 6 7 8"), OK);
});

Deno.test("decode asks for more with no bytes at all", () => {
  assert.equal(decode(new Uint8Array(0), 0, 0, 64, insn), MORE);
  assert.equal(decode(Uint8Array.of(0x90), 1, 1, 64, insn), MORE);
});

Deno.test("decode keeps of a REX prefix only the one before the opcode [SDM] vol. 2A, 2.2.1", () => {
  assert.equal(shown(64, "48 66 01 c8"), "add ax, cx");
  assert.equal(shown(64, "66 48 01 c8"), "add rax, rcx");
  assert.equal(shown(64, "41 48 01 c8"), "add rax, rcx");
  assert.equal(shown(64, "88 e0"), "mov al, ah");
  assert.equal(shown(64, "40 88 e0"), "mov al, spl");
  assert.equal(shown(32, "48"), "dec eax");
});

Deno.test("decode uses REX.B, X and R, and their exceptions [SDM] vol. 2A, 2.2.1.5", () => {
  assert.equal(shown(64, "41 8b 04 24"), "mov eax, dword ptr [r12]");
  assert.equal(shown(64, "41 8b 45 00"), "mov eax, dword ptr [r13]");
  assert.equal(shown(64, "42 8b 04 20"), "mov eax, dword ptr [rax+r12*1]");
  assert.equal(shown(64, "8b 04 20"), "mov eax, dword ptr [rax]");
  assert.equal(shown(64, "41 8b 05 00 00 00 00"), "mov eax, dword ptr [rip]");
  assert.equal(shown(64, "41 8b 04 25 10 00 00 00"), "mov eax, dword ptr [0x10]");
});

Deno.test("decode makes NOP of XCHG with itself only without REX.B [SDM] NOP", () => {
  assert.equal(shown(64, "90"), "nop");
  assert.equal(shown(64, "48 90"), "nop");
  assert.equal(shown(64, "41 90"), "xchg r8d, eax");
  assert.equal(shown(64, "f3 90"), "pause");
  assert.equal(shown(64, "f3 41 90"), "xchg r8d, eax");
});

Deno.test("decode addresses RIP and EIP in 64-bit code only [SDM] vol. 2A, 2.2.1.6", () => {
  assert.equal(result(64, "8b 05 10 00 00 00"), OK);
  assert.equal(insn.base, BASE_RIP);
  assert.equal(shown(64, "67 8b 05 10 00 00 00"), "mov eax, dword ptr [eip+0x10]");
  assert.equal(result(32, "8b 05 10 00 00 00"), OK);
  assert.equal(insn.base, NO_REGISTER);
});

Deno.test("decode gives stack addresses the stack segment [SDM] vol. 1, 3.7.4", () => {
  const segment = (mode: number, text: string) => {
    assert.equal(result(mode, text), OK, text);
    return insn.segment;
  };
  assert.equal(segment(32, "8b 45 00"), SEG.SS);
  assert.equal(segment(32, "8b 04 24"), SEG.SS);
  assert.equal(segment(32, "8b 04 2d 00 00 00 00"), SEG.DS); // EBP as the index only
  assert.equal(segment(16, "8b 46 00"), SEG.SS);
  assert.equal(segment(16, "8b 02"), SEG.SS); // BP + SI
  assert.equal(segment(16, "8b 06 34 12"), SEG.DS);
  assert.equal(segment(64, "41 8b 45 00"), SEG.DS); // R13
  assert.equal(segment(32, "2e 8b 45 00"), SEG.CS);
  assert.equal(segment(32, "2e 36 8b 00"), SEG.SS); // the last counts
});

Deno.test("decode ignores CS, DS, ES and SS overrides in 64-bit code [SDM] vol. 1, 3.4.2.1", () => {
  for (const prefix of ["26", "2e", "36", "3e"]) {
    assert.equal(result(64, `${prefix} 8b 00`), OK);
    assert.equal(insn.override, -1);
    assert.equal(shown(64, `64 ${prefix} 8b 00`), "mov eax, dword ptr fs:[rax]");
  }
});

Deno.test("decode takes LOCK only where the manual allows it, with memory [SDM] LOCK", () => {
  for (
    const good of [
      "f0 01 08",
      "f0 83 00 01",
      "f0 87 08",
      "f0 0f b1 08",
      "f0 0f c7 08",
      "f0 0f ba 28 01",
      "f0 fe 00",
    ]
  ) {
    assert.equal(result(32, good), OK, good);
    assert.equal(insn.prefixes & PREFIX.LOCK, PREFIX.LOCK);
  }
  for (
    const bad of [
      "f0 01 c8",
      "f0 03 08",
      "f0 39 08",
      "f0 80 38 01",
      "f0 0f ba 20 01",
      "f0 89 08",
      "f0 90",
      "f0 0f 20 c0",
    ]
  ) {
    assert.equal(result(32, bad), UD, bad);
  }
});

Deno.test("decode lets 66 yield to F2 and F3, the last of which counts [SDM] vol. 2A, 2.1.2", () => {
  assert.equal(shown(64, "66 f3 0f 10 c1"), "movss xmm0, xmm1");
  assert.equal(shown(64, "f3 66 0f 10 c1"), "movss xmm0, xmm1");
  assert.equal(shown(64, "f3 f2 0f 10 c1"), "movsd xmm0, xmm1");
  assert.equal(shown(64, "f2 f3 0f 10 c1"), "movss xmm0, xmm1");
  assert.equal(shown(64, "66 f3 0f b8 c1"), "popcnt ax, cx");
});

Deno.test("decode reads near branches of 64-bit code as Intel's processors do [SDM] JMP", () => {
  assert.equal(shown(64, "66 e9 00 01 00 00"), "jmp 0x106");
  assert.equal(shown(32, "66 e9 00 01"), "jmp 0x104");
  assert.equal(shown(64, "66 c3"), "ret");
  assert.equal(insn.operandSize, 8);
});

Deno.test("decode reads the widths of stack operations [SDM] PUSH", () => {
  assert.equal(shown(64, "50"), "push rax");
  assert.equal(shown(64, "66 50"), "push ax");
  assert.equal(shown(64, "66 48 50"), "push rax");
  assert.equal(shown(64, "68 00 00 00 80"), "push 0xffffffff80000000");
  assert.equal(shown(64, "66 68 34 12"), "push 0x1234");
  assert.equal(shown(32, "6a ff"), "push 0xffffffff");
});

Deno.test("decode reads addresses in the instruction by the address size [SDM] MOV", () => {
  assert.equal(shown(64, "a1 88 77 66 55 44 33 22 11"), "mov eax, dword ptr [0x1122334455667788]");
  assert.equal(shown(64, "67 a1 88 77 66 55"), "mov eax, dword ptr [0x55667788]");
  assert.equal(shown(16, "a1 34 92"), "mov ax, word ptr [0x9234]");
  assert.equal(shown(64, "48 b8 88 77 66 55 44 33 22 11"), "mov rax, 0x1122334455667788");
});

Deno.test("decode tells VEX from LES and LDS [SDM] vol. 2A, 2.3.5", () => {
  assert.equal(shown(32, "c4 08"), "les ecx, fword ptr [eax]");
  assert.equal(shown(32, "c4 e2 70 f2 c2"), "andn eax, ecx, edx");
  assert.equal(shown(64, "c4 e2 f0 f2 c2"), "andn rax, rcx, rdx");
  assert.equal(shown(64, "c4 42 f0 f2 c2"), "andn r8, rcx, r10");
  assert.equal(shown(32, "c4 e2 f0 f2 c2"), "andn eax, ecx, edx"); // W does nothing there
  assert.equal(shown(32, "c4 e2 30 f2 c2"), "andn eax, ecx, edx"); // nor the top bit of vvvv
  assert.equal(shown(64, "c4 e2 30 f2 c2"), "andn eax, r9d, edx");
});

Deno.test("decode refuses VEX behind 66, F2, F3, LOCK and REX, and a bad L, vvvv or map [SDM] vol. 2A, 2.3", () => {
  for (const prefix of ["66", "f2", "f3", "f0", "48"]) {
    assert.equal(result(64, `${prefix} c4 e2 70 f2 c2`), UD, prefix);
  }
  assert.equal(result(64, "65 67 c4 e2 70 f2 02"), OK);
  assert.equal(result(64, "c4 e2 74 f2 c2"), UD); // L
  assert.equal(result(64, "c4 e3 7b f0 c1 01"), OK);
  assert.equal(result(64, "c4 e3 73 f0 c1 01"), UD); // RORX with vvvv
  for (const map of [0, 4, 31]) assert.equal(result(64, `c4 ${(0xe0 | map).toString(16)} 70 f2 c2`), UD);
  assert.equal(result(64, "c5 f0 f2 c2"), UD);
});

Deno.test("decode knows VEX opcodes of BMI and no others [SDM] vol. 2D, appendix A", () => {
  // Map, opcode: the prefixes it has; F3 of map 2 has the digits 1 to 3 and no prefix.
  const known: Readonly<Record<string, readonly number[]>> = {
    "2:f2": [0],
    "2:f3": [0],
    "2:f5": [0, 2, 3],
    "2:f6": [3],
    "2:f7": [0, 1, 2, 3],
    "3:f0": [3],
  };
  for (let map = 1; map <= 3; map++) {
    for (let opcode = 0; opcode < 256; opcode++) {
      for (let n = 0; n < 4 * 2 * 2 * 8; n++) {
        const [prefix, l, w, digit] = [n & 3, n >> 2 & 1, n >> 3 & 1, n >> 4];
        const bytes = Uint8Array.of(
          0xc4,
          0xe0 | map,
          w << 7 | 15 << 3 | l << 2 | prefix,
          opcode,
          0xc0 | digit << 3,
          1,
        );
        const listed = known[`${map}:${opcode.toString(16)}`]?.includes(prefix) ?? false;
        const valid = listed && l === 0 && (opcode !== 0xf3 || digit >= 1 && digit <= 3);
        assert.equal(
          decode(bytes, 0, 6, 64, insn),
          valid ? OK : UD,
          Array.from(bytes, (b) => b.toString(16)).join(" "),
        );
      }
    }
  }
});

Deno.test("decode refuses segment, control and debug registers that are not there [SDM] MOV", () => {
  for (let reg = 0; reg < 8; reg++) {
    const modrm = (0xc0 | reg << 3).toString(16);
    assert.equal(result(64, `8c ${modrm}`), reg < 6 ? OK : UD);
    assert.equal(result(64, `8e ${modrm}`), reg < 6 && reg !== SEG.CS ? OK : UD);
    for (const opcode of ["20", "22"]) {
      assert.equal(result(64, `0f ${opcode} ${modrm}`), [0, 2, 3, 4].includes(reg) ? OK : UD);
      assert.equal(result(64, `44 0f ${opcode} ${modrm}`), reg === 0 ? OK : UD);
    }
    assert.equal(result(64, `0f 21 ${modrm}`), OK);
    assert.equal(result(64, `44 0f 21 ${modrm}`), UD);
  }
});

Deno.test("decode takes registers for MOV CR whatever ModRM.mod says [SDM] MOV CRn", () => {
  assert.equal(shown(32, "0f 20 00"), "mov eax, cr0");
  assert.equal(shown(32, "0f 22 5d"), "mov cr3, ebp");
  assert.equal(shown(64, "0f 22 d8"), "mov cr3, rax");
});

Deno.test("decode leaves only what it says in a record that failed", () => {
  assert.equal(result(64, "f0 66 0f 0b"), UD);
  assert.equal(insn.row, 0);
  assert.equal(insn.mode, 64);
  assert.equal(insn.prefixes, PREFIX.LOCK | PREFIX.OPERAND);
  assert.equal(formatInsn(insn), "(bad)");
});

Deno.test("decode fills every field of a record that held another instruction", () => {
  const fresh = new Insn();
  for (
    const text of [
      "8b 44 c8 10",
      "65 66 41 81 44 24 08 34 12",
      "90",
      "c4 e2 70 f2 c2",
      "c8 01 00 02",
      "0f 05",
    ]
  ) {
    const bytes = bytesOf(text);
    Object.assign(fresh, new Insn());
    assert.equal(decode(bytes, 0, bytes.length, 64, fresh), OK);
    assert.equal(result(64, "f0 67 64 4e 81 84 c8 11 22 33 44 55 66 77 88"), OK);
    assert.equal(result(64, text), OK);
    assert.deepEqual(insn, fresh);
  }
});

Deno.test("decode and formatInsn never throw, and no instruction has more than fifteen bytes", () => {
  const modes = fc.constantFrom(16, 32, 64);
  // Prefixes and escapes more often than chance, and a random start.
  const interesting = fc.constantFrom(0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x0f, 0x38, 0x3a, 0xc4, 0xc5, 0x48, 0x64);
  const bytes = fc.array(fc.oneof(interesting, fc.integer({ min: 0, max: 255 })), { maxLength: 20 });
  fc.assert(
    fc.property(modes, bytes, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (mode, list, address) => {
      const code = Uint8Array.from(list);
      const found = decode(code, 0, code.length, mode, insn);
      assert.ok(insn.length <= MAX_LENGTH && insn.length <= code.length);
      assert.match(formatInsn(insn, address), /^[\x20-\x7e]+$/);
      assert.ok(!formatInsn(insn, address).includes("?"));
      if (found !== OK) return found !== MORE || code.length < MAX_LENGTH;
      assert.ok(insn.length > 0 && insn.row > 0);
      // The same with what it needs and nothing more.
      return decode(code, 0, insn.length, mode, insn) === OK;
    }),
    { numRuns: 20_000 },
  );
});

Deno.test("decode reads nothing outside its range", () => {
  const code = bytesOf("8b 80 11 22 33 44");
  assert.equal(decode(code, 0, 5, 32, insn), MORE);
  assert.equal(decode(code, 2, 6, 32, insn), OK); // 11 22: adc dword ptr [edx], esp
  assert.equal(insn.base, GPR.RDX);
});
