/**
 * The instructions of the oracle done with the library: operands loaded, the function called, the result written where
 * the instruction writes it. What an engine's x87 instructions do with the library, on a stack of two registers.
 *
 * @module
 */

import { FSW } from "../../hvm/x86/exec/float80_core.ts";
import { type Extended, Float80Rig } from "../../hvm/x86/exec/float80_rig.ts";
import type { X87Job, X87Result } from "./x87_oracle.ts";

const UNTOUCHED = 0xa5a5_a5a5a5a5_a5a5a5a5n;
const CONDITION = FSW.C0 | FSW.C1 | FSW.C2 | FSW.C3;
const EMPTY: Extended = { sig: 0n, se: 0 };
const CONSTANTS = ["fld1", "fldl2t", "fldl2e", "fldpi", "fldlg2", "fldln2", "fldz"];

/** An instruction being done, before exceptions are summed up. */
interface Work {
  readonly job: X87Job;
  /** The number of bits in the operation's name; 0 without. */
  readonly bits: number;
  st0: Extended;
  st1: Extended;
  memory: bigint;
  top: number;
  eflags: number;
  /** The destination is not written. */
  stopped: boolean;
  /** Condition bits that a function gave as its result. */
  condition: number;
  /** Condition bits that are set anew; the others stay as they were. */
  replaced: number;
}

type Instruction = (rig: Float80Rig, work: Work) => void;

function settle(rig: Float80Rig, work: Work, how = "settle"): boolean {
  work.stopped = rig.word(how, work.job.control) === 1;
  return work.stopped;
}

/** The memory operand of arithmetic, or ST(1). */
function other(rig: Float80Rig, { bits, job }: Work): Extended {
  return bits === 0 ? job.b : rig.more(`widen_f${bits}`, job.b.sig);
}

/** ST(0) op the other, or the reverse. */
function arithmetic(name: string, reverse: boolean): Instruction {
  return (rig, work) => {
    const [a, b] = [work.job.a, other(rig, work)];
    const value = rig.more(name, reverse ? b : a, reverse ? a : b, work.job.control);
    if (!settle(rig, work)) work.st0 = value;
  };
}

function unary(name: string): Instruction {
  return (rig, work) => {
    const value = rig.more(name, work.job.a, work.job.control);
    if (!settle(rig, work)) work.st0 = value;
  };
}

/** C2 and C1 are always new; C0 and C3 only with a quotient. */
function remainder(name: string): Instruction {
  return (rig, work) => {
    arithmetic(name, false)(rig, work);
    const noQuotient = work.stopped ||
      (work.st0.se & 0x7fff) === 0x7fff && BigInt.asUintN(63, work.st0.sig) !== 0n;
    work.replaced = noQuotient ? FSW.C1 | FSW.C2 : CONDITION;
  };
}

function pushing(compute: (rig: Float80Rig, work: Work) => Extended, how = "settle"): Instruction {
  return (rig, work) => {
    const value = compute(rig, work);
    if (!settle(rig, work, how)) [work.st1, work.st0, work.top] = [work.st0, value, 5];
  };
}

function compare(quiet: boolean, to: (rig: Float80Rig, work: Work) => Extended): Instruction {
  return (rig, work) => {
    work.condition = rig.word("compare", work.job.a, to(rig, work), Number(quiet));
    work.replaced = CONDITION;
    settle(rig, work);
  };
}

function compareFlags(quiet: boolean): Instruction {
  return (rig, work) => {
    const condition = rig.word("compare", work.job.a, work.job.b, Number(quiet));
    settle(rig, work);
    work.replaced = 0;
    const [zf, pf, cf] = [condition & FSW.C3, condition & FSW.C2, condition & FSW.C0];
    work.eflags = (zf ? 0x40 : 0) | (pf ? 4 : 0) | (cf ? 1 : 0);
  };
}

function storing(
  compute: (rig: Float80Rig, work: Work) => bigint,
  pops: (work: Work) => boolean,
): Instruction {
  return (rig, work) => {
    const value = compute(rig, work);
    if (settle(rig, work, "settle_store")) return;
    const mask = (1n << BigInt(work.bits || 80)) - 1n;
    work.memory = work.memory & ~mask | value & mask;
    if (pops(work)) [work.st0, work.st1, work.top] = [work.st1, EMPTY, 7];
  };
}

/** y from ST(1), which is popped. */
function popping(name: string): Instruction {
  return (rig, work) => {
    const value = rig.more(name, work.job.a, work.job.b, work.job.control);
    if (!settle(rig, work)) [work.st0, work.st1, work.top] = [value, EMPTY, 7];
  };
}

/** C2 tells that the argument is out of range; nothing is pushed then. */
function trigonometric(how: Instruction): Instruction {
  return (rig, work) => {
    work.replaced = FSW.C1 | FSW.C2;
    how(rig, work);
    if ((rig.status & FSW.C2) !== 0) [work.st0, work.st1, work.top] = [work.job.a, work.job.b, 6];
  };
}

/** Two results: one in the place of ST(0), one pushed. */
function pair(name: string, withControl: boolean): Instruction {
  return (rig, work) => {
    const { a, control } = work.job;
    const pushed = withControl ? rig.more(name, a, control) : rig.more(name, a);
    if (!settle(rig, work)) [work.st1, work.st0, work.top] = [rig.second, pushed, 5];
  };
}

const INSTRUCTIONS: Record<string, Instruction> = {
  add: arithmetic("add", false),
  sub: arithmetic("sub", false),
  subr: arithmetic("sub", true),
  mul: arithmetic("mul", false),
  div: arithmetic("div", false),
  divr: arithmetic("div", true),
  scale: arithmetic("scale", false),
  prem: remainder("prem"),
  prem1: remainder("prem1"),
  sqrt: unary("sqrt"),
  rndint: unary("rndint"),
  abs: (_, work) => work.st0 = { ...work.job.a, se: work.job.a.se & 0x7fff },
  chs: (_, work) => work.st0 = { ...work.job.a, se: work.job.a.se ^ 0x8000 },
  xtract: pair("xtract", false),
  f2xm1: unary("f2xm1"),
  fyl2x: popping("yl2x"),
  fyl2xp1: popping("yl2xp1"),
  fpatan: popping("patan"),
  fsin: trigonometric(unary("sin")),
  fcos: trigonometric(unary("cos")),
  fsincos: trigonometric(pair("sincos", true)),
  fptan: trigonometric(pair("ptan", true)),
  com: compare(false, other),
  ucom: compare(true, other),
  tst: compare(false, () => EMPTY),
  comi: compareFlags(false),
  ucomi: compareFlags(true),
  xam: (rig, work) => {
    work.condition = rig.word("examine", work.job.a);
    work.replaced = CONDITION;
  },
  fld: pushing((rig, { job, bits }) => rig.more(`load_f${bits}`, job.b.sig), "settle_load"),
  fild: pushing((rig, { job, bits }) => rig.more("from_int", BigInt.asIntN(bits, job.b.sig))),
  fbld: pushing((rig, { job }) => rig.more("from_bcd", job.b)),
  fst: storing((rig, { job, bits }) => rig.more(`to_f${bits}`, job.a, job.control).sig, () => false),
  // 64 bits have the popping form only.
  fist: storing(
    (rig, { job, bits }) => rig.more("to_int", job.a, job.control, bits).sig,
    ({ bits }) => bits === 64,
  ),
  fisttp: storing(
    (rig, { job, bits }) => rig.more("to_int", job.a, job.control | 0xc00, bits).sig,
    () => true,
  ),
  fbstp: storing((rig, { job }) => {
    const { sig, se } = rig.more("to_bcd", job.a, job.control);
    return sig | BigInt(se & 0xffff) << 64n;
  }, () => true),
};

/** Does one job as the processor would. */
export function runModel(rig: Float80Rig, job: X87Job): X87Result {
  const [group = "", format] = job.operation.split("_", 2);
  const bits = Number(format?.slice(1) ?? 0);
  const work: Work = {
    job,
    bits,
    st0: job.a,
    st1: job.b,
    memory: UNTOUCHED,
    top: 6,
    eflags: 0,
    stopped: false,
    condition: 0,
    replaced: FSW.C1,
  };
  rig.clear();
  const index = CONSTANTS.indexOf(job.operation);
  const instruction = index < 0
    ? INSTRUCTIONS[group]
    : pushing((library) => library.more("constant", index, job.control));
  if (instruction === undefined) throw new RangeError(`The model has no ${job.operation}`);
  instruction(rig, work);
  const status = rig.status | work.condition;
  const pending = status & ~job.control & 0x3f ? 0x8080 : 0;
  const sw = job.prior & ~work.replaced | status | work.top << 11 | pending;
  const { st0, st1, eflags } = work;
  const memory = { sig: BigInt.asUintN(64, work.memory), se: Number(work.memory >> 64n) };
  return { st0, st1, memory, sw, eflags };
}
