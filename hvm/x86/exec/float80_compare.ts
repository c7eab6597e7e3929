/**
 * Comparison and examination: functions that give condition bits.
 *
 * Sources: [SDM] Intel SDM vol. 2A, FCOM, FUCOM, FTST, FXAM (tables of condition codes).
 * @module
 */

import type { FunctionRef } from "../emit.ts";
import { type I32, i32, select } from "../emit_value.ts";
import { type Core, EXPONENT, FSW, operand, publish, QUIET_BIT, raise, SIGN, word } from "./float80_core.ts";
import {
  bothOrdinary,
  isDenormal,
  isInfinite,
  isZero,
  nan,
  type NanFunctions,
  normalise,
  raiseDenormal,
  unpack,
  unsupported,
} from "./float80_nan.ts";

const GREATER = 0;
const UNORDERED = FSW.C3 | FSW.C2 | FSW.C0;

/**
 * Adds `compare`, `(a, b, quiet) -> condition`: C3 for equal, C0 for a below b, all of C3, C2 and C0 for unordered. A
 * quiet NaN is an invalid operation unless `quiet` is 1 (FUCOM).
 */
export function compareFunction(core: Core, nans: NanFunctions): FunctionRef {
  return publish(core, "compare", ["i64", "i32", "i64", "i32", "i32"], ["i32"], (f, params) => {
    const [first, second] = [operand(params[0], params[1]), operand(params[2], params[3])];
    const a = unpack(f, first);
    const b = unpack(f, second);
    f.if(bothOrdinary(a, b).eqz(), () => {
      const isOdd = (x: typeof first) => f.call(nans.odd, x.sig, x.se) as I32;
      f.if(isOdd(first).or(isOdd(second)), () => {
        f.put(core.status.set(core.status.value.and(~FSW.DE)));
        const invalid = (x: typeof first) =>
          unsupported(x).or(nan(x).and(x.sig.and(QUIET_BIT).eqz().or(word(params[4]).eqz())));
        raise(f, core, invalid(first).or(invalid(second)));
        f.return(i32(UNORDERED));
      });
      raiseDenormal(f, core, a, b);
      f.if(isZero(a).and(isZero(b)), () => f.return(i32(FSW.C3)));
      f.if(isDenormal(a), () => normalise(f, a));
      f.if(isDenormal(b), () => normalise(f, b));
      // Zero is below every number; as an exponent, too.
      f.if(isZero(a), () => f.set(a.exponent, i32(-EXPONENT)));
      f.if(isZero(b), () => f.set(b.exponent, i32(-EXPONENT)));
    });
    const lower = select(a.sign, i32(GREATER), i32(FSW.C0));
    const higher = select(a.sign, i32(FSW.C0), i32(GREATER));
    f.if(a.sign.ne(b.sign), () => f.return(higher));
    f.if(a.exponent.value.ne(b.exponent.value), () => {
      f.return(select(a.exponent.value.ltS(b.exponent.value), lower, higher));
    });
    f.if(a.sig.value.eq(b.sig.value), () => f.return(i32(FSW.C3)));
    f.return(select(a.sig.value.ltU(b.sig.value), lower, higher));
  });
}

/** Adds `examine`, `(x) -> condition`: FXAM of a register that is not empty; C1 is the sign. */
export function examineFunction(core: Core): FunctionRef {
  return publish(core, "examine", ["i64", "i32"], ["i32"], (f, params) => {
    const x = operand(params[0], params[1]);
    const unpacked = unpack(f, x);
    const sign = select(x.se.and(SIGN), i32(FSW.C1), i32(0));
    f.if(unsupported(x), () => f.return(sign));
    f.if(nan(x), () => f.return(sign.or(FSW.C0)));
    f.if(isInfinite(unpacked), () => f.return(sign.or(FSW.C2 | FSW.C0)));
    f.if(isZero(unpacked), () => f.return(sign.or(FSW.C3)));
    f.if(isDenormal(unpacked), () => f.return(sign.or(FSW.C3 | FSW.C2)));
    f.return(sign.or(FSW.C2));
  });
}
