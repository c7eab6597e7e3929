/**
 * Port I/O, with the checks of IOPL and the task's permission map.
 *
 * Sources: [SDM] Intel SDM vol. 2, IN, INS, OUT, OUTS; vol. 1, 19.5 (protection).
 * @module
 */

import { type Cpu, SEGMENT, type SystemOp, type SystemOps } from "../cpu.ts";
import { type Insn, OPERAND, operandKind } from "../insn.ts";
import { getGpr, linearOf, readOperand, writeOperand } from "../operands.ts";
import { GPR, RFLAGS } from "../state.ts";
import { CPU } from "./cpu_memory.ts";
import { VECTOR } from "./sem.ts";
import { advance, repeatUnits } from "./string_checked.ts";

/** Where a 32-bit or 64-bit TSS has the offset of the permission map. */
const TSS_MAP_BASE = 0x66n;
const TSS_LEAST = 0x67;

type PortWidth = 1 | 2 | 4;

/** #GP(0) unless the ports may be touched. */
export function checkPort(cpu: Cpu, port: number, width: number): void {
  if (!cpu.protectedMode) return;
  const flags = cpu.cell32(CPU.EFLAGS);
  const v86 = (flags & RFLAGS.VM) !== 0;
  if (!v86 && cpu.cpl <= (flags >>> 12 & 3)) return;
  const bad = () => cpu.fault(VECTOR.GP, 0);
  const base = cpu.cell64(CPU.TR);
  const limit = cpu.cell32(CPU.TR + 8);
  const type = cpu.cell32(CPU.TR + 12) & 15;
  // 16-bit tasks have no map.
  if ((type & 8) === 0 || limit < TSS_LEAST) throw bad();
  const map = Number(cpu.readLinear(base + TSS_MAP_BASE, 2, true));
  const at = map + (port >> 3);
  // Two bytes are read always, so that unaligned accesses find all their bits.
  if (at + 1 > limit) throw bad();
  const bits = Number(cpu.readLinear(base + BigInt(at), 2, true)) >> (port & 7);
  if ((bits & (1 << width) - 1) !== 0) throw bad();
}

/** The port of operand `n`: DX or a byte. */
function portOf(cpu: Cpu, insn: Insn, n: number): number {
  if (operandKind(insn, n) === OPERAND.IMMEDIATE) return insn.imm & 0xff;
  return Number(getGpr(cpu, GPR.RDX, 2));
}

function unitWidth(insn: Insn, byteOpcode: boolean): PortWidth {
  return byteOpcode ? 1 : insn.operandSize === 2 ? 2 : 4;
}

const input: SystemOp = (cpu, insn) => {
  const width = unitWidth(insn, (insn.opcode & 1) === 0);
  const port = portOf(cpu, insn, 1);
  checkPort(cpu, port, width);
  writeOperand(cpu, insn, 0, BigInt(cpu.world.portRead(port, width) >>> 0));
};

const output: SystemOp = (cpu, insn) => {
  const width = unitWidth(insn, (insn.opcode & 1) === 0);
  const port = portOf(cpu, insn, 0);
  checkPort(cpu, port, width);
  cpu.world.portWrite(port, width, Number(BigInt.asUintN(width * 8, readOperand(cpu, insn, 1))));
};

/** INS and OUTS; a unit is done wholly or not at all. */
function strings(
  register: number,
  unit: (cpu: Cpu, insn: Insn, width: PortWidth, offset: bigint) => void,
): SystemOp {
  return (cpu, insn) => {
    const width = unitWidth(insn, (insn.opcode & 1) === 0);
    checkPort(cpu, Number(getGpr(cpu, GPR.RDX, 2)), width);
    repeatUnits(cpu, insn, () => {
      unit(cpu, insn, width, getGpr(cpu, register, insn.addressSize));
      advance(cpu, insn, register, width);
    });
  };
}

/** By key. */
export const PORT_IO: SystemOps = {
  in: input,
  out: output,
  ins: strings(GPR.RDI, (cpu, _insn, width, offset) => {
    const linear = linearOf(cpu, SEGMENT.ES, offset, width, true);
    cpu.probeLinear(linear, width, true);
    const value = cpu.world.portRead(Number(getGpr(cpu, GPR.RDX, 2)), width);
    cpu.writeLinear(linear, width, BigInt(value >>> 0));
  }),
  outs: strings(GPR.RSI, (cpu, insn, width, offset) => {
    const linear = linearOf(cpu, insn.segment, offset, width, false);
    const value = Number(cpu.readLinear(linear, width));
    cpu.world.portWrite(Number(getGpr(cpu, GPR.RDX, 2)), width, value);
  }),
};
