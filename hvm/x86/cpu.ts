/**
 * One processor as system code in TypeScript sees it: the bytes of cpu_memory.ts through typed views, memory by linear
 * address, faults, and what depends on several registers at once.
 *
 * Nothing here is hot: what runs often is emitted as WebAssembly and reads the same bytes.
 *
 * Sources: [SDM] Intel SDM vol. 3A, chapters 2, 3 and 5.
 * @module
 */

import { ATTR, AUX, CPU, JUMP, MODE, PLACE, TLB } from "./exec/cpu_memory.ts";
import { DebugUnit } from "./debug.ts";
import { Insn } from "./insn.ts";
import { Paging } from "./paging.ts";
import { CR0, CR4, EFER, RFLAGS } from "./state.ts";
import type { World } from "./world.ts";

/** CF, PF, AF, ZF, SF, OF. */
export const ARITHMETIC_FLAGS: number = RFLAGS.CF | RFLAGS.PF | RFLAGS.AF | RFLAGS.ZF | RFLAGS.SF | RFLAGS.OF;

/** Why a run ended; {@linkcode CPU.EXIT}. */
export const RUN_EXIT = {
  /** RETIRED has reached LIMIT. */
  LIMIT: 0,
  /** HLT; RIP is past it. */
  HALT: 1,
  /** Triple fault. */
  SHUTDOWN: 2,
  /** A debugger is to look. */
  DEBUG: 3,
} as const;

/** A fault on its way through the engine. One object serves all: nothing is allocated. */
export class GuestFault {
  vector = 0;
  /** -1: the exception has none. */
  code = -1;
}

/**
 * An instruction done in TypeScript. RIP is its own while it runs; it changes `cpu.nextRip` to branch. Whatever it throws is
 * thrown before it has changed anything.
 */
export type SystemOp = (cpu: Cpu, insn: Insn) => void;
/** By semantics key. */
export type SystemOps = Readonly<Record<string, SystemOp>>;

/** A segment register in the state; LDTR and TR have cells of their own. */
export const SEGMENT = { ES: 0, CS: 1, SS: 2, DS: 3, FS: 4, GS: 5, LDT: 6, TR: 7 } as const;

const READ = { read: true, write: false };
const WRITE = { read: false, write: true };

/** One processor. */
/** A component of extended state beyond SSE. [SDM] vol. 1, 13.4.3 (CPUID leaf 0Dh) */
export interface ForeignComponent {
  /** Its bit in XCR0. */
  readonly bit: bigint;
  /** Where it is in the standard form of the area. */
  readonly offset: number;
  readonly size: number;
  /** Starts at a multiple of 64 in the compacted form. */
  readonly aligned: boolean;
}

/** Components with their contents in an image of the standard form. */
export interface ForeignState {
  readonly components: readonly ForeignComponent[];
  readonly image: Uint8Array;
}

/** One processor. */
export class Cpu {
  readonly world: World;
  /** Memory 0. */
  readonly buffer: ArrayBufferLike;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly u64: BigUint64Array;
  readonly i64: BigInt64Array;
  /** RAX to R15. */
  readonly gpr: BigUint64Array;
  readonly paging: Paging;
  readonly debug: DebugUnit;
  /** The instruction that system code executes. */
  readonly insn: Insn = new Insn();
  /** Where execution goes on after it: past it, unless the instruction changes this. */
  nextRip = 0n;
  readonly #fault = new GuestFault();
  /** What entries of the jump cache depend on beside MODE. */
  #user = false;
  #codeBase = 0;
  #codeLimit = 0;
  /** Blocks have one instruction, whatever the flags say; call {@linkcode Cpu.updateMode} after a change. */
  single = false;
  /** Extended state that XSAVE moves and nothing else here knows; a processor of hvm's own has none. */
  foreign: ForeignState | undefined;
  /** An NMI handler has not executed IRET yet. */
  nmiBlocked = false;

  constructor(world: World, buffer: ArrayBufferLike) {
    this.world = world;
    this.buffer = buffer;
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.u64 = new BigUint64Array(buffer);
    this.i64 = new BigInt64Array(buffer);
    this.gpr = new BigUint64Array(buffer, CPU.GPR, 16);
    this.debug = new DebugUnit(this);
    this.paging = new Paging(this);
    this.u64[CPU.WRAP >> 3] = 1n << 32n;
  }

  // ---- cells ------------------------------------------------------------------------------------------------------

  cell32(offset: number): number {
    return this.u32[offset >> 2]!;
  }

  setCell32(offset: number, value: number): void {
    this.u32[offset >> 2] = value;
  }

  cell64(offset: number): bigint {
    return this.u64[offset >> 3]!;
  }

  setCell64(offset: number, value: bigint): void {
    this.u64[offset >> 3] = value;
  }

  get rip(): bigint {
    return this.u64[CPU.RIP >> 3]!;
  }

  set rip(value: bigint) {
    this.u64[CPU.RIP >> 3] = value;
  }

  /** RIP as code that is not 64-bit has it: a block may run past 4 GiB, where it goes on at 0. */
  cutRip(): void {
    this.u32[(CPU.RIP >> 2) + 1] = 0;
  }

  get cpl(): number {
    return this.u32[CPU.CPL >> 2]!;
  }

  get cr0(): number {
    return this.u32[CPU.CR0 >> 2]!;
  }

  get cr4(): number {
    return this.u32[CPU.CR4 >> 2]!;
  }

  get efer(): number {
    return this.u32[CPU.EFER >> 2]!;
  }

  get protectedMode(): boolean {
    return (this.cr0 & CR0.PE) !== 0;
  }

  /** IA-32e mode: 64-bit or compatibility code. */
  get longMode(): boolean {
    return (this.efer & EFER.LMA) !== 0;
  }

  /** What a `CpuState` does not have: debug registers, MSRs, x87, MMX and SSE state, as bytes to compare. */
  extendedState(): Uint8Array {
    return Uint8Array.of(...this.u8.subarray(CPU.DR, CPU.XCR0 + 8), ...this.u8.subarray(CPU.MSR, CPU.TEMP));
  }

  /** 64-bit code. */
  get code64(): boolean {
    return (this.cell32(CPU.MODE) & MODE.CODE) === MODE.CODE64;
  }

  get virtual8086(): boolean {
    return (this.cell32(CPU.EFLAGS) & RFLAGS.VM) !== 0;
  }

  /** Real-address or virtual-8086 mode. */
  get realOrV86(): boolean {
    return !this.protectedMode || this.virtual8086;
  }

  // ---- flags ------------------------------------------------------------------------------------------------------

  /** All of EFLAGS, the lazy flags computed. */
  get eflags(): number {
    const aux = this.i32[CPU.FLAG_AUX >> 2]!;
    const result = this.i64[CPU.FLAG_RESULT >> 3]!;
    let flags = this.cell32(CPU.EFLAGS) & ~ARITHMETIC_FLAGS | RFLAGS.ALWAYS_ONE;
    const cf = aux >>> 31;
    if (cf !== 0) flags |= RFLAGS.CF;
    if ((cf ^ aux >>> 30 & 1) !== 0) flags |= RFLAGS.OF;
    if ((aux & AUX.AF) !== 0) flags |= RFLAGS.AF;
    if (result === 0n) flags |= RFLAGS.ZF;
    if (result < 0n !== ((aux & AUX.SIGN_FLIP) !== 0)) flags |= RFLAGS.SF;
    let parity = (Number(result & 0xffn) ^ aux >>> AUX.PARITY_SHIFT) & 0xff;
    parity ^= parity >> 4;
    if ((0x9669 >> (parity & 15) & 1) !== 0) flags |= RFLAGS.PF;
    return flags;
  }

  /** Sets all of EFLAGS as given, privileged bits included; the caller has merged what must stay. */
  set eflags(value: number) {
    const zf = value >>> 6 & 1;
    const cf = value & 1;
    const of = value >>> 11 & 1;
    const result = zf ^ 1;
    let aux = cf << 31 | (cf ^ of) << 30 | (value >>> 7 & 1);
    if ((value & RFLAGS.AF) !== 0) aux |= AUX.AF;
    aux |= ((value >>> 2 & 1) ^ 1 ^ result) << AUX.PARITY_SHIFT;
    this.i64[CPU.FLAG_RESULT >> 3] = BigInt(result);
    this.i32[CPU.FLAG_AUX >> 2] = aux;
    this.setCell32(CPU.EFLAGS, value & ~ARITHMETIC_FLAGS | RFLAGS.ALWAYS_ONE);
    this.updateMode();
    if ((value & RFLAGS.IF) !== 0 && this.cell32(CPU.WINDOW) !== 0) this.endSoon();
  }

  /** The run ends at the next end of a block. */
  endSoon(): void {
    this.i64[CPU.LIMIT >> 3] = 0n;
  }

  /** No interrupt is taken before the instruction at `nextRip` has been executed (STI, MOV SS, POP SS). */
  inhibitInterrupts(): void {
    this.setCell64(CPU.SHADOW_RIP, this.nextRip);
    this.i64[CPU.SHADOW_RETIRED >> 3] = this.i64[CPU.RETIRED >> 3]! + 1n;
  }

  get inhibited(): boolean {
    return this.cell64(CPU.SHADOW_RIP) === this.rip &&
      this.i64[CPU.SHADOW_RETIRED >> 3] === this.i64[CPU.RETIRED >> 3];
  }

  // ---- segments -----------------------------------------------------------------------------------------------------

  segBase(seg: number): bigint {
    return this.u64[(CPU.SEG_BASE >> 3) + seg]!;
  }

  segLimit(seg: number): number {
    return this.u32[(CPU.SEG_LIMIT >> 2) + seg]!;
  }

  /** Bits of {@linkcode ATTR}. */
  segAttr(seg: number): number {
    return this.u32[(CPU.SEG_ATTR >> 2) + seg]!;
  }

  /** Selectors of ES to GS; 6 is LDTR, 7 TR. */
  selector(seg: number): number {
    return this.u32[(CPU.SELECTOR >> 2) + seg]!;
  }

  /** Sets a segment register (0 to 5) with its hidden part; call {@linkcode Cpu.updateMode} after CS or SS. */
  setSegment(seg: number, selector: number, base: bigint, limit: number, attr: number): void {
    this.u32[(CPU.SELECTOR >> 2) + seg] = selector;
    this.u64[(CPU.SEG_BASE >> 3) + seg] = base;
    this.u32[(CPU.SEG_LIMIT >> 2) + seg] = limit;
    this.u32[(CPU.SEG_ATTR >> 2) + seg] = attr;
  }

  /** Sets the privilege level. */
  setCpl(cpl: number): void {
    this.setCell32(CPU.CPL, cpl);
    this.updateMode();
  }

  /**
   * Derives what depends on CS, SS, CPL, CR0, CR4, EFER and EFLAGS.AC and VM: code mode and TLB. Call it after any of
   * them changed; it is cheap when nothing follows.
   */
  updateMode(): void {
    const cr0 = this.cr0;
    const cr4 = this.cr4;
    const eflags = this.cell32(CPU.EFLAGS);
    const cs = this.segAttr(SEGMENT.CS);
    const long = this.longMode && (cs & ATTR.LONG) !== 0;
    let mode: number = long ? MODE.CODE64 : (cs & ATTR.BIG) !== 0 ? MODE.CODE32 : MODE.CODE16;
    const stack = long ? 2 : (this.segAttr(SEGMENT.SS) & ATTR.BIG) !== 0 ? 1 : 0;
    mode |= stack << MODE.STACK_SHIFT;
    if ((cr0 & (CR0.EM | CR0.TS)) !== 0) mode |= MODE.NO_X87;
    if ((cr0 & CR0.EM) !== 0 || (cr4 & CR4.OSFXSR) === 0) mode |= MODE.NO_SSE;
    if ((cr0 & CR0.TS) !== 0) mode |= MODE.TS;
    if ((cr0 & CR0.EM) !== 0) mode |= MODE.EM;
    if ((cr0 & CR0.PE) === 0 || (eflags & RFLAGS.VM) !== 0) mode |= MODE.REAL;
    const { debug } = this;
    const resumed = (eflags & RFLAGS.RF) !== 0 && debug.guestBreaks;
    const alone = this.single || debug.stepwise;
    if (alone || resumed || (eflags & RFLAGS.TF) !== 0) mode |= MODE.STEP;
    const before = this.cell32(CPU.MODE);
    if (mode !== before) {
      // From the next instruction on each is followed by a look.
      if ((mode & ~before & MODE.STEP) !== 0 && !alone) this.endSoon();
      this.setCell32(CPU.MODE, mode);
      this.newGeneration();
    }
    const supervisorMayTouchUser = (cr4 & CR4.SMAP) === 0 || (eflags & RFLAGS.AC) !== 0;
    const user = this.cpl === 3;
    const table = user ? 2 : supervisorMayTouchUser ? 1 : 0;
    this.setCell32(CPU.TLB_BASE, PLACE.TLB + table * TLB.ENTRIES * TLB.ENTRY_BYTES);
    // What the other level could fetch, and where RIP led in another segment, says nothing now.
    const codeBase = long ? 0 : this.u32[(CPU.SEG_BASE >> 2) + 2 * SEGMENT.CS]!;
    const codeLimit = long ? 0 : this.segLimit(SEGMENT.CS);
    if (user !== this.#user || codeBase !== this.#codeBase || codeLimit !== this.#codeLimit) {
      this.#user = user;
      this.#codeBase = codeBase;
      this.#codeLimit = codeLimit;
      this.newGeneration();
    }
  }

  /** Empties the jump cache: no RIP is all ones, and no entry serves again. */
  forgetJumps(): void {
    this.u8.fill(0xff, PLACE.JUMPS, PLACE.JUMPS + PLACE.JUMP_ENTRIES * JUMP.BYTES);
  }

  /** Makes the jump cache ask the TLB again before it serves. */
  newGeneration(): void {
    const next = this.cell32(CPU.GENERATION) + 1 >>> 0;
    this.setCell32(CPU.GENERATION, next);
    if (next === 0) {
      this.forgetJumps();
      this.setCell32(CPU.GENERATION, 1);
    }
  }

  // ---- faults -------------------------------------------------------------------------------------------------------

  /** What to throw to raise an exception: `throw cpu.fault(VECTOR.GP, 0)`. A code of -1: the exception has none. */
  fault(vector: number, code = -1): GuestFault {
    this.#fault.vector = vector;
    this.#fault.code = code;
    return this.#fault;
  }

  // ---- memory by linear address ---------------------------------------------------------------------------------------

  /**
   * Reads 1, 2, 4 or 8 bytes at a linear address, as the current privilege level or (`supervisor`) as an implicit access of
   * the processor's (descriptor tables, TSS, stacks of inner levels). Throws a {@linkcode GuestFault}.
   */
  readLinear(linear: bigint, bytes: number, supervisor = false): bigint {
    if (this.debug.data.watching) this.debug.accessed(linear, bytes, READ);
    return this.paging.read(linear, bytes, supervisor);
  }

  /** Writes likewise; nothing is written when any part of it faults. */
  writeLinear(linear: bigint, bytes: number, value: bigint, supervisor = false): void {
    this.paging.write(linear, bytes, value, supervisor);
    if (this.debug.data.watching) this.debug.accessed(linear, bytes, WRITE);
  }

  /** Throws what an access to `bytes` bytes would throw. */
  probeLinear(linear: bigint, bytes: number, write: boolean, supervisor = false): void {
    this.paging.probe(linear, bytes, write, supervisor);
  }
}
