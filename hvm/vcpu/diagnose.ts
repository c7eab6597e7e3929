/**
 * The picture of a processor that is printed when a guest dies: where it was, in which mode, with which registers, the
 * bytes of the instruction, and what the user can do.
 * @module
 */

import { hexBytes } from "../base/bits.ts";
import { type CpuState, CR0, EFER, RFLAGS, type SegmentState } from "../x86/state.ts";

/** What a diagnosis is made of. */
export interface Picture {
  /** What happened, a clause without a capital or full stop. */
  readonly why: string;
  readonly state: CpuState;
  /** Bytes at the program counter, as far as they could be read. */
  readonly code: Uint8Array;
  /** What the user can do. */
  readonly advice: readonly string[];
}

const GPR_NAMES = [
  "rax",
  "rcx",
  "rdx",
  "rbx",
  "rsp",
  "rbp",
  "rsi",
  "rdi",
  "r8",
  "r9",
  "r10",
  "r11",
  "r12",
  "r13",
  "r14",
  "r15",
];

const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [RFLAGS.CF, "CF"],
  [RFLAGS.PF, "PF"],
  [RFLAGS.AF, "AF"],
  [RFLAGS.ZF, "ZF"],
  [RFLAGS.SF, "SF"],
  [RFLAGS.TF, "TF"],
  [RFLAGS.IF, "IF"],
  [RFLAGS.DF, "DF"],
  [RFLAGS.OF, "OF"],
  [RFLAGS.NT, "NT"],
  [RFLAGS.RF, "RF"],
  [RFLAGS.VM, "VM"],
  [RFLAGS.AC, "AC"],
];

/** The name of the mode a processor is in. [SDM] vol. 3A, 2.2 */
export function modeName(state: CpuState): string {
  const has = (word: bigint, bit: number) => (word & BigInt(bit)) !== 0n;
  if (!has(state.cr0, CR0.PE)) return "real mode";
  if (has(state.efer, EFER.LMA)) return state.cs.long ? "64-bit long mode" : "compatibility mode";
  if (has(state.rflags, RFLAGS.VM)) return "virtual-8086 mode";
  const size = state.cs.big ? "32-bit" : "16-bit";
  return `${size} protected mode${has(state.cr0, CR0.PG) ? "" : " without paging"}`;
}

/** Several lines of text, without a line end at the last. */
export function pictureText({ why, state, code, advice }: Picture): string {
  const word = (value: bigint) => value.toString(16).padStart(16, "0");
  const lines = [
    `The guest stopped: ${why}`,
    `  at    rip ${word(state.rip)} in ${modeName(state)}, CPL ${state.ss.dpl}`,
    `  code  ${code.length === 0 ? "cannot be read" : hexBytes(code)}`,
  ];
  for (let i = 0; i < GPR_NAMES.length; i += 4) {
    lines.push(
      `  ${
        GPR_NAMES.slice(i, i + 4).map((name, j) => `${name.padStart(4)} ${word(state.gpr[i + j]!)}`).join(" ")
      }`,
    );
  }
  const flags = FLAG_NAMES.filter(([bit]) => (state.rflags & BigInt(bit)) !== 0n).map(([, name]) => name);
  lines.push(`  rflags ${state.rflags.toString(16)}${flags.length > 0 ? ` (${flags.join(" ")})` : ""}`);
  lines.push(
    `  cr0 ${state.cr0.toString(16)}  cr2 ${state.cr2.toString(16)}  cr3 ${state.cr3.toString(16)}  ` +
      `cr4 ${state.cr4.toString(16)}  cr8 ${state.cr8.toString(16)}  efer ${state.efer.toString(16)}`,
  );
  const segment = (name: string, s: SegmentState) =>
    `${name} ${s.selector.toString(16).padStart(4, "0")} base ${s.base.toString(16)} limit ${
      s.limit.toString(16)
    }` +
    (s.unusable ? " unusable" : "");
  lines.push(`  ${segment("cs", state.cs)}  ${segment("ss", state.ss)}`);
  lines.push(`  ${segment("ds", state.ds)}  ${segment("es", state.es)}`);
  lines.push(`  ${segment("fs", state.fs)}  ${segment("gs", state.gs)}`);
  lines.push(`  ${segment("tr", state.tr)}  ${segment("ldt", state.ldt)}`);
  lines.push(
    `  gdt base ${state.gdt.base.toString(16)} limit ${state.gdt.limit.toString(16)}  ` +
      `idt base ${state.idt.base.toString(16)} limit ${state.idt.limit.toString(16)}`,
  );
  for (const sentence of advice) lines.push(`  What to do: ${sentence}`);
  return lines.join("\n");
}
