/**
 * What a virtual machine has beside memory and lines: interrupt routes, chip state, MSR filter, batched zones, event
 * descriptors, the paravirtual clock. Functions over {@linkcode KvmVm}.
 *
 * Sources: [KVM] Linux Documentation/virt/kvm/api.rst.
 * @module
 */

import { high32, low32 } from "../base/addr.ts";
import { type Values } from "../base/layout.ts";
import { addressOf } from "../sys/memory.ts";
import {
  CLOCK,
  IOEVENTFD_FLAG,
  IRQ_ROUTING,
  IRQFD_FLAG,
  MSR_EXIT_REASON,
  MSR_FILTER_ACCESS,
  MSR_FILTER_DEFAULT,
} from "./abi.ts";
import {
  CLOCK_DATA,
  COALESCED_ZONE,
  IOEVENTFD,
  IRQCHIP,
  IRQFD,
  MSR_FILTER,
  PIT_STATE2,
  ROUTE_IRQCHIP,
  ROUTE_MSI,
  ROUTING,
  ROUTING_ENTRY,
} from "./abi_structs.ts";
import type { KvmVm } from "./vm.ts";

/** Where a global system interrupt goes: to a pin of a kernel chip, or out as a message. */
export type GsiRoute =
  | { readonly gsi: number; readonly irqchip: number; readonly pin: number }
  | { readonly gsi: number; readonly address: number; readonly data: number };

/** Replaces the routing table. @throws {HostError} */
export function setGsiRouting(vm: KvmVm, routes: readonly GsiRoute[]): void {
  const bytes = new Uint8Array(ROUTING.size + routes.length * ROUTING_ENTRY.size);
  bytes.set(ROUTING.encode({ nr: routes.length }));
  routes.forEach((route, i) => {
    const irqchip = "irqchip" in route;
    const u = irqchip ? ROUTE_IRQCHIP.encode({ irqchip: route.irqchip, pin: route.pin }) : ROUTE_MSI.encode({
      address_lo: low32(route.address),
      address_hi: high32(route.address),
      data: route.data,
    });
    const type = irqchip ? IRQ_ROUTING.IRQCHIP : IRQ_ROUTING.MSI;
    bytes.set(
      ROUTING_ENTRY.encode({ gsi: route.gsi, type, u }),
      ROUTING.size + i * ROUTING_ENTRY.size,
    );
  });
  vm.call("SET_GSI_ROUTING", bytes);
}

/** The 512 bytes of a kernel chip's state; see PIC_STATE and IOAPIC_STATE of the ABI. @throws {HostError} */
export function getIrqchip(vm: KvmVm, chip: number): Uint8Array<ArrayBuffer> {
  const bytes = IRQCHIP.encode({ chip_id: chip });
  vm.call("GET_IRQCHIP", bytes);
  return bytes.slice(IRQCHIP.offset.chip);
}

/** Sets a kernel chip's state. @throws {HostError} */
export function setIrqchip(vm: KvmVm, chip: number, state: Uint8Array): void {
  vm.call("SET_IRQCHIP", IRQCHIP.encode({ chip_id: chip, chip: state }));
}

/** The kernel timer's state, `kvm_pit_state2`. @throws {HostError} */
export function getPit(vm: KvmVm): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(PIT_STATE2.size);
  vm.call("GET_PIT2", bytes);
  return bytes;
}

/** Sets the kernel timer's state. @throws {HostError} */
export function setPit(vm: KvmVm, state: Uint8Array<ArrayBuffer>): void {
  vm.call("SET_PIT2", state);
}

/** The paravirtual clock in nanoseconds. @throws {HostError} */
export function getClock(vm: KvmVm): Values<typeof CLOCK_DATA.fields> {
  const bytes = new Uint8Array(CLOCK_DATA.size);
  vm.call("GET_CLOCK", bytes);
  return CLOCK_DATA.view(bytes);
}

/** Sets the paravirtual clock to `ns`, as after a pause. @throws {HostError} */
export function setClock(vm: KvmVm, ns: bigint): void {
  vm.call("SET_CLOCK", CLOCK_DATA.encode({ clock: ns }));
}

/** True when the clock that was read is the same for all processors. */
export function isStable(clock: Values<typeof CLOCK_DATA.fields>): boolean {
  return (clock.flags & CLOCK.TSC_STABLE) !== 0;
}

/** Registers the guest's access to which is refused, and so becomes an exit. */
export interface MsrRange {
  readonly base: number;
  readonly count: number;
  readonly read: boolean;
  readonly write: boolean;
}

/**
 * Sends accesses to the given registers, and to all that KVM does not know, to user space.
 * @throws {HostError} without KVM_CAP_X86_USER_SPACE_MSR, or with more than 16 ranges or 12288 registers in one.
 */
export function filterMsrs(vm: KvmVm, denied: readonly MsrRange[]): void {
  const { UNKNOWN, FILTER, INVAL } = MSR_EXIT_REASON;
  vm.enable("X86_USER_SPACE_MSR", BigInt(UNKNOWN | FILTER | INVAL));
  if (denied.length === 0) return;
  const bitmaps = denied.map(({ count }) => new Uint8Array(Math.ceil(count / 8)));
  const ranges = denied.map(({ base, count, read, write }, i) => ({
    flags: (read ? MSR_FILTER_ACCESS.READ : 0) | (write ? MSR_FILTER_ACCESS.WRITE : 0),
    nmsrs: count,
    base,
    bitmap: addressOf(bitmaps[i]!),
  }));
  const empty = { flags: 0, nmsrs: 0, base: 0, bitmap: 0 };
  while (ranges.length < 16) ranges.push(empty);
  vm.call("X86_SET_MSR_FILTER", MSR_FILTER.encode({ flags: MSR_FILTER_DEFAULT.ALLOW, ranges }));
}

/** A stretch of ports or memory whose writes need not reach us at once. */
export interface CoalescedZone {
  readonly pio: boolean;
  readonly address: number;
  readonly length: number;
}

/** Batches writes to a zone; see `CoalescedRing`. @throws {HostError} */
export function addCoalescedZone(vm: KvmVm, { pio, address, length }: CoalescedZone): void {
  vm.call(
    "REGISTER_COALESCED_MMIO",
    COALESCED_ZONE.encode({ addr: address, size: length, pio: pio ? 1 : 0 }),
  );
}

/** Ends the batching of a zone. @throws {HostError} */
export function removeCoalescedZone(vm: KvmVm, { pio, address, length }: CoalescedZone): void {
  vm.call(
    "UNREGISTER_COALESCED_MMIO",
    COALESCED_ZONE.encode({ addr: address, size: length, pio: pio ? 1 : 0 }),
  );
}

/** Connects an event descriptor to an interrupt line, or disconnects it. @throws {HostError} */
export function setIrqFd(
  vm: KvmVm,
  fd: number,
  gsi: number,
  options: { resampleFd?: number; remove?: boolean } = {},
): void {
  const flags = (options.remove === true ? IRQFD_FLAG.DEASSIGN : 0) |
    (options.resampleFd === undefined ? 0 : IRQFD_FLAG.RESAMPLE);
  vm.call("IRQFD", IRQFD.encode({ fd, gsi, flags, resamplefd: options.resampleFd ?? 0 }));
}

/** A write that raises an event descriptor in place of an exit. */
export interface IoEvent {
  readonly fd: number;
  readonly pio: boolean;
  readonly address: number;
  /** Of the access in bytes; 0 for any. */
  readonly length: 0 | 1 | 2 | 4 | 8;
  /** Only writes of this value. */
  readonly match?: bigint;
}

/** Connects an event descriptor to a write, or disconnects it. @throws {HostError} */
export function setIoEventFd(vm: KvmVm, event: IoEvent, options: { remove?: boolean } = {}): void {
  const flags = (event.pio ? IOEVENTFD_FLAG.PIO : 0) |
    (event.match === undefined ? 0 : IOEVENTFD_FLAG.DATAMATCH) |
    (options.remove === true ? IOEVENTFD_FLAG.DEASSIGN : 0);
  vm.call(
    "IOEVENTFD",
    IOEVENTFD.encode({
      datamatch: event.match ?? 0n,
      addr: event.address,
      len: event.length,
      fd: event.fd,
      flags,
    }),
  );
}
