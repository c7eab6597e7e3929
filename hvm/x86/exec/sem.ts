/**
 * What instruction semantics are written against: operands, memory, flags and faults of one form of one instruction.
 *
 * A {@linkcode Semantic} is a function that emits WebAssembly for a form (a key with kinds and widths of operands). What it
 * emits reads its operands from the executable record at `s.p`. All integers are I64, zero-extended from their width, so
 * that one text serves all widths; writing cuts them.
 *
 * ```ts
 * const not: Semantic = { emit: (s) => s.update(0, (value) => value.xor(-1n)) };
 * ```
 *
 * **Order.** Any access to memory may fault: control then leaves the handler and never comes back, and the instruction is
 * executed anew from its beginning. So a semantic reads everything, then writes memory (one place; for more use
 * {@linkcode Sem.probe} first), then changes registers and flags.
 *
 * **Trees.** Values are expression trees, evaluated where they stand: bind with `s.f.let` what is used twice or must be
 * read before something changes. What {@linkcode Sem.read} and {@linkcode Sem.load} give is bound already.
 * @module
 */

import type { FunctionEmitter, FunctionRef, MemoryRef, WasmModule } from "../emit.ts";
import { I32, i32, I64, i64, op as anyOp, op64, select, type V128, type Value } from "../emit_value.ts";
import { AUX, CPU, RECORD, RECORD_FLAG, TLB } from "./cpu_memory.ts";

/** Kinds of operands a form tells apart. */
export const KIND = {
  /** A general register; the record has its byte offset (AH is 1). */
  REG: "r",
  /** Memory at the record's address. */
  MEM: "m",
  /** The immediate. */
  IMM: "i",
  /** The second immediate. */
  IMM2: "j",
  XMM: "x",
  /** An MMX register. */
  MMX: "q",
  /** ST(i); the record has i. */
  ST: "t",
  SEG: "s",
  /** A control or debug register. */
  SYSTEM: "c",
  /** Memory at rSI, rDI, rBX + AL; a branch target; a far pointer: the semantic knows. */
  OTHER: "o",
} as const;
export type Kind = typeof KIND[keyof typeof KIND];

/** An operand of a form. */
export interface FormOperand {
  readonly kind: Kind;
  /** In bytes; 0 where it has no meaning. */
  readonly width: number;
}

/** What else a form may depend on; a semantic names what it uses, so that forms which do not differ are one. */
export type Extra = "osize" | "asize" | "rep" | "cond" | "stack" | "code" | "opcode" | "imm";

/** One form of one instruction: what a handler is emitted for. */
export interface Form {
  readonly key: string;
  readonly operands: readonly FormOperand[];
  /** Operand size in bytes: 2, 4, 8. 0 unless `osize` is used. */
  readonly osize: number;
  /** Address size in bytes: 2, 4, 8. 0 unless `asize` is used. */
  readonly asize: number;
  /** 0 none, 1 REP (F3), 2 REPNE (F2). 0 unless `rep` is used. */
  readonly rep: number;
  /** The four bits of the condition. 0 unless `cond` is used. */
  readonly cond: number;
  /** Bytes of the stack pointer: 2, 4, 8. 0 unless `stack` is used. */
  readonly stack: number;
  /** 16, 32 or 64. 0 unless `code` is used. */
  readonly code: number;
  /** The opcode byte. 0 unless `opcode` is used. */
  readonly opcode: number;
  /** The immediate byte, 0 to 255. 0 unless `imm` is used: for those that choose an operation or a shuffle by it. */
  readonly imm: number;
}

/** What an instruction does. */
export interface Semantic {
  readonly emit: (s: Sem) => void;
  readonly uses?: readonly Extra[];
  /** Executed so often that it is worth a place in the interpreter's own function. */
  readonly hot?: boolean;
}

/** Semantics by key. */
export type Semantics = Readonly<Record<string, Semantic>>;

/** Vectors of exceptions. [SDM] vol. 3A, table 7-1 */
export const VECTOR = {
  DE: 0,
  DB: 1,
  NMI: 2,
  BP: 3,
  OF: 4,
  BR: 5,
  UD: 6,
  NM: 7,
  DF: 8,
  TS: 10,
  NP: 11,
  SS: 12,
  GP: 13,
  PF: 14,
  MF: 16,
  AC: 17,
  MC: 18,
  XM: 19,
} as const;

/** The module semantics are emitted into. */
export interface SemModule {
  readonly module: WasmModule;
  /** Memory 0: state, TLB, blocks. */
  readonly state: MemoryRef;
  /** Memory 1: the guest's RAM. */
  readonly ram: MemoryRef;
  /** `(p i32, write i32) -> i64`: the linear address of the record's memory operand where it is not PLAIN. */
  readonly address: FunctionRef;
  /** `(p i32, segment i32, offset i64, bytes i32, write i32) -> i64`: a linear address in any segment. May fault. */
  readonly segmented: FunctionRef;
  /**
   * Slow accesses: `(p i32, linear i64) -> i64` and `(p i32, linear i64, value i64)`, by log2 of the bytes (0 to 3); they do
   * the whole access or fault. `loadForWrite` faults where a write would.
   */
  readonly slowLoad: readonly FunctionRef[];
  readonly slowLoadForWrite: readonly FunctionRef[];
  readonly slowStore: readonly FunctionRef[];
  /** `(p i32, linear i64, bytes i32, write i32)`: faults where that access would. */
  readonly probe: FunctionRef;
  /** `(p i32, vector i32, code i32)`: raises a fault; a code of -1 is none. Does not return. */
  readonly fault: FunctionRef;
  /** `(p i32)`: has TypeScript do the instruction. */
  readonly system: FunctionRef;
  /** Functions shared by semantics, made on first use by name. */
  shared(name: string, make: () => FunctionRef): FunctionRef;
}

const LOAD = ["i64.load8_u", "i64.load16_u", "i64.load32_u", "i64.load"] as const;
const STORE = ["i64.store8", "i64.store16", "i64.store32", "i64.store"] as const;

/** A place in memory that was probed for writing; what {@linkcode Sem.modify} hands on. */
const PAGE_MASK = -4096n;

/** The form that is being emitted. */
export class Sem {
  readonly f: FunctionEmitter;
  /** Address of the executable record. */
  readonly p: I32;
  readonly form: Form;
  readonly m: SemModule;
  readonly #leave: () => void;
  #address: I64 | undefined;

  /** `leave` emits the way out of the handler to the instruction at CPU.RIP. */
  constructor(m: SemModule, f: FunctionEmitter, p: I32, form: Form, leave: () => void) {
    this.#leave = leave;
    this.m = m;
    this.f = f;
    this.p = p;
    this.form = form;
  }

  // ---- operands -------------------------------------------------------------------------------------------------

  kind(n: number): Kind | undefined {
    return this.form.operands[n]?.kind;
  }

  /** Bytes of operand `n`. */
  width(n: number): number {
    return this.form.operands[n]!.width;
  }

  isMemory(n: number): boolean {
    return this.kind(n) === KIND.MEM;
  }

  /** The record's register field of operand `n`. */
  regField(n: number): I32 {
    return this.m.state.load8(this.p, RECORD.REG + n);
  }

  /** The value of operand `n` (REG, MEM, IMM, IMM2), zero-extended; immediates are cut to `width` bytes. Bound. */
  read(n: number, width: number = this.width(n)): I64 {
    switch (this.kind(n)) {
      case KIND.REG:
        return this.f.let(this.m.state.load(load(width), this.regField(n)) as I64);
      case KIND.MEM:
        return this.load(width, this.address());
      case KIND.IMM:
        return this.f.let(this.m.state.load(load(width), this.p, RECORD.IMM) as I64);
      case KIND.IMM2:
        return this.f.let(this.m.state.load("i64.load8_u", this.p, RECORD.IMM2) as I64);
      default:
        throw new RangeError(`${this.form.key}: operand ${n} is no integer`);
    }
  }

  /** Like {@linkcode Sem.read}, sign-extended from the operand's width to 64 bits. */
  readSigned(n: number): I64 {
    return this.f.let(this.signed(this.read(n), this.width(n)));
  }

  /** Writes operand `n` (REG or MEM). A 32-bit register clears its high half, narrower ones keep the rest. */
  write(n: number, value: I64, width: number = this.width(n)): void {
    if (this.isMemory(n)) return this.store(width, this.address(), value);
    this.writeReg(this.regField(n), width, value);
  }

  /** Writes a general register at a byte offset. */
  writeReg(at: I32 | number, width: number, value: I64): void {
    const target = i32(at);
    const { state } = this.m;
    if (width === 4) this.f.put(state.store64(target, value.and(0xffffffffn)));
    else this.f.put(state.store(store(width), target, value));
  }

  /** A general register by its number, zero-extended from `width` bytes. Bound. */
  gpr(number: number, width = 8): I64 {
    return this.f.let(this.m.state.load(load(width), i32(CPU.GPR + number * 8)) as I64);
  }

  setGpr(number: number, width: number, value: I64): void {
    this.writeReg(CPU.GPR + number * 8, width, value);
  }

  /**
   * Reads operand `n`, and writes what `change` makes of it; memory is probed for writing before it is read. `after` runs
   * when the write cannot fault any more: change registers and flags there.
   */
  update(n: number, change: (value: I64) => I64, after?: (result: I64, old: I64) => void): void {
    const width = this.width(n);
    if (!this.isMemory(n)) {
      const old = this.read(n);
      const result = this.f.let(change(old));
      this.write(n, result);
      after?.(result, old);
      return;
    }
    this.modify(width, this.address(), change, after);
  }

  // ---- memory ---------------------------------------------------------------------------------------------------

  /** The linear address of the memory operand. Bound; computed once. */
  address(): I64 {
    if (this.#address !== undefined) return this.#address;
    const { state } = this.m;
    const f = this.f;
    const result = f.local("i64");
    f.if(state.load8(this.p, RECORD.FLAGS).and(RECORD_FLAG.PLAIN), () => {
      const base = state.load64(state.load8(this.p, RECORD.BASE));
      const index = state.load64(state.load8(this.p, RECORD.INDEX));
      const scale = (state.load8(this.p, RECORD.SCALE).and(3)).toI64U();
      f.set(result, base.add(index.shl(scale)).add(state.load("i64.load32_s", this.p, RECORD.DISP) as I64));
    }, () => f.set(result, f.call(this.m.address, this.p) as I64));
    return this.#address = result.value;
  }

  /** Effective address of operand M without segment and limit (LEA): cut to the address size by the caller. */
  offset(): I64 {
    const { state } = this.m;
    const base = state.load64(state.load8(this.p, RECORD.BASE));
    const index = state.load64(state.load8(this.p, RECORD.INDEX));
    const scale = (state.load8(this.p, RECORD.SCALE).and(3)).toI64U();
    return this.f.let(
      base.add(index.shl(scale)).add(state.load("i64.load32_s", this.p, RECORD.DISP) as I64),
    );
  }

  /** The record's effective segment. Bound. */
  segment(): I32 {
    return this.f.let(this.m.state.load8(this.p, RECORD.SEGMENT));
  }

  /** The linear address of an offset (bound, and cut to the address size) in a segment. May fault. Bound. */
  segmented(segment: I32, offset: I64, bytes: number, write: boolean): I64 {
    const call = this.f.call(this.m.segmented, this.p, segment, offset, i32(bytes), i32(Number(write)));
    return this.f.let(call as I64);
  }

  /** Reads 1, 2, 4 or 8 bytes at a linear address (bound), zero-extended. Bound. May fault. */
  load(width: number, linear: I64): I64 {
    const f = this.f;
    const result = f.local("i64");
    const { ram, slowLoad } = this.m;
    const entry = this.#entry(linear);
    f.if(
      this.#tag(entry, TLB.READ).eq(lastPage(linear, width)),
      () => f.set(result, ram.load(load(width), this.#host(entry, linear)) as I64),
      () => f.set(result, f.call(slowLoad[log2(width)]!, this.p, linear) as I64),
    );
    return result.value;
  }

  /** Writes 1, 2, 4 or 8 bytes at a linear address (bound). May fault. */
  store(width: number, linear: I64, value: I64): void {
    const f = this.f;
    const bound = f.let(value);
    const { ram, slowStore } = this.m;
    const entry = this.#entry(linear);
    f.if(
      this.#tag(entry, TLB.WRITE).eq(lastPage(linear, width)),
      () => f.put(ram.store(store(width), this.#host(entry, linear), bound)),
      () => f.run(slowStore[log2(width)]!, this.p, linear, bound),
    );
  }

  /** Reads, changes and writes back; see {@linkcode Sem.update}. */
  modify(
    width: number,
    linear: I64,
    change: (value: I64) => I64,
    after?: (result: I64, old: I64) => void,
  ): void {
    const f = this.f;
    const { ram, slowLoadForWrite, slowStore } = this.m;
    const entry = this.#entry(linear);
    const fast = f.let(this.#tag(entry, TLB.WRITE).eq(lastPage(linear, width)));
    const old = f.local("i64");
    f.if(
      fast,
      () => f.set(old, ram.load(load(width), this.#host(entry, linear)) as I64),
      () => f.set(old, f.call(slowLoadForWrite[log2(width)]!, this.p, linear) as I64),
    );
    const result = f.let(change(old.value));
    f.if(
      fast,
      () => f.put(ram.store(store(width), this.#host(entry, linear), result)),
      () => f.run(slowStore[log2(width)]!, this.p, linear, result),
    );
    after?.(result, old.value);
  }

  /** Reads 16 bytes. May fault. Bound. */
  load128(linear: I64): V128 {
    const f = this.f;
    const result = f.local("v128");
    const { ram, slowLoad } = this.m;
    const entry = this.#entry(linear);
    f.if(
      this.#tag(entry, TLB.READ).eq(lastPage(linear, 16)),
      () => f.set(result, ram.load("v128.load", this.#host(entry, linear)) as V128),
      () => {
        const low = f.let(f.call(slowLoad[3]!, this.p, linear) as I64);
        const high = f.call(slowLoad[3]!, this.p, f.let(linear.add(8n))) as I64;
        const half = anyOp("i64x2.splat", [low]);
        f.set(result, anyOp("i64x2.replace_lane", [half, high], 1) as V128);
      },
    );
    return result.value;
  }

  /** Writes 16 bytes. May fault. */
  store128(linear: I64, value: V128): void {
    const f = this.f;
    const bound = f.let(value);
    const { ram, slowStore } = this.m;
    const entry = this.#entry(linear);
    f.if(
      this.#tag(entry, TLB.WRITE).eq(lastPage(linear, 16)),
      () => f.put(ram.store("v128.store", this.#host(entry, linear), bound)),
      () => {
        this.probe(linear, 16, true);
        f.run(slowStore[3]!, this.p, linear, anyOp("i64x2.extract_lane", [bound], 0));
        f.run(slowStore[3]!, this.p, f.let(linear.add(8n)), anyOp("i64x2.extract_lane", [bound], 1));
      },
    );
  }

  /** Faults where an access of so many bytes would. */
  probe(linear: I64, bytes: number | I32, write: boolean): void {
    this.f.run(this.m.probe, this.p, linear, i32(bytes), i32(Number(write)));
  }

  // ---- flags ----------------------------------------------------------------------------------------------------

  /** Sign-extended from `width` bytes. */
  signed(value: I64, width: number): I64 {
    return width === 8
      ? value
      : width === 4
      ? value.extend32S()
      : width === 2
      ? value.extend16S()
      : value.extend8S();
  }

  /** Cut to `width` bytes. */
  cut(value: I64, width: number): I64 {
    return width === 8 ? value : value.and((1n << BigInt(width * 8)) - 1n);
  }

  /** ZF, SF, PF of `result` (any extension); the other three from `aux`, bits of AUX. */
  setFlags(width: number, result: I64, aux: I32 | number): void {
    this.f.put(this.m.state.store64(i32(0), this.signed(result, width), CPU.FLAG_RESULT));
    this.f.put(this.m.state.store32(i32(0), i32(aux), CPU.FLAG_AUX));
  }

  /** ZF, SF, PF of `result`; CF, OF, AF from the carries out of each bit (bit `i` of `carries`: out of bit i). */
  setFlagsByCarries(width: number, result: I64, carries: I64): void {
    this.setFlags(width, result, this.carriesToAux(width, carries));
  }

  /** AUX of carries out of each bit; `carries` is bound here. */
  carriesToAux(width: number, carries: I64): I32 {
    const bound = this.f.let(carries);
    const low = bound.toI32();
    const top = width === 8 ? bound.shrU(32n).toI32() : width === 4 ? low : low.shl(32 - width * 8);
    return top.and(AUX.CF | AUX.OF_WITH_CF).or(low.and(AUX.AF));
  }

  get aux(): I32 {
    return this.m.state.load32(i32(0), CPU.FLAG_AUX);
  }

  get flagResult(): I64 {
    return this.m.state.load64(i32(0), CPU.FLAG_RESULT);
  }

  /** Each 0 or 1. */
  cf(): I32 {
    return this.aux.shrU(31);
  }

  of(): I32 {
    return this.aux.shrU(31).xor(this.aux.shrU(30).and(1));
  }

  af(): I32 {
    return this.aux.shrU(3).and(1);
  }

  zf(): I32 {
    return this.flagResult.eqz();
  }

  sf(): I32 {
    return this.flagResult.shrU(63n).toI32().xor(this.aux.and(AUX.SIGN_FLIP));
  }

  pf(): I32 {
    const byte = this.flagResult.toI32().xor(this.aux.shrU(AUX.PARITY_SHIFT)).and(0xff);
    return byte.popcnt().and(1).xor(1);
  }

  /** A condition code, 0 or 1. [SDM] vol. 1, appendix B */
  condition(code: number): I32 {
    const value = [
      () => this.of(),
      () => this.cf(),
      () => this.zf(),
      () => this.cf().or(this.zf()),
      () => this.sf(),
      () => this.pf(),
      () => this.sf().xor(this.of()),
      () => this.sf().xor(this.of()).or(this.zf()),
    ][code >> 1]!();
    return (code & 1) === 0 ? value : value.eqz();
  }

  /** CF alone; the others stay. */
  setCf(value: I32): void {
    // OF is bit 31 with bit 30, so both are flipped to keep it.
    const aux = this.f.let(this.aux);
    const flip = this.f.let(aux.shrU(31).xor(value));
    this.f.put(
      this.m.state.store32(i32(0), aux.xor(flip.shl(31)).xor(flip.shl(30)), CPU.FLAG_AUX),
    );
  }

  /** CF and OF; the others stay. Both are bound here. */
  setCfOf(cf: I32, of: I32): void {
    const carry = this.f.let(cf);
    const rest = this.aux.and(~(AUX.CF | AUX.OF_WITH_CF));
    this.f.put(
      this.m.state.store32(i32(0), rest.or(carry.shl(31)).or(carry.xor(of).shl(30)), CPU.FLAG_AUX),
    );
  }

  /** All six at once, each 0 or 1. */
  setAll({ cf, pf, af, zf, sf, of }: Record<"cf" | "pf" | "af" | "zf" | "sf" | "of", I32>): void {
    const [c, p, a, z, s, o] = [cf, pf, af, zf, sf, of].map((flag) => this.f.let(flag)) as [
      I32,
      I32,
      I32,
      I32,
      I32,
      I32,
    ];
    // The result is 0 or 1: its sign is 0, its parity that of ZF.
    const result = z.xor(1);
    const parity = p.xor(1).xor(result).shl(AUX.PARITY_SHIFT);
    const aux = c.shl(31).or(c.xor(o).shl(30)).or(a.shl(3)).or(s).or(parity);
    const bound = this.f.let(aux);
    this.f.put(this.m.state.store64(i32(0), result.toI64U(), CPU.FLAG_RESULT));
    this.f.put(this.m.state.store32(i32(0), bound, CPU.FLAG_AUX));
  }

  /** The six as EFLAGS has them. */
  arithmeticFlags(): I32 {
    return this.cf().or(this.pf().shl(2)).or(this.af().shl(4)).or(this.zf().shl(6)).or(this.sf().shl(7))
      .or(this.of().shl(11));
  }

  /** All six from an EFLAGS image (bound). */
  setArithmeticFlags(image: I32): void {
    const bit = (n: number) => image.shrU(n).and(1);
    this.setAll({ cf: bit(0), pf: bit(2), af: bit(4), zf: bit(6), sf: bit(7), of: bit(11) });
  }

  // ---- faults and TypeScript ---------------------------------------------------------------------------------------

  /** Raises a fault; nothing after it is executed. */
  fault(vector: number, code = -1): void {
    this.f.run(this.m.fault, this.p, i32(vector), i32(code));
  }

  faultIf(condition: I32, vector: number, code = -1): void {
    this.f.if(condition, () => this.fault(vector, code));
  }

  /** Has TypeScript do this instruction, wholly; nothing after it is executed. Nothing may be changed before. */
  system(): void {
    this.f.run(this.m.system, this.p);
    this.#leave();
  }

  /** This instruction's RIP. */
  ownRip(): I64 {
    return this.cell64(CPU.RIP_BASE).add(this.m.state.load("i64.load32_s", this.p, RECORD.RIP) as I64);
  }

  /** RIP of the next instruction, not cut to the code size. */
  nextRip(): I64 {
    return this.ownRip().add(this.m.state.load8(this.p, RECORD.LENGTH).toI64U());
  }

  /**
   * Ends the block here and starts this very instruction again after events were looked at: for repeated instructions that
   * have done a part of their work and left their registers so. That part counts as `weight` instructions, or a run of
   * them would not end.
   */
  again(weight: I64): void {
    this.setCell64(CPU.RIP, this.ownRip());
    const done = this.m.state.load8(this.p, RECORD.PLACE).toI64U().add(weight);
    this.setCell64(CPU.RETIRED, this.cell64(CPU.RETIRED).add(done));
    this.#leave();
  }

  /** A cell of the state. */
  cell32(offset: number): I32 {
    return this.m.state.load32(i32(0), offset);
  }

  cell64(offset: number): I64 {
    return this.m.state.load64(i32(0), offset);
  }

  setCell32(offset: number, value: I32): void {
    this.f.put(this.m.state.store32(i32(0), value, offset));
  }

  setCell64(offset: number, value: I64): void {
    this.f.put(this.m.state.store64(i32(0), value, offset));
  }

  // ---- XMM and MMX -------------------------------------------------------------------------------------------------

  /** 16 bytes of an XMM register or of memory. Memory alignment is the caller's (`align`). Bound. */
  readXmm(n: number): V128 {
    if (this.isMemory(n)) return this.load128(this.address());
    return this.f.let(this.m.state.load("v128.load", this.regField(n), CPU.XMM) as V128);
  }

  /** Writes all 16 bytes of an XMM register or of memory. */
  writeXmm(n: number, value: V128): void {
    if (this.isMemory(n)) return this.store128(this.address(), value);
    this.f.put(this.m.state.store("v128.store", this.regField(n), value, { offset: CPU.XMM }));
  }

  /** The low `width` (4 or 8) bytes of an XMM register, or so much memory. Zero-extended, bound. */
  readXmmLow(n: number, width: number): I64 {
    if (this.isMemory(n)) return this.load(width, this.address());
    return this.f.let(this.m.state.load(load(width), this.regField(n), CPU.XMM) as I64);
  }

  /** Writes the low `width` bytes of an XMM register (the rest stays), or so much memory. */
  writeXmmLow(n: number, width: number, value: I64): void {
    if (this.isMemory(n)) return this.store(width, this.address(), value);
    this.f.put(this.m.state.store(store(width), this.regField(n), value, { offset: CPU.XMM }));
  }

  /** An MMX register (its field is 16 times its number) or 8 bytes of memory. Bound. */
  readMmx(n: number): I64 {
    if (this.isMemory(n)) return this.load(8, this.address());
    return this.f.let(this.m.state.load64(this.regField(n), CPU.X87));
  }

  /** Writes an MMX register: the exponent of the x87 register under it becomes ones. [SDM] vol. 1, 9.5.1 */
  writeMmx(n: number, value: I64): void {
    if (this.isMemory(n)) return this.store(8, this.address(), value);
    const at = this.f.let(this.regField(n));
    this.f.put(this.m.state.store64(at, value, CPU.X87));
    this.f.put(this.m.state.store16(at, i32(0xffff), CPU.X87 + 8));
  }

  /** #GP(0) unless the linear address of the memory operand is a multiple of `bytes`. */
  align(bytes: number): void {
    this.faultIf(this.address().and(BigInt(bytes - 1)).ne(0n), VECTOR.GP, 0);
  }

  // ---- inside ---------------------------------------------------------------------------------------------------

  #entry(linear: I64): I32 {
    const index = linear.shrU(12n).toI32().and(TLB.ENTRIES - 1).shl(5);
    return this.f.let(this.cell32(CPU.TLB_BASE).add(index));
  }

  #tag(entry: I32, field: number): I64 {
    return this.m.state.load64(entry, field);
  }

  #host(entry: I32, linear: I64): I32 | I64 {
    const host = linear.add(this.m.state.load64(entry, TLB.ADDEND));
    return this.m.ram.wide ? host : host.toI32();
  }
}

function lastPage(linear: I64, width: number): I64 {
  return (width === 1 ? linear : linear.add(BigInt(width - 1))).and(PAGE_MASK);
}

/** log2 of 1, 2, 4, 8. */
export function log2(width: number): number {
  return 31 - Math.clz32(width);
}

function load(width: number): string {
  return LOAD[log2(width)]!;
}

function store(width: number): string {
  return STORE[log2(width)]!;
}

export { I32, i32, I64, i64, op64, select, type Value };
