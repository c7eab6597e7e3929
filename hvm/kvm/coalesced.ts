/**
 * The ring of batched writes: what the guest wrote to zones registered for it, in order, without an exit each.
 *
 * The kernel keeps one ring per machine and shows it in the mapping of every processor, so one thread alone (the
 * owner of the devices) takes entries from it. KVM makes an exit of a write that finds the ring full.
 *
 * Sources: [KVM] Linux Documentation/virt/kvm/api.rst, KVM_REGISTER_COALESCED_MMIO.
 * @module
 */

import { PAGE_SIZE } from "../base/addr.ts";
import { COALESCED_MMIO_PAGE_OFFSET } from "./abi.ts";
import { COALESCED_ENTRY, COALESCED_RING } from "./abi_structs.ts";

/** Entries a page holds. */
const CAPACITY = Math.floor((PAGE_SIZE - COALESCED_RING.size) / COALESCED_ENTRY.size);
const FIRST = 0;
const LAST = 1;

/** Takes one write: `length` bytes of `bytes` from `at` on. */
export type CoalescedSink = (
  pio: boolean,
  address: number,
  bytes: Uint8Array<ArrayBuffer>,
  at: number,
  length: number,
) => void;

/** The consumer's side of the ring. */
export class CoalescedRing {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView<ArrayBuffer>;
  readonly #ends: Uint32Array<ArrayBuffer>;

  /** @param page the ring's page. */
  constructor(page: Uint8Array<ArrayBuffer>) {
    this.#bytes = page;
    this.#view = new DataView(page.buffer, page.byteOffset, page.byteLength);
    this.#ends = new Uint32Array(page.buffer, page.byteOffset, 2);
  }

  /** The ring inside a processor's mapping, undefined when the mapping has none. */
  static of(mapping: Uint8Array<ArrayBuffer>): CoalescedRing | undefined {
    const at = COALESCED_MMIO_PAGE_OFFSET * PAGE_SIZE;
    if (mapping.length < at + PAGE_SIZE) return undefined;
    return new CoalescedRing(mapping.subarray(at, at + PAGE_SIZE));
  }

  /** True when there is something to take; one load, for a run loop to ask at every exit. */
  get pending(): boolean {
    return this.#ends[FIRST] !== this.#ends[LAST];
  }

  /**
   * Gives every entry to `sink`, oldest first.
   * @returns how many there were.
   */
  drain(sink: CoalescedSink): number {
    let count = 0;
    let first = this.#ends[FIRST]! % CAPACITY;
    while (first !== Atomics.load(this.#ends, LAST) && count < CAPACITY) {
      const at = COALESCED_RING.size + first * COALESCED_ENTRY.size;
      const address = Number(this.#view.getBigUint64(at + COALESCED_ENTRY.offset.phys_addr, true));
      const length = Math.min(8, this.#view.getUint32(at + COALESCED_ENTRY.offset.len, true));
      const pio = this.#view.getUint32(at + COALESCED_ENTRY.offset.pio, true) !== 0;
      sink(pio, address, this.#bytes, at + COALESCED_ENTRY.offset.data, length);
      first = (first + 1) % CAPACITY;
      Atomics.store(this.#ends, FIRST, first);
      count++;
    }
    return count;
  }
}
