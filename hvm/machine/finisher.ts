/**
 * Finishes what KVM cannot: an instruction that its emulator lacks is executed by hvm's own processor over the state of
 * the virtual one, in the same memory and on the same buses.
 *
 * It is loaded when the first such instruction comes, so that guests that never meet one start without it.
 * @module
 */

import { FOUR_GIB } from "../base/addr.ts";
import type { Trace } from "../base/trace.ts";
import type { GuestRam } from "../host/guest_ram.ts";
import { ramMemory } from "../host/wasm_ram.ts";
import type { Bus } from "../io/bus.ts";
import { BLOCKED, type VendorOps } from "../vendor/ops.ts";
import { compileInterpreter } from "../vendor/soft/module.ts";
import { SoftProcessor } from "../vendor/soft/processor.ts";
import { type ForeignComponent, RUN_EXIT } from "../x86/cpu.ts";
import { loadExtended, loadState, resetCpu, saveExtended, saveState } from "../x86/cpu_state.ts";
import { CPU } from "../x86/exec/cpu_memory.ts";
import { storeFpuImage } from "../x86/exec/fpu_image.ts";
import { nameOf } from "../x86/format.ts";
import { traitsOf } from "../x86/insn.ts";
import { TRAIT } from "../x86/isa.ts";
import { MSR, writeMsr } from "../x86/msr.ts";
import { GPR } from "../x86/state.ts";

/** Blocks are thrown away after each use, since the guest's writes are not seen. */
const BLOCK_CACHE_BYTES = 1 << 18;
/** Registers the processor keeps itself, which instructions use. */
const MSRS = [
  MSR.SYSENTER_CS,
  MSR.SYSENTER_ESP,
  MSR.SYSENTER_EIP,
  MSR.STAR,
  MSR.LSTAR,
  MSR.CSTAR,
  MSR.FMASK,
  MSR.KERNEL_GS_BASE,
  MSR.TSC_AUX,
] as const;
const MSR_TSC = 0x10;
/** Components of extended state that hvm's processor has: x87 and SSE. */
const KNOWN_COMPONENTS = 3n;

/** What a finisher works on. */
export interface FinisherParts<V> {
  readonly ops: VendorOps<V>;
  readonly cpu: V;
  readonly ram: GuestRam;
  readonly ports: Bus;
  readonly memoryIo: Bus;
  readonly trace: Trace;
  /** What extended state the host has beyond SSE. */
  readonly components: readonly ForeignComponent[];
  /** Instructions at most that are executed before the engine goes on, 1 or more; see quirk `finish-run`. */
  readonly run: number;
}

/** How finishing went. */
export type Finished =
  /** The engine can go on. */
  | { readonly kind: "done" }
  /** The instruction was HLT, or one after it. */
  | { readonly kind: "halted" }
  /** A fault of it could not be delivered. */
  | { readonly kind: "shutdown" }
  /** hvm's processor lacks it as well; `name` is its mnemonic. */
  | { readonly kind: "unknown"; readonly name: string };

/** Executes instructions in place of KVM. */
export class Finisher<V> {
  readonly #parts: FinisherParts<V>;
  readonly #processor: SoftProcessor;
  readonly #points = new Map<string, () => void>();
  /** Plain instructions executed because the engine had just been left. */
  readonly #ranOn: () => void;

  /** @throws {HostError} when the guest's memory cannot be mapped once more. */
  constructor(parts: FinisherParts<V>) {
    this.#parts = parts;
    this.#ranOn = parts.trace.point("ran on");
    const { ops, cpu, ram, ports, memoryIo } = parts;
    const { memory, bytes, pages, wide } = ramMemory(ram);
    const statePages = SoftProcessor.statePages(BLOCK_CACHE_BYTES);
    const { module } = compileInterpreter({ statePages, ramPages: pages, wide });
    this.#processor = new SoftProcessor(
      {
        ram: bytes,
        ramOffset: (gpa) => {
          if (gpa < ram.lowBytes) return gpa;
          const high = gpa - FOUR_GIB;
          return high >= 0 && high < ram.highBytes ? ram.lowBytes + high : -1;
        },
        mmioRead: (gpa, width) => memoryIo.read(gpa, width),
        mmioWrite: (gpa, width, value) => memoryIo.write(gpa, width, value),
        portRead: (port, width) => ports.read(port, width),
        portWrite: (port, width, value) => ports.write(port, width, value),
        readMsr: (index) => ops.readMsr(cpu, index),
        writeMsr: (index, value) => ops.writeMsr(cpu, index, value),
        // CPUID always exits to KVM's own; features are the host's, since that is what its emulator was asked for.
        cpuid: () => [0, 0, 0, 0],
        hasFeature: () => true,
        readTsc: () => ops.readMsr(cpu, MSR_TSC) ?? 0n,
        writeTsc: (value) => void ops.writeMsr(cpu, MSR_TSC, value),
        random: () => crypto.getRandomValues(new BigUint64Array(1))[0]!,
        taskPriority: () => ops.fast(cpu).cr8,
        setTaskPriority: (value) => ops.setCr8(cpu, value),
      },
      memory,
      { module },
      BLOCK_CACHE_BYTES,
    );
    resetCpu(this.#processor.cpu);
  }

  /** Executes the instruction at the program counter, and up to `run` in all where what follows is plain. */
  finish(): Finished {
    const { ops, cpu, run } = this.#parts;
    const soft = this.#processor;
    const before = this.#load();
    let done: Finished | undefined;
    for (let count = 0; count < run && done === undefined; count++) {
      const what = soft.look();
      if (what === "unknown" || what === "known" && this.#isBeyond()) {
        const name = nameOf(soft.cpu.insn);
        if (count === 0) return { kind: "unknown", name };
        break;
      }
      if (count > 0 && (what === "unreachable" || (traitsOf(soft.cpu.insn) & TRAIT.CPL0) !== 0)) break;
      if (count > 0) this.#ranOn();
      else this.#count(what === "known" ? nameOf(soft.cpu.insn) : "fetch");
      done = ended(soft.step());
    }
    const { inhibited, nmiBlocked } = soft.cpu;
    const shadow = inhibited ? "sti" : "none";
    // What hvm's processor does not have of it stays as it was.
    storeFpuImage(soft.cpu, before.xsave);
    ops.writeExtended(cpu, { ...saveExtended(soft.cpu), xsave: before.xsave });
    ops.adoptState(cpu, saveState(soft.cpu), { shadow, nmiBlocked });
    return done ?? { kind: "done" };
  }

  /** Takes the virtual processor's state over. */
  #load() {
    const { ops, cpu } = this.#parts;
    const soft = this.#processor;
    soft.blocks.flush();
    const extended = ops.readExtended(cpu);
    loadState(soft.cpu, ops.readState(cpu));
    loadExtended(soft.cpu, extended);
    soft.cpu.foreign = { components: this.#parts.components, image: extended.xsave };
    soft.cpu.nmiBlocked = (ops.blocked(cpu, "nmi") & BLOCKED.NMI) !== 0;
    for (const index of MSRS) {
      const value = ops.readMsr(cpu, index);
      if (value !== undefined) writeMsr(soft.cpu, index, value);
    }
    return extended;
  }

  /** Whether the instruction moves components of extended state that nobody described. */
  #isBeyond(): boolean {
    const { cpu } = this.#processor;
    const name = nameOf(cpu.insn);
    const known = this.#parts.components.reduce((bits, { bit }) => bits | bit, KNOWN_COMPONENTS);
    if (name === "xsetbv") return (cpu.gpr[GPR.RAX]! & 0xffffffffn & ~known) !== 0n;
    if (!/^x(save|rstor)/.test(name)) return false;
    const wanted = (cpu.gpr[GPR.RDX]! & 0xffffffffn) << 32n | cpu.gpr[GPR.RAX]! & 0xffffffffn;
    return (wanted & cpu.cell64(CPU.XCR0) & ~known) !== 0n;
  }

  /** Counts an instruction by kind, as trace point `finished NAME`. */
  #count(name: string): void {
    let point = this.#points.get(name);
    if (point === undefined) this.#points.set(name, point = this.#parts.trace.point(`finished ${name}`));
    point();
  }
}

function ended(why: number): Finished | undefined {
  if (why === RUN_EXIT.HALT) return { kind: "halted" };
  return why === RUN_EXIT.SHUTDOWN ? { kind: "shutdown" } : undefined;
}
