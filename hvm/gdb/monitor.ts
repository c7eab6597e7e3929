/**
 * The commands after GDB's `monitor`: what hvm can do that GDB has no word for.
 * @module
 */

import { hexBytes } from "../base/bits.ts";
import type { DebugTarget } from "../vcpu/debug.ts";
import { decode, MAX_LENGTH, OK } from "../x86/decode.ts";
import { formatInsn } from "../x86/format.ts";
import { Insn } from "../x86/insn.ts";
import type { CpuState } from "../x86/state.ts";
import { isFlat, linearRip } from "./registers.ts";

/** What a command needs of the session it came in. */
export interface MonitorSession {
  readonly target: DebugTarget;
  /** Shows text on the debugger's console. */
  readonly print: (text: string) => void;
}

interface MonitorCommand {
  readonly name: string;
  /** What may stand behind the name, for help. */
  readonly hint?: string;
  readonly sentence: string;
  /** @param words what stands behind the name; false when that means nothing. */
  run(session: MonitorSession, words: readonly string[]): boolean;
}

const COMMANDS: readonly MonitorCommand[] = [
  {
    name: "help",
    sentence: "shows this list",
    run: (session) => {
      const entries = COMMANDS.map(({ name, hint, sentence }) =>
        `${`${name} ${hint ?? ""}`.padEnd(COLUMN)}${sentence}\n`
      );
      session.print(entries.join(""));
      return true;
    },
  },
  {
    name: "registers",
    sentence: "shows all registers, segments and tables too",
    run: (session) => {
      session.print(`${session.target.describe()}\n`);
      return true;
    },
  },
  {
    name: "code",
    hint: "[0xADDRESS]",
    sentence:
      "shows instructions as the processor reads them now, 16- and 32-bit ones too; from its place on",
    run: showCode,
  },
  {
    name: "reset",
    sentence: "resets the machine; it starts again with --on-reboot reset, and ends the run otherwise",
    run: ({ target }) => {
      target.end({ kind: "reset", cause: "debugger" });
      return true;
    },
  },
];

const COLUMN = 20;

/** Runs a command and gives the packet that ends its output. */
export function monitor(session: MonitorSession, line: string): string {
  const [name = "", ...words] = line.split(/\s+/);
  const command = COMMANDS.find((one) => one.name === name);
  const run = command !== undefined && (command.hint !== undefined || words.length === 0) &&
    command.run(session, words);
  if (!run) session.print(`There is no monitor command ${line}; monitor help shows what there is\n`);
  return "OK";
}

/** Instructions {@linkcode showCode} shows. */
const SHOWN = 10;
const BYTES_COLUMN = 30;

function showCode({ target, print }: MonitorSession, words: readonly string[]): boolean {
  const { state } = target.readRegisters();
  const [word, ...more] = words;
  if (more.length > 0 || word !== undefined && !/^0x[0-9a-f]{1,16}$/i.test(word)) return false;
  const start = word === undefined ? linearRip(state) : BigInt(word);
  const code = target.memory.read(start, SHOWN * MAX_LENGTH);
  const insn = new Insn();
  let text = code.length === 0 ? `There is no memory at 0x${start.toString(16)}\n` : "";
  for (let at = 0, n = 0; at < code.length && n < SHOWN; n++) {
    const known = decode(code, at, code.length, codeBits(state), insn) === OK;
    const length = known ? insn.length : 1;
    const here = start + BigInt(at);
    const bytes = hexBytes(code.subarray(at, at + length)).padEnd(BYTES_COLUMN);
    text += `0x${here.toString(16).padStart(8, "0")}  ${bytes}  ${
      known ? formatInsn(insn, here) : "(bad)"
    }\n`;
    at += length;
  }
  print(text);
  return true;
}

/** 16, 32 or 64, as the code segment says. */
function codeBits(state: CpuState): number {
  return isFlat(state) ? 64 : state.cs.big ? 32 : 16;
}
