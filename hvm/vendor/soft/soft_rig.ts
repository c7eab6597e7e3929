/**
 * A processor of the soft engine alone, for tests: flat 64-bit code over a little RAM, no devices.
 * @module
 */

import type { Cpu } from "../../x86/cpu.ts";
import { loadState, resetCpu } from "../../x86/cpu_state.ts";
import { CPU } from "../../x86/exec/cpu_memory.ts";
import { CR0, CR4, EFER, flatSegment, resetState, SEGMENT_TYPE, systemSegment } from "../../x86/state.ts";
import { compileInterpreter, type SoftModule } from "./module.ts";
import { type OuterWorld, SoftProcessor } from "./processor.ts";

const WASM_PAGE = 65536;
const RAM_PAGES = 32;
const BLOCK_CACHE_BYTES = 1 << 20;
/** Where things are in the rig's RAM. */
export const RIG = {
  /** Page tables: 512 GiB in one entry, of 1 GiB pages, all of them identity. */
  TABLES: 0x1000,
  IDT: 0x4000,
  GDT: 0x5000,
  TSS: 0x6000,
  CODE: 0x10000,
  DATA: 0x20000,
  STACK: 0x40000,
  /** Each vector's handler is 16 bytes from here on. */
  HANDLERS: 0x50000,
} as const;

const PRESENT_WRITABLE_USER = 7n;
const LARGE = 0x80n;

let compiled: SoftModule | undefined;

/** A processor with its RAM. */
export class SoftRig {
  readonly processor: SoftProcessor;
  readonly cpu: Cpu;
  readonly ram: Uint8Array<ArrayBufferLike>;
  readonly view: DataView<ArrayBufferLike>;
  /** Ports written, in order. */
  readonly written: { readonly port: number; readonly value: number }[] = [];

  constructor() {
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
    this.#longMode();
  }

  /** Puts code where execution begins, with HLT behind it, and runs it to its HLT. */
  run(code: readonly number[], limit = 100_000n): number {
    this.ram.set([...code, 0xf4], RIG.CODE);
    this.processor.blocks.flush();
    this.cpu.rip = BigInt(RIG.CODE);
    return this.processor.run(this.cpu.i64[CPU.RETIRED >> 3]! + limit);
  }

  /** A handler that leaves its vector in R15 and halts. */
  #longMode(): void {
    const { view } = this;
    view.setBigUint64(RIG.TABLES, BigInt(RIG.TABLES + 0x1000) | PRESENT_WRITABLE_USER, true);
    view.setBigUint64(RIG.TABLES + 0x1000, PRESENT_WRITABLE_USER | LARGE, true);
    const descriptors = [
      0n,
      0x00af9b000000ffffn,
      0x00cf93000000ffffn,
      0x00affb000000ffffn,
      0x00cff3000000ffffn,
    ];
    descriptors.forEach((raw, i) => view.setBigUint64(RIG.GDT + i * 8, raw, true));
    for (let vector = 0; vector < 32; vector++) {
      const handler = RIG.HANDLERS + vector * 16;
      // mov r15, vector; hlt
      this.ram.set([0x49, 0xc7, 0xc7, vector, 0, 0, 0, 0xf4], handler);
      const low = BigInt(handler & 0xffff) | 8n << 16n | 0x8e00n << 32n | BigInt(handler >>> 16) << 48n;
      view.setBigUint64(RIG.IDT + vector * 16, low, true);
    }
    view.setBigUint64(RIG.TSS + 4, BigInt(RIG.STACK + 0x8000), true);
    const state = resetState();
    state.cr0 = BigInt(CR0.PE) | BigInt(CR0.PG) | BigInt(CR0.WP) | BigInt(CR0.NE) | BigInt(CR0.ET);
    state.cr3 = BigInt(RIG.TABLES);
    state.cr4 = BigInt(CR4.PAE | CR4.OSFXSR | CR4.OSXMMEXCPT | CR4.OSXSAVE);
    state.efer = BigInt(EFER.LME | EFER.LMA | EFER.SCE | EFER.NXE);
    state.cs = flatSegment(8, SEGMENT_TYPE.CODE_XR_ACCESSED, { long: true });
    const data = flatSegment(0x10, SEGMENT_TYPE.DATA_RW_ACCESSED);
    Object.assign(state, { ds: data, es: data, ss: data, fs: data, gs: data });
    state.tr = systemSegment(0x28, SEGMENT_TYPE.TSS_BUSY, BigInt(RIG.TSS), 0x67);
    state.gdt = { base: BigInt(RIG.GDT), limit: 0x37 };
    state.idt = { base: BigInt(RIG.IDT), limit: 0x1ff };
    state.gpr[4] = BigInt(RIG.STACK);
    loadState(this.cpu, state);
    this.cpu.setCell32(CPU.FCW, 0x37f);
    this.cpu.setCell32(CPU.FTAG, 0xff);
  }
}
