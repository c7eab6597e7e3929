/**
 * Moves, extensions, conditional moves, exchanges, addresses, and what does nothing.
 *
 * Sources: [SDM] Intel SDM vol. 2, CBW to CMPXCHG16B, LEA, MOV to MOVZX, SETcc, XCHG, XLAT.
 * @module
 */

import { GPR } from "../state.ts";
import { subCarries } from "./alu.ts";
import { byteSwap } from "./bitops.ts";
import { CPU } from "./cpu_memory.ts";
import { type I64, select, type Sem, type Semantic, type Semantics, VECTOR } from "./sem.ts";

const mov: Semantic = { hot: true, emit: (s) => s.write(0, s.read(1, s.width(0))) };
const movzx: Semantic = { hot: true, emit: (s) => s.write(0, s.read(1)) };
const movsx: Semantic = { hot: true, emit: (s) => s.write(0, s.signed(s.read(1), s.width(1))) };

/** The 16-bit form of MOVSXD moves 16 bits of a 32-bit operand. */
const movsxd: Semantic = {
  hot: true,
  emit: (s) => s.write(0, s.signed(s.read(1), s.width(1))),
};

const lea: Semantic = {
  hot: true,
  uses: ["asize"],
  emit: (s) => s.write(0, s.cut(s.offset(), s.form.asize)),
};

const setcc: Semantic = {
  hot: true,
  uses: ["cond"],
  emit: (s) => s.write(0, s.condition(s.form.cond).toI64U()),
};

const cmovcc: Semantic = {
  hot: true,
  uses: ["cond"],
  emit: (s) => {
    const value = s.read(1);
    const old = s.read(0);
    s.write(0, select(s.condition(s.form.cond), value, old));
  },
};

const xchg: Semantic = {
  hot: true,
  emit: (s) => {
    const b = s.read(1);
    s.update(0, () => b, (_r, a) => s.write(1, a));
  },
};

/** From a segment register: to a register as wide as the operand, to memory 16 bits. */
const movfromseg: Semantic = {
  emit: (s) => {
    const { state } = s.m;
    s.write(0, state.load32(s.regField(1).shl(2), CPU.SELECTOR).toI64U());
  },
};

/** CBW, CWDE, CDQE; CWD, CDQ, CQO. */
const cbw: Semantic = {
  uses: ["osize"],
  hot: true,
  emit: (s) => {
    const half = s.form.osize / 2;
    s.setGpr(GPR.RAX, s.form.osize, s.signed(s.gpr(GPR.RAX, half), half));
  },
};

const cwd: Semantic = {
  uses: ["osize"],
  hot: true,
  emit: (s) => {
    const width = s.form.osize;
    s.setGpr(GPR.RDX, width, s.signed(s.gpr(GPR.RAX, width), width).shrS(63n));
  },
};

/** AL = [rBX + AL]; the segment is the record's. */
const xlat: Semantic = {
  uses: ["asize"],
  emit: (s) => {
    const offset = s.f.let(s.cut(s.gpr(GPR.RBX).add(s.gpr(GPR.RAX, 1)), s.form.asize));
    s.setGpr(GPR.RAX, 1, s.load(1, s.segmented(s.segment(), offset, 1, false)));
  },
};

/** The accumulator with the destination: ZF says whether they were the same. Memory is written always. */
const cmpxchg: Semantic = {
  hot: true,
  emit: (s) => {
    const { f } = s;
    const width = s.width(0);
    const accumulator = s.gpr(GPR.RAX, width);
    const source = s.read(1);
    const done = (old: I64) => {
      const difference = f.let(accumulator.sub(old));
      s.setFlagsByCarries(width, difference, subCarries(accumulator, old, difference));
      f.if(old.ne(accumulator), () => s.setGpr(GPR.RAX, width, old));
    };
    if (s.isMemory(0)) {
      return s.update(0, (old) => select(old.eq(accumulator), source, old), (_r, old) => done(old));
    }
    // A register that differs is left alone, its high half too.
    const old = s.read(0);
    f.if(old.eq(accumulator), () => s.write(0, source));
    done(old);
  },
};

/** ZF alone. */
function setZf(s: Sem, zf: ReturnType<Sem["zf"]>): void {
  s.setAll({ cf: s.cf(), pf: s.pf(), af: s.af(), zf, sf: s.sf(), of: s.of() });
}

const cmpxchg8b: Semantic = {
  emit: (s) => {
    const { f } = s;
    const expected = f.let(s.gpr(GPR.RDX, 4).shl(32n).or(s.gpr(GPR.RAX, 4)));
    const wanted = f.let(s.gpr(GPR.RCX, 4).shl(32n).or(s.gpr(GPR.RBX, 4)));
    s.modify(8, s.address(), (old) => select(old.eq(expected), wanted, old), (_r, old) => {
      const same = f.let(old.eq(expected));
      f.if(same.eqz(), () => {
        s.setGpr(GPR.RAX, 4, old);
        s.setGpr(GPR.RDX, 4, old.shrU(32n));
      });
      setZf(s, same);
    });
  },
};

const cmpxchg16b: Semantic = {
  emit: (s) => {
    const { f } = s;
    s.align(16);
    const linear = s.address();
    const upper = f.let(linear.add(8n));
    s.probe(linear, 16, true);
    const low = s.load(8, linear);
    const high = s.load(8, upper);
    const same = f.let(low.eq(s.gpr(GPR.RAX)).and(high.eq(s.gpr(GPR.RDX))));
    s.store(8, linear, select(same, s.gpr(GPR.RBX), low));
    s.store(8, upper, select(same, s.gpr(GPR.RCX), high));
    f.if(same.eqz(), () => {
      s.setGpr(GPR.RAX, 8, low);
      s.setGpr(GPR.RDX, 8, high);
    });
    setZf(s, same);
  },
};

const movbe: Semantic = { emit: (s) => s.write(0, byteSwap(s, s.read(1), s.width(0))) };

/** 64 bytes to the address in a register, which is aligned and in ES. */
const movdir64b: Semantic = {
  uses: ["asize", "code"],
  emit: (s) => {
    const { f } = s;
    const offset = f.let(s.cut(s.read(0, s.form.asize), s.form.asize));
    const target = f.let(s.form.code === 64 ? offset : s.cut(offset.add(s.cell64(CPU.SEG_BASE)), 4));
    s.faultIf(target.and(63n).ne(0n), VECTOR.GP, 0);
    const from = s.address();
    const values = Array.from({ length: 8 }, (_, i) => s.load(8, f.let(from.add(BigInt(i * 8)))));
    s.probe(target, 64, true);
    values.forEach((value, i) => s.store(8, f.let(target.add(BigInt(i * 8))), value));
  },
};

const nop: Semantic = { emit: () => {}, hot: true };

/** Instructions on cache lines fault where a load of a byte would. [SDM] vol. 2, CLFLUSH */
const line: Semantic = { emit: (s) => void s.load(1, s.address()) };

/** By key. */
export const MOV: Semantics = {
  mov,
  movzx,
  movsx,
  movsxd,
  movnti: mov,
  movdiri: mov,
  movdir64b,
  movfromseg,
  movbe,
  lea,
  setcc,
  cmovcc,
  xchg,
  cbw,
  cwd,
  xlat,
  cmpxchg,
  cmpxchg8b,
  cmpxchg16b,
  nop,
  pause: nop,
  cldemote: nop,
  endbr64: nop,
  endbr32: nop,
  clflush: line,
  clflushopt: line,
  clwb: line,
  lfence: nop,
  mfence: nop,
  sfence: nop,
};
