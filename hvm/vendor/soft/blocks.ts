/**
 * Decoded blocks: runs of records by physical address and code mode, found again until their bytes change.
 *
 * A block ends at a jump that is always taken, before an instruction TypeScript does (which is a block of its own after
 * it), at the end of its page, or after {@linkcode MAX_BLOCK} instructions; a conditional jump that is not taken goes on
 * in it. So the blocks that run depend on nothing but the code and where it was entered.
 *
 * A block whose bytes are written is dead: all its records become ends, so that whoever is in it leaves it after the
 * instruction that wrote, and whoever jumps into it looks the address up anew.
 * @module
 */

import type { Cpu } from "../../x86/cpu.ts";
import { decode, MORE as MORE_BYTES, OK, TOO_LONG } from "../../x86/decode.ts";
import { BREAK_FAULT } from "../../x86/debug.ts";
import { CPU, JUMP, MODE, PLACE, RECORD, RECORD_FLAG, TLB } from "../../x86/exec/cpu_memory.ts";
import { type Semantics, VECTOR } from "../../x86/exec/sem.ts";
import { Insn, traitsOf } from "../../x86/insn.ts";
import { CLASSES, TRAIT } from "../../x86/isa.ts";
import { isa } from "../../x86/isa_build.ts";
import { ACCESS_KIND } from "../../x86/paging.ts";
import { SEGMENT } from "../../x86/cpu.ts";
import { formOf, semanticKey, signatureOf, writeRecord } from "./forms.ts";
import { HANDLER } from "./interp.ts";

/** The most instructions of a block; a place fits a byte. */
const MAX_BLOCK = 64;
const PAGE = 4096;

interface Block {
  readonly record: number;
  readonly records: number;
  /** First byte in RAM, and one past the last. */
  readonly start: number;
  readonly end: number;
  readonly key: number;
  /** Of an instruction in two pages: its key among those. */
  readonly crossing?: number;
}

/** What an instruction becomes. */
interface Choice {
  readonly handler: number;
  /** Of a FAULT. */
  readonly vector: number;
  readonly code: number;
  /** Nothing of the block comes after it. */
  readonly last: boolean;
}

/** Which handler has which form, and what is known of keys. */
export interface HandlerTable {
  readonly semantics: Semantics;
  readonly handlers: ReadonlyMap<string, number>;
  /** Keys TypeScript does. */
  readonly system: ReadonlySet<string>;
}

/** The blocks of one processor. */
export class Blocks {
  readonly #cpu: Cpu;
  readonly #table: HandlerTable;
  readonly #view: DataView<ArrayBufferLike>;
  readonly #limit: number;
  #next: number = PLACE.BLOCKS;
  /** By page of RAM and then by key. */
  #pages = new Map<number, Map<number, Block>>();
  readonly #code: Uint8Array;
  /** Instructions in two pages, by where they begin and by mode; they hold while the second page is the same. */
  readonly #crossing = new Map<number, { readonly record: number; readonly second: number }>();
  readonly #insn = new Insn();
  readonly #bytes = new Uint8Array(16);
  /** Bits of MODE that decoding depends on, to keep keys small. */
  static readonly KEY_MODES = 1024;
  /** Blocks that breakpoints are in. */
  #broken: Block[] = [];
  /** Counters, for traces. */
  readonly counts = { built: 0, killed: 0, flushes: 0 };

  constructor(cpu: Cpu, table: HandlerTable, ramPages: number, blockBytes: number) {
    this.#cpu = cpu;
    this.#table = table;
    this.#view = new DataView(cpu.buffer);
    this.#limit = PLACE.BLOCKS + blockBytes;
    this.#code = new Uint8Array(ramPages);
  }

  /** Whether a page of RAM has blocks. */
  hasCode(page: number): boolean {
    return this.#code[page] === 1;
  }

  /** The record of the block at CPU.RIP, made if need be; it is put into the jump cache. Throws a GuestFault. */
  enter(): number {
    const cpu = this.#cpu;
    const mode = cpu.cell32(CPU.MODE);
    const code64 = (mode & MODE.CODE) === MODE.CODE64;
    if (!code64) cpu.cutRip();
    const { rip } = cpu;
    if (!code64 && rip > BigInt(cpu.segLimit(SEGMENT.CS))) throw cpu.fault(VECTOR.GP, 0);
    const linear = code64 ? rip : BigInt.asUintN(32, rip + cpu.segBase(SEGMENT.CS));
    let offset = cpu.paging.fetchOffset(linear);
    if (offset < 0) offset = cpu.world.ramOffset(cpu.paging.fill(linear, ACCESS_KIND.FETCH));
    const breaks = this.#breaksAt(linear, mode);
    const crossing = breaks === undefined ? this.#crossingAt(offset, linear, mode) : 0;
    const inside = offset < 0 || crossing !== 0 ? 0 : this.#inside(offset, mode, breaks);
    const record = crossing !== 0 ? crossing : inside !== 0 ? inside : this.#outside(offset, linear, mode);
    this.#remember(record, inside !== 0 && code64 ? mode : JUMP.ONCE);
    return record;
  }

  /** Links a direct branch to its target in the same page. */
  link(p: number): void {
    const target = this.enter();
    // Entering may have thrown everything away, this branch too; its bytes are then no record any more.
    if (this.#view.getUint32(p + RECORD.LINK, true) === 0 && p < this.#next) {
      this.#view.setUint32(p + RECORD.LINK, target, true);
    }
  }

  /** RAM bytes were written. */
  written(offset: number, bytes: number): void {
    const page = Math.floor(offset / PAGE);
    const blocks = this.#pages.get(page);
    if (blocks === undefined) return;
    let killed = false;
    for (const block of blocks.values()) {
      if (block.start >= offset + bytes || block.end <= offset) continue;
      this.#end(block);
      blocks.delete(block.key);
      if (block.crossing !== undefined) this.#crossing.delete(block.crossing);
      this.counts.killed++;
      killed = true;
    }
    if (killed && blocks.size === 0) {
      this.#pages.delete(page);
      this.#code[page] = 0;
    }
  }

  #end(block: Block): void {
    for (let i = 0; i < block.records; i++) {
      this.#view.setUint16(block.record + i * RECORD.BYTES + RECORD.HANDLER, HANDLER.END, true);
    }
  }

  /** Breakpoints changed: throws the blocks away that some are in. */
  dropBroken(): void {
    for (const block of this.#broken) {
      this.#end(block);
      const blocks = this.#pages.get(Math.floor(block.start / PAGE));
      if (blocks?.get(block.key) === block) blocks.delete(block.key);
    }
    this.#broken = [];
    this.#cpu.newGeneration();
    this.#cpu.forgetJumps();
  }

  /** Places of breakpoints in the page of a linear address. Alone an instruction has none: who runs it has looked. */
  #breaksAt(linear: bigint, mode: number): ReadonlySet<number> | undefined {
    const { breakPages, breakOffsets } = this.#cpu.debug;
    if (breakPages.size === 0 || (mode & MODE.STEP) !== 0) return undefined;
    return breakPages.has(linear >> 12n) ? breakOffsets : undefined;
  }

  /** Throws all blocks away. Nothing may be running in one. */
  flush(): void {
    this.#next = PLACE.BLOCKS;
    this.#pages = new Map();
    this.#code.fill(0);
    this.#crossing.clear();
    this.#broken = [];
    this.#cpu.newGeneration();
    this.#cpu.forgetJumps();
    this.counts.flushes++;
  }

  #remember(record: number, mode: number): void {
    const { u32 } = this.#cpu;
    const [low, high] = [u32[CPU.RIP >> 2]!, u32[(CPU.RIP >> 2) + 1]!];
    const mixed = low ^ (low >>> 12 | high << 20);
    const entry = (PLACE.JUMPS + (mixed & PLACE.JUMP_ENTRIES - 1) * JUMP.BYTES) >> 2;
    u32[entry] = low;
    u32[entry + 1] = high;
    u32[entry + (JUMP.RECORD >> 2)] = record;
    u32[entry + (JUMP.GENERATION >> 2)] = u32[CPU.GENERATION >> 2]!;
    const page =
      (u32[CPU.TLB_BASE >> 2]! + ((low >>> 12) & TLB.ENTRIES - 1) * TLB.ENTRY_BYTES + TLB.ADDEND) >> 2;
    u32[entry + (JUMP.ADDEND >> 2)] = u32[page]!;
    u32[entry + (JUMP.ADDEND >> 2) + 1] = u32[page + 1]!;
    u32[entry + (JUMP.MODE >> 2)] = mode;
  }

  /** The block at an offset into RAM; 0 when its first instruction does not end in the page. */
  #inside(offset: number, mode: number, breaks: ReadonlySet<number> | undefined): number {
    const page = Math.floor(offset / PAGE);
    const inPage = offset - page * PAGE;
    // The same code at another linear address has other breakpoints.
    const place = (breaks === undefined ? 0 : PAGE) + (this.#mayWrap(mode) ? 2 * PAGE : 0) + inPage;
    const key = place * Blocks.KEY_MODES + (mode & Blocks.KEY_MODES - 1);
    const found = this.#pages.get(page)?.get(key);
    if (found !== undefined) return found.record;
    const { ram } = this.#cpu.world;
    const block = this.#build(mode, (insn, at) => {
      const from = offset + at;
      const end = (page + 1) * PAGE;
      if (from >= end) return PAST_END;
      return decode(ram, from, end, CODE_BITS[mode & MODE.CODE]!, insn);
    }, (at) => breaks?.has(inPage + at) === true);
    if (block.records === 0) return 0;
    const made: Block = { ...block, start: offset, end: offset + block.bytes, key };
    let blocks = this.#pages.get(page);
    if (blocks === undefined) this.#pages.set(page, blocks = new Map());
    blocks.set(key, made);
    if (breaks !== undefined) this.#broken.push(made);
    if (this.#code[page] === 0) {
      this.#code[page] = 1;
      this.#cpu.paging.protect(page * PAGE);
    }
    return made.record;
  }

  /** The record of a known instruction in two pages; 0 when there is none, or its second page is another now. */
  #crossingAt(offset: number, linear: bigint, mode: number): number {
    if (offset % PAGE <= PAGE - LONGEST) return 0;
    const known = this.#crossing.get(crossingKey(offset, mode));
    if (known === undefined || this.#cpu.paging.fetchOffset((linear | 0xfffn) + 1n) !== known.second) {
      return 0;
    }
    return known.record;
  }

  /** One instruction that is not wholly in one page of RAM. `offset`: where it begins, -1: not in RAM. */
  #outside(offset: number, linear: bigint, mode: number): number {
    const cpu = this.#cpu;
    const bits = CODE_BITS[mode & MODE.CODE]!;
    const bytes = this.#bytes;
    // Bytes are fetched one by one, so that a fault of the second page comes only if the instruction reaches there.
    let have = 0;
    const breaks = this.#breaksAt(linear, mode);
    const block = this.#build(mode, (insn, at) => {
      if (at > 0) return PAST_END;
      for (;;) {
        const result = decode(bytes, 0, have, bits, insn);
        if (result !== MORE_BYTES) return result;
        const next = linear + BigInt(have);
        const address = bits === 64 ? BigInt.asUintN(64, next) : BigInt.asUintN(32, next);
        bytes[have++] = Number(
          cpu.paging.readPhysical(cpu.paging.translate(address, ACCESS_KIND.FETCH), 1),
        );
      }
    }, () => breaks?.has(Number(linear & 0xfffn)) === true);
    if (bits === 16) this.#unlink(block.record);
    // Writes to either page must be seen: whoever writes there takes the slow way, which forgets the block.
    const key = -1 - block.record;
    const crossing = crossingKey(offset, mode);
    for (const at of [0n, BigInt(Math.max(0, have - 1))]) {
      const where = cpu.world.ramOffset(cpu.paging.translate(linear + at, ACCESS_KIND.FETCH));
      if (where < 0) continue;
      const page = Math.floor(where / PAGE);
      let blocks = this.#pages.get(page);
      if (blocks === undefined) this.#pages.set(page, blocks = new Map());
      const start = at === 0n ? where : page * PAGE;
      const end = Math.min(start + have, (page + 1) * PAGE);
      blocks.set(key, { ...block, start, end, key, crossing });
      this.#code[page] = 1;
      cpu.paging.protect(page * PAGE);
    }
    // Asked again, the second page is in the TLB.
    if (breaks === undefined && offset >= 0 && have > 1) {
      cpu.paging.fill((linear | 0xfffn) + 1n, ACCESS_KIND.FETCH);
      const second = cpu.paging.fetchOffset((linear | 0xfffn) + 1n);
      if (second >= 0) this.#crossing.set(crossing, { record: block.record, second });
    }
    return block.record;
  }

  /** A branch in two pages is found by its address alone. */
  #unlink(record: number): void {
    const flags = this.#view.getUint8(record + RECORD.FLAGS);
    this.#view.setUint8(record + RECORD.FLAGS, flags & ~RECORD_FLAG.SAME_PAGE);
  }

  /** Decodes until the block ends. */
  #build(
    mode: number,
    fetch: (insn: Insn, at: number) => number,
    breaks: (at: number) => boolean,
  ): { record: number; records: number; bytes: number } {
    const most = (mode & MODE.STEP) !== 0 ? 1 : MAX_BLOCK;
    if (this.#next + (most + 1) * RECORD.BYTES > this.#limit) this.flush();
    const record = this.#next;
    const insn = this.#insn;
    let count = 0;
    let at = 0;
    let closed = false;
    while (count < most && !closed) {
      const result = fetch(insn, at);
      if (result === PAST_END || result === MORE_BYTES) break;
      const choice = breaks(at) ? faulting(BREAK_FAULT.EXECUTE) : this.#choose(insn, result, mode);
      const place = { at: record + count * RECORD.BYTES, rip: at, place: count, handler: choice.handler };
      writeRecord(this.#view, insn, place);
      if (choice.handler === HANDLER.FAULT) {
        this.#view.setInt32(place.at + RECORD.IMM, choice.vector, true);
        this.#view.setInt32(place.at + RECORD.DISP, choice.code, true);
      }
      this.#markSamePage(place.at, at, mode);
      closed = choice.last;
      at += insn.length;
      count++;
    }
    if (count === 0) return { record, records: 0, bytes: 0 };
    if (!closed) {
      const end = record + count * RECORD.BYTES;
      for (let i = 0; i < RECORD.BYTES; i += 4) this.#view.setInt32(end + i, 0, true);
      this.#view.setInt32(end + RECORD.RIP, at, true);
      this.#view.setUint8(end + RECORD.PLACE, count);
      this.#view.setUint16(end + RECORD.HANDLER, HANDLER.END, true);
    }
    this.#next = record + (count + (closed ? 0 : 1)) * RECORD.BYTES;
    this.counts.built++;
    return { record, records: count + (closed ? 0 : 1), bytes: at };
  }

  /** Whether a direct branch stays in the page of the block that is being built at CPU.RIP. */
  #markSamePage(record: number, at: number, mode: number): void {
    if (CLASSES[isa().classOf[this.#insn.row]!] !== "branch" && !this.#isDirectCall()) return;
    const { operandSize, length, imm } = this.#insn;
    if (operandSize === 2 && ((mode & MODE.CODE) !== MODE.CODE16 || this.#mayWrap(mode))) return;
    const { rip } = this.#cpu;
    const from = (mode & MODE.CODE) === MODE.CODE64 ? rip : rip + this.#cpu.segBase(SEGMENT.CS);
    if (from >> 12n !== from + BigInt(at + length + imm) >> 12n) return;
    const flags = this.#view.getUint8(record + RECORD.FLAGS);
    this.#view.setUint8(record + RECORD.FLAGS, flags | RECORD_FLAG.SAME_PAGE);
  }

  /**
   * Whether a branch of 16-bit code may wrap within a page: near the ends of a segment, and where its base is within a page,
   * so that the same code may be anywhere in another. Such blocks are apart, and have no links.
   */
  #mayWrap(mode: number): boolean {
    if ((mode & MODE.CODE) !== MODE.CODE16) return false;
    const { rip } = this.#cpu;
    return rip < 0x1000n || rip >= 0xf000n || (this.#cpu.segBase(SEGMENT.CS) & 0xfffn) !== 0n;
  }

  #isDirectCall(): boolean {
    return CLASSES[isa().classOf[this.#insn.row]!] === "call" && this.#insn.mod < 0;
  }

  /** Whether an instruction has semantics, or is one that CPUID does not show. */
  implements(insn: Insn): boolean {
    const key = semanticKey(insn, (name) => this.#cpu.world.hasFeature(name));
    return key === undefined || Object.hasOwn(this.#table.semantics, key) || this.#table.system.has(key);
  }

  /** What an instruction becomes under a mode. */
  #choose(insn: Insn, result: number, mode: number): Choice {
    if (result === TOO_LONG) return faulting(VECTOR.GP, 0);
    if (result !== OK) return faulting(VECTOR.UD);
    const refused = refusal(insn, mode);
    if (refused !== undefined) return refused;
    const key = semanticKey(insn, (name) => this.#cpu.world.hasFeature(name));
    if (key === undefined) return faulting(VECTOR.UD);
    const semantic = this.#table.semantics[key];
    if (semantic !== undefined) {
      const stack = [2, 4, 8][(mode & MODE.STACK) >> MODE.STACK_SHIFT]!;
      const handler = this.#table.handlers.get(signatureOf(formOf(insn, key, semantic, stack)));
      if (handler !== undefined) {
        const name = CLASSES[isa().classOf[insn.row]!];
        const last = (name === "branch" || name === "call" || name === "ret") && !CONDITIONAL.has(key);
        return { handler, vector: 0, code: 0, last };
      }
    }
    if (this.#table.system.has(key)) return { handler: HANDLER.SYSTEM, vector: 0, code: 0, last: true };
    return faulting(VECTOR.UD);
  }
}

/** Bytes of the longest instruction. */
const LONGEST = 15;

function crossingKey(offset: number, mode: number): number {
  return offset * Blocks.KEY_MODES + (mode & Blocks.KEY_MODES - 1);
}

const PAST_END = -1;
const CODE_BITS = [16, 32, 64] as const;
const CONDITIONAL: ReadonlySet<string> = new Set(["jcc", "loop", "loope", "loopne", "jcxz"]);

function faulting(vector: number, code = -1): Choice {
  return { handler: HANDLER.FAULT, vector, code, last: true };
}

/** What a mode forbids whatever else is the case. [SDM] vol. 3A, tables 2-2, 11-1, 13-1 */
function refusal(insn: Insn, mode: number): Choice | undefined {
  const traits = traitsOf(insn);
  if ((traits & TRAIT.PM) !== 0 && (mode & MODE.REAL) !== 0) return faulting(VECTOR.UD);
  switch (CLASSES[isa().classOf[insn.row]!]) {
    case "x87":
      return (mode & MODE.NO_X87) !== 0 ? faulting(VECTOR.NM) : undefined;
    case "mmx":
      if ((mode & MODE.EM) !== 0) return faulting(VECTOR.UD);
      return (mode & MODE.TS) !== 0 ? faulting(VECTOR.NM) : undefined;
    case "sse":
      if ((mode & MODE.NO_SSE) !== 0) return faulting(VECTOR.UD);
      return (mode & MODE.TS) !== 0 ? faulting(VECTOR.NM) : undefined;
    default:
      return undefined;
  }
}
