/**
 * The commands of GDB's remote serial protocol, each from the text of a packet to the text of its answer.
 *
 * Sources: [RSP] GDB manual, appendix E.
 * Deviates: no signals are delivered to the guest; no extended mode, no non-stop mode, no file I/O.
 * @module
 */

import type { PointKind } from "../vcpu/debug_points.ts";
import { monitor } from "./monitor.ts";
import { bytesOf, fromHex, textOf, toHex } from "./packets.ts";
import {
  isExtended,
  readAll,
  readRegister,
  registerBytes,
  writeAll,
  writeRegister,
  writeRip,
} from "./registers.ts";
import { type Session, THREAD } from "./session.ts";
import { REGISTERS, targetXml } from "./target_xml.ts";

/** The longest packet, in bytes. */
export const PACKET_BYTES = 0x4000;

/** Numbers of `errno` GDB shows. */
const ERROR = { INVALID: "E16", ADDRESS: "E0e" } as const;

/** Kinds of the packets Z and z. */
const POINT_KIND: readonly PointKind[] = ["software", "hardware", "write", "read", "access"];

/** What a command answers; undefined: nothing now, perhaps a stop reply later. */
type Answer = string | undefined;
type Command = (session: Session, rest: string) => Answer;

/** The answer to a command; an unknown one has an empty answer. */
export function answer(session: Session, text: string): Answer {
  const word = /^(vCont\?|v[A-Za-z]+|[qQ][A-Za-z]+)/.exec(text)?.[0];
  if (word !== undefined) {
    const named = NAMED.get(word);
    return named === undefined ? "" : named(session, text.slice(word.length));
  }
  const plain = PLAIN.get(text.slice(0, 1));
  return plain === undefined ? "" : plain(session, text.slice(1));
}

/** `ADDR,LENGTH`, in hexadecimal. */
function range(text: string): { address: bigint; length: number } | undefined {
  const match = /^([0-9a-f]{1,16}),([0-9a-f]{1,8})$/i.exec(text);
  if (match === null) return undefined;
  return { address: BigInt(`0x${match[1]}`), length: parseInt(match[2]!, 16) };
}

const readMemory: Command = ({ target }, rest) => {
  const wanted = range(rest);
  if (wanted === undefined) return ERROR.INVALID;
  const length = Math.min(wanted.length, PACKET_BYTES / 2 - 8);
  const bytes = target.memory.read(wanted.address, length);
  return bytes.length === 0 && length > 0 ? ERROR.ADDRESS : toHex(bytes);
};

/** `ADDR,LENGTH:` and the bytes, in hexadecimal or as they are. */
function writeMemory(bytesIn: (text: string) => Uint8Array | undefined): Command {
  return ({ target }, rest) => {
    const colon = rest.indexOf(":");
    const wanted = range(rest.slice(0, Math.max(0, colon)));
    const bytes = bytesIn(rest.slice(colon + 1));
    if (wanted === undefined || bytes === undefined || bytes.length !== wanted.length) return ERROR.INVALID;
    if (bytes.length === 0) return "OK"; // GDB asks whether there is the command
    return target.memory.write(wanted.address, bytes) ? "OK" : ERROR.ADDRESS;
  };
}

const readOne: Command = (session, rest) => {
  const register = REGISTERS[/^[0-9a-f]+$/i.test(rest) ? parseInt(rest, 16) : -1];
  return register === undefined ? ERROR.INVALID : toHex(readRegister(session.file, register));
};

const writeOne: Command = (session, rest) => {
  const match = /^([0-9a-f]+)=([0-9a-f]+)$/i.exec(rest);
  const register = match === null ? undefined : REGISTERS[parseInt(match[1]!, 16)];
  const bytes = match === null ? undefined : fromHex(match[2]!);
  if (register === undefined || bytes === undefined || bytes.length < registerBytes(register)) {
    return ERROR.INVALID;
  }
  if (!writeRegister(session.file, register, bytes)) return ERROR.INVALID;
  session.commit(isExtended(register));
  return "OK";
};

const writeRegisters: Command = (session, rest) => {
  const bytes = fromHex(rest);
  if (bytes === undefined) return ERROR.INVALID;
  writeAll(session.file, bytes);
  session.commit(true);
  return "OK";
};

/** The answer comes when the processor stops. */
function resume(session: Session, step: boolean): Answer {
  session.resume(step);
  return undefined;
}

/** `c` and `s`, perhaps from another address. */
function go(step: boolean): Command {
  return (session, rest) => {
    if (rest === "") return resume(session, step);
    if (!/^[0-9a-f]{1,16}$/i.test(rest)) return ERROR.INVALID;
    if (!writeRip(session.file.state, BigInt(`0x${rest}`))) return ERROR.INVALID;
    session.commit(false);
    return resume(session, step);
  };
}

/** The same with a signal, which no guest would know what to do with. */
function goWithSignal(step: boolean): Command {
  return (session, rest) => {
    const match = /^[0-9a-f]{2}(?:;(.*))?$/i.exec(rest);
    return match === null ? ERROR.INVALID : go(step)(session, match[1] ?? "");
  };
}

/** `Z` and `z`: `TYPE,ADDR,KIND`. */
function point(set: boolean): Command {
  return ({ target }, rest) => {
    const match = /^([0-9]),([0-9a-f]{1,16}),([0-9a-f]{1,8})(;.*)?$/i.exec(rest);
    if (match === null) return ERROR.INVALID;
    const kind = POINT_KIND[Number(match[1])];
    if (kind === undefined) return "";
    const address = BigInt(`0x${match[2]}`);
    const length = parseInt(match[3]!, 16);
    if (set) return target.points.set(kind, address, length) ? "OK" : ERROR.ADDRESS;
    target.points.clear(kind, address, length);
    return "OK";
  };
}

const PLAIN: ReadonlyMap<string, Command> = new Map<string, Command>([
  ["?", (session) => session.stopReply()],
  ["g", (session) => toHex(readAll(session.file))],
  ["G", writeRegisters],
  ["p", readOne],
  ["P", writeOne],
  ["m", readMemory],
  ["M", writeMemory(fromHex)],
  ["X", writeMemory(bytesOf)],
  ["c", go(false)],
  ["s", go(true)],
  ["C", goWithSignal(false)],
  ["S", goWithSignal(true)],
  ["Z", point(true)],
  ["z", point(false)],
  ["H", () => "OK"],
  ["T", (_session, rest) => isThread(rest) ? "OK" : ERROR.INVALID],
  ["D", (session) => {
    session.release();
    return "OK";
  }],
  ["k", (session) => {
    session.target.end({ kind: "stopped", diagnosis: "" });
    return undefined;
  }],
]);

/** 0 is any thread, -1 all. */
function isThread(text: string): boolean {
  return /^0*[01]$|^-1$/.test(text);
}

/** Holds the processor for a debugger that does not wait for it. */
function halt(session: Session): Answer {
  if (!session.target.held) {
    session.target.hold();
    session.stop({ kind: "interrupt" });
  }
  session.waits = false;
  return session.stopReply();
}

/** `vCont;ACTION[:THREAD]...`: the first action for our thread counts. */
const vCont: Command = (session, rest) => {
  for (const action of rest.split(";").slice(1)) {
    const [what = "", thread = "-1"] = action.split(":");
    if (!isThread(thread)) continue;
    const letter = what.slice(0, 1);
    if (letter === "c" || letter === "C") return resume(session, false);
    if (letter === "s" || letter === "S") return resume(session, true);
    if (letter === "t") return halt(session);
    return ERROR.INVALID;
  }
  return ERROR.INVALID;
};

/** `qXfer:features:read:target.xml:OFFSET,LENGTH`. */
const transfer: Command = (_session, rest) => {
  const match = /^:features:read:([^:]*):([0-9a-f]+),([0-9a-f]+)$/i.exec(rest);
  if (match === null) return "";
  if (match[1] !== "target.xml") return "E00";
  const xml = targetXml();
  const from = parseInt(match[2]!, 16);
  const length = Math.min(parseInt(match[3]!, 16), PACKET_BYTES - 8);
  return `${from + length < xml.length ? "m" : "l"}${xml.slice(from, from + length)}`;
};

const FEATURES = [
  `PacketSize=${PACKET_BYTES.toString(16)}`,
  "QStartNoAckMode+",
  "qXfer:features:read+",
  "vContSupported+",
  "swbreak+",
  "hwbreak+",
];

const NAMED: ReadonlyMap<string, Command> = new Map<string, Command>([
  ["qSupported", (session, rest) => {
    session.namesBreaks = rest.includes("swbreak+");
    return FEATURES.join(";");
  }],
  ["QStartNoAckMode", () => "OK"],
  ["qXfer", transfer],
  ["qAttached", () => "1"],
  ["qC", () => `QC${THREAD}`],
  ["qfThreadInfo", () => `m${THREAD}`],
  ["qsThreadInfo", () => "l"],
  ["qThreadExtraInfo", () => toHex(bytesOf("CPU 0"))],
  ["qRcmd", (session, rest) => {
    const bytes = fromHex(rest.slice(1));
    return bytes === undefined ? ERROR.INVALID : monitor(session, textOf(bytes).trim());
  }],
  ["vCont?", () => "vCont;c;C;s;S;t"],
  ["vCont", vCont],
  ["vKill", (session) => {
    session.target.end({ kind: "stopped", diagnosis: "" });
    return "OK";
  }],
]);
