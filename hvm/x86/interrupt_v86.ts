/**
 * INT n of virtual-8086 code, and the redirection map of the virtual-8086 mode extensions.
 *
 * Sources: [SDM] Intel SDM vol. 3B, 22.3.3 (software interrupts), table 22-2; vol. 2, INT.
 * @module
 */

import { type Cpu, SEGMENT } from "./cpu.ts";
import { CPU } from "./exec/cpu_memory.ts";
import { VECTOR } from "./exec/sem.ts";
import { presentStack, writeFrame } from "./frame.ts";
import { CR4, GPR, RFLAGS } from "./state.ts";

/** Where a 32-bit TSS says where its I/O permission map begins; the redirection map is the 32 bytes before that. */
const IO_MAP_AT = 0x66;
const REDIRECTION_BYTES = 32;

/**
 * With VME and a clear bit in the redirection map an interrupt goes through the interrupt table of the task at linear 0;
 * else to the protected-mode handler if IOPL is 3, and #GP(0) if not.
 * @returns false when the protected-mode handler is to be called.
 */
export function virtualInterrupt(cpu: Cpu, vector: number): boolean {
  const flags = cpu.eflags;
  const iopl = flags >>> 12 & 3;
  const own = (cpu.cr4 & CR4.VME) !== 0 && !redirected(cpu, vector);
  if (own) enterTable(cpu, vector, flags);
  else if (iopl < 3) throw cpu.fault(VECTOR.GP, 0);
  return own;
}

/** As real mode would; with less than IOPL 3 VIF stands for IF. */
function enterTable(cpu: Cpu, vector: number, flags: number): void {
  const virtual = (flags >>> 12 & 3) < 3;
  const entry = Number(cpu.readLinear(BigInt(vector * 4), 4));
  let image = flags & 0xffff;
  if (virtual) image = image & ~RFLAGS.IF | RFLAGS.IOPL | ((flags & RFLAGS.VIF) !== 0 ? RFLAGS.IF : 0);
  const values = [BigInt(image), BigInt(cpu.selector(SEGMENT.CS)), cpu.rip];
  const pointer = writeFrame(cpu, presentStack(cpu), 2, values);
  cpu.gpr[GPR.RSP] = pointer;
  const selector = entry >>> 16;
  const attr = cpu.segAttr(SEGMENT.CS);
  cpu.setSegment(SEGMENT.CS, selector, BigInt(selector << 4), cpu.segLimit(SEGMENT.CS), attr);
  cpu.rip = BigInt(entry & 0xffff);
  const cleared = RFLAGS.TF | RFLAGS.AC | RFLAGS.RF | (virtual ? RFLAGS.VIF : RFLAGS.IF);
  cpu.eflags = flags & ~cleared;
}

/** Whether the task's map sends an interrupt to the protected-mode handler. */
function redirected(cpu: Cpu, vector: number): boolean {
  const base = cpu.cell64(CPU.TR);
  const limit = cpu.cell32(CPU.TR + 8);
  if (limit < IO_MAP_AT + 1) throw cpu.fault(VECTOR.GP, 0);
  const map = Number(cpu.readLinear(base + BigInt(IO_MAP_AT), 2, true)) - REDIRECTION_BYTES + (vector >> 3);
  if (map < 0 || map > limit) throw cpu.fault(VECTOR.GP, 0);
  return (Number(cpu.readLinear(base + BigInt(map), 1, true)) >> (vector & 7) & 1) !== 0;
}
