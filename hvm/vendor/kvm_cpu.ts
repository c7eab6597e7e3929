/**
 * One processor of a KVM engine: the descriptor, how it is kicked, and which of its registers we hold.
 *
 * Registers live in the run page, in the form KVM keeps them there. After an exit the sets that travel with it are
 * valid; others are fetched into the same place when they are first looked at. What is changed is marked and goes in
 * with the next entry. Where the host has no KVM_CAP_SYNC_REGS the same bytes are moved by requests of their own.
 *
 * Sources: [KVM] Linux Documentation/virt/kvm/api.rst, KVM_RUN and "The kvm_run structure".
 * @module
 */

import { EXIT_REASON, SYNC_X86 } from "../kvm/abi.ts";
import { EXIT_ARM, REGS, SREGS, VCPU_EVENTS } from "../kvm/abi_structs.ts";
import { KickReceiver } from "../kvm/kick.ts";
import { EXIT_AT, type RunPage } from "../kvm/run_page.ts";
import type { KvmVcpu } from "../kvm/vcpu.ts";
import { ERRNO } from "../sys/errno.ts";
import type { KvmMachine } from "./kvm_machine.ts";
import type { Exit, FastState } from "./ops.ts";

/** Register sets: KVM's own bits. */
export const SET = SYNC_X86;

const HYPERCALL_RET_AT = EXIT_AT + EXIT_ARM.hypercall.offset.ret;
const MSR_ERROR_AT = EXIT_AT + EXIT_ARM.msr.offset.error;
const MSR_DATA_AT = EXIT_AT + EXIT_ARM.msr.offset.data;

/** How the register sets travel on a kind of host. */
export interface SyncPolicy {
  /** The sets stored at every exit; 0 where the host cannot. */
  readonly valid: number;
  /** The sets that may go in with an entry; 0 where the host cannot. */
  readonly dirty: number;
}

/** A processor. Made and used on one thread. */
export class KvmCpu {
  readonly machine: KvmMachine;
  readonly index: number;
  readonly vcpu: KvmVcpu;
  readonly page: RunPage;
  /** Others kick through its `handle`; the loop sleeps and sets alarms with it. */
  readonly kick: KickReceiver;
  readonly sync: SyncPolicy;
  readonly fast: FastState;
  /** Live views of the registers; load their set before reading, touch it after writing. */
  readonly regs: ReturnType<typeof REGS.view>;
  readonly sregs: ReturnType<typeof SREGS.view>;
  readonly events: ReturnType<typeof VCPU_EVENTS.view>;
  /** The instruction that could not be emulated, as far as the last exit told. */
  failedBytes: Uint8Array<ArrayBuffer> = NO_BYTES;

  /** Sets that are as the processor has them. */
  #held = 0;
  /** Sets changed by us and not yet given to KVM. */
  #changed = 0;
  /** KVM has something left to do for the last exit. */
  #unfinished = false;
  /** What finishing the last exit ended with where that was another exit, which nobody has seen. */
  #stashed: number | undefined;
  /** The exit record of the last run, which holds the answers. */
  #answers: Exit | undefined;

  constructor(machine: KvmMachine, index: number, vcpu: KvmVcpu, kick: KickReceiver, sync: SyncPolicy) {
    this.machine = machine;
    this.index = index;
    this.vcpu = vcpu;
    this.kick = kick;
    this.sync = sync;
    const page = this.page = vcpu.page;
    page.validRegs = sync.valid;
    this.regs = REGS.view(page.regs);
    this.sregs = SREGS.view(page.sregs);
    this.events = VCPU_EVENTS.view(page.events);
    this.fast = new PageState(this);
  }

  /**
   * Enters the guest, or takes the exit that finishing the last one made.
   * @param exit takes the answers to the exit it describes until the next call.
   * @returns 0 with the exit's data in the page, or the negated error number.
   */
  enter(exit: Exit): number {
    this.#answer();
    this.#answers = exit;
    const stashed = this.#stashed;
    this.#stashed = undefined;
    return stashed ?? this.#run();
  }

  /**
   * Finishes what the last exit left to do, so that the registers are those after its instruction. Where that makes
   * another exit (an access in several pieces), the next {@linkcode enter} gives it, and the registers are still those
   * before.
   */
  complete(): void {
    if (!this.#unfinished || this.#stashed !== undefined) return;
    this.#answer();
    const { page } = this;
    const asked = page.immediateExit;
    page.immediateExit = true;
    const result = this.#run();
    page.immediateExit = asked;
    if (result !== -ERRNO.EINTR) this.#stashed = result;
  }

  /** Drops whatever an exit left to do; for a processor whose state is replaced as a whole. */
  abandon(): void {
    // Pieces are few: an instruction moves 64 bytes at most, and KVM hands out 8 at a time.
    for (let pieces = 0; this.#unfinished && pieces < 64; pieces++) {
      this.#stashed = undefined;
      this.complete();
    }
    this.#stashed = undefined;
  }

  /** Makes the registers of `sets` those of the processor. @throws {HostError} */
  load(sets: number): void {
    const missing = sets & ~this.#held;
    if (missing === 0) return;
    const { page, vcpu } = this;
    if ((missing & SET.REGS) !== 0) vcpu.call("GET_REGS", page.regs);
    if ((missing & SET.SREGS) !== 0) vcpu.call("GET_SREGS", page.sregs);
    if ((missing & SET.EVENTS) !== 0) vcpu.call("GET_VCPU_EVENTS", page.events);
    this.#held |= missing;
  }

  /** Says that registers of `sets`, all of them valid, were changed. */
  touch(sets: number): void {
    this.#held |= sets;
    this.#changed |= sets;
  }

  /** True when a change of these sets waits for the next entry. */
  changed(sets: number): boolean {
    return (this.#changed & sets) !== 0;
  }

  /** Says that KVM changed these sets by another way, so what is held of them is old. */
  forget(sets: number): void {
    this.#held &= ~sets;
  }

  /** Gives KVM all changes now, for requests that look at them. @throws {HostError} when KVM refuses the values. */
  flush(sets: number = SET.REGS | SET.SREGS | SET.EVENTS): void {
    const now = this.#changed & sets;
    this.#changed &= ~now;
    const { page, vcpu } = this;
    // Segments and control registers first: RFLAGS and RIP are judged by the mode they make.
    if ((now & SET.SREGS) !== 0) vcpu.call("SET_SREGS", page.sregs);
    if ((now & SET.REGS) !== 0) vcpu.call("SET_REGS", page.regs);
    if ((now & SET.EVENTS) !== 0) vcpu.call("SET_VCPU_EVENTS", page.events);
  }

  /** Ends the processor. */
  close(): void {
    this.kick.close();
    this.vcpu.close();
  }

  #run(): number {
    if (this.#changed !== 0) this.#give();
    const result = this.vcpu.run();
    // A refused entry stores nothing: what the page holds of registers may be what was refused.
    this.#held = result === 0 || result === -ERRNO.EINTR ? this.sync.valid : 0;
    this.#unfinished = result === 0 && leavesWork(this.page.exitReason);
    return result;
  }

  #give(): void {
    const travelling = this.#changed & this.sync.dirty;
    if (travelling !== this.#changed) this.flush(this.#changed & ~travelling);
    this.#changed = 0;
    this.page.markDirty(travelling);
  }

  /** Puts the answer to the last exit where KVM takes it. */
  #answer(): void {
    const exit = this.#answers;
    if (!this.#unfinished || exit === undefined) return;
    const { view, exitReason } = this.page;
    if (exitReason === EXIT_REASON.X86_RDMSR || exitReason === EXIT_REASON.X86_WRMSR) {
      view.setUint8(MSR_ERROR_AT, exit.fault ? 1 : 0);
      if (exitReason === EXIT_REASON.X86_RDMSR) view.setBigUint64(MSR_DATA_AT, exit.value, true);
    } else if (exitReason === EXIT_REASON.HYPERCALL) {
      view.setBigUint64(HYPERCALL_RET_AT, exit.value, true);
    }
    this.#answers = undefined;
  }
}

const NO_BYTES = new Uint8Array(0);

/** What the run page says at no cost. */
class PageState implements FastState {
  readonly #cpu: KvmCpu;
  readonly #page: RunPage;

  constructor(cpu: KvmCpu) {
    this.#cpu = cpu;
    this.#page = cpu.page;
  }

  get rip(): bigint {
    this.#cpu.load(SET.REGS);
    return this.#page.rip;
  }

  get interruptsEnabled(): boolean {
    return this.#page.interruptsEnabled;
  }

  get readyForInterrupt(): boolean {
    return this.#page.readyForInterrupt;
  }

  get cr8(): number {
    return this.#page.cr8;
  }

  get apicBase(): bigint {
    return this.#page.apicBase;
  }
}

/** True for exits whose instruction KVM finishes at the next entry. [KVM] KVM_RUN, the note on KVM_EXIT_IO and others */
function leavesWork(reason: number): boolean {
  return reason === EXIT_REASON.IO || reason === EXIT_REASON.MMIO || reason === EXIT_REASON.X86_RDMSR ||
    reason === EXIT_REASON.X86_WRMSR || reason === EXIT_REASON.HYPERCALL;
}
