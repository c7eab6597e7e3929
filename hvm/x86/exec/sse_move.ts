/**
 * Moves of MMX and SSE registers.
 *
 * Sources: [SDM] Intel SDM vol. 2, LDDQU, LDMXCSR, MASKMOVQ, MOVAPS to MOVUPS, PMOVMSKB, STMXCSR, EMMS.
 * @module
 */

import { shuffle } from "../emit_value.ts";
import { CPU } from "./cpu_memory.ts";
import { KIND, type Sem, type Semantic, type Semantics, VECTOR } from "./sem.ts";
import {
  type I32,
  i32,
  isMmx,
  lane64,
  low64,
  mmxEnter,
  readVector,
  vec,
  writeVector,
} from "./sse_operands.ts";

/** 16 bytes; `unaligned` takes any address. */
function move16(unaligned: boolean): Semantic {
  return {
    emit: (s) => {
      const value = readVector(s, 1, unaligned);
      if (s.isMemory(0) && !unaligned) s.align(16);
      s.writeXmm(0, value);
    },
  };
}

/** MOVSS and MOVSD: from memory the rest becomes zero, from a register it stays. */
const scalar: Semantic = {
  emit: (s) => {
    const width = s.width(0);
    const value = s.readXmmLow(1, width);
    if (s.isMemory(1)) s.writeXmm(0, low64(value));
    else s.writeXmmLow(0, width, value);
  },
};

/** The low or the high half of a register and memory. */
function half(high: boolean): Semantic {
  return {
    emit: (s) => {
      const at = CPU.XMM + (high ? 8 : 0);
      const { state } = s.m;
      if (s.isMemory(0)) return s.store(8, s.address(), state.load64(s.regField(1), at));
      const value = s.load(8, s.address());
      s.f.put(state.store64(s.regField(0), value, at));
    },
  };
}

const movhlps: Semantic = {
  emit: (s) => s.writeXmmLow(0, 8, s.f.let(lane64(s.readXmm(1), 1))),
};

const movlhps: Semantic = {
  emit: (s) => {
    const value = s.f.let(lane64(s.readXmm(1), 0));
    s.f.put(s.m.state.store64(s.regField(0), value, CPU.XMM + 8));
  },
};

function duplicate(lanes: readonly number[], bytes: 8 | 16): Semantic {
  return {
    emit: (s) => {
      const value = bytes === 8 && s.isMemory(1) ? s.f.let(low64(s.load(8, s.address()))) : readVector(s, 1);
      s.writeXmm(0, shuffle(value, value, lanes));
    },
  };
}

/** Between general registers or memory and vector registers. */
const movd: Semantic = {
  emit: (s) => {
    const kind = s.kind(0);
    if (kind === KIND.XMM) return s.writeXmm(0, low64(s.read(1)));
    if (kind === KIND.MMX) {
      const value = s.read(1);
      mmxEnter(s);
      return s.writeMmx(0, value);
    }
    const width = s.width(0);
    if (s.kind(1) === KIND.XMM) return s.write(0, s.readXmmLow(1, width));
    const value = s.readMmx(1);
    s.write(0, value);
    mmxEnter(s);
  },
};

const movq: Semantic = {
  emit: (s) => {
    if (!isMmx(s)) {
      const value = s.readXmmLow(1, 8);
      if (s.isMemory(0)) return s.store(8, s.address(), value);
      return s.writeXmm(0, low64(value));
    }
    const value = s.readMmx(1);
    if (s.isMemory(0)) s.store(8, s.address(), value);
    mmxEnter(s);
    if (!s.isMemory(0)) s.writeMmx(0, value);
  },
};

/** A bit from each lane's sign. */
function signs(shape: string): Semantic {
  return {
    emit: (s) => {
      const mmx = isMmx(s);
      const bits = vecBits(shape, s);
      if (mmx) mmxEnter(s);
      s.write(0, (mmx ? bits.and(0xff) : bits).toI64U());
    },
  };
}

function vecBits(shape: string, s: Sem): I32 {
  return s.f.let(vec(`${shape}.bitmask`, readVector(s, 1)) as unknown as I32);
}

const ldmxcsr: Semantic = {
  emit: (s) => {
    const value = s.f.let(s.read(0, 4).toI32());
    s.faultIf(value.shrU(16), VECTOR.GP, 0);
    s.setCell32(CPU.MXCSR, value);
  },
};

const stmxcsr: Semantic = { emit: (s) => s.write(0, s.cell32(CPU.MXCSR).toI64U()) };

/** All registers are empty, TOP is 0. [SDM] vol. 3A, table 13-1 */
const emms: Semantic = {
  emit: (s) => {
    mmxEnter(s);
    s.setCell32(CPU.FTAG, i32(0xff));
  },
};

/** By key. */
export const SSE_MOVE: Semantics = {
  movups: move16(true),
  movupd: move16(true),
  movdqu: move16(true),
  lddqu: move16(true),
  movaps: move16(false),
  movapd: move16(false),
  movdqa: move16(false),
  movntps: move16(false),
  movntpd: move16(false),
  movntdq: move16(false),
  movntdqa: move16(false),
  movss: scalar,
  movsd: scalar,
  movlps: half(false),
  movlpd: half(false),
  movhps: half(true),
  movhpd: half(true),
  movhlps,
  movlhps,
  movsldup: duplicate([0, 1, 2, 3, 0, 1, 2, 3, 8, 9, 10, 11, 8, 9, 10, 11], 16),
  movshdup: duplicate([4, 5, 6, 7, 4, 5, 6, 7, 12, 13, 14, 15, 12, 13, 14, 15], 16),
  movddup: duplicate([0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7], 8),
  movd,
  movq,
  movntq: movq,
  movq2dq: {
    emit: (s) => {
      const value = s.readMmx(1);
      mmxEnter(s);
      s.writeXmm(0, low64(value));
    },
  },
  movdq2q: { emit: (s) => writeVector(s, 0, s.readXmm(1)) },
  pmovmskb: signs("i8x16"),
  movmskps: signs("i32x4"),
  movmskpd: signs("i64x2"),
  ldmxcsr,
  stmxcsr,
  emms,
};
