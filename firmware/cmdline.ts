/**
 * A checked kernel command line.
 *
 * Sources: [BOOT] Linux Documentation/arch/x86/boot.rst, "The kernel command line".
 * @module
 */

import { ConfigError } from "../hvm/base/errors.ts";

/** What kernels take at most where they do not say: x86 Linux since 2.6.23. */
export const DEFAULT_COMMAND_LINE_LIMIT = 2047;

/**
 * The command line as bytes with the closing zero.
 * @param limit The most bytes the kernel takes, without the closing zero.
 * @throws {ConfigError} when it is too long or holds a zero character.
 */
export function encodeCommandLine(
  text: string,
  limit: number = DEFAULT_COMMAND_LINE_LIMIT,
): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) {
    throw new ConfigError("The kernel command line holds a zero character", { path: "append" });
  }
  const bytes = new TextEncoder().encode(text);
  if (bytes.length > limit) {
    throw new ConfigError(
      `The kernel command line has ${bytes.length} bytes, but this kernel takes ${limit} at most`,
      { path: "append" },
    );
  }
  const result = new Uint8Array(bytes.length + 1);
  result.set(bytes);
  return result;
}
