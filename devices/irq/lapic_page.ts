/**
 * A local APIC's state as a page of registers, the form in which KVM gives and takes its in-kernel APIC's
 * (KVM_GET_LAPIC, KVM_SET_LAPIC): 1 KiB, each register's 32 bits at its memory offset.
 *
 * What the page has no place for (IA32_APIC_BASE, IA32_TSC_DEADLINE, events, pins) travels beside it.
 *
 * Sources: [SDM] Intel SDM vol. 3A, table 11-1; [KVM] Linux Documentation/virt/kvm/api.rst, 4.57 and 4.58 (the
 * identification of x2APIC mode), KVM_CAP_X2APIC_API.
 * @module
 */

import {
  APIC_BASE,
  DIVIDE_WRITABLE,
  ICR_WRITABLE,
  LAPIC_PAGE_BYTES,
  LAPIC_REG,
  LAPIC_VERSION,
  LVT,
  LVT_ENTRIES,
  LVT_WRITABLE,
  SVR,
} from "./lapic_regs.ts";
import type { LapicState } from "./lapic_state.ts";

/** How identifications stand in the page. */
export interface PageFormat {
  readonly apicId: number;
  /** In x2APIC mode the ID register has all 32 bits (KVM_CAP_X2APIC_API); without it they stand in the top byte. */
  readonly wideIds: boolean;
}

/** What a state has that a page has not. */
export type BesidePage = Pick<
  LapicState,
  | "apicBase"
  | "lint0"
  | "lint1"
  | "nmiPending"
  | "initPending"
  | "extIntPending"
  | "sipiVector"
  | "waitingForSipi"
>;

/** A state as a page. */
export function lapicToPage(state: LapicState, format: PageFormat): Uint8Array<ArrayBuffer> {
  const page = new Uint8Array(LAPIC_PAGE_BYTES);
  const view = new DataView(page.buffer);
  const put = (offset: number, value: number) => view.setUint32(offset, value, true);
  const x2apic = (state.apicBase % 0x1000 & APIC_BASE.X2APIC) !== 0;
  const { apicId } = format;
  put(LAPIC_REG.ID, x2apic && format.wideIds ? apicId : apicId << 24);
  put(LAPIC_REG.VERSION, LAPIC_VERSION);
  put(LAPIC_REG.TPR, state.tpr);
  put(LAPIC_REG.PPR, priorityOf(state));
  put(LAPIC_REG.LDR, x2apic ? apicId >>> 4 << 16 | 1 << (apicId & 15) : state.ldr);
  put(LAPIC_REG.DFR, state.dfr << 28 | 0x0fffffff);
  put(LAPIC_REG.SVR, state.svr);
  for (let i = 0; i < 8; i++) {
    put(LAPIC_REG.ISR + 16 * i, state.isr[i]!);
    put(LAPIC_REG.TMR + 16 * i, state.tmr[i]!);
    put(LAPIC_REG.IRR + 16 * i, state.irr[i]!);
  }
  put(LAPIC_REG.ESR, state.esr);
  put(LAPIC_REG.ICR_LOW, state.icrLow);
  put(LAPIC_REG.ICR_HIGH, state.icrHigh);
  state.lvt.forEach((entry, i) => put(LAPIC_REG.LVT_TIMER + 16 * i, entry));
  put(LAPIC_REG.INITIAL_COUNT, state.timer.initialCount);
  put(LAPIC_REG.CURRENT_COUNT, state.timer.currentCount);
  put(LAPIC_REG.DIVIDE, state.timer.divide);
  return page;
}

/**
 * A page as a state its schema accepts; bits our APIC has not are left out.
 * @param page 1 KiB.
 * @param deadline IA32_TSC_DEADLINE.
 */
export function lapicFromPage(page: Uint8Array, beside: BesidePage, deadline: bigint): LapicState {
  const view = new DataView(page.buffer, page.byteOffset, LAPIC_PAGE_BYTES);
  const get = (offset: number) => view.getUint32(offset, true);
  const register = (first: number) =>
    Array.from({ length: 8 }, (_, i) => i === 0 ? (get(first) & 0xffff0000) >>> 0 : get(first + 16 * i));
  const x2apic = (beside.apicBase % 0x1000 & APIC_BASE.X2APIC) !== 0;
  const initialCount = get(LAPIC_REG.INITIAL_COUNT);
  return {
    ...beside,
    irr: register(LAPIC_REG.IRR),
    isr: register(LAPIC_REG.ISR),
    tmr: register(LAPIC_REG.TMR),
    tpr: get(LAPIC_REG.TPR) & 0xff,
    ldr: x2apic ? 0 : (get(LAPIC_REG.LDR) & 0xff000000) >>> 0,
    dfr: get(LAPIC_REG.DFR) >>> 28,
    svr: get(LAPIC_REG.SVR) & (SVR.VECTOR | SVR.ENABLE | SVR.SUPPRESS_EOI),
    esr: get(LAPIC_REG.ESR) & 0xff,
    errors: 0,
    icrLow: get(LAPIC_REG.ICR_LOW) & ICR_WRITABLE,
    icrHigh: get(LAPIC_REG.ICR_HIGH),
    lvt: Array.from(
      { length: LVT_ENTRIES },
      (_, i) => get(LAPIC_REG.LVT_TIMER + 16 * i) & (LVT_WRITABLE[i]! | LVT.REMOTE_IRR),
    ),
    timer: {
      initialCount,
      currentCount: Math.min(get(LAPIC_REG.CURRENT_COUNT), initialCount),
      phaseNs: 0,
      divide: get(LAPIC_REG.DIVIDE) & DIVIDE_WRITABLE,
      deadlineLow: Number(deadline & 0xffffffffn),
      deadlineHigh: Number(deadline >> 32n & 0xffffffffn),
    },
  };
}

/** The processor priority register. [SDM] 11.8.3.1 */
function priorityOf(state: LapicState): number {
  let serviced = 0;
  state.isr.forEach((word, i) => {
    if (word !== 0) serviced = i * 32 + 31 - Math.clz32(word) & 0xf0;
  });
  return state.tpr >= serviced ? state.tpr : serviced;
}
