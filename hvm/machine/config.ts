/**
 * From what was asked for to a complete, checked configuration: the schema, then the rules between fields.
 * @module
 */

import type * as z from "zod/mini";
import { ConfigError } from "../base/errors.ts";
import { complete, conflictIn, type Fault, type MachineConfig } from "./config_rules.ts";
import { fields } from "./config_schema.ts";
import { nearest } from "./nearest.ts";

export type { BootModule, KernelSource, MachineConfig, SerialTarget } from "./config_rules.ts";
export type { MachineOptions } from "./config_schema.ts";

/** How one front spells things, and what it knows of the host. */
export interface ParseOptions {
  /** Spells a field, with its value where there is one: `--memory 12Q`, `memory 12Q in machine.json`. */
  readonly spell?: (path: string, value?: string) => string;
  /** Memory of the host; a guest cannot have more. */
  readonly hostMemoryBytes?: number;
}

/**
 * Checks what was asked for and fills in the rest.
 * @param input of the form {@linkcode MachineOptions}; anything else is refused
 * @throws {ConfigError} with one sentence and the path of the field.
 */
export function parseConfig(input: unknown, options: ParseOptions = {}): MachineConfig {
  const spell = options.spell ?? ((path, value) => value === undefined ? path : `${path} ${value}`);
  const result = fields.safeParse(input ?? {});
  if (!result.success) {
    const { path, message } = faultOf(result.error.issues[0]!, input);
    throw refusal(spell, input, path, message);
  }
  const conflict = conflictIn(result.data, options.hostMemoryBytes);
  if (conflict !== undefined) throw refusal(spell, input, conflict.path, conflict.message);
  return complete(result.data);
}

function refusal(
  spell: NonNullable<ParseOptions["spell"]>,
  input: unknown,
  path: string,
  why: string,
): ConfigError {
  if (path === "") return new ConfigError(`Cannot use ${spell("the configuration", shown(input))}: ${why}`);
  const value = path.split(".").reduce<unknown>(
    (at, key) =>
      typeof at === "object" && at !== null && Object.hasOwn(at, key) ? Reflect.get(at, key) : undefined,
    input,
  );
  return new ConfigError(
    `Cannot use ${spell(path, value === undefined ? undefined : shown(value))}: ${why}`,
    { path },
  );
}

/** A value as an error shows it: one short line. */
function shown(value: unknown): string {
  const isPlain = (text: unknown) => typeof text === "string" && /^[\x21-\x7e]+$/.test(text);
  const plain = isPlain(value) || typeof value === "number" ||
    Array.isArray(value) && value.length > 0 && value.every(isPlain);
  const whole = plain ? String(value) : json(value);
  return whole.length > 60 ? `${whole.slice(0, 57)}...` : whole;
}

function json(value: unknown): string {
  try {
    return JSON.stringify(value) ?? typeof value;
  } catch {
    return typeof value;
  }
}

function faultOf(issue: z.core.$ZodIssue, input: unknown): Fault {
  const path = issue.path.map(String);
  if (issue.code !== "unrecognized_keys") return { path: path.join("."), message: issue.message };
  const key = issue.keys[0] ?? "";
  const within = path.length === 0 ? Object.keys(fields.shape) : ["file", "text"];
  const meant = nearest(key, within.filter((name) => !Object.hasOwn(Object(input), name)));
  const hint = meant === undefined ? "" : `, did you mean ${meant}?`;
  return { path: [...path, key].join("."), message: `there is no such field${hint}` };
}
