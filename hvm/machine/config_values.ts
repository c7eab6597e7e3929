/**
 * The kinds of value a machine's configuration is made of, each as a schema whose refusals end the sentence
 * `Cannot use memory 12Q: ...`.
 * @module
 */

import * as z from "zod/mini";
import { checkBlockCache, checkCpus, checkMemory, checkTime } from "./config_checks.ts";
import type { Quantity } from "./units.ts";

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

/** Memory in bytes: a number, or text with a unit. */
export const memorySize = checked(
  z.union([z.string(), z.number()], { error: "it is not a size such as 512M or 2G" }),
  checkMemory,
);

/** Memory of the soft engine's block cache in bytes. */
export const blockCacheSize = checked(
  z.union([z.string(), z.number()], { error: "it is not a size such as 16M" }),
  checkBlockCache,
);

/** A time in milliseconds: a number of them, or text with a unit. */
export const duration = checked(
  z.union([z.string(), z.number()], { error: "it is not a time such as 90s, or a number of milliseconds" }),
  checkTime,
);

/** How many processors. */
export const cpuCount = checked(z.number({ error: "it is not a whole number" }), checkCpus);

/** A schema whose values a check turns into a number. */
function checked<T extends string | number>(
  schema: z.ZodMiniType<T, T>,
  check: (value: T) => Quantity,
): z.ZodMiniType<number, T> {
  return z.pipe(
    schema,
    z.transform((value: T, context) => {
      const result = check(value);
      if ("value" in result) return result.value;
      context.issues.push({ code: "custom", message: result.fault, input: value });
      return z.NEVER;
    }),
  );
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
export function later(why: string): z.ZodMiniType<undefined, unknown> {
  return z.pipe(
    z.unknown(),
    z.transform((value, context) => {
      if (value === undefined) return undefined;
      context.issues.push({ code: "custom", message: why, input: value });
      return z.NEVER;
    }),
  );
}
