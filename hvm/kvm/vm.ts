/**
 * The descriptor of a virtual machine: memory slots, interrupt controllers, lines, routes, events, clock.
 *
 * An object is nothing but plain numbers over the descriptor, so every thread of the process makes its own with
 * {@linkcode KvmVm.attach}; the kernel does the locking.
 *
 * Sources: [KVM] Linux Documentation/virt/kvm/api.rst.
 * @module
 */

import { high32, low32 } from "../base/addr.ts";
import { closeFile, ioctlBytes, ioctlInt } from "../sys/files.ts";
import { addressOf } from "../sys/memory.ts";
import { CAP, type CapName, IOAPIC_NUM_PINS, IOCTL, type IoctlName, MEM, PIT_SPEAKER_DUMMY } from "./abi.ts";
import {
  CLEAR_DIRTY_LOG,
  DIRTY_LOG,
  ENABLE_CAP,
  IRQ_LEVEL,
  MEMORY_REGION,
  MSI,
  PIT_CONFIG,
  REINJECT_CONTROL,
} from "./abi_structs.ts";
import { ioctlError } from "./advice.ts";
import { KvmVcpu } from "./vcpu.ts";

/** A piece of guest-physical memory with host memory behind it. */
export interface MemorySlot {
  readonly slot: number;
  /** Page-aligned. */
  readonly gpa: number;
  /** Whole pages. */
  readonly length: number;
  /** Host address, page-aligned. */
  readonly address: number;
  /** Writes become MMIO exits. Needs KVM_CAP_READONLY_MEM. */
  readonly readonly?: boolean;
  readonly logDirty?: boolean;
}

/** A virtual machine. */
export class KvmVm {
  readonly fd: number;
  /** Bytes of a vCPU's mapping; goes along with the descriptor to other threads. */
  readonly vcpuMapSize: number;
  readonly #level = new Uint8Array(IRQ_LEVEL.size);
  readonly #levelView = IRQ_LEVEL.view(this.#level);
  readonly #msi = new Uint8Array(MSI.size);
  readonly #msiView = MSI.view(this.#msi);

  private constructor(fd: number, vcpuMapSize: number) {
    this.fd = fd;
    this.vcpuMapSize = vcpuMapSize;
  }

  /** A virtual machine made by this process, by the numbers that name it. */
  static attach(fd: number, vcpuMapSize: number): KvmVm {
    return new KvmVm(fd, vcpuMapSize);
  }

  /** Closes the descriptor. The machine goes when its processors are closed too. */
  close(): void {
    closeFile(this.fd);
  }

  /** What KVM_CHECK_EXTENSION answers for this machine. */
  capability(name: CapName): number {
    return Math.max(0, ioctlInt(this.fd, IOCTL.CHECK_EXTENSION, CAP[name]));
  }

  /** KVM_ENABLE_CAP. @throws {HostError} when KVM refuses. */
  enable(name: CapName, ...args: bigint[]): void {
    this.call("ENABLE_CAP", ENABLE_CAP.encode({ cap: CAP[name], args }));
  }

  /** Makes processor `id`, on the thread that will run it. @throws {HostError} */
  createVcpu(id: number): KvmVcpu {
    return KvmVcpu.attach(this.callInt("CREATE_VCPU", id), id, this.vcpuMapSize);
  }

  /** Adds a slot, moves it, or changes its flags. @throws {HostError} */
  setMemory(slot: MemorySlot): void {
    const flags = (slot.readonly === true ? MEM.READONLY : 0) |
      (slot.logDirty === true ? MEM.LOG_DIRTY_PAGES : 0);
    this.call(
      "SET_USER_MEMORY_REGION",
      MEMORY_REGION.encode({
        slot: slot.slot,
        flags,
        guest_phys_addr: slot.gpa,
        memory_size: slot.length,
        userspace_addr: slot.address,
      }),
    );
  }

  /** Removes a slot. @throws {HostError} */
  removeMemory(slot: number): void {
    this.call("SET_USER_MEMORY_REGION", MEMORY_REGION.encode({ slot }));
  }

  /**
   * The pages of a slot that the guest wrote since the last call, as a bitmap of `pages` bits.
   * @throws {HostError} ENOENT when the slot has no log.
   */
  dirtyLog(slot: number, pages: number): Uint8Array<ArrayBuffer> {
    const bitmap = new Uint8Array(Math.ceil(pages / 64) * 8);
    this.call("GET_DIRTY_LOG", DIRTY_LOG.encode({ slot, dirty_bitmap: addressOf(bitmap) }));
    return bitmap;
  }

  /** Write-protects pages anew under KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2. @throws {HostError} */
  clearDirtyLog(slot: number, firstPage: number, pages: number, bitmap: Uint8Array<ArrayBuffer>): void {
    const argument = CLEAR_DIRTY_LOG.encode({
      slot,
      num_pages: pages,
      first_page: firstPage,
      dirty_bitmap: addressOf(bitmap),
    });
    this.call("CLEAR_DIRTY_LOG", argument);
  }

  /** Three pages KVM on VT-x uses for real mode; below 4 GiB and before the first processor. */
  setTssAddress(gpa: number): void {
    this.callInt("SET_TSS_ADDR", gpa);
  }

  /** One page KVM on VT-x uses for its identity map; before the first processor. */
  setIdentityMapAddress(gpa: number): void {
    this.call("SET_IDENTITY_MAP_ADDR", new Uint8Array(BigUint64Array.of(BigInt(gpa)).buffer));
  }

  /** PIC pair, IOAPIC and local APICs in the kernel; before the first processor. */
  createIrqchip(): void {
    this.callInt("CREATE_IRQCHIP", 0);
  }

  /** Local APICs alone in the kernel, with routes kept free for an IOAPIC of ours; before the first processor. */
  splitIrqchip(pins = IOAPIC_NUM_PINS): void {
    this.enable("SPLIT_IRQCHIP", BigInt(pins));
  }

  /** The interval timer in the kernel, port 61h included; after {@linkcode createIrqchip}. */
  createPit(): void {
    this.call("CREATE_PIT2", PIT_CONFIG.encode({ flags: PIT_SPEAKER_DUMMY }));
  }

  /** Whether the kernel's timer repeats ticks the guest missed. */
  setPitReinject(on: boolean): void {
    this.call("REINJECT_CONTROL", REINJECT_CONTROL.encode({ pit_reinject: on ? 1 : 0 }));
  }

  /** Drives a line of the kernel's controllers. */
  irqLine(gsi: number, level: boolean): void {
    this.#levelView.irq = gsi;
    this.#levelView.level = level ? 1 : 0;
    this.call("IRQ_LINE", this.#level);
  }

  /**
   * Sends a message-signalled interrupt to the kernel's local APICs.
   * @returns true when some processor took it.
   */
  signalMsi(address: number, data: number): boolean {
    this.#msiView.address_lo = low32(address);
    this.#msiView.address_hi = high32(address);
    this.#msiView.data = data;
    return ioctlBytes(this.fd, IOCTL.SIGNAL_MSI, this.#msi) > 0;
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
}
