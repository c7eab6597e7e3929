/**
 * x87 and SSE registers in the area of XSAVE, one by one.
 *
 * Sources: [SDM] Intel SDM vol. 1, 10.5.1 (FXSAVE area), 13.4.2 (XSAVE header), 13.6 (initial states).
 * @module
 */

import type { ExtendedState } from "../x86/state.ts";

/** The registers. */
export interface FpuState {
  control: number;
  status: number;
  /** A bit for each physical register, 1: not empty. */
  tags: number;
  opcode: number;
  instruction: bigint;
  operand: bigint;
  mxcsr: number;
  /** ST0 to ST7, 16 bytes each, of which ten count. */
  readonly st: Uint8Array<ArrayBuffer>;
  /** XMM0 to XMM15. */
  readonly xmm: Uint8Array<ArrayBuffer>;
}

/** Offsets in the area. [SDM] table 10-2 */
const AT = {
  CONTROL: 0,
  STATUS: 2,
  TAGS: 4,
  OPCODE: 6,
  INSTRUCTION: 8,
  OPERAND: 16,
  MXCSR: 24,
  ST: 32,
  XMM: 160,
  COMPONENTS: 512,
} as const;
const COMPONENT = { X87: 1, SSE: 2 } as const;
const ST_BYTES = 128;
const XMM_BYTES = 256;
const CONTROL_INITIAL = 0x37f;
const MXCSR_INITIAL = 0x1f80;

function viewOf({ xsave }: ExtendedState): DataView<ArrayBuffer> {
  return new DataView(xsave.buffer, xsave.byteOffset, xsave.byteLength);
}

/** The registers of an area. What is in its initial state need not be in it. */
export function fpuFrom(extended: ExtendedState): FpuState {
  const view = viewOf(extended);
  const components = view.getUint8(AT.COMPONENTS);
  const x87 = (components & COMPONENT.X87) !== 0;
  const sse = (components & COMPONENT.SSE) !== 0;
  return {
    control: x87 ? view.getUint16(AT.CONTROL, true) : CONTROL_INITIAL,
    status: x87 ? view.getUint16(AT.STATUS, true) : 0,
    tags: x87 ? view.getUint8(AT.TAGS) : 0,
    opcode: x87 ? view.getUint16(AT.OPCODE, true) : 0,
    instruction: x87 ? view.getBigUint64(AT.INSTRUCTION, true) : 0n,
    operand: x87 ? view.getBigUint64(AT.OPERAND, true) : 0n,
    mxcsr: sse ? view.getUint32(AT.MXCSR, true) : MXCSR_INITIAL,
    st: x87 ? extended.xsave.slice(AT.ST, AT.ST + ST_BYTES) : new Uint8Array(ST_BYTES),
    xmm: sse ? extended.xsave.slice(AT.XMM, AT.XMM + XMM_BYTES) : new Uint8Array(XMM_BYTES),
  };
}

/** The same area with other registers. */
export function withFpu(extended: ExtendedState, fpu: FpuState): ExtendedState {
  const changed = { ...extended, xsave: extended.xsave.slice() };
  const view = viewOf(changed);
  view.setUint16(AT.CONTROL, fpu.control, true);
  view.setUint16(AT.STATUS, fpu.status, true);
  view.setUint8(AT.TAGS, fpu.tags);
  view.setUint16(AT.OPCODE, fpu.opcode, true);
  view.setBigUint64(AT.INSTRUCTION, fpu.instruction, true);
  view.setBigUint64(AT.OPERAND, fpu.operand, true);
  view.setUint32(AT.MXCSR, fpu.mxcsr, true);
  changed.xsave.set(fpu.st, AT.ST);
  changed.xsave.set(fpu.xmm, AT.XMM);
  view.setUint8(AT.COMPONENTS, view.getUint8(AT.COMPONENTS) | COMPONENT.X87 | COMPONENT.SSE);
  return changed;
}
