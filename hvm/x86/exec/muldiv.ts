/**
 * Multiplication and division.
 *
 * Sources: [SDM] Intel SDM vol. 2, DIV, IDIV, IMUL, MUL, MULX.
 * @module
 */

import type { FunctionRef } from "../emit.ts";
import { GPR } from "../state.ts";
import { type I32, i32, type I64, type Sem, type Semantic, type Semantics, VECTOR } from "./sem.ts";

const LOW = 0xffffffffn;

/** The high half of an unsigned product of 64-bit numbers. Operands are bound. */
export function mulHighU(s: Sem, a: I64, b: I64): I64 {
  const { f } = s;
  const [al, ah, bl, bh] = [a.and(LOW), a.shrU(32n), b.and(LOW), b.shrU(32n)].map((v) => f.let(v)) as [
    I64,
    I64,
    I64,
    I64,
  ];
  const low = f.let(al.mul(bl).shrU(32n));
  const mid1 = f.let(ah.mul(bl).add(low));
  const mid2 = f.let(al.mul(bh).add(mid1.and(LOW)));
  return ah.mul(bh).add(mid1.shrU(32n)).add(mid2.shrU(32n));
}

/** The high half of a signed product. */
function mulHighS(s: Sem, a: I64, b: I64): I64 {
  const high = mulHighU(s, a, b);
  return high.sub(a.shrS(63n).and(b)).sub(b.shrS(63n).and(a));
}

/** CF and OF alike; ZF, SF, PF follow the result, AF is 0. */
function flags(s: Sem, width: number, low: I64, overflow: I32): void {
  s.setFlags(width, low, overflow.shl(31).or(0));
  s.setCfOf(s.f.let(overflow), overflow);
}

/** MUL and IMUL of one operand: into AX, or rDX:rAX. */
function multiply(signed: boolean): Semantic {
  return {
    emit: (s) => {
      const { f } = s;
      const width = s.width(0);
      const raw = s.read(0);
      const b = signed ? f.let(s.signed(raw, width)) : raw;
      const a = f.let(signed ? s.signed(s.gpr(GPR.RAX, width), width) : s.gpr(GPR.RAX, width));
      const low = f.let(a.mul(b));
      if (width === 1) {
        s.setGpr(GPR.RAX, 2, low);
        flags(s, 1, low, f.let(signed ? low.ne(low.extend8S()) : low.shrU(8n).ne(0n)));
        return;
      }
      if (width === 8) {
        const high = f.let(signed ? mulHighS(s, a, b) : mulHighU(s, a, b));
        s.setGpr(GPR.RAX, 8, low);
        s.setGpr(GPR.RDX, 8, high);
        flags(s, 8, low, f.let(signed ? high.ne(low.shrS(63n)) : high.ne(0n)));
        return;
      }
      const bits = BigInt(width * 8);
      s.setGpr(GPR.RAX, width, low);
      s.setGpr(GPR.RDX, width, low.shrU(bits));
      flags(s, width, low, f.let(signed ? low.ne(s.signed(low, width)) : low.shrU(bits).ne(0n)));
    },
  };
}

/** IMUL of two or three operands. */
const imul2: Semantic = {
  hot: true,
  emit: (s) => {
    const { f } = s;
    const width = s.width(0);
    const three = s.kind(2) !== undefined;
    const a = f.let(s.signed(s.read(three ? 1 : 0, width), width));
    const b = f.let(s.signed(s.read(three ? 2 : 1, width), width));
    const low = f.let(a.mul(b));
    const over = width === 8 ? f.let(mulHighS(s, a, b)).ne(low.shrS(63n)) : low.ne(s.signed(low, width));
    flags(s, width, low, f.let(over));
    s.write(0, low);
  },
};

/** MULX: the high half to operand 0, the low half to operand 1. */
const mulx: Semantic = {
  emit: (s) => {
    const { f } = s;
    const width = s.width(0);
    const b = s.read(2);
    const a = s.gpr(GPR.RDX, width);
    const low = f.let(a.mul(b));
    const high = f.let(width === 8 ? mulHighU(s, a, b) : low.shrU(32n));
    s.write(1, low);
    s.write(0, high);
  },
};

/** `(high, low, divisor) -> quotient`, the remainder in TEMP: 128 by 64 bits, where high < divisor. */
function divideWide(s: Sem): FunctionRef {
  const { m } = s;
  return m.shared(
    "divide128",
    () =>
      m.module.func({ name: "divide128", params: ["i64", "i64", "i64"], results: ["i64"] }, (f, params) => {
        const [high, low, divisor] = params as I64[] as [I64, I64, I64];
        const rest = f.local("i64");
        const bits = f.local("i64");
        const quotient = f.local("i64");
        const n = f.local("i32");
        f.if(high.eqz(), () => {
          f.put(m.state.store64(i32(0), low.remU(divisor), TEMP));
          f.return(low.divU(divisor));
        });
        f.set(rest, high);
        f.set(bits, low);
        f.set(n, i32(64));
        f.loop((again) => {
          const carry = f.let(rest.value.shrU(63n).toI32());
          f.set(rest, rest.value.shl(1n).or(bits.value.shrU(63n)));
          f.set(bits, bits.value.shl(1n));
          f.set(quotient, quotient.value.shl(1n));
          f.if(carry.or(rest.value.geU(divisor)), () => {
            f.set(rest, rest.value.sub(divisor));
            f.set(quotient, quotient.value.or(1n));
          });
          f.set(n, n.value.sub(1));
          f.brIf(again, n.value);
        });
        f.put(m.state.store64(i32(0), rest.value, TEMP));
        f.return(quotient.value);
      }),
  );
}

const TEMP = 0x480;

function divide(signed: boolean): Semantic {
  return {
    emit: (s) => {
      const width = s.width(0);
      const divisor = s.f.let(signed ? s.signed(s.read(0), width) : s.read(0));
      s.faultIf(divisor.eqz(), VECTOR.DE);
      if (width === 8) return divide64(s, divisor, signed);
      const { f } = s;
      const bits = BigInt(width * 8);
      const dividend = f.let(
        width === 1
          ? (signed ? s.gpr(GPR.RAX, 2).extend16S() : s.gpr(GPR.RAX, 2))
          : signed && width === 2
          ? s.gpr(GPR.RDX, 2).shl(16n).or(s.gpr(GPR.RAX, 2)).extend32S()
          : s.gpr(GPR.RDX, width).shl(bits).or(s.gpr(GPR.RAX, width)),
      );
      if (signed) s.faultIf(dividend.eq(1n << 63n).and(divisor.eq(-1n)), VECTOR.DE);
      const quotient = f.let(signed ? dividend.divS(divisor) : dividend.divU(divisor));
      const rest = f.let(signed ? dividend.remS(divisor) : dividend.remU(divisor));
      s.faultIf(signed ? quotient.ne(s.signed(quotient, width)) : quotient.shrU(bits).ne(0n), VECTOR.DE);
      if (width === 1) {
        s.setGpr(GPR.RAX, 2, quotient.and(0xffn).or(rest.and(0xffn).shl(8n)));
        return;
      }
      s.setGpr(GPR.RAX, width, quotient);
      s.setGpr(GPR.RDX, width, rest);
    },
  };
}

function divide64(s: Sem, divisor: I64, signed: boolean): void {
  const { f } = s;
  const wide = divideWide(s);
  const high = s.gpr(GPR.RDX);
  const low = s.gpr(GPR.RAX);
  if (!signed) {
    s.faultIf(high.geU(divisor), VECTOR.DE);
    s.setGpr(GPR.RAX, 8, f.let(f.call(wide, high, low, divisor) as I64));
    s.setGpr(GPR.RDX, 8, s.cell64(TEMP));
    return;
  }
  const negative = f.let(high.shrS(63n));
  // The magnitude of the dividend: two's complement of 128 bits.
  const low2 = f.let(low.xor(negative).sub(negative));
  const high2 = f.let(high.xor(negative).add(negative.and(1n).and(low.eqz().toI64U())));
  const sign = f.let(divisor.shrS(63n));
  const divisor2 = f.let(divisor.xor(sign).sub(sign));
  s.faultIf(high2.geU(divisor2), VECTOR.DE);
  const quotient = f.let(f.call(wide, high2, low2, divisor2) as I64);
  const flip = f.let(negative.xor(sign));
  const result = f.let(quotient.xor(flip).sub(flip));
  // Out of range: a sign that is not the quotient's, but for zero.
  s.faultIf(quotient.ne(0n).and(result.shrS(63n).ne(flip)), VECTOR.DE);
  s.setGpr(GPR.RAX, 8, result);
  s.setGpr(GPR.RDX, 8, s.cell64(TEMP).xor(negative).sub(negative));
}

/** By key. */
export const MULDIV: Semantics = {
  mul: multiply(false),
  imul: multiply(true),
  imul2,
  mulx,
  div: divide(false),
  idiv: divide(true),
};
