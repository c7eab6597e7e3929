/**
 * Compares what the processor left with what hvm's left, less what specifications leave open.
 * @module
 */

import { classOf, flagEffects, type Insn, PREFIX } from "../../hvm/x86/insn.ts";
import type { Done, Job } from "./insn_native.ts";
import type { Template } from "./insn_templates.ts";

/** CF, PF, AF, ZF, SF, DF, OF. */
const FLAGS = 0xcd5;
/** C0 to C3, which manuals leave open after most instructions; what is compared in full is what Intel's processors do. */
const CONDITIONS = 0x4700;

/** A difference allowed, by key, with its source. */
interface Allowed {
  readonly keys: RegExp;
  readonly why: string;
  /** Whether the job is one of those. */
  readonly when: (job: Job, insn: Insn) => boolean;
}

/** Undefined results. */
const UNDEFINED: readonly Allowed[] = [
  {
    keys: /^sh[lr]d$/,
    why: "[SDM] SHLD, SHRD: a count above the operand size leaves destination and flags undefined",
    when: ({ before, code }, { operandSize }) =>
      operandSize === 2 && ((Number(before.gpr(1)) & 31) > 16 || (code.at(-1)! & 31) > 16),
  },
  {
    keys: /^bswap$/,
    why: "[SDM] BSWAP: the result of 16 bits is undefined",
    when: (_, { operandSize }) => operandSize === 2,
  },
  {
    keys: /^fprem1?$/,
    why:
      "[SDM] FPREM names #U; whether an exact denormal result raises it where it is not masked, processors differ in",
    when: ({ before }) => (before.fx[0]! & 0x10) === 0,
  },
  {
    keys: /^fstp$/,
    why: "D9 /3 with a register is no instruction of the manual; processors pop without a stack fault there",
    when: (_, { opcode }) => opcode === 0xd9,
  },
];

/** What AMD's processors do differently, and the manuals say so. */
const VENDOR: readonly ((template: Template, insn: Insn) => boolean)[] = [
  // [APM] vol. 3, 1.2.2: 66 makes near branches of 64-bit code 16 bits wide.
  ({ mode }, insn) =>
    mode === 64 && (insn.prefixes & PREFIX.OPERAND) !== 0 &&
    ["branch", "call", "ret"].includes(classOf(insn)),
  // MMX registers and x87 state after faults and pops.
  (_, insn) => ["x87", "mmx"].includes(classOf(insn)),
];

/** Relative tolerance of instructions that approximate: [SDM] RCPPS, RSQRTPS: 1.5 * 2^-12. */
const APPROXIMATE = /^r(cp|sqrt)[ps]s$/;

/** What differs, in words; undefined when nothing does. */
export function difference(
  template: Template,
  insn: Insn,
  { job, native, soft, intel }: { job: Job; native: Done; soft: Done; intel: boolean },
): string | undefined {
  if (UNDEFINED.some(({ keys, when }) => keys.test(template.key) && when(job, insn))) return undefined;
  if (!intel && VENDOR.some((when) => when(template, insn))) return undefined;
  const found: string[] = [];
  const differ = (what: string, a: bigint | number, b: bigint | number) => {
    if (a !== b) found.push(`${what}: processor ${hex(a)}, hvm ${hex(b)}`);
  };
  differ("trap", native.trap, soft.trap);
  if (native.trap !== soft.trap) return found.join("; ");
  // What else is mapped in a process is its own affair.
  const present = native.trap === 14 ? 1 : 0;
  if (native.trap >= 0 && [10, 11, 12, 13, 14].includes(native.trap)) {
    differ("error code", native.error & ~present, soft.error & ~present);
  }
  if (native.trap === 14) differ("CR2", native.address, soft.address);
  for (let i = 0; i < 16; i++) {
    if (job.mode !== 64 && i >= 8) break;
    const part = job.mode === 16 && i === 4 ? 0xffffn : ~0n;
    differ(`register ${i}`, native.after.gpr(i) & part, soft.after.gpr(i) & part);
  }
  differ("rip", native.after.rip, soft.after.rip);
  const flags = FLAGS & ~(native.trap >= 0 ? 0 : flagEffects(insn).undefined);
  differ("flags", native.after.rflags & flags, soft.after.rflags & flags);
  compareFx(template, { native, soft, intel }, differ);
  // ENTER and CALL may have pushed before they fault.
  if (/^(enter|call)$/.test(template.key) && native.trap >= 0) return found.join("; ") || undefined;
  const [a, b] = [native.after.memory, soft.after.memory];
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) {
      found.push(`memory at ${i.toString(16)}: processor ${dump(a, i)}, hvm ${dump(b, i)}`);
      break;
    }
  }
  return found.length === 0 ? undefined : found.join("; ");
}

function compareFx(
  { key }: Template,
  { native, soft, intel }: { native: Done; soft: Done; intel: boolean },
  differ: (what: string, a: bigint | number, b: bigint | number) => void,
): void {
  const view = (done: Done) => new DataView(done.after.fx.buffer, done.after.fx.byteOffset);
  const [a, b] = [view(native), view(soft)];
  differ("x87 control", a.getUint16(0, true), b.getUint16(0, true));
  const open = intel ? 0 : CONDITIONS;
  differ("x87 status", a.getUint16(2, true) & ~open, b.getUint16(2, true) & ~open);
  differ("x87 tags", a.getUint8(4), b.getUint8(4));
  for (let i = 0; i < 8; i++) {
    const at = 32 + i * 16;
    differ(`st${i}`, a.getBigUint64(at, true), b.getBigUint64(at, true));
    differ(`st${i}, sign and exponent`, a.getUint16(at + 8, true), b.getUint16(at + 8, true));
  }
  // Which flags the later steps of a sum of products raise when an earlier one has an unmasked exception, nobody says.
  if (!(/^dpp/.test(key) && native.trap === 19)) {
    differ("mxcsr", a.getUint32(24, true), b.getUint32(24, true));
  }
  for (let at = 160; at < 416; at += 4) {
    const what = `xmm${(at - 160) >> 4}, bytes from ${(at - 160) & 15}`;
    if (APPROXIMATE.test(key) && near(a.getFloat32(at, true), b.getFloat32(at, true))) continue;
    if (ANY_NAN[key]?.(a, b, at) === true) continue;
    differ(what, a.getUint32(at, true), b.getUint32(at, true));
  }
}

/** Where several products are NaNs the manual does not say whose payload the sum has. */
const ANY_NAN: Readonly<Record<string, (a: DataView, b: DataView, at: number) => boolean>> = {
  dpps: (a, b, at) => Number.isNaN(a.getFloat32(at, true)) && Number.isNaN(b.getFloat32(at, true)),
  dppd: (a, b, at) => Number.isNaN(a.getFloat64(at & ~7, true)) && Number.isNaN(b.getFloat64(at & ~7, true)),
};

function near(a: number, b: number): boolean {
  if (Number.isNaN(a) || Number.isNaN(b)) return false;
  return Math.abs(a - b) <= Math.abs(a) * 3 * 2 ** -12;
}

function hex(value: bigint | number): string {
  return value < 0 ? String(value) : `0x${value.toString(16)}`;
}

function dump(bytes: Uint8Array, at: number): string {
  return [...bytes.subarray(at, at + 16)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
}
