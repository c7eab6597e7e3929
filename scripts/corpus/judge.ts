/**
 * What the processors' manuals say where objdump says something else. Each entry has its source.
 *
 * Sources: [SDM] Intel SDM vol. 2; [APM] AMD APM vol. 3; [EPYC] tried on an AMD EPYC (instructions that can run in user
 * mode: #UD or not).
 * @module
 */

import type { Verdict } from "./objdump.ts";

/** Extensions that objdump 2.40 knows and the table leaves out; undefined without them. */
const ABSENT = new RegExp(
  "^(?:" + [
    "enclv|encls|enclu|pconfig", // SGX, MKTME
    "wrmsrns|wrmsrlist|rdmsrlist|tdcall|seam.*|tlbsync|invlpgb|pvalidate|psmash|rmp.*", // newer system extensions
    "femms|pf.*|pi2f.|pswapd|pmulhrw|pavgusb|montmul|xsha.*|xstore.*|xcrypt.*", // 3DNow!, PadLock
    "rstorssp|setssbsy|saveprevssp|clrssbsy|incssp.|wru?ss.", // CET
    "uiret|testui|clui|stui|senduipi|mcommit|xsusldtrk|xresldtrk|ptwrite", // user interrupts and others
    "aadd|aand|aor|axor|aes(?:enc|dec)(?:wide)?(?:128|256)kl|loadiwkey|encodekey.*|enqcmds?", // RAO-INT, Key Locker
    "bl(?:c.*|sfill|sic)|t1mskc|tzmsk|[ls]lwpcb|lwp.*", // TBM, LWP
    "hreset|k(?:and|or|xor|not|mov|add|shift|unpck|test).*", // HRESET, AVX-512
    "v(?!er[rw]$|m(?:call|launch|resume|xoff|xon|func|run|mcall|load|save|read|write|ptrld|ptrst|clear)$).*", // AVX, XOP
  ].join("|") + ")$",
);

/** What is a reserved NOP where the extension is not there, and what VMMCALL is outside an encrypted guest. */
const OTHER_NAME = /^(?:bnd.*|rdssp.|vmgexit)$/;

/** Whether objdump shows an instruction of an extension that the table leaves out. */
export function isForeign(text: string): boolean {
  const name = nameIn(text);
  return OTHER_NAME.test(name) || ABSENT.test(name);
}

function nameIn(text: string): string {
  const isPrefix = (word: string) => PREFIX_NAME.test(word);
  return text.split(/\s+/).find((word) => !isPrefix(word)) ?? "";
}

const PREFIX_NAME = /^(?:data16|data32|addr16|addr32|rex.*|repz|repnz|rep|lock|[defgsc]s)$/;

/** `[SDM]`: NP. objdump takes 66, F2 and F3 in front of these for prefixes without effect. */
const NP_ONLY = new RegExp(
  "^(?:vmcall|vmlaunch|vmresume|vmxoff|monitorx?|mwaitx?|clac|stac|xgetbv|xsetbv|vmfunc|xend|xtest|fxsave|fxrstor" +
    "|ldmxcsr|stmxcsr|[lms]fence|xrstors|xsavec|xsaves|vmptrst|getsec|rdpkru|wrpkru|rdpru|serialize)(?:64)?$",
);

/**
 * The length of the instruction that `bytes` begin with, or 0 when it is undefined. Those whose
 * length it gives itself have neither SIB nor displacement in cells.ts.
 */
export function judge(mode: number, bytes: Uint8Array, { length, text }: Verdict): number {
  const name = nameIn(text);
  const at = [0x66, 0xf3, 0xf2].includes(bytes[0]!) ? 1 : 0;
  const prefix = at === 1 ? bytes[0]! : 0;
  const two = bytes[at] === 0x0f;
  const opcode = bytes[at + (two ? 1 : 0)]!;
  const modrm = bytes[at + (two ? 2 : 1)]!;
  const digit = modrm >> 3 & 7;
  const register = modrm >= 0xc0;
  if (!two) return judgeOneByte({ mode, opcode, modrm, digit, register, at, length });
  switch (opcode) {
    case 0x01: // [APM] VMMCALL names no prefix; [SDM] SWAPGS: 64-bit mode only
      if (modrm === 0xd9) return at + 3;
      if (modrm === 0xf8 && mode !== 64) return 0;
      break;
    case 0x09: // [SDM] WBINVD: 66 is not excluded
      if (length === 0) return at + 2;
      break;
    case 0x0d: // [SDM] table A-3: reserved NOP. [EPYC] #UD
      if (register) return at + 3;
      break;
    case 0x1a:
    case 0x1b: // [SDM] reserved NOPs where MPX is not there, as on every processor sold now; [EPYC]
      return at + 3;
    case 0x1e: // [SDM] CET: NOP where it is not there
      return length;
    case 0x24: // moves to and from the test registers of the 386 and 486; [EPYC]
    case 0x26:
      return 0;
    case 0x20: // [SDM] MOV CRn: other than 0, 2, 3, 4, 8 #UD
    case 0x22:
      return digit === 1 || digit >= 5 ? 0 : length;
    case 0xae: // [APM] LFENCE, MFENCE, SFENCE: the whole /digit; [EPYC]
      if (prefix === 0 && register && digit >= 5) return at + 3;
      // [SDM] RDFSBASE and the others: 64-bit mode only
      if (prefix === 0xf3 && register && digit < 4 && mode !== 64) return 0;
      break;
    case 0xbc: // F2 does nothing; [EPYC]
    case 0xbd:
      if (prefix === 0xf2 && length === 0) return at + 3;
      break;
    case 0x78: // [APM] EXTRQ: /0
      if (prefix === 0x66 && digit !== 0) return 0;
      break;
    case 0xd7: // [SDM] PMOVMSKB: NP and 66 only
      if (prefix === 0xf3 || prefix === 0xf2) return 0;
      break;
  }
  if (ABSENT.test(name)) return 0;
  return prefix !== 0 && NP_ONLY.test(name) ? 0 : length;
}

interface OneByte {
  readonly mode: number;
  readonly opcode: number;
  readonly modrm: number;
  readonly digit: number;
  readonly register: boolean;
  readonly at: number;
  readonly length: number;
}

function judgeOneByte({ mode, opcode, modrm, digit, register, at, length }: OneByte): number {
  switch (opcode) {
    case 0x8e: // [SDM] MOV: CS cannot be loaded
      return digit === 1 ? 0 : length;
    case 0x8f: // XOP
      return digit === 0 ? length : 0;
    case 0x9b: // objdump shows FWAIT and what follows as one
      return at + 1;
    case 0xd6: // SALC, in no manual and every processor
      return mode === 64 ? 0 : at + 1;
    case 0xdb: // objdump knows it as FRSTPM of the 287; [EPYC]
      return modrm === 0xe5 ? 0 : length;
  }
  // Aliases that are in no manual: FSTP1, FCOM2, FCOMP3, FXCH4, FCOMP5, FXCH7, FSTP8, FSTP9; [EPYC]
  const alias = ["d9:3", "dc:2", "dc:3", "dd:1", "de:2", "df:1", "df:2", "df:3"];
  return register && alias.includes(`${opcode.toString(16)}:${digit}`) ? at + 2 : length;
}
