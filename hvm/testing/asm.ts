/**
 * A tiny x86 assembler for guest snippets: 16-, 32- and 64-bit code in one program, labels, data.
 *
 * ```ts
 * const a = new Asm({ origin: 0x100000, bits: 64 });
 * a.mov("eax", 5);
 * a.label("again");
 * a.mov(mem("rbx", 8), "eax");
 * a.dec("eax").jnz("again");
 * a.out(0xf4, "al");
 * const program = a.assemble();
 * ```
 *
 * Every method adds its instruction and returns the assembler. Operands come in Intel's order, destination first. A
 * text that is no register's name is a label. It picks the shortest common encoding, except that forward branches
 * always take the full distance.
 *
 * Sources: [SDM] Intel SDM vol. 2, the page of each instruction.
 * @module
 */

import { Encoder } from "./asm_encode.ts";
import {
  type ControlReg,
  type DebugReg,
  type Imm,
  isMem,
  isRef,
  type Mem,
  type Ref,
  ref,
  type Reg,
  type Reg32,
  type Reg64,
  register,
  type RegisterInfo,
  registerOf,
  type SegmentReg,
  type Size,
} from "./asm_operand.ts";
import {
  ALU,
  BIT_TEST,
  CONDITION,
  DESCRIPTOR,
  LOOP,
  PLAIN,
  PREFIX,
  REG_RM,
  SELECTOR,
  SHIFT,
  SIZED,
  UNARY,
} from "./asm_tables.ts";

export type { Bits } from "./asm_encode.ts";
export { byte, dword, mem, qword, ref, word } from "./asm_operand.ts";
export type { Imm, Mem, Ref, Reg, Reg16, Reg32, Reg64, Reg8, SegmentReg } from "./asm_operand.ts";

type RegMem = Reg | Mem;
/** Where a branch goes: a label by name or with an offset. */
type Label = string | Ref;
type Methods<K extends string, A extends unknown[]> = { [_ in K]: (...operands: A) => Asm };
type Condition = keyof typeof CONDITION;

type Tabled =
  & Methods<keyof typeof PLAIN | keyof typeof SIZED | keyof typeof PREFIX, []>
  & Methods<keyof typeof ALU, [to: RegMem, from: RegMem | Imm]>
  & Methods<keyof typeof SHIFT, [to: RegMem, count: number | "cl"]>
  & Methods<Exclude<keyof typeof UNARY, "imul">, [operand: RegMem]>
  & Methods<keyof typeof BIT_TEST, [to: RegMem, bit: number | Reg]>
  & Methods<keyof typeof REG_RM, [to: Reg, from: RegMem]>
  & Methods<keyof typeof DESCRIPTOR, [operand: Mem]>
  & Methods<keyof typeof SELECTOR, [operand: RegMem]>
  & Methods<`j${Condition}` | keyof typeof LOOP, [to: Label]>
  & Methods<`set${Condition}`, [to: RegMem]>
  & Methods<`cmov${Condition}`, [to: Reg, from: RegMem]>;

// The tables' methods are put on the prototype below; this gives them their types.
const Base = Encoder as new (options: ConstructorParameters<typeof Encoder>[0]) => Encoder & Tabled;

/** The assembler. */
export class Asm extends Base {
  /** Any move: general, segment, control and debug registers, memory, constants. */
  mov(
    to: RegMem | SegmentReg | ControlReg | DebugReg,
    from: RegMem | SegmentReg | ControlReg | DebugReg | Imm,
  ): this {
    const target = isMem(to) ? to : register(to);
    const source = registerOf(from);
    if (isMem(target)) {
      if (source?.kind === "segment") return this.emit({ opcode: [0x8c], reg: source, rm: target });
      if (source !== undefined) return this.#rm(0x88, target, source);
      const size = target.size ?? missingSize();
      return this.#rmImm(0xc6, 0, target, size, immOf(from as Imm, size));
    }
    if (target.kind === "segment") return this.emit({ opcode: [0x8e], reg: target, rm: operand(from) });
    if (target.kind !== "general") return this.#special(target, source!, 2);
    if (source === undefined) {
      return isMem(from) ? this.#rm(0x8a, from, target) : this.#movImm(target, from as Imm);
    }
    if (source.kind === "segment") {
      return this.emit({ opcode: [0x8c], size: target.size, reg: source, rm: target });
    }
    return source.kind === "general" ? this.#rm(0x88, target, source) : this.#special(source, target, 0);
  }

  movzx(to: Reg, from: RegMem): this {
    return this.#extend(0xb6, to, from);
  }

  movsx(to: Reg, from: RegMem): this {
    const target = register(to);
    const source = operand(from);
    if (source.size === 4) return this.emit({ opcode: [0x63], size: 8, reg: target, rm: source });
    return this.#extend(0xbe, to, from);
  }

  lea(to: Reg, from: Mem): this {
    const target = register(to);
    return this.emit({ opcode: [0x8d], size: target.size, reg: target, rm: from });
  }

  xchg(to: RegMem, from: Reg): this {
    return this.#rm(0x86, operand(to), register(from));
  }

  xadd(to: RegMem, from: Reg): this {
    return this.#twoByte(0xc0, operand(to), register(from));
  }

  cmpxchg(to: RegMem, from: Reg): this {
    return this.#twoByte(0xb0, operand(to), register(from));
  }

  cmpxchg8b(to: Mem): this {
    return this.emit({ opcode: [0x0f, 0xc7], reg: 1, rm: to });
  }

  bswap(to: Reg32 | Reg64): this {
    const target = register(to);
    return this.emit({ opcode: [0x0f, 0xc8], size: target.size, low: target });
  }

  test(to: RegMem, from: Reg | Imm): this {
    const target = operand(to);
    const source = registerOf(from);
    if (source !== undefined) return this.#rm(0x84, target, source);
    const size = target.size ?? missingSize();
    const imm = immOf(from as Imm, size);
    if (!isMem(target) && target.code === 0) return this.#accumulator(0xa8, size, imm);
    return this.#rmImm(0xf6, 0, target, size, imm);
  }

  /** One, two or three operands. */
  imul(to: RegMem, from?: RegMem | number, by?: number): this {
    const target = operand(to);
    if (from === undefined) return this.#unary(0xf6, 5, target);
    const multiplicand = typeof from === "number" ? target : operand(from);
    const factor = typeof from === "number" ? from : by;
    if (isMem(target)) throw new RangeError("Cannot multiply into memory");
    if (factor === undefined) {
      return this.emit({ opcode: [0x0f, 0xaf], size: target.size, reg: target, rm: multiplicand });
    }
    const size = isByte(factor) ? 1 : target.size === 2 ? 2 : 4;
    const opcode = [isByte(factor) ? 0x6b : 0x69];
    return this.emit({
      opcode,
      size: target.size,
      reg: target,
      rm: multiplicand,
      imm: [{ value: factor, size }],
    });
  }

  push(from: RegMem | SegmentReg | Imm): this {
    const source = registerOf(from);
    if (source?.kind === "segment") return this.bytes(segmentStack(source, 0x06, 0xa0));
    if (source !== undefined) {
      return this.emit({ opcode: [0x50], size: source.size, wide: true, low: source });
    }
    if (isMem(from)) {
      return this.emit({ opcode: [0xff], size: from.size ?? missingSize(), wide: true, reg: 6, rm: from });
    }
    const value = from as Imm;
    if (isByte(value)) return this.emit({ opcode: [0x6a], imm: [{ value, size: 1 }] });
    return this.emit({ opcode: [0x68], imm: [{ value, size: this.mode === 16 ? 2 : 4 }] });
  }

  pop(to: RegMem | SegmentReg): this {
    const target = isMem(to) ? to : register(to);
    if (isMem(target)) {
      return this.emit({
        opcode: [0x8f],
        size: target.size ?? missingSize(),
        wide: true,
        reg: 0,
        rm: target,
      });
    }
    if (target.kind === "segment") return this.bytes(segmentStack(target, 0x07, 0xa1));
    return this.emit({ opcode: [0x58], size: target.size, wide: true, low: target });
  }

  /** Pushes the flags at the mode's own width. */
  pushf(): this {
    return this.bytes([0x9c]);
  }

  popf(): this {
    return this.bytes([0x9d]);
  }

  pusha(): this {
    return this.bytes([0x60]);
  }

  popa(): this {
    return this.bytes([0x61]);
  }

  /** Reads a port, given as a number up to FFh or in `dx`. */
  in(to: "al" | "ax" | "eax", port: number | "dx"): this {
    return this.#portIo(0xe4, register(to), port);
  }

  /** Writes a port, given as a number up to FFh or in `dx`. */
  out(port: number | "dx", from: "al" | "ax" | "eax"): this {
    return this.#portIo(0xe6, register(from), port);
  }

  /** To a label, or to the address in a register or in memory. */
  jmp(to: Label | RegMem): this {
    return this.#transfer(to, 4, [0xe9], [0xeb]);
  }

  call(to: Label | RegMem): this {
    return this.#transfer(to, 2, [0xe8]);
  }

  /** To `selector:label`, with an offset of `size` bytes (the mode's own when not given). Not in 64-bit mode. */
  jmpFar(selector: number, to: Label, size: 2 | 4 = this.mode === 16 ? 2 : 4): this {
    const value = typeof to === "string" ? ref(to) : to;
    return this.emit({ opcode: [0xea], size, imm: [{ value, size }, { value: selector, size: 2 }] });
  }

  callFar(selector: number, to: Label, size: 2 | 4 = this.mode === 16 ? 2 : 4): this {
    const value = typeof to === "string" ? ref(to) : to;
    return this.emit({ opcode: [0x9a], size, imm: [{ value, size }, { value: selector, size: 2 }] });
  }

  /** To the far pointer in memory; `size` is its offset's. */
  jmpFarMem(at: Mem, size: 2 | 4 | 8 = 4): this {
    return this.emit({ opcode: [0xff], size, reg: 5, rm: at });
  }

  /** Far return with an offset of `size` bytes on the stack. */
  retf(size: 2 | 4 | 8 = this.mode === 16 ? 2 : 4): this {
    return this.emit({ opcode: [0xcb], size });
  }

  int(vector: number): this {
    return this.bytes([0xcd, vector]);
  }

  #transfer(to: Label | RegMem, digit: number, near: readonly number[], short?: readonly number[]): this {
    if (isRef(to)) return this.branch(to, near, short);
    const target = isMem(to) ? to : registerOf(to);
    if (target === undefined) return this.branch(ref(to as string), near, short);
    return this.emit({
      opcode: [0xff],
      size: target.size ?? missingSize(),
      wide: true,
      reg: digit,
      rm: target,
    });
  }

  #portIo(opcode: number, accumulator: RegisterInfo, port: number | "dx"): this {
    const wide = accumulator.size === 1 ? 0 : 1;
    const { size } = accumulator;
    if (port === "dx") return this.emit({ opcode: [opcode | 8 | wide], size });
    return this.emit({ opcode: [opcode | wide], size, imm: [{ value: port, size: 1 }] });
  }

  /** r/m with a register of the same width; bit 0 of the opcode says wider than a byte. */
  #rm(opcode: number, rm: RegisterInfo | Mem, reg: RegisterInfo): this {
    sameSize(rm, reg);
    return this.emit({ opcode: [opcode | (reg.size === 1 ? 0 : 1)], size: reg.size, reg, rm });
  }

  #twoByte(opcode: number, rm: RegisterInfo | Mem, reg: RegisterInfo): this {
    sameSize(rm, reg);
    return this.emit({ opcode: [0x0f, opcode | (reg.size === 1 ? 0 : 1)], size: reg.size, reg, rm });
  }

  #rmImm(opcode: number, digit: number, rm: RegisterInfo | Mem, size: Size, imm: readonly [Imm, Size]): this {
    const [value, immSize] = imm;
    return this.emit({
      opcode: [opcode | (size === 1 ? 0 : 1)],
      size,
      reg: digit,
      rm,
      imm: [{ value, size: immSize }],
    });
  }

  #accumulator(opcode: number, size: Size, imm: readonly [Imm, Size]): this {
    const [value, immSize] = imm;
    return this.emit({ opcode: [opcode | (size === 1 ? 0 : 1)], size, imm: [{ value, size: immSize }] });
  }

  #unary(opcode: number, digit: number, target: RegisterInfo | Mem): this {
    const size = target.size ?? missingSize();
    return this.emit({ opcode: [opcode | (size === 1 ? 0 : 1)], size, reg: digit, rm: target });
  }

  #extend(opcode: number, to: Reg, from: RegMem): this {
    const source = operand(from);
    const target = register(to);
    const wide = (source.size ?? missingSize()) === 1 ? 0 : 1;
    return this.emit({ opcode: [0x0f, opcode | wide], size: target.size, reg: target, rm: source });
  }

  #movImm(target: RegisterInfo, value: Imm): this {
    const { size } = target;
    if (size !== 8) {
      return this.emit({ opcode: [size === 1 ? 0xb0 : 0xb8], size, low: target, imm: [{ value, size }] });
    }
    // A 32-bit move clears the upper half: the shortest form for what fits, addresses of this program included.
    if (isRef(value) || value >= 0 && value < 2 ** 32) {
      return this.emit({ opcode: [0xb8], size: 4, low: target, imm: [{ value, size: 4 }] });
    }
    if (value < 0 && value >= -(2 ** 31)) return this.#rmImm(0xc6, 0, target, 8, [value, 4]);
    return this.emit({ opcode: [0xb8], size: 8, low: target, imm: [{ value, size: 8 }] });
  }

  /** Control and debug registers: always the mode's full width, without prefixes. */
  #special(special: RegisterInfo, general: RegisterInfo, direction: 0 | 2): this {
    const opcode = special.kind === "control" ? 0x20 : 0x21;
    return this.emit({ opcode: [0x0f, opcode | direction], reg: special, rm: general });
  }

  static {
    const add = (name: string, method: (this: Asm, ...operands: never[]) => Asm) => {
      Object.defineProperty(Asm.prototype, name, { value: method, writable: true, configurable: true });
    };
    for (
      const [name, opcode] of [...Object.entries(PLAIN), ...Object.entries(PREFIX).map(([n, b]) => [n, [b]])]
    ) {
      add(name as string, function () {
        return this.bytes(opcode as readonly number[]);
      });
    }
    for (const [name, [opcode, size]] of Object.entries(SIZED)) {
      add(name, function () {
        return this.emit({ opcode: [opcode], size });
      });
    }
    for (const [name, row] of Object.entries(ALU)) {
      add(name, function (to: RegMem, from: RegMem | Imm) {
        return this.#alu(row, operand(to), from);
      });
    }
    for (const [name, digit] of Object.entries(SHIFT)) {
      add(name, function (to: RegMem, count: number | "cl") {
        return this.#shift(digit, operand(to), count);
      });
    }
    for (const [name, [opcode, digit]] of Object.entries(UNARY)) {
      if (name === "imul") continue;
      add(name, function (to: RegMem) {
        return this.#unary(opcode, digit, operand(to));
      });
    }
    for (const [name, [digit, opcode]] of Object.entries(BIT_TEST)) {
      add(name, function (to: RegMem, bit: number | Reg) {
        const target = operand(to);
        const reg = registerOf(bit);
        if (reg !== undefined) return this.emit({ opcode: [0x0f, opcode], size: reg.size, reg, rm: target });
        const size = target.size ?? missingSize();
        return this.emit({
          opcode: [0x0f, 0xba],
          size,
          reg: digit,
          rm: target,
          imm: [{ value: bit as number, size: 1 }],
        });
      });
    }
    for (const [name, opcode] of Object.entries(REG_RM)) {
      add(name, function (to: Reg, from: RegMem) {
        const reg = register(to);
        return this.emit({ opcode: [0x0f, opcode], size: reg.size, reg, rm: operand(from) });
      });
    }
    for (const [name, [opcode, digit]] of Object.entries(DESCRIPTOR)) {
      add(name, function (at: Mem) {
        return this.emit({ opcode, reg: digit, rm: at });
      });
    }
    for (const [name, [opcode, digit]] of Object.entries(SELECTOR)) {
      add(name, function (to: RegMem) {
        return this.emit({ opcode, reg: digit, rm: operand(to) });
      });
    }
    for (const [name, opcode] of Object.entries(LOOP)) {
      add(name, function (to: Label) {
        return this.branch(typeof to === "string" ? ref(to) : to, [], [opcode]);
      });
    }
    for (const [name, code] of Object.entries(CONDITION)) {
      add(`j${name}`, function (to: Label) {
        return this.branch(typeof to === "string" ? ref(to) : to, [0x0f, 0x80 | code], [0x70 | code]);
      });
      add(`set${name}`, function (to: RegMem) {
        return this.emit({ opcode: [0x0f, 0x90 | code], reg: 0, rm: operand(to) });
      });
      add(`cmov${name}`, function (to: Reg, from: RegMem) {
        const reg = register(to);
        return this.emit({ opcode: [0x0f, 0x40 | code], size: reg.size, reg, rm: operand(from) });
      });
    }
  }

  #alu(row: number, target: RegisterInfo | Mem, from: RegMem | Imm): this {
    const source = registerOf(from);
    if (source !== undefined) return this.#rm(row << 3, target, source);
    if (isMem(from)) {
      if (isMem(target)) throw new RangeError("Cannot take two memory operands");
      return this.#rm(row << 3 | 2, from, target);
    }
    const value = from as Imm;
    const size = target.size ?? missingSize();
    if (size > 1 && isByte(value)) {
      return this.emit({ opcode: [0x83], size, reg: row, rm: target, imm: [{ value, size: 1 }] });
    }
    const imm = immOf(value, size);
    if (!isMem(target) && target.code === 0) return this.#accumulator(row << 3 | 4, size, imm);
    return this.#rmImm(0x80, row, target, size, imm);
  }

  #shift(digit: number, target: RegisterInfo | Mem, count: number | "cl"): this {
    const size = target.size ?? missingSize();
    const wide = size === 1 ? 0 : 1;
    if (count === "cl") return this.emit({ opcode: [0xd2 | wide], size, reg: digit, rm: target });
    if (count === 1) return this.emit({ opcode: [0xd0 | wide], size, reg: digit, rm: target });
    return this.emit({
      opcode: [0xc0 | wide],
      size,
      reg: digit,
      rm: target,
      imm: [{ value: count, size: 1 }],
    });
  }
}

function operand(value: unknown): RegisterInfo | Mem {
  return isMem(value) ? value : register(String(value));
}

function isByte(value: unknown): boolean {
  return (typeof value === "number" || typeof value === "bigint") && value >= -128 && value < 128;
}

/** The constant of an operation on `size` bytes: at most four, sign-extended to eight. */
function immOf(value: Imm, size: Size): readonly [Imm, Size] {
  if (size === 8 && !isRef(value) && (value < -(2 ** 31) || value >= 2 ** 31)) {
    throw new RangeError(`Cannot use ${value} as a constant of a 64-bit operation`);
  }
  return [value, Math.min(size, 4) as Size];
}

function missingSize(): never {
  throw new RangeError("Cannot tell the operand's width: use byte, word, dword or qword");
}

function sameSize(rm: RegisterInfo | Mem, reg: RegisterInfo): void {
  if (rm.size !== undefined && rm.size !== reg.size) {
    throw new RangeError(`Cannot mix operands of ${rm.size} and ${reg.size} bytes`);
  }
}

/** PUSH and POP of a segment register: one byte for the old four, two for FS and GS. */
function segmentStack(segment: RegisterInfo, old: number, added: number): number[] {
  return segment.code < 4 ? [old | segment.code << 3] : [0x0f, added | (segment.code - 4) << 3];
}
