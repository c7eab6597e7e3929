/**
 * Digests of memory other threads share.
 * @module
 */

/** Shared memory is taken as copies of this many bytes. */
const AT_ONCE = 1 << 20;

/**
 * SHA-256 over several parts, one after the other.
 * @returns 64 hexadecimal digits.
 * @example digestOf(new TextEncoder().encode("state"), ram)
 */
export async function digestOf(...parts: readonly Uint8Array<ArrayBufferLike>[]): Promise<string> {
  // Loaded when it is wanted: it takes as long as a third of a small guest's start.
  const { createHash } = await import("node:crypto");
  const hash = createHash("sha256");
  for (const part of parts) {
    for (let at = 0; at < part.length; at += AT_ONCE) hash.update(part.slice(at, at + AT_ONCE));
  }
  return hash.digest("hex");
}
