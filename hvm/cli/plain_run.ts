/**
 * The quick way to a configuration: a `hvm run` whose every option is known, given once and plainly written.
 *
 * Command line library and schema cost a third of the time a small guest has until its first byte, so they are loaded only
 * where they are needed: for everything that is not plain, wrong or unclear here. What this accepts the schema accepts with
 * the same result; plain_run_test.ts holds it to that.
 * @module
 */

import {
  checkCpus,
  checkMemory,
  checkTime,
  debuggerFault,
  isKernel,
  isSerial,
} from "../machine/config_checks.ts";
import type { FieldNotes } from "../machine/config_notes.ts";
import { complete, conflictIn, type MachineConfig } from "../machine/config_rules.ts";
import { type Option, runOptions } from "./options.ts";

/**
 * The configuration of a plain `hvm run`.
 * @param hostMemoryBytes memory of the host
 * @returns undefined when the arguments are anything else.
 */
export function plainRun(args: readonly string[], hostMemoryBytes: number): MachineConfig | undefined {
  if (args[0] !== "run") return undefined;
  const options = new Map<string, Option>(runOptions().map((option) => [`--${option.flag}`, option]));
  const fields: Record<string, unknown> = {};
  for (let at = 1; at < args.length; at += 2) {
    const word = args[at] ?? "";
    if (word === "--") {
      if (at + 1 < args.length) fields.command = args.slice(at + 1);
      if (!args.slice(at + 1).every(isText)) return undefined;
      break;
    }
    const option = options.get(word);
    const written = args[at + 1];
    if (option === undefined || written === undefined || Object.hasOwn(fields, option.field)) {
      return undefined;
    }
    const value = plainValue(option.notes, written);
    if (value === undefined) return undefined;
    fields[option.field] = value;
  }
  return conflictIn(fields, hostMemoryBytes) === undefined ? complete(fields) : undefined;
}

/** The value of an option in the form the schema gives it, undefined when it is not plainly written. */
function plainValue(notes: FieldNotes, text: string): unknown {
  if (text === "" || text.startsWith("-") || !isText(text)) return undefined;
  switch (notes.kind) {
    case "text":
      return text;
    case "word":
      return notes.words?.includes(text) ? text : undefined;
    case "switch":
      return text === "on" ? true : text === "off" ? false : undefined;
    case "kernel":
      return isKernel(text) ? text : undefined;
    case "serial":
      return isSerial(text) ? text : undefined;
    case "size":
      return valueOf(checkMemory(text));
    case "count":
      return /^\d+$/.test(text) ? valueOf(checkCpus(Number(text))) : undefined;
    case "time":
      return /^\d+$/.test(text) ? valueOf(checkTime(`${text}s`)) : undefined;
    case "debugger":
      return debuggerFault(text) === undefined ? text : undefined;
    default:
      return undefined;
  }
}

function valueOf(result: ReturnType<typeof checkMemory>): number | undefined {
  return "value" in result ? result.value : undefined;
}

function isText(text: string): boolean {
  return !text.includes("\0");
}
