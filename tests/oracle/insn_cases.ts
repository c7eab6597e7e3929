/**
 * Makes jobs of templates: operands, addresses and states chosen by a generator that can be repeated.
 * @module
 */

import { decode, OK } from "../../hvm/x86/decode.ts";
import {
  BASE_RIP,
  classOf,
  Insn,
  isMemory,
  NO_REGISTER,
  OPERAND,
  operandCount,
  operandKind,
  operandRegister,
  operandSize,
  PREFIX,
  traitsOf,
} from "../../hvm/x86/insn.ts";
import { TRAIT } from "../../hvm/x86/isa.ts";
import { BASE, type Job, SIZE, UserState, WINDOW, WINDOW_BYTES } from "./insn_native.ts";
import type { Template } from "./insn_templates.ts";

/** Where operands in memory begin, within the window. */
const FIRST_TARGET = WINDOW + 384;
const TARGETS = 256;
const STACK = WINDOW + 512;
const TRIES = 24;

/** Numbers from a seed. [Vigna 2014] splitmix, 32 bits of it */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  u32(): number {
    this.#state = this.#state + 0x9e3779b9 >>> 0;
    let z = this.#state;
    z = Math.imul(z ^ z >>> 16, 0x85ebca6b);
    z = Math.imul(z ^ z >>> 13, 0xc2b2ae35);
    return (z ^ z >>> 16) >>> 0;
  }

  below(limit: number): number {
    return Math.floor(this.u32() / 2 ** 32 * limit);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  u64(): bigint {
    return BigInt(this.u32()) << 32n | BigInt(this.u32());
  }
}

const EDGES = [
  0n,
  1n,
  2n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x7fff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0xffff_ffff_ffff_ffffn,
];
const FLOATS = [
  0x00000000,
  0x80000000,
  0x3f800000,
  0xbf800000,
  0x7f800000,
  0xff800000,
  0x7fc00000,
  0x7fa00000,
  0x00000001,
  0x807fffff,
  0x00800000,
  0x7f7fffff,
  0x4f000000,
  0xcf000000,
  0x3f000000,
  0x40490fdb,
];
const DOUBLES = [
  0x0000000000000000n,
  0x8000000000000000n,
  0x3ff0000000000000n,
  0xbff0000000000000n,
  0x7ff0000000000000n,
  0xfff0000000000000n,
  0x7ff8000000000000n,
  0x7ff4000000000000n,
  0x0000000000000001n,
  0x800fffffffffffffn,
  0x0010000000000000n,
  0x7fefffffffffffffn,
  0x41e0000000000000n,
  0xc1e0000000000000n,
  0x43e0000000000000n,
  0x400921fb54442d18n,
  0x36a0000000000000n,
  0x3810000000000000n,
  0x47efffffe0000000n,
];

/** A job of a template, undefined when no choice of operands fits. */
export function makeJob(template: Template, random: Random): { job: Job; insn: Insn } | undefined {
  for (let i = 0; i < TRIES; i++) {
    const before = new UserState();
    fillState(before, random);
    const insn = new Insn();
    const code = encode(template, random);
    if (decode(code, 0, code.length, template.mode, insn) !== OK || insn.row !== template.row) continue;
    const bytes = place(template, random, { code, insn, before });
    if (bytes === undefined) continue;
    if (decode(bytes, 0, bytes.length, template.mode, insn) !== OK || insn.row !== template.row) continue;
    const repeats = (traitsOf(insn) & (TRAIT.REP | TRAIT.REPCC)) !== 0 &&
      (insn.prefixes & (PREFIX.REP | PREFIX.REPNE)) !== 0;
    return { job: { mode: template.mode, code: bytes.slice(0, insn.length), repeats, before }, insn };
  }
  return undefined;
}

/** All the bytes an instruction can have, those that are free by chance. */
function encode(template: Template, random: Random): Uint8Array {
  const { mode, prefixes, wide, opcode, vex, modrm, modrmFixed, freeVvvv } = template;
  const bytes: number[] = [...prefixes];
  const long = mode === 64;
  let code = [...opcode];
  if (vex) {
    if (long) code[1] = code[1]! ^ (random.below(8) << 5);
    if (freeVvvv) code[2] = code[2]! ^ random.below(long ? 16 : 8) << 3;
  } else if (long && (wide === 1 || random.below(2) === 0)) bytes.push(0x40 | wide << 3 | random.below(8));
  // A register in the opcode's low bits is chosen by the cell.
  code = code.map((byte) => byte & 0xff);
  bytes.push(...code);
  if (modrm >= 0) {
    const isRegister = modrm >> 6 === 3;
    const mod = isRegister ? 3 : random.below(3);
    bytes.push(mod << 6 | modrm & modrmFixed | random.below(64) & ~modrmFixed);
  }
  // SIB, displacement, immediates.
  for (let i = 0; i < 18; i++) bytes.push(random.below(256));
  if (random.below(3) === 0) {
    for (let i = bytes.length - 12; i < bytes.length; i++) bytes[i] = random.pick([0, 0xff, 1, 0x80, 0x7f]);
  }
  return Uint8Array.from(bytes).slice(0, 30);
}

interface Choice {
  readonly code: Uint8Array;
  readonly insn: Insn;
  readonly before: UserState;
}

/** Makes addresses point into the window. */
function place(template: Template, random: Random, choice: Choice): Uint8Array | undefined {
  const { insn, before } = choice;
  let { code } = choice;
  if (insn.length > 15) return undefined;
  const long = template.mode === 64;
  const origin = long ? BASE : 0;
  if (insn.override >= 0) return undefined;
  const classes = classOf(insn);
  before.setGpr(4, BigInt(origin + STACK + random.below(24) * (random.below(4) === 0 ? 1 : 8)));
  if (template.key === "leave" || template.key === "enter") {
    before.setGpr(5, BigInt(origin + STACK - 64 + random.below(32)));
  }
  // A frame of more would leave the window.
  if (template.key === "enter") code[insn.length - 2] = 0;
  if (/^maskmov/.test(template.key)) {
    setLow(before, 7, insn.addressSize, origin + FIRST_TARGET + random.below(TARGETS));
  }
  if (template.key === "movdir64b") {
    before.setGpr(insn.reg, BigInt(origin + FIRST_TARGET + random.below(TARGETS) & ~63));
    if (insn.reg === insn.base || insn.reg === insn.index) return undefined;
  }
  if (!setCounts(template, insn, before, random)) return undefined;
  const size = insn.addressSize;
  for (let n = 0; n < operandCount(insn); n++) {
    const kind = operandKind(insn, n);
    if (!isMemory(kind)) continue;
    const aligned = (traitsOf(insn) & TRAIT.AL16) !== 0 && random.below(8) !== 0;
    let target = FIRST_TARGET + random.below(TARGETS);
    if (operandSize(insn, n) > 16) target = WINDOW + random.below(256);
    if (aligned) target &= ~15;
    if (kind === OPERAND.MEMORY) {
      const moved = aim(insn, code, before, origin + target);
      if (moved === undefined) return undefined;
      code = moved;
    } else if (kind === OPERAND.MEMORY_SI) setLow(before, 6, size, origin + target);
    else if (kind === OPERAND.MEMORY_DI) setLow(before, 7, size, origin + target);
    else setLow(before, 3, size, origin + target - Number(before.gpr(0) & 0xffn));
    if (classes === "branch" || classes === "call") putCodeAddress(before, target, origin, random);
  }
  if (classes === "branch" || classes === "call") {
    for (let n = 0; n < operandCount(insn); n++) {
      if (operandKind(insn, n) !== OPERAND.GPR || random.below(4) === 0) continue;
      before.setGpr(operandRegister(insn, n), BigInt(origin + random.below(SIZE)));
    }
  }
  if (classes === "ret") putCodeAddress(before, Number(before.gpr(4)) - origin, origin, random);
  return code;
}

/** Counts that keep strings, bit offsets and frames within the window. */
function setCounts(template: Template, insn: Insn, before: UserState, random: Random): boolean {
  if ((traitsOf(insn) & (TRAIT.REP | TRAIT.REPCC)) !== 0) {
    // With 32-bit addresses processors differ in when they clear the high halves.
    if (insn.mode === 64 && insn.addressSize === 4) { for (const n of [1, 6, 7]) before.setGpr(n, 0n); }
    setLow(before, 1, insn.addressSize, random.below(9));
  }
  if (/^bt[crs]?$/.test(template.key) && operandKind(insn, 1) === OPERAND.GPR && insn.mod !== 3) {
    const bits = BigInt(random.below(512) - 256);
    const register = operandRegister(insn, 1);
    if (register === insn.base || register === insn.index) return false;
    before.setGpr(register, BigInt.asUintN(64, bits));
  }
  return true;
}

function putCodeAddress(before: UserState, at: number, origin: number, random: Random): void {
  const offset = at - WINDOW;
  if (offset < 0 || offset + 8 > WINDOW_BYTES || random.below(6) === 0) return;
  const view = new DataView(before.memory.buffer, before.memory.byteOffset);
  view.setBigUint64(offset, BigInt(origin + random.below(SIZE)), true);
}

/** Sets the low part of a register as an address of `size` bytes. */
function setLow(before: UserState, register: number, size: number, value: number): void {
  const bits = size * 8;
  const low = BigInt.asUintN(bits, BigInt(value));
  const old = before.gpr(register);
  before.setGpr(register, size === 8 ? low : (old >> BigInt(bits) << BigInt(bits)) | low);
}

/** Sets registers or displacement so that the address is `target`; undefined when that cannot be. */
function aim(
  insn: Insn,
  code: Uint8Array,
  before: UserState,
  target: number,
): Uint8Array | undefined {
  const { base, index, scale, addressSize, disp } = insn;
  const bits = addressSize * 8;
  const indexed = index === NO_REGISTER ? 0n : BigInt.asUintN(bits, before.gpr(index)) << BigInt(scale);
  if (base !== NO_REGISTER && base !== BASE_RIP && base !== index) {
    if (index !== NO_REGISTER && index === 4) return undefined;
    const value = BigInt.asUintN(bits, BigInt(target) - indexed - BigInt(disp));
    const old = before.gpr(base);
    before.setGpr(base, addressSize === 8 ? value : (old >> BigInt(bits) << BigInt(bits)) | value);
    return code;
  }
  if (base === index && base !== NO_REGISTER) return undefined;
  // By displacement: it is the last thing before the immediates.
  const length = insn.mod < 0 ? addressSize : addressSize === 2 ? 2 : 4;
  const from = base === BASE_RIP ? BASE + insn.length : 0;
  const small = index === NO_REGISTER ? 0n : BigInt(target & 63);
  if (index !== NO_REGISTER) before.setGpr(index, small);
  const wanted = Number(BigInt(target) - (small << BigInt(scale))) - from;
  for (let at = insn.length - length; at > 0; at--) {
    const changed = code.slice();
    const view = new DataView(changed.buffer);
    if (length === 2) view.setInt16(at, wanted, true);
    else if (length === 8) view.setBigInt64(at, BigInt(wanted), true);
    else view.setInt32(at, wanted, true);
    const again = new Insn();
    if (decode(changed, 0, changed.length, insn.mode, again) !== OK) continue;
    const same = again.row === insn.row && again.length === insn.length && again.base === base &&
      again.index === index && again.mod === insn.mod && again.reg === insn.reg && again.rm === insn.rm;
    const reached = length === 2 ? (again.disp & 0xffff) === (wanted & 0xffff) : again.disp === (wanted | 0);
    if (same && reached && (again.dispHi === 0 || base === BASE_RIP || wanted < 0)) return changed;
  }
  return undefined;
}

function fillState(before: UserState, random: Random): void {
  for (let i = 0; i < 16; i++) before.setGpr(i, anyInteger(random));
  before.rip = 0n;
  before.rflags = random.u32() & 0xcd5 | 2;
  const { memory } = before;
  const words = new DataView(memory.buffer, memory.byteOffset);
  for (let i = 0; i < WINDOW_BYTES; i += 8) words.setBigUint64(i, anyPattern(random), true);
  fillFx(before, random);
}

function anyInteger(random: Random): bigint {
  switch (random.below(4)) {
    case 0:
      return random.pick(EDGES);
    case 1:
      return BigInt(random.below(256));
    default:
      return random.u64();
  }
}

function anyPattern(random: Random): bigint {
  switch (random.below(5)) {
    case 0:
      return random.pick(DOUBLES);
    case 1:
      return BigInt(random.pick(FLOATS)) << 32n | BigInt(random.pick(FLOATS));
    case 2:
      return anyInteger(random);
    case 3:
      // Near one, so that sums cancel and products round.
      return 0x3ff0000000000000n + (random.u64() >> BigInt(8 + random.below(40))) ^
        BigInt(random.below(2)) << 63n;
    default:
      return random.u64();
  }
}

function fillFx(before: UserState, random: Random): void {
  const { fx } = before;
  const view = new DataView(fx.buffer, fx.byteOffset);
  const masks = random.below(8) === 0 ? random.below(64) : 0x3f;
  const control = masks | 0x40 | random.below(16) << 8;
  view.setUint16(0, (control & 0x300) === 0x100 ? control | 0x300 : control, true);
  // Now and then an exception is pending.
  const allowed = random.below(16) === 0 ? 0x7f : masks | 0x40;
  const flags = random.below(2) === 0 ? 0 : random.below(128) & allowed;
  const pending = (flags & ~masks & 0x3f) !== 0 ? 0x8080 : 0;
  view.setUint16(2, random.below(8) << 11 | flags | pending | (random.u32() & 0x4700), true);
  view.setUint8(4, random.below(3) === 0 ? random.below(256) : 0xff);
  for (let i = 0; i < 8; i++) fillX87(view, 32 + i * 16, random);
  for (let i = 160; i < 416; i += 8) view.setBigUint64(i, anyPattern(random), true);
  view.setUint32(24, mxcsrOf(random), true);
}

function mxcsrOf(random: Random): number {
  if (random.below(3) === 0) return 0x1fbf;
  const masks = random.below(6) === 0 ? random.below(64) : 0x3f;
  const flags = random.below(64) & masks;
  const rounding = random.below(2) === 0 ? 0 : random.below(4);
  const flush = random.below(4) === 0 ? 0x8000 : 0;
  const denormals = random.below(4) === 0 ? 0x40 : 0;
  return masks << 7 | flags | rounding << 13 | flush | denormals;
}

function fillX87(view: DataView, at: number, random: Random): void {
  const sign = random.below(2) << 15;
  const integer = 1n << 63n;
  let significand = random.u64() | integer;
  let exponent = 0x3fff + random.below(140) - 70;
  switch (random.below(12)) {
    case 0:
      [significand, exponent] = [0n, 0];
      break;
    case 1:
      [significand, exponent] = [integer, 0x7fff];
      break;
    case 2:
      [significand, exponent] = [integer | random.u64(), 0x7fff];
      break;
    case 3:
      [significand, exponent] = [random.u64() & ~integer, 0];
      break;
    case 4:
      [significand, exponent] = [random.u64(), random.below(0x8000)];
      break;
    case 5:
      significand = integer;
      break;
    case 6:
      exponent = random.pick([1, 2, 0x7ffe, 0x3c01, 0x43fe, 0x3f81, 0x407e]);
      break;
  }
  view.setBigUint64(at, significand, true);
  view.setUint16(at + 8, sign | exponent, true);
}
