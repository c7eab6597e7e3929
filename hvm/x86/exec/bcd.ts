/**
 * Decimal adjustment, and SALC.
 *
 * Sources: [SDM] Intel SDM vol. 2, AAA, AAD, AAM, AAS, DAA, DAS.
 * @module
 */

import { GPR } from "../state.ts";
import { type I32, i32, i64, select, type Sem, type Semantic, type Semantics, VECTOR } from "./sem.ts";

function flagsOf(s: Sem, al: I32, cf: I32, af: I32): void {
  s.setFlags(1, al.toI64U(), s.f.let(cf.shl(31).or(cf.shl(30)).or(af.shl(3))));
}

/** DAA and DAS. */
function decimal(subtract: boolean): Semantic {
  return {
    emit: (s) => {
      const { f } = s;
      const al = s.gpr(GPR.RAX, 1).toI32();
      const old = f.let(al);
      const carry = f.let(s.cf());
      const low = f.let(old.and(15).gtU(9).or(s.af()));
      const high = f.let(old.gtU(0x99).or(carry));
      const by = f.let(low.mul(6).add(high.mul(0x60)));
      const result = f.let((subtract ? old.sub(by) : old.add(by)).and(0xff));
      // The low adjustment of a subtraction may borrow by itself.
      const cf = f.let(subtract ? high.or(low.and(old.ltU(6))) : high);
      s.setGpr(GPR.RAX, 1, result.toI64U());
      flagsOf(s, result, cf, low);
    },
  };
}

/** AAA and AAS: AX changes by 106h in one go. */
function ascii(subtract: boolean): Semantic {
  return {
    emit: (s) => {
      const { f } = s;
      const ax = f.let(s.gpr(GPR.RAX, 2).toI32());
      const adjust = f.let(ax.and(15).gtU(9).or(s.af()));
      const by = adjust.mul(0x106);
      const result = f.let((subtract ? ax.sub(by) : ax.add(by)).and(0xff0f));
      s.setGpr(GPR.RAX, 2, result.toI64U());
      flagsOf(s, f.let(result.and(0xff)), adjust, adjust);
    },
  };
}

const aam: Semantic = {
  emit: (s) => {
    const { f } = s;
    const base = f.let(s.read(0, 1).toI32());
    s.faultIf(base.eqz(), VECTOR.DE);
    const al = f.let(s.gpr(GPR.RAX, 1).toI32());
    const low = f.let(al.remU(base));
    s.setGpr(GPR.RAX, 2, al.divU(base).shl(8).or(low).toI64U());
    flagsOf(s, low, i32(0), i32(0));
  },
};

const aad: Semantic = {
  emit: (s) => {
    const { f } = s;
    const base = s.read(0, 1).toI32();
    const ax = f.let(s.gpr(GPR.RAX, 2).toI32());
    const result = f.let(ax.and(0xff).add(ax.shrU(8).mul(base)).and(0xff));
    s.setGpr(GPR.RAX, 2, result.toI64U());
    flagsOf(s, result, i32(0), i32(0));
  },
};

const salc: Semantic = {
  emit: (s) => s.setGpr(GPR.RAX, 1, select(s.cf(), i64(0xffn), i64(0n))),
};

/** By key. */
export const BCD: Semantics = {
  daa: decimal(false),
  das: decimal(true),
  aaa: ascii(false),
  aas: ascii(true),
  aam,
  aad,
  salc,
};
