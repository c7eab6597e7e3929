/**
 * The x87 register stack as semantics see it: values, empty registers, stack faults, and how an instruction ends.
 *
 * Sources: [SDM] Intel SDM vol. 1, 8.1 (state), 8.5.1.1 (stack faults), 8.6 and 8.7 (exceptions).
 * @module
 */

import type { WasmModule } from "../emit.ts";
import { type I32, i32, type I64, i64, select } from "../emit_value.ts";
import { CPU } from "./cpu_memory.ts";
import { addFloat80, type Float80 } from "./float80.ts";
import { FSW } from "./float80_core.ts";
import { KIND, type Sem, VECTOR } from "./sem.ts";

/** A value: significand, then sign and exponent. Both are bound. */
export interface Extended {
  readonly sig: I64;
  readonly se: I32;
}

/** C0 to C3. */
export const CONDITION = FSW.C0 | FSW.C1 | FSW.C2 | FSW.C3;
const SUMMARY = 0x8080;
/** SF. */
const STACK_FAULT = 0x40;
const EXCEPTIONS = 0x3f;
const TOP_SHIFT = 11;

const libraries = new WeakMap<WasmModule, Float80>();

/** The arithmetic, added to a module once. */
export function float80(s: Sem): Float80 {
  const { module } = s.m;
  let library = libraries.get(module);
  if (library === undefined) libraries.set(module, library = addFloat80(module));
  return library;
}

/** One x87 instruction being emitted. */
export class Stack {
  readonly s: Sem;
  readonly lib: Float80;
  /** TOP at the start. Bound. */
  readonly top: I32;
  readonly control: I32;

  /** `waiting` instructions first raise what is pending. */
  constructor(s: Sem, { waiting = true, keeps = false } = {}) {
    this.s = s;
    this.lib = float80(s);
    const { f } = s;
    if (waiting) s.faultIf(s.cell32(CPU.FSW).and(0x80), VECTOR.MF);
    this.top = f.let(s.cell32(CPU.FSW).shrU(TOP_SHIFT).and(7));
    this.control = f.let(s.cell32(CPU.FCW));
    // Memory operands fault before anything is changed.
    if (s.form.operands.some(({ kind }) => kind === KIND.MEM)) s.address();
    if (!keeps) this.#remember();
  }

  /** Where the instruction and its operand are, for handlers. Later faults do not take this back; nobody can tell. */
  #remember(): void {
    const { s } = this;
    s.setCell64(CPU.FIP, s.ownRip());
    s.setCell32(CPU.FCS, s.cell32(CPU.SELECTOR + 4));
    if (s.form.operands.some(({ kind }) => kind === KIND.MEM)) s.setCell64(CPU.FDP, s.address());
  }

  /** The number of ST(i)'s register. Bound. */
  physical(i: I32 | number): I32 {
    return this.s.f.let(this.top.add(i).and(7));
  }

  empty(physical: I32): I32 {
    return this.s.cell32(CPU.FTAG).shrU(physical).and(1);
  }

  value(physical: I32): Extended {
    const { f, m } = this.s;
    const at = f.let(physical.shl(4));
    return {
      sig: f.let(m.state.load64(at, CPU.X87)),
      se: f.let(m.state.load16(at, CPU.X87 + 8)),
    };
  }

  setValue(physical: I32, { sig, se }: { sig: I64; se: I32 }): void {
    const { f, m } = this.s;
    const at = f.let(physical.shl(4));
    f.put(m.state.store64(at, sig, CPU.X87));
    f.put(m.state.store16(at, se, CPU.X87 + 8));
    this.tag(physical, false);
  }

  tag(physical: I32, empty: boolean): void {
    const { s } = this;
    const bit = i32(1).shl(physical);
    const tags = s.cell32(CPU.FTAG);
    s.setCell32(CPU.FTAG, empty ? tags.or(bit) : tags.and(bit.xor(-1)));
  }

  /** Moves TOP by `by`, counted from the start. */
  setTop(by: number): void {
    const { s } = this;
    const rest = s.cell32(CPU.FSW).and(~(7 << TOP_SHIFT));
    s.setCell32(CPU.FSW, rest.or(this.top.add(by).and(7).shl(TOP_SHIFT)));
  }

  /** Empties ST(0), or ST(0) and ST(1). */
  pop(count = 1): void {
    for (let i = 0; i < count; i++) this.tag(this.physical(i), true);
    this.setTop(count);
  }

  /** Exceptions and condition bits into the status word, with the summary. */
  status(bits: I32, replaced: number): void {
    const { s } = this;
    const word = s.f.let(s.cell32(CPU.FSW).and(~replaced).or(bits));
    const pending = word.and(this.control.xor(-1)).and(EXCEPTIONS);
    s.setCell32(CPU.FSW, word.or(select(pending, i32(SUMMARY), i32(0))));
  }

  /** Clears what the library collects. */
  begin(): void {
    this.s.f.put(this.lib.status.set(i32(0)));
  }

  /** Ends with what the library collected; `write` runs unless an unmasked exception forbids it. */
  end(
    write: () => void,
    { how = "settle", replaced = FSW.C1, condition = i32(0) }: {
      how?: "settle" | "settleLoad" | "settleStore";
      replaced?: number;
      condition?: I32;
    } = {},
  ): void {
    const { f } = this.s;
    const stopped = f.let(f.call(this.lib[how], this.control) as I32);
    f.if(stopped.eqz(), write);
    this.status(this.lib.status.value.or(condition), replaced);
  }

  /**
   * A stack fault where `condition` holds, else `otherwise`. `masked` is what happens when invalid operations are masked,
   * `always` what happens whether they are or not; `replaced` are bits of the status word that are cleared, C1 unless given.
   */
  check(
    condition: I32,
    options: {
      overflow: boolean;
      masked: () => void;
      always?: () => void;
      condition?: number;
      replaced?: number;
    },
    otherwise: () => void,
  ): void {
    const { f } = this.s;
    f.if(condition, () => {
      options.always?.();
      f.if(this.control.and(FSW.IE), options.masked);
      const bits = FSW.IE | STACK_FAULT | (options.overflow ? FSW.C1 : 0) | (options.condition ?? 0);
      const replaced = options.replaced ?? (options.condition === undefined ? FSW.C1 : CONDITION);
      this.status(i32(bits), replaced);
    }, otherwise);
  }

  /** The default NaN. */
  indefinite(): Extended {
    return { sig: i64(0xc000000000000000n), se: i32(0xffff) };
  }

  /** A result of the library's. */
  result(sig: I64): Extended {
    const { f } = this.s;
    const bound = f.let(sig);
    return { sig: bound, se: f.let(this.lib.se.value) };
  }

  /** The second result of the library's. */
  second(): Extended {
    const { f } = this.s;
    return { sig: f.let(this.lib.sig2.value), se: f.let(this.lib.se2.value) };
  }

  /** Pushes what `compute` gives, or meets a full stack. */
  push(compute: () => Extended, how: "settle" | "settleLoad" = "settle"): void {
    const target = this.physical(-1);
    this.check(this.empty(target).eqz(), {
      overflow: true,
      masked: () => {
        this.setValue(target, this.indefinite());
        this.setTop(-1);
      },
    }, () => {
      this.begin();
      const value = compute();
      this.end(() => {
        this.setValue(target, value);
        this.setTop(-1);
      }, { how });
    });
  }
}
