/**
 * Guest RAM as a shared WebAssembly memory: the memfd is mapped over the memory's own pages.
 * @module
 */

import { addressOf, mapFile } from "../sys/memory.ts";
import type { GuestRam } from "./guest_ram.ts";

const WASM_PAGE = 65536;
/** The most pages of a memory with 32-bit addresses that still leaves the last page's end addressable. */
const MOST_NARROW_PAGES = 65535;

/** RAM as code sees it. */
export interface WasmRam {
  readonly memory: WebAssembly.Memory;
  /** All of it: what lies below 4 GiB, then what lies above. */
  readonly bytes: Uint8Array<ArrayBufferLike>;
  readonly pages: number;
  /** Addresses of it are 64 bits wide. */
  readonly wide: boolean;
}

/**
 * Maps RAM for the calling thread. The mapping lives as long as the memory.
 * @throws {HostError} when the host refuses.
 */
export function ramMemory(ram: GuestRam): WasmRam {
  const length = ram.lowBytes + ram.highBytes;
  const pages = Math.ceil(length / WASM_PAGE);
  const wide = pages > MOST_NARROW_PAGES;
  const limits = wide
    ? { address: "i64", initial: BigInt(pages), maximum: BigInt(pages), shared: true }
    : { initial: pages, maximum: pages, shared: true };
  const memory = new WebAssembly.Memory(limits as WebAssembly.MemoryDescriptor);
  const bytes = new Uint8Array(memory.buffer, 0, length);
  mapFile(ram.fd, length, { at: addressOf(bytes) });
  return { memory, bytes, pages, wide };
}
