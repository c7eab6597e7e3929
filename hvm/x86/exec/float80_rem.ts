/**
 * Partial remainders.
 *
 * Sources: [SDM] Intel SDM vol. 2A, FPREM, FPREM1 (operation, tables of results).
 * @module
 */

import type { FunctionEmitter, FunctionRef, Local } from "../emit.ts";
import { type I32, i64, select } from "../emit_value.ts";
import {
  type Core,
  FSW,
  fullPrecision,
  give,
  giveInvalid,
  operand,
  publish,
  raise,
  SIGN,
  word,
} from "./float80_core.ts";
import {
  bothOrdinary,
  giveZero,
  isInfinite,
  isZero,
  type NanFunctions,
  normalise,
  raiseDenormal,
  unpack,
  type Unpacked,
} from "./float80_nan.ts";
import { divideWide } from "./float80_wide.ts";

/**
 * Adds `prem` or `prem1`, `(a, b, control) -> sig`. C2 tells that the remainder is only partial; else C0, C3 and C1 are
 * the low bits of the quotient, the highest first.
 */
export function remFunction(
  core: Core,
  round: FunctionRef,
  nans: NanFunctions,
  name: "prem" | "prem1",
): FunctionRef {
  return publish(core, name, ["i64", "i32", "i64", "i32", "i32"], ["i64"], (f, params) => {
    const [first, second, control] = [
      operand(params[0], params[1]),
      operand(params[2], params[3]),
      word(params[4]),
    ];
    const a = unpack(f, first);
    const b = unpack(f, second);
    f.if(bothOrdinary(a, b).eqz(), () => {
      const { sig: x, se: xe } = first;
      const { sig: y, se: ye } = second;
      const odd = (f.call(nans.odd, x, xe) as I32).or(f.call(nans.odd, y, ye) as I32);
      f.if(odd, () => f.returnCall(nans.propagate2, x, xe, y, ye));
      f.if(isInfinite(a).or(isZero(b)), () => giveInvalid(f, core));
      raiseDenormal(f, core, a, b);
      f.if(isZero(a), () => giveZero(f, core, a.sign));
      normalise(f, a);
      f.if(isInfinite(b), () => {
        f.returnCall(round, a.sign, a.exponent.value, a.sig.value, i64(0), fullPrecision(control));
      });
      normalise(f, b);
    });
    emitReduction(f, core, a, b, { round, control, nearest: name === "prem1" });
  });
}

interface Reduction {
  readonly round: FunctionRef;
  readonly control: I32;
  readonly nearest: boolean;
}

function emitReduction(f: FunctionEmitter, core: Core, a: Unpacked, b: Unpacked, how: Reduction): void {
  const divisor = b.sig.value;
  const distance = f.let(a.exponent.value.sub(b.exponent.value));
  const [rest, quotient] = [f.local("i64"), f.local("i64")];
  const [exponent, sign] = [f.local("i32"), f.local("i32")];
  f.set(rest, a.sig.value);
  f.set(quotient, i64(0));
  f.set(exponent, b.exponent.value);
  f.set(sign, a.sign);
  f.if(distance.ltS(0), () => {
    f.set(exponent, a.exponent.value);
    if (how.nearest) {
      // Half the divisor is of the dividend's exponent: the other multiple, 1, may be the nearer one.
      f.if(distance.eq(-1).and(rest.value.gtU(divisor)), () => {
        f.set(rest, divisor.shl(1).sub(rest.value));
        f.set(sign, sign.value.xor(SIGN));
        f.set(quotient, i64(1));
      });
    }
  }, () => {
    // Where more than 63 binary places are between them, only so many that at least 32 and at most 63 go.
    const partial = f.let(distance.geS(64));
    const places = f.let(select(partial, distance.and(31).or(32), distance));
    f.if(rest.value.geU(divisor), () => {
      f.set(rest, rest.value.sub(divisor));
      f.set(quotient, i64(1));
    });
    f.if(places, () => {
      const by = f.let(places.toI64U());
      const dividend = { hi: f.let(rest.value.shrU(i64(64).sub(by))), lo: f.let(rest.value.shl(by)) };
      const parts = divideWide(f, dividend, divisor);
      f.set(rest, parts.remainder);
      f.set(quotient, quotient.value.shl(by).or(parts.quotient));
    });
    f.if(partial, () => {
      raise(f, core, FSW.C2);
      f.set(quotient, i64(0));
      f.set(exponent, exponent.value.add(distance.sub(places)));
    });
    if (how.nearest) f.if(partial.eqz(), () => emitNearest(f, { rest, quotient, sign }, divisor));
  });
  raiseQuotient(f, core, f.let(quotient.value.toI32()));
  f.if(rest.value.eqz(), () => give(f, core, 0, a.sign));
  const shift = f.let(rest.value.clz());
  f.returnCall(
    how.round,
    sign.value,
    exponent.value.sub(shift.toI32()),
    rest.value.shl(shift),
    i64(0),
    fullPrecision(how.control),
  );
}

/** Goes to the next multiple where it is nearer, or as near and even. */
function emitNearest(
  f: FunctionEmitter,
  at: { rest: Local<"i64">; quotient: Local<"i64">; sign: Local<"i32"> },
  divisor: Unpacked["sig"]["value"],
): void {
  const { rest, quotient, sign } = at;
  const other = f.let(divisor.sub(rest.value));
  const tie = other.eq(rest.value).and(quotient.value.toI32().and(1));
  f.if(other.ltU(rest.value).or(tie), () => {
    f.set(rest, other);
    f.set(sign, sign.value.xor(SIGN));
    f.set(quotient, quotient.value.add(1));
  });
}

/** Q2 to C0, Q1 to C3, Q0 to C1. */
function raiseQuotient(f: FunctionEmitter, core: Core, quotient: I32): void {
  const c0 = quotient.and(4).shl(6);
  const c3 = quotient.and(2).shl(13);
  const c1 = quotient.and(1).shl(9);
  raise(f, core, c0.or(c3).or(c1));
}
