/**
 * GNU objdump as an independent authority on x86 encodings, and its texts rewritten in the form of hvm/x86/format.ts.
 * @module
 */

/** What objdump makes of the bytes at the start of a slot. */
export interface Verdict {
  /** 0 when it knows no such instruction. */
  readonly length: number;
  /** Its own text. */
  readonly text: string;
}

/** Each encoding has a slot of its own. NOPs behind it bring objdump back into step before the next. */
const SLOT = 32;
const NOP = 0x90;

const MACHINE: Readonly<Record<number, string>> = { 16: "i8086", 32: "i386", 64: "i386:x86-64" };

/**
 * Asks objdump about many encodings, each of at most 16 bytes.
 * @param mode 16, 32 or 64.
 */
export async function objdump(mode: number, encodings: readonly Uint8Array[]): Promise<Verdict[]> {
  const image = new Uint8Array((encodings.length + 1) * SLOT).fill(NOP);
  encodings.forEach((bytes, n) => image.set(bytes, n * SLOT));
  const file = await Deno.makeTempFile({ prefix: "hvm-corpus-" });
  try {
    await Deno.writeFile(file, image);
    const args = ["-D", "-w", "-b", "binary", "-m", MACHINE[mode] ?? "", "-M", "intel,intel64", file];
    const { stdout, success } = await new Deno.Command("objdump", { args, stderr: "null" }).output();
    if (!success) throw new Error("objdump failed");
    return parse(new TextDecoder().decode(stdout), encodings.length);
  } finally {
    await Deno.remove(file);
  }
}

function parse(output: string, count: number): Verdict[] {
  const verdicts = Array.from({ length: count }, (): Verdict => ({ length: 0, text: "?" }));
  for (const line of output.split("\n")) {
    const found = /^\s*([0-9a-f]+):\t([0-9a-f ]+)\t?(.*)$/.exec(line);
    if (found === null) continue;
    const address = parseInt(found[1]!, 16);
    if (address % SLOT !== 0 || address / SLOT >= count) continue;
    const text = found[3]!.trim();
    const bad = text.includes("(bad)") || text.includes("?") || text.startsWith(".byte") || text === "";
    verdicts[address / SLOT] = { length: bad ? 0 : found[2]!.trim().split(" ").length, text };
  }
  return verdicts;
}

/** Prefixes that objdump prints though they do nothing, or do something that it prints elsewhere too. */
const PREFIX_WORDS =
  /^(?:(?:data16|data32|addr16|addr32|rex(?:\.[WRXB]+)?|es|cs|ss|ds|fs|gs|notrack|bnd|xacquire|xrelease|repz|repnz|rep) +)/;

const STRING = /^(?:movs|cmps|stos|lods|scas|ins|outs)$/;

/**
 * Rewrites objdump's text in our form.
 * @param mode what it was disassembled as.
 * @param bytes its encoding.
 * @param address where it was in objdump's image.
 */
export function normalize(text: string, mode: number, bytes: Uint8Array, address: number): string {
  let rest = text.replace(/\s*#.*$/, "").replace(/\(\d+ only\)/, "").replace(/\s+/g, " ").trim();
  let lock = "";
  let repeat = "";
  for (;;) {
    const found = /^lock /.exec(rest) ?? PREFIX_WORDS.exec(rest);
    if (found === null) break;
    const word = found[0].trim();
    if (word === "lock") lock = "lock ";
    if (word.startsWith("rep")) repeat = word;
    rest = rest.slice(found[0].length);
  }
  const space = rest.indexOf(" ");
  const spelled = space < 0 ? rest : rest.slice(0, space);
  const tail = space < 0 ? "" : rest.slice(space + 1).replace(/,(pt|pn)$/, "");
  const name = nameForm(spelled, mode);
  const stringy = STRING.test(name);
  const prefix = lock + (repeat === "" || !stringy ? "" : repeatWord(repeat, name));
  let operands = tail === "" ? [] : tail.split(",").map((operand) => operandForm(operand.trim(), stringy));
  if (name === "xlat") operands = operands.map((operand) => operand.replace("ds:", "").replace("]", "+al]"));
  if (name === "mov" && /^[cdefgs]s$/.test(operands[0] ?? "")) operands[1] = selector(operands[1] ?? "");
  if (BRANCH.test(name) && /^0x[^:]*$/.test(operands[0] ?? "")) {
    operands = [target(operands[0]!, mode, bytes, address)];
  }
  if (IMPLICIT.has(name)) operands = [];
  if (MASK_TO_REGISTER.test(name)) operands[0] = low32(operands[0] ?? "");
  if (mode === 64 && isWide(bytes)) operands = operands.map((operand) => wideForm(name, operand));
  if (name === "mov") operands = sizedAddress(operands);
  if (name === "xchg" && /^([er]?ax),\1$/.test(tail)) return "nop";
  if (name === "lddqu" || name === "invpcid") operands[1] = `xmmword ptr ${operands[1]}`;
  return `${prefix}${name}${operands.length > 0 ? " " : ""}${operands.join(", ")}`;
}

const BRANCH = /^(?:j[a-z]+|loop[a-z]*|call|xbegin)$/;

/** Moves with an address in the instruction have no size in objdump's text. */
function sizedAddress(operands: string[]): string[] {
  const bare = operands.findIndex((operand) => /^(?:[defgsc]s:)?\[0x/.test(operand));
  if (bare < 0) return operands;
  const size = { al: "byte", ax: "word", eax: "dword", rax: "qword" }[operands[1 - bare] ?? ""] ?? "?";
  return operands.map((operand, n) => n === bare ? `${size} ptr ${operand}` : operand);
}

/** REX.W changes nothing there: the upper half is zero either way. */
const MASK_TO_REGISTER = /^(?:p?movmsk(?:ps|pd|b)|umwait|tpause)$/;

function low32(operand: string): string {
  return operand.replace(/^r([a-ds][xip])$/, "e$1").replace(/^(r\d+)$/, "$1d");
}

/** Whether REX.W is in force. */
function isWide(bytes: Uint8Array): boolean {
  let at = 0;
  while (
    bytes[at]! >= 0x64 && bytes[at]! <= 0x67 || [0x26, 0x2e, 0x36, 0x3e, 0xf2, 0xf3].includes(bytes[at]!)
  ) at++;
  return bytes[at]! >= 0x48 && bytes[at]! <= 0x4f;
}

/** [SDM] LSS, JMP, CALL: REX.W makes m16:64; MOVSXD: REX.W goes before 66. objdump has 66 or nothing. */
function wideForm(name: string, operand: string): string {
  if (/^(?:lss|lfs|lgs)$/.test(name)) return operand.replace(/^[df]?word ptr/, "tbyte ptr");
  if (/^(?:jmp|call)$/.test(name)) return operand.replace(/^(?:dword|fword) ptr/, "tbyte ptr");
  if (name !== "movsxd") return operand;
  return operand.replace(/^word ptr/, "dword ptr").replace(/^([a-ds][xip])$/, "e$1").replace(
    /^(r\d+)w$/,
    "$1d",
  );
}

/** objdump shows registers that are not encoded. */
const IMPLICIT: ReadonlySet<string> = new Set([
  ...["monitor", "mwait", "monitorx", "mwaitx", "clzero", "vmrun", "vmload", "vmsave", "skinit", "invlpga"],
]);

/**
 * A target as if the instruction were at 0. Short branches are not cut to 16 bits by objdump; the processor does. A 16-bit
 * image is small enough that nothing is lost.
 */
function target(text: string, mode: number, bytes: Uint8Array, address: number): string {
  const isPrefix = (byte: number) =>
    byte >= 0x64 && byte <= 0x67 || [0x26, 0x2e, 0x36, 0x3e, 0xf2, 0xf3].includes(byte);
  const prefixes = bytes.subarray(0, bytes.findIndex((byte) => !isPrefix(byte)));
  const short = mode !== 64 && (mode === 16) !== prefixes.includes(0x66);
  const value = BigInt(text) - BigInt(address);
  return `0x${BigInt.asUintN(short ? 16 : mode === 64 ? 64 : 32, value).toString(16)}`;
}

/** A segment register is loaded from 16 bits. */
function selector(operand: string): string {
  return operand.replace(/^[er]([a-ds][xip])$/, "$1").replace(/^(r\d+)d?$/, "$1w");
}

function repeatWord(word: string, name: string): string {
  if (word === "repnz") return "repne ";
  return /^(?:cmps|scas)$/.test(name) ? "repe " : "rep ";
}

/** Names with the operand size as suffix where objdump thinks one is needed, and without where we have one. */
function nameForm(name: string, mode: number): string {
  const sized =
    /^(push|pop|call|jmp|ret|retf|enter|leave|xbegin|fldenv|fnstenv|frstor|fnsave|[sl][gi]dt|sysret|sysexit)[wd]$/
      .exec(name);
  if (sized !== null) return sized[1]!;
  if (name === "retfq") return "retf";
  if (/^pcmpestr[im]q$/.test(name)) return name.slice(0, -1);
  const bare = mode === 16 ? "" : mode === 64 ? "q" : "d";
  if (name === "pushf" || name === "popf") return name + bare;
  if (name === "pusha" || name === "popa") return name + (mode === 16 ? "" : "d");
  if (name === "iret") return mode === 16 ? "iret" : "iretd";
  const narrow = /^(pushf|popf|pusha|popa|iret)w$/.exec(name);
  if (narrow !== null) return narrow[1]!;
  return NAMES[name] ?? name;
}

/** Names that objdump has of its own. */
const NAMES: Readonly<Record<string, string>> = { movabs: "mov", icebp: "int1" };

function operandForm(operand: string, stringy: boolean): string {
  let form = operand
    .replace(/\b(BYTE|WORD|DWORD|FWORD|QWORD|TBYTE|XMMWORD|OWORD) (?:PTR|BCD)\b/g, (all) => all.toLowerCase())
    .replace("oword ptr", "xmmword ptr");
  // A lone address is "ds:0x10" there and "[0x10]" here.
  form = form.replace(
    /((?:[a-z]+ ptr )?)([defgsc]s):(0x[0-9a-f]+)$/,
    (_, size, segment, value) => `${size}${segment === "ds" ? "" : `${segment}:`}[${value}]`,
  );
  if (stringy) form = form.replace("ds:[", "[");
  form = form.replace(
    /([re]ip)\+0x(ffffffff[0-9a-f]{8})/,
    (_, base, digits) => `${base}-0x${(-BigInt.asIntN(64, BigInt(`0x${digits}`))).toString(16)}`,
  );
  form = form.replace(/\+[re]iz\*\d/, "").replace(/\[[re]iz\*\d\+/, "[");
  form = form.replace(/\+0x0\]$/, "]");
  // An override that says what is so without it.
  return /\[[er]?[sb]p\b(?!\*)/.test(form) ? form.replace("ss:[", "[") : form.replace("ds:[", "[");
}
