/**
 * A processor of the soft engine alone, for tests: any mode, a little RAM, no devices.
 * @module
 */

import { Asm } from "../../testing/asm.ts";
import { type Cpu, RUN_EXIT, SEGMENT } from "../../x86/cpu.ts";
import { loadState, resetCpu } from "../../x86/cpu_state.ts";
import { ATTR, CPU } from "../../x86/exec/cpu_memory.ts";
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
  systemSegment,
} from "../../x86/state.ts";
import { compileInterpreter, type SoftModule } from "./module.ts";
import { type OuterWorld, SoftProcessor } from "./processor.ts";

const WASM_PAGE = 65536;
const RAM_PAGES = 32;
const BLOCK_CACHE_BYTES = 1 << 20;
/** Where things are in the rig's RAM. */
export const RIG = {
  /** Page tables. In long mode 512 GiB in one entry, of a 1 GiB page, identity; else 4 MiB of small pages, identity. */
  TABLES: 0x1000,
  IDT: 0x4000,
  GDT: 0x5000,
  TSS: 0x6000,
  /** A second TSS. */
  TASK: 0x6800,
  LDT: 0x7000,
  /** The page directory and table of {@linkcode WINDOW}. */
  WINDOW_DIRECTORY: 0x8000,
  WINDOW_TABLE: 0x9000,
  CODE: 0x10000,
  DATA: 0x20000,
  STACK: 0x40000,
  /** Where stacks of inner levels begin. */
  INNER_STACK: 0x48000,
  /** Each vector's handler is 16 bytes from here on. */
  HANDLERS: 0x50000,
} as const;
/** Linear addresses whose pages tests map: 1 GiB and on. */
export const WINDOW = 0x40000000;
/** Selectors of the rig's GDT. */
export const SEL = {
  CODE64: 0x08,
  DATA: 0x10,
  CODE64_USER: 0x1b,
  DATA_USER: 0x23,
  TSS64: 0x28,
  CODE32: 0x38,
  CODE32_USER: 0x43,
  CODE16: 0x48,
  DATA16: 0x50,
  TSS: 0x58,
  LDT: 0x60,
  /** For tests: 16 descriptors from here on. */
  FREE: 0x68,
} as const;
const GDT_LIMIT = SEL.FREE + 16 * 8 - 1;

const PRESENT_WRITABLE_USER = 7n;
const LARGE = 0x80n;
const PAGE = 4096;

/** Modes a rig can be in. `long` is 64-bit code of level 0; `paged` has 4-byte entries, `pae` 8-byte ones. */
export type RigMode = "real" | "v86" | "protected" | "paged" | "pae" | "long";

/** Fields of a code or data descriptor. */
export interface Fields {
  readonly base?: number;
  /** In units of the granularity. */
  readonly limit?: number;
  /** The four type bits. */
  readonly type: number;
  readonly dpl?: number;
  readonly present?: boolean;
  /** Code or data (absent) or system. */
  readonly system?: boolean;
  readonly long?: boolean;
  readonly big?: boolean;
  readonly granular?: boolean;
}

/** A segment descriptor. [SDM] figure 3-8 */
export function descriptor(fields: Fields): bigint {
  const { base = 0, limit = 0xfffff, type, dpl = 0, present = true, system = false } = fields;
  const { long = false, big = !system && !long, granular = !system && limit === 0xfffff } = fields;
  const byte = type | (system ? 0 : 0x10) | dpl << 5 | (present ? 0x80 : 0);
  const nibble = (long ? 2 : 0) | (big ? 4 : 0) | (granular ? 8 : 0);
  return BigInt(limit & 0xffff) | BigInt(base & 0xffffff) << 16n | BigInt(byte) << 40n |
    BigInt(limit >>> 16) << 48n | BigInt(nibble) << 52n | BigInt(base >>> 24) << 56n;
}

/** Fields of a gate. */
export interface GateFields {
  readonly type: number;
  readonly selector: number;
  readonly offset?: number;
  readonly dpl?: number;
  readonly present?: boolean;
  /** Parameters of a call gate, or the interrupt stack. */
  readonly count?: number;
}

/** A gate of 8 bytes, or the first half of one of 16. [SDM] figures 6-8, 7-2 and 7-8 */
export function gate({ type, selector, offset = 0, dpl = 0, present = true, count = 0 }: GateFields): bigint {
  const byte = type | dpl << 5 | (present ? 0x80 : 0);
  return BigInt(offset & 0xffff) | BigInt(selector) << 16n | BigInt(count) << 32n | BigInt(byte) << 40n |
    BigInt(offset >>> 16) << 48n;
}

/** An event that was delivered to one of the rig's handlers. */
export interface Taken {
  readonly vector: number;
  /** The error code; undefined where there is none. */
  readonly code: number | undefined;
  readonly rip: number;
  readonly cs: number;
  readonly flags: number;
  /** What comes above: rSP and SS where the level changed or in long mode; ES, DS, FS, GS of virtual-8086 mode. */
  readonly above: readonly number[];
}

const WITH_CODE: ReadonlySet<number> = new Set([8, 10, 11, 12, 13, 14, 17]);

let compiled: SoftModule | undefined;

/** A processor with its RAM. */
export class SoftRig {
  readonly processor: SoftProcessor;
  readonly cpu: Cpu;
  readonly ram: Uint8Array<ArrayBufferLike>;
  readonly view: DataView<ArrayBufferLike>;
  /** Ports written, in order. */
  readonly written: { readonly port: number; readonly value: number }[] = [];
  readonly mode: RigMode;

  constructor(mode: RigMode = "long") {
    this.mode = mode;
    const memory = new WebAssembly.Memory({ initial: RAM_PAGES, maximum: RAM_PAGES, shared: true });
    this.ram = new Uint8Array(memory.buffer);
    this.view = new DataView(memory.buffer);
    compiled ??= compileInterpreter({
      statePages: SoftProcessor.statePages(BLOCK_CACHE_BYTES),
      ramPages: RAM_PAGES,
      wide: false,
    });
    const world: OuterWorld = {
      ram: this.ram,
      ramOffset: (gpa) => gpa < RAM_PAGES * WASM_PAGE ? gpa : -1,
      mmioRead: () => 0xffffffff,
      mmioWrite: () => {},
      portRead: () => 0xff,
      portWrite: (port, _width, value) => void this.written.push({ port, value }),
      readMsr: () => undefined,
      writeMsr: () => false,
      cpuid: () => [0, 0, 0, 0],
      hasFeature: () => true,
      readTsc: () => 0n,
      writeTsc: () => {},
      random: () => 4n,
      taskPriority: () => 0,
      setTaskPriority: () => {},
    };
    this.processor = new SoftProcessor(world, memory, compiled, BLOCK_CACHE_BYTES);
    this.cpu = this.processor.cpu;
    resetCpu(this.cpu);
    this.#tables();
    this.#start();
  }

  /** Bits of the code. */
  get bits(): 16 | 32 | 64 {
    return this.mode === "long" ? 64 : this.mode === "real" || this.mode === "v86" ? 16 : 32;
  }

  /** Puts code where execution begins, with HLT behind it, and runs it to its HLT. */
  run(code: readonly number[] | Uint8Array, limit = 100_000n): number {
    this.ram.set([...code, 0xf4], RIG.CODE);
    this.processor.blocks.flush();
    this.cpu.rip = BigInt(this.bits === 16 ? 0 : RIG.CODE);
    return this.go(limit);
  }

  /** Goes on; a run that ends before its limit for a look at events is taken up again. */
  go(limit = 100_000n): number {
    const retired = () => this.cpu.i64[CPU.RETIRED >> 3]!;
    const last = retired() + limit;
    let exit: number;
    do exit = this.processor.run(last); while (exit === RUN_EXIT.LIMIT && retired() < last);
    return exit;
  }

  /** Assembles and runs a program. @returns the exit. */
  program(write: (a: Asm) => void, limit?: bigint): number {
    const a = new Asm({ bits: this.bits, origin: this.bits === 16 ? 0 : RIG.CODE });
    write(a);
    return this.run(a.assemble(), limit);
  }

  /** The event whose handler was run to its HLT; undefined when it is not one of the rig's. */
  taken(): Taken | undefined {
    const { cpu } = this;
    const base = Number(cpu.code64 ? 0n : cpu.segBase(SEGMENT.CS));
    const vector = Math.floor((Number(cpu.rip) + base - RIG.HANDLERS) / 16);
    if (vector < 0 || vector > 255) return undefined;
    const unit = cpu.code64 ? 8 : cpu.protectedMode ? 4 : 2;
    const pointer = Number(cpu.code64 ? cpu.gpr[GPR.RSP]! : cpu.gpr[GPR.RSP]! & 0xffffffffn) +
      Number(cpu.code64 ? 0n : cpu.segBase(SEGMENT.SS));
    const word = (n: number) => this.word(pointer + n * unit, unit);
    const coded = cpu.protectedMode && WITH_CODE.has(vector);
    const first = coded ? 1 : 0;
    return {
      vector,
      code: coded ? word(0) : undefined,
      rip: word(first),
      cs: word(first + 1) & 0xffff,
      flags: word(first + 2),
      above: Array.from({ length: 6 }, (_, i) => word(first + 3 + i)),
    };
  }

  /** 2, 4 or 8 bytes of RAM. */
  word(at: number, bytes: number): number {
    if (bytes === 8) return Number(this.view.getBigUint64(at, true));
    return bytes === 4 ? this.view.getUint32(at, true) : this.view.getUint16(at, true);
  }

  /** Writes an entry of the GDT, or of a table elsewhere. */
  describe(selector: number, raw: bigint, table: number = RIG.GDT): void {
    this.view.setBigUint64(table + (selector & 0xfff8), raw, true);
  }

  /** Puts another gate into the IDT; its handler is the rig's of that vector unless an offset is given. */
  setGate(vector: number, fields: Partial<GateFields>): void {
    const { selector = this.bits === 64 ? SEL.CODE64 : SEL.CODE32, type = 0xe } = fields;
    const raw = gate({ offset: RIG.HANDLERS + vector * 16, ...fields, selector, type });
    this.view.setBigUint64(RIG.IDT + vector * (this.bits === 64 ? 16 : 8), raw, true);
  }

  /** Continues at level 3 in flat segments. */
  toUser(): void {
    const { cpu } = this;
    const user = 3 << ATTR.DPL_SHIFT;
    for (const seg of [SEGMENT.CS, SEGMENT.SS, SEGMENT.DS, SEGMENT.ES]) {
      const selector = seg !== SEGMENT.CS
        ? SEL.DATA_USER
        : this.bits === 64
        ? SEL.CODE64_USER
        : SEL.CODE32_USER;
      cpu.setSegment(seg, selector, cpu.segBase(seg), cpu.segLimit(seg), cpu.segAttr(seg) | user);
    }
    cpu.setCpl(3);
  }

  /** Sets the entry of page `n` of {@linkcode WINDOW}: a physical address with its bits. */
  map(n: number, entry: number | bigint): void {
    if (this.mode === "paged") this.view.setUint32(RIG.WINDOW_TABLE + n * 4, Number(entry), true);
    else this.view.setBigUint64(RIG.WINDOW_TABLE + n * 8, BigInt(entry), true);
  }

  /** The entry of page `n` of {@linkcode WINDOW}. */
  entry(n: number): bigint {
    if (this.mode === "paged") return BigInt(this.view.getUint32(RIG.WINDOW_TABLE + n * 4, true));
    return this.view.getBigUint64(RIG.WINDOW_TABLE + n * 8, true);
  }

  /** Sets what level `level` has for the window (2: a directory entry, 3: one of the table above it). */
  mapAbove(level: 2 | 3, entry: bigint): void {
    if (level === 3) this.view.setBigUint64(RIG.TABLES + (this.mode === "long" ? PAGE : 0) + 8, entry, true);
    else if (this.mode === "paged") {
      this.view.setUint32(RIG.TABLES + (WINDOW >>> 22) * 4, Number(entry), true);
    } else this.view.setBigUint64(RIG.WINDOW_DIRECTORY, entry, true);
  }

  // ---- how it begins ------------------------------------------------------------------------------------------------

  #tables(): void {
    const { view } = this;
    const tss = { base: RIG.TSS, limit: 0x67, type: SEGMENT_TYPE.TSS_BUSY, system: true };
    const entries: [number, bigint][] = [
      [SEL.CODE64, descriptor({ type: 0xb, long: true })],
      [SEL.DATA, descriptor({ type: 3 })],
      [SEL.CODE64_USER, descriptor({ type: 0xb, long: true, dpl: 3 })],
      [SEL.DATA_USER, descriptor({ type: 3, dpl: 3 })],
      [SEL.TSS64, descriptor(tss)],
      [SEL.CODE32, descriptor({ type: 0xb })],
      [SEL.CODE32_USER, descriptor({ type: 0xb, dpl: 3 })],
      [SEL.CODE16, descriptor({ type: 0xb, big: false })],
      [SEL.DATA16, descriptor({ type: 3, big: false, limit: 0xffff })],
      [SEL.TSS, descriptor(tss)],
      [SEL.LDT, descriptor({ base: RIG.LDT, limit: 0xff, type: SEGMENT_TYPE.LDT, system: true })],
    ];
    for (const [selector, raw] of entries) this.describe(selector, raw);
    for (let vector = 0; vector < 32; vector++) this.#handler(vector);
    if (this.mode === "long") view.setBigUint64(RIG.TSS + 4, BigInt(RIG.INNER_STACK), true);
    else {
      view.setUint32(RIG.TSS + 4, RIG.INNER_STACK, true);
      view.setUint16(RIG.TSS + 8, SEL.DATA, true);
    }
    this.#pages();
  }

  /** A handler that halts; in long mode it leaves its vector in R15. */
  #handler(vector: number): void {
    const at = RIG.HANDLERS + vector * 16;
    if (this.mode === "real") {
      this.view.setUint16(vector * 4, at & 0xffff, true);
      this.view.setUint16(vector * 4 + 2, RIG.HANDLERS >> 4, true);
    } else this.setGate(vector, {});
    // mov r15, vector; hlt
    this.ram.set(this.mode === "long" ? [0x49, 0xc7, 0xc7, vector, 0, 0, 0, 0xf4] : [0xf4], at);
  }

  #pages(): void {
    const { view } = this;
    const directory = BigInt(RIG.WINDOW_DIRECTORY);
    if (this.mode === "long") {
      view.setBigUint64(RIG.TABLES, BigInt(RIG.TABLES + PAGE) | PRESENT_WRITABLE_USER, true);
      view.setBigUint64(RIG.TABLES + PAGE, PRESENT_WRITABLE_USER | LARGE, true);
      this.mapAbove(3, directory | PRESENT_WRITABLE_USER);
    } else if (this.mode === "pae") {
      view.setBigUint64(RIG.TABLES, BigInt(RIG.TABLES + PAGE) | 1n, true);
      view.setBigUint64(RIG.TABLES + PAGE, BigInt(RIG.TABLES + 2 * PAGE) | PRESENT_WRITABLE_USER, true);
      for (let n = 0; n < 512; n++) {
        view.setBigUint64(RIG.TABLES + 2 * PAGE + n * 8, BigInt(n * PAGE) | PRESENT_WRITABLE_USER, true);
      }
      this.mapAbove(3, directory | 1n);
    } else if (this.mode === "paged") {
      view.setUint32(RIG.TABLES, RIG.TABLES + PAGE | 7, true);
      for (let n = 0; n < 1024; n++) view.setUint32(RIG.TABLES + PAGE + n * 4, n * PAGE | 7, true);
    } else return;
    this.mapAbove(2, BigInt(RIG.WINDOW_TABLE) | PRESENT_WRITABLE_USER);
  }

  #start(): void {
    const state = resetState();
    state.gdt = { base: BigInt(RIG.GDT), limit: GDT_LIMIT };
    state.gpr[GPR.RSP] = BigInt(RIG.STACK);
    state.cr0 = BigInt(CR0.ET | CR0.NE);
    state.cr4 = BigInt(CR4.OSFXSR | CR4.OSXMMEXCPT | CR4.OSXSAVE);
    if (this.bits === 16) this.#small(state);
    else this.#flat(state);
    loadState(this.cpu, state);
    this.cpu.setCell32(CPU.FCW, 0x37f);
    this.cpu.setCell32(CPU.FTAG, 0xff);
  }

  /** Real-address mode, and virtual-8086 mode: segments where code, data and stack are. */
  #small(state: CpuState): void {
    state.cs = realModeSegment(RIG.CODE >> 4, SEGMENT_TYPE.CODE_XR_ACCESSED);
    const data = realModeSegment(RIG.DATA >> 4);
    Object.assign(state, { ds: data, es: data, fs: data, gs: data });
    state.ss = realModeSegment(RIG.STACK - 0x10000 >> 4);
    state.gpr[GPR.RSP] = 0xfff0n;
    if (this.mode === "real") {
      state.idt = { base: 0n, limit: 0x3ff };
      return;
    }
    for (const name of ["cs", "ss", "ds", "es", "fs", "gs"] as const) {
      state[name] = { ...state[name], dpl: 3, type: SEGMENT_TYPE.DATA_RW_ACCESSED };
    }
    state.rflags |= BigInt(RFLAGS.VM);
    state.cr0 |= BigInt(CR0.PE);
    this.#protectedTables(state);
  }

  #protectedTables(state: CpuState): void {
    const long = this.mode === "long";
    state.idt = { base: BigInt(RIG.IDT), limit: long ? 0x1ff : 0xff };
    const name = long ? SEL.TSS64 : SEL.TSS;
    state.tr = systemSegment(name, SEGMENT_TYPE.TSS_BUSY, BigInt(RIG.TSS), 0x67);
    state.ldt = systemSegment(SEL.LDT, SEGMENT_TYPE.LDT, BigInt(RIG.LDT), 0xff);
  }

  /** Protected and long mode at level 0. */
  #flat(state: CpuState): void {
    const long = this.mode === "long";
    state.cr0 |= BigInt(CR0.PE) | BigInt(CR0.WP);
    if (this.mode !== "protected") {
      state.cr0 |= BigInt(CR0.PG);
      state.cr3 = BigInt(RIG.TABLES);
    }
    if (long || this.mode === "pae") {
      state.cr4 |= BigInt(CR4.PAE);
      state.efer = BigInt(EFER.NXE);
    }
    if (long) state.efer |= BigInt(EFER.LME | EFER.LMA | EFER.SCE);
    state.cs = flatSegment(long ? SEL.CODE64 : SEL.CODE32, SEGMENT_TYPE.CODE_XR_ACCESSED, { long });
    const data = flatSegment(SEL.DATA, SEGMENT_TYPE.DATA_RW_ACCESSED);
    Object.assign(state, { ds: data, es: data, ss: data, fs: data, gs: data });
    this.#protectedTables(state);
  }
}
