/**
 * The table of the soft engine: hvm's own processor. Ports, memory-mapped I/O and registers of devices are calls into the
 * machine's buses; HLT, shutdown, the end of a slice and an open interrupt window are exits.
 * @module
 */

import type { CpuidLeaf } from "../../x86/cpuid.ts";
import { CPU } from "../../x86/exec/cpu_memory.ts";
import { RUN_EXIT } from "../../x86/cpu.ts";
import { loadExtended, loadState, resetCpu, saveExtended, saveState } from "../../x86/cpu_state.ts";
import { readMsr, writeMsr } from "../../x86/msr.ts";
import { VECTOR } from "../../x86/exec/sem.ts";
import { ACCESS_KIND } from "../../x86/paging.ts";
import { ISA_FEATURE } from "../../x86/isa_features.ts";
import { OTHER_GATES } from "../../x86/soft_cpuid.ts";
import { CR0, RFLAGS } from "../../x86/state.ts";
import type { CpuidAnswer } from "../../x86/world.ts";
import { BLOCKED, type CpuEvent, EXIT, type Exit, type VendorCaps, type VendorOps } from "../ops.ts";
import type { SoftModule } from "./module.ts";
import { type OuterWorld, SoftProcessor } from "./processor.ts";
import { quirksOf } from "../quirks.ts";

/** What the soft engine reaches of its machine. */
export interface SoftMachine {
  readonly ram: WebAssembly.Memory;
  readonly ramBytes: Uint8Array<ArrayBufferLike>;
  readonly wasm: SoftModule;
  /** Where a physical page is in RAM; -1: nowhere. */
  ramOffset(gpa: number): number;
  readonly cpuid: readonly CpuidLeaf[];
  readonly board: SoftBoard;
  /** Nanoseconds that never go back: how long slices last. */
  hostNs(): number;
  /** Bytes for decoded instructions. */
  readonly blockCacheBytes: number;
  /** What an instruction takes of the machine's time; absent: time is the host's. */
  readonly instructionNs?: number;
}

/** The rest of the machine; accesses are synchronous. */
export type SoftBoard =
  & Pick<
    OuterWorld,
    | "mmioRead"
    | "mmioWrite"
    | "portRead"
    | "portWrite"
    | "readMsr"
    | "writeMsr"
    | "readTsc"
    | "writeTsc"
    | "taskPriority"
    | "setTaskPriority"
  >
  & {
    /** IA32_APIC_BASE as the local APIC has it. */
    apicBase(): bigint;
  };

/** A processor with what the table keeps about it. */
export interface SoftCpu {
  readonly processor: SoftProcessor;
  readonly machine: SoftMachine;
  /** Time at which the slice is to end. */
  deadline: number;
  /** Instructions of a slice of about {@linkcode SLICE_NS}. */
  slice: number;
  windowWanted: boolean;
  kicked: boolean;
  tripleFault: boolean;
  /** An event was injected that has not been delivered yet: delivery happens at once, so never. */
  nmiPending: boolean;
  /** Nanoseconds a halted processor skipped, where time is instructions. */
  skipped: number;
}

/** Nanoseconds: the host's, or of instructions executed and time skipped. */
export function timeNs({ processor, machine, skipped }: SoftCpu): number {
  const { instructionNs } = machine;
  if (instructionNs === undefined) return machine.hostNs();
  return Number(processor.cpu.i64[CPU.RETIRED >> 3]!) * instructionNs + skipped;
}

/** Lets the time of instructions jump to a moment that is not past. */
export function skipTo(soft: SoftCpu, moment: number): void {
  soft.skipped += Math.max(0, moment - timeNs(soft));
}

/** V8 replaces a running function by its optimised version only when it is entered anew. */
const SLICE_NS = 1_000_000;
const LEAST_SLICE = 200;
const MOST_SLICE = 400_000;

const NO_LEAF: CpuidAnswer = [0, 0, 0, 0];

/** The table. */
export function softTable(caps: VendorCaps): VendorOps<SoftCpu, SoftMachine> {
  return {
    caps,
    quirks: quirksOf("soft"),
    hypercallInstruction: Uint8Array.of(0x0f, 0x01, 0xc1),
    construct,
    relinquish: () => {},
    run,
    kickSelf: (cpu) => {
      cpu.kicked = true;
      cpu.processor.cpu.endSoon();
    },
    fast: (cpu) => fastState(cpu),
    requestWindow: (cpu, wanted) => {
      cpu.windowWanted = wanted;
      cpu.processor.cpu.setCell32(CPU.WINDOW, wanted ? 1 : 0);
    },
    setCr8: () => {}, // the processor asks the local APIC itself
    setApicBase: () => {},
    readState: (cpu) => saveState(cpu.processor.cpu),
    writeState: (cpu, state) => loadState(cpu.processor.cpu, state),
    adoptState: ({ processor: { cpu } }, state, { nmiBlocked }) => {
      loadState(cpu, state);
      cpu.nmiBlocked = nmiBlocked;
    },
    readExtended: ({ processor: { cpu } }) => saveExtended(cpu),
    writeExtended: ({ processor: { cpu } }, state) => loadExtended(cpu, state),
    inject,
    blocked: ({ processor: { cpu } }, kind) => {
      let reasons = 0;
      if (kind === "interrupt" && (cpu.cell32(CPU.EFLAGS) & RFLAGS.IF) === 0) reasons |= BLOCKED.FLAGS;
      if (cpu.inhibited) reasons |= BLOCKED.SHADOW;
      if (kind === "nmi" && cpu.nmiBlocked) reasons |= BLOCKED.NMI;
      return reasons;
    },
    skipInstruction: ({ processor: { cpu } }, length) => {
      cpu.rip = BigInt.asUintN(cpu.code64 ? 64 : 32, cpu.rip + BigInt(length));
    },
    realMode: ({ processor: { cpu } }) => !cpu.protectedMode,
    pagingEnabled: ({ processor: { cpu } }) => (cpu.cr0 & CR0.PG) !== 0,
    instructionLength: () => 0,
    instructionBytes,
    readMsr: ({ processor: { cpu } }, index) => attempt(() => readMsr(cpu, index)),
    writeMsr: ({ processor: { cpu } }, index, value) =>
      attempt(() => {
        writeMsr(cpu, index, value);
        return true;
      }) ?? false,
    changeState: (cpu, state) => loadState(cpu.processor.cpu, state),
    memoryWritten: ({ processor, machine }, gpa, bytes) => {
      const offset = machine.ramOffset(gpa);
      if (offset >= 0) processor.blocks.written(offset, bytes);
    },
    setDebug: ({ processor }, plan) => {
      processor.cpu.debug.arm(plan);
      return true;
    },
    debugStop: ({ processor }, exit) =>
      exit.kind === EXIT.DEBUG ? processor.cpu.debug.takeStop() ?? "guest" : "none",
  };
}

/** What faults is undefined. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

function construct(machine: SoftMachine, _index: number): SoftCpu {
  const { board } = machine;
  const answers = new CpuidAnswers(machine.cpuid);
  // Any access to a device may have armed a timer or moved a line: the loop looks at both between slices.
  const ends = <A extends unknown[], R>(access: (...args: A) => R) => (...args: A): R => {
    const result = access(...args);
    processor.cpu.endSoon();
    return result;
  };
  const outer: OuterWorld = {
    ram: machine.ramBytes,
    ramOffset: machine.ramOffset,
    mmioRead: ends(board.mmioRead),
    mmioWrite: ends(board.mmioWrite),
    portRead: ends(board.portRead),
    portWrite: ends(board.portWrite),
    readMsr: board.readMsr,
    writeMsr: ends(board.writeMsr),
    cpuid: (leaf, subleaf) => answers.answer(leaf, subleaf),
    hasFeature: (name) => answers.has(name),
    readTsc: board.readTsc,
    writeTsc: board.writeTsc,
    random: machine.instructionNs === undefined ? randomBits : repeatableBits(),
    taskPriority: board.taskPriority,
    setTaskPriority: ends(board.setTaskPriority),
  };
  const processor = new SoftProcessor(outer, machine.ram, machine.wasm, machine.blockCacheBytes);
  resetCpu(processor.cpu);
  return {
    processor,
    machine,
    deadline: Infinity,
    slice: 10_000,
    windowWanted: false,
    kicked: false,
    tripleFault: false,
    nmiPending: false,
    skipped: 0,
  };
}

function randomBits(): bigint {
  return crypto.getRandomValues(new BigUint64Array(1))[0]!;
}

/** Numbers that look random and are the same in every run. [Vigna 2014] splitmix64 */
function repeatableBits(): () => bigint {
  let state = 0n;
  return () => {
    state = BigInt.asUintN(64, state + 0x9e3779b97f4a7c15n);
    const mixed = BigInt.asUintN(64, (state ^ state >> 30n) * 0xbf58476d1ce4e5b9n);
    const again = BigInt.asUintN(64, (mixed ^ mixed >> 27n) * 0x94d049bb133111ebn);
    return again ^ again >> 31n;
  };
}

/** Runs a slice. */
function run(soft: SoftCpu, exit: Exit): void {
  const { processor, machine } = soft;
  const { cpu } = processor;
  if (soft.nmiPending && !cpu.nmiBlocked && !cpu.inhibited) {
    soft.nmiPending = false;
    soft.tripleFault ||= !processor.nmi();
  }
  if (soft.tripleFault) {
    exit.kind = EXIT.SHUTDOWN;
    return;
  }
  const started = machine.hostNs();
  const left = soft.deadline - timeNs(soft);
  if (soft.kicked || left <= 0) {
    soft.kicked = false;
    soft.deadline = Infinity;
    exit.kind = EXIT.INTERRUPTED;
    return;
  }
  let slice = soft.slice;
  const { instructionNs } = machine;
  // An early end of a slice shows nowhere: it is at the end of a block, and so are those that are due.
  if (instructionNs !== undefined) slice = Math.min(slice, Math.ceil(left / instructionNs));
  else if (left < SLICE_NS) slice = Math.max(LEAST_SLICE, Math.floor(slice * left / SLICE_NS));
  const before = cpu.i64[CPU.RETIRED >> 3]!;
  const why = processor.run(before + BigInt(slice));
  const done = Number(cpu.i64[CPU.RETIRED >> 3]! - before);
  if (done >= slice) adapt(soft, slice, machine.hostNs() - started);
  if (why === RUN_EXIT.HALT) exit.kind = EXIT.HLT;
  else if (why === RUN_EXIT.SHUTDOWN) exit.kind = EXIT.SHUTDOWN;
  else if (why === RUN_EXIT.DEBUG) debugExit(soft, exit);
  else if (soft.windowWanted && isReady(soft)) exit.kind = EXIT.INTERRUPT_WINDOW;
  else exit.kind = EXIT.AGAIN;
}

function debugExit({ processor: { cpu } }: SoftCpu, exit: Exit): void {
  exit.kind = EXIT.DEBUG;
  exit.code = VECTOR.DB;
  exit.gpa = Number(cpu.rip);
  exit.info = [cpu.cell64(CPU.DR + 48), cpu.cell64(CPU.DR + 56)];
}

/** Brings a slice's length nearer to the wanted time. */
function adapt(soft: SoftCpu, slice: number, took: number): void {
  const wanted = slice * SLICE_NS / Math.max(1, took);
  const next = (soft.slice * 3 + wanted) / 4;
  soft.slice = Math.floor(Math.min(MOST_SLICE, Math.max(LEAST_SLICE, next)));
}

function isReady({ processor: { cpu } }: SoftCpu): boolean {
  return (cpu.cell32(CPU.EFLAGS) & RFLAGS.IF) !== 0 && !cpu.inhibited;
}

function fastState(soft: SoftCpu) {
  const { cpu } = soft.processor;
  return {
    rip: cpu.rip,
    interruptsEnabled: (cpu.cell32(CPU.EFLAGS) & RFLAGS.IF) !== 0,
    readyForInterrupt: isReady(soft) && !soft.tripleFault,
    cr8: soft.machine.board.taskPriority(),
    apicBase: soft.machine.board.apicBase(),
  };
}

function inject(soft: SoftCpu, event: CpuEvent): void {
  const { processor } = soft;
  let alive = true;
  if (event.kind === "interrupt") alive = processor.interrupt(event.vector);
  else if (event.kind === "exception") alive = processor.exception(event.vector, event.errorCode ?? -1);
  else soft.nmiPending = true;
  soft.tripleFault ||= !alive;
}

function instructionBytes({ processor: { cpu } }: SoftCpu): Uint8Array {
  const bytes: number[] = [];
  const linear = cpu.code64 ? cpu.rip : BigInt.asUintN(32, cpu.rip + cpu.segBase(1));
  attempt(() => {
    for (let i = 0n; i < 15n; i++) {
      const physical = cpu.paging.translate(linear + i, ACCESS_KIND.FETCH);
      bytes.push(Number(cpu.paging.readPhysical(physical, 1)));
    }
  });
  return Uint8Array.from(bytes);
}

/** CPUID from a list of leaves. [SDM] vol. 2A, CPUID: beyond the last basic leaf, the last basic leaf's data. */
class CpuidAnswers {
  readonly #leaves: readonly CpuidLeaf[];
  readonly #features = new Map<string, boolean>();

  constructor(leaves: readonly CpuidLeaf[]) {
    this.#leaves = leaves;
  }

  answer(leaf: number, subleaf: number): CpuidAnswer {
    const found = this.#find(leaf, subleaf);
    return found === undefined ? NO_LEAF : [found.eax, found.ebx, found.ecx, found.edx];
  }

  has(name: string): boolean {
    let known = this.#features.get(name);
    if (known === undefined) {
      const where = ISA_FEATURE[name] ?? OTHER_GATES[name];
      const leaf = where === undefined ? undefined : this.#find(where.leaf, where.subleaf);
      known = where !== undefined && leaf !== undefined && (leaf[where.register] >>> where.bit & 1) === 1;
      this.#features.set(name, known);
    }
    return known;
  }

  #find(leaf: number, subleaf: number): CpuidLeaf | undefined {
    return this.#leaves.find((one) => one.leaf === leaf && (!one.indexed || one.subleaf === subleaf));
  }
}
