/**
 * Addition and subtraction.
 *
 * Sources: [SDM] Intel SDM vol. 2A, FADD, FSUB (tables of results).
 * @module
 */

import type { FunctionEmitter, FunctionRef } from "../emit.ts";
import { type I32, i64, select } from "../emit_value.ts";
import { cancelledSign, type Core, give, giveInvalid, operand, publish, SIGN, word } from "./float80_core.ts";
import {
  bothOrdinary,
  giveInfinity,
  isInfinite,
  isZero,
  type NanFunctions,
  normalise,
  raiseDenormal,
  unpack,
  type Unpacked,
} from "./float80_nan.ts";
import { shlWide, type Wide, wideLocal, wideValue } from "./float80_wide.ts";

/** Adds `add` or `sub`, `(a, b, control) -> sig`: a + b, a - b. */
export function addFunction(
  core: Core,
  round: FunctionRef,
  nans: NanFunctions,
  name: "add" | "sub",
): FunctionRef {
  return publish(core, name, ["i64", "i32", "i64", "i32", "i32"], ["i64"], (f, params) => {
    const [first, second, control] = [
      operand(params[0], params[1]),
      operand(params[2], params[3]),
      word(params[4]),
    ];
    const a = unpack(f, first);
    const b = unpack(f, { sig: second.sig, se: name === "sub" ? second.se.xor(SIGN) : second.se });
    f.if(bothOrdinary(a, b).eqz(), () => {
      const { sig: x, se: xe } = first;
      const { sig: y, se: ye } = second;
      const odd = (f.call(nans.odd, x, xe) as I32).or(f.call(nans.odd, y, ye) as I32);
      f.if(odd, () => f.returnCall(nans.propagate2, x, xe, y, ye));
      emitSpecial(f, core, a, b, { round, control });
    });
    emitSum(f, core, a, b, { round, control });
  });
}

interface Rest {
  readonly round: FunctionRef;
  readonly control: I32;
}

/** Infinities and zeros end the function; denormals are made normal. */
function emitSpecial(f: FunctionEmitter, core: Core, a: Unpacked, b: Unpacked, rest: Rest): void {
  f.if(isInfinite(a).and(isInfinite(b)).and(a.sign.ne(b.sign)), () => giveInvalid(f, core));
  raiseDenormal(f, core, a, b);
  f.if(isInfinite(a), () => giveInfinity(f, core, a.sign));
  f.if(isInfinite(b), () => giveInfinity(f, core, b.sign));
  f.if(isZero(a).and(isZero(b)), () => {
    give(f, core, 0, select(a.sign.eq(b.sign), a.sign, cancelledSign(rest.control)));
  });
  // A zero beside a number: the number, rounded to the precision.
  for (const [zero, other] of [[a, b], [b, a]] as const) {
    f.if(isZero(zero), () => {
      normalise(f, other);
      f.returnCall(rest.round, other.sign, other.exponent.value, other.sig.value, i64(0), rest.control);
    });
  }
  normalise(f, a);
  normalise(f, b);
}

function emitSum(f: FunctionEmitter, core: Core, a: Unpacked, b: Unpacked, rest: Rest): void {
  const sign = f.local("i32");
  const [big, small] = [f.local("i64"), f.local("i64")];
  const exponent = f.local("i32");
  const distance = f.local("i32");
  const take = (x: Unpacked, y: Unpacked) => {
    f.set(sign, x.sign);
    f.set(big, x.sig.value);
    f.set(small, y.sig.value);
    f.set(exponent, x.exponent.value);
    f.set(distance, x.exponent.value.sub(y.exponent.value));
  };
  const [ea, eb] = [a.exponent.value, b.exponent.value];
  const less = ea.ltS(eb).or(ea.eq(eb).and(a.sig.value.ltU(b.sig.value)));
  f.if(less, () => take(b, a), () => take(a, b));
  const { hi, lo } = aligned(f, small.value, distance.value);
  f.if(a.sign.eq(b.sign), () => {
    const sum = f.let(big.value.add(hi));
    f.if(sum.ltU(hi), () => {
      // Operands that far apart that a bit of `lo` stands for others do not carry.
      const down = lo.shrU(1).or(sum.shl(63));
      f.returnCall(
        rest.round,
        sign.value,
        exponent.value.add(1),
        sum.shrU(1).or(1n << 63n),
        down,
        rest.control,
      );
    });
    f.returnCall(rest.round, sign.value, exponent.value, sum, lo, rest.control);
  });
  const difference = wideLocal(f, { hi: big.value.sub(hi).sub(lo.ne(0).toI64U()), lo: i64(0).sub(lo) });
  const d = wideValue(difference);
  f.if(d.hi.geS(0), () => {
    f.if(d.hi.eqz(), () => {
      f.if(d.lo.eqz(), () => give(f, core, 0, cancelledSign(rest.control)));
      f.set(difference.hi, d.lo);
      f.set(difference.lo, i64(0));
      f.set(exponent, exponent.value.sub(64));
    });
    const places = f.let(d.hi.clz());
    const shifted = shlWide(f, d, places);
    f.set(difference.hi, shifted.hi);
    f.set(difference.lo, shifted.lo);
    f.set(exponent, exponent.value.sub(places.toI32()));
  });
  f.returnCall(rest.round, sign.value, exponent.value, d.hi, d.lo, rest.control);
}

/** The smaller significand moved down by `distance`, what falls off the end kept as one bit. */
function aligned(f: FunctionEmitter, small: Wide["hi"], distance: I32): Wide {
  const moved = wideLocal(f, { hi: small, lo: i64(0) });
  f.if(distance.ne(0), () => {
    const by = f.let(distance.toI64U());
    f.if(distance.ltU(64), () => {
      f.set(moved.lo, small.shl(i64(0).sub(by)));
      f.set(moved.hi, small.shrU(by));
    }, () => {
      f.set(moved.hi, i64(0));
      f.set(moved.lo, i64(1));
      f.if(distance.ltU(128), () => {
        const lost = small.and(i64(1).shl(by).sub(1)).ne(0).toI64U();
        f.set(moved.lo, small.shrU(by).or(lost));
      });
    });
  });
  return wideValue(moved);
}
