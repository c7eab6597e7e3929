/**
 * PUSHF, POPF, CLI and STI with all that privilege, virtual-8086 mode and its extensions make of them.
 *
 * Sources: [SDM] Intel SDM vol. 2, CLI, POPF, PUSHF, STI; vol. 3B, 21.3 (VME), 21.4 (PVI).
 * @module
 */

import type { Cpu, SystemOp, SystemOps } from "../cpu.ts";
import { pop, push } from "../operands.ts";
import { CR4, RFLAGS } from "../state.ts";
import { CPU } from "./cpu_memory.ts";
import { VECTOR } from "./sem.ts";

const { IF, VIF, VIP, VM, RF, IOPL } = RFLAGS;
/** What POPF changes at any level. */
const ANYBODY = 0xdd5 | RFLAGS.NT | RFLAGS.AC | RFLAGS.ID;
const READ_BACK_ZERO = VM | RF;

function iopl(cpu: Cpu): number {
  return cpu.cell32(CPU.EFLAGS) >>> 12 & 3;
}

/** Who may change IF: everybody of real mode and enough privilege; a virtual one for VME and PVI; or nobody. */
function interruptRight(cpu: Cpu): "real" | "virtual" | "none" {
  if (!cpu.protectedMode) return "real";
  if (cpu.virtual8086) {
    if (iopl(cpu) === 3) return "real";
    return (cpu.cr4 & CR4.VME) !== 0 ? "virtual" : "none";
  }
  if (iopl(cpu) >= cpu.cpl) return "real";
  return cpu.cpl === 3 && (cpu.cr4 & CR4.PVI) !== 0 ? "virtual" : "none";
}

const cli: SystemOp = (cpu) => {
  const right = interruptRight(cpu);
  if (right === "none") throw cpu.fault(VECTOR.GP, 0);
  cpu.eflags = cpu.eflags & ~(right === "real" ? IF : VIF);
};

const sti: SystemOp = (cpu) => {
  const right = interruptRight(cpu);
  const flags = cpu.eflags;
  if (right === "none" || right === "virtual" && (flags & VIP) !== 0) throw cpu.fault(VECTOR.GP, 0);
  if (right === "real" && (flags & IF) === 0) cpu.inhibitInterrupts();
  cpu.eflags = flags | (right === "real" ? IF : VIF);
};

const pushf: SystemOp = (cpu, insn) => {
  const flags = cpu.eflags;
  let image = flags & ~READ_BACK_ZERO;
  if (cpu.virtual8086 && iopl(cpu) < 3) {
    if ((cpu.cr4 & CR4.VME) === 0 || insn.operandSize !== 2) throw cpu.fault(VECTOR.GP, 0);
    // IF is VIF's, and IOPL reads as 3.
    image = image & ~IF | IOPL | ((flags & VIF) !== 0 ? IF : 0);
  }
  push(cpu, insn.operandSize, BigInt(image >>> 0));
};

const popf: SystemOp = (cpu, insn) => {
  const flags = cpu.eflags;
  const width = insn.operandSize === 2 ? 0xffff : 0x3fffff;
  let changeable = ANYBODY;
  let virtualIf = false;
  if (cpu.virtual8086) {
    if (iopl(cpu) === 3) changeable |= IF;
    else {
      if ((cpu.cr4 & CR4.VME) === 0 || insn.operandSize !== 2) throw cpu.fault(VECTOR.GP, 0);
      virtualIf = true;
    }
  } else {
    if (cpu.cpl <= iopl(cpu)) changeable |= IF;
    if (cpu.cpl === 0) changeable |= IOPL;
  }
  const rsp = cpu.gpr[4]!;
  const image = Number(BigInt.asUintN(32, pop(cpu, insn.operandSize)));
  if (virtualIf && ((image & RFLAGS.TF) !== 0 || (image & IF) !== 0 && (flags & VIP) !== 0)) {
    cpu.gpr[4] = rsp;
    throw cpu.fault(VECTOR.GP, 0);
  }
  changeable &= width;
  let next = flags & ~changeable & ~RF | image & changeable;
  if (virtualIf) next = (image & IF) !== 0 ? next | VIF : next & ~VIF;
  cpu.eflags = next;
};

/** By key. */
export const FLAG_OPS: SystemOps = { cli, sti, pushf, popf };
