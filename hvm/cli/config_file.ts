/**
 * The configuration file of `hvm run --config`: an object with the fields of the schema, in JSON with comments.
 * @module
 */

import { ConfigError } from "../base/errors.ts";
import { fileTrouble } from "../host/image_file.ts";
import { describeFields } from "../machine/config_notes.ts";
import { parseJsonc } from "./jsonc.ts";

/**
 * Reads a file's fields as they are written; only paths are changed: those that are relative start at the file.
 * @throws {ConfigError} when it cannot be read or holds no object.
 */
export function readConfigFile(path: string): Record<string, unknown> {
  const refuse = (why: string, cause?: unknown) =>
    new ConfigError(`Cannot read the configuration ${path}: ${why}`, { cause });
  let value: unknown;
  try {
    value = parseJsonc(new TextDecoder("utf-8", { fatal: true }).decode(Deno.readFileSync(path)));
  } catch (error) {
    if (error instanceof SyntaxError) throw refuse(oneLine(error.message), error);
    if (error instanceof TypeError) throw refuse("it is not text in UTF-8", error);
    throw refuse(fileTrouble(error), error);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw refuse("it holds no object");
  return rebased(value, directoryOf(path));
}

/** The fields with relative paths taken from `directory`. */
function rebased(fields: object, directory: string): Record<string, unknown> {
  const result: Record<string, unknown> = Object.assign(Object.create(null), fields);
  const map = (path: string) => path.startsWith("/") ? path : `${directory}${path}`;
  for (const { name, notes } of describeFields()) {
    if (Object.hasOwn(fields, name) && notes.mapPaths !== undefined) {
      result[name] = notes.mapPaths(result[name], map);
    }
  }
  return result;
}

/** The directory of `path` with its slash, empty for the one we are in. */
function directoryOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/") + 1);
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").replace(/^[A-Z]/, (letter) => letter.toLowerCase());
}
