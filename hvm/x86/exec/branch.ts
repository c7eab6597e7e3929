/**
 * Near jumps, calls, returns and loops. They end a block: a direct one goes to the record it is linked to, any other
 * through the lookup.
 *
 * Sources: [SDM] vol. 2, CALL, Jcc, JMP, LOOP, RET.
 * @module
 */

import type { FunctionEmitter } from "../emit.ts";
import { CPU, RECORD, RECORD_FLAG } from "./cpu_memory.ts";
import {
  type Form,
  type I32,
  i32,
  type I64,
  KIND,
  Sem,
  type Semantic,
  type Semantics,
  type SemModule,
  VECTOR,
} from "./sem.ts";
import { GPR } from "../state.ts";

const CS = 1;
const SS = 2;

/** What a frame of handlers gives to branches beside what all semantics have. */
export interface BranchFrame {
  /** Goes to the instruction at CPU.RIP. */
  leave(): void;
  /** Goes to the record of this branch's link, whose RIP is given (bound), unless the run is to end. */
  follow(link: I32, rip: I64): void;
  /** Asks for this branch to be linked; `(p i32)`. */
  link(): void;
}

/** Counts the instructions up to and with this one. */
function retire(s: Sem): void {
  const { state } = s.m;
  const count = state.load8(s.p, RECORD.PLACE).add(1).toI64U();
  s.setCell64(CPU.RETIRED, s.cell64(CPU.RETIRED).add(count));
}

function cutRip(s: Sem, rip: I64): I64 {
  return s.cut(rip, s.form.osize);
}

/** Goes to a computed address. */
function goTo(s: Sem, frame: BranchFrame, rip: I64): void {
  s.setCell64(CPU.RIP, rip);
  retire(s);
  frame.leave();
}

/** The target in the record. */
function directTarget(s: Sem): I64 {
  return s.f.let(cutRip(s, s.cell64(CPU.RIP_BASE).add(s.m.state.load64(s.p, RECORD.DISP))));
}

/** #GP(0) at the branch for a target beyond the code segment's limit, or that is not canonical. Before anything changes. */
function checkTarget(s: Sem, rip: I64, direct = false): void {
  if (s.form.osize !== 8) {
    return s.faultIf(rip.gtU(s.cell32(CPU.SEG_LIMIT + CS * 4).toI64U()), VECTOR.GP, 0);
  }
  // A direct one moves by 2 GiB at most, and faults where it arrives.
  if (!direct) s.faultIf(rip.shl(16n).shrS(16n).ne(rip), VECTOR.GP, 0);
}

/** Goes to the target in the record, which is checked. */
function goDirect(s: Sem, frame: BranchFrame, rip: I64): void {
  const { f } = s;
  const { state } = s.m;
  retire(s);
  const link = f.let(state.load32(s.p, RECORD.LINK));
  f.if(link, () => frame.follow(link, rip));
  s.setCell64(CPU.RIP, rip);
  f.if(
    state.load8(s.p, RECORD.FLAGS).and(RECORD_FLAG.SAME_PAGE),
    () => f.if(link.eqz(), () => frame.link()),
  );
  frame.leave();
}

/** The linear address of `bytes` bytes at a stack pointer that is cut already. May fault. Bound. */
export function stackAddress(s: Sem, pointer: I64, bytes: number, write: boolean): I64 {
  if (s.form.stack === 8) return pointer;
  return s.segmented(i32(SS), pointer, bytes, write);
}

function pushReturn(s: Sem): I64 {
  const { f } = s;
  const { osize, stack } = s.form;
  const pointer = f.let(s.cut(s.gpr(GPR.RSP).sub(BigInt(osize)), stack));
  const linear = stackAddress(s, pointer, osize, true);
  s.store(osize, linear, cutRip(s, s.nextRip()));
  return pointer;
}

/** The semantics of a branch, which only a frame can emit. */
export class BranchSem extends Sem {
  readonly frame: BranchFrame;

  constructor(m: SemModule, f: FunctionEmitter, p: I32, form: Form, frame: BranchFrame) {
    super(m, f, p, form, () => frame.leave());
    this.frame = frame;
  }
}

function frameOf(s: Sem): BranchFrame {
  if (!(s instanceof BranchSem)) throw new RangeError("A branch is emitted in a frame");
  return s.frame;
}

const jmp: Semantic = {
  uses: ["osize"],
  hot: true,
  emit: (s) => {
    const direct = s.kind(0) === KIND.OTHER;
    const target = direct ? directTarget(s) : s.read(0);
    checkTarget(s, target, direct);
    if (direct) goDirect(s, frameOf(s), target);
    else goTo(s, frameOf(s), target);
  },
};

const jcc: Semantic = {
  uses: ["osize", "cond"],
  hot: true,
  emit: (s) =>
    s.f.if(s.condition(s.form.cond), () => {
      const target = directTarget(s);
      checkTarget(s, target, true);
      goDirect(s, frameOf(s), target);
    }),
};

const call: Semantic = {
  uses: ["osize", "stack"],
  hot: true,
  emit: (s) => {
    const direct = s.kind(0) === KIND.OTHER;
    const target = direct ? directTarget(s) : s.read(0);
    checkTarget(s, target, direct);
    const pointer = pushReturn(s);
    s.setGpr(GPR.RSP, s.form.stack, pointer);
    if (direct) goDirect(s, frameOf(s), target);
    else goTo(s, frameOf(s), target);
  },
};

const ret: Semantic = {
  uses: ["osize", "stack"],
  hot: true,
  emit: (s) => {
    const { f } = s;
    const { osize, stack } = s.form;
    const pointer = f.let(s.cut(s.gpr(GPR.RSP), stack));
    const target = s.load(osize, stackAddress(s, pointer, osize, false));
    checkTarget(s, target);
    let next = pointer.add(BigInt(osize));
    if (s.kind(0) === KIND.IMM) next = next.add(s.read(0, 2));
    s.setGpr(GPR.RSP, stack, s.cut(next, stack));
    goTo(s, frameOf(s), target);
  },
};

/** LOOP, LOOPE, LOOPNE and JrCXZ count in rCX of the address size. */
function counted(taken: (s: Sem, count: I64) => I32, decrement: boolean): Semantic {
  return {
    uses: ["osize", "asize"],
    emit: (s) => {
      const { f } = s;
      const { asize } = s.form;
      const count = f.let(s.cut(decrement ? s.gpr(GPR.RCX).sub(1n) : s.gpr(GPR.RCX), asize));
      const goes = f.let(taken(s, count));
      const target = directTarget(s);
      f.if(goes, () => checkTarget(s, target, true));
      if (decrement) s.setGpr(GPR.RCX, asize, count);
      f.if(goes, () => goDirect(s, frameOf(s), target));
    },
  };
}

/** By key. */
export const BRANCH: Semantics = {
  jmp,
  jcc,
  call,
  ret,
  loop: counted((_s, count) => count.ne(0n), true),
  loope: counted((s, count) => count.ne(0n).and(s.zf()), true),
  loopne: counted((s, count) => count.ne(0n).and(s.zf().eqz()), true),
  jcxz: counted((_s, count) => count.eqz(), false),
};
