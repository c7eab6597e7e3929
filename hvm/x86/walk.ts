/**
 * Page-table walks that change nothing: where a linear address lies, for debuggers and diagnoses.
 *
 * Rights are not checked and no accessed or dirty bit is set. The engines' own walks are paging.ts and the hardware's.
 *
 * Sources: [SDM] Intel SDM vol. 3A, chapter 5.
 * @module
 */

import { CR0, CR4, EFER } from "./state.ts";

/** What a translation depends on; a `CpuState` has it. */
export interface WalkState {
  readonly cr0: bigint;
  readonly cr3: bigint;
  readonly cr4: bigint;
  readonly efer: bigint;
}

/** Reads 4 or 8 bytes of physical memory; undefined where there is none. */
export type ReadPhysical = (gpa: number, bytes: 4 | 8) => bigint | undefined;

/** Bits of an entry. [SDM] 5.5 */
const ENTRY = { PRESENT: 1n << 0n, LARGE: 1n << 7n } as const;
/** Bits 51 to 12. */
const FRAME = 0xffffffffff000n;
/** PDPT entries of PAE paging are found by bits 31 to 5 of CR3. [SDM] 5.4.1 */
const PDPT_MASK = 0xffffffe0n;
const LOW_32 = 0xffffffffn;

/** The physical address of a linear one, undefined when it is not mapped. */
export function linearToPhysical(state: WalkState, linear: bigint, read: ReadPhysical): number | undefined {
  const { cr0, cr3, cr4, efer } = state;
  const long = (efer & BigInt(EFER.LMA)) !== 0n;
  if ((cr0 & BigInt(CR0.PG)) === 0n) return Number(linear & LOW_32);
  if (long) {
    if (BigInt.asIntN(48, linear) !== BigInt.asIntN(64, linear)) return undefined;
    return walkWide(cr3 & FRAME, 4, linear, read);
  }
  const low = linear & LOW_32;
  if ((cr4 & BigInt(CR4.PAE)) !== 0n) {
    const entry = read(Number((cr3 & PDPT_MASK) + (low >> 30n) * 8n), 8);
    if (entry === undefined || (entry & ENTRY.PRESENT) === 0n) return undefined;
    return walkWide(entry & FRAME, 2, low, read);
  }
  return walkNarrow(cr3 & 0xfffff000n, low, { large: (cr4 & BigInt(CR4.PSE)) !== 0n, read });
}

/** Entries of 8 bytes, from a table of `level` down. [SDM] 5.4, 5.5 */
function walkWide(root: bigint, level: number, linear: bigint, read: ReadPhysical): number | undefined {
  let table = root;
  for (let at = level;; at--) {
    const shift = BigInt(12 + 9 * (at - 1));
    const entry = read(Number(table + (linear >> shift & 511n) * 8n), 8);
    if (entry === undefined || (entry & ENTRY.PRESENT) === 0n) return undefined;
    const leaf = at === 1 || at < 4 && (entry & ENTRY.LARGE) !== 0n;
    const inside = (1n << shift) - 1n;
    if (leaf) return Number((entry & FRAME & ~inside) | linear & inside);
    table = entry & FRAME;
  }
}

/** Entries of 4 bytes. [SDM] 5.3 */
function walkNarrow(
  root: bigint,
  linear: bigint,
  { large, read }: { readonly large: boolean; readonly read: ReadPhysical },
): number | undefined {
  const directory = read(Number(root + (linear >> 22n) * 4n), 4);
  if (directory === undefined || (directory & ENTRY.PRESENT) === 0n) return undefined;
  if (large && (directory & ENTRY.LARGE) !== 0n) {
    return Number(directory & 0xffc00000n | (directory >> 13n & 0xffn) << 32n | linear & 0x3fffffn);
  }
  const entry = read(Number((directory & 0xfffff000n) + (linear >> 12n & 1023n) * 4n), 4);
  if (entry === undefined || (entry & ENTRY.PRESENT) === 0n) return undefined;
  return Number(entry & 0xfffff000n | linear & 0xfffn);
}
