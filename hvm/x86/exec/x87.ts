/**
 * x87 instructions that compute, over the arithmetic of float80.ts and the stack of x87_stack.ts.
 *
 * Sources: [SDM] Intel SDM vol. 2, F2XM1 to FYL2XP1; vol. 1, chapter 8.
 * @module
 */

import { type I32, i32, type I64, i64, select } from "../emit_value.ts";
import { CPU } from "./cpu_memory.ts";
import type { Float80 } from "./float80.ts";
import { FSW } from "./float80_core.ts";
import { KIND, type Sem, type Semantic, type Semantics, VECTOR } from "./sem.ts";
import { CONDITION, type Extended, Stack } from "./x87_stack.ts";

/** Names of functions of two operands and the control word. */
type Binary = "add" | "sub" | "mul" | "div";

/** The number of ST(i) in the form: that of its last operand of this kind, 1 where there is none. */
function indexOf(s: Sem): I32 {
  for (let n = s.form.operands.length - 1; n >= 0; n--) {
    if (s.kind(n) === KIND.ST) {
      const field = s.regField(n);
      if (n > 0 || s.form.operands.length === 1) return s.f.let(field);
    }
  }
  return i32(1);
}

/** Which operand of two is ST(0) itself: `ST,STi` has it first, `STi,ST` last. */
function isReversedForm(s: Sem): boolean {
  // The D8 group writes ST(0); DC and DE write ST(i).
  return (s.form.opcode & 4) !== 0;
}

/** The other operand from memory: a single, a double or an integer. */
function memoryValue(s: Sem, stack: Stack, integer: boolean): () => Extended {
  const width = s.width(0);
  const raw = s.load(width, s.address());
  return () => {
    const { f } = s;
    const { lib } = stack;
    if (integer) return stack.result(f.call(lib.fromInt, s.signed(raw, width)) as I64);
    return stack.result(f.call(width === 4 ? lib.widenF32 : lib.widenF64, raw) as I64);
  };
}

function compute(s: Sem, stack: Stack, name: Binary, a: Extended, b: Extended): Extended {
  return stack.result(s.f.call(stack.lib[name], a.sig, a.se, b.sig, b.se, stack.control) as I64);
}

/** With a memory operand: ST(0) is the destination. */
function withMemory(name: Binary, reverse: boolean, integer: boolean): Semantic {
  return {
    emit: (s) => {
      const stack = new Stack(s);
      const other = memoryValue(s, stack, integer);
      const target = stack.physical(0);
      stack.check(stack.empty(target), {
        overflow: false,
        masked: () => stack.setValue(target, stack.indefinite()),
      }, () => {
        stack.begin();
        const b = other();
        const a = stack.value(target);
        const value = reverse ? compute(s, stack, name, b, a) : compute(s, stack, name, a, b);
        stack.end(() => stack.setValue(target, value));
      });
    },
  };
}

/** Between registers. `reverse` is the operation's own; the destination is operand 0. */
function withRegister(name: Binary, reverse: boolean, pops: boolean): Semantic {
  return {
    uses: ["opcode"],
    emit: (s) => {
      const stack = new Stack(s);
      const toOther = isReversedForm(s);
      const top = stack.physical(0);
      const other = stack.physical(toOther ? s.f.let(s.regField(0)) : s.f.let(s.regField(1)));
      const target = toOther ? other : top;
      const source = toOther ? top : other;
      const done = () => pops ? stack.pop() : undefined;
      stack.check(stack.empty(top).or(stack.empty(other)), {
        overflow: false,
        masked: () => {
          stack.setValue(target, stack.indefinite());
          done();
        },
      }, () => {
        stack.begin();
        const a = stack.value(target);
        const b = stack.value(source);
        const value = reverse ? compute(s, stack, name, b, a) : compute(s, stack, name, a, b);
        stack.end(() => {
          stack.setValue(target, value);
          done();
        });
      });
    },
  };
}

// ---- comparison ----------------------------------------------------------------------------------------------------

const UNORDERED = FSW.C3 | FSW.C2 | FSW.C0;

/** FCOM and its family; `pops` registers go whatever the result. */
function comparing(
  quiet: boolean,
  pops: number,
  other: "register" | "second" | "memory" | "integer" | "zero",
): Semantic {
  return {
    emit: (s) => {
      const stack = new Stack(s);
      const memory = other === "memory" || other === "integer"
        ? memoryValue(s, stack, other === "integer")
        : undefined;
      const top = stack.physical(0);
      const register = other === "register" || other === "second"
        ? stack.physical(other === "second" ? 1 : indexOf(s))
        : undefined;
      const empty = register === undefined ? stack.empty(top) : stack.empty(top).or(stack.empty(register));
      const done = () => pops > 0 ? stack.pop(pops) : undefined;
      stack.check(empty, { overflow: false, masked: done, condition: UNORDERED }, () => {
        stack.begin();
        const a = stack.value(top);
        const zero: Extended = { sig: i64(0n), se: i32(0) };
        const b = memory?.() ?? (register === undefined ? zero : stack.value(register));
        const condition = s.f.let(
          s.f.call(stack.lib.compare, a.sig, a.se, b.sig, b.se, i32(Number(quiet))) as I32,
        );
        stack.end(() => void done(), { replaced: CONDITION, condition });
      });
    },
  };
}

/** FCOMI and its family: into EFLAGS. */
function comparingFlags(quiet: boolean, pops: boolean): Semantic {
  return {
    emit: (s) => {
      const { f } = s;
      const stack = new Stack(s);
      const top = stack.physical(0);
      const other = stack.physical(f.let(s.regField(1)));
      const done = () => pops ? stack.pop() : undefined;
      const flags = (condition: I32) => {
        const bit = (mask: number) => f.let(condition.and(mask).ne(0));
        const none = i32(0);
        s.setAll({ zf: bit(FSW.C3), pf: bit(FSW.C2), cf: bit(FSW.C0), af: none, sf: none, of: none });
      };
      stack.check(stack.empty(top).or(stack.empty(other)), {
        overflow: false,
        // The flags are set by a stack fault always; the manual keeps them only where an operand is invalid.
        always: () => flags(i32(UNORDERED)),
        masked: () => void done(),
      }, () => {
        stack.begin();
        const a = stack.value(top);
        const b = stack.value(other);
        const condition = f.let(
          f.call(stack.lib.compare, a.sig, a.se, b.sig, b.se, i32(Number(quiet))) as I32,
        );
        flags(condition);
        stack.end(() => void done(), { replaced: 0 });
      });
    },
  };
}

const fxam: Semantic = {
  emit: (s) => {
    const { f } = s;
    const stack = new Stack(s);
    const top = stack.physical(0);
    const value = stack.value(top);
    const examined = f.call(stack.lib.examine, value.sig, value.se) as I32;
    // An empty register: C3 and C0, with the sign.
    const sign = select(value.se.and(0x8000), i32(FSW.C1), i32(0));
    const bits = f.let(select(stack.empty(top), i32(FSW.C3 | FSW.C0).or(sign), examined));
    stack.status(bits, CONDITION);
  },
};

// ---- functions of ST(0), and of ST(0) and ST(1) --------------------------------------------------------------------

function unary(name: keyof Float80 & ("sqrt" | "rndint" | "f2xm1")): Semantic {
  return {
    emit: (s) => {
      const stack = new Stack(s);
      const top = stack.physical(0);
      stack.check(stack.empty(top), {
        overflow: false,
        masked: () => stack.setValue(top, stack.indefinite()),
      }, () => {
        stack.begin();
        const a = stack.value(top);
        const value = stack.result(s.f.call(stack.lib[name], a.sig, a.se, stack.control) as I64);
        stack.end(() => stack.setValue(top, value));
      });
    },
  };
}

/** FSIN and FCOS: with C2 the operand stays. */
function sine(name: "sin" | "cos"): Semantic {
  return {
    emit: (s) => {
      const stack = new Stack(s);
      const top = stack.physical(0);
      stack.check(stack.empty(top), {
        overflow: false,
        masked: () => stack.setValue(top, stack.indefinite()),
        replaced: FSW.C1 | FSW.C2,
      }, () => {
        stack.begin();
        const a = stack.value(top);
        const value = stack.result(s.f.call(stack.lib[name], a.sig, a.se, stack.control) as I64);
        stack.end(() => {
          s.f.if(stack.lib.status.value.and(FSW.C2).eqz(), () => stack.setValue(top, value));
        }, { replaced: FSW.C1 | FSW.C2 });
      });
    },
  };
}

/** Two results: one takes the operand's place, one is pushed; none with C2. */
function twoResults(name: "sincos" | "ptan" | "xtract"): Semantic {
  return {
    emit: (s) => {
      const { f } = s;
      const stack = new Stack(s);
      const top = stack.physical(0);
      const pushed = stack.physical(-1);
      const replaced = name === "xtract" ? FSW.C1 : FSW.C1 | FSW.C2;
      const indefinite = () => {
        stack.setValue(top, stack.indefinite());
        stack.setValue(pushed, stack.indefinite());
        stack.setTop(-1);
      };
      stack.check(stack.empty(top), { overflow: false, masked: indefinite, replaced }, () => {
        stack.check(stack.empty(pushed).eqz(), { overflow: true, masked: indefinite, replaced }, () => {
          stack.begin();
          const a = stack.value(top);
          const call = name === "xtract"
            ? f.call(stack.lib.xtract, a.sig, a.se)
            : f.call(stack.lib[name], a.sig, a.se, stack.control);
          const first = stack.result(call as I64);
          const second = stack.second();
          stack.end(() => {
            f.if(stack.lib.status.value.and(FSW.C2).eqz(), () => {
              stack.setValue(top, second);
              stack.setValue(pushed, first);
              stack.setTop(-1);
            });
          }, { replaced });
        });
      });
    },
  };
}

/** ST(1) := f(ST(0), ST(1)), then pop. */
function popping(name: "yl2x" | "yl2xp1" | "patan"): Semantic {
  return {
    emit: (s) => {
      const stack = new Stack(s);
      const top = stack.physical(0);
      const target = stack.physical(1);
      stack.check(stack.empty(top).or(stack.empty(target)), {
        overflow: false,
        masked: () => {
          stack.setValue(target, stack.indefinite());
          stack.pop();
        },
      }, () => {
        stack.begin();
        const x = stack.value(top);
        const y = stack.value(target);
        const value = stack.result(s.f.call(stack.lib[name], x.sig, x.se, y.sig, y.se, stack.control) as I64);
        stack.end(() => {
          stack.setValue(target, value);
          stack.pop();
        });
      });
    },
  };
}

/** FPREM, FPREM1, FSCALE: ST(0) := f(ST(0), ST(1)). */
function withSecond(name: "prem" | "prem1" | "scale"): Semantic {
  return {
    emit: (s) => {
      const { f } = s;
      const stack = new Stack(s);
      const top = stack.physical(0);
      const second = stack.physical(1);
      stack.check(stack.empty(top).or(stack.empty(second)), {
        overflow: false,
        masked: () => stack.setValue(top, stack.indefinite()),
        replaced: name === "scale" ? FSW.C1 : FSW.C1 | FSW.C2,
      }, () => {
        stack.begin();
        const a = stack.value(top);
        const b = stack.value(second);
        const value = stack.result(f.call(stack.lib[name], a.sig, a.se, b.sig, b.se, stack.control) as I64);
        if (name === "scale") return stack.end(() => stack.setValue(top, value));
        // C0 and C3 are part of a quotient only.
        const nan = value.se.and(0x7fff).eq(0x7fff).and(value.sig.shl(1n).ne(0n));
        const stopped = f.let(f.call(stack.lib.settle, stack.control) as I32);
        const noQuotient = f.let(stopped.or(nan));
        f.if(noQuotient.eqz(), () => {
          s.setCell32(CPU.FSW, s.cell32(CPU.FSW).and(~(FSW.C0 | FSW.C3)));
        });
        f.if(stopped.eqz(), () => stack.setValue(top, value));
        stack.status(stack.lib.status.value, FSW.C1 | FSW.C2);
      });
    },
  };
}

/** FABS and FCHS raise nothing but stack faults. */
function signChange(change: (se: I32) => I32): Semantic {
  return {
    emit: (s) => {
      const stack = new Stack(s);
      const top = stack.physical(0);
      stack.check(stack.empty(top), {
        overflow: false,
        masked: () => stack.setValue(top, stack.indefinite()),
      }, () => {
        const value = stack.value(top);
        stack.setValue(top, { sig: value.sig, se: change(value.se) });
        stack.status(i32(0), FSW.C1);
      });
    },
  };
}

// ---- loads and stores ----------------------------------------------------------------------------------------------

/** FLD m32, m64, m80. */
const fldm: Semantic = {
  emit: (s) => {
    const { f } = s;
    const width = s.width(0);
    const stack = new Stack(s);
    if (width === 10) {
      const low = s.load(8, s.address());
      const high = s.load(2, f.let(s.address().add(8n)));
      return stack.push(() => ({ sig: low, se: f.let(high.toI32()) }));
    }
    const raw = s.load(width, s.address());
    stack.push(
      () => stack.result(f.call(width === 4 ? stack.lib.loadF32 : stack.lib.loadF64, raw) as I64),
      "settleLoad",
    );
  },
};

const fild: Semantic = {
  emit: (s) => {
    const width = s.width(0);
    const stack = new Stack(s);
    const raw = s.load(width, s.address());
    stack.push(() => stack.result(s.f.call(stack.lib.fromInt, s.signed(raw, width)) as I64));
  },
};

const fbld: Semantic = {
  emit: (s) => {
    const { f } = s;
    const stack = new Stack(s);
    const low = s.load(8, s.address());
    const high = s.load(2, f.let(s.address().add(8n)));
    stack.push(() => stack.result(f.call(stack.lib.fromBcd, low, high.toI32()) as I64));
  },
};

const fld: Semantic = {
  emit: (s) => {
    const stack = new Stack(s);
    const source = stack.physical(s.f.let(s.regField(0)));
    const target = stack.physical(-1);
    const masked = () => {
      stack.setValue(target, stack.indefinite());
      stack.setTop(-1);
    };
    stack.check(stack.empty(source), { overflow: false, masked }, () => {
      const value = stack.value(source);
      stack.push(() => value);
    });
  },
};

function constant(index: number): Semantic {
  return {
    emit: (s) => {
      const stack = new Stack(s);
      stack.push(() => stack.result(s.f.call(stack.lib.constant, i32(index), stack.control) as I64));
    },
  };
}

/** A store to memory: `convert` gives the bits, `indefinite` is stored for an empty register. */
function storing(
  pops: boolean,
  convert: (s: Sem, stack: Stack, value: Extended, width: number) => { low: I64; high?: I64 },
  indefinite: (width: number) => { low: bigint; high?: bigint },
  how: "settle" | "settleStore" = "settleStore",
): Semantic {
  return {
    emit: (s) => {
      const { f } = s;
      const width = s.width(0);
      const linear = s.address();
      if (width === 10) s.probe(linear, 10, true);
      const write = ({ low, high }: { low: I64; high?: I64 }) => {
        s.store(width === 10 ? 8 : width, linear, low);
        if (high !== undefined) s.store(2, f.let(linear.add(8n)), high);
      };
      const stack = new Stack(s);
      const top = stack.physical(0);
      stack.check(stack.empty(top), {
        overflow: false,
        masked: () => {
          const { low, high } = indefinite(width);
          write({ low: i64(low), ...(high === undefined ? {} : { high: i64(high) }) });
          if (pops) stack.pop();
        },
      }, () => {
        stack.begin();
        const bits = convert(s, stack, stack.value(top), width);
        const low = f.let(bits.low);
        const value = bits.high === undefined ? { low } : { low, high: f.let(bits.high) };
        stack.end(() => {
          write(value);
          if (pops) stack.pop();
        }, { how });
      });
    },
  };
}

const INDEFINITE_BITS: Readonly<Record<number, { low: bigint; high?: bigint }>> = {
  4: { low: 0xffc00000n },
  8: { low: 0xfff8000000000000n },
  10: { low: 0xc000000000000000n, high: 0xffffn },
};

/** FST and FSTP to memory. 80 bits are stored as they are. */
function storeFloat(pops: boolean): Semantic {
  return storing(pops, (s, stack, value, width) => {
    if (width === 10) return { low: value.sig, high: value.se.toI64U() };
    const convert = width === 4 ? stack.lib.toF32 : stack.lib.toF64;
    return { low: s.f.call(convert, value.sig, value.se, stack.control) as I64 };
  }, (width) => INDEFINITE_BITS[width]!);
}

function storeInteger(pops: boolean, truncate: boolean): Semantic {
  return storing(pops, (s, stack, value, width) => {
    const control = truncate ? stack.control.or(0xc00) : stack.control;
    return { low: s.f.call(stack.lib.toInt, value.sig, value.se, control, i32(width * 8)) as I64 };
  }, (width) => ({ low: 1n << BigInt(width * 8 - 1) }));
}

const fbstp = storing(true, (s, stack, value) => {
  const low = s.f.let(s.f.call(stack.lib.toBcd, value.sig, value.se, stack.control) as I64);
  return { low, high: stack.lib.se.value.toI64U() };
}, () => ({ low: 0xc000000000000000n, high: 0xffffn }));

/** FST and FSTP to a register. */
function storeRegister(pops: boolean): Semantic {
  return {
    emit: (s) => {
      const stack = new Stack(s);
      const top = stack.physical(0);
      const target = stack.physical(s.f.let(s.regField(0)));
      const done = () => pops ? stack.pop() : undefined;
      stack.check(stack.empty(top), {
        overflow: false,
        masked: () => {
          stack.setValue(target, stack.indefinite());
          done();
        },
      }, () => {
        stack.setValue(target, stack.value(top));
        stack.status(i32(0), FSW.C1);
        done();
      });
    },
  };
}

const fxch: Semantic = {
  emit: (s) => {
    const { f } = s;
    const stack = new Stack(s);
    const top = stack.physical(0);
    const other = stack.physical(f.let(s.regField(0)));
    const swap = () => {
      const a = stack.value(top);
      const b = stack.value(other);
      stack.setValue(top, b);
      stack.setValue(other, a);
    };
    stack.check(stack.empty(top).or(stack.empty(other)), {
      overflow: false,
      masked: () => {
        for (const register of [top, other]) {
          f.if(stack.empty(register), () => stack.setValue(register, stack.indefinite()));
        }
        swap();
      },
    }, () => {
      swap();
      stack.status(i32(0), FSW.C1);
    });
  },
};

/** FCMOVcc: the opcode's low bit negates, bits 3-4 of ModRM choose B, E, BE, U. The register field has i. */
const fcmovcc: Semantic = {
  uses: ["opcode"],
  emit: (s) => {
    const { f } = s;
    const stack = new Stack(s);
    const top = stack.physical(0);
    const other = stack.physical(f.let(s.regField(1)));
    // ModRM.reg is kept as register number 2 of the record for this instruction.
    const which = s.f.let(s.regField(2));
    const flag = select(
      which.eq(0),
      s.cf(),
      select(which.eq(1), s.zf(), select(which.eq(2), s.cf().or(s.zf()), s.pf())),
    );
    const taken = f.let((s.form.opcode & 1) === 0 ? flag : flag.xor(1));
    stack.check(stack.empty(top).or(stack.empty(other)), {
      overflow: false,
      masked: () => stack.setValue(top, stack.indefinite()),
    }, () => {
      f.if(taken, () => stack.setValue(top, stack.value(other)));
    });
  },
};

// ---- control -------------------------------------------------------------------------------------------------------

function moveTop(by: number): Semantic {
  return {
    emit: (s) => {
      const stack = new Stack(s);
      stack.setTop(by);
      s.setCell32(CPU.FSW, s.cell32(CPU.FSW).and(~FSW.C1));
    },
  };
}

function free(pops: boolean): Semantic {
  return {
    emit: (s) => {
      const stack = new Stack(s);
      stack.tag(stack.physical(s.f.let(s.regField(0))), true);
      stack.status(i32(0), FSW.C1);
      if (pops) stack.pop();
    },
  };
}

/** The summary follows the new masks. */
const fldcw: Semantic = {
  emit: (s) => {
    s.faultIf(s.cell32(CPU.FSW).and(0x80), VECTOR.MF);
    const value = s.load(2, s.address());
    s.setCell32(CPU.FCW, value.toI32().and(0x1f3f).or(0x40));
    const status = s.f.let(s.cell32(CPU.FSW));
    const pending = status.and(s.cell32(CPU.FCW).xor(-1)).and(0x3f);
    s.setCell32(CPU.FSW, select(pending, status.or(0x8080), status.and(~0x8080)));
  },
};

const fnclex: Semantic = { emit: (s) => s.setCell32(CPU.FSW, s.cell32(CPU.FSW).and(~0x80ff)) };
const waiting: Semantic = { emit: (s) => s.faultIf(s.cell32(CPU.FSW).and(0x80), VECTOR.MF) };
const nothing: Semantic = { emit: () => {} };

const arithmetic = (name: string, binary: Binary, reverse: boolean): Semantics => ({
  [`${name}m`]: withMemory(binary, reverse, false),
  [name.replace("f", "fi")]: withMemory(binary, reverse, true),
  [name]: withRegister(binary, reverse, false),
  [`${name}p`]: withRegister(binary, reverse, true),
});

/** By key. */
export const X87: Semantics = {
  ...arithmetic("fadd", "add", false),
  ...arithmetic("fmul", "mul", false),
  ...arithmetic("fsub", "sub", false),
  ...arithmetic("fsubr", "sub", true),
  ...arithmetic("fdiv", "div", false),
  ...arithmetic("fdivr", "div", true),
  fcomm: comparing(false, 0, "memory"),
  fcompm: comparing(false, 1, "memory"),
  ficom: comparing(false, 0, "integer"),
  ficomp: comparing(false, 1, "integer"),
  fcom: comparing(false, 0, "register"),
  fcomp: comparing(false, 1, "register"),
  fcompp: comparing(false, 2, "second"),
  fucom: comparing(true, 0, "register"),
  fucomp: comparing(true, 1, "register"),
  fucompp: comparing(true, 2, "second"),
  ftst: comparing(false, 0, "zero"),
  fcomi: comparingFlags(false, false),
  fcomip: comparingFlags(false, true),
  fucomi: comparingFlags(true, false),
  fucomip: comparingFlags(true, true),
  fxam,
  fsqrt: unary("sqrt"),
  frndint: unary("rndint"),
  f2xm1: unary("f2xm1"),
  fsin: sine("sin"),
  fcos: sine("cos"),
  fsincos: twoResults("sincos"),
  fptan: twoResults("ptan"),
  fxtract: twoResults("xtract"),
  fyl2x: popping("yl2x"),
  fyl2xp1: popping("yl2xp1"),
  fpatan: popping("patan"),
  fprem: withSecond("prem"),
  fprem1: withSecond("prem1"),
  fscale: withSecond("scale"),
  fabs: signChange((se) => se.and(0x7fff)),
  fchs: signChange((se) => se.xor(0x8000)),
  fldm,
  fild,
  fbld,
  fld,
  fld1: constant(0),
  fldl2t: constant(1),
  fldl2e: constant(2),
  fldpi: constant(3),
  fldlg2: constant(4),
  fldln2: constant(5),
  fldz: constant(6),
  fstm: storeFloat(false),
  fstpm: storeFloat(true),
  fist: storeInteger(false, false),
  fistp: storeInteger(true, false),
  fisttp: storeInteger(true, true),
  fbstp,
  fst: storeRegister(false),
  fstp: storeRegister(true),
  fxch,
  fcmovcc,
  fincstp: moveTop(1),
  fdecstp: moveTop(-1),
  ffree: free(false),
  ffreep: free(true),
  fldcw,
  fnstcw: { emit: (s) => s.write(0, s.cell32(CPU.FCW).toI64U(), 2) },
  fnstsw: { emit: (s) => s.write(0, s.cell32(CPU.FSW).toI64U(), 2) },
  fnclex,
  fwait: waiting,
  fnop: waiting,
  fnop8087: nothing,
};
