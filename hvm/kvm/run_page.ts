/**
 * The page a virtual processor shares with us: why it stopped, the data of that stop, and its registers.
 *
 * One object per processor. The members of the exit union are read where they are by offsets of the ABI; nothing is
 * copied, since the answers go to the same places.
 *
 * Sources: [KVM] Linux Documentation/virt/kvm/api.rst, "The kvm_run structure".
 * @module
 */

import { SYNC_X86 } from "./abi.ts";
import { RUN, SREGS, SYNC_REGS } from "./abi_structs.ts";

/** Offset of the exit union. */
export const EXIT_AT = RUN.offset.exit;
const REGS_AT = RUN.offset.s + SYNC_REGS.offset.regs;
const SREGS_AT = RUN.offset.s + SYNC_REGS.offset.sregs;
const EVENTS_AT = RUN.offset.s + SYNC_REGS.offset.events;
const RIP_AT = REGS_AT + 16 * 8;

/** The shared page. */
export class RunPage {
  /** The whole mapping of the processor: this page, the port data page, the ring of batched writes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get exitReason(): number {
    return this.view.getUint32(RUN.offset.exit_reason, true);
  }

  get immediateExit(): boolean {
    return this.bytes[RUN.offset.immediate_exit] !== 0;
  }

  /** KVM_RUN returns as soon as it has finished what the last exit left to do. */
  set immediateExit(on: boolean) {
    this.bytes[RUN.offset.immediate_exit] = on ? 1 : 0;
  }

  set requestWindow(on: boolean) {
    this.bytes[RUN.offset.request_interrupt_window] = on ? 1 : 0;
  }

  get readyForInterrupt(): boolean {
    return this.bytes[RUN.offset.ready_for_interrupt_injection] !== 0;
  }

  /** KVM sets it at each exit; cleared by us when an interrupt is given to the processor. */
  set readyForInterrupt(ready: boolean) {
    this.bytes[RUN.offset.ready_for_interrupt_injection] = ready ? 1 : 0;
  }

  get interruptsEnabled(): boolean {
    return this.bytes[RUN.offset.if_flag] !== 0;
  }

  get cr8(): number {
    return this.bytes[RUN.offset.cr8]!;
  }

  /** Without an APIC in the kernel this is written into the processor at every entry. */
  set cr8(value: number) {
    this.bytes[RUN.offset.cr8] = value & 0xf;
  }

  get apicBase(): bigint {
    return this.view.getBigUint64(RUN.offset.apic_base, true);
  }

  get flags(): number {
    return this.view.getUint16(RUN.offset.flags, true);
  }

  /** The register sets KVM stores at every exit: a set of {@linkcode SYNC_X86} bits. */
  set validRegs(sets: number) {
    this.view.setBigUint64(RUN.offset.kvm_valid_regs, BigInt(sets), true);
  }

  get dirtyRegs(): number {
    return Number(this.view.getBigUint64(RUN.offset.kvm_dirty_regs, true));
  }

  /** The register sets KVM takes from the page at the next entry, and then clears. */
  set dirtyRegs(sets: number) {
    this.view.setBigUint64(RUN.offset.kvm_dirty_regs, BigInt(sets), true);
  }

  /** Adds register sets to those KVM takes at the next entry. */
  markDirty(sets: number): void {
    this.dirtyRegs = this.dirtyRegs | sets;
  }

  /** The program counter, where {@linkcode SYNC_X86}.REGS is stored. */
  get rip(): bigint {
    return this.view.getBigUint64(RIP_AT, true);
  }

  /** `kvm_regs` inside the page. */
  get regs(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(REGS_AT, SREGS_AT);
  }

  /** `kvm_sregs` inside the page. */
  get sregs(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(SREGS_AT, SREGS_AT + SREGS.size);
  }

  /** `kvm_vcpu_events` inside the page. */
  get events(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(EVENTS_AT, RUN.offset.s + SYNC_REGS.size);
  }
}

/** Every register set that can travel in the page. */
export const ALL_SYNC_REGS = SYNC_X86.REGS | SYNC_X86.SREGS | SYNC_X86.EVENTS;
