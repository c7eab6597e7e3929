/**
 * Addition, subtraction, logic, comparison, and what else is a row of carries.
 *
 * Sources: [SDM] Intel SDM vol. 2, ADC to XOR; vol. 1, appendix A (flags).
 * @module
 */

import { type I32, type I64, i64, type Sem, type Semantic, type Semantics } from "./sem.ts";

/** Carries out of each bit of `a + b = r`, or of `a - b = r` as borrows. */
export function addCarries(a: I64, b: I64, r: I64): I64 {
  return a.and(b).or(a.or(b).and(r.xor(-1n)));
}

export function subCarries(a: I64, b: I64, r: I64): I64 {
  return a.xor(-1n).and(b).or(a.xor(b).xor(-1n).and(r));
}

type Binary = (a: I64, b: I64) => I64;
type Flags = (s: Sem, width: number, a: I64, b: I64, r: I64) => void;

const addFlags: Flags = (s, width, a, b, r) => s.setFlagsByCarries(width, r, addCarries(a, b, r));
const subFlags: Flags = (s, width, a, b, r) => s.setFlagsByCarries(width, r, subCarries(a, b, r));
const logicFlags: Flags = (s, width, _a, _b, r) => s.setFlags(width, r, 0);

/** The second operand: an immediate is sign-extended, and cut where it is used. */
function source(s: Sem): I64 {
  return s.read(1, s.width(0));
}

function binary(compute: Binary, flags: Flags): Semantic {
  return {
    hot: true,
    emit: (s) => {
      const b = source(s);
      s.update(0, (a) => compute(a, b), (r, a) => flags(s, s.width(0), a, b, r));
    },
  };
}

/** ADC and SBB: the carry is read before anything is written. */
function withCarry(subtract: boolean): Semantic {
  return {
    hot: true,
    emit: (s) => {
      const b = source(s);
      const carry = s.f.let(s.cf().toI64U());
      s.update(
        0,
        (a) => subtract ? a.sub(b).sub(carry) : a.add(b).add(carry),
        (r, a) => (subtract ? subFlags : addFlags)(s, s.width(0), a, b, r),
      );
    },
  };
}

function compare(compute: Binary, flags: Flags): Semantic {
  return {
    hot: true,
    emit: (s) => {
      const a = s.read(0);
      const b = source(s);
      flags(s, s.width(0), a, b, s.f.let(compute(a, b)));
    },
  };
}

/** INC and DEC keep CF. */
function step(by: bigint): Semantic {
  return {
    hot: true,
    emit: (s) => {
      const width = s.width(0);
      const carry = s.f.let(s.cf());
      s.update(0, (a) => a.add(by), (r, a) => {
        const one = i64(1n);
        (by > 0n ? addFlags : subFlags)(s, width, a, one, r);
        s.setCf(carry);
      });
    },
  };
}

const neg: Semantic = {
  hot: true,
  emit: (s) => s.update(0, (a) => i64(0n).sub(a), (r, a) => subFlags(s, s.width(0), i64(0n), a, r)),
};

const not: Semantic = { hot: true, emit: (s) => s.update(0, (a) => a.xor(-1n)) };

const xadd: Semantic = {
  emit: (s) => {
    const b = s.read(1);
    s.update(0, (a) => a.add(b), (r, a) => {
      s.write(1, a);
      // Both operands may be one register: the sum is what stays.
      if (!s.isMemory(0)) s.write(0, r);
      addFlags(s, s.width(0), a, b, r);
    });
  },
};

const andn: Semantic = {
  emit: (s) => {
    const a = s.read(1);
    const b = s.read(2);
    const r = s.f.let(a.xor(-1n).and(b));
    s.write(0, r);
    s.setFlags(s.width(0), r, 0);
  },
};

/** ADCX with CF, ADOX with OF: the other flags stay. */
function addWithFlag(overflow: boolean): Semantic {
  return {
    emit: (s) => {
      const width = s.width(0);
      const a = s.read(0);
      const b = s.read(1);
      const carry = s.f.let((overflow ? s.of() : s.cf()).toI64U());
      const r = s.f.let(a.add(b).add(carry));
      const out: I32 = s.f.let(
        addCarries(a, b, r).shrU(BigInt(width * 8 - 1)).and(1n).toI32(),
      );
      if (overflow) s.setCfOf(s.f.let(s.cf()), out);
      else s.setCf(out);
      s.write(0, r);
    },
  };
}

/** By key. */
export const ALU: Semantics = {
  add: binary((a, b) => a.add(b), addFlags),
  sub: binary((a, b) => a.sub(b), subFlags),
  and: binary((a, b) => a.and(b), logicFlags),
  or: binary((a, b) => a.or(b), logicFlags),
  xor: binary((a, b) => a.xor(b), logicFlags),
  adc: withCarry(false),
  sbb: withCarry(true),
  cmp: compare((a, b) => a.sub(b), subFlags),
  test: compare((a, b) => a.and(b), logicFlags),
  inc: step(1n),
  dec: step(-1n),
  neg,
  not,
  xadd,
  andn,
  adcx: addWithFlag(false),
  adox: addWithFlag(true),
};
