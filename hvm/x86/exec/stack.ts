/**
 * PUSH and POP in all forms, ENTER and LEAVE, and the flags that need no privilege.
 *
 * Sources: [SDM] Intel SDM vol. 2, ENTER, LEAVE, POP, POPA, PUSH, PUSHA, CLC to STD, LAHF, SAHF, PUSHF, POPF, CLI, STI.
 * @module
 */

import { GPR, RFLAGS } from "../state.ts";
import { stackAddress } from "./branch.ts";
import { CPU, RECORD } from "./cpu_memory.ts";
import { type I32, i32, type I64, i64, select, type Sem, type Semantic, type Semantics } from "./sem.ts";

/** rSP, cut to the stack's width. */
function pointer(s: Sem): I64 {
  return s.f.let(s.cut(s.gpr(GPR.RSP), s.form.stack));
}

function linearAt(s: Sem, at: I64, bytes: number, write: boolean): I64 {
  return stackAddress(s, s.f.let(s.cut(at, s.form.stack)), bytes, write);
}

const push: Semantic = {
  hot: true,
  uses: ["osize", "stack"],
  emit: (s) => {
    const { osize, stack } = s.form;
    const value = s.read(0, osize);
    const next = s.f.let(s.cut(s.gpr(GPR.RSP).sub(BigInt(osize)), stack));
    s.store(osize, stackAddress(s, next, osize, true), value);
    s.setGpr(GPR.RSP, stack, next);
  },
};

/** POP to memory computes its address with the new rSP, so that rSP is set first and taken back if the write faults. */
const pop: Semantic = {
  hot: true,
  uses: ["osize", "stack"],
  emit: (s) => {
    const { osize, stack } = s.form;
    const old = pointer(s);
    const value = s.load(osize, stackAddress(s, old, osize, false));
    const next = s.f.let(s.cut(old.add(BigInt(osize)), stack));
    if (!s.isMemory(0)) {
      s.setGpr(GPR.RSP, stack, next);
      return s.write(0, value, osize);
    }
    const before = s.gpr(GPR.RSP);
    s.setGpr(GPR.RSP, stack, next);
    const linear = stack === 8 ? s.address() : undefined;
    const offset = s.offset();
    s.setCell64(CPU.GPR + GPR.RSP * 8, before);
    if (linear === undefined) {
      // Segments may refuse it, and then rSP is as it was.
      const short = s.m.state.load8(s.p, RECORD.SCALE).shrU(2).eq(2);
      const cut = s.f.let(select(short, offset.and(0xffffn), offset.and(0xffffffffn)));
      s.store(osize, s.segmented(s.segment(), cut, osize, true), value);
      return s.setGpr(GPR.RSP, stack, next);
    }
    s.store(osize, linear, value);
    s.setGpr(GPR.RSP, stack, next);
  },
};

const pusha: Semantic = {
  uses: ["osize", "stack"],
  emit: (s) => {
    const { osize, stack } = s.form;
    const top = pointer(s);
    const lowest = s.f.let(s.cut(top.sub(BigInt(osize * 8)), stack));
    const places = Array.from(
      { length: 8 },
      (_, n) => linearAt(s, top.sub(BigInt(osize * (n + 1))), osize, true),
    );
    // In one page only the first can fault; in two, all are looked at, in their order, before any is written.
    const end = places[0]!.add(BigInt(osize - 1));
    s.f.if(end.xor(places[7]!).shrU(12n).ne(0n), () => {
      for (const place of places) s.probe(place, osize, true);
    });
    places.forEach((place, n) => s.store(osize, place, s.gpr(n, osize)));
    s.setGpr(GPR.RSP, stack, lowest);
  },
};

const popa: Semantic = {
  uses: ["osize", "stack"],
  emit: (s) => {
    const { osize, stack } = s.form;
    const top = pointer(s);
    const values = Array.from(
      { length: 8 },
      (_, n) => s.load(osize, linearAt(s, top.add(BigInt(osize * n)), osize, false)),
    );
    values.forEach((value, n) => {
      const register = 7 - n;
      if (register !== GPR.RSP) s.setGpr(register, osize, value);
    });
    s.setGpr(GPR.RSP, stack, s.cut(top.add(BigInt(osize * 8)), stack));
  },
};

const leave: Semantic = {
  hot: true,
  uses: ["osize", "stack"],
  emit: (s) => {
    const { osize, stack } = s.form;
    const frame = s.f.let(s.cut(s.gpr(GPR.RBP), stack));
    const value = s.load(osize, stackAddress(s, frame, osize, false));
    s.setGpr(GPR.RSP, stack, s.cut(frame.add(BigInt(osize)), stack));
    s.setGpr(GPR.RBP, osize, value);
  },
};

/** The size is operand 0, the level operand 1. */
const enter: Semantic = {
  uses: ["osize", "stack"],
  emit: (s) => {
    const { f } = s;
    const { osize, stack } = s.form;
    const size = s.read(0, 2);
    const level = f.let(s.m.state.load8(s.p, RECORD.IMM2).and(31));
    const top = pointer(s);
    const unit = BigInt(osize);
    const frame = f.let(s.cut(top.sub(unit), stack));
    const count = f.let(level.toI64U());
    const last = f.let(s.cut(frame.sub(count.mul(unit)), stack));
    const final = f.let(s.cut(last.sub(size), stack));
    // The processor touches where the new top is, too.
    s.probe(linearAt(s, final, 1, true), 1, true);
    s.store(osize, linearAt(s, frame, osize, true), s.gpr(GPR.RBP, osize));
    f.if(level.gtU(1), () => {
      const n = f.local("i64");
      f.set(n, i64(1n));
      f.loop((again) => {
        const from = s.gpr(GPR.RBP).sub(n.value.mul(unit));
        const value = s.load(osize, linearAt(s, from, osize, false));
        s.store(osize, linearAt(s, frame.sub(n.value.mul(unit)), osize, true), value);
        f.set(n, n.value.add(1n));
        f.brIf(again, n.value.ltU(count));
      });
    });
    f.if(level, () => s.store(osize, linearAt(s, last, osize, true), frame));
    s.setGpr(GPR.RBP, osize, frame);
    s.setGpr(GPR.RSP, stack, final);
  },
};

const sahf: Semantic = {
  emit: (s) => {
    const image = s.f.let(s.m.state.load8(i32(0), CPU.GPR + 1));
    const of = s.f.let(s.of());
    s.setArithmeticFlags(s.f.let(image.and(0xd5).or(of.shl(11))));
  },
};

const lahf: Semantic = {
  emit: (s) => s.f.put(s.m.state.store8(i32(CPU.GPR + 1), s.arithmeticFlags().and(0xd5).or(2))),
};

function direction(set: boolean): Semantic {
  return {
    emit: (s) => {
      const flags = s.cell32(CPU.EFLAGS);
      s.setCell32(CPU.EFLAGS, set ? flags.or(RFLAGS.DF) : flags.and(~RFLAGS.DF));
    },
  };
}

/** Protected mode outside virtual-8086 mode, and CPL <= IOPL: IF may be changed. */
function mayChangeIf(s: Sem): I32 {
  const flags = s.f.let(s.cell32(CPU.EFLAGS));
  return s.cell32(CPU.CPL).leU(flags.shrU(12).and(3)).and(flags.and(RFLAGS.VM).eqz());
}

const cli: Semantic = {
  emit: (s) => {
    s.f.if(mayChangeIf(s).eqz(), () => s.system());
    s.setCell32(CPU.EFLAGS, s.cell32(CPU.EFLAGS).and(~RFLAGS.IF));
  },
};

/** The run ends soon, for whoever waits for IF. */
function wakeWindow(s: Sem): void {
  s.f.if(s.cell32(CPU.WINDOW), () => s.setCell64(CPU.LIMIT, i64(0n)));
}

const sti: Semantic = {
  emit: (s) => {
    const { f } = s;
    f.if(mayChangeIf(s).eqz(), () => s.system());
    f.if(s.cell32(CPU.EFLAGS).and(RFLAGS.IF).eqz(), () => {
      s.setCell32(CPU.EFLAGS, s.cell32(CPU.EFLAGS).or(RFLAGS.IF));
      s.setCell64(CPU.SHADOW_RIP, s.nextRip());
      const place = s.m.state.load8(s.p, RECORD.PLACE).add(1).toI64U();
      s.setCell64(CPU.SHADOW_RETIRED, s.cell64(CPU.RETIRED).add(place));
      wakeWindow(s);
    });
  },
};

/** PUSHF: outside virtual-8086 mode nothing is checked. VM and RF are pushed as 0. */
const pushf: Semantic = {
  uses: ["osize", "stack"],
  emit: (s) => {
    const { f } = s;
    const { osize, stack } = s.form;
    const flags = f.let(s.cell32(CPU.EFLAGS));
    f.if(flags.and(RFLAGS.VM), () => s.system());
    const image = flags.and(~(RFLAGS.VM | RFLAGS.RF)).or(s.arithmeticFlags()).toI64U();
    const next = f.let(s.cut(s.gpr(GPR.RSP).sub(BigInt(osize)), stack));
    s.store(osize, stackAddress(s, next, osize, true), image);
    s.setGpr(GPR.RSP, stack, next);
  },
};

/** What POPF changes without anybody having to derive anything from it. */
const PLAIN_FLAGS = 0xcd5 | RFLAGS.IF | RFLAGS.NT | RFLAGS.ID;

/** POPF at level 0 where TF, AC and VM are not concerned; everything else is TypeScript's. */
const popf: Semantic = {
  uses: ["osize", "stack"],
  emit: (s) => {
    const { f } = s;
    const { osize, stack } = s.form;
    const flags = f.let(s.cell32(CPU.EFLAGS));
    const old = pointer(s);
    const image = f.let(s.load(osize, stackAddress(s, old, osize, false)).toI32());
    const width = osize === 2 ? 0xffff : 0x3fffff;
    const changed = f.let(
      image.xor(flags).and(width & ~(0x8d5 | RFLAGS.RF | 0x802a | RFLAGS.VIF | RFLAGS.VIP)),
    );
    const special = changed.and(~PLAIN_FLAGS).or(flags.and(RFLAGS.VM)).or(s.cell32(CPU.CPL));
    f.if(special, () => s.system());
    const keep = f.let(image.and(PLAIN_FLAGS & width & ~0x8d5));
    s.setCell32(CPU.EFLAGS, flags.and(~(PLAIN_FLAGS & width) & ~RFLAGS.RF).or(keep).or(2));
    s.setArithmeticFlags(image);
    s.setGpr(GPR.RSP, stack, s.cut(old.add(BigInt(osize)), stack));
    f.if(image.and(RFLAGS.IF), () => wakeWindow(s));
  },
};

/** By key. */
export const STACK: Semantics = {
  push,
  pop,
  pusha,
  popa,
  leave,
  enter,
  sahf,
  lahf,
  clc: { emit: (s) => s.setCf(i32(0)) },
  stc: { emit: (s) => s.setCf(i32(1)) },
  cmc: { emit: (s) => s.setCf(s.f.let(s.cf().xor(1))) },
  cld: direction(false),
  std: direction(true),
  cli,
  sti,
  pushf,
  popf,
};
