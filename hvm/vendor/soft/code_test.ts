import assert from "node:assert/strict";
import { type Asm, byte, dword, mem, ref } from "../../testing/asm.ts";
import { RUN_EXIT, SEGMENT } from "../../x86/cpu.ts";
import { CPU } from "../../x86/exec/cpu_memory.ts";
import { VECTOR } from "../../x86/exec/sem.ts";
import { PF } from "../../x86/paging.ts";
import { CR4, GPR, RFLAGS } from "../../x86/state.ts";
import { descriptor, RIG, SEL, SoftRig, WINDOW } from "./soft_rig.ts";

const PRESENT = 1;
const WRITABLE = 2;
const USER = 4;
const NX = 1n << 63n;

Deno.test("a handler that cannot be fetched faults for ever, and the run ends at its limit all the same", () => {
  const rig = new SoftRig("long");
  // The handler of page faults is on a page that is not there, and its stack is good: no double fault comes of it.
  rig.setGate(VECTOR.PF, { offset: WINDOW, count: 1 });
  rig.view.setBigUint64(RIG.TSS + 0x24, BigInt(RIG.INNER_STACK), true);
  assert.equal(rig.program((a) => a.mov("eax", WINDOW).jmp("rax"), 1000n), RUN_EXIT.LIMIT);
});

Deno.test("a repeated instruction of endless length ends a run, with its registers as far as it came [SDM] vol. 2, REP", () => {
  for (const mode of ["long", "protected"] as const) {
    const rig = new SoftRig(mode);
    const exit = rig.program((a) => {
      a.mov("ecx", 0xffffffff).mov("esi", RIG.DATA).rep().lodsb();
    }, 10_000n);
    assert.equal(exit, RUN_EXIT.LIMIT, mode);
    const done = 0xffffffffn - (rig.cpu.gpr[GPR.RCX]! & 0xffffffffn);
    assert.ok(done > 0n, mode);
    assert.equal(rig.cpu.gpr[GPR.RSI], BigInt(RIG.DATA) + done, mode);
  }
});

Deno.test("a repeated instruction traps after each iteration while TF is set [SDM] vol. 3B, 19.3.1.4", () => {
  const rig = new SoftRig("protected");
  // The handler counts and returns.
  rig.ram.set([0x43, 0xcf], RIG.HANDLERS + VECTOR.DB * 16); // inc ebx; iret
  const exit = rig.program((a) => {
    a.mov("edi", RIG.DATA).mov("ecx", 5).xor("ebx", "ebx").mov("eax", 7);
    a.pushf().or(dword("esp"), RFLAGS.TF).popf().rep().stosb();
    a.mov("edx", "ebx");
  });
  assert.equal(exit, RUN_EXIT.HALT);
  assert.equal(rig.cpu.gpr[GPR.RDX], 5n);
  assert.deepEqual([...rig.ram.subarray(RIG.DATA, RIG.DATA + 6)], [7, 7, 7, 7, 7, 0]);
});

Deno.test("the same offset in another code segment is other code [SDM] vol. 1, 3.3.4", () => {
  const rig = new SoftRig("real");
  // 2000:0020 and 3000:0020 with different constants; each returns far.
  rig.ram.set([0xb0, 0x11, 0xcb], 0x20020);
  rig.ram.set([0xb4, 0x22, 0xcb], 0x30020);
  const exit = rig.program((a) => {
    for (const segment of [0x2000, 0x3000, 0x2000, 0x3000]) {
      a.xor("ax", "ax").bytes([0x9a, 0x20, 0, segment & 0xff, segment >> 8]).push("ax");
    }
  });
  assert.equal(exit, RUN_EXIT.HALT);
  const top = RIG.STACK - 16;
  const pushed = [2, 4, 6, 8].map((below) => rig.view.getUint16(top - below, true));
  assert.deepEqual(pushed, [0x11, 0x2200, 0x11, 0x2200]);
});

Deno.test("a jump that wraps in one segment does not in another that has the same code [SDM] vol. 1, 3.3.7", () => {
  const rig = new SoftRig("real");
  rig.ram.set([0xeb, 0x10], 0x307f0); // jmp short $+12h
  rig.ram.set([0xb0, 1, 0xf4], 0x30802); // mov al, 1; hlt
  rig.ram.set([0xb0, 2, 0xf4], 0x20802);
  const from = (segment: number, offset: number) => {
    rig.run([0xea, offset & 0xff, offset >> 8, segment & 0xff, segment >> 8]);
    return rig.cpu.gpr[GPR.RAX]! & 0xffn;
  };
  const go = (segment: number, offset: number) => {
    // Without the flush of rig.run: the jump is linked by then.
    rig.cpu.setSegment(SEGMENT.CS, segment, BigInt(segment << 4), 0xffff, rig.cpu.segAttr(SEGMENT.CS));
    rig.cpu.updateMode();
    rig.cpu.rip = BigInt(offset);
    assert.equal(rig.go(), RUN_EXIT.HALT);
    return rig.cpu.gpr[GPR.RAX]! & 0xffn;
  };
  assert.equal(from(0x2100, 0xf7f0), 1n);
  assert.deepEqual([go(0x2100, 0xf7f0), go(0x2080, 0xfff0), go(0x2100, 0xf7f0)], [1n, 2n, 1n]);
});

Deno.test("code that a supervisor has just run is no code for a user [SDM] vol. 3A, 5.6.1", () => {
  for (const mode of ["long", "paged"] as const) {
    const rig = new SoftRig(mode);
    rig.ram.set([0x90, 0xc3], RIG.DATA); // nop; ret
    rig.map(0, RIG.DATA | PRESENT);
    rig.ram.set([0xcf], RIG.HANDLERS + 3 * 16);
    const wide = mode === "long" ? 8 : 4;
    const exit = rig.program((a) => {
      a.mov("eax", WINDOW);
      if (wide === 8) a.call("rax");
      else a.call("eax");
      // To level 3 at the very same address.
      a.push(SEL.DATA_USER).push(RIG.STACK).pushf();
      a.push(mode === "long" ? SEL.CODE64_USER : SEL.CODE32_USER);
      if (wide === 8) a.push("rax").iretq();
      else a.push("eax").iret();
    });
    assert.equal(exit, RUN_EXIT.HALT, mode);
    const taken = rig.taken()!;
    assert.equal(taken.vector, VECTOR.PF, mode);
    assert.equal(taken.code, PF.PRESENT | PF.USER | (mode === "long" ? PF.FETCH : 0), mode);
    assert.equal(taken.rip, WINDOW, mode);
    assert.equal(rig.cpu.cell64(CPU.CR2), BigInt(WINDOW), mode);
  }
});

Deno.test("with SMEP a supervisor cannot run what a user has just run [SDM] vol. 3A, 5.6.1", () => {
  const rig = new SoftRig("long");
  rig.cpu.setCell64(CPU.CR4, rig.cpu.cell64(CPU.CR4) | BigInt(CR4.SMEP));
  // The rig's own pages are a user's: with SMEP they must not be.
  rig.view.setBigUint64(RIG.TABLES + 0x1000, 0x83n, true);
  rig.cpu.paging.flush();
  rig.ram.set([0xcd, 0x1f], RIG.DATA); // int 1fh
  rig.map(0, RIG.DATA | PRESENT | USER);
  rig.map(1, RIG.DATA + 0x1000 | PRESENT | USER | WRITABLE);
  rig.setGate(0x1f, { dpl: 3, offset: RIG.HANDLERS + 0x1f * 16 });
  // The handler goes where the user was.
  rig.ram.set([0xb8, 0, 0, 0, 0x40, 0xff, 0xe0], RIG.HANDLERS + 0x1f * 16); // mov eax, WINDOW; jmp rax
  rig.program((a) => {
    a.push(SEL.DATA_USER).push(WINDOW + 0x1800).pushf().push(SEL.CODE64_USER).push(WINDOW).iretq();
  });
  const taken = rig.taken()!;
  assert.equal(taken.vector, VECTOR.PF);
  assert.equal(taken.code, PF.PRESENT | PF.FETCH);
});

Deno.test("outside of 64-bit code execution goes on at 0 behind 4 GiB, and RIP has 32 bits [SDM] vol. 1, 3.3.3", () => {
  const rig = new SoftRig("protected");
  // A code segment that puts its last bytes at the rig's code, and so its first ones behind them.
  const base = RIG.CODE + 4;
  rig.describe(SEL.FREE, descriptor({ type: 0xb, base }));
  rig.ram.set([0x90, 0x90, 0x90, 0x90, 0xf4], RIG.CODE);
  const a = [0xea, 0xfc, 0xff, 0xff, 0xff, SEL.FREE, 0]; // jmp FREE:fffffffc
  rig.ram.set(a, RIG.DATA);
  rig.cpu.rip = BigInt(RIG.DATA);
  assert.equal(rig.go(), RUN_EXIT.HALT);
  assert.equal(rig.cpu.rip, 1n);
});

Deno.test("16-bit string addresses wrap at 64 KiB wherever the segment lies [SDM] vol. 1, 3.3.7", () => {
  const rig = new SoftRig("real");
  // ES at an address that is no multiple of a page: DI wraps within one.
  const base = RIG.DATA + 0x230;
  rig.ram.fill(0xaa, base + 0xfff0, base + 0x10000 + 32);
  rig.program((a) => {
    a.mov("ax", base >> 4).mov("es", "ax").mov("di", 0xfff0).mov("cx", 32).mov("al", 0x55).rep().stosb();
  });
  assert.equal(rig.cpu.gpr[GPR.RDI]! & 0xffffn, 0x10n);
  assert.ok(rig.ram.subarray(base + 0xfff0, base + 0x10000).every((one) => one === 0x55));
  assert.ok(rig.ram.subarray(base + 0x10000, base + 0x10010).every((one) => one === 0xaa));
  assert.ok(rig.ram.subarray(base, base + 0x10).every((one) => one === 0x55));
});

Deno.test("a word of a string across the end of a segment is #GP [SDM] vol. 2, MOVS", () => {
  const rig = new SoftRig("real");
  rig.program((a) => a.mov("di", 0xffff).mov("cx", 2).rep().stosw());
  assert.equal(rig.taken()!.vector, VECTOR.GP);
  assert.equal(rig.cpu.gpr[GPR.RCX]! & 0xffffn, 2n);
});

// ---- code that changes ------------------------------------------------------------------------------------------

const SELF = ["long", "protected", "paged", "pae", "real"] as const;

/** DS is CS's segment, so that 16-bit code finds itself. */
function codeAsData({ cpu }: SoftRig): void {
  const { CS, DS } = SEGMENT;
  cpu.setSegment(DS, cpu.selector(CS), cpu.segBase(CS), cpu.segLimit(DS), cpu.segAttr(DS));
}

Deno.test("a loop that changes its own body runs as changed each time [SDM] vol. 3A, 11.1.3", () => {
  for (const mode of SELF) {
    const rig = new SoftRig(mode);
    codeAsData(rig);
    rig.program((a) => {
      a.mov("ecx", 10).xor("edx", "edx");
      a.label("again").mov("al", 1).label("behind");
      a.movzx("eax", "al").add("edx", "eax");
      // The immediate of MOV AL grows by one, and the next instruction is the one behind INC.
      a.inc(byte(ref("behind", -1))).dec("ecx").jnz("again");
    });
    assert.equal(rig.cpu.gpr[GPR.RDX], 55n, mode);
  }
});

Deno.test("a store in front of the instruction that it changes is seen by it [SDM] vol. 3A, 11.1.3", () => {
  for (const mode of SELF) {
    const rig = new SoftRig(mode);
    codeAsData(rig);
    rig.program((a) => {
      a.mov("ecx", 3).label("again").mov(byte(ref("next", 1)), 42).label("next").mov("dl", 1);
      a.dec("ecx").jnz("again");
    });
    assert.equal(rig.cpu.gpr[GPR.RDX]! & 0xffn, 42n, mode);
  }
});

Deno.test("a repeated store over the code that comes next is seen", () => {
  const rig = new SoftRig("long");
  rig.program((a) => {
    // Eight NOPs over UD2s.
    a.lea("rdi", mem(ref("next"))).mov("ecx", 8).mov("al", 0x90).rep().stosb().label("next");
    for (let i = 0; i < 4; i++) a.ud2();
    a.mov("edx", 5);
  });
  assert.equal(rig.cpu.gpr[GPR.RDX], 5n);
});

Deno.test("code that a device rewrites in memory is other code [SDM] vol. 3A, 11.1.3", () => {
  const rig = new SoftRig("long");
  const dma = (at: number, bytes: number[]) => {
    rig.ram.set(bytes, at);
    rig.cpu.world.codeWritten(at, bytes.length);
  };
  const go = (at: number) => {
    rig.cpu.rip = BigInt(at);
    assert.equal(rig.go(), RUN_EXIT.HALT);
    return rig.cpu.gpr[GPR.RAX]!;
  };
  // Within a page, and an instruction in two pages of which either is rewritten.
  for (const at of [RIG.DATA, RIG.DATA + 0x1000 - 2, RIG.DATA + 0x3000 - 4]) {
    dma(at, [0xb8, 1, 0, 0, 0, 0xf4]); // mov eax, 1; hlt
    assert.equal(go(at), 1n);
    assert.equal(go(at), 1n);
    dma(at + 1, [2]);
    assert.equal(go(at), 2n);
    dma(at + 4, [3]);
    assert.equal(go(at), 0x3000002n);
  }
});

Deno.test("a page that is mapped elsewhere is other code [SDM] vol. 3A, 5.10.4", () => {
  for (const mode of ["long", "pae", "paged"] as const) {
    const rig = new SoftRig(mode);
    rig.ram.set([0xb0, 1, 0xc3], RIG.DATA); // mov al, 1; ret
    rig.ram.set([0xb0, 2, 0xc3], RIG.DATA + 0x1000);
    rig.map(0, RIG.DATA | PRESENT | WRITABLE);
    const at = RIG.WINDOW_TABLE;
    rig.program((a) => {
      const call = () => mode === "long" ? a.call("rbx") : a.call("ebx");
      a.mov("ebx", WINDOW).xor("eax", "eax").xor("edx", "edx");
      for (let i = 0; i < 2; i++) {
        call();
        a.shl("edx", 8).add("edx", "eax");
        a.mov(dword(at), RIG.DATA + 0x1000 | PRESENT).invlpg(mem(mode === "long" ? "rbx" : "ebx"));
      }
    });
    assert.equal(rig.cpu.gpr[GPR.RDX], 0x102n, mode);
  }
});

// ---- pages and lengths ----------------------------------------------------------------------------------------------

Deno.test("an instruction in two pages faults in the second if that cannot be fetched from [SDM] vol. 3A, 5.7", () => {
  for (const mode of ["long", "pae", "paged"] as const) {
    const fetch = mode === "paged" ? 0 : PF.FETCH;
    const cases: [number, number | bigint, number][] = [
      // Bytes in the first page, the second page's entry, the error code.
      [1, 0, fetch],
      [4, 0, fetch],
    ];
    if (mode !== "paged") cases.push([2, BigInt(RIG.DATA + 0x1000 | PRESENT) | NX, PF.PRESENT | fetch]);
    for (const [first, second, code] of cases) {
      const rig = new SoftRig(mode);
      rig.ram.set([0xb8, 1, 2, 3, 4, 0xf4], RIG.DATA + 0x1000 - first);
      rig.map(0, RIG.DATA | PRESENT);
      rig.map(1, second);
      rig.cpu.rip = BigInt(WINDOW + 0x1000 - first);
      rig.go();
      const taken = rig.taken()!;
      assert.deepEqual([taken.vector, taken.code, taken.rip], [
        VECTOR.PF,
        code,
        WINDOW + 0x1000 - first,
      ], `${mode} ${first}`);
      assert.equal(rig.cpu.cell64(CPU.CR2), BigInt(WINDOW + 0x1000));
      // Mapped, it goes on: the second page can be any.
      rig.ram.set([0xb8, 1, 2, 3, 4, 0xf4].slice(first), RIG.DATA + 0x5000);
      rig.map(1, RIG.DATA + 0x5000 | PRESENT);
      rig.cpu.rip = BigInt(WINDOW + 0x1000 - first);
      rig.cpu.paging.invalidate(BigInt(WINDOW + 0x1000));
      assert.equal(rig.go(), RUN_EXIT.HALT);
      assert.equal(rig.cpu.gpr[GPR.RAX], 0x04030201n);
    }
  }
});

Deno.test("an access to two pages changes nothing when the second faults [SDM] vol. 3A, 5.7", () => {
  const programs: [string, (a: Asm) => void, number][] = [
    ["mov", (a) => a.mov(mem("ebx"), "eax"), 2],
    ["push", (a) => a.mov("esp", "ebx").add("esp", 4).push("eax"), 2],
    ["add", (a) => a.add(mem("ebx"), "eax"), 2],
    ["xchg", (a) => a.xchg(mem("ebx"), "eax"), 2],
    ["load", (a) => a.mov("eax", mem("ebx")), 0],
    ["stosd", (a) => a.mov("edi", "ebx").stosd(), 2],
    ["movsd", (a) => a.mov("edi", "ebx").mov("esi", RIG.DATA).movsd(), 2],
    ["fstp", (a) => a.bytes([0xd9, 0xe8, 0xdd, 0x1b]), 2],
    ["movups", (a) => a.bytes([0x0f, 0x11, 0x03]), 2],
    ["pusha", (a) => a.mov("esp", "ebx").add("esp", 16).pusha(), 2],
    ["sgdt", (a) => a.sgdt(mem("ebx")), 2],
    ["cmpxchg8b", (a) => a.cmpxchg8b(mem("ebx")), 2],
  ];
  for (const [name, program, code] of programs) {
    for (const [first, second] of [[1, 0], [0, 1]]) {
      const rig = new SoftRig("paged");
      const at = RIG.DATA + 0x4000;
      rig.ram.fill(0x77, at, at + 0x2000);
      // At level 3, so that the handler has a stack.
      rig.map(0, first === 1 ? at | PRESENT | WRITABLE | USER : 0);
      rig.map(1, second === 1 ? at + 0x1000 | PRESENT | WRITABLE | USER : 0);
      rig.toUser();
      rig.cpu.gpr[GPR.RAX] = 0x12345678n;
      rig.program((a) => program(a.mov("ebx", WINDOW + 0xffe)));
      const taken = rig.taken();
      assert.deepEqual([taken?.vector, taken?.code], [VECTOR.PF, code | PF.USER], name);
      // PUSHA begins at the top.
      const upper = name === "pusha" ? 0x100a : 0x1000;
      const cr2 = BigInt(WINDOW + (first === 1 ? upper : 0xffe));
      assert.equal(rig.cpu.cell64(CPU.CR2), cr2, name);
      assert.equal(rig.cpu.gpr[GPR.RAX], 0x12345678n, name);
      assert.ok(rig.ram.subarray(at, at + 0x2000).every((one) => one === 0x77), `${name} wrote`);
    }
  }
});

Deno.test("an instruction of more than 15 bytes is #GP(0), one of 15 is none [SDM] vol. 2A, 2.3.11", () => {
  for (const mode of ["long", "protected", "real"] as const) {
    for (const place of [RIG.CODE, RIG.CODE + 0xff8]) {
      for (const [prefixes, vector] of [[14, undefined], [15, VECTOR.GP], [30, VECTOR.GP]] as const) {
        const rig = new SoftRig(mode);
        const base = mode === "real" ? RIG.CODE : 0;
        rig.ram.set([...Array.from({ length: prefixes }, () => 0x2e), 0x90, 0xf4], place);
        rig.cpu.rip = BigInt(place - base);
        assert.equal(rig.go(), RUN_EXIT.HALT);
        const taken = rig.taken();
        assert.equal(taken?.vector, vector, `${mode} ${prefixes}`);
        if (vector !== undefined) {
          assert.equal(taken!.rip, place - base);
          assert.equal(taken!.code, mode === "real" ? undefined : 0);
        }
      }
    }
  }
});

Deno.test("a branch beyond the code segment is #GP(0) at the branch [SDM] vol. 2, JMP", () => {
  const rig = new SoftRig("protected");
  rig.describe(SEL.FREE, descriptor({ type: 0xb, base: RIG.CODE, limit: 0xff, granular: false }));
  for (
    const code of [[0xe9, 0, 1, 0, 0], [0xb8, 0, 1, 0, 0, 0xff, 0xe0], [0xe8, 0, 2, 0, 0], [
      0x68,
      0,
      1,
      0,
      0,
      0xc3,
    ]]
  ) {
    rig.ram.set([...code, 0xf4], RIG.CODE);
    rig.ram.set([0xea, 0, 0, 0, 0, SEL.FREE, 0], RIG.DATA);
    rig.processor.blocks.flush();
    rig.cpu.rip = BigInt(RIG.DATA);
    rig.cpu.setSegment(SEGMENT.CS, SEL.CODE32, 0n, 0xffffffff, rig.cpu.segAttr(SEGMENT.CS));
    rig.cpu.updateMode();
    rig.go();
    const taken = rig.taken()!;
    const own = code.length > 5 ? 5 : 0;
    assert.deepEqual([taken.vector, taken.code, taken.rip, taken.cs], [VECTOR.GP, 0, own, SEL.FREE]);
  }
});
