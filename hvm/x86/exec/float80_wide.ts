/**
 * 128-bit integer arithmetic on pairs of i64, emitted in place.
 *
 * @module
 */

import type { FunctionEmitter, Local } from "../emit.ts";
import { type I32, I64, i64, select } from "../emit_value.ts";

/** An unsigned 128-bit value; both halves are cheap to read more than once. */
export interface Wide {
  readonly hi: I64;
  readonly lo: I64;
}

/** A variable of 128 bits. */
export interface WideLocal {
  readonly hi: Local<"i64">;
  readonly lo: Local<"i64">;
}

const LOW32 = 0xffffffffn;

/** A new variable, with a first value if one is given. */
export function wideLocal(f: FunctionEmitter, value?: Wide): WideLocal {
  const local = { hi: f.local("i64"), lo: f.local("i64") };
  if (value !== undefined) setWide(f, local, value);
  return local;
}

/** What a variable holds, where the expression stands. */
export function wideValue(local: WideLocal): Wide {
  return { hi: local.hi.value, lo: local.lo.value };
}

/** Assigns; `value` may be of the variable itself only where its low half does not depend on the variable's high half. */
export function setWide(f: FunctionEmitter, local: WideLocal, value: Wide): void {
  f.set(local.hi, value.hi);
  f.set(local.lo, value.lo);
}

/** The whole product of two i64. */
export function mulWide(f: FunctionEmitter, a: I64, b: I64): Wide {
  const [a0, a1, b0, b1] = [f.let(a.and(LOW32)), f.let(a.shrU(32)), f.let(b.and(LOW32)), f.let(b.shrU(32))];
  const cross = f.let(a1.mul(b0));
  const other = f.let(a0.mul(b1));
  const middle = f.let(a0.mul(b0).shrU(32).add(cross.and(LOW32)).add(other.and(LOW32)));
  const hi = f.let(a1.mul(b1).add(cross.shrU(32)).add(other.shrU(32)).add(middle.shrU(32)));
  return { hi, lo: f.let(a.mul(b)) };
}

/** The upper half of a product. */
export function mulHigh(f: FunctionEmitter, a: I64, b: I64): I64 {
  const [a0, a1, b0, b1] = [f.let(a.and(LOW32)), f.let(a.shrU(32)), f.let(b.and(LOW32)), f.let(b.shrU(32))];
  const cross = f.let(a1.mul(b0));
  const other = f.let(a0.mul(b1));
  const middle = a0.mul(b0).shrU(32).add(cross.and(LOW32)).add(other.and(LOW32));
  return f.let(a1.mul(b1).add(cross.shrU(32)).add(other.shrU(32)).add(middle.shrU(32)));
}

/** a + b, the carry out lost. */
export function addWide(f: FunctionEmitter, a: Wide, b: Wide): Wide {
  const lo = f.let(a.lo.add(b.lo));
  return { hi: f.let(a.hi.add(b.hi).add(lo.ltU(b.lo).toI64U())), lo };
}

/** a - b, the borrow lost. */
export function subWide(f: FunctionEmitter, a: Wide, b: Wide): Wide {
  const borrow = f.let(a.lo.ltU(b.lo).toI64U());
  return { hi: f.let(a.hi.sub(b.hi).sub(borrow)), lo: f.let(a.lo.sub(b.lo)) };
}

/** a < b */
export function ltWide(a: Wide, b: Wide): I32 {
  return a.hi.ltU(b.hi).or(a.hi.eq(b.hi).and(a.lo.ltU(b.lo)));
}

/** Shifted left by a count below 64; `value` and `count` are cheap. */
export function shlWide(f: FunctionEmitter, value: Wide, count: I64): Wide {
  // Two shifts, so that a count of 0 brings nothing in.
  const carried = value.lo.shrU(1).shrU(count.xor(63));
  return { hi: f.let(value.hi.shl(count).or(carried)), lo: f.let(value.lo.shl(count)) };
}

/** Shifted right by a count below 64; bits shifted out are lost. */
export function shrWide(f: FunctionEmitter, value: Wide, count: I64): Wide {
  const carried = value.hi.shl(1).shl(count.xor(63));
  return { hi: f.let(value.hi.shrU(count)), lo: f.let(value.lo.shrU(count).or(carried)) };
}

/**
 * Shifts right by `count`, 0 or more: bits shifted out are ORed into the lowest bit, so that the value stays on the same
 * side of every value it is compared with later.
 */
export function shiftRightSticky(f: FunctionEmitter, local: WideLocal, count: I32): void {
  const [hi, lo] = [local.hi, local.lo];
  f.if(count.eqz(), () => {}, () => {
    const by = f.let(count.toI64U());
    f.if(count.ltU(64), () => {
      // The low half's lost bits, then what comes in from above.
      const lost = lo.value.shl(i64(64).sub(by)).ne(0).toI64U();
      f.set(lo, lo.value.shrU(by).or(hi.value.shl(i64(64).sub(by))).or(lost));
      f.set(hi, hi.value.shrU(by));
    }, () => {
      f.if(count.ltU(128), () => {
        const rest = f.let(by.and(63));
        const above = select(rest.eqz(), i64(0), hi.value.shl(i64(64).sub(rest)));
        const lost = above.or(lo.value).ne(0).toI64U();
        f.set(lo, hi.value.shrU(rest).or(lost));
      }, () => f.set(lo, hi.value.or(lo.value).ne(0).toI64U()));
      f.set(hi, i64(0));
    });
  });
}

/** A 128-bit constant; `value` is 0 to 2^128 - 1. */
export function wideConstant(value: bigint): Wide {
  return { hi: i64(BigInt.asUintN(64, value >> 64n)), lo: i64(BigInt.asUintN(64, value)) };
}

/**
 * Divides 128 bits by 64: quotient and remainder of `(hi, lo) / divisor`, where `divisor` has bit 63 set and
 * `hi < divisor`, so that the quotient has 64 bits. Two digits of 32 bits, each estimated and corrected.
 */
export function divideWide(f: FunctionEmitter, value: Wide, divisor: I64): { quotient: I64; remainder: I64 } {
  const high = f.let(divisor.shrU(32));
  const low = f.let(divisor.and(LOW32));
  const digit = (rest: I64, next: I64) => {
    const q = f.local("i64");
    f.set(q, rest.divU(high));
    // The estimate is at most 2 too large; each excess shows as a product above the dividend's digits.
    const r = f.local("i64");
    f.set(r, rest.sub(q.value.mul(high)));
    f.block((done) => {
      f.loop((again) => {
        f.brIf(done, q.value.leU(LOW32).and(q.value.mul(low).leU(r.value.shl(32).or(next))));
        f.set(q, q.value.sub(1));
        f.set(r, r.value.add(high));
        f.brIf(again, r.value.leU(LOW32));
      });
    });
    return { q: q.value, rest: f.let(rest.shl(32).or(next).sub(q.value.mul(divisor))) };
  };
  const first = digit(value.hi, f.let(value.lo.shrU(32)));
  const second = digit(first.rest, f.let(value.lo.and(LOW32)));
  return { quotient: f.let(first.q.shl(32).or(second.q)), remainder: second.rest };
}
