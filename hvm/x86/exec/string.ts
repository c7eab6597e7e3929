/**
 * String instructions, single and repeated. A repeat keeps its registers up to date unit by unit, so that a fault or the end
 * of a turn leaves them as the manual says; long moves and fills within pages go at once.
 *
 * Sources: [SDM] Intel SDM vol. 2, CMPS, LODS, MOVS, SCAS, STOS, REP.
 * @module
 */

import { GPR, RFLAGS } from "../state.ts";
import { subCarries } from "./alu.ts";
import { ATTR, CPU, MODE, RECORD, TLB } from "./cpu_memory.ts";
import { type I32, i32, type I64, i64, select, type Sem, type Semantic, type Semantics } from "./sem.ts";

/** Units done in one turn before events are looked at; bytes moved at once count less. */
const TURN = 4096;
/** Instructions that last about as long as a turn. */
const TURN_WEIGHT = 512n;
const ES = 0;
const PAGE = 4096n;

interface Strings {
  readonly width: number;
  readonly asize: number;
  readonly code64: boolean;
  /** +width or -width. Bound. */
  readonly step: I64;
  /** Segment bases. Bound. */
  readonly sourceBase: I64;
  readonly targetBase: I64;
}

/** What all forms begin with; TypeScript does what concerns limits. */
function begin(s: Sem, width: number, uses: { source: boolean; target: boolean }): Strings {
  const { f } = s;
  const { state } = s.m;
  const { asize, code } = s.form;
  const code64 = code === 64;
  const down = s.cell32(CPU.EFLAGS).and(RFLAGS.DF);
  const step = f.let(select(down, i64(BigInt(-width)), i64(BigInt(width))));
  const segment = f.let(state.load8(s.p, RECORD.SEGMENT));
  const base = state.load64(segment.shl(3), CPU.SEG_BASE);
  if (!code64) {
    if (uses.source) checkFlat(s, segment);
    if (uses.target) checkFlat(s, i32(ES));
  }
  return {
    width,
    asize,
    code64,
    step,
    sourceBase: f.let(code64 ? select(segment.geU(4), base, i64(0n)) : base),
    targetBase: code64 ? i64(0n) : s.f.let(s.cell64(CPU.SEG_BASE + ES * 8)),
  };
}

/** A segment that grows up from its base and reaches 64 KiB with 16-bit addresses, or 4 GiB. */
function checkFlat(s: Sem, segment: I32): void {
  const { state } = s.m;
  const attr = s.f.let(state.load32(segment.shl(2), CPU.SEG_ATTR));
  const limit = state.load32(segment.shl(2), CPU.SEG_LIMIT).toI64U();
  const most = s.form.asize === 2 ? 0xffffn : 0xffffffffn;
  const good = attr.and(ATTR.UNUSABLE | ATTR.CODE_OR_DATA | ATTR.PRESENT | 0xe).eq(
    ATTR.CODE_OR_DATA | ATTR.PRESENT | 2,
  );
  s.f.if(good.and(limit.geU(most)).eqz(), () => s.system());
}

function at(s: Sem, strings: Strings, register: number): I64 {
  const { asize, code64, sourceBase, targetBase, width } = strings;
  // Where a unit lies across the end of 64 KiB, the limit decides.
  if (!code64 && asize === 2 && width > 1) {
    s.f.if(s.gpr(register, asize).gtU(BigInt(0x10000 - width)), () => s.system());
  }
  const base = register === GPR.RSI ? sourceBase : targetBase;
  const linear = s.gpr(register, asize).add(base);
  return s.f.let(code64 ? linear : s.cut(linear, 4));
}

function advance(s: Sem, { asize, step }: Strings, register: number, times: I64 = i64(1n)): void {
  s.setGpr(register, asize, s.cut(s.gpr(register, asize).add(step.mul(times)), asize));
}

/** Repeats `unit`; `stop` is looked at after each (REPE, REPNE). */
function repeat(s: Sem, unit: () => void, stop?: () => I32, bulk?: (left: I64) => I64): void {
  const { f } = s;
  if (s.form.rep === 0) return unit();
  const { asize } = s.form;
  const turns = f.local("i32");
  // A single step is one unit. [SDM] vol. 3B, 19.3.1.4
  const stepping = f.let(s.cell32(CPU.MODE).and(MODE.STEP));
  f.set(turns, select(stepping, i32(1), i32(TURN)));
  f.block((done) => {
    f.loop((next) => {
      const left = s.gpr(GPR.RCX, asize);
      f.brIf(done, left.eqz());
      if (bulk !== undefined) {
        f.if(stepping.eqz(), () => {
          const moved = f.let(bulk(left));
          f.if(moved.ne(0n), () => {
            s.setGpr(GPR.RCX, asize, left.sub(moved));
            f.set(turns, turns.value.sub(64));
            f.brIf(next, turns.value.gtS(0));
            s.again(i64(TURN_WEIGHT));
          });
        });
      }
      unit();
      s.setGpr(GPR.RCX, asize, left.sub(1n));
      if (stop !== undefined) f.brIf(done, stop());
      f.set(turns, turns.value.sub(1));
      f.brIf(next, turns.value);
      f.brIf(done, left.eq(1n));
      s.again(select(stepping, i64(1n), i64(TURN_WEIGHT)));
    });
  });
}

/** The TLB entry of an address where it may be read or written; its tag is compared with the page. */
function hostOf(s: Sem, linear: I64, field: number): { hit: I32; host: I64 } {
  const { state } = s.m;
  const index = linear.shrU(12n).toI32().and(TLB.ENTRIES - 1).shl(5);
  const entry = s.f.let(s.cell32(CPU.TLB_BASE).add(index));
  return {
    hit: state.load64(entry, field).eq(linear.and(-PAGE)),
    host: linear.add(state.load64(entry, TLB.ADDEND)),
  };
}

/** Units up to the end of the page of `linear`, and before the register wraps, at most `left`. */
function unitsInPage(s: Sem, { asize, width }: Strings, register: number, linear: I64, left: I64): I64 {
  const shift = BigInt(31 - Math.clz32(width));
  const least = (a: I64, b: I64) => s.f.let(select(a.ltU(b), a, b));
  const inPage = least(s.f.let(i64(PAGE).sub(linear.and(PAGE - 1n)).shrU(shift)), left);
  if (asize === 8) return inPage;
  const room = s.f.let(i64(1n << BigInt(8 * asize)).sub(s.gpr(register, asize)).shrU(shift));
  return least(room, inPage);
}

function address(s: Sem, host: I64): I64 | I32 {
  return s.m.ram.wide ? host : host.toI32();
}

const movs: Semantic = {
  uses: ["rep", "asize", "code"],
  emit: (s) => {
    const { f } = s;
    const width = s.width(0);
    const strings = begin(s, width, { source: true, target: true });
    const unit = () => {
      const value = s.load(width, at(s, strings, GPR.RSI));
      s.store(width, at(s, strings, GPR.RDI), value);
      advance(s, strings, GPR.RSI);
      advance(s, strings, GPR.RDI);
    };
    repeat(s, unit, undefined, (left) => {
      const from = at(s, strings, GPR.RSI);
      const to = at(s, strings, GPR.RDI);
      const most = unitsInPage(s, strings, GPR.RSI, from, left);
      const units = unitsInPage(s, strings, GPR.RDI, to, most);
      const bytes = f.let(units.mul(BigInt(width)));
      const source = hostOf(s, from, TLB.READ);
      const target = hostOf(s, to, TLB.WRITE);
      const [a, b] = [f.let(source.host), f.let(target.host)];
      // A target a little above the source repeats what was just moved: that goes unit by unit.
      const apart = b.sub(a).geU(bytes);
      const good = f.let(source.hit.and(target.hit).and(apart).and(strings.step.gtS(0n)));
      const moved = f.local("i64");
      f.set(moved, i64(0n));
      f.if(good, () => {
        const length = s.m.ram.wide ? bytes : bytes.toI32();
        f.copy(s.m.ram, address(s, b), s.m.ram, address(s, a), length);
        f.set(moved, units);
        advance(s, strings, GPR.RSI, units);
        advance(s, strings, GPR.RDI, units);
      });
      return moved.value;
    });
  },
};

const stos: Semantic = {
  uses: ["rep", "asize", "code"],
  emit: (s) => {
    const { f } = s;
    const width = s.width(0);
    const strings = begin(s, width, { source: false, target: true });
    const value = s.gpr(GPR.RAX, width);
    // Filling goes by bytes: it serves values whose bytes are all alike.
    const alike = f.let(value.eq(s.cut(value.and(0xffn).mul(0x0101010101010101n), width)));
    const unit = () => {
      s.store(width, at(s, strings, GPR.RDI), value);
      advance(s, strings, GPR.RDI);
    };
    repeat(s, unit, undefined, (left) => {
      const to = at(s, strings, GPR.RDI);
      const units = unitsInPage(s, strings, GPR.RDI, to, left);
      const target = hostOf(s, to, TLB.WRITE);
      const moved = f.local("i64");
      f.set(moved, i64(0n));
      f.if(target.hit.and(strings.step.gtS(0n)).and(alike), () => {
        const bytes = f.let(units.mul(BigInt(width)));
        f.fill(s.m.ram, address(s, f.let(target.host)), value.toI32(), s.m.ram.wide ? bytes : bytes.toI32());
        f.set(moved, units);
        advance(s, strings, GPR.RDI, units);
      });
      return moved.value;
    });
  },
};

const lods: Semantic = {
  uses: ["rep", "asize", "code"],
  emit: (s) => {
    const width = s.width(0);
    const strings = begin(s, width, { source: true, target: false });
    repeat(s, () => {
      const value = s.load(width, at(s, strings, GPR.RSI));
      s.setGpr(GPR.RAX, width, value);
      advance(s, strings, GPR.RSI);
    });
  },
};

function difference(s: Sem, width: number, a: I64, b: I64): void {
  const r = s.f.let(a.sub(b));
  s.setFlagsByCarries(width, r, subCarries(a, b, r));
}

/** REPE goes on while ZF is 1, REPNE while it is 0. */
function untilZf(s: Sem): () => I32 {
  return () => s.form.rep === 1 ? s.zf().eqz() : s.zf();
}

const cmps: Semantic = {
  uses: ["rep", "asize", "code"],
  emit: (s) => {
    const width = s.width(0);
    const strings = begin(s, width, { source: true, target: true });
    repeat(s, () => {
      const a = s.load(width, at(s, strings, GPR.RSI));
      const b = s.load(width, at(s, strings, GPR.RDI));
      advance(s, strings, GPR.RSI);
      advance(s, strings, GPR.RDI);
      difference(s, width, a, b);
    }, untilZf(s));
  },
};

const scas: Semantic = {
  uses: ["rep", "asize", "code"],
  emit: (s) => {
    const width = s.width(0);
    const strings = begin(s, width, { source: false, target: true });
    const value = s.gpr(GPR.RAX, width);
    repeat(s, () => {
      const b = s.load(width, at(s, strings, GPR.RDI));
      advance(s, strings, GPR.RDI);
      difference(s, width, value, b);
    }, untilZf(s));
  },
};

/** By key. */
export const STRING: Semantics = { movs, stos, lods, cmps, scas };
