/**
 * x87, MMX and SSE state as bytes in the standard form of XSAVE's area, for debuggers, snapshots and other engines.
 *
 * Sources: [SDM] Intel SDM vol. 1, 13.4 (the area), 10.5.1 (its first 512 bytes).
 * @module
 */

import type { Cpu } from "../cpu.ts";
import { CPU } from "./cpu_memory.ts";
import { type Area, initFpu, inUse, loadLegacyX87, storeLegacyX87 } from "./fpu_state.ts";

/** Bytes of the legacy region and the header, the least an image has. */
export const FPU_IMAGE_BYTES = 576;
const MXCSR_AT = 24;
const XMM_AT = 160;
const XMM_BYTES = 256;
const HEADER_AT = 512;
const MXCSR_RESET = 0x1f80;
const MXCSR_MASK = 0xffff;
const X87_BIT = 1n;
const SSE_BIT = 2n;

/** Bytes as an area. */
class ImageArea implements Area {
  readonly #view: DataView<ArrayBufferLike>;

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  read(offset: number | bigint, bytes: number): bigint {
    let value = 0n;
    for (let i = bytes - 1; i >= 0; i--) {
      value = value << 8n | BigInt(this.#view.getUint8(Number(offset) + i));
    }
    return value;
  }

  write(offset: number | bigint, bytes: number, value: bigint): void {
    for (let i = 0; i < bytes; i++) {
      this.#view.setUint8(Number(offset) + i, Number(value >> BigInt(8 * i) & 0xffn));
    }
  }
}

/** Loads x87, MMX and SSE state; what the header does not name is initialised. */
export function loadFpuImage(cpu: Cpu, image: Uint8Array): void {
  const area = new ImageArea(image);
  const present = area.read(HEADER_AT, 8);
  if ((present & X87_BIT) !== 0n) loadLegacyX87(cpu, true, area);
  else {
    initFpu(cpu);
    cpu.u8.fill(0, CPU.X87, CPU.X87 + 128);
  }
  const hasSse = (present & SSE_BIT) !== 0n;
  // MXCSR belongs to AVX too, so it counts whatever the header says, unless there is nothing at all.
  const mxcsr = Number(area.read(MXCSR_AT, 4));
  cpu.setCell32(CPU.MXCSR, mxcsr === 0 && !hasSse ? MXCSR_RESET : mxcsr & MXCSR_MASK);
  if (hasSse) cpu.u8.set(image.subarray(XMM_AT, XMM_AT + XMM_BYTES), CPU.XMM);
  else cpu.u8.fill(0, CPU.XMM, CPU.XMM + XMM_BYTES);
}

/** Stores x87, MMX and SSE state into an image; its other components stay. */
export function storeFpuImage(cpu: Cpu, image: Uint8Array): void {
  const area = new ImageArea(image);
  storeLegacyX87(cpu, true, area);
  area.write(MXCSR_AT, 4, BigInt(cpu.cell32(CPU.MXCSR)));
  area.write(MXCSR_AT + 4, 4, BigInt(MXCSR_MASK));
  image.set(cpu.u8.subarray(CPU.XMM, CPU.XMM + XMM_BYTES), XMM_AT);
  const known = (cpu.foreign?.components ?? []).reduce((bits, { bit }) => bits | bit, X87_BIT | SSE_BIT);
  const others = area.read(HEADER_AT, 8) & ~known;
  area.write(HEADER_AT, 8, others | inUse(cpu));
}
