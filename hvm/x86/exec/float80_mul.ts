/**
 * Multiplication and division.
 *
 * Sources: [SDM] Intel SDM vol. 2A, FMUL, FDIV (tables of results); vol. 1, 8.5.3 (division by zero).
 * @module
 */

import type { FunctionEmitter, FunctionRef } from "../emit.ts";
import { type I32, i64, select } from "../emit_value.ts";
import { BIAS, type Core, FSW, giveInvalid, INTEGER_BIT, operand, publish, word } from "./float80_core.ts";
import {
  bothOrdinary,
  giveInfinity,
  giveZero,
  isInfinite,
  isZero,
  type NanFunctions,
  normalise,
  raiseDenormal,
  unpack,
  type Unpacked,
} from "./float80_nan.ts";
import { divideWide, mulWide, shlWide } from "./float80_wide.ts";

type Special = (f: FunctionEmitter, a: Unpacked, b: Unpacked, sign: I32) => void;
type Compute = (f: FunctionEmitter, a: Unpacked, b: Unpacked, at: { sign: I32; control: I32 }) => void;

/** What multiplication and division have in common; the special cases end the function. */
function binary(
  core: Core,
  nans: NanFunctions,
  name: string,
  special: Special,
  compute: Compute,
): FunctionRef {
  return publish(core, name, ["i64", "i32", "i64", "i32", "i32"], ["i64"], (f, params) => {
    const [first, second] = [operand(params[0], params[1]), operand(params[2], params[3])];
    const a = unpack(f, first);
    const b = unpack(f, second);
    const sign = f.let(a.sign.xor(b.sign));
    f.if(bothOrdinary(a, b).eqz(), () => {
      const { sig: x, se: xe } = first;
      const { sig: y, se: ye } = second;
      const odd = (f.call(nans.odd, x, xe) as I32).or(f.call(nans.odd, y, ye) as I32);
      f.if(odd, () => f.returnCall(nans.propagate2, x, xe, y, ye));
      special(f, a, b, sign);
      normalise(f, a);
      normalise(f, b);
    });
    compute(f, a, b, { sign, control: word(params[4]) });
  });
}

/** Adds `mul`, `(a, b, control) -> sig`: a * b. */
export function mulFunction(core: Core, round: FunctionRef, nans: NanFunctions): FunctionRef {
  return binary(core, nans, "mul", (f, a, b, sign) => {
    f.if(isInfinite(a).and(isZero(b)).or(isZero(a).and(isInfinite(b))), () => giveInvalid(f, core));
    raiseDenormal(f, core, a, b);
    f.if(isInfinite(a).or(isInfinite(b)), () => giveInfinity(f, core, sign));
    f.if(isZero(a).or(isZero(b)), () => giveZero(f, core, sign));
  }, (f, a, b, { sign, control }) => {
    const product = mulWide(f, a.sig.value, b.sig.value);
    const exponent = f.let(a.exponent.value.add(b.exponent.value).sub(BIAS - 1));
    // Of two factors from 1 to 2 the product is from 1 to 4.
    const small = f.let(product.hi.geS(0));
    const { hi, lo } = shlWide(f, product, f.let(small.toI64U()));
    f.returnCall(round, sign, exponent.sub(small), hi, lo, control);
  });
}

/** Adds `div`, `(a, b, control) -> sig`: a / b. */
export function divFunction(core: Core, round: FunctionRef, nans: NanFunctions): FunctionRef {
  return binary(core, nans, "div", (f, a, b, sign) => {
    f.if(isInfinite(a).and(isInfinite(b)).or(isZero(a).and(isZero(b))), () => giveInvalid(f, core));
    f.if(isZero(b).and(isInfinite(a).eqz()), () => {
      // Division by zero comes before a denormal operand, which may have been seen when it was widened.
      f.put(core.status.set(core.status.value.and(~FSW.DE).or(FSW.ZE)));
      giveInfinity(f, core, sign);
    });
    raiseDenormal(f, core, a, b);
    f.if(isInfinite(a), () => giveInfinity(f, core, sign));
    f.if(isInfinite(b).or(isZero(a)), () => giveZero(f, core, sign));
  }, (f, a, b, { sign, control }) => {
    const [x, y] = [a.sig.value, b.sig.value];
    // The dividend is halved where it is not below the divisor, so that the quotient has 64 bits.
    const large = f.let(x.geU(y));
    const by = f.let(large.toI64U());
    const dividend = { hi: f.let(x.shrU(by)), lo: f.let(select(large, x.shl(63), i64(0))) };
    const { quotient, remainder } = divideWide(f, dividend, y);
    const exponent = a.exponent.value.sub(b.exponent.value).add(large).add(BIAS - 1);
    // What follows the quotient: nothing, less than a half, the half, more.
    const twice = remainder.shl(1);
    const above = remainder.ltS(0).or(twice.gtU(y));
    const below = remainder.ne(0).toI64U();
    const rest = select(above, i64(INTEGER_BIT | 1n), select(twice.eq(y), i64(INTEGER_BIT), below));
    f.returnCall(round, sign, exponent, quotient, rest, control);
  });
}
