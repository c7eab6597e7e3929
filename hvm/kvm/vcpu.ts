/**
 * The descriptor of a virtual processor: run, registers, events, interrupts.
 *
 * Made and used on one thread. Structures travel as bytes in the ABI's layout; `RunPage` has those that come with an
 * exit.
 *
 * Sources: [KVM] Linux Documentation/virt/kvm/api.rst.
 * @module
 */

import { closeFile, ioctlBytes, ioctlInt } from "../sys/files.ts";
import { mapFile, type Mapping } from "../sys/memory.ts";
import { KERNEL_SIGSET_SIZE, type SignalSet } from "../sys/signals.ts";
import { IOCTL, type IoctlName } from "./abi.ts";
import { INTERRUPT, MSR_ENTRY, MSRS, SIGNAL_MASK } from "./abi_structs.ts";
import { ioctlError } from "./advice.ts";
import { CoalescedRing } from "./coalesced.ts";
import { RunPage } from "./run_page.ts";

/** A virtual processor. */
export class KvmVcpu {
  readonly fd: number;
  readonly id: number;
  readonly page: RunPage;
  /** The ring of batched writes, where the host has one. */
  readonly coalesced: CoalescedRing | undefined;
  readonly #mapping: Mapping;
  readonly #interrupt = new Uint8Array(INTERRUPT.size);
  readonly #interruptView = INTERRUPT.view(this.#interrupt);
  readonly #msr = new Uint8Array(MSRS.size + MSR_ENTRY.size);
  readonly #msrEntry = MSR_ENTRY.view(this.#msr, MSRS.size);

  private constructor(fd: number, id: number, mapSize: number) {
    this.fd = fd;
    this.id = id;
    this.#mapping = mapFile(fd, mapSize);
    this.page = new RunPage(this.#mapping.bytes);
    this.coalesced = CoalescedRing.of(this.#mapping.bytes);
    MSRS.view(this.#msr).nmsrs = 1;
  }

  /** Maps the shared page of a processor that was just created. @throws {HostError} when that is refused. */
  static attach(fd: number, id: number, mapSize: number): KvmVcpu {
    try {
      return new KvmVcpu(fd, id, mapSize);
    } catch (error) {
      closeFile(fd);
      throw error;
    }
  }

  /** Unmaps and closes. The page's views may not be used afterwards. */
  close(): void {
    this.#mapping.unmap();
    closeFile(this.fd);
  }

  /**
   * Enters the guest until the next exit.
   * @returns 0, or the negated error number; EINTR is a signal, EAGAIN a processor that has to be entered again.
   */
  run(): number {
    return ioctlInt(this.fd, IOCTL.RUN, 0);
  }

  /** A request with a structure. @throws {HostError} @returns what KVM answers. */
  call(name: IoctlName, argument: Uint8Array<ArrayBuffer>): number {
    const result = ioctlBytes(this.fd, IOCTL[name], argument);
    if (result < 0) throw ioctlError(name, -result);
    return result;
  }

  /** A request with a number. @throws {HostError} @returns what KVM answers. */
  callInt(name: IoctlName, argument: number): number {
    const result = ioctlInt(this.fd, IOCTL[name], argument);
    if (result < 0) throw ioctlError(name, -result);
    return result;
  }

  /** Queues an external interrupt; see `RunPage.readyForInterrupt`. @throws {HostError} */
  interrupt(vector: number): void {
    this.#interruptView.irq = vector;
    this.call("INTERRUPT", this.#interrupt);
  }

  /** The value of a register, undefined when KVM does not let us read it. */
  readMsr(index: number): bigint | undefined {
    this.#msrEntry.index = index;
    return ioctlBytes(this.fd, IOCTL.GET_MSRS, this.#msr) === 1 ? this.#msrEntry.data : undefined;
  }

  /** Sets a register. @returns false when KVM refuses register or value. */
  writeMsr(index: number, value: bigint): boolean {
    this.#msrEntry.index = index;
    this.#msrEntry.data = value;
    return ioctlBytes(this.fd, IOCTL.SET_MSRS, this.#msr) === 1;
  }

  /** The signals blocked while this processor runs. @throws {HostError} */
  setSignalMask(mask: SignalSet): void {
    const bytes = new Uint8Array(SIGNAL_MASK.size + KERNEL_SIGSET_SIZE);
    bytes.set(SIGNAL_MASK.encode({ len: KERNEL_SIGSET_SIZE }));
    bytes.set(mask.subarray(0, KERNEL_SIGSET_SIZE), SIGNAL_MASK.size);
    this.call("SET_SIGNAL_MASK", bytes);
  }
}
