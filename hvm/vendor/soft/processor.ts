/**
 * One processor of the soft engine: state, interpreter, blocks, and the slow ways out of WebAssembly.
 * @module
 */

import { Cpu, GuestFault, RUN_EXIT, SEGMENT, type SystemOps } from "../../x86/cpu.ts";
import { decode, OK } from "../../x86/decode.ts";
import { BREAK_FAULT, DR6 } from "../../x86/debug.ts";
import { CPU, MODE, PLACE, RECORD, RECORD_FLAG } from "../../x86/exec/cpu_memory.ts";
import { VECTOR } from "../../x86/exec/sem.ts";
import { classOf, memoryOperand, traitsOf } from "../../x86/insn.ts";
import { TRAIT } from "../../x86/isa.ts";
import { deliver, raise } from "../../x86/interrupt.ts";
import { linearOf } from "../../x86/operands.ts";
import { ACCESS_KIND } from "../../x86/paging.ts";
import { CR4, GPR, RFLAGS } from "../../x86/state.ts";
import type { World } from "../../x86/world.ts";
import { Blocks } from "./blocks.ts";
import { SLOW } from "./interp.ts";
import { ISA_HANDLERS, type SoftModule } from "./module.ts";
import { semanticKey } from "./forms.ts";
import { SYSTEM_OPS } from "./system_ops.ts";

const WASM_PAGE = 65536;
const BITS = [16, 32, 64] as const;
const PAGE = 4096;

/** Instructions that push and pop. */
const STACK_CLASSES: ReadonlySet<string> = new Set(["stack", "call", "ret"]);

/** What a world of a processor is without what the processor itself answers. */
export type OuterWorld = Omit<World, "codeWritten" | "hasCode">;

/** A processor. */
export class SoftProcessor {
  readonly cpu: Cpu;
  readonly blocks: Blocks;
  readonly #ops: SystemOps = SYSTEM_OPS;
  readonly #run: () => void;
  readonly #view: DataView<ArrayBufferLike>;
  readonly #ram: DataView<ArrayBufferLike>;
  /** The record of the last call out of WebAssembly: where a fault was raised. */
  #at = 0;
  readonly #fetched = new Uint8Array(16);

  /** `ram` is memory 1; it holds all of the guest's RAM from its first byte on. */
  constructor(outer: OuterWorld, ram: WebAssembly.Memory, wasm: SoftModule, blockCacheBytes: number) {
    const pages = SoftProcessor.statePages(blockCacheBytes);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const world: World = Object.assign(Object.create(outer) as OuterWorld, {
      codeWritten: (offset: number, bytes: number) => this.blocks.written(offset, bytes),
      hasCode: (page: number) => this.blocks.hasCode(page),
    });
    this.cpu = new Cpu(world, memory.buffer);
    this.#view = new DataView(memory.buffer);
    this.#ram = new DataView(outer.ram.buffer, outer.ram.byteOffset, outer.ram.byteLength);
    const ramPages = Math.ceil(outer.ram.length / PAGE);
    this.blocks = new Blocks(this.cpu, ISA_HANDLERS(), ramPages, blockCacheBytes);
    this.cpu.debug.changed = (data) => {
      this.blocks.dropBroken();
      if (data) this.cpu.paging.flush();
    };
    const instance = new WebAssembly.Instance(wasm.module, {
      env: {
        state: memory,
        ram,
        slow: (p: number, kind: number, log2: number) => this.#slow(p, kind, 1 << log2),
        probe: (p: number, bytes: number, write: number) => {
          this.#at = p;
          this.cpu.probeLinear(this.cpu.cell64(CPU.SCRATCH), bytes, write !== 0);
        },
        fault: (p: number, vector: number, code: number) => {
          this.#at = p;
          throw this.cpu.fault(vector, code);
        },
        system: (p: number) => this.#system(p),
        segment: (p: number) => this.#segment(p),
        segmented: (p: number, segment: number, bytes: number, write: number) => {
          this.#at = p;
          const offset = this.cpu.cell64(CPU.SCRATCH);
          this.cpu.setCell64(CPU.SCRATCH, linearOf(this.cpu, segment, offset, bytes, write !== 0));
        },
        enter: () => {
          this.#at = 0;
          return this.blocks.enter();
        },
        link: (p: number) => {
          this.#at = 0;
          this.blocks.link(p);
        },
      },
    });
    this.#run = instance.exports.run as () => void;
  }

  /** The pages of memory 0 that a module must be built with; a record of the block cache is 32 bytes. */
  static statePages(blockCacheBytes: number): number {
    return Math.ceil((PLACE.BLOCKS + blockCacheBytes) / WASM_PAGE) + 1;
  }

  /**
   * Runs until `limit` instructions have retired in all, or the processor halts or shuts down.
   * @returns one of {@linkcode RUN_EXIT}.
   */
  run(limit: bigint): number {
    const { cpu } = this;
    const limitCell = CPU.LIMIT >> 3;
    const retiredCell = CPU.RETIRED >> 3;
    cpu.setCell32(CPU.EXIT, RUN_EXIT.LIMIT);
    cpu.i64[limitCell] = limit;
    while (cpu.i64[retiredCell]! < cpu.i64[limitCell]!) {
      const stepping = (cpu.cell32(CPU.MODE) & MODE.STEP) !== 0;
      const trap = (cpu.cell32(CPU.EFLAGS) & RFLAGS.TF) !== 0;
      if (stepping && cpu.i64[limitCell] !== 0n) cpu.i64[limitCell] = cpu.i64[retiredCell]! + 1n;
      try {
        if (stepping) cpu.debug.beforeStep();
        this.#run();
        if ((cpu.cell32(CPU.MODE) & MODE.CODE) !== MODE.CODE64) cpu.cutRip();
        if (stepping || cpu.debug.data.met) this.#afterStep(stepping && trap);
      } catch (error) {
        if (!(error instanceof GuestFault)) throw error;
        if (!this.#raise(error)) return RUN_EXIT.SHUTDOWN;
      }
      const exit = cpu.cell32(CPU.EXIT);
      if (exit !== RUN_EXIT.LIMIT) return exit;
      if (stepping && cpu.i64[limitCell] !== 0n) cpu.i64[limitCell] = limit;
    }
    return RUN_EXIT.LIMIT;
  }

  /** Executes the instruction at RIP alone, or delivers its fault. @returns one of {@linkcode RUN_EXIT}. */
  step(): number {
    const { cpu } = this;
    const before = cpu.single;
    cpu.single = true;
    cpu.updateMode();
    const why = this.run(cpu.i64[CPU.RETIRED >> 3]! + 1n);
    cpu.single = before;
    cpu.updateMode();
    return why;
  }

  /**
   * The instruction at RIP, decoded into `cpu.insn`: `known` when this processor executes it as it should be, or rightly
   * faults; `unknown` when it is one that hvm has no semantics for; `unreachable` when fetching it faults.
   */
  look(): "known" | "unknown" | "unreachable" {
    try {
      this.#decodeHere();
    } catch (error) {
      if (error instanceof GuestFault) return "unreachable";
      throw error;
    }
    return this.blocks.implements(this.cpu.insn) ? "known" : "unknown";
  }

  /** RAM was written by somebody else, between runs or on the processor's own thread. */
  memoryWritten(offset: number, length: number): void {
    for (let at = offset; at < offset + length;) {
      const inPage = Math.min(PAGE - at % PAGE, offset + length - at);
      this.blocks.written(at, inPage);
      at += inPage;
    }
  }

  /** Delivers an external interrupt. False when that ends in a triple fault. */
  interrupt(vector: number): boolean {
    return this.#deliver(vector, "external");
  }

  /** Delivers a non-maskable interrupt. */
  nmi(): boolean {
    this.cpu.nmiBlocked = true;
    return this.#deliver(VECTOR.NMI, "external");
  }

  /** Raises an exception at the present instruction. */
  exception(vector: number, code = -1): boolean {
    return raise(this.cpu, vector, code);
  }

  #deliver(vector: number, source: "external"): boolean {
    try {
      deliver(this.cpu, vector, { source });
      return true;
    } catch (error) {
      if (!(error instanceof GuestFault)) throw error;
      return raise(this.cpu, error.vector, error.code);
    }
  }

  /** A fault of the instruction at the last record, or what took the run out before it; RIP is moved back to it. */
  #raise(fault: GuestFault): boolean {
    const { cpu } = this;
    const { vector, code } = fault;
    if (this.#at !== 0) {
      cpu.rip = this.#ownRip(this.#at);
      cpu.i64[CPU.RETIRED >> 3]! += BigInt(this.#view.getUint8(this.#at + RECORD.PLACE));
    }
    this.#at = 0;
    if (vector >= BREAK_FAULT.EXECUTE) return this.#broken(vector);
    if (cpu.debug.stepwise || cpu.debug.data.met) cpu.debug.faulted();
    this.#countDelivery();
    const alive = raise(cpu, vector, code);
    if (!alive) cpu.setCell32(CPU.EXIT, RUN_EXIT.SHUTDOWN);
    else if (cpu.debug.stopped) cpu.setCell32(CPU.EXIT, RUN_EXIT.DEBUG);
    return alive;
  }

  /** The delivery of a fault counts as an instruction: a handler that cannot be fetched faults for ever, and runs must end. */
  #countDelivery(): void {
    this.cpu.i64[CPU.RETIRED >> 3]! += 1n;
  }

  /** A breakpoint is at the instruction that is next, or it is about to access data that has one. */
  #broken(vector: number): boolean {
    const { cpu } = this;
    const { debug } = cpu;
    if (vector === BREAK_FAULT.DATA) debug.stepByItself();
    else {
      const bits = debug.atBreak();
      if (bits !== 0n) {
        if (debug.stepwise) debug.faulted();
        this.#countDelivery();
        if (!this.#debugException(bits)) return false;
      }
      if (debug.stopped) cpu.setCell32(CPU.EXIT, RUN_EXIT.DEBUG);
    }
    return true;
  }

  /** After an instruction that was executed by itself, or met a data breakpoint. */
  #afterStep(trap: boolean): void {
    const { cpu } = this;
    const bits = cpu.debug.afterStep() | (trap ? DR6.BS : 0n);
    if (cpu.debug.stopped && cpu.cell32(CPU.EXIT) === RUN_EXIT.LIMIT) {
      cpu.setCell32(CPU.EXIT, RUN_EXIT.DEBUG);
    }
    this.#at = 0;
    if (bits !== 0n && !this.#debugException(bits)) cpu.setCell32(CPU.EXIT, RUN_EXIT.SHUTDOWN);
  }

  /** Raises #DB, which is a fault of the instruction at RIP or a trap of the one before. [SDM] vol. 3B, 19.3.1 */
  #debugException(bits: bigint): boolean {
    const { cpu } = this;
    const kept = cpu.cell64(CPU.DR + 48) & ~DR6.B;
    cpu.setCell64(CPU.DR + 48, kept | bits);
    return raise(cpu, VECTOR.DB);
  }

  #ownRip(p: number): bigint {
    const rip = this.cpu.cell64(CPU.RIP_BASE) + BigInt(this.#view.getInt32(p + RECORD.RIP, true));
    return this.#cutRip(rip);
  }

  #cutRip(rip: bigint): bigint {
    const code = this.cpu.cell32(CPU.MODE) & MODE.CODE;
    return BigInt.asUintN(code === MODE.CODE64 ? 64 : 32, rip);
  }

  /** Memory accesses that the TLB does not know, cross a page, or are not RAM. */
  #slow(p: number, kind: number, bytes: number): void {
    this.#at = p;
    const { cpu } = this;
    const scratch = CPU.SCRATCH >> 3;
    const linear = cpu.u64[scratch]!;
    const inPage = Number(linear & 0xfffn);
    const top = cpu.u32[(CPU.SCRATCH >> 2) + 1]! >>> 15;
    if (top !== 0 && top !== 0x1ffff) throw cpu.fault(this.#isOnStack(p, linear) ? VECTOR.SS : VECTOR.GP, 0);
    if (cpu.debug.data.watching) this.#watched(linear, bytes, kind);
    if (inPage + bytes > PAGE) {
      if (kind === SLOW.STORE) return cpu.writeLinear(linear, bytes, cpu.u64[scratch + 1]!);
      if (kind === SLOW.LOAD_FOR_WRITE) cpu.probeLinear(linear, bytes, true);
      cpu.u64[scratch] = cpu.readLinear(linear, bytes);
      return;
    }
    const physical = cpu.paging.fill(linear, kind === SLOW.LOAD ? ACCESS_KIND.READ : ACCESS_KIND.WRITE);
    if (kind === SLOW.LOAD && cpu.world.ramOffset(physical) >= 0) {
      return this.#loadRam(cpu.world.ramOffset(physical), bytes);
    }
    if (kind === SLOW.STORE) cpu.paging.writePhysical(physical, bytes, cpu.u64[scratch + 1]!);
    else cpu.u64[scratch] = cpu.paging.readPhysical(physical, bytes);
  }

  /** Whether a 64-bit access goes by the stack segment: a push or pop, or an operand based on rSP or rBP. */
  #isOnStack(p: number, linear: bigint): boolean {
    const { cpu } = this;
    cpu.rip = this.#ownRip(p);
    this.#decodeHere();
    const distance = BigInt.asIntN(64, linear - cpu.gpr[GPR.RSP]!);
    if (STACK_CLASSES.has(classOf(cpu.insn)) && distance >= -16n && distance <= 16n) return true;
    return memoryOperand(cpu.insn) >= 0 && cpu.insn.segment === SEGMENT.SS;
  }

  /** An access that may be near a data breakpoint: its instruction is executed by itself, so that a trap comes behind it. */
  #watched(linear: bigint, bytes: number, kind: number): void {
    const { cpu } = this;
    if ((cpu.cell32(CPU.MODE) & MODE.STEP) === 0) {
      if (cpu.debug.data.isNear(linear, bytes)) throw cpu.fault(BREAK_FAULT.DATA);
    } else cpu.debug.accessed(linear, bytes, { read: kind !== SLOW.STORE, write: kind !== SLOW.LOAD });
  }

  /** 1, 2, 4 or 8 bytes of RAM to where the answer goes. */
  #loadRam(offset: number, bytes: number): void {
    const { u32 } = this.cpu;
    const scratch = CPU.SCRATCH >> 2;
    const ram = this.#ram;
    u32[scratch] = bytes === 1
      ? ram.getUint8(offset)
      : bytes === 2
      ? ram.getUint16(offset, true)
      : ram.getUint32(offset, true);
    u32[scratch + 1] = bytes === 8 ? ram.getUint32(offset + 4, true) : 0;
  }

  #segment(p: number): void {
    this.#at = p;
    const { cpu } = this;
    const view = this.#view;
    const seg = view.getUint8(p + RECORD.SEGMENT);
    const write = (view.getUint8(p + RECORD.FLAGS) & RECORD_FLAG.WRITE) !== 0;
    const bytes = Math.max(1, view.getUint8(p + RECORD.SPAN));
    cpu.setCell64(CPU.SCRATCH, linearOf(cpu, seg, cpu.cell64(CPU.SCRATCH), bytes, write));
  }

  /** Executes one instruction in TypeScript. */
  #system(p: number): void {
    this.#at = p;
    const { cpu } = this;
    const { insn } = cpu;
    cpu.rip = this.#ownRip(p);
    this.#decodeHere();
    cpu.nextRip = this.#cutRip(cpu.rip + BigInt(insn.length));
    const traits = traitsOf(insn);
    if (cpu.cpl !== 0) {
      if ((traits & TRAIT.CPL0) !== 0) throw cpu.fault(VECTOR.GP, 0);
      if ((traits & TRAIT.UMIP) !== 0 && (cpu.cr4 & CR4.UMIP) !== 0) throw cpu.fault(VECTOR.GP, 0);
    }
    const key = semanticKey(insn, (name) => cpu.world.hasFeature(name))!;
    const place = BigInt(this.#view.getUint8(p + RECORD.PLACE));
    const op = this.#ops[key];
    if (op === undefined) throw cpu.fault(VECTOR.UD);
    // What the instruction counts from has it not counted yet.
    cpu.i64[CPU.RETIRED >> 3]! += place;
    try {
      op(cpu, insn);
    } catch (error) {
      cpu.i64[CPU.RETIRED >> 3]! -= place;
      throw error;
    }
    cpu.i64[CPU.RETIRED >> 3]! += 1n;
    cpu.rip = cpu.nextRip;
  }

  /** Decodes the instruction at RIP into `cpu.insn`. */
  #decodeHere(): void {
    const { cpu } = this;
    const mode = cpu.cell32(CPU.MODE) & MODE.CODE;
    const linear = mode === MODE.CODE64 ? cpu.rip : BigInt.asUintN(32, cpu.rip + cpu.segBase(1));
    const bits = BITS[mode]!;
    const physical = cpu.paging.translate(linear, ACCESS_KIND.FETCH);
    const offset = cpu.world.ramOffset(physical);
    if (offset >= 0) {
      const end = offset - offset % PAGE + PAGE;
      if (decode(cpu.world.ram, offset, end, bits, cpu.insn) === OK) return;
    }
    const bytes = this.#fetched;
    for (let have = 0; have < 15;) {
      const address = BigInt.asUintN(bits === 64 ? 64 : 32, linear + BigInt(have));
      bytes[have++] = Number(cpu.paging.readPhysical(cpu.paging.translate(address, ACCESS_KIND.FETCH), 1));
      if (decode(bytes, 0, have, bits, cpu.insn) === OK) return;
    }
    throw cpu.fault(VECTOR.UD);
  }
}
