/**
 * The processor state each boot protocol demands, and the tables in guest memory it rests on.
 *
 * Sources: [PVH] Xen docs/misc/pvh.pandoc, "x86/HVM direct boot ABI"; [BOOT] Linux Documentation/arch/x86/boot.rst, "32-bit
 * boot protocol" and "64-bit boot protocol"; [MB1] Multiboot Specification 0.6.96, 3.2; [SDM] Intel SDM vol. 3A, 3.4.5
 * (descriptors), 4.5 (paging), 9.8.5 (long mode).
 * @module
 */

import { FOUR_GIB, GIB, MIB, PAGE_SIZE } from "../hvm/base/addr.ts";
import type { GuestMemory } from "../hvm/base/memory.ts";
import {
  type CpuState,
  CR0,
  CR4,
  EFER,
  flatSegment,
  GPR,
  realModeSegment,
  resetState,
  RFLAGS,
  SEGMENT_TYPE,
  type SegmentState,
  systemSegment,
} from "../hvm/x86/state.ts";
import type { Placement } from "./placement.ts";

/** Linux's __BOOT_CS and __BOOT_DS, and a selector for the task state segment. [BOOT] */
const SELECTOR = { CODE: 0x10, DATA: 0x18, TASK: 0x20 } as const;

/** Descriptors: flat, 4 KiB granularity, present, ring 0. [SDM] figure 3-8 */
const DESCRIPTOR = {
  CODE32: 0x00cf9b000000ffffn,
  CODE64: 0x00af9b000000ffffn,
  DATA: 0x00cf93000000ffffn,
} as const;

/** Byte limit of a 32-bit TSS. [PVH] */
const TSS_LIMIT = 0x67;
const STACK_SIZE = PAGE_SIZE;

/** A local descriptor table that is not there. */
function noLocalTable(): SegmentState {
  return { ...systemSegment(0, SEGMENT_TYPE.LDT, 0n, 0), present: false, unusable: true };
}

/** 32-bit protected mode, paging off, flat segments: what [PVH], [BOOT] and [MB1] share. */
function protectedState(entry: number): CpuState {
  const data = () => flatSegment(SELECTOR.DATA, SEGMENT_TYPE.DATA_RW_ACCESSED);
  const state = resetState();
  state.gpr.fill(0n);
  return {
    ...state,
    rip: BigInt(entry),
    rflags: BigInt(RFLAGS.ALWAYS_ONE),
    cs: flatSegment(SELECTOR.CODE, SEGMENT_TYPE.CODE_XR_ACCESSED),
    ds: data(),
    es: data(),
    fs: data(),
    gs: data(),
    ss: data(),
    tr: systemSegment(SELECTOR.TASK, SEGMENT_TYPE.TSS_BUSY, 0n, TSS_LIMIT),
    ldt: noLocalTable(),
    gdt: { base: 0n, limit: 0 },
    idt: { base: 0n, limit: 0 },
    cr0: BigInt(CR0.PE | CR0.ET),
  };
}

/** PVH: EBX holds the start info; CR0 has PE alone (ET cannot be cleared), CR4 is 0; no tables of ours. [PVH] */
export function pvhState(entry: number, startInfo: number): CpuState {
  const state = protectedState(entry);
  state.gpr[GPR.RBX] = BigInt(startInfo);
  return state;
}

/** Multiboot: EAX and EBX as [MB1] 3.2 says. */
export function multibootState(entry: number, magic: number, info: number): CpuState {
  const state = protectedState(entry);
  state.gpr[GPR.RAX] = BigInt(magic);
  state.gpr[GPR.RBX] = BigInt(info);
  return state;
}

/** Linux's 32-bit entry: ESI holds the boot parameters; EBP, EDI and EBX are zero; a GDT with the boot selectors. [BOOT] */
export function linux32State(
  entry: number,
  { bootParams, gdt, stack }: { bootParams: number; gdt: number; stack: number },
): CpuState {
  const state = protectedState(entry);
  state.gpr[GPR.RSI] = BigInt(bootParams);
  state.gpr[GPR.RSP] = BigInt(stack);
  state.gdt = { base: BigInt(gdt), limit: GDT_LENGTH - 1 };
  return state;
}

/** Linux's 64-bit entry: RSI holds the boot parameters, all below 4 GiB is mapped to itself. [BOOT] */
export function linux64State(
  entry: number,
  { bootParams, gdt, stack, pageTables }: {
    bootParams: number;
    gdt: number;
    stack: number;
    pageTables: number;
  },
): CpuState {
  const state = linux32State(entry, { bootParams, gdt, stack });
  return {
    ...state,
    cs: flatSegment(SELECTOR.CODE, SEGMENT_TYPE.CODE_XR_ACCESSED, { long: true }),
    cr0: BigInt(CR0.PE | CR0.ET) | BigInt(CR0.PG),
    cr3: BigInt(pageTables),
    cr4: BigInt(CR4.PAE),
    efer: BigInt(EFER.LME | EFER.LMA),
  };
}

/**
 * Real mode at `address`: below 64 KiB in segment 0, as a BIOS enters a boot sector (stack below it, DL the first hard
 * disk); above in a segment of its own with all of that segment's 64 KiB, so that the stack is at its top.
 */
export function realModeState(address: number): CpuState {
  const state = resetState();
  const low = address < 0x10000;
  const selector = low ? 0 : address >>> 4;
  state.gpr.fill(0n);
  state.gpr[GPR.RDX] = 0x80n;
  state.gpr[GPR.RSP] = low ? BigInt(address) : 0n;
  const data = () => realModeSegment(selector);
  return {
    ...state,
    rip: BigInt(low ? address : address & 0xf),
    cs: realModeSegment(selector, SEGMENT_TYPE.CODE_XR_ACCESSED),
    ds: data(),
    es: data(),
    fs: data(),
    gs: data(),
    ss: data(),
    idt: { base: 0n, limit: 0x3ff },
    cr0: BigInt(CR0.ET),
  };
}

const GDT_LENGTH = 48;

/** Puts a descriptor table with the boot selectors into guest memory. @returns its address. */
export function placeGdt(placement: Placement, memory: GuestMemory, options: { long: boolean }): number {
  const base = placement.place("descriptor table", GDT_LENGTH, { align: 16, below: FOUR_GIB });
  // The task segment takes two slots in long mode; its base is 0, so both tables look alike.
  const task = 0x00008b0000000000n | BigInt(TSS_LIMIT);
  const code = options.long ? DESCRIPTOR.CODE64 : DESCRIPTOR.CODE32;
  memory.load(base, new Uint8Array(BigUint64Array.of(0n, 0n, code, DESCRIPTOR.DATA, task, 0n).buffer));
  return base;
}

/** A page of stack for code that expects one. @returns its top. */
export function placeStack(placement: Placement): number {
  return placement.place("stack", STACK_SIZE, { align: 16, below: FOUR_GIB }) + STACK_SIZE;
}

/** Page-table bits. [SDM] 4.5.4 */
const PTE = { PRESENT: 1, WRITABLE: 2, LARGE: 0x80 } as const;
const LARGE_PAGE = 2 * MIB;
const MAPPED_GIB = 4;

/**
 * Maps the first 4 GiB to themselves with 2 MiB pages (which every x86-64 processor has; 1 GiB pages it may not).
 * @returns the address of the top table.
 */
export function placePageTables(placement: Placement, memory: GuestMemory): number {
  const base = placement.place("page tables", (2 + MAPPED_GIB) * PAGE_SIZE, {
    align: PAGE_SIZE,
    below: FOUR_GIB,
  });
  const tables = new BigUint64Array((2 + MAPPED_GIB) * 512);
  const link = BigInt(PTE.PRESENT | PTE.WRITABLE);
  tables[0] = BigInt(base + PAGE_SIZE) | link;
  for (let i = 0; i < MAPPED_GIB; i++) tables[512 + i] = BigInt(base + (2 + i) * PAGE_SIZE) | link;
  for (let i = 0; i < MAPPED_GIB * GIB / LARGE_PAGE; i++) {
    tables[1024 + i] = BigInt(i * LARGE_PAGE) | link | BigInt(PTE.LARGE);
  }
  memory.load(base, new Uint8Array(tables.buffer));
  return base;
}
