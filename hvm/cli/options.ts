/**
 * The options of `hvm run`, made from the fields of the configuration's schema.
 * @module
 */

import { describeFields, type FieldName, type FieldNotes } from "../machine/config_notes.ts";

/** An option. */
export interface Option {
  /** The field it sets. */
  readonly field: FieldName;
  /** Its name without the dashes, as `on-reboot`. */
  readonly flag: string;
  readonly notes: FieldNotes;
}

/** The options in the order of help. The command has no option: it stands after `--`. */
export function runOptions(): readonly Option[] {
  return describeFields()
    .filter(({ name }) => name !== "command")
    .map(({ name, notes }) => ({ field: name, flag: kebab(notes.flag ?? name), notes }));
}

/** `onReboot` as an option writes it: `on-reboot`. */
export function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** What the command line said, before the schema looks at it. */
export interface FlagInput {
  /** Values by field, in the schema's own forms where words allow. */
  readonly fields: Record<string, unknown>;
  /** The fields given. */
  readonly given: ReadonlySet<string>;
}

/** Turns the words of options into values of fields. */
export function fieldsFromFlags(
  flags: Record<string, unknown>,
  command: readonly string[] | undefined,
): FlagInput {
  const fields: Record<string, unknown> = {};
  for (const { field, notes } of runOptions()) {
    const value = flags[field];
    if (value !== undefined) fields[field] = fieldValue(notes, value);
  }
  if (command !== undefined && command.length > 0) fields.command = command;
  return { fields, given: new Set(Object.keys(fields)) };
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)$/;

function fieldValue(notes: FieldNotes, value: unknown): unknown {
  if (typeof value !== "string") return value;
  if (notes.kind === "count" && NUMBER.test(value)) return Number(value);
  if (notes.kind === "time" && NUMBER.test(value)) return `${value}s`;
  return value;
}

/** Spells a field of a run as its front did: an option, or a field of the configuration file. */
export function spelling(
  given: ReadonlySet<string>,
  file: string | undefined,
): (path: string, value?: string) => string {
  const flags = new Map<string, string>(runOptions().map(({ field, flag }) => [field, flag]));
  return (path, value) => {
    const [field = ""] = path.split(".");
    if (file !== undefined && !given.has(field) && (value !== undefined || !flags.has(field))) {
      return `${[path, value].filter((part) => part !== undefined).join(" ")} in ${file}`;
    }
    const name = field === "command" ? "the command after --" : `--${flags.get(field) ?? field}`;
    return value === undefined || field === "command" ? name : `${name} ${value}`;
  };
}
