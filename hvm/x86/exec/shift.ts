/**
 * Shifts, rotates and double shifts. A count of zero changes nothing, flags included; a 32-bit register is still written.
 *
 * Sources: [SDM] Intel SDM vol. 2, RCL/RCR/ROL/ROR, SAL/SAR/SHL/SHR, SHLD, SHRD, SARX/SHLX/SHRX, RORX.
 * @module
 */

import { type I32, type I64, i64, select, type Sem, type Semantic, type Semantics } from "./sem.ts";

/** The count of operand 1, cut to 5 or 6 bits. Bound. */
function count(s: Sem, n = 1): I64 {
  return s.f.let(s.read(n, 1).and(s.width(0) === 8 ? 63n : 31n));
}

function bit(value: I64, at: I64 | bigint): I32 {
  return value.shrU(at).and(1n).toI32();
}

/** CF and OF into AUX; AF is 0. */
function auxOf(s: Sem, cf: I32, of: I32): I32 {
  const carry = s.f.let(cf);
  return carry.shl(31).or(carry.xor(of).shl(30));
}

/** SHL, SHR and SAR. `a` is zero-extended. */
function shift(kind: "shl" | "shr" | "sar"): Semantic {
  return {
    hot: true,
    emit: (s) => {
      const width = s.width(0);
      const bits = BigInt(width * 8);
      const n = count(s);
      s.update(0, (a) => {
        if (kind === "shl") return a.shl(n);
        return kind === "shr" ? a.shrU(n) : s.signed(a, width).shrS(n);
      }, (r, a) => {
        s.f.if(n.ne(0n), () => {
          const top = bits - 1n;
          const last = n.sub(1n);
          if (kind === "shl") {
            // The last bit out is bit (bits - n), none for longer counts.
            const cf = s.f.let(width === 8 ? bit(a, i64(64n).sub(n)) : bit(a.shl(n), bits));
            s.setFlags(width, r, auxOf(s, cf, bit(r, top).xor(cf)));
          } else if (kind === "shr") {
            s.setFlags(width, r, auxOf(s, s.f.let(bit(a, last)), bit(a, top)));
          } else {
            s.setFlags(
              width,
              r,
              auxOf(s, s.f.let(bit(s.signed(a, width).shrS(last), 0n)), s.f.let(i64(0n).toI32())),
            );
          }
        });
      });
    },
  };
}

/** ROL and ROR. */
function rotate(left: boolean): Semantic {
  return {
    emit: (s) => {
      const width = s.width(0);
      const bits = BigInt(width * 8);
      const masked = count(s);
      const n = width >= 4 ? masked : s.f.let(masked.and(bits - 1n));
      s.update(0, (a) => {
        if (width === 8) return left ? a.rotl(n) : a.rotr(n);
        const back = i64(bits).sub(n);
        return left ? a.shl(n).or(a.shrU(back)) : a.shrU(n).or(a.shl(back));
      }, (r) => {
        s.f.if(masked.ne(0n), () => {
          const top = s.f.let(bit(r, bits - 1n));
          if (left) {
            const cf = s.f.let(bit(r, 0n));
            s.setCfOf(cf, top.xor(cf));
          } else s.setCfOf(top, s.f.let(top.xor(bit(r, bits - 2n))));
        });
      });
    },
  };
}

/** RCL and RCR rotate through CF: bits + 1 places. */
function rotateCarry(left: boolean): Semantic {
  return {
    emit: (s) => {
      const width = s.width(0);
      const bits = BigInt(width * 8);
      const masked = count(s);
      const n = width >= 4 ? masked : s.f.let(masked.remU(bits + 1n));
      const carry = s.f.let(s.cf().toI64U());
      s.update(0, (a) => {
        // A shift by 64 is none in WebAssembly, so long ones are made of two.
        const one = left ? a.shl(n) : a.shrU(n);
        const back = left ? a.shrU(i64(bits).sub(n)).shrU(1n) : a.shl(i64(bits).sub(n)).shl(1n);
        const in_ = left ? carry.shl(n.sub(1n)) : carry.shl(i64(bits).sub(n));
        return select(n.eqz(), a, one.or(back).or(in_));
      }, (r, a) => {
        s.f.if(n.ne(0n), () => {
          const cf = s.f.let(left ? bit(a, i64(bits).sub(n)) : bit(a, n.sub(1n)));
          const top = s.f.let(bit(r, bits - 1n));
          s.setCfOf(cf, s.f.let(left ? top.xor(cf) : top.xor(bit(r, bits - 2n))));
        });
      });
    },
  };
}

/** SHLD and SHRD. With 16 bits, counts above 16 take bits of the destination again, as processors do. */
function double(left: boolean): Semantic {
  return {
    emit: (s) => {
      const width = s.width(0);
      const bits = BigInt(width * 8);
      const n = count(s, 2);
      const b = s.read(1);
      s.update(0, (a) => {
        if (width === 2) {
          // a:b:a, 48 bits.
          const wide = left ? a.shl(32n).or(b.shl(16n)).or(a) : a.shl(32n).or(b.shl(16n)).or(a);
          return left ? wide.shl(n).shrU(32n) : wide.shrU(n);
        }
        const back = i64(bits).sub(n);
        const moved = left ? a.shl(n).or(b.shrU(back)) : a.shrU(n).or(b.shl(back));
        return select(n.eqz(), a, moved);
      }, (r, a) => {
        s.f.if(n.ne(0n), () => {
          const wide = width === 2 ? a.shl(32n).or(b.shl(16n)).or(a) : a;
          const cf = left
            ? (width === 2 ? bit(wide, i64(48n).sub(n)) : bit(a, i64(bits).sub(n)))
            : bit(wide, n.sub(1n));
          const of = bit(r, bits - 1n).xor(bit(a, bits - 1n));
          s.setFlags(width, r, auxOf(s, cf, s.f.let(of)));
        });
      });
    },
  };
}

/** The forms without flags; the count is in a register. */
function plain(compute: (s: Sem, a: I64, n: I64) => I64): Semantic {
  return {
    emit: (s) => {
      const width = s.width(0);
      const a = s.read(1, width);
      const n = s.f.let(s.read(2, s.kind(2) === "i" ? 1 : width).and(width === 8 ? 63n : 31n));
      s.write(0, compute(s, a, n));
    },
  };
}

/** By key. */
export const SHIFT: Semantics = {
  shl: shift("shl"),
  shr: shift("shr"),
  sar: shift("sar"),
  rol: rotate(true),
  ror: rotate(false),
  rcl: rotateCarry(true),
  rcr: rotateCarry(false),
  shld: double(true),
  shrd: double(false),
  shlx: plain((_s, a, n) => a.shl(n)),
  shrx: plain((_s, a, n) => a.shrU(n)),
  sarx: plain((s, a, n) => s.signed(a, s.width(0)).shrS(n)),
  rorx: plain((s, a, n) => {
    if (s.width(0) === 8) return a.rotr(n);
    return a.shrU(n).or(a.shl(i64(32n).sub(n)));
  }),
};
