/**
 * Which values the APIC's MSRs take: x2APIC registers with their writable bits, and the mode changes of
 * IA32_APIC_BASE. Everything else takes #GP.
 *
 * Sources: [SDM] Intel SDM vol. 3A, 11.12.1 (table 11-6), 11.12.1.3 (reserved bits), 11.12.5 (mode changes).
 * @module
 */

import { APIC_BASE, DIVIDE_WRITABLE, ICR_WRITABLE, LAPIC_REG, LVT, LVT_ENTRIES, SVR } from "./lapic_regs.ts";

/** Bits that are read only in an LVT entry: writing them is no error. */
const LVT_READ_ONLY = LVT.STATUS | LVT.REMOTE_IRR;

/** True when the MSR of this register offset can be read. */
export function isX2apicReadable(offset: number): boolean {
  switch (offset) {
    case LAPIC_REG.ID:
    case LAPIC_REG.VERSION:
    case LAPIC_REG.TPR:
    case LAPIC_REG.PPR:
    case LAPIC_REG.LDR:
    case LAPIC_REG.SVR:
    case LAPIC_REG.ESR:
    case LAPIC_REG.ICR_LOW:
    case LAPIC_REG.INITIAL_COUNT:
    case LAPIC_REG.CURRENT_COUNT:
    case LAPIC_REG.DIVIDE:
      return true;
  }
  return (offset >= LAPIC_REG.ISR && offset < LAPIC_REG.ESR) || isLvt(offset);
}

/**
 * True when `value` may be written to the MSR of this register offset.
 * @param lvtWritable the writable bits of each LVT entry.
 */
export function checkX2apicWrite(offset: number, value: bigint, lvtWritable: readonly number[]): boolean {
  const allowed = writableBits(offset, lvtWritable);
  return allowed >= 0n && value >= 0n && (value & ~allowed) === 0n;
}

/** The bits that may be set, -1 when the register cannot be written. */
function writableBits(offset: number, lvtWritable: readonly number[]): bigint {
  switch (offset) {
    case LAPIC_REG.TPR:
      return 0xffn;
    case LAPIC_REG.EOI:
    case LAPIC_REG.ESR:
      return 0n;
    case LAPIC_REG.SVR:
      return BigInt(SVR.VECTOR | SVR.ENABLE | SVR.SUPPRESS_EOI);
    case LAPIC_REG.ICR_LOW:
      return 0xffffffff_00000000n | BigInt(ICR_WRITABLE);
    case LAPIC_REG.INITIAL_COUNT:
      return 0xffffffffn;
    case LAPIC_REG.DIVIDE:
      return BigInt(DIVIDE_WRITABLE);
    case LAPIC_REG.SELF_IPI:
      return 0xffn;
  }
  if (isLvt(offset)) return BigInt(lvtWritable[(offset - LAPIC_REG.LVT_TIMER) / 16]! | LVT_READ_ONLY);
  return -1n;
}

function isLvt(offset: number): boolean {
  return offset >= LAPIC_REG.LVT_TIMER && offset < LAPIC_REG.LVT_TIMER + 16 * LVT_ENTRIES;
}

/**
 * True when IA32_APIC_BASE may be written with `value`: disabled to xAPIC, xAPIC to x2APIC, and from both to disabled.
 * [SDM] figure 11-27
 * @param flags its flags as they are.
 * @param can whether there is x2APIC mode, and how wide physical addresses are.
 */
export function checkApicBase(
  flags: number,
  value: bigint,
  can: { x2apic: boolean; physicalBits: number },
): boolean {
  const known = APIC_BASE.BSP | APIC_BASE.X2APIC | APIC_BASE.ENABLE;
  const wanted = Number(value & 0xfffn);
  if (value < 0n || value >> BigInt(can.physicalBits) !== 0n || (wanted & ~known) !== 0) return false;
  const mode = flags & (APIC_BASE.X2APIC | APIC_BASE.ENABLE);
  switch (wanted & (APIC_BASE.X2APIC | APIC_BASE.ENABLE)) {
    case 0:
      return true;
    case APIC_BASE.ENABLE:
      return (mode & APIC_BASE.X2APIC) === 0;
    case APIC_BASE.X2APIC | APIC_BASE.ENABLE:
      return can.x2apic && mode !== 0;
    default:
      return false;
  }
}
