/**
 * Integer arithmetic, comparison, packing, shuffling and shifting of MMX and SSE registers.
 *
 * Sources: [SDM] Intel SDM vol. 2, PABSB to PXOR, PSHUFB, PALIGNR, PTEST.
 * @module
 */

import { select, shuffle } from "../emit_value.ts";
import { CPU } from "./cpu_memory.ts";
import { KIND, type Sem, type Semantic, type Semantics } from "./sem.ts";
import {
  constant,
  type I32,
  i32,
  type I64,
  immediate,
  isMmx,
  joinLow,
  lane64,
  mmxEnter,
  readVector,
  splat64,
  type V128,
  vec,
  words32,
  writeVector,
} from "./sse_operands.ts";

type Compute = (a: V128, b: V128, s: Sem) => V128;

const IOTA = constant(Uint8Array.from({ length: 16 }, (_, i) => i));

function binary(compute: Compute): Semantic {
  return {
    emit: (s) => {
      const b = readVector(s, 1);
      const a = readVector(s, 0);
      writeVector(s, 0, s.f.let(compute(a, b, s)));
    },
  };
}

const plain = (name: string): Semantic => binary((a, b) => vec(name, a, b));

function unary(name: string): Semantic {
  return { emit: (s) => writeVector(s, 0, vec(name, readVector(s, 1))) };
}

/** Instructions that take both operands' lanes in turn: the MMX form works on the two halves put side by side. */
function paired(compute: (a: V128, b: V128, s: Sem) => V128): Semantic {
  return {
    emit: (s) => {
      const b = readVector(s, 1);
      const a = readVector(s, 0);
      if (!isMmx(s)) return writeVector(s, 0, s.f.let(compute(a, b, s)));
      const both = s.f.let(joinLow(a, b));
      writeVector(s, 0, s.f.let(compute(both, both, s)));
    },
  };
}

const bytesOf = (width: number, units: readonly number[]) =>
  units.flatMap((unit) => Array.from({ length: width }, (_, i) => unit * width + i));

/** Unpacking: units of the low or high halves in turn; the high half of an MMX register is the second eighth bytes. */
function unpack(width: number, high: boolean): Semantic {
  const count = 8 / width;
  return {
    emit: (s) => {
      const b = readVector(s, 1);
      const a = readVector(s, 0);
      const first = high && !isMmx(s) ? count : 0;
      const units = Array.from({ length: count }, (_, i) => [first + i, 16 / width + first + i]).flat();
      const mixed = s.f.let(shuffle(a, b, bytesOf(width, units)));
      if (!isMmx(s) || !high) return writeVector(s, 0, mixed);
      writeVector(s, 0, splat64(lane64(mixed, 1)));
    },
  };
}

/** Even and odd units of two vectors. */
function evenOdd(width: number, a: V128, b: V128): [V128, V128] {
  const count = 16 / width;
  const units = (odd: number) =>
    bytesOf(width, Array.from({ length: count }, (_, i) => 2 * i + odd).map((unit) => unit));
  return [shuffle(a, b, units(0)), shuffle(a, b, units(1))];
}

function horizontal(width: number, name: string): Semantic {
  return paired((a, b) => {
    const [even, odd] = evenOdd(width, a, b);
    return vec(name, even, odd);
  });
}

const HIGH_WORDS = [2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31];
const LOW_WORDS = [0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29];

/** The high halves of products of words. */
function mulHigh(sign: "s" | "u"): Semantic {
  return binary((a, b) =>
    shuffle(
      vec(`i32x4.extmul_low_i16x8_${sign}`, a, b),
      vec(`i32x4.extmul_high_i16x8_${sign}`, a, b),
      HIGH_WORDS,
    )
  );
}

/** PMULHRSW: rounded bits 30 to 15 of the products. */
const pmulhrsw = binary((a, b) => {
  const round = (product: V128) =>
    vec("i32x4.shr_s", vec("i32x4.add", vec("i32x4.shr_s", product, i32(14)), words32(1)), i32(1));
  return shuffle(
    round(vec("i32x4.extmul_low_i16x8_s", a, b)),
    round(vec("i32x4.extmul_high_i16x8_s", a, b)),
    LOW_WORDS,
  );
});

/** PMADDUBSW: unsigned bytes of the first by signed ones of the second. */
const pmaddubsw = binary((a, b) =>
  vec(
    "i16x8.add_sat_s",
    vec(
      "i16x8.mul",
      vec("v128.and", a, words32(0x00ff00ff)),
      vec("i16x8.shr_s", vec("i16x8.shl", b, i32(8)), i32(8)),
    ),
    vec("i16x8.mul", vec("i16x8.shr_u", a, i32(8)), vec("i16x8.shr_s", b, i32(8))),
  )
);

const ZERO = constant(new Uint8Array(16));

/** PSIGN: negated, zero or kept by the sign of the second. */
function sign(shape: string): Semantic {
  return binary((a, b) => {
    const negated = vec("v128.bitselect", vec(`${shape}.neg`, a), a, vec(`${shape}.lt_s`, b, ZERO));
    return vec("v128.andnot", negated, vec(`${shape}.eq`, b, ZERO));
  });
}

/** PSADBW: sums of absolute differences of each eight bytes. */
const psadbw = binary((a, b, s) => {
  const difference = vec(
    "v128.or",
    vec("i8x16.sub_sat_u", a, b),
    vec("i8x16.sub_sat_u", b, a),
  );
  const pairs = vec("i16x8.extadd_pairwise_i8x16_u", difference);
  const fours = s.f.let(vec("i32x4.extadd_pairwise_i16x8_u", pairs));
  const mask = constant(Uint8Array.from({ length: 16 }, (_, i) => (i & 7) < 4 ? 255 : 0));
  return vec("i64x2.add", vec("v128.and", fours, mask), vec("i64x2.shr_u", fours, i32(32)));
});

const LOW_HALVES = constant(Uint8Array.from({ length: 16 }, (_, i) => (i & 7) < 4 ? 255 : 0));

const pmuludq = binary((a, b) =>
  vec("i64x2.mul", vec("v128.and", a, LOW_HALVES), vec("v128.and", b, LOW_HALVES))
);

const pmuldq = binary((a, b) => {
  const even = (v: V128) => shuffle(v, v, bytesOf(4, [0, 2, 0, 2]));
  return vec("i64x2.extmul_low_i32x4_s", even(a), even(b));
});

/** PSHUFB: a set top bit gives zero, else the low three or four bits choose. */
const pshufb: Semantic = binary((a, b, s) =>
  vec("i8x16.swizzle", a, vec("v128.and", b, words32(isMmx(s) ? 0x87878787 : 0x8f8f8f8f)))
);

/** Shifts by one count for all lanes: of a vector's low 64 bits, or an immediate. Too long ones give zeros or signs. */
function shift(shape: string, bits: number, kind: "shl" | "shr_u" | "shr_s"): Semantic {
  return {
    emit: (s) => {
      const { f } = s;
      const count = s.kind(1) === KIND.IMM
        ? f.let(immediate(s).toI64U())
        : f.let(lane64(readVector(s, 1), 0));
      const value = readVector(s, 0);
      const long = f.let(count.gtU(BigInt(bits - 1)));
      if (kind === "shr_s") {
        const by = f.let(select(long, i32(bits - 1), count.toI32()));
        return writeVector(s, 0, vec(`${shape}.${kind}`, value, by));
      }
      const shifted = f.let(vec(`${shape}.${kind}`, value, count.toI32()));
      const keep = splat64(long.toI64U().sub(1n));
      writeVector(s, 0, vec("v128.and", shifted, keep));
    },
  };
}

/** Bytes of the whole register. */
function byteShift(left: boolean): Semantic {
  return {
    emit: (s) => {
      const { f } = s;
      const raw = immediate(s);
      const count = f.let(select(raw.gtU(16), i32(16), raw));
      const by = vec("i8x16.splat", count);
      const lanes = vec(left ? "i8x16.sub" : "i8x16.add", IOTA, by);
      s.writeXmm(0, vec("i8x16.swizzle", s.readXmm(0), lanes));
    },
  };
}

const palignr: Semantic = {
  emit: (s) => {
    const { f } = s;
    const b = readVector(s, 1);
    const a = readVector(s, 0);
    const raw = immediate(s);
    const count = f.let(select(raw.gtU(32), i32(32), raw));
    const lanes = f.let(vec("i8x16.add", IOTA, vec("i8x16.splat", count)));
    if (isMmx(s)) return writeVector(s, 0, f.let(vec("i8x16.swizzle", joinLow(b, a), lanes)));
    const high = vec("i8x16.sub", lanes, vec("i8x16.splat", i32(16)));
    writeVector(s, 0, vec("v128.or", vec("i8x16.swizzle", b, lanes), vec("i8x16.swizzle", a, high)));
  },
};

/** Lanes of a swizzle from two bits of the immediate each. */
export function chosenDwords(imm: I32, at: readonly number[]): V128 {
  return at.reduce((lanes, shiftBy, i) => {
    const choice = imm.shrU(shiftBy).and(3);
    return vec("i32x4.replace_lane", lanes, choice.mul(0x04040404).add(0x03020100), i);
  }, ZERO);
}

const pshufd: Semantic = {
  emit: (s) => {
    const value = readVector(s, 1);
    s.writeXmm(0, vec("i8x16.swizzle", value, chosenDwords(immediate(s), [0, 2, 4, 6])));
  },
};

/** Words of one half are shuffled, the other half stays. */
function shuffleWords(high: boolean): Semantic {
  return {
    emit: (s) => {
      const imm = immediate(s);
      const value = readVector(s, 1);
      const lanes = [0, 1, 2, 3].reduce((all, i) => {
        const choice = imm.shrU(2 * i).and(3).mul(0x0202).add(high ? 0x0908 : 0x0100);
        return vec("i16x8.replace_lane", all, choice, high ? i + 4 : i);
      }, IOTA);
      writeVector(s, 0, s.f.let(vec("i8x16.swizzle", value, lanes)));
    },
  };
}

/** A blend by bits of the immediate. */
export function blendByBits(shape: string, bits: V128): Semantic {
  return {
    emit: (s) => {
      const b = readVector(s, 1);
      const a = readVector(s, 0);
      const imm = immediate(s);
      const all = shape === "i64x2" ? splat64(imm.toI64U()) : vec(`${shape}.splat`, imm);
      const mask = vec(`${shape}.ne`, vec("v128.and", all, bits), ZERO);
      s.writeXmm(0, vec("v128.bitselect", b, a, mask));
    },
  };
}

/** A blend by the signs of XMM0's lanes. */
function blendBySigns(shape: string, bits: number): Semantic {
  return {
    emit: (s) => {
      const b = readVector(s, 1);
      const a = readVector(s, 0);
      const control = s.m.state.load("v128.load", i32(0), CPU.XMM) as V128;
      const mask = vec(`${shape}.shr_s`, control, i32(bits - 1));
      s.writeXmm(0, vec("v128.bitselect", b, a, mask));
    },
  };
}

/** PMOVSX and PMOVZX: extended step by step. */
function extend(from: number, to: number, sign_: "s" | "u"): Semantic {
  const shapes: Record<number, string> = { 8: "i8x16", 16: "i16x8", 32: "i32x4", 64: "i64x2" };
  return {
    emit: (s) => {
      let value = readVector(s, 1);
      for (let bits = from; bits < to; bits *= 2) {
        value = vec(`${shapes[bits * 2]}.extend_low_${shapes[bits]}_${sign_}`, value);
      }
      s.writeXmm(0, value);
    },
  };
}

const ptest: Semantic = {
  emit: (s) => {
    const { f } = s;
    const b = readVector(s, 1);
    const a = readVector(s, 0);
    const any = (v: V128) => f.let((vec("v128.any_true", v) as unknown as I32).xor(1));
    const zf = any(vec("v128.and", a, b));
    const cf = any(vec("v128.andnot", b, a));
    const none = i32(0);
    s.setAll({ zf, cf, pf: none, af: none, sf: none, of: none });
  },
};

/** A lane chosen at run time goes through memory. */
function tempLane(s: Sem, width: number, lanes: number): I32 {
  return s.f.let(immediate(s).and(lanes - 1).mul(width).add(CPU.TEMP));
}

const LOADS: Record<number, string> = {
  1: "i64.load8_u",
  2: "i64.load16_u",
  4: "i64.load32_u",
  8: "i64.load",
};
const STORES: Record<number, string> = {
  1: "i64.store8",
  2: "i64.store16",
  4: "i64.store32",
  8: "i64.store",
};

function extract(width: number | undefined): Semantic {
  return {
    emit: (s) => {
      const unit = width ?? s.width(0);
      const mmx = isMmx(s);
      const at = tempLane(s, unit, (mmx ? 8 : 16) / unit);
      s.f.put(s.m.state.store("v128.store", i32(CPU.TEMP), readVector(s, 1)));
      if (mmx) mmxEnter(s);
      s.write(0, s.f.let(s.m.state.load(LOADS[unit]!, at) as I64));
    },
  };
}

function insert(width: number | undefined): Semantic {
  return {
    emit: (s) => {
      const unit = width ?? s.width(1);
      const value = s.read(1, s.kind(1) === KIND.MEM ? unit : s.width(1));
      const at = tempLane(s, unit, (isMmx(s) ? 8 : 16) / unit);
      s.f.put(s.m.state.store("v128.store", i32(CPU.TEMP), readVector(s, 0)));
      s.f.put(s.m.state.store(STORES[unit]!, at, value));
      writeVector(s, 0, s.f.let(s.m.state.load("v128.load", i32(CPU.TEMP)) as V128));
    },
  };
}

const andnot = binary((a, b) => vec("v128.andnot", b, a));
const WORD_BITS = constant(new Uint8Array(Uint16Array.of(1, 2, 4, 8, 16, 32, 64, 128).buffer));

/** By key. */
export const SSE_INTEGER: Semantics = {
  paddb: plain("i8x16.add"),
  paddw: plain("i16x8.add"),
  paddd: plain("i32x4.add"),
  paddq: plain("i64x2.add"),
  psubb: plain("i8x16.sub"),
  psubw: plain("i16x8.sub"),
  psubd: plain("i32x4.sub"),
  psubq: plain("i64x2.sub"),
  paddsb: plain("i8x16.add_sat_s"),
  paddsw: plain("i16x8.add_sat_s"),
  paddusb: plain("i8x16.add_sat_u"),
  paddusw: plain("i16x8.add_sat_u"),
  psubsb: plain("i8x16.sub_sat_s"),
  psubsw: plain("i16x8.sub_sat_s"),
  psubusb: plain("i8x16.sub_sat_u"),
  psubusw: plain("i16x8.sub_sat_u"),
  pmullw: plain("i16x8.mul"),
  pmulld: plain("i32x4.mul"),
  pmulhw: mulHigh("s"),
  pmulhuw: mulHigh("u"),
  pmulhrsw,
  pmaddwd: plain("i32x4.dot_i16x8_s"),
  pmaddubsw,
  pmuludq,
  pmuldq,
  psadbw,
  pavgb: plain("i8x16.avgr_u"),
  pavgw: plain("i16x8.avgr_u"),
  pminub: plain("i8x16.min_u"),
  pmaxub: plain("i8x16.max_u"),
  pminsw: plain("i16x8.min_s"),
  pmaxsw: plain("i16x8.max_s"),
  pminsb: plain("i8x16.min_s"),
  pmaxsb: plain("i8x16.max_s"),
  pminuw: plain("i16x8.min_u"),
  pmaxuw: plain("i16x8.max_u"),
  pminsd: plain("i32x4.min_s"),
  pmaxsd: plain("i32x4.max_s"),
  pminud: plain("i32x4.min_u"),
  pmaxud: plain("i32x4.max_u"),
  pand: plain("v128.and"),
  pandn: andnot,
  por: plain("v128.or"),
  pxor: plain("v128.xor"),
  andps: plain("v128.and"),
  andpd: plain("v128.and"),
  andnps: andnot,
  andnpd: andnot,
  orps: plain("v128.or"),
  orpd: plain("v128.or"),
  xorps: plain("v128.xor"),
  xorpd: plain("v128.xor"),
  pcmpeqb: plain("i8x16.eq"),
  pcmpeqw: plain("i16x8.eq"),
  pcmpeqd: plain("i32x4.eq"),
  pcmpeqq: plain("i64x2.eq"),
  pcmpgtb: plain("i8x16.gt_s"),
  pcmpgtw: plain("i16x8.gt_s"),
  pcmpgtd: plain("i32x4.gt_s"),
  pcmpgtq: plain("i64x2.gt_s"),
  punpcklbw: unpack(1, false),
  punpcklwd: unpack(2, false),
  punpckldq: unpack(4, false),
  punpcklqdq: unpack(8, false),
  punpckhbw: unpack(1, true),
  punpckhwd: unpack(2, true),
  punpckhdq: unpack(4, true),
  punpckhqdq: unpack(8, true),
  unpcklps: unpack(4, false),
  unpcklpd: unpack(8, false),
  unpckhps: unpack(4, true),
  unpckhpd: unpack(8, true),
  packsswb: paired((a, b) => vec("i8x16.narrow_i16x8_s", a, b)),
  packuswb: paired((a, b) => vec("i8x16.narrow_i16x8_u", a, b)),
  packssdw: paired((a, b) => vec("i16x8.narrow_i32x4_s", a, b)),
  packusdw: paired((a, b) => vec("i16x8.narrow_i32x4_u", a, b)),
  phaddw: horizontal(2, "i16x8.add"),
  phaddd: horizontal(4, "i32x4.add"),
  phaddsw: horizontal(2, "i16x8.add_sat_s"),
  phsubw: horizontal(2, "i16x8.sub"),
  phsubd: horizontal(4, "i32x4.sub"),
  phsubsw: horizontal(2, "i16x8.sub_sat_s"),
  psignb: sign("i8x16"),
  psignw: sign("i16x8"),
  psignd: sign("i32x4"),
  pabsb: unary("i8x16.abs"),
  pabsw: unary("i16x8.abs"),
  pabsd: unary("i32x4.abs"),
  pshufb,
  psllw: shift("i16x8", 16, "shl"),
  pslld: shift("i32x4", 32, "shl"),
  psllq: shift("i64x2", 64, "shl"),
  psrlw: shift("i16x8", 16, "shr_u"),
  psrld: shift("i32x4", 32, "shr_u"),
  psrlq: shift("i64x2", 64, "shr_u"),
  psraw: shift("i16x8", 16, "shr_s"),
  psrad: shift("i32x4", 32, "shr_s"),
  pslldq: byteShift(true),
  psrldq: byteShift(false),
  palignr,
  pshufd,
  pshuflw: shuffleWords(false),
  pshufhw: shuffleWords(true),
  pshufw: shuffleWords(false),
  pblendw: blendByBits("i16x8", WORD_BITS),
  blendps: blendByBits("i32x4", words32(1, 2, 4, 8)),
  blendpd: blendByBits("i64x2", words32(1, 0, 2, 0)),
  pblendvb: blendBySigns("i8x16", 8),
  blendvps: blendBySigns("i32x4", 32),
  blendvpd: blendBySigns("i64x2", 64),
  pmovsxbw: extend(8, 16, "s"),
  pmovsxbd: extend(8, 32, "s"),
  pmovsxbq: extend(8, 64, "s"),
  pmovsxwd: extend(16, 32, "s"),
  pmovsxwq: extend(16, 64, "s"),
  pmovsxdq: extend(32, 64, "s"),
  pmovzxbw: extend(8, 16, "u"),
  pmovzxbd: extend(8, 32, "u"),
  pmovzxbq: extend(8, 64, "u"),
  pmovzxwd: extend(16, 32, "u"),
  pmovzxwq: extend(16, 64, "u"),
  pmovzxdq: extend(32, 64, "u"),
  ptest,
  pextrb: extract(1),
  pextrw: extract(2),
  pextrd: extract(undefined),
  extractps: extract(4),
  pinsrb: insert(1),
  pinsrw: insert(2),
  pinsrd: insert(undefined),
};
