/**
 * From extended to other formats: single, double, integers, packed decimal. The results go to memory, so an unmasked
 * overflow or underflow gives none: only the exceptions count then.
 *
 * Sources: [SDM] Intel SDM vol. 1, 8.5.4 and 8.5.5 (numeric overflow, underflow), 8.2.1 (indefinites); vol. 2A, FST,
 * FIST, FISTTP, FBLD, FBSTP.
 * @module
 */

import type { FunctionEmitter, FunctionRef } from "../emit.ts";
import { type I32, i32, type I64, i64, select } from "../emit_value.ts";
import {
  BIAS,
  type Core,
  FCW,
  FSW,
  give,
  helper,
  INTEGER_BIT,
  type Operand,
  operand,
  publish,
  quad,
  QUIET_BIT,
  raise,
  RC,
  SIGN,
  word,
} from "./float80_core.ts";
import type { Interchange } from "./float80_load.ts";
import {
  isInfinite,
  isOrdinary,
  isZero,
  nan,
  normalise,
  signalling,
  unpack,
  type Unpacked,
  unsupported,
} from "./float80_nan.ts";
import { rounding } from "./float80_round.ts";
import { shiftRightSticky, wideLocal, wideValue } from "./float80_wide.ts";

/** Adds `to_f32` or `to_f64`, `(sig, se, control) -> bits`: FST; the bits as an i64. Precision control does not count. */
export function narrowFunction(core: Core, format: Interchange): FunctionRef {
  return publish(core, `to_${format.name}`, ["i64", "i32", "i32"], ["i64"], (f, params) => {
    const given = operand(params[0], params[1]);
    const control = word(params[2]);
    const { fraction, bias, bits } = format;
    const x = unpack(f, given);
    const sign = f.let(x.sign.toI64U().shl(bits - 16));
    const infinity = BigInt(2 * bias + 1) << BigInt(fraction);
    f.if(isOrdinary(x).eqz(), () => {
      f.if(unsupported(given), () => {
        raise(f, core, FSW.IE);
        f.return(i64(1n << BigInt(bits - 1) | infinity | 1n << BigInt(fraction - 1)));
      });
      f.if(isZero(x), () => f.return(sign));
      f.if(nan(given), () => {
        raise(f, core, signalling(given));
        const payload = given.sig.or(QUIET_BIT).and(INTEGER_BIT - 1n).shrU(63 - fraction);
        f.return(sign.or(infinity).or(payload));
      });
      f.if(isInfinite(x), () => f.return(sign.or(infinity)));
      normalise(f, x);
    });
    emitNarrow(f, core, x, { format, sign, infinity, control });
  });
}

interface Narrowing {
  readonly format: Interchange;
  readonly sign: I64;
  readonly infinity: bigint;
  readonly control: I32;
}

function emitNarrow(f: FunctionEmitter, core: Core, x: Unpacked, to: Narrowing): void {
  const { fraction, bias } = to.format;
  const dropped = 63 - fraction;
  const unit = 1n << BigInt(dropped);
  const exponent = f.local("i32");
  f.set(exponent, x.exponent.value.sub(BIAS - bias));
  const significand = wideLocal(f, { hi: x.sig.value, lo: i64(0) });
  const { hi, lo } = wideValue(significand);
  const tiny = f.local("i32");
  const round = () => rounding(f, { hi, lo, sign: x.sign, dropped: i32(dropped), mode: to.control });
  f.set(tiny, i32(0));
  f.if(exponent.value.leS(0), () => {
    const saved = exponent.value.eqz().and(round().up).and(hi.add(unit).ltU(unit));
    f.set(tiny, saved.eqz());
    // Unmasked, a tiny result is not stored: nothing more is found out about it.
    f.if(tiny.value.and(to.control.and(FCW.UM).eqz()), () => raise(f, core, FSW.UE));
    shiftRightSticky(f, significand, f.let(i32(1).sub(exponent.value)));
    f.set(exponent, i32(0));
  });
  const { fraction: rest, up } = round();
  f.if(rest.ne(0), () => raise(f, core, select(tiny.value, i32(FSW.PE | FSW.UE), i32(FSW.PE))));
  f.set(significand.hi, hi.and(-unit));
  f.if(up, () => {
    raise(f, core, FSW.C1);
    f.set(significand.hi, hi.add(unit));
    f.if(hi.eqz(), () => {
      f.set(significand.hi, i64(INTEGER_BIT));
      f.set(exponent, exponent.value.add(1));
    });
  });
  f.if(exponent.value.eqz(), () => f.set(exponent, hi.shrU(63).toI32()));
  f.if(exponent.value.gtS(2 * bias), () => {
    const mode = f.let(to.control.and(FCW.RC));
    const away = f.let(mode.eqz().or(mode.eq(select(x.sign, i32(RC.DOWN), i32(RC.UP)))));
    const flags = select(away, i32(FSW.OE | FSW.PE | FSW.C1), i32(FSW.OE | FSW.PE));
    raise(f, core, flags);
    f.return(to.sign.or(select(away, i64(to.infinity), i64(to.infinity - 1n))));
  });
  const field = exponent.value.toI64U().shl(fraction);
  f.return(to.sign.or(field).or(hi.and(INTEGER_BIT - 1n).shrU(dropped)));
}

/** The whole-number part of a finite operand as an integer, rounded. */
export interface Whole {
  readonly magnitude: I64;
  /** 1 where it does not fit 64 bits. */
  readonly large: I32;
  readonly inexact: I32;
  readonly up: I32;
}

/** Rounds an operand that is no NaN and no infinity to an integer. Denormals count as what they are: below a half. */
export function toWhole(f: FunctionEmitter, x: Unpacked, control: I32): Whole {
  const magnitude = f.local("i64");
  const [large, inexact, up] = [f.local("i32"), f.local("i32"), f.local("i32")];
  const distance = f.let(i32(BIAS + 63).sub(x.exponent.value));
  f.set(magnitude, i64(0));
  f.set(inexact, i32(0));
  f.set(up, i32(0));
  f.set(large, distance.ltS(0));
  f.if(large.value.eqz().and(x.sig.value.ne(0)), () => {
    const shifted = wideLocal(f, { hi: x.sig.value, lo: i64(0) });
    shiftRightSticky(f, shifted, distance);
    const { hi, lo } = wideValue(shifted);
    const done = rounding(f, { hi, lo, sign: x.sign, dropped: i32(0), mode: control });
    f.set(inexact, lo.ne(0));
    f.set(up, done.up);
    // Of a fraction to round away at least one place is free above, so there is no carry.
    f.set(magnitude, hi.add(done.up.toI64U()));
  });
  return { magnitude: magnitude.value, large: large.value, inexact: inexact.value, up: up.value };
}

/** Raises what rounding to an integer raises. */
export function raiseRounded(f: FunctionEmitter, core: Core, whole: Whole): void {
  f.if(whole.inexact, () => raise(f, core, select(whole.up, i32(FSW.PE | FSW.C1), i32(FSW.PE))));
}

/**
 * Adds `to_int`, `(sig, se, control, bits) -> integer`: FIST of 16, 32 or 64 bits, sign-extended; what does not fit is an
 * invalid operation and gives the lowest integer. For FISTTP the control word is given with rounding to zero.
 */
export function toIntFunction(core: Core): FunctionRef {
  return publish(core, "to_int", ["i64", "i32", "i32", "i32"], ["i64"], (f, params) => {
    const x = unpack(f, operand(params[0], params[1]));
    const limit = f.let(i64(1).shl(word(params[3]).sub(1).toI64U()));
    const invalid = () => {
      raise(f, core, FSW.IE);
      f.return(i64(0).sub(limit));
    };
    f.if(isInvalidWhole(operand(params[0], params[1])), invalid);
    const whole = toWhole(f, x, word(params[2]));
    const highest = select(x.sign, limit, limit.sub(1));
    f.if(whole.large.or(whole.magnitude.gtU(highest)), invalid);
    raiseRounded(f, core, whole);
    f.return(select(x.sign, i64(0).sub(whole.magnitude), whole.magnitude));
  });
}

/** 1 for what is no number: NaNs, infinities, unsupported encodings. */
function isInvalidWhole(x: Operand): I32 {
  return unsupported(x).or(x.se.and(0x7fff).eq(0x7fff));
}

/** The two parts of the decimal indefinite. [SDM] 4.7, table 4-4 */
const BCD_INDEFINITE = { low: 0xc000_0000_0000_0000n, high: 0xffff } as const;
const BCD_LIMIT = 10n ** 18n;

/** Adds `to_bcd`, `(sig, se, control) -> low`: FBSTP; bytes 8 and 9 are left in the global `se`. */
export function toBcdFunction(core: Core): FunctionRef {
  return publish(core, "to_bcd", ["i64", "i32", "i32"], ["i64"], (f, params) => {
    const given = operand(params[0], params[1]);
    const x = unpack(f, given);
    const invalid = () => {
      raise(f, core, FSW.IE);
      give(f, core, BCD_INDEFINITE.low, BCD_INDEFINITE.high);
    };
    f.if(isInvalidWhole(given), invalid);
    const whole = toWhole(f, x, word(params[2]));
    f.if(whole.large.or(whole.magnitude.geU(BCD_LIMIT)), invalid);
    raiseRounded(f, core, whole);
    const [rest, low, place] = [f.local("i64"), f.local("i64"), f.local("i64")];
    f.set(rest, whole.magnitude);
    f.set(low, i64(0));
    f.set(place, i64(0));
    f.loop((again) => {
      f.set(low, low.value.or(rest.value.remU(10).shl(place.value)));
      f.set(rest, rest.value.divU(10));
      f.set(place, place.value.add(4));
      f.brIf(again, place.value.ltU(64));
    });
    const high = rest.value.remU(10).or(rest.value.divU(10).shl(4)).toI32();
    give(f, core, low.value, high.or(x.sign));
  });
}

/** Adds `from_bcd`, `(low, high) -> sig`: FBLD of bytes 0 to 7 and bytes 8 and 9; always exact, no exception. */
export function fromBcdFunction(core: Core, fromInt: FunctionRef): FunctionRef {
  const digits = helper(core, "bcd_digits", ["i64", "i32"], ["i64"], (f, params) => {
    const [value, place] = [f.local("i64"), f.local("i64")];
    f.set(value, word(params[1]).shrU(4).and(15).toI64U().mul(10).add(word(params[1]).and(15).toI64U()));
    f.set(place, i64(60));
    f.loop((again) => {
      f.set(value, value.value.mul(10).add(quad(params[0]).shrU(place.value).and(15)));
      f.set(place, place.value.sub(4));
      f.brIf(again, place.value.geS(0));
    });
    f.return(value.value);
  });
  return publish(core, "from_bcd", ["i64", "i32"], ["i64"], (f, [low, high]) => {
    const sign = word(high).and(SIGN);
    const sig = f.let(f.call(fromInt, f.call(digits, quad(low), word(high))) as I64);
    give(f, core, sig, core.se.value.or(sign));
  });
}
