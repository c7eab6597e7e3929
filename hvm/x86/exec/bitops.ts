/**
 * Single bits, scans, counts, and the bit manipulation extensions.
 *
 * Sources: [SDM] Intel SDM vol. 2, BT to BTS, BSF, BSR, BSWAP, LZCNT, TZCNT, POPCNT, CRC32, ANDN to BZHI, PDEP, PEXT.
 * @module
 */

import {
  type I32,
  i32,
  type I64,
  i64,
  KIND,
  select,
  type Sem,
  type Semantic,
  type Semantics,
} from "./sem.ts";

type BitChange = ((value: I64, mask: I64) => I64) | undefined;

/** BT, BTS, BTR, BTC. A register index reaches beyond the operand in memory. CF alone changes. */
function bitTest(change: BitChange): Semantic {
  return {
    uses: ["asize"],
    emit: (s) => {
      const { f } = s;
      const width = s.width(0);
      const bits = BigInt(width * 8);
      const immediate = s.kind(1) === KIND.IMM;
      const index = s.read(1, immediate ? 1 : width);
      const within = f.let(index.and(bits - 1n));
      const mask = f.let(i64(1n).shl(within));
      const done = (old: I64) => s.setCf(f.let(old.shrU(within).and(1n).toI32()));
      if (!s.isMemory(0)) {
        const old = s.read(0);
        if (change !== undefined) s.write(0, change(old, mask));
        return done(old);
      }
      let linear: I64;
      if (immediate) linear = s.address();
      else {
        const units = s.signed(index, width).shrS(BigInt(31 - Math.clz32(width * 8)));
        const offset = f.let(s.cut(s.offset().add(units.mul(BigInt(width))), s.form.asize));
        linear = s.segmented(s.segment(), offset, width, change !== undefined);
      }
      if (change === undefined) return done(s.load(width, linear));
      s.modify(width, linear, (old) => change(old, mask), (_r, old) => done(old));
    },
  };
}

/** BSF and BSR: a zero source leaves the destination alone. */
function scan(reverse: boolean): Semantic {
  return {
    emit: (s) => {
      const { f } = s;
      const value = s.read(1);
      f.if(value.ne(0n), () => s.write(0, reverse ? i64(63n).sub(value.clz()) : value.ctz()), () => {
        // 32-bit registers keep their value, with the high half cleared on no processor that matters.
      });
      s.setFlags(s.width(1), value, 0);
    },
  };
}

/** LZCNT and TZCNT: ZF of the result, CF of the source. */
function countZeros(leading: boolean): Semantic {
  return {
    emit: (s) => {
      const { f } = s;
      const bits = BigInt(s.width(0) * 8);
      const value = s.read(1);
      const count = leading ? value.clz().sub(64n - bits) : select(value.eqz(), i64(bits), value.ctz());
      const result = f.let(count);
      s.write(0, result);
      s.setFlags(s.width(0), result, f.let(value.eqz().shl(31).or(value.eqz().shl(30))));
    },
  };
}

const popcnt: Semantic = {
  emit: (s) => {
    const value = s.read(1);
    s.write(0, value.popcnt());
    const zero = s.f.let(value.eqz());
    s.setAll({ cf: i32(0), pf: i32(0), af: i32(0), zf: zero, sf: i32(0), of: i32(0) });
  },
};

const bswap: Semantic = {
  emit: (s) => {
    const width = s.width(0);
    const value = s.read(0);
    if (width === 2) return s.write(0, i64(0n));
    s.write(0, byteSwap(s, value, width));
  },
};

/** Bytes in the opposite order. */
export function byteSwap(s: Sem, value: I64, width: number): I64 {
  const { f } = s;
  const pairs = f.let(
    value.shrU(8n).and(0x00ff00ff00ff00ffn).or(value.and(0x00ff00ff00ff00ffn).shl(8n)),
  );
  if (width === 2) return pairs.and(0xffffn);
  const words = f.let(
    pairs.shrU(16n).and(0x0000ffff0000ffffn).or(pairs.and(0x0000ffff0000ffffn).shl(16n)),
  );
  return width === 4 ? words : words.rotl(32n);
}

/** CRC32C, polynomial 11EDC6F41h with bits reflected. */
const crc32: Semantic = {
  emit: (s) => {
    const { f } = s;
    const width = s.width(1);
    const crc = f.local("i64");
    f.set(crc, s.read(0, 4).xor(s.read(1)));
    const step = (value: I64) => value.shrU(1n).xor(i64(0n).sub(value.and(1n)).and(0x82f63b78n));
    const n = f.local("i32");
    f.set(n, i32(width * 8));
    if (width === 8) {
      // The high half waits until the low one has been taken in.
      const high = f.let(crc.value.shrU(32n));
      f.set(crc, crc.value.and(0xffffffffn));
      const round = f.local("i32");
      f.set(round, i32(2));
      f.loop((outer) => {
        f.set(n, i32(32));
        f.loop((again) => {
          f.set(crc, step(crc.value));
          f.set(n, n.value.sub(1));
          f.brIf(again, n.value);
        });
        f.set(round, round.value.sub(1));
        f.if(round.value, () => {
          f.set(crc, crc.value.xor(high));
          f.br(outer);
        });
      });
    } else {
      f.loop((again) => {
        f.set(crc, step(crc.value));
        f.set(n, n.value.sub(1));
        f.brIf(again, n.value);
      });
    }
    s.write(0, crc.value.and(0xffffffffn));
  },
};

/** BLSR, BLSMSK, BLSI: the destination is VEX.vvvv, operand 0. */
function lowest(compute: (value: I64) => I64, carry: (value: I64) => I32): Semantic {
  return {
    emit: (s) => {
      const value = s.read(1);
      const result = s.f.let(compute(value));
      const cf = s.f.let(carry(value));
      s.write(0, result);
      s.setFlags(s.width(0), result, cf.shl(31).or(cf.shl(30)));
    },
  };
}

const bzhi: Semantic = {
  emit: (s) => {
    const { f } = s;
    const bits = BigInt(s.width(0) * 8);
    const value = s.read(1);
    const n = f.let(s.read(2).and(0xffn));
    const all = f.let(n.geU(bits));
    const result = f.let(select(all, value, value.and(i64(1n).shl(n).sub(1n))));
    s.write(0, result);
    s.setFlags(s.width(0), result, f.let(all.shl(31).or(all.shl(30))));
  },
};

const bextr: Semantic = {
  emit: (s) => {
    const { f } = s;
    const value = s.read(1);
    const control = s.read(2);
    const start = f.let(control.and(0xffn));
    const length = f.let(control.shrU(8n).and(0xffn));
    const moved = select(start.gtU(63n), i64(0n), value.shrU(start));
    const mask = select(length.gtU(63n), i64(-1n), i64(1n).shl(length).sub(1n));
    const result = f.let(moved.and(mask));
    s.write(0, result);
    s.setFlags(s.width(0), result, 0);
  },
};

/** PDEP and PEXT: bit by bit of the mask. */
function scatter(deposit: boolean): Semantic {
  return {
    emit: (s) => {
      const { f } = s;
      const source = s.read(1);
      const mask = f.local("i64");
      f.set(mask, s.read(2));
      const result = f.local("i64");
      f.set(result, i64(0n));
      const at = f.local("i64");
      f.set(at, i64(0n));
      f.block((done) => {
        f.loop((again) => {
          f.brIf(done, mask.value.eqz());
          const low = f.let(mask.value.and(i64(0n).sub(mask.value)));
          if (deposit) {
            f.set(result, result.value.or(select(source.shrU(at.value).and(1n).eqz(), i64(0n), low)));
          } else {
            const bit = source.and(low).ne(0n).toI64U();
            f.set(result, result.value.or(bit.shl(at.value)));
          }
          f.set(at, at.value.add(1n));
          f.set(mask, mask.value.xor(low));
          f.br(again);
        });
      });
      s.write(0, result.value);
    },
  };
}

/** By key. */
export const BITOPS: Semantics = {
  bt: bitTest(undefined),
  bts: bitTest((value, mask) => value.or(mask)),
  btr: bitTest((value, mask) => value.and(mask.xor(-1n))),
  btc: bitTest((value, mask) => value.xor(mask)),
  bsf: scan(false),
  bsr: scan(true),
  tzcnt: countZeros(false),
  lzcnt: countZeros(true),
  popcnt,
  bswap,
  crc32,
  blsr: lowest((v) => v.and(v.sub(1n)), (v) => v.eqz()),
  blsmsk: lowest((v) => v.xor(v.sub(1n)), (v) => v.eqz()),
  blsi: lowest((v) => v.and(i64(0n).sub(v)), (v) => v.ne(0n)),
  bzhi,
  bextr,
  pdep: scatter(true),
  pext: scatter(false),
};
