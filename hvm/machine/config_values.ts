/**
 * The kinds of value a machine's configuration is made of, each as a schema whose refusals end the sentence
 * `Cannot use memory 12Q: ...`.
 * @module
 */

import * as z from "zod/mini";
import { MIB, PAGE_SIZE } from "../base/addr.ts";
import { parseSize, parseTime, type Quantity, sizeText } from "./units.ts";

/** Joins words as a sentence does: `a, b or c`. */
export function orList(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

/** One of a few words. */
export function choice<const T extends string>(words: readonly T[]): z.ZodMiniEnum<z.core.util.ToEnum<T>> {
  return z.enum(words, { error: `it is ${orList(words)}` });
}

/** Text that may stand where a C string ends up: not empty unless `empty`, no zero byte. */
export function text(options: { what: string; empty?: boolean }): z.ZodMiniString<string> {
  return z.string({ error: `it is ${options.what}, as text` }).check(
    z.refine((value) => options.empty === true || value !== "", {
      error: `it is empty; it takes ${options.what}`,
    }),
    z.refine((value) => !value.includes("\0"), { error: "it contains a zero byte" }),
  );
}

/** The path of a file. */
export function path(): z.ZodMiniString<string> {
  return text({ what: "the path of a file" });
}

/** The least memory a PC's firmware area, boot structures and a kernel of any kind fit into. */
const LEAST_MEMORY_BYTES = MIB;

/** Memory in bytes: a number, or text with a unit. */
export const memorySize = z.pipe(
  z.union([z.string(), z.number()], { error: "it is not a size such as 512M or 2G" }),
  z.transform((value, context) => {
    const fault = memoryFault(typeof value === "number" ? { value } : parseSize(value), value);
    if (typeof fault === "number") return fault;
    context.issues.push({ code: "custom", message: fault, input: value });
    return z.NEVER;
  }),
);

function memoryFault(size: Quantity, written: string | number): number | string {
  if ("fault" in size) return size.fault;
  const bytes = size.value;
  if (!Number.isSafeInteger(bytes)) return "it is not a whole number of bytes";
  if (bytes < 0) return "memory cannot be negative";
  if (bytes < LEAST_MEMORY_BYTES) {
    const meant = bytes >= 16 && /^\d+$/.test(String(written)) ? `; did you mean ${bytes}M?` : "";
    return `${sizeText(bytes)} is too little, the least is ${sizeText(LEAST_MEMORY_BYTES)}${meant}`;
  }
  if (bytes % PAGE_SIZE !== 0) return "it is not a multiple of the page size, 4K";
  return bytes;
}

/** The longest time a timer of the host keeps. */
const LONGEST_MS = 2 ** 31 - 1;

/** A time in milliseconds: a number of them, or text with a unit. */
export const duration = z.pipe(
  z.union([z.string(), z.number()], { error: "it is not a time such as 90s, or a number of milliseconds" }),
  z.transform((value, context) => {
    const time = typeof value === "number" ? { value } : parseTime(value);
    const fault = "fault" in time ? time.fault : durationFault(time.value);
    if ("value" in time && fault === undefined) return Math.ceil(time.value);
    context.issues.push({ code: "custom", message: fault ?? "", input: value });
    return z.NEVER;
  }),
);

function durationFault(ms: number): string | undefined {
  if (!(ms > 0)) return "a time is more than nothing";
  return ms > LONGEST_MS ? "the longest time is 24 days" : undefined;
}

/** How many processors: one, in this version. */
export const cpuCount = z.pipe(
  z.number({ error: "it is not a whole number" }),
  z.transform((value, context) => {
    const fault = cpuFault(value);
    if (fault === undefined) return value;
    context.issues.push({ code: "custom", message: fault, input: value });
    return z.NEVER;
  }),
);

/** What the 8-bit APIC ids of this PC leave room for. */
const MOST_CPUS = 255;

function cpuFault(count: number): string | undefined {
  if (!Number.isInteger(count)) return "it is not a whole number";
  if (count < 1) return "a machine has at least one CPU";
  if (count > MOST_CPUS) return `a machine has at most ${MOST_CPUS} CPUs`;
  return count > 1 ? "this version runs one CPU for now" : undefined;
}

/** On or off: a boolean, or the word. */
export const onOff = z.pipe(
  z.union([z.boolean(), z.enum(["on", "off"])], { error: "it is on or off" }),
  z.transform((value) => value === true || value === "on"),
);

/** Names, as text with commas or a list of such texts. */
export function names(what: string): z.ZodMiniType<string[], string | readonly string[]> {
  const name = z.string({ error: `it is ${what}` }).check(
    z.regex(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/, { error: `it is not ${what}` }),
  );
  const list = z.array(name, { error: `it is a list, each entry ${what}` });
  return z.pipe(
    z.transform((value: string | readonly string[]) => {
      if (typeof value === "string") return value.split(",");
      return Array.isArray(value)
        ? value.flatMap((part) => typeof part === "string" ? part.split(",") : [part])
        : value;
    }),
    list,
  );
}

/** An option whose device comes in a later version: its name is known, and every value is refused. */
export function later(what: string): z.ZodMiniType<undefined, unknown> {
  return z.pipe(
    z.unknown(),
    z.transform((value, context) => {
      if (value === undefined) return undefined;
      context.issues.push({ code: "custom", message: `${what} not there yet in this version`, input: value });
      return z.NEVER;
    }),
  );
}
