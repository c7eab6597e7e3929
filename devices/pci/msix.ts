/**
 * MSI-X: a table of messages in one of a function's base address ranges, each with a mask, and the bits of those that
 * wait.
 *
 * Sources: [PCI] PCI Local Bus Specification 3.0, 6.8.2 (MSI-X), 6.8.3.5 (masking, pending bits).
 * @module
 */

import { join32 } from "../../hvm/base/addr.ts";
import type { Window } from "../../hvm/io/device.ts";
import type { ConfigSpace } from "./config.ts";
import type { MsixState } from "./msix_state.ts";
import { CAPABILITY } from "./regs.ts";
import { RegisterFile, type RegisterRow } from "./register_file.ts";

/** Sends a message: a write of `data` to `address`, which is an interrupt if it goes to the local APICs. */
export type MsiSender = (address: number, data: number) => void;

/** Message control, at 2 in the capability. [PCI] 6.8.2.3 */
export const MSIX_CONTROL = { TABLE_SIZE: 0x07ff, FUNCTION_MASK: 1 << 14, ENABLE: 1 << 15 } as const;
/** Offsets in a table entry. [PCI] 6.8.2.6 to 6.8.2.9 */
export const MSIX_ENTRY = { ADDRESS: 0, UPPER_ADDRESS: 4, DATA: 8, CONTROL: 12, SIZE: 16 } as const;
/** Vector control. [PCI] 6.8.2.9 */
export const MSIX_VECTOR_CONTROL = { MASK: 1 << 0 } as const;

/** Vectors a table can have. */
const VECTORS_MAX = 2048;
const CAPABILITY_SIZE = 12;

/** Where a function's table is. */
export interface MsixOptions {
  /** 1 to 2048. */
  readonly vectors: number;
  /** The base address register both structures are behind, 0 to 5. */
  readonly bar: number;
  /** Offsets behind it, multiples of 8. */
  readonly tableOffset: number;
  readonly pbaOffset: number;
  readonly send: MsiSender;
  /** Where the capability starts; after the last one when absent. */
  readonly at?: number;
}

/**
 * The MSI-X part of a function, which attaches the two windows behind its base address register and calls
 * {@linkcode Msix.sync} after every change of its configuration space.
 */
export class Msix {
  /** The table. [PCI] allows accesses of 4 and 8 bytes. */
  readonly table: Window;
  /** The pending bit array, read only. */
  readonly pba: Window;
  readonly #config: ConfigSpace;
  readonly #at: number;
  readonly #entries: RegisterFile;
  readonly #pending: Uint8Array;
  readonly #vectors: number;
  readonly #send: MsiSender;

  /** @throws {RangeError} when the number of vectors or an offset is none. */
  constructor(config: ConfigSpace, options: MsixOptions) {
    const { vectors, bar, tableOffset, pbaOffset } = options;
    const offsets = tableOffset % 8 === 0 && pbaOffset % 8 === 0;
    if (
      !(Number.isInteger(vectors) && vectors >= 1 && vectors <= VECTORS_MAX) || !offsets || bar < 0 || bar > 5
    ) {
      throw new RangeError(
        `Cannot make an MSI-X table of ${vectors} vectors at 0x${tableOffset.toString(16)}`,
      );
    }
    this.#config = config;
    this.#vectors = vectors;
    this.#send = options.send;
    this.#at = config.addCapability(CAPABILITY.MSI_X, CAPABILITY_SIZE, [
      { at: 2, width: 2, reset: vectors - 1, writable: MSIX_CONTROL.FUNCTION_MASK | MSIX_CONTROL.ENABLE },
      { at: 4, width: 4, reset: tableOffset + bar },
      { at: 8, width: 4, reset: pbaOffset + bar },
    ], options.at);
    this.#entries = new RegisterFile(vectors * MSIX_ENTRY.SIZE, entryRows(vectors));
    this.#pending = new Uint8Array(Math.ceil(vectors / 64) * 8);
    this.table = {
      length: this.#entries.length,
      unit: 4,
      least: 4,
      mergeWrites: true,
      read: (offset) => this.#entries.get(offset, 4),
      write: (offset, _width, value) => {
        this.#entries.write(offset, 4, value);
        this.sync();
      },
    };
    const view = new DataView(this.#pending.buffer);
    this.pba = {
      length: this.#pending.length,
      unit: 4,
      least: 4,
      read: (offset) => view.getUint32(offset, true),
      write: () => {},
    };
  }

  /** The function uses messages: its interrupt pin stays quiet. [PCI] 6.8.2.3 */
  get enabled(): boolean {
    return (this.#control & MSIX_CONTROL.ENABLE) !== 0;
  }

  /** Sends the message of `vector`, or marks it to wait while it is masked. Nothing happens while MSI-X is off. */
  raise(vector: number): void {
    if (!this.enabled || !(vector >= 0 && vector < this.#vectors)) return;
    this.#setPending(vector, true);
    this.#deliver(vector);
  }

  /** Sends what waits and may go now. */
  sync(): void {
    if (!this.#open) return;
    for (let at = 0; at < this.#pending.length; at++) {
      if (this.#pending[at] === 0) continue;
      for (let vector = at * 8; vector < at * 8 + 8; vector++) {
        if (this.#isPending(vector)) this.#deliver(vector);
      }
    }
  }

  reset(): void {
    this.#entries.reset();
    this.#pending.fill(0);
  }

  save(): MsixState {
    return { table: this.#entries.save(), pending: this.#pending.toHex() };
  }

  /** Takes a table; what waits in it goes out at the next change that lets it, not now. */
  load(state: MsixState): void {
    this.#entries.load(state.table);
    this.#pending.set(Uint8Array.fromHex(state.pending));
    for (let vector = this.#vectors; vector < this.#pending.length * 8; vector++) {
      this.#setPending(vector, false);
    }
  }

  get #control(): number {
    return this.#config.registers.get(this.#at + 2, 2);
  }

  /** The function as a whole may send: on, not masked, and master of the bus, as a message is a memory write. */
  get #open(): boolean {
    const control = this.#control & (MSIX_CONTROL.ENABLE | MSIX_CONTROL.FUNCTION_MASK);
    return control === MSIX_CONTROL.ENABLE && this.#config.busMaster;
  }

  #deliver(vector: number): void {
    const at = vector * MSIX_ENTRY.SIZE;
    const control = this.#entries.get(at + MSIX_ENTRY.CONTROL, 4);
    if (!this.#open || (control & MSIX_VECTOR_CONTROL.MASK) !== 0) return;
    this.#setPending(vector, false);
    const address = join32(
      this.#entries.get(at + MSIX_ENTRY.UPPER_ADDRESS, 4),
      this.#entries.get(at + MSIX_ENTRY.ADDRESS, 4),
    );
    this.#send(address, this.#entries.get(at + MSIX_ENTRY.DATA, 4));
  }

  #isPending(vector: number): boolean {
    return (this.#pending[vector >>> 3]! & 1 << (vector & 7)) !== 0;
  }

  #setPending(vector: number, waits: boolean): void {
    const bit = 1 << (vector & 7);
    const byte = this.#pending[vector >>> 3]!;
    this.#pending[vector >>> 3] = waits ? byte | bit : byte & ~bit;
  }
}

/** Every vector is masked after reset; the two low bits of an address are 0. [PCI] 6.8.2.6, 6.8.2.9 */
function entryRows(vectors: number): RegisterRow[] {
  return Array.from({ length: vectors }, (_, vector): RegisterRow[] => {
    const at = vector * MSIX_ENTRY.SIZE;
    const MASK = MSIX_VECTOR_CONTROL.MASK;
    return [
      { at: at + MSIX_ENTRY.ADDRESS, width: 4, writable: 0xfffffffc },
      { at: at + MSIX_ENTRY.UPPER_ADDRESS, width: 4, writable: 0xffffffff },
      { at: at + MSIX_ENTRY.DATA, width: 4, writable: 0xffffffff },
      { at: at + MSIX_ENTRY.CONTROL, width: 4, reset: MASK, writable: MASK },
    ];
  }).flat();
}
