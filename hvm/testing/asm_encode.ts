/**
 * The encoder under the test assembler: bytes, labels with fixups, prefixes, ModRM and SIB in all three modes.
 *
 * Sources: [SDM] Intel SDM vol. 2A, 2.1 (format, tables 2-1 to 2-3), 2.2.1 (REX).
 * @module
 */

import {
  type Imm,
  isMem,
  isRef,
  type Mem,
  type Ref,
  register,
  type RegisterInfo,
  registerOf,
  type Size,
} from "./asm_operand.ts";

/** The default operand and address size of the code that follows. */
export type Bits = 16 | 32 | 64;

/** One instruction as its parts. */
export interface Form {
  /** Mandatory prefix and opcode bytes. */
  readonly opcode: readonly number[];
  /** Operand size; gives the 66h prefix and REX.W. Absent: the instruction has none. */
  readonly size?: Size;
  /** The operand is 64 bits wide in 64-bit mode without REX.W (push, near branches). */
  readonly wide?: boolean;
  /** The reg field: a register or an opcode extension. */
  readonly reg?: RegisterInfo | number;
  readonly rm?: RegisterInfo | Mem;
  /** A register in the low three bits of the opcode. */
  readonly low?: RegisterInfo;
  readonly imm?: readonly { readonly value: Imm; readonly size: Size }[];
}

interface Fixup {
  readonly at: number;
  readonly size: Size;
  readonly target: Ref;
  /** Distance is counted from here (the end of the instruction); undefined for an address as such. */
  from?: number;
  /** What is taken off an address: the base of the segment the code runs in. */
  readonly base: number;
}

const SEGMENT_PREFIX = { es: 0x26, cs: 0x2e, ss: 0x36, ds: 0x3e, fs: 0x64, gs: 0x65 } as const;

/** ModRM rm codes of the 16-bit addresses. [SDM] vol. 2A, table 2-1 */
const ADDRESS16: Readonly<Record<string, number>> = {
  "bx+si": 0,
  "bx+di": 1,
  "bp+si": 2,
  "bp+di": 3,
  "si": 4,
  "di": 5,
  "bp": 6,
  "bx": 7,
};

/** Collects bytes and labels; {@linkcode Encoder.assemble} resolves them. */
export class Encoder {
  readonly #origin: number;
  #bytes = new Uint8Array(4096);
  #length = 0;
  #bits: Bits;
  #base = 0;
  readonly #labels = new Map<string, number>();
  readonly #fixups: Fixup[] = [];
  #unique = 0;

  /** Code that will run at `origin`. */
  constructor(options: { origin: number; bits: Bits }) {
    this.#origin = options.origin;
    this.#bits = options.bits;
  }

  get mode(): Bits {
    return this.#bits;
  }

  /** The address of the next byte. */
  get here(): number {
    return this.#origin + this.#length;
  }

  /** What follows runs in a `bits`-bit code segment whose base is `base`: label addresses are taken relative to it. */
  bits(bits: Bits, base = 0): this {
    this.#bits = bits;
    this.#base = base;
    return this;
  }

  /** Names the address of what follows. Throws a RangeError on a name that is taken or is a register's. */
  label(name: string): this {
    return this.equ(name, this.here);
  }

  /** Gives a name to a fixed address. */
  equ(name: string, address: number): this {
    if (registerOf(name) !== undefined) throw new RangeError(`Cannot define ${name}: it is a register`);
    if (this.#labels.has(name)) throw new RangeError(`Cannot define ${name} twice`);
    this.#labels.set(name, address);
    return this;
  }

  /** A label name nobody else has. */
  unique(stem: string): string {
    return `${stem}.${this.#unique++}`;
  }

  /** The address of a label that is already defined, else undefined. */
  addressOf(name: string): number | undefined {
    return this.#labels.get(name);
  }

  db(...values: Imm[]): this {
    return this.#data(1, values);
  }

  dw(...values: Imm[]): this {
    return this.#data(2, values);
  }

  dd(...values: Imm[]): this {
    return this.#data(4, values);
  }

  dq(...values: Imm[]): this {
    return this.#data(8, values);
  }

  /** The bytes of a text, without an end mark. */
  ascii(text: string): this {
    return this.bytes(new TextEncoder().encode(text));
  }

  bytes(bytes: Iterable<number>): this {
    for (const byte of bytes) this.#put(byte);
    return this;
  }

  zero(count: number): this {
    for (let i = 0; i < count; i++) this.#put(0);
    return this;
  }

  /** Fills with `filler` up to a multiple of `alignment`. */
  align(alignment: number, filler = 0): this {
    while (this.here % alignment !== 0) this.#put(filler);
    return this;
  }

  /** The bytes with every reference resolved. Throws a RangeError on an unknown label or a distance that does not fit. */
  assemble(): Uint8Array<ArrayBuffer> {
    const result = this.#bytes.slice(0, this.#length);
    for (const { at, size, target, from, base } of this.#fixups) {
      const address = this.#labels.get(target.label);
      if (address === undefined) throw new RangeError(`Cannot find label ${target.label}`);
      const value = address + target.plus - (from ?? base);
      const least = from === undefined ? 0 : -(2 ** (8 * size - 1));
      const most = from === undefined ? 2 ** (8 * size) : 2 ** (8 * size - 1);
      if (value < least || value >= most) {
        throw new RangeError(`Cannot reach ${target.label} at 0x${address.toString(16)} with ${size} bytes`);
      }
      store(result, at, size, BigInt(value));
    }
    return result;
  }

  /** Adds one instruction. */
  protected emit(form: Form): this {
    const { opcode, size, reg = 0, rm, low, imm = [] } = form;
    const { prefixes, modrm, rex, disp } = rm === undefined
      ? { prefixes: [], modrm: [], rex: low === undefined ? 0 : low.code >>> 3, disp: undefined }
      : isMem(rm)
      ? this.#address(rm)
      : { prefixes: [], modrm: [0xc0 | rm.code & 7], rex: rm.code >>> 3, disp: undefined };
    const code = typeof reg === "number" ? reg : reg.code;
    const wide = size === 8 && form.wide !== true;
    const bits = rex | (typeof reg !== "number" && code > 7 ? 4 : 0) | (wide ? 8 : 0);
    this.bytes(prefixes);
    if (size === (this.#bits === 16 ? 4 : 2)) this.#put(0x66);
    const mandatory = opcode[0] === 0xf3 || opcode[0] === 0xf2 || opcode[0] === 0x66 ? opcode[0] : undefined;
    if (mandatory !== undefined) this.#put(mandatory);
    this.#rex(bits, [reg, rm, low]);
    this.bytes(mandatory === undefined ? opcode.slice(0, -1) : opcode.slice(1, -1));
    this.#put(opcode.at(-1)! | (low === undefined ? 0 : low.code & 7));
    if (modrm.length > 0) this.bytes([modrm[0]! | (code & 7) << 3, ...modrm.slice(1)]);
    const relative = disp === undefined ? undefined : this.#displace(disp);
    for (const { value, size } of imm) this.#value(value, size);
    if (relative !== undefined) relative.from = this.here;
    return this;
  }

  /** A branch: opcode bytes for a byte distance (none: there is no such form) and for a full one. */
  protected branch(target: Ref, near: readonly number[], short?: readonly number[]): this {
    const address = this.#labels.get(target.label);
    if (short !== undefined && address !== undefined) {
      const distance = address + target.plus - (this.here + short.length + 1);
      if (distance >= -128 && distance < 128) return this.bytes(short).#distance(target, 1);
    }
    if (near.length === 0) return this.bytes(short!).#distance(target, 1);
    return this.bytes(near).#distance(target, this.#bits === 16 ? 2 : 4);
  }

  #distance(target: Ref, size: Size): this {
    const at = this.#length;
    this.zero(size);
    this.#fixups.push({ at, size, target, from: this.here, base: 0 });
    return this;
  }

  #rex(bits: number, operands: readonly (RegisterInfo | Mem | number | undefined)[]): void {
    const infos = operands.filter((o) => typeof o === "object" && "code" in o) as RegisterInfo[];
    const needed = bits !== 0 || infos.some((info) => info.rex === true);
    if (!needed) return;
    if (this.#bits !== 64) throw new RangeError(`Cannot encode this operand in ${this.#bits}-bit mode`);
    if (infos.some((info) => info.rex === false)) {
      throw new RangeError("Cannot use ah, bh, ch or dh with a REX prefix");
    }
    this.#put(0x40 | bits);
  }

  /** Prefixes, ModRM (reg field clear) with SIB, REX bits and displacement of a memory operand. */
  #address(operand: Mem): AddressParts {
    const prefixes: number[] = operand.segment === undefined ? [] : [SEGMENT_PREFIX[operand.segment]];
    const width = this.#addressSize(operand);
    if ((width === 8) !== (this.#bits === 64) && (width === 8 || width === 2)) {
      throw new RangeError(`Cannot use a ${8 * width}-bit address in ${this.#bits}-bit mode`);
    }
    if (width !== this.#bits / 8) prefixes.push(0x67);
    const { base, index, disp } = operand;
    if (width === 2) return { prefixes, ...address16(operand) };
    if (base === undefined && index === undefined) {
      if (this.#bits !== 64) return { prefixes, modrm: [0x05], rex: 0, disp: { value: disp, size: 4 } };
      if (isRef(disp)) {
        return { prefixes, modrm: [0x05], rex: 0, disp: { value: disp, size: 4, relative: true } };
      }
      return { prefixes, modrm: [0x04, 0x25], rex: 0, disp: { value: disp, size: 4 } };
    }
    const baseInfo = base === undefined ? undefined : register(base);
    const indexInfo = index === undefined ? undefined : register(index);
    if (indexInfo?.code === 4) throw new RangeError("Cannot index by the stack pointer");
    const rex = (baseInfo?.code ?? 0) >>> 3 | (indexInfo?.code ?? 0) >>> 3 << 1;
    if (baseInfo === undefined) {
      const sib = Math.log2(operand.scale) << 6 | (indexInfo!.code & 7) << 3 | 5;
      return { prefixes, modrm: [0x04, sib], rex, disp: { value: disp, size: 4 } };
    }
    const needsDisp = isRef(disp) || disp !== 0 || (baseInfo.code & 7) === 5;
    const small = !isRef(disp) && disp >= -128 && disp < 128;
    const mod = !needsDisp ? 0 : small ? 0x40 : 0x80;
    const place = needsDisp ? { value: disp, size: small ? 1 : 4 } as const : undefined;
    if (indexInfo === undefined && (baseInfo.code & 7) !== 4) {
      return { prefixes, modrm: [mod | baseInfo.code & 7], rex, disp: place };
    }
    const sib = Math.log2(operand.scale) << 6 | ((indexInfo?.code ?? 4) & 7) << 3 | baseInfo.code & 7;
    return { prefixes, modrm: [mod | 4, sib], rex, disp: place };
  }

  /** Bytes of address the operand asks for: those of its registers, else what its displacement needs. */
  #addressSize({ base, index, disp }: Mem): Size {
    const named = base ?? index;
    if (named !== undefined) return register(named).size;
    if (isRef(disp)) return this.#bits / 8 as Size;
    // A 64-bit address has its displacement sign-extended; the upper half of 4 GiB takes a 32-bit address.
    if (this.#bits === 64) return disp >= 2 ** 31 ? 4 : 8;
    return this.#bits === 16 && disp > 0xffff ? 4 : this.#bits / 8 as Size;
  }

  #displace(disp: Displacement): Fixup | undefined {
    if (!isRef(disp.value) || disp.relative !== true) {
      this.#value(disp.value, disp.size);
      return undefined;
    }
    const fixup: Fixup = { at: this.#length, size: 4, target: disp.value, from: 0, base: 0 };
    this.#fixups.push(fixup);
    this.zero(4);
    return fixup;
  }

  #data(size: Size, values: readonly Imm[]): this {
    for (const value of values) this.#value(value, size);
    return this;
  }

  #value(value: Imm, size: Size): void {
    if (isRef(value)) {
      this.#fixups.push({ at: this.#length, size, target: value, base: this.#base });
      this.zero(size);
      return;
    }
    const wide = BigInt(value);
    if (wide < -(1n << BigInt(8 * size - 1)) || wide >= 1n << BigInt(8 * size)) {
      throw new RangeError(`Cannot store ${value} in ${size} bytes`);
    }
    const at = this.#length;
    this.zero(size);
    store(this.#bytes, at, size, wide);
  }

  #put(byte: number): void {
    if (this.#length === this.#bytes.length) {
      const grown = new Uint8Array(this.#length * 2);
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes[this.#length++] = byte;
  }
}

interface Displacement {
  readonly value: number | Ref;
  readonly size: Size;
  /** Relative to the end of the instruction. */
  readonly relative?: boolean;
}

interface AddressParts {
  readonly prefixes: readonly number[];
  readonly modrm: readonly number[];
  readonly rex: number;
  readonly disp: Displacement | undefined;
}

function address16({ base, index, disp }: Mem): Omit<AddressParts, "prefixes"> {
  if (base === undefined && index === undefined) {
    return { modrm: [0x06], rex: 0, disp: { value: disp, size: 2 } };
  }
  const name = [base, index].filter((part) => part !== undefined).join("+");
  const rm = ADDRESS16[name];
  if (rm === undefined) throw new RangeError(`Cannot address by ${name} in 16 bits`);
  if (isRef(disp)) return { modrm: [0x80 | rm], rex: 0, disp: { value: disp, size: 2 } };
  if (disp === 0 && name !== "bp") return { modrm: [rm], rex: 0, disp: undefined };
  const small = disp >= -128 && disp < 128;
  return { modrm: [(small ? 0x40 : 0x80) | rm], rex: 0, disp: { value: disp, size: small ? 1 : 2 } };
}

function store(target: Uint8Array, at: number, size: Size, value: bigint): void {
  for (let i = 0; i < size; i++) target[at + i] = Number(value >> BigInt(8 * i) & 0xffn);
}
