/**
 * From a decoded instruction to its form, which names the handler, and to its executable record.
 * @module
 */

import { CPU, RECORD, RECORD_FLAG } from "../../x86/exec/cpu_memory.ts";
import {
  type Extra,
  type Form,
  type FormOperand,
  KIND,
  type Kind,
  type Semantic,
} from "../../x86/exec/sem.ts";
import {
  BASE_RIP,
  conditionOf,
  FIRST_HIGH_BYTE,
  type Insn,
  keyOf,
  MAX_OPERANDS,
  memoryOperand,
  NO_REGISTER,
  OPERAND,
  operandAccess,
  operandCount,
  operandKind,
  operandRegister,
  operandSize,
  PREFIX,
  SEG,
} from "../../x86/insn.ts";
import { isa } from "../../x86/isa_build.ts";
import { SOURCE } from "../../x86/isa_operands.ts";
import { ACCESS } from "../../x86/isa_tables.ts";

const KIND_OF: Readonly<Record<number, Kind>> = {
  [OPERAND.GPR]: KIND.REG,
  [OPERAND.SEGMENT]: KIND.SEG,
  [OPERAND.CONTROL]: KIND.SYSTEM,
  [OPERAND.DEBUG]: KIND.SYSTEM,
  [OPERAND.MMX]: KIND.MMX,
  [OPERAND.XMM]: KIND.XMM,
  [OPERAND.X87]: KIND.ST,
  [OPERAND.MEMORY]: KIND.MEM,
  [OPERAND.IMMEDIATE]: KIND.IMM,
};

/** The semantics key of an instruction: the row's, or what a missing feature makes of it; a segment's PUSH is one of its own. */
export function semanticKey(insn: Insn, hasFeature: (name: string) => boolean): string | undefined {
  const table = isa();
  const gate = table.gates[table.gate[insn.row]!]!;
  if (gate !== "" && !hasFeature(gate)) return table.keys[table.fallback[insn.row]!] || undefined;
  const key = keyOf(insn);
  return key === "push" && operandKind(insn, 0) === OPERAND.SEGMENT ? "pushseg" : key;
}

/** The form of an instruction under a semantic. */
export function formOf(insn: Insn, key: string, semantic: Semantic, stackBytes: number): Form {
  const uses = (extra: Extra, value: number) => semantic.uses?.includes(extra) ? value : 0;
  const operands: FormOperand[] = [];
  for (let n = 0; n < operandCount(insn); n++) {
    operands.push({ kind: kindOf(insn, n), width: operandSize(insn, n) });
  }
  const { prefixes } = insn;
  return {
    key,
    operands,
    osize: uses("osize", insn.operandSize),
    asize: uses("asize", insn.addressSize),
    rep: uses("rep", (prefixes & PREFIX.REP) !== 0 ? 1 : (prefixes & PREFIX.REPNE) !== 0 ? 2 : 0),
    cond: uses("cond", conditionOf(insn)),
    stack: uses("stack", stackBytes),
    code: uses("code", insn.mode),
    opcode: uses("opcode", insn.opcode),
    imm: uses("imm", insn.imm & 0xff),
  };
}

function kindOf(insn: Insn, n: number): Kind {
  const { operands, codes } = isa();
  const { source } = codes[operands[insn.row]! >>> 8 * n & 0xff]!;
  if (source === SOURCE.I2) return KIND.IMM2;
  return KIND_OF[operandKind(insn, n)] ?? KIND.OTHER;
}

/** One text for all forms that are one handler. */
export function signatureOf(form: Form): string {
  const operands = form.operands.map(({ kind, width }) => `${kind}${width}`).join(",");
  const { key, osize, asize, rep, cond, stack, code, opcode, imm } = form;
  return `${key} ${operands} ${osize} ${asize} ${rep} ${cond} ${stack} ${code} ${opcode} ${imm}`;
}

/** Where a record stands in its block. */
export interface RecordPlace {
  /** Address of the record in memory 0. */
  readonly at: number;
  /** Address of the instruction less that of the block's first. */
  readonly rip: number;
  /** How many instructions of the block come before it. */
  readonly place: number;
  readonly handler: number;
}

/** Writes the record of an instruction. */
export function writeRecord(view: DataView, insn: Insn, { at, rip, place, handler }: RecordPlace): void {
  for (let i = 0; i < RECORD.BYTES; i += 4) view.setInt32(at + i, 0, true);
  view.setUint16(at + RECORD.HANDLER, handler, true);
  view.setUint8(at + RECORD.LENGTH, insn.length);
  view.setInt32(at + RECORD.RIP, rip, true);
  view.setUint8(at + RECORD.PLACE, place);
  const count = operandCount(insn);
  for (let n = 0; n < count; n++) view.setUint8(at + RECORD.REG + n, registerField(insn, n));
  // Behind the operands: what tells conditional moves of the x87 apart.
  if (count < MAX_OPERANDS) view.setUint8(at + RECORD.REG + count, insn.reg & 3);
  let disp = insn.disp;
  if (insn.base === BASE_RIP) disp += rip + insn.length;
  view.setUint8(
    at + RECORD.BASE,
    insn.base === NO_REGISTER ? CPU.ZERO : insn.base === BASE_RIP ? CPU.RIP_BASE : CPU.GPR + insn.base * 8,
  );
  const none = disp > 0x7fffffff ? CPU.WRAP : CPU.ZERO;
  view.setUint8(at + RECORD.INDEX, insn.index === NO_REGISTER ? none : CPU.GPR + insn.index * 8);
  view.setUint8(at + RECORD.SCALE, insn.scale | insn.addressSize << 2);
  view.setUint8(at + RECORD.SEGMENT, insn.segment);
  view.setInt32(at + RECORD.DISP, disp, true);
  view.setInt32(at + RECORD.IMM, insn.imm, true);
  view.setInt32(at + RECORD.IMM + 4, insn.immHi, true);
  view.setUint8(at + RECORD.IMM2, insn.imm2);
  let flags = (insn.prefixes & PREFIX.LOCK) !== 0 ? RECORD_FLAG.LOCK : 0;
  const withBase = insn.segment === SEG.FS || insn.segment === SEG.GS;
  if (insn.mode === 64 && insn.addressSize === 8 && !withBase) flags |= RECORD_FLAG.PLAIN;
  const memory = memoryOperand(insn);
  if (memory >= 0) {
    view.setUint8(at + RECORD.SPAN, Math.min(255, operandSize(insn, memory)));
    if ((operandAccess(insn, memory) & ACCESS.W) !== 0) flags |= RECORD_FLAG.WRITE;
  }
  for (let n = 0; n < count; n++) {
    const { operands, codes } = isa();
    const { source } = codes[operands[insn.row]! >>> 8 * n & 0xff]!;
    if (source === SOURCE.ONE) view.setInt32(at + RECORD.IMM, 1, true);
    if (source === SOURCE.O) {
      flags = flags & ~RECORD_FLAG.PLAIN | RECORD_FLAG.ABSOLUTE;
      view.setInt32(at + RECORD.IMM, insn.disp, true);
      view.setInt32(at + RECORD.IMM + 4, insn.dispHi, true);
    }
    if (source === SOURCE.J) {
      const target = rip + insn.length + insn.imm;
      view.setInt32(at + RECORD.DISP, target, true);
      view.setInt32(at + RECORD.DISP + 4, Math.floor(target / 2 ** 32), true);
      view.setInt32(at + RECORD.LINK, 0, true);
    }
  }
  view.setUint8(at + RECORD.FLAGS, flags);
}

function registerField(insn: Insn, n: number): number {
  const number = operandRegister(insn, n);
  switch (operandKind(insn, n)) {
    case OPERAND.GPR:
      return number >= FIRST_HIGH_BYTE ? CPU.GPR + (number - FIRST_HIGH_BYTE) * 8 + 1 : CPU.GPR + number * 8;
    case OPERAND.XMM:
    case OPERAND.MMX:
      return number * 16;
    default:
      return number;
  }
}
