/**
 * The firmware configuration device: named blobs for firmware and guests, by port and by DMA.
 *
 * A selector register picks an item by key, a data register gives it byte by byte, and a DMA register takes the address
 * of a descriptor in guest memory that moves any length at once. A descriptor or a buffer that is not RAM, a write to
 * an item that is not writable or past its end: the error bit, and nothing moved.
 *
 * Sources: [FWCFG] QEMU docs/specs/fw_cfg.rst.
 * Deviates: writes to the data register are ignored, as QEMU has done since 2.4 (2.9 brought writing back by DMA only).
 * @module
 */

import { join32 } from "../../hvm/base/addr.ts";
import type { GuestMemory } from "../../hvm/base/memory.ts";
import { type Device, ones, type Width, type Window } from "../../hvm/io/device.ts";
import {
  FW_CFG_FILE_LAST,
  FW_CFG_KEY,
  FW_CFG_KEY_MASK,
  FW_CFG_NAME_SIZE,
  fwCfgDirectory,
  fwCfgNumber,
} from "./fw_cfg_items.ts";
import type { FwCfgState } from "./fw_cfg_state.ts";

/** Registers by offset from the first port, 510h. [FWCFG] */
export const FW_CFG_REG = { SELECTOR: 0, DATA: 1, DMA_HIGH: 4, DMA_LOW: 8 } as const;

/** The control word of a DMA descriptor; a key to select is in its upper half. [FWCFG] */
export const FW_CFG_DMA = {
  ERROR: 1 << 0,
  READ: 1 << 1,
  SKIP: 1 << 2,
  SELECT: 1 << 3,
  WRITE: 1 << 4,
} as const;

/** Versions in the id item: the traditional interface, and DMA. [FWCFG] */
const ID = { TRADITIONAL: 1 << 0, DMA: 1 << 1 } as const;
/** What the DMA register reads as, first byte at the lowest port. [FWCFG] */
const DMA_SIGNATURE = new TextEncoder().encode("QEMU CFG");
/** Control, length and address. [FWCFG] */
const DESCRIPTOR_SIZE = 16;

interface Item {
  readonly bytes: Uint8Array;
  /** The content the machine started with, for items the guest may write. */
  readonly original: Uint8Array | undefined;
  readonly written: (() => void) | undefined;
}

/** What may be said of an item. */
export interface FwCfgItemOptions {
  /** Called after each write of the guest; an item without it cannot be written. */
  readonly written?: (bytes: Uint8Array) => void;
}

/** The firmware configuration device. Items are added while the machine is built. */
export class FwCfg implements Device<FwCfgState> {
  readonly id: string;
  readonly window: Window = {
    length: 12,
    unit: 4,
    read: (offset, width) => this.#read(offset, width),
    write: (offset, width, value) => this.#write(offset, width, value),
  };
  readonly #memory: GuestMemory;
  readonly #items = new Map<number, Item>();
  readonly #files: { name: string; key: number; size: number }[] = [];
  #selector = 0;
  #offset = 0;
  #dmaHigh = 0;

  constructor(options: { id: string; memory: GuestMemory }) {
    this.id = options.id;
    this.#memory = options.memory;
    this.add(FW_CFG_KEY.SIGNATURE, new TextEncoder().encode("QEMU"));
    this.add(FW_CFG_KEY.ID, fwCfgNumber(ID.TRADITIONAL | ID.DMA, 4));
    this.#listFiles();
  }

  /**
   * Offers `bytes` under a key; they are not copied, and those of a writable item change.
   * @throws {RangeError} when the key is taken or is none.
   */
  add(key: number, bytes: Uint8Array, options: FwCfgItemOptions = {}): void {
    if (this.#items.has(key) || (key & ~FW_CFG_KEY_MASK) !== 0) {
      throw new RangeError(
        `Cannot add a firmware item with key 0x${key.toString(16)}: it is taken or out of range`,
      );
    }
    const { written } = options;
    this.#items.set(key, {
      bytes,
      original: written === undefined ? undefined : bytes.slice(),
      written: written === undefined ? undefined : () => written(bytes),
    });
  }

  /**
   * Offers `bytes` as a file of the directory.
   * @param name at most 55 ASCII characters, as `etc/acpi/tables`.
   * @returns its key.
   * @throws {RangeError} when the name is taken, empty or too long.
   */
  addFile(name: string, bytes: Uint8Array, options: FwCfgItemOptions = {}): number {
    const key = FW_CFG_KEY.FILE_FIRST + this.#files.length;
    const fits = name.length > 0 && name.length < FW_CFG_NAME_SIZE && /^[\x21-\x7e]*$/.test(name);
    if (!fits || key > FW_CFG_FILE_LAST || this.#files.some((file) => file.name === name)) {
      throw new RangeError(`Cannot add the firmware file "${name}": its name is taken or is none`);
    }
    this.add(key, bytes, options);
    this.#files.push({ name, key, size: bytes.length });
    this.#listFiles();
    return key;
  }

  reset(): void {
    this.#selector = 0;
    this.#offset = 0;
    this.#dmaHigh = 0;
    for (const { bytes, original } of this.#items.values()) if (original !== undefined) bytes.set(original);
  }

  save(): FwCfgState {
    const written: Record<string, string> = {};
    for (const [key, { bytes, original }] of this.#items) {
      if (original !== undefined) written[key] = bytes.toHex();
    }
    return { selector: this.#selector, offset: this.#offset, dmaHigh: this.#dmaHigh, written };
  }

  load(state: FwCfgState): void {
    this.#selector = state.selector;
    this.#offset = state.offset;
    this.#dmaHigh = state.dmaHigh;
    for (const [key, { bytes, original }] of this.#items) {
      const content = state.written[key];
      if (original === undefined || content === undefined) continue;
      bytes.set(Uint8Array.fromHex(content).subarray(0, bytes.length));
    }
  }

  #listFiles(): void {
    this.#items.set(FW_CFG_KEY.FILE_DIRECTORY, {
      bytes: fwCfgDirectory(this.#files),
      original: undefined,
      written: undefined,
    });
  }

  #read(offset: number, width: Width): number {
    if (offset >= FW_CFG_REG.DMA_HIGH) {
      let value = 0;
      for (let i = width - 1; i >= 0; i--) {
        value = value << 8 | DMA_SIGNATURE[offset - FW_CFG_REG.DMA_HIGH + i]!;
      }
      return value >>> 0;
    }
    return offset === FW_CFG_REG.DATA ? this.#nextByte() : ones(width);
  }

  #write(offset: number, width: Width, value: number): void {
    if (offset === FW_CFG_REG.SELECTOR && width === 2) return this.#select(value);
    if (width !== 4) return;
    if (offset === FW_CFG_REG.DMA_HIGH) this.#dmaHigh = swap32(value);
    if (offset !== FW_CFG_REG.DMA_LOW) return;
    const descriptor = join32(this.#dmaHigh, swap32(value));
    this.#dmaHigh = 0;
    this.#transfer(descriptor);
  }

  #select(key: number): void {
    this.#selector = key;
    this.#offset = 0;
  }

  #item(): Item | undefined {
    return this.#items.get(this.#selector & FW_CFG_KEY_MASK);
  }

  /** Past its end, and where there is no item, data reads as 0. [FWCFG] */
  #nextByte(): number {
    const byte = this.#item()?.bytes[this.#offset];
    if (byte === undefined) return 0;
    this.#offset++;
    return byte;
  }

  /** Carries out the descriptor at `gpa` and writes its control word back: 0, or the error bit. [FWCFG] */
  #transfer(gpa: number): void {
    if (!this.#memory.isRam(gpa, DESCRIPTOR_SIZE)) return;
    const view = new DataView(this.#memory.read(gpa, DESCRIPTOR_SIZE).buffer);
    const control = view.getUint32(0);
    const done = this.#carryOut(control, view.getUint32(4), join32(view.getUint32(8), view.getUint32(12)));
    this.#memory.writeU32(gpa, swap32(done ? 0 : FW_CFG_DMA.ERROR));
  }

  #carryOut(control: number, length: number, address: number): boolean {
    if ((control & FW_CFG_DMA.SELECT) !== 0) this.#select(control >>> 16);
    const item = this.#item();
    const size = item?.bytes.length ?? 0;
    const at = Math.min(this.#offset, size);
    const count = Math.min(length, size - at);
    if ((control & FW_CFG_DMA.READ) !== 0) {
      if (length > 0 && !this.#memory.isRam(address, length)) return false;
      if (item !== undefined && count > 0) this.#memory.write(address, item.bytes.subarray(at, at + count));
      if (length > count) this.#memory.fill(address + count, length - count, 0);
    } else if ((control & FW_CFG_DMA.WRITE) !== 0) {
      if (item?.written === undefined || count < length) return false;
      if (length > 0 && !this.#memory.isRam(address, length)) return false;
      item.bytes.set(this.#memory.read(address, length), at);
      item.written();
    } else if ((control & FW_CFG_DMA.SKIP) === 0) {
      return true;
    }
    this.#offset = at + count;
    return true;
  }
}

/** The descriptor and its address are big-endian. [FWCFG] */
function swap32(value: number): number {
  return (value << 24 | value >>> 24 | (value & 0xff00) << 8 | value >>> 8 & 0xff00) >>> 0;
}
