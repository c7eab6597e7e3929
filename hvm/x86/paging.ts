/**
 * From linear to physical: page walks of every mode with access checks and accessed and dirty bits, the TLB, and access
 * to memory by linear address.
 *
 * Sources: [SDM] Intel SDM vol. 3A, chapter 5 (4.x in older editions): 5.3 to 5.5 (formats), 5.6 (access rights), 5.7
 * (page-fault error codes), 5.8 (accessed and dirty flags), 5.10 (caching).
 * @module
 */

import type { DataBreakpoints } from "./debug_data.ts";
import { CPU, PLACE, TLB } from "./exec/cpu_memory.ts";
import { VECTOR } from "./exec/sem.ts";
import { CR0, CR4, EFER, RFLAGS } from "./state.ts";
import type { World } from "./world.ts";

/** Bits of entries. */
const P = 1 << 0;
const RW = 1 << 1;
const US = 1 << 2;
const A = 1 << 5;
const D = 1 << 6;
const PS = 1 << 7;
/** In the high dword: execution is disabled. */
const NX_HIGH = 1 << 31;

/** Page-fault error codes. [SDM] figure 5-12 */
export const PF = { PRESENT: 1, WRITE: 2, USER: 4, RESERVED: 8, FETCH: 16 } as const;

/** Kinds of access. */
export const ACCESS_KIND = { READ: 0, WRITE: 1, FETCH: 2 } as const;

/** Physical addresses have this many bits. */
export const PHYSICAL_BITS = 40;
/** Bits of an entry's high dword that must be zero: beyond the physical address, below 52. */
const RESERVED_HIGH = 0x000fffff & ~(2 ** (PHYSICAL_BITS - 32) - 1);
const FOUR_GIB = 0x1_0000_0000;

/** Fields of a TLB entry, in 32-bit words. */
const READ_TAG = TLB.READ >> 2;
const WRITE_TAG = TLB.WRITE >> 2;
const FETCH_TAG = TLB.FETCH >> 2;
const ADDEND = TLB.ADDEND >> 2;
const TAGS = [READ_TAG, WRITE_TAG, FETCH_TAG];

/** No page: differs from every page address. */
const NONE = 1n;

/** What translation reads of its processor. */
export interface TranslatedCpu {
  readonly world: World;
  readonly debug: { readonly data: DataBreakpoints };
  readonly u32: Uint32Array;
  readonly u64: BigUint64Array;
  readonly cr0: number;
  readonly cr4: number;
  readonly efer: number;
  readonly cpl: number;
  readonly longMode: boolean;
  readonly code64: boolean;
  cell32(offset: number): number;
  setCell64(offset: number, value: bigint): void;
  /** What to throw to raise an exception. */
  fault(vector: number, code: number): unknown;
  /** Code at linear addresses may be other code now. */
  newGeneration(): void;
}

/** Translation for one processor. */
export class Paging {
  readonly #cpu: TranslatedCpu;
  /** Results of the last walk. */
  #page = 0;
  #writable = false;
  #userPage = false;
  #executable = false;
  #dirty = false;

  constructor(cpu: TranslatedCpu) {
    this.#cpu = cpu;
  }

  /** Whether an address is canonical. Four levels: bits 63 to 47 alike. */
  static canonical(linear: bigint): boolean {
    return BigInt.asIntN(48, linear) === BigInt.asIntN(64, linear);
  }

  /**
   * The physical address of a linear one.
   * @param supervisor an implicit access of the processor's, whatever CPL is.
   * Throws a GuestFault.
   */
  translate(linear: bigint, kind: number, supervisor = false): number {
    const low = Number(BigInt.asUintN(32, linear));
    const high = Number(BigInt.asUintN(32, linear >> 32n));
    this.#check(linear, low, high, kind, supervisor);
    return this.#page + (low & 0xfff);
  }

  /** Walks and checks; the page is in `#page`. */
  #check(linear: bigint, low: number, high: number, kind: number, supervisor: boolean): void {
    const cpu = this.#cpu;
    const cr0 = cpu.cr0;
    if ((cr0 & CR0.PG) === 0) {
      this.#page = low - (low & 0xfff);
      this.#writable =
        this.#userPage =
        this.#executable =
        this.#dirty =
          true;
      return;
    }
    const user = !supervisor && cpu.cpl === 3;
    if (cpu.longMode && !Paging.canonical(linear)) throw cpu.fault(VECTOR.GP, 0);
    const failure = this.#walk(low, high, kind, user, supervisor);
    if (failure < 0) return;
    let code = failure | (user ? PF.USER : 0);
    if (kind === ACCESS_KIND.WRITE) code |= PF.WRITE;
    const tellsFetch = (cpu.cr4 & CR4.SMEP) !== 0 || (cpu.cr4 & CR4.PAE) !== 0 && (cpu.efer & EFER.NXE) !== 0;
    if (kind === ACCESS_KIND.FETCH && tellsFetch) code |= PF.FETCH;
    cpu.setCell64(CPU.CR2, linear);
    throw cpu.fault(VECTOR.PF, code);
  }

  /** @returns -1, or the PRESENT and RESERVED bits of the error code. */
  #walk(low: number, high: number, kind: number, user: boolean, implicit: boolean): number {
    const cpu = this.#cpu;
    const cr4 = cpu.cr4;
    const long = cpu.longMode;
    const pae = (cr4 & CR4.PAE) !== 0;
    const nxe = (cpu.efer & EFER.NXE) !== 0;
    const wide = long || pae;
    let table: number;
    let writable = true;
    let userPage = true;
    let executable = true;
    const cr3 = cpu.u32[CPU.CR3 >> 2]!;
    let level: number;
    if (long) {
      table = (cr3 & 0xfffff000) >>> 0;
      table += (cpu.u32[(CPU.CR3 >> 2) + 1]! & 0xff) * FOUR_GIB;
      level = 4;
    } else if (pae) {
      const pdpte = ((cr3 & 0xffffffe0) >>> 0) + (low >>> 30) * 8;
      const entryLow = this.#read32(pdpte);
      const entryHigh = this.#read32(pdpte + 4);
      if ((entryLow & P) === 0) return 0;
      if ((entryHigh & ~(2 ** (PHYSICAL_BITS - 32) - 1)) !== 0 || (entryLow & 0x1e6) !== 0) {
        return PF.PRESENT | PF.RESERVED;
      }
      table = ((entryLow & 0xfffff000) >>> 0) + (entryHigh & 0xff) * FOUR_GIB;
      level = 2;
    } else {
      table = (cr3 & 0xfffff000) >>> 0;
      level = 2;
    }
    for (;; level--) {
      const index = wide
        ? level === 4
          ? high >>> 7 & 511
          : level === 3
          ? (high << 2 | low >>> 30) & 511
          : level === 2
          ? low >>> 21 & 511
          : low >>> 12 & 511
        : level === 2
        ? low >>> 22
        : low >>> 12 & 1023;
      const at = table + index * (wide ? 8 : 4);
      let entry = this.#read32(at);
      const entryHigh = wide ? this.#read32(at + 4) : 0;
      if ((entry & P) === 0) return 0;
      const large = level > 1 && (entry & PS) !== 0 && (wide || (cr4 & CR4.PSE) !== 0);
      if (wide) {
        let reserved = (entryHigh & RESERVED_HIGH) !== 0 || (entryHigh & NX_HIGH) !== 0 && !nxe;
        if (level === 4 && (entry & PS) !== 0) reserved = true;
        if (large && level === 3 && (entry & 0x3fffe000) !== 0) reserved = true;
        if (large && level === 2 && (entry & 0x1fe000) !== 0) reserved = true;
        if (reserved) return PF.PRESENT | PF.RESERVED;
      } else if (large && (entry & 0x3fe000) >>> 13 >= 2 ** (PHYSICAL_BITS - 32) && PHYSICAL_BITS < 40) {
        return PF.PRESENT | PF.RESERVED;
      }
      writable &&= (entry & RW) !== 0;
      userPage &&= (entry & US) !== 0;
      executable &&= (entryHigh & NX_HIGH) === 0;
      const leaf = large || level === 1;
      if (!leaf) {
        if ((entry & A) === 0) this.#write32(at, entry | A);
        table = ((entry & 0xfffff000) >>> 0) + (wide ? (entryHigh & 0xff) * FOUR_GIB : 0);
        continue;
      }
      if (!this.#allowed(kind, user, implicit, writable, userPage, executable)) return PF.PRESENT;
      const marks = A | (kind === ACCESS_KIND.WRITE ? D : 0);
      if ((entry & marks) !== marks) this.#write32(at, entry |= marks);
      this.#dirty = (entry & D) !== 0;
      this.#writable = writable;
      this.#userPage = userPage;
      this.#executable = executable;
      if (!large) {
        this.#page = ((entry & 0xfffff000) >>> 0) + (wide ? (entryHigh & 0xff) * FOUR_GIB : 0);
      } else if (!wide) {
        this.#page = ((entry & 0xffc00000) >>> 0) + (entry >>> 13 & 0xff) * FOUR_GIB + (low & 0x3ff000);
      } else if (level === 2) {
        this.#page = ((entry & 0xffe00000) >>> 0) + (entryHigh & 0xff) * FOUR_GIB + (low & 0x1ff000);
      } else {
        this.#page = ((entry & 0xc0000000) >>> 0) + (entryHigh & 0xff) * FOUR_GIB + (low & 0x3ffff000);
      }
      return -1;
    }
  }

  /** [SDM] 5.6.1 */
  #allowed(
    kind: number,
    user: boolean,
    implicit: boolean,
    writable: boolean,
    userPage: boolean,
    executable: boolean,
  ): boolean {
    const cpu = this.#cpu;
    const cr4 = cpu.cr4;
    if (user) {
      if (!userPage) return false;
      if (kind === ACCESS_KIND.WRITE) return writable;
      return kind === ACCESS_KIND.READ || executable;
    }
    if (kind === ACCESS_KIND.FETCH) return executable && !(userPage && (cr4 & CR4.SMEP) !== 0);
    if (userPage && (cr4 & CR4.SMAP) !== 0) {
      // Implicit accesses are never excused by AC.
      if (implicit && cpu.cpl === 3 || (cpu.cell32(CPU.EFLAGS) & RFLAGS.AC) === 0) return false;
    }
    return kind === ACCESS_KIND.READ || writable || (cpu.cr0 & CR0.WP) === 0;
  }

  // ---- the TLB ----------------------------------------------------------------------------------------------------

  /**
   * Translates for an explicit access at the current privilege, and fills the TLB entry if the page is RAM.
   * @returns the physical address. Throws a GuestFault.
   */
  fill(linear: bigint, kind: number): number {
    const cpu = this.#cpu;
    const low = Number(linear & 0xffffffffn);
    const high = Number(linear >> 32n);
    this.#check(linear, low, high, kind, false);
    const physical = this.#page + (low & 0xfff);
    const offset = cpu.world.ramOffset(this.#page);
    if (offset < 0) return physical;
    // Accesses near a data breakpoint come here each time.
    const { data } = cpu.debug;
    if (data.watching && kind !== ACCESS_KIND.FETCH && data.watchesPage(linear)) return physical;
    const entry = this.#entryOf(low);
    const { u32 } = cpu;
    const page = (low & 0xfffff000) >>> 0;
    // An entry serves one page: rights of another are no rights of this one.
    for (const field of TAGS) {
      if (u32[entry + field] !== page || u32[entry + field + 1] !== high) {
        u32[entry + field] = 1;
        u32[entry + field + 1] = 0;
      }
    }
    const set = (field: number) => {
      u32[entry + field] = page;
      u32[entry + field + 1] = high;
    };
    // The difference of two 64-bit numbers, by halves.
    const below = offset % FOUR_GIB;
    u32[entry + ADDEND] = below - page;
    u32[entry + ADDEND + 1] = Math.floor(offset / FOUR_GIB) - high - (below < page ? 1 : 0);
    if (kind === ACCESS_KIND.FETCH) set(FETCH_TAG);
    else {
      set(READ_TAG);
      if (kind === ACCESS_KIND.WRITE && !cpu.world.hasCode(offset / 4096)) set(WRITE_TAG);
    }
    return physical;
  }

  /** Where the TLB says an address can be fetched from, as an offset into RAM; -1 when it does not say. */
  fetchOffset(linear: bigint): number {
    const { u32 } = this.#cpu;
    const low = Number(linear & 0xffffffffn);
    const high = Number(linear >> 32n);
    const entry = this.#entryOf(low);
    const page = (low & 0xfffff000) >>> 0;
    if (u32[entry + FETCH_TAG] !== page || u32[entry + FETCH_TAG + 1] !== high) return -1;
    const sum = low + u32[entry + ADDEND]!;
    const carry = sum >= FOUR_GIB ? 1 : 0;
    const upper = (high + u32[entry + ADDEND + 1]! + carry) % FOUR_GIB;
    return upper * FOUR_GIB + (sum - carry * FOUR_GIB);
  }

  /** The entry of an address in the TLB in force, counted in 32-bit words. */
  #entryOf(low: number): number {
    const at = this.#cpu.cell32(CPU.TLB_BASE) + ((low >>> 12) & TLB.ENTRIES - 1) * TLB.ENTRY_BYTES;
    return at >> 2;
  }

  /** Forgets everything. */
  flush(): void {
    const { u64 } = this.#cpu;
    const first = PLACE.TLB >> 3;
    u64.fill(NONE, first, first + 3 * TLB.ENTRIES * TLB.ENTRY_BYTES / 8);
    this.#cpu.newGeneration();
  }

  /** Forgets one page. Large pages are held piece by piece, so all pieces of one must go: then everything is forgotten. */
  invalidate(linear: bigint): void {
    const { u64 } = this.#cpu;
    const low = Number(BigInt.asUintN(32, linear));
    for (let table = 0; table < 3; table++) {
      const entry = PLACE.TLB + table * TLB.ENTRIES * TLB.ENTRY_BYTES +
        (low >>> 12 & TLB.ENTRIES - 1) * TLB.ENTRY_BYTES;
      u64.fill(NONE, entry >> 3, (entry + TLB.ENTRY_BYTES) >> 3);
    }
    this.#cpu.newGeneration();
  }

  /** Takes away the right to write quickly to a page of RAM: code was decoded from it. */
  protect(offset: number): void {
    const { u32 } = this.#cpu;
    const end = (PLACE.TLB + 3 * TLB.ENTRIES * TLB.ENTRY_BYTES) >> 2;
    // Low halves tell: an entry too many that loses the right gets it back at the next write.
    const wanted = offset | 0;
    for (let entry = PLACE.TLB >> 2; entry < end; entry += TLB.ENTRY_BYTES >> 2) {
      if ((u32[entry + WRITE_TAG]! + u32[entry + ADDEND]! | 0) !== wanted) continue;
      u32[entry + WRITE_TAG] = 1;
      u32[entry + WRITE_TAG + 1] = 0;
    }
  }

  // ---- access by linear address -------------------------------------------------------------------------------------

  read(linear: bigint, bytes: number, supervisor: boolean): bigint {
    const inPage = Number(linear & 0xfffn);
    if (inPage + bytes <= 4096) {
      return this.readPhysical(this.translate(linear, ACCESS_KIND.READ, supervisor), bytes);
    }
    const first = 4096 - inPage;
    const a = this.translate(linear, ACCESS_KIND.READ, supervisor);
    const b = this.translate(this.#next(linear, first), ACCESS_KIND.READ, supervisor);
    let value = 0n;
    for (let i = 0; i < bytes; i++) {
      const at = i < first ? a + i : b + i - first;
      value |= this.readPhysical(at, 1) << BigInt(8 * i);
    }
    return value;
  }

  write(linear: bigint, bytes: number, value: bigint, supervisor: boolean): void {
    const inPage = Number(linear & 0xfffn);
    if (inPage + bytes <= 4096) {
      return this.writePhysical(this.translate(linear, ACCESS_KIND.WRITE, supervisor), bytes, value);
    }
    const first = 4096 - inPage;
    const a = this.translate(linear, ACCESS_KIND.WRITE, supervisor);
    const b = this.translate(this.#next(linear, first), ACCESS_KIND.WRITE, supervisor);
    for (let i = 0; i < bytes; i++) {
      const at = i < first ? a + i : b + i - first;
      this.writePhysical(at, 1, value >> BigInt(8 * i) & 0xffn);
    }
  }

  probe(linear: bigint, bytes: number, write: boolean, supervisor: boolean): void {
    const kind = write ? ACCESS_KIND.WRITE : ACCESS_KIND.READ;
    this.translate(linear, kind, supervisor);
    const inPage = Number(linear & 0xfffn);
    for (let at = 4096 - inPage; at < bytes; at += 4096) {
      this.translate(this.#next(linear, at), kind, supervisor);
    }
  }

  /** Linear addresses wrap at 4 GiB outside 64-bit code. */
  #next(linear: bigint, by: number): bigint {
    const next = linear + BigInt(by);
    return this.#cpu.code64 ? BigInt.asUintN(64, next) : BigInt.asUintN(32, next);
  }

  /** Reads 1, 2, 4 or 8 bytes of one physical page. */
  readPhysical(physical: number, bytes: number): bigint {
    const { world } = this.#cpu;
    const offset = world.ramOffset(physical);
    if (offset >= 0) {
      const { ram } = world;
      let value = 0n;
      for (let i = bytes - 1; i >= 0; i--) value = value << 8n | BigInt(ram[offset + i]!);
      return value;
    }
    if (bytes < 8) return BigInt(world.mmioRead(physical, bytes as 1 | 2 | 4));
    return BigInt(world.mmioRead(physical, 4)) | BigInt(world.mmioRead(physical + 4, 4)) << 32n;
  }

  writePhysical(physical: number, bytes: number, value: bigint): void {
    const { world } = this.#cpu;
    const offset = world.ramOffset(physical);
    if (offset >= 0) {
      const { ram } = world;
      for (let i = 0; i < bytes; i++) ram[offset + i] = Number(value >> BigInt(8 * i) & 0xffn);
      if (world.hasCode(Math.floor(offset / 4096))) world.codeWritten(offset, bytes);
      return;
    }
    const low = Number(BigInt.asUintN(32, value));
    if (bytes < 8) return world.mmioWrite(physical, bytes as 1 | 2 | 4, low);
    world.mmioWrite(physical, 4, low);
    world.mmioWrite(physical + 4, 4, Number(BigInt.asUintN(32, value >> 32n)));
  }

  #read32(physical: number): number {
    const offset = this.#cpu.world.ramOffset(physical);
    if (offset < 0) return this.#cpu.world.mmioRead(physical, 4);
    const { ram } = this.#cpu.world;
    return ram[offset]! | ram[offset + 1]! << 8 | ram[offset + 2]! << 16 | ram[offset + 3]! << 24;
  }

  #write32(physical: number, value: number): void {
    this.writePhysical(physical, 4, BigInt(value >>> 0));
  }
}
