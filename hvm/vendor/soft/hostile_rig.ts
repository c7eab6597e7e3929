/**
 * A hostile guest on a processor of the soft engine: random code, registers, modes, descriptor and page tables, and
 * checks of what must hold whatever it does.
 * @module
 */

import assert from "node:assert/strict";
import { RUN_EXIT, SEGMENT } from "../../x86/cpu.ts";
import { loadState, resetCpu, saveState } from "../../x86/cpu_state.ts";
import { CPU, MSR_CELL, PLACE as STATE_PLACE, TLB } from "../../x86/exec/cpu_memory.ts";
import {
  type CpuState,
  CR0,
  CR4,
  EFER,
  flatSegment,
  realModeSegment,
  resetState,
  RFLAGS,
  SEGMENT_TYPE,
  type SegmentState,
  systemSegment,
} from "../../x86/state.ts";
import {
  address,
  Dice,
  GDT_ENTRIES,
  instruction,
  PLACE,
  selector,
  TASK_BYTES,
  TASKS,
  value,
} from "./hostile_code.ts";
import { compileInterpreter } from "./module.ts";
import { type OuterWorld, SoftProcessor } from "./processor.ts";

const WASM_PAGE = 65536;
const MEMORY_PAGES = 32;
const MEMORY_BYTES = MEMORY_PAGES * WASM_PAGE;
/** RAM is below and above a hole, and ends before memory 1 does: what is in neither must stay as it is. */
const HOLE = 0xa0000;
const HOLE_END = 0xc0000;
const RAM_END = 0x1e0000;
const CANARY = 0xa5;

const PAGE = 4096;
const BLOCK_CACHE_BYTES = 1 << 20;
/** Instructions of one episode: a state, a piece of code, and what becomes of it. */
const EPISODE = 40;
/** Those made for it. */
const PIECE = 12;
/** Episodes with the same tables, more or less: the guest rewrites them. */
const WORLD = 100;
/** A slice is over its limit by no more than a block, a turn of a repeated instruction and the deliveries of its events. */
const MOST_OVER = 1200;
/** Physical addresses have this many bits. */
const PHYSICAL_LIMIT = 2 ** 40;

/** What the guest runs in. */
export const HOSTILE_MODES = [
  "real",
  "v86",
  "protected 16",
  "protected 32",
  "paged 32",
  "PAE",
  "long 0",
  "long 3",
  "compatibility",
] as const;
type HostileMode = typeof HOSTILE_MODES[number];

/** What became of a run. */
export interface HostileReport {
  readonly episodes: number;
  readonly retired: number;
  /** Rows of the table that began an episode. */
  readonly rows: number;
  readonly allRows: number;
  /** How often each mode ended at the limit, by HLT and by shutdown. */
  readonly ends: Readonly<Record<string, readonly number[]>>;
}

/** A guest that does anything. */
export class HostileGuest {
  readonly processor: SoftProcessor;
  readonly #memory: Uint8Array<ArrayBufferLike>;
  readonly #view: DataView<ArrayBufferLike>;
  readonly #dice: Dice;
  readonly #rows = new Set<number>();
  #allFeatures = true;
  #features = 0;
  #priority = 0;
  #mode: HostileMode = "real";
  /** One line on the episode, for messages. */
  about = "";

  constructor(seed: number) {
    this.#dice = new Dice(seed);
    const memory = new WebAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES, shared: true });
    this.#memory = new Uint8Array(memory.buffer);
    this.#view = new DataView(memory.buffer);
    const wasm = compileInterpreter({
      statePages: SoftProcessor.statePages(BLOCK_CACHE_BYTES),
      ramPages: MEMORY_PAGES,
      wide: false,
    });
    this.processor = new SoftProcessor(this.#world(), memory, wasm, BLOCK_CACHE_BYTES);
    this.#memory.fill(CANARY, HOLE, HOLE_END);
    this.#memory.fill(CANARY, RAM_END);
    resetCpu(this.processor.cpu);
  }

  /** What is outside of the processor checks what it is asked. */
  #world(): OuterWorld {
    const dice = this.#dice;
    const physical = (gpa: number) => {
      assert.ok(Number.isInteger(gpa) && gpa >= 0 && gpa < PHYSICAL_LIMIT, `physical address ${gpa}`);
    };
    const access = (gpa: number, width: number) => {
      physical(gpa);
      assert.ok(width === 1 || width === 2 || width === 4, `width ${width}`);
      assert.ok(!isRam(gpa), `${gpa} is RAM`);
    };
    const port = (at: number, width: number) => {
      assert.ok(Number.isInteger(at) && at >= 0 && at < 0x10000, `port ${at}`);
      assert.ok(width === 1 || width === 2 || width === 4, `width ${width}`);
    };
    return {
      ram: this.#memory,
      ramOffset: (gpa) => {
        physical(gpa);
        return isRam(gpa) ? gpa : -1;
      },
      mmioRead: (gpa, width) => {
        access(gpa, width);
        return dice.word() >>> (32 - 8 * width);
      },
      mmioWrite: (gpa, width, written) => {
        access(gpa, width);
        assert.ok(Number.isInteger(written), `written ${written}`);
      },
      portRead: (at, width) => {
        port(at, width);
        return dice.word() >>> (32 - 8 * width);
      },
      portWrite: port,
      readMsr: (index) => index === 0x1b ? 0xfee00900n : undefined,
      writeMsr: (index) => index === 0x1b,
      cpuid: () => [dice.word(), dice.word(), dice.word(), dice.word()],
      hasFeature: (name) => this.#allFeatures || (this.#features >>> name.length & 1) === 1,
      readTsc: () => dice.wide(),
      writeTsc: () => {},
      random: () => dice.wide(),
      taskPriority: () => this.#priority,
      setTaskPriority: (value) => void (this.#priority = value),
    };
  }

  /** Runs until so many instructions have retired; `progress` is called before each episode. */
  run(instructions: number, progress: (episode: number) => void): HostileReport {
    const { cpu } = this.processor;
    const retired = () => Number(cpu.i64[CPU.RETIRED >> 3]!);
    const first = retired();
    const ends: Record<string, number[]> = {};
    let episode = 0;
    for (; retired() - first < instructions; episode++) {
      progress(episode);
      if (episode % WORLD === 0) this.#newWorld();
      const exit = this.#episode(episode);
      const ended = ends[this.#mode] ??= [0, 0, 0];
      ended[exit]!++;
    }
    return {
      episodes: episode,
      retired: retired() - first,
      rows: this.#rows.size,
      allRows: ALL_ROWS(),
      ends,
    };
  }

  #episode(episode: number): number {
    const { cpu } = this.processor;
    const dice = this.#dice;
    const mode = this.#mode = dice.pick(HOSTILE_MODES);
    this.about = `episode ${episode}, ${mode}`;
    const bits = this.#setState(mode);
    this.#writeCode(bits, episode);
    const before = cpu.i64[CPU.RETIRED >> 3]!;
    // An episode that only faults retires nothing.
    let exit = this.processor.run(before + BigInt(EPISODE));
    if (dice.once(4)) {
      exit = RUN_EXIT.LIMIT;
      const alive = dice.once(4) ? this.processor.nmi() : this.processor.interrupt(dice.below(256));
      if (alive) exit = this.processor.run(cpu.i64[CPU.RETIRED >> 3]! + 8n);
    }
    const done = Number(cpu.i64[CPU.RETIRED >> 3]! - before);
    assert.ok(done >= 0 && done <= EPISODE + MOST_OVER, `${done} instructions retired`);
    this.#check();
    // So that an episode of nothing but faults is not endless.
    cpu.i64[CPU.RETIRED >> 3]! += 1n;
    return exit;
  }

  /** What must hold whatever the guest did. */
  #check(): void {
    const { cpu } = this.processor;
    assert.equal(cpu.cell64(CPU.ZERO), 0n, "the zero register");
    const { eflags } = cpu;
    assert.equal(eflags & (RFLAGS.ALWAYS_ONE | 0x8028), RFLAGS.ALWAYS_ONE, "reserved bits of EFLAGS");
    assert.ok(cpu.cpl <= 3);
    const { cr0, cr4, efer } = cpu;
    if ((cr0 & CR0.PE) === 0) assert.equal(cr0 & CR0.PG, 0, "paging without protection");
    const lma = (cr0 & CR0.PG) !== 0 && (efer & EFER.LME) !== 0;
    assert.equal((efer & EFER.LMA) !== 0, lma, "EFER.LMA");
    if (lma) assert.notEqual(cr4 & CR4.PAE, 0, "long mode without PAE");
    if (cpu.virtual8086) {
      assert.equal(cpu.cpl, 3, "virtual-8086 mode's level");
      assert.ok(cpu.protectedMode && !lma, "virtual-8086 mode in long or real mode");
    }
    if (!cpu.code64) assert.ok(cpu.rip <= 0xffffffffn, "RIP outside 64-bit code");
    for (let at = HOLE; at < HOLE_END; at += 509) assert.equal(this.#memory[at], CANARY, "memory of no RAM");
    for (let at = RAM_END; at < MEMORY_BYTES; at += 509) {
      assert.equal(this.#memory[at], CANARY, "memory behind RAM");
    }
    if (this.#dice.once(64)) this.#checkTlb();
    if (this.#dice.once(16)) this.#checkSaved();
  }

  /** Whatever the TLB lets pass is RAM. */
  #checkTlb(): void {
    const { u64, i64 } = this.processor.cpu;
    for (let entry = 0; entry < 3 * TLB.ENTRIES; entry++) {
      const at = (STATE_PLACE.TLB + entry * TLB.ENTRY_BYTES) >> 3;
      for (const field of [TLB.READ, TLB.WRITE, TLB.FETCH]) {
        const page = u64[at + (field >> 3)]!;
        if (page === 1n) continue;
        const offset = Number(BigInt.asUintN(64, page + i64[at + (TLB.ADDEND >> 3)]!));
        assert.ok(offset % PAGE === 0 && isRam(offset), `a TLB entry leads to ${offset}`);
      }
    }
  }

  /** A state that is saved and loaded is the same. */
  #checkSaved(): void {
    const { cpu } = this.processor;
    const saved = saveState(cpu);
    const level = cpu.cpl;
    loadState(cpu, saved);
    assert.deepEqual(saveState(cpu), saved);
    assert.equal(cpu.cpl, level, "CPL after a state was loaded");
  }

  // ---- code -------------------------------------------------------------------------------------------------------

  /** A piece of code at RIP, mostly within a page, and told of as a device's write would be. */
  #writeCode(bits: number, episode: number): void {
    const { cpu, blocks } = this.processor;
    const dice = this.#dice;
    let at = Number(BigInt.asUintN(20, cpu.rip + (bits === 64 ? 0n : cpu.segBase(SEGMENT.CS))));
    for (let i = 0; i < PIECE; i++) {
      const made = instruction(dice, bits, i === 0 ? episode : undefined);
      if (at + made.bytes.length >= HOLE) break;
      if (i === 0) this.#rows.add(made.row);
      this.#memory.set(made.bytes, at);
      blocks.written(at, made.bytes.length);
      const page = (at & ~(PAGE - 1)) + PAGE;
      if (at + made.bytes.length > page) blocks.written(page, at + made.bytes.length - page);
      at += made.bytes.length;
    }
  }

  // ---- state ------------------------------------------------------------------------------------------------------

  /** @returns the width of code. */
  #setState(mode: HostileMode): number {
    const dice = this.#dice;
    const { cpu } = this.processor;
    const state = resetState();
    for (let i = 0; i < 16; i++) state.gpr[i] = value(dice);
    if (!dice.once(8)) state.gpr[4] = BigInt(PLACE.DATA + dice.below(0x40000) & ~(dice.once(4) ? 0 : 7));
    const bits = modeState(dice, mode, state);
    cpu.setCell64(CPU.DR + 56, dice.once(16) ? BigInt(dice.word() & 0xffff2fff | 0x400) : 0x400n);
    this.#setRegisters();
    loadState(cpu, state);
    return bits;
  }

  /** Registers that a state does not have. */
  #setRegisters(): void {
    const { cpu } = this.processor;
    const dice = this.#dice;
    const msr = (which: number, written: bigint) => cpu.setCell64(CPU.MSR + which * 8, written);
    msr(MSR_CELL.STAR, BigInt(selector(dice)) << 48n | BigInt(selector(dice)) << 32n);
    msr(MSR_CELL.LSTAR, address(dice));
    msr(MSR_CELL.FMASK, BigInt(dice.word()));
    msr(MSR_CELL.SYSENTER_CS, BigInt(selector(dice)));
    msr(MSR_CELL.SYSENTER_EIP, address(dice));
    msr(MSR_CELL.SYSENTER_ESP, address(dice));
    cpu.setCell32(CPU.FCW, dice.once(4) ? dice.word() & 0x1f7f | 0x40 : 0x37f);
    cpu.setCell32(CPU.FTAG, dice.word() & 0xff);
    for (let i = 0; i < 16; i++) cpu.u32[(CPU.XMM >> 2) + dice.below(64)] = dice.word();
    cpu.nmiBlocked = false;
  }

  // ---- tables -----------------------------------------------------------------------------------------------------

  #newWorld(): void {
    const dice = this.#dice;
    const view = this.#view;
    this.processor.blocks.flush();
    this.#allFeatures = !dice.once(4);
    this.#features = dice.word();
    for (let at = 0; at < PLACE.DATA_END; at += 8) view.setBigUint64(at, value(dice), true);
    // Code by noise where nothing is written later.
    for (let at: number = PLACE.CODE; at < PLACE.CODE_END; at += 4) view.setUint32(at, dice.word(), true);
    this.#frames();
    for (let vector = 0; vector < 256; vector++) {
      view.setUint16(vector * 4, dice.below(0x10000), true);
      view.setUint16(vector * 4 + 2, PLACE.CODE >> 4, true);
    }
    this.#descriptors();
    this.#gates();
    this.#tasks();
    this.#pages();
  }

  /** What looks like frames of calls and interrupts, where stacks are. */
  #frames(): void {
    const dice = this.#dice;
    for (let at: number = PLACE.DATA; at < PLACE.DATA + 0x40000;) {
      const unit = dice.pick([2, 4, 8]);
      const flags = BigInt(dice.word() & (dice.once(4) ? 0x3fffff : 0x0d5) | 2);
      const frame = [address(dice), BigInt(selector(dice)), flags, address(dice), BigInt(selector(dice))];
      for (const one of frame) {
        for (let i = 0; i < unit; i++) this.#memory[at + i] = Number(one >> BigInt(8 * i) & 0xffn);
        at += unit;
      }
      at = (at + 7) & ~7;
    }
  }

  #descriptors(): void {
    const dice = this.#dice;
    const view = this.#view;
    KNOWN.forEach((raw, i) => view.setBigUint64(PLACE.GDT + i * 8, raw, true));
    view.setBigUint64(PLACE.GDT + 8 * 10, taskDescriptor(0, 0xb), true);
    view.setBigUint64(PLACE.GDT + 8 * 11, 0n, true);
    view.setBigUint64(PLACE.GDT + 8 * 12, ldtDescriptor, true);
    view.setBigUint64(PLACE.GDT + 8 * 13, 0n, true);
    for (let i = 14; i < GDT_ENTRIES; i++) {
      view.setBigUint64(PLACE.GDT + i * 8, anyDescriptor(dice), true);
    }
    for (let i = 0; i < GDT_ENTRIES / 2; i++) {
      view.setBigUint64(PLACE.LDT + i * 8, dice.once(2) ? dice.pick(KNOWN) : anyDescriptor(dice), true);
    }
  }

  /** Two IDTs: of gates of 8 and of 16 bytes. */
  #gates(): void {
    const dice = this.#dice;
    for (let vector = 0; vector < 256; vector++) {
      const strange = dice.once(8);
      const longType = strange ? dice.below(16) : dice.pick([14, 15]);
      const longName = strange ? selector(dice) : 8;
      const count = dice.once(4) ? dice.below(8) : 0;
      const long = gate(dice, { type: longType, name: longName, count });
      this.#view.setBigUint64(PLACE.LONG_IDT + vector * 16, long, true);
      this.#view.setBigUint64(PLACE.LONG_IDT + vector * 16 + 8, dice.once(64) ? dice.wide() : 0n, true);
      const type = dice.pick([14, 14, 14, 15, 15, 6, 7, strange ? 5 : 14, strange ? dice.below(16) : 15]);
      const name = strange ? selector(dice) : type < 8 ? 0x38 : 0x28;
      this.#view.setBigUint64(PLACE.IDT + vector * 8, gate(dice, { type, name, count: 0 }), true);
    }
  }

  #tasks(): void {
    const dice = this.#dice;
    const view = this.#view;
    const stack = () => PLACE.DATA + dice.below(0x40000) & ~7;
    for (let task = 0; task < TASKS; task++) {
      const at = PLACE.TASKS + task * TASK_BYTES;
      for (let i = 0; i < 0x68; i += 4) view.setUint32(at + i, dice.once(3) ? selector(dice) : stack(), true);
      if (task === TASKS - 1) {
        // RSP0 to RSP2 and seven interrupt stacks.
        for (let i = 4; i < 0x5c; i += 8) if (!dice.once(16)) view.setUint32(at + i + 4, 0, true);
      } else if (!dice.once(8)) {
        [0x10, 0x11, 0x12].forEach((ss, level) => view.setUint32(at + 8 + level * 8, ss, true));
        view.setUint32(at + 8 + 8, 0x49, true);
        view.setUint32(at + 8 + 16, 0x4a, true);
        view.setUint32(at + 0x1c, PLACE.TABLES + PAGE * dice.pick([6, 4, 4, 0]), true);
        const level = dice.pick([0, 0, 3]);
        const data = level === 0 ? 0x10 : 0x23;
        [data, level === 0 ? 0x28 : 0x33, data, data, data, data].forEach((name, i) =>
          view.setUint32(at + 0x48 + 4 * i, name, true)
        );
        view.setUint32(at + 0x60, dice.once(2) ? 0 : 0x60, true);
      }
      view.setUint32(at + 0x20, Number(address(dice) & 0xfffffn), true);
      view.setUint32(at + 0x24, dice.word() & (dice.once(2) ? 0x3f7fd5 : 0xd5), true);
      view.setUint16(at + 0x64, dice.once(8) ? 1 : 0, true);
      view.setUint16(at + 0x66, dice.once(4) ? dice.word() : 0x88, true);
    }
  }

  /** Page tables for every kind of paging, one above the other: identity for the most part. */
  #pages(): void {
    const dice = this.#dice;
    const view = this.#view;
    const at = (table: number) => PLACE.TABLES + table * PAGE;
    const rights = (): bigint => {
      if (dice.once(12)) return BigInt(dice.below(0x1000));
      if (dice.once(24)) return dice.wide() & 0x8000_0000_0000_01ffn;
      return dice.once(6) ? 5n : 0x67n;
    };
    // 0: PML4. 1: PDPT. 2: PD of 8-byte entries. 3: PT of those. 4: PD of 4-byte entries. 5: PT of those.
    for (let i = 0; i < 512; i++) {
      const noise = dice.once(3) ? dice.wide() & 0xffn | BigInt(at(dice.below(4))) : 0n;
      view.setBigUint64(at(0) + i * 8, noise, true);
      view.setBigUint64(at(1) + i * 8, dice.once(2) ? noise & ~0x1e6n : 0n, true);
      view.setBigUint64(at(2) + i * 8, noise, true);
      view.setBigUint64(at(3) + i * 8, BigInt(i * PAGE) | rights(), true);
    }
    for (let i = 0; i < 1024; i++) {
      const noise = dice.once(3) ? dice.word() : 0;
      view.setUint32(at(4) + i * 4, noise, true);
      view.setUint32(at(5) + i * 4, i * PAGE | Number(rights() & 0xfffn), true);
    }
    for (const i of [0, 256, 511]) view.setBigUint64(at(0) + i * 8, BigInt(at(1)) | 7n, true);
    view.setBigUint64(at(1), BigInt(at(2)) | 7n, true);
    view.setBigUint64(at(2), BigInt(at(3)) | 7n, true);
    view.setUint32(at(4), at(5) | 7, true);
    // 6: PDPT of PAE paging, whose entries have fewer bits.
    for (let i = 0; i < 4; i++) {
      const table = i === 0 || dice.once(3) ? BigInt(at(2)) | 1n : 0n;
      view.setBigUint64(at(6) + i * 8, dice.once(16) ? dice.wide() : table, true);
    }
  }
}

let rowCount = 0;

/** Rows of the table. */
function ALL_ROWS(): number {
  return rowCount;
}

/** Tells how many rows there are. */
export function setAllRows(count: number): void {
  rowCount = count;
}

function isRam(gpa: number): boolean {
  return gpa < HOLE || gpa >= HOLE_END && gpa < RAM_END;
}

/** Descriptors that are what they seem: 64-bit code, data; both of level 3; 32- and 16-bit code, data of level 1. */
const KNOWN: readonly bigint[] = [
  0n,
  0x00af9b000000ffffn,
  0x00cf93000000ffffn,
  0x00affb000000ffffn,
  0x00cff3000000ffffn,
  0x00cf9b000000ffffn,
  0x00cffb000000ffffn,
  0x000f9b000000ffffn,
  0x000f93000000ffffn,
  0x00cfb3000000ffffn,
];

function taskDescriptor(task: number, type: number): bigint {
  return BigInt(TASK_BYTES - 1) | BigInt(PLACE.TASKS + task * TASK_BYTES) << 16n | BigInt(0x80 | type) << 40n;
}

const ldtDescriptor = BigInt(GDT_ENTRIES / 2 * 8 - 1) | BigInt(PLACE.LDT) << 16n | 0x82n << 40n;

/** A gate: present more often than not. */
function gate(
  dice: Dice,
  { type, name, count }: { type: number; name: number; count: number },
): bigint {
  const offset = BigInt(PLACE.CODE + dice.below(0x10000));
  const byte = BigInt(type | dice.below(4) << 5 | (dice.once(16) ? 0 : 0x80));
  return offset & 0xffffn | BigInt(name) << 16n | BigInt(count) << 32n | byte << 40n | offset >> 16n << 48n;
}

function anyDescriptor(dice: Dice): bigint {
  switch (dice.below(6)) {
    case 0:
      return taskDescriptor(dice.below(4), dice.pick([1, 3, 9, 9, 11]));
    case 1: {
      const type = dice.pick([4, 5, 12, 12, 12]);
      const name = dice.once(3) ? selector(dice) : dice.pick([8, 0x28, 0x38, 0x50]);
      return gate(dice, { type, name, count: dice.below(32) });
    }
    case 2:
      return dice.wide();
    case 3:
      return ldtDescriptor;
    default: {
      // Code or data of any type, level and size.
      const byte = BigInt(0x10 | dice.below(16) | dice.below(4) << 5 | (dice.once(8) ? 0 : 0x80));
      const nibble = BigInt(dice.below(16));
      return BigInt(dice.word() & 0xffff) | byte << 40n | nibble << 52n | BigInt(dice.below(16)) << 48n;
    }
  }
}

/** Makes a state of a mode. @returns the width of its code. */
function modeState(dice: Dice, mode: HostileMode, state: CpuState): number {
  const at = PLACE.CODE + dice.below(0xf000);
  state.rip = BigInt(dice.once(8) ? at | 0xff8 : at);
  let flags = RFLAGS.ALWAYS_ONE | dice.word() & 0xcd5 | (dice.once(2) ? RFLAGS.IF : 0);
  if (dice.once(16)) flags |= RFLAGS.TF;
  if (dice.once(8)) flags |= RFLAGS.NT;
  if (dice.once(4)) flags |= RFLAGS.AC;
  flags |= dice.below(4) << 12;
  let cr4 = dice.word() & (CR4.VME | CR4.PVI | CR4.TSD | CR4.DE | CR4.PSE | CR4.PGE | CR4.UMIP);
  if (!dice.once(6)) cr4 |= CR4.OSFXSR | CR4.OSXSAVE | CR4.FSGSBASE;
  if (dice.once(3)) cr4 |= dice.word() & (CR4.SMEP | CR4.SMAP);
  let cr0: number = CR0.ET | (dice.once(2) ? CR0.NE : 0) | (dice.once(2) ? CR0.WP : 0);
  if (dice.once(12)) cr0 |= dice.word() & (CR0.TS | CR0.EM | CR0.MP | CR0.AM);
  let efer = dice.word() & (EFER.SCE | EFER.NXE);
  const long = mode === "long 0" || mode === "long 3" || mode === "compatibility";
  const paged = long || mode === "paged 32" || mode === "PAE" || dice.once(2);
  state.gdt = { base: BigInt(PLACE.GDT), limit: dice.once(16) ? dice.word() & 0x1ff : GDT_ENTRIES * 8 - 1 };
  state.idt = {
    base: BigInt(long ? PLACE.LONG_IDT : PLACE.IDT),
    limit: dice.once(16) ? dice.word() & 0xfff : long ? 0xfff : 0x7ff,
  };
  if (!dice.once(4)) {
    state.ldt = systemSegment(0x60, SEGMENT_TYPE.LDT, BigInt(PLACE.LDT), GDT_ENTRIES / 2 * 8 - 1);
  } else state.ldt = { ...systemSegment(0, 0, 0n, 0), present: false, unusable: true };
  const small = !long && dice.once(8);
  state.tr = systemSegment(
    0x50,
    small ? SEGMENT_TYPE.TSS16_BUSY : SEGMENT_TYPE.TSS_BUSY,
    BigInt(PLACE.TASKS + (long ? (TASKS - 1) * TASK_BYTES : 0)),
    dice.once(16) ? dice.word() & 0x7f : TASK_BYTES - 1,
  );
  if (mode === "real") {
    state.idt = { base: 0n, limit: 0x3ff };
    for (const seg of ["ds", "es", "fs", "gs", "ss"] as const) {
      state[seg] = realModeSegment(dice.once(2) ? 0x2000 : dice.below(0x8000));
      if (dice.once(4)) state[seg].limit = 0xffffffff;
    }
    state.cs = realModeSegment(PLACE.CODE >> 4, SEGMENT_TYPE.CODE_XR_ACCESSED);
    state.rip &= 0xffffn;
    Object.assign(state, { cr0: BigInt(cr0), cr4: BigInt(cr4), efer: BigInt(efer), rflags: BigInt(flags) });
    return 16;
  }
  cr0 |= CR0.PE;
  let bits = 32;
  let level = dice.once(2) ? 0 : dice.below(4);
  if (paged) {
    cr0 = (cr0 | CR0.PG) >>> 0;
    const pae = long || mode === "PAE" || mode !== "paged 32" && dice.once(2);
    if (pae) cr4 |= CR4.PAE;
    state.cr3 = BigInt(PLACE.TABLES + (long ? 0 : pae ? 6 * PAGE : 4 * PAGE));
    if (long) {
      efer |= EFER.LME | EFER.LMA;
      if (dice.once(4)) cr4 |= CR4.PCIDE;
      bits = mode === "compatibility" ? 32 : 64;
      level = mode === "long 0" ? 0 : mode === "long 3" ? 3 : level;
    }
  }
  if (mode === "protected 16") bits = 16;
  if (mode === "v86") {
    flags |= RFLAGS.VM;
    if (dice.once(3)) flags |= dice.word() & (RFLAGS.VIF | RFLAGS.VIP);
    for (const seg of ["ds", "es", "fs", "gs", "ss", "cs"] as const) {
      state[seg] = { ...realModeSegment(dice.once(2) ? 0x2000 : dice.below(0x8000)), dpl: 3 };
    }
    state.cs = { ...realModeSegment(PLACE.CODE >> 4), dpl: 3 };
    state.rip &= 0xffffn;
    bits = 16;
  } else protectedSegments(dice, state, { bits, level });
  Object.assign(state, {
    cr0: BigInt(cr0 >>> 0),
    cr4: BigInt(cr4),
    efer: BigInt(efer),
    rflags: BigInt(flags),
  });
  return bits;
}

function protectedSegments(
  dice: Dice,
  state: CpuState,
  { bits, level }: { bits: number; level: number },
): void {
  const data = (): SegmentState => {
    if (dice.once(16)) {
      return { ...flatSegment(0, 0), present: false, unusable: true, limit: 0, codeOrData: false };
    }
    const limit = dice.once(8) ? dice.below(0x80000) : 0xffffffff;
    const type = dice.once(8) ? dice.below(16) : SEGMENT_TYPE.DATA_RW_ACCESSED;
    return { ...flatSegment(0x20 | level, type), limit, dpl: level };
  };
  for (const seg of ["ds", "es", "fs", "gs"] as const) state[seg] = data();
  const ss = flatSegment(level === 3 ? 0x23 : 0x10 | level, SEGMENT_TYPE.DATA_RW_ACCESSED);
  state.ss = { ...ss, dpl: level, big: !dice.once(8) };
  const name = bits === 64 ? (level === 3 ? 0x18 : 8) : bits === 32 ? (level === 3 ? 0x30 : 0x28) : 0x38;
  const code = flatSegment(name | level, SEGMENT_TYPE.CODE_XR_ACCESSED, { long: bits === 64 });
  state.cs = { ...code, dpl: level, big: bits === 32 };
}
