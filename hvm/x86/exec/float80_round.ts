/**
 * Rounding an exact or sticky 128-bit significand to an extended value, with what overflow and underflow do.
 *
 * Sources: [SDM] Intel SDM vol. 1, 4.8.4 (rounding), 8.1.5.2 and 8.1.5.3 (precision and rounding control), 8.5.4 to
 * 8.5.6 (overflow, underflow, inexact result), 8.1.3.3 (C1 tells that the magnitude was rounded up).
 * @module
 */

import type { FunctionEmitter, FunctionRef } from "../emit.ts";
import { type I32, i32, type I64, i64, select } from "../emit_value.ts";
import {
  type Core,
  EXPONENT,
  FCW,
  FSW,
  give,
  helper,
  INTEGER_BIT,
  PC,
  quad,
  raise,
  RC,
  SIGN,
  word,
  WRAP,
} from "./float80_core.ts";
import { shiftRightSticky, wideLocal, wideValue } from "./float80_wide.ts";

/**
 * `round(sign, exponent, hi, lo, control)`: `hi.lo` is the significand with bit 63 of `hi` set, read as 1.xxx; its
 * biased exponent may be any i32 within +-2^20; the lowest bit of `lo` may stand for lost ones. `sign` is 0 or 8000h.
 */
export function roundFunction(core: Core): FunctionRef {
  const slow = slowRound(core);
  return helper(core, "round", ["i32", "i32", "i64", "i64", "i32"], ["i64"], (f, params) => {
    const [sign, exponent, control] = [word(params[0]), word(params[1]), word(params[4])];
    const [hi, lo] = [quad(params[2]), quad(params[3])];
    // Nearest at full precision, with no limit of the exponent near: a carry may add one to it.
    const plain = control.and(FCW.PC | FCW.RC).eq(PC.BITS64).and(exponent.sub(1).ltU(EXPONENT - 2));
    f.if(plain.eqz(), () => f.returnCall(slow, sign, exponent, hi, lo, control));
    f.if(lo.eqz(), () => give(f, core, hi, sign.or(exponent)));
    f.if(roundsUpToNearest(hi, lo), () => {
      raise(f, core, FSW.PE | FSW.C1);
      const carried = f.let(hi.eq(-1));
      give(f, core, select(carried, i64(INTEGER_BIT), hi.add(1)), sign.or(exponent.add(carried)));
    });
    raise(f, core, FSW.PE);
    give(f, core, hi, sign.or(exponent));
  });
}

/** Above the half, or the half itself under an odd significand. */
function roundsUpToNearest(significand: I64, fraction: I64): I32 {
  return fraction.gtU(INTEGER_BIT).or(fraction.eq(INTEGER_BIT).and(significand.toI32()));
}

/** How many low bits of the significand the precision control takes away. */
export function droppedBits(control: I32): I32 {
  const field = control.and(FCW.PC);
  return select(field.eq(PC.BITS53), i32(11), select(field.eqz(), i32(40), i32(0)));
}

/** What rounding at a place of the significand does. */
export interface Rounding {
  /** The low bits that go, as a fraction whose half is bit 63; 0 for an exact value. */
  readonly fraction: I64;
  /** 1 to add one at the place. */
  readonly up: I32;
}

/**
 * Decides how `hi.lo` rounds at `dropped` bits above the lowest of `hi`, 0 to 63.
 * @param mode the control word, or its rounding field.
 */
export function rounding(
  f: FunctionEmitter,
  value: { hi: I64; lo: I64; sign: I32; dropped: I32; mode: I32 },
): Rounding {
  const { hi, lo } = value;
  const by = f.let(value.dropped.toI64U());
  const below = hi.shl(i64(64).sub(by)).or(lo.ne(0).toI64U());
  const fraction = f.let(select(by.eqz(), lo, below));
  const up = f.local("i32");
  f.set(up, i32(0));
  f.if(fraction.ne(0), () => {
    const mode = f.let(value.mode.and(FCW.RC));
    f.if(mode.eqz(), () => f.set(up, roundsUpToNearest(f.let(hi.shrU(by)), fraction).and(1)), () => {
      const away = select(value.sign, i32(RC.DOWN), i32(RC.UP));
      f.set(up, mode.eq(away));
    });
  });
  return { fraction, up: up.value };
}

function slowRound(core: Core): FunctionRef {
  return helper(core, "round_slow", ["i32", "i32", "i64", "i64", "i32"], ["i64"], (f, params) => {
    const [sign, control] = [word(params[0]), word(params[4])];
    const exponent = f.local("i32");
    f.set(exponent, word(params[1]));
    const significand = wideLocal(f, { hi: quad(params[2]), lo: quad(params[3]) });
    const { hi, lo } = wideValue(significand);
    const dropped = f.let(droppedBits(control));
    const unit = f.let(i64(1).shl(dropped.toI64U()));
    const tiny = f.local("i32");
    f.if(exponent.value.leS(0), () => {
      // Tiny is what would be below the smallest normal number were the exponent unbounded: a carry saves.
      const first = rounding(f, { hi, lo, sign, dropped, mode: control });
      const saved = exponent.value.eqz().and(first.up).and(hi.add(unit).ltU(unit));
      f.set(tiny, saved.eqz());
      f.if(tiny.value.and(control.and(FCW.UM).eqz()), () => {
        raise(f, core, FSW.UE);
        f.set(tiny, i32(0));
        f.set(exponent, exponent.value.add(WRAP));
        // FSCALE alone can go further than a wrap brings back: the result is zero then, and infinity above.
        f.if(exponent.value.leS(0), () => {
          raise(f, core, FSW.PE);
          give(f, core, 0, sign);
        });
      }, () => {
        shiftRightSticky(f, significand, f.let(i32(1).sub(exponent.value)));
        f.set(exponent, i32(0));
      });
    });
    const { fraction, up } = rounding(f, { hi, lo, sign, dropped, mode: control });
    f.if(fraction.ne(0), () => raise(f, core, select(tiny.value, i32(FSW.PE | FSW.UE), i32(FSW.PE))));
    f.set(significand.hi, hi.and(i64(0).sub(unit)));
    f.if(up, () => {
      raise(f, core, FSW.C1);
      f.set(significand.hi, hi.add(unit));
      f.if(hi.eqz(), () => {
        f.set(significand.hi, i64(INTEGER_BIT));
        f.set(exponent, exponent.value.add(1));
      });
    });
    // A denormal that rounding made normal.
    f.if(exponent.value.eqz(), () => f.set(exponent, hi.shrU(63).toI32()));
    f.if(exponent.value.geS(EXPONENT), () => emitOverflow(f, core, { sign, control, unit, hi, exponent }));
    give(f, core, hi, sign.or(exponent.value));
  });
}

function emitOverflow(
  f: FunctionEmitter,
  core: Core,
  at: { sign: I32; control: I32; unit: I64; hi: I64; exponent: { value: I32 } },
): void {
  const { sign, control, unit } = at;
  f.if(control.and(FCW.OM).eqz(), () => {
    raise(f, core, FSW.OE);
    const wrapped = f.let(at.exponent.value.sub(WRAP));
    f.if(wrapped.geS(EXPONENT), () => {
      raise(f, core, FSW.PE | FSW.C1);
      give(f, core, INTEGER_BIT, sign.or(EXPONENT));
    });
    give(f, core, at.hi, sign.or(wrapped));
  });
  // Towards zero the largest number of the precision is the nearest there is; otherwise it is infinity.
  const mode = f.let(control.and(FCW.RC));
  const away = mode.eqz().or(mode.eq(select(sign, i32(RC.DOWN), i32(RC.UP))));
  f.if(away, () => {
    raise(f, core, FSW.OE | FSW.PE | FSW.C1);
    give(f, core, INTEGER_BIT, sign.or(EXPONENT));
  });
  raise(f, core, FSW.OE | FSW.PE);
  give(f, core, i64(0).sub(unit), sign.or(EXPONENT - 1));
}

/** The sign bit of a sign-and-exponent word. */
export function signOf(se: I32): I32 {
  return se.and(SIGN);
}
