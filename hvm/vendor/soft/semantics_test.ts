/**
 * What the instruction oracle (tests/oracle) found wrong once, each with what the manual says.
 *
 * @module
 */

import assert from "node:assert/strict";
import { RUN_EXIT, SEGMENT } from "../../x86/cpu.ts";
import { ATTR, CPU } from "../../x86/exec/cpu_memory.ts";
import { VECTOR } from "../../x86/exec/sem.ts";
import { GPR, RFLAGS } from "../../x86/state.ts";
import { RIG, SoftRig } from "./soft_rig.ts";

const hex = (text: string) => text.trim().split(/\s+/).map((byte) => parseInt(byte, 16));
const STATUS = RFLAGS.CF | RFLAGS.PF | RFLAGS.AF | RFLAGS.ZF | RFLAGS.SF | RFLAGS.OF;
/** Beyond what the rig maps, and not canonical. */
const UNMAPPED = 0x1234567890n;
const NOT_CANONICAL = 1n << 60n;
/** The last byte that is mapped; there is no RAM, so that it reads as FFh. */
const LAST = 0x3fffffffn;

/** Runs code to a HLT, its own or a handler's. */
function ran(text: string, prepare: (rig: SoftRig) => void = () => {}): SoftRig {
  const rig = new SoftRig();
  prepare(rig);
  assert.equal(rig.run(hex(text)), RUN_EXIT.HALT);
  return rig;
}

/** The exception a handler was entered for. */
function raised({ cpu }: SoftRig): number {
  return Number(cpu.gpr[GPR.R15]!);
}

/** 32-bit code, with data segments up to `limit`. */
function code32({ cpu }: SoftRig, limit = 0xffffffff): void {
  const data = ATTR.PRESENT | ATTR.CODE_OR_DATA | 3 | ATTR.BIG;
  cpu.setSegment(SEGMENT.CS, 0x10, 0n, 0xffffffff, ATTR.PRESENT | ATTR.CODE_OR_DATA | 0xb | ATTR.BIG);
  cpu.setSegment(SEGMENT.SS, 0x18, 0n, 0xffffffff, data);
  for (const seg of [SEGMENT.DS, SEGMENT.ES]) cpu.setSegment(seg, 0x18, 0n, limit, data);
  cpu.updateMode();
}

// ---- memory and segments ---------------------------------------------------------------------------------------------

Deno.test("operands addressed by RBP that are not canonical are #SS, others #GP [SDM] vol. 1, 3.3.7.1", () => {
  // mov eax, [rbp]; mov eax, [rbx]
  const set = ({ cpu }: SoftRig) => void (cpu.gpr[GPR.RBP] = cpu.gpr[GPR.RBX] = NOT_CANONICAL);
  assert.equal(raised(ran("8b 45 00", set)), VECTOR.SS);
  assert.equal(raised(ran("8b 03", set)), VECTOR.GP);
});

Deno.test("strings work in segments with limits, and #GP beyond them [SDM] vol. 3A, 6.3", () => {
  const set = (rig: SoftRig) => {
    code32(rig, RIG.DATA + 0x101);
    rig.ram[RIG.DATA] = 42;
    rig.cpu.gpr[GPR.RSI] = BigInt(RIG.DATA);
    rig.cpu.gpr[GPR.RDI] = BigInt(RIG.DATA + 0x100);
  };
  // movsb; movsw, of which a byte is beyond the limit
  assert.equal(ran("a4", set).ram[RIG.DATA + 0x100], 42);
  const beyond = ran("a4 66 a5", set);
  assert.equal(raised(beyond), VECTOR.GP);
  assert.equal(beyond.cpu.gpr[GPR.RDI], BigInt(RIG.DATA + 0x101));
});

Deno.test("XLAT and a bit test by register obey limit and address size [SDM] vol. 2, XLAT, BT", () => {
  const far = (rig: SoftRig) => {
    code32(rig, 0xffff);
    rig.cpu.gpr[GPR.RBX] = 0xfff0n;
    rig.cpu.gpr[GPR.RAX] = 0x20n;
  };
  // xlatb; bts [ebx], eax is within the limit where it begins, not where the bit is
  assert.equal(raised(ran("d7", far)), VECTOR.GP);
  const bit = (rig: SoftRig) => {
    code32(rig, RIG.DATA + 15);
    rig.cpu.gpr[GPR.RBX] = BigInt(RIG.DATA);
    rig.cpu.gpr[GPR.RAX] = 128n;
  };
  assert.equal(raised(ran("0f ab 03", bit)), VECTOR.GP);
  // bts dword ptr [bx], eax wraps at 64 KiB
  const wraps = ran("67 0f ab 07", (rig) => {
    code32(rig);
    rig.cpu.gpr[GPR.RBX] = 0xfff8n;
    rig.cpu.gpr[GPR.RAX] = 128n;
  });
  assert.equal(wraps.ram[8], 1);
});

Deno.test("a stack obeys its segment's limit [SDM] vol. 2, PUSH", () => {
  // push eax at ESP 0: wraps to FFFFFFFCh, beyond a limit of FFFFh; the handler has a stack of its own level's no more
  const rig = new SoftRig();
  code32(rig);
  rig.cpu.setSegment(SEGMENT.SS, 0x18, 0n, 0xffff, ATTR.PRESENT | ATTR.CODE_OR_DATA | 3 | ATTR.BIG);
  rig.cpu.gpr[GPR.RSP] = 0n;
  let vector = -1;
  const fault = rig.cpu.fault.bind(rig.cpu);
  rig.cpu.fault = (which, code) => {
    if (vector < 0) vector = which;
    return fault(which, code);
  };
  rig.run(hex("50"));
  assert.equal(vector, VECTOR.SS);
});

Deno.test("POP to memory that faults leaves rSP [SDM] vol. 3A, 7.5", () => {
  // pop dword ptr [ebx], beyond the limit
  const { cpu, view } = ran("8f 03", (rig) => {
    code32(rig, 0xffff);
    rig.cpu.gpr[GPR.RBX] = 0x10000n;
  });
  assert.equal(raised({ cpu } as SoftRig), VECTOR.GP);
  assert.equal(view.getBigUint64(Number(cpu.gpr[GPR.RSP]) + 32, true), BigInt(RIG.STACK));
});

Deno.test("a PUSH of a segment in 32-bit code writes two bytes [SDM] vol. 2, PUSH", () => {
  // push ds
  const { view, cpu } = ran("1e", (rig) => {
    code32(rig);
    rig.view.setUint32(RIG.STACK - 4, 0xaaaaaaaa, true);
  });
  assert.equal(cpu.gpr[GPR.RSP], BigInt(RIG.STACK - 4));
  assert.equal(view.getUint32(RIG.STACK - 4, true), 0xaaaa0018);
});

Deno.test("BOUND looks at the upper bound only where the lower one is kept [SDM] vol. 2, BOUND", () => {
  // bound eax, [ebx]; the upper bound is not mapped
  const index = (value: bigint) =>
    raised(ran("62 03", (rig) => {
      code32(rig);
      rig.cpu.gpr[GPR.RAX] = value;
      rig.cpu.gpr[GPR.RBX] = LAST - 3n;
    }));
  assert.equal(index(0x80000000n), VECTOR.BR);
  assert.equal(index(1n), VECTOR.PF);
});

Deno.test("ARPL that changes nothing writes nothing [SDM] vol. 2, ARPL", () => {
  // arpl cs:[ebx], ax: CS is not writable
  const arpl = (selector: bigint) =>
    ran("2e 63 03", (rig) => {
      code32(rig);
      rig.cpu.gpr[GPR.RBX] = BigInt(RIG.DATA);
      rig.view.setUint16(RIG.DATA, 2, true);
      rig.cpu.gpr[GPR.RAX] = selector;
    });
  assert.equal(raised(arpl(1n)), 0);
  assert.equal(arpl(1n).cpu.eflags & RFLAGS.ZF, 0);
  assert.equal(raised(arpl(3n)), VECTOR.GP);
});

Deno.test("CLFLUSH faults as a load does [SDM] vol. 2, CLFLUSH", () => {
  assert.equal(raised(ran("0f ae 3b", ({ cpu }) => cpu.gpr[GPR.RBX] = UNMAPPED)), VECTOR.PF);
});

// ---- branches ----------------------------------------------------------------------------------------------------------

Deno.test("a branch to where no code can be is #GP at the branch [SDM] vol. 2, JMP, CALL, RET", () => {
  // jmp rax; call rax; push rax; ret
  for (const [code, at] of [["ff e0", 0], ["ff d0", 0], ["50 c3", 1]] as const) {
    const rig = ran(code, ({ cpu }) => cpu.gpr[GPR.RAX] = 1n << 47n);
    assert.equal(raised(rig), VECTOR.GP, code);
    const frame = Number(rig.cpu.gpr[GPR.RSP]);
    assert.equal(rig.view.getBigUint64(frame + 8, true), BigInt(RIG.CODE + at), code);
  }
});

Deno.test("branches and addresses 2 GiB from the middle of a block [SDM] vol. 2, JMP", () => {
  // Eight times NOP; jmp +7FFFFFFFh: nothing is mapped there
  const nops = "90 90 90 90 90 90 90 90 ";
  const target = BigInt(RIG.CODE + 13) + 0x7fffffffn;
  assert.equal(ran(`${nops} e9 ff ff ff 7f`).cpu.cell64(CPU.CR2), target);
  // lea rax, [rip+7FFFFFFFh]; mov eax, [rip+7FFFFFFFh]
  assert.equal(ran(`${nops} 48 8d 05 ff ff ff 7f`).cpu.gpr[GPR.RAX], target + 2n);
  assert.equal(ran(`${nops} 8b 05 ff ff ff 7f`).cpu.cell64(CPU.CR2), target + 1n);
});

// ---- integers ----------------------------------------------------------------------------------------------------------

Deno.test("CMPXCHG leaves a register alone that is not equal [SDM] vol. 2, CMPXCHG", () => {
  // cmpxchg ebx, ecx
  const { cpu } = ran("0f b1 cb", ({ cpu }) => {
    cpu.gpr[GPR.RAX] = 1n;
    cpu.gpr[GPR.RBX] = 0xaaaaaaaa_00000002n;
  });
  assert.equal(cpu.gpr[GPR.RBX], 0xaaaaaaaa_00000002n);
  assert.equal(cpu.gpr[GPR.RAX], 2n);
});

// ---- x87 and MMX -------------------------------------------------------------------------------------------------------

/** An invalid operation is pending. */
function pending({ cpu }: SoftRig): void {
  cpu.setCell32(CPU.FCW, 0x37e);
  cpu.setCell32(CPU.FSW, 0x8081);
}

Deno.test("x87 and MMX instructions raise what is pending before they look at memory [SDM] vol. 3A, 7.15, 13.5", () => {
  const set = (rig: SoftRig) => {
    pending(rig);
    rig.cpu.gpr[GPR.RBX] = UNMAPPED;
  };
  // fld dword ptr [rbx]; fldcw [rbx]; movq mm0, [rbx]; paddb mm0, mm1; emms
  for (const code of ["d9 03", "d9 2b", "0f 6f 03", "0f fc c1", "0f 77"]) {
    assert.equal(raised(ran(code, set)), VECTOR.MF, code);
  }
});

Deno.test("EMMS clears TOP; CVTPI2PS of memory does not touch the x87 [SDM] vol. 3A, table 13-1; vol. 2", () => {
  const set = ({ cpu }: SoftRig) => {
    cpu.setCell32(CPU.FSW, 0x1800);
    cpu.gpr[GPR.RBX] = BigInt(RIG.DATA);
  };
  assert.equal(ran("0f 77", set).cpu.cell32(CPU.FSW), 0);
  const { cpu } = ran("0f 2a 03", set);
  assert.deepEqual([cpu.cell32(CPU.FSW), cpu.cell32(CPU.FTAG)], [0x1800, 0xff]);
});

Deno.test("FCMOVcc meets an empty register though it moves nothing, and else keeps C1 [SDM] vol. 2, FCMOVcc", () => {
  // clc; fcmovb st, st(1)
  const empty = ran("f8 da c1");
  assert.equal(empty.cpu.cell32(CPU.FSW) & 0x41, 0x41);
  const full = ran("f8 da c1", ({ cpu }) => {
    cpu.setCell32(CPU.FTAG, 0);
    cpu.setCell32(CPU.FSW, 0x200);
  });
  assert.equal(full.cpu.cell32(CPU.FSW), 0x200);
});

Deno.test("FCOMI of an empty register is unordered, masked or not [SDM] vol. 2, FCOMI", () => {
  const unordered = RFLAGS.ZF | RFLAGS.PF | RFLAGS.CF;
  for (const control of [0x37f, 0x37e]) {
    const { cpu } = ran("db f1", ({ cpu }) => cpu.setCell32(CPU.FCW, control));
    assert.equal(cpu.eflags & STATUS, unordered);
  }
});

// ---- SSE ---------------------------------------------------------------------------------------------------------------

const MASKED = 0x1f80;

/** The lowest double of XMM0, and MXCSR, after an instruction on XMM0 and XMM1. */
function onDoubles(code: string, a: number, b: number, mxcsr: number): [number, number] {
  const { cpu } = ran(code, ({ cpu }) => {
    new Float64Array(cpu.buffer, CPU.XMM, 4).set([a, 0, b, 0]);
    cpu.setCell32(CPU.MXCSR, mxcsr);
  });
  assert.equal(cpu.gpr[GPR.R15], 0n);
  return [new Float64Array(cpu.buffer, CPU.XMM, 1)[0]!, cpu.cell32(CPU.MXCSR)];
}

Deno.test("SSE sets the exception flags of MXCSR [SDM] vol. 1, 11.5.2", () => {
  const [addsd, mulsd, divsd] = ["f2 0f 58 c1", "f2 0f 59 c1", "f2 0f 5e c1"];
  const rows: [string, number, number, number, number][] = [
    [addsd, 1, 2, 3, 0],
    [addsd, 0.1, 0.2, 0.1 + 0.2, 0x20],
    [addsd, Infinity, -Infinity, NaN, 1],
    [addsd, 5e-324, 1, 1, 0x22],
    [mulsd, 3, 0.5, 1.5, 0],
    [mulsd, 0.1, 3, 0.1 * 3, 0x20],
    [mulsd, 1e200, 1e200, Infinity, 0x28],
    [mulsd, 1e-200, 1e-200, 0, 0x30],
    [divsd, 1, 0, Infinity, 4],
    [divsd, 1, 4, 0.25, 0],
    [divsd, 1, 3, 1 / 3, 0x20],
  ];
  for (const [code, a, b, result, flags] of rows) {
    assert.deepEqual(onDoubles(code, a, b, MASKED), [result, MASKED | flags], `${code} ${a} ${b}`);
  }
});

Deno.test("SSE rounds as MXCSR says, flushes to zero and takes denormals as zeros [SDM] vol. 1, 10.2.3", () => {
  const [addsd, mulsd, divsd] = ["f2 0f 58 c1", "f2 0f 59 c1", "f2 0f 5e c1"];
  const third = 1 / 3;
  const above = third + 2 ** -54;
  assert.equal(onDoubles(divsd, 1, 3, MASKED | 0x2000)[0], third);
  assert.equal(onDoubles(divsd, 1, 3, MASKED | 0x4000)[0], above);
  assert.equal(onDoubles(divsd, -1, 3, MASKED | 0x2000)[0], -above);
  // FTZ: UE and PE; DAZ: no DE
  assert.deepEqual(onDoubles(mulsd, 1e-307, 0.01, MASKED | 0x8000), [0, MASKED | 0x8030]);
  assert.deepEqual(onDoubles(addsd, 5e-324, 0, MASKED | 0x40), [0, MASKED | 0x40]);
});

Deno.test("an unmasked SSE exception is #XM and changes flags of MXCSR alone [SDM] vol. 1, 11.5.3", () => {
  // divsd xmm0, xmm1 by zero
  const { cpu } = ran("f2 0f 5e c1", ({ cpu }) => {
    new Float64Array(cpu.buffer, CPU.XMM, 4).set([1, 0, 0, 0]);
    cpu.setCell32(CPU.MXCSR, MASKED & ~0x200);
  });
  assert.equal(raised({ cpu } as SoftRig), VECTOR.XM);
  assert.equal(cpu.cell32(CPU.MXCSR), MASKED & ~0x200 | 4);
  assert.equal(new Float64Array(cpu.buffer, CPU.XMM, 1)[0], 1);
});

Deno.test("of two NaNs the first operand's is the result, quiet [SDM] vol. 1, table 4-7", () => {
  const { cpu } = ran("f2 0f 58 c1", ({ cpu }) => {
    cpu.setCell64(CPU.XMM, 0x7ff0000000000001n);
    cpu.setCell64(CPU.XMM + 16, 0x7ff8000000000002n);
  });
  assert.equal(cpu.cell64(CPU.XMM), 0x7ff8000000000001n);
  assert.equal(cpu.cell32(CPU.MXCSR) & 0x3f, 1);
});

Deno.test("RCPPS takes denormals as zeros [SDM] vol. 2, RCPPS", () => {
  const { cpu } = ran("0f 53 c1", ({ cpu }) => {
    cpu.u32.set([0x80700000, 0x7f800000, 0x3f800000, 0], (CPU.XMM >> 2) + 4);
  });
  const [a, b, , d] = cpu.u32.subarray(CPU.XMM >> 2, (CPU.XMM >> 2) + 4);
  assert.deepEqual([a, b, d], [0xff800000, 0, 0x7f800000]);
});

// ---- system ------------------------------------------------------------------------------------------------------------

/** Level 3, with the rig's pages for everybody. */
function user({ cpu }: SoftRig): void {
  cpu.setCpl(3);
}

/** The first exception that code raises. */
function firstFault(text: string, prepare: (rig: SoftRig) => void): number {
  const rig = new SoftRig();
  prepare(rig);
  let vector = -1;
  const fault = rig.cpu.fault.bind(rig.cpu);
  rig.cpu.fault = (which, code) => {
    if (vector < 0) vector = which;
    return fault(which, code);
  };
  rig.run(hex(text));
  return vector;
}

Deno.test("CLAC and STAC are #UD above level 0, SYSRET is outside of 64-bit code [SDM] vol. 2, CLAC, SYSRET", () => {
  assert.equal(firstFault("0f 01 ca", user), VECTOR.UD);
  assert.equal(firstFault("0f 01 cb", user), VECTOR.UD);
  assert.equal(firstFault("0f 07", user), VECTOR.GP);
  assert.equal(
    firstFault("0f 07", (rig) => {
      code32(rig);
      user(rig);
    }),
    VECTOR.UD,
  );
});

Deno.test("a far call to 64-bit code pushes at RSP, whatever SS was [SDM] vol. 2, CALL", () => {
  // call 8:CODE+7 from 32-bit code with a stack segment whose base is not 0
  const target = RIG.CODE + 7;
  const { cpu, view } = ran(
    `9a ${[0, 8, 16, 24].map((n) => (target >> n & 0xff).toString(16)).join(" ")} 08 00`,
    (rig) => {
      code32(rig);
      rig.cpu.setSegment(
        SEGMENT.SS,
        0x18,
        0x100n,
        0xffffffff,
        ATTR.PRESENT | ATTR.CODE_OR_DATA | 3 | ATTR.BIG,
      );
      rig.cpu.updateMode();
    },
  );
  assert.equal(cpu.gpr[GPR.RSP], BigInt(RIG.STACK - 8));
  assert.equal(view.getUint32(RIG.STACK - 8, true), target);
});

Deno.test("a far jump to 32-bit code takes 32 bits of its offset [SDM] vol. 2, JMP", () => {
  // rex.w jmp tbyte ptr [rbx] to HLT in a 32-bit code segment
  const { cpu } = ran("48 ff 2b", (rig) => {
    rig.view.setBigUint64(RIG.GDT + 0x30, 0x00cf9b000000ffffn, true);
    rig.view.setBigUint64(RIG.DATA, 0xffffffffn << 32n | BigInt(RIG.CODE + 3), true);
    rig.view.setUint16(RIG.DATA + 8, 0x30, true);
    rig.cpu.gpr[GPR.RBX] = BigInt(RIG.DATA);
  });
  assert.equal(cpu.gpr[GPR.R15], 0n);
  assert.equal(cpu.selector(SEGMENT.CS), 0x30);
});
