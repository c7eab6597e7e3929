/**
 * hvm's processor at the place of the bare one: the same states, the same segments, user code at level 3.
 * @module
 */

import { compileInterpreter } from "../../hvm/vendor/soft/module.ts";
import { SoftProcessor } from "../../hvm/vendor/soft/processor.ts";
import type { Cpu } from "../../hvm/x86/cpu.ts";
import { loadState, resetCpu } from "../../hvm/x86/cpu_state.ts";
import { CPU } from "../../hvm/x86/exec/cpu_memory.ts";
import {
  type CpuState,
  CR0,
  CR4,
  EFER,
  flatSegment,
  resetState,
  SEGMENT_TYPE,
  type SegmentState,
  systemSegment,
} from "../../hvm/x86/state.ts";
import {
  BASE,
  CODE_BYTES,
  type Done,
  type Job,
  SIZE,
  UserState,
  WINDOW,
  WINDOW_BYTES,
} from "./insn_native.ts";

const WASM_PAGE = 65536;
const RAM_PAGES = 32;
const BLOCK_CACHE_BYTES = 1 << 20;
/** Physical addresses. The first 2 MiB are mapped for the supervisor as they are. */
const AT = {
  TABLES: 0x1000,
  IDT: 0x8000,
  GDT: 0x9000,
  TSS: 0xa000,
  STACK: 0xc000,
  /** Handlers, 16 bytes each, of HLT. */
  HANDLERS: 0xd000,
  /** What is at {@linkcode BASE}. */
  USER: 0x100000,
} as const;
const USER = 7n;
const SUPERVISOR = 3n;
const LARGE = 0x80n;
const USER_CODE = 0x33;
const USER_DATA = 0x2b;
const STATUS_AND_DIRECTION = 0xcd5;
const MOST_TURNS = 1000;

/** A processor that runs jobs. */
export class SoftOracle {
  readonly #processor: SoftProcessor;
  readonly #cpu: Cpu;
  readonly #ram: Uint8Array<ArrayBufferLike>;
  readonly #states: Readonly<Record<number, CpuState>>;
  #loaded = 0;

  constructor() {
    const memory = new WebAssembly.Memory({ initial: RAM_PAGES, maximum: RAM_PAGES, shared: true });
    const ram = this.#ram = new Uint8Array(memory.buffer);
    const statePages = SoftProcessor.statePages(BLOCK_CACHE_BYTES);
    this.#processor = new SoftProcessor(
      {
        ram,
        ramOffset: (gpa) => gpa < RAM_PAGES * WASM_PAGE ? gpa : -1,
        mmioRead: () => 0xffffffff,
        mmioWrite: () => {},
        portRead: () => 0xff,
        portWrite: () => {},
        readMsr: () => undefined,
        writeMsr: () => false,
        cpuid: () => [0, 0, 0, 0],
        hasFeature: () => true,
        readTsc: () => 0n,
        writeTsc: () => {},
        random: () => 4n,
        taskPriority: () => 0,
        setTaskPriority: () => {},
      },
      memory,
      compileInterpreter({ statePages, ramPages: RAM_PAGES, wide: false }),
      BLOCK_CACHE_BYTES,
    );
    this.#cpu = this.#processor.cpu;
    resetCpu(this.#cpu);
    fillTables(ram);
    this.#states = { 64: userState(64), 32: userState(32), 16: userState(16) };
  }

  /** Runs one job. */
  run({ mode, code, repeats, before }: Job): Done {
    const cpu = this.#cpu;
    const ram = this.#ram;
    if (this.#loaded !== mode) {
      loadState(cpu, this.#states[mode]!);
      this.#loaded = mode;
    }
    ram.fill(0xf4, AT.USER, AT.USER + 2 * CODE_BYTES);
    const start = Number(before.rip);
    ram.set(code, AT.USER + start);
    this.#processor.blocks.written(AT.USER, 2 * CODE_BYTES + start);
    ram.set(before.memory, AT.USER + WINDOW);
    for (let i = 0; i < 16; i++) {
      cpu.gpr[i] = mode === 64 ? before.gpr(i) : BigInt.asUintN(32, before.gpr(i));
    }
    cpu.eflags = before.rflags & STATUS_AND_DIRECTION | 0x202;
    loadFx(cpu, before.fx);
    const rip = mode === 64 ? BigInt(BASE) + before.rip : before.rip;
    cpu.rip = rip;
    for (let turn = 0; turn < MOST_TURNS; turn++) {
      this.#processor.step();
      if (!repeats || cpu.rip !== rip) break;
    }
    return this.#result(mode);
  }

  #result(mode: number): Done {
    const cpu = this.#cpu;
    const after = new UserState();
    let trap = -1;
    let error = 0;
    let { rip, eflags } = cpu;
    let rsp = cpu.gpr[4]!;
    if (cpu.cpl === 0) {
      trap = (Number(cpu.rip) - AT.HANDLERS) >> 4;
      const coded = [8, 10, 11, 12, 13, 14, 17].includes(trap);
      const frame = new DataView(this.#ram.buffer, Number(cpu.gpr[4]));
      if (coded) error = frame.getUint32(0, true);
      const at = coded ? 8 : 0;
      rip = frame.getBigUint64(at, true);
      eflags = frame.getUint32(at + 16, true);
      rsp = frame.getBigUint64(at + 24, true);
      this.#loaded = 0;
    }
    for (let i = 0; i < 16; i++) after.setGpr(i, i === 4 ? rsp : cpu.gpr[i]!);
    after.rip = mode === 64 ? BigInt.asUintN(64, rip - BigInt(BASE)) : rip;
    after.rflags = eflags & ~0x10000;
    storeFx(cpu, after.fx);
    after.memory.set(this.#ram.subarray(AT.USER + WINDOW, AT.USER + WINDOW + WINDOW_BYTES));
    return { trap, error, address: trap === 14 ? cpu.cell64(CPU.CR2) : 0n, after };
  }
}

/** The legacy area; see fpu_state.ts for the fields. */
function loadFx(cpu: Cpu, fx: Uint8Array): void {
  const view = new DataView(fx.buffer, fx.byteOffset);
  const status = view.getUint16(2, true);
  const control = view.getUint16(0, true) & 0x1f3f | 0x40;
  const unmasked = status & ~control & 0x3f;
  cpu.setCell32(CPU.FCW, control);
  cpu.setCell32(CPU.FSW, unmasked !== 0 ? status | 0x8080 : status & ~0x8080);
  cpu.setCell32(CPU.FTAG, ~fx[4]! & 0xff);
  const top = status >>> 11 & 7;
  for (let i = 0; i < 8; i++) {
    const at = CPU.X87 + (top + i & 7) * 16;
    cpu.u8.set(fx.subarray(32 + i * 16, 42 + i * 16), at);
  }
  cpu.setCell32(CPU.MXCSR, view.getUint32(24, true));
  cpu.u8.set(fx.subarray(160, 416), CPU.XMM);
}

function storeFx(cpu: Cpu, fx: Uint8Array): void {
  const view = new DataView(fx.buffer, fx.byteOffset);
  const status = cpu.cell32(CPU.FSW);
  view.setUint16(0, cpu.cell32(CPU.FCW), true);
  view.setUint16(2, status, true);
  fx[4] = ~cpu.cell32(CPU.FTAG) & 0xff;
  const top = status >>> 11 & 7;
  for (let i = 0; i < 8; i++) {
    const at = CPU.X87 + (top + i & 7) * 16;
    fx.set(cpu.u8.subarray(at, at + 10), 32 + i * 16);
  }
  view.setUint32(24, cpu.cell32(CPU.MXCSR), true);
  fx.set(cpu.u8.subarray(CPU.XMM, CPU.XMM + 256), 160);
}

function fillTables(ram: Uint8Array): void {
  const view = new DataView(ram.buffer);
  const put = (at: number, value: bigint) => view.setBigUint64(at, value, true);
  const { TABLES } = AT;
  put(TABLES, BigInt(TABLES + 0x1000) | USER);
  put(TABLES + 0x1000, BigInt(TABLES + 0x2000) | USER);
  put(TABLES + 0x2000, SUPERVISOR | LARGE);
  put(TABLES + 0x2000 + (BASE >>> 21) * 8, BigInt(TABLES + 0x3000) | USER);
  for (let i = 0; i < SIZE / 4096; i++) put(TABLES + 0x3000 + i * 8, BigInt(AT.USER + i * 4096) | USER);
  put(AT.GDT + 8, 0x00af9b000000ffffn);
  put(AT.GDT + 0x10, 0x00cf93000000ffffn);
  put(AT.TSS + 4, BigInt(AT.STACK));
  for (let vector = 0; vector < 32; vector++) {
    const handler = AT.HANDLERS + vector * 16;
    ram[handler] = 0xf4;
    // From level 3 INT n and its like may come here too.
    put(
      AT.IDT + vector * 16,
      BigInt(handler & 0xffff) | 8n << 16n | 0xee00n << 32n | BigInt(handler >>> 16) << 48n,
    );
  }
}

/** As a Linux process has it; 32- and 16-bit code in segments of their own. */
function userState(mode: 16 | 32 | 64): CpuState {
  const state = resetState();
  const user = (segment: SegmentState): SegmentState => ({ ...segment, dpl: 3 });
  state.cr0 = BigInt(CR0.PE | CR0.MP | CR0.ET | CR0.NE | CR0.WP | CR0.AM) | BigInt(CR0.PG) & 0xffffffffn;
  state.cr3 = BigInt(AT.TABLES);
  state.cr4 = BigInt(CR4.PAE | CR4.OSFXSR | CR4.OSXMMEXCPT | CR4.OSXSAVE | CR4.FSGSBASE);
  state.efer = BigInt(EFER.LME | EFER.LMA | EFER.SCE | EFER.NXE);
  const null_ = { ...flatSegment(0, 0), unusable: true, present: false, codeOrData: false, limit: 0 };
  if (mode === 64) {
    state.cs = user(flatSegment(USER_CODE, SEGMENT_TYPE.CODE_XR_ACCESSED, { long: true }));
    state.ss = user(flatSegment(USER_DATA, SEGMENT_TYPE.DATA_RW_ACCESSED));
    state.ds = null_;
    state.es = null_;
  } else {
    const code = mode === 32 ? 0 : 2;
    const part = (selector: number, type: number) => ({
      ...user(flatSegment(selector, type)),
      base: BigInt(BASE),
      limit: SIZE - 1,
      granular: false,
      big: mode === 32,
    });
    state.cs = part(code << 3 | 7, SEGMENT_TYPE.CODE_XR_ACCESSED);
    state.ss = part((code + 1) << 3 | 7, SEGMENT_TYPE.DATA_RW_ACCESSED);
    state.ds = { ...state.ss };
    state.es = { ...state.ss };
  }
  state.fs = null_;
  state.gs = null_;
  state.tr = systemSegment(0x40, SEGMENT_TYPE.TSS_BUSY, BigInt(AT.TSS), 0x67);
  state.gdt = { base: BigInt(AT.GDT), limit: 0x4f };
  state.idt = { base: BigInt(AT.IDT), limit: 0x1ff };
  return state;
}
