/**
 * The cache on the host's disk: where it is, and entries found by key that are either whole or made anew.
 *
 * An entry is a header (magic, length, checksum) and the content. It appears by a rename, so a reader never sees half of
 * one; what was damaged later fails its checksum and is made again. A cache that cannot be used (a read-only home, a full
 * disk) costs time, never the result.
 *
 * Sources: [XDG] XDG Base Directory Specification 0.8.
 * @module
 */

import { array, struct, u32, u64, u8 } from "../base/layout.ts";
import { ConfigError } from "../base/errors.ts";
import { MIB } from "../base/addr.ts";
import { xxh32 } from "./_xxhash.ts";

/** Entries together take at most this much unless told otherwise: some ten unpacked kernels. */
const DEFAULT_LIMIT_BYTES = 512 * MIB;
const TEMPORARY_PREFIX = ".tmp-";
/** A temporary file older than this belongs to a process that died. */
const STALE_MS = 3_600_000;
const KEY_FORM = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/;

const MAGIC = Array.from(new TextEncoder().encode("hvm-ent1"));
const HEADER = struct("cache entry header", {
  magic: array(u8, 8),
  length: u64,
  checksum: u32,
  reserved: u32,
}, { size: 24 });

/** What {@linkcode cacheDirectory} asks of the environment. */
export interface Environment {
  get(name: string): string | undefined;
}

/**
 * The directory of hvm's cache: `HVM_CACHE`, else `hvm` under `XDG_CACHE_HOME`, else under `~/.cache`. A relative
 * `XDG_CACHE_HOME` counts as unset. [XDG] "Environment variables"
 * @throws {ConfigError} when none of the variables is set.
 */
export function cacheDirectory(environment: Environment = Deno.env): string {
  const own = environment.get("HVM_CACHE");
  if (own) return own.startsWith("/") ? own : `${Deno.cwd()}/${own}`;
  const xdg = environment.get("XDG_CACHE_HOME");
  if (xdg?.startsWith("/")) return `${xdg}/hvm`;
  const home = environment.get("HOME");
  if (home) return `${home}/.cache/hvm`;
  throw new ConfigError(
    "Cannot place the cache: neither HVM_CACHE, XDG_CACHE_HOME nor HOME is set; set HVM_CACHE",
  );
}

/** Content kept by key, least recently used out first. */
export class ContentCache {
  readonly #directory: string;
  readonly #limitBytes: number;

  /**
   * @param options.directory made when it is not there
   * @param options.limitBytes bytes all entries together may take; a larger entry is not kept
   */
  constructor(options: { directory: string; limitBytes?: number }) {
    this.#directory = options.directory;
    this.#limitBytes = options.limitBytes ?? DEFAULT_LIMIT_BYTES;
  }

  /**
   * The content kept under `key`, or that which `make` gives, which is then kept.
   * @param key 1 to 128 letters, digits, `.`, `_`, `-`, not starting with a dot
   * @throws {RangeError} when the key has another form; otherwise only what `make` throws.
   */
  async cached(
    key: string,
    make: () => Uint8Array | Promise<Uint8Array>,
  ): Promise<Uint8Array<ArrayBufferLike>> {
    if (!KEY_FORM.test(key)) throw new RangeError(`Cannot use ${JSON.stringify(key)} as a cache key`);
    const path = `${this.#directory}/${key}`;
    const found = await readEntry(path);
    if (found !== undefined) return found;
    const made = await make();
    await this.#store(path, made);
    return made;
  }

  async #store(path: string, content: Uint8Array): Promise<void> {
    if (HEADER.size + content.length > this.#limitBytes) return;
    const temporary = `${this.#directory}/${TEMPORARY_PREFIX}${crypto.randomUUID()}`;
    try {
      await Deno.mkdir(this.#directory, { recursive: true, mode: 0o700 });
      const file = await Deno.open(temporary, { write: true, createNew: true, mode: 0o600 });
      try {
        await writeAll(file, header(content));
        await writeAll(file, content);
      } finally {
        file.close();
      }
      await Deno.rename(temporary, path);
      await this.#evict(path);
    } catch (error) {
      if (!isFileTrouble(error)) throw error;
      await removeQuietly(temporary);
    }
  }

  /** Removes the entries longest unused until the rest fits, never the one just made. */
  async #evict(kept: string): Promise<void> {
    const entries: { path: string; size: number; usedAt: number }[] = [];
    let total = 0;
    for await (const { name, isFile } of Deno.readDir(this.#directory)) {
      if (!isFile) continue;
      const path = `${this.#directory}/${name}`;
      const stat = await Deno.stat(path).catch(() => undefined);
      if (stat === undefined) continue;
      const usedAt = stat.mtime?.getTime() ?? 0;
      if (name.startsWith(TEMPORARY_PREFIX)) {
        if (Date.now() - usedAt > STALE_MS) await removeQuietly(path);
        continue;
      }
      entries.push({ path, size: stat.size, usedAt });
      total += stat.size;
    }
    entries.sort((a, b) => a.usedAt - b.usedAt);
    for (const { path, size } of entries) {
      if (total <= this.#limitBytes) return;
      if (path === kept) continue;
      await removeQuietly(path);
      total -= size;
    }
  }
}

/** {@linkcode ContentCache.cached} in the user's own cache. */
export function cached(
  key: string,
  make: () => Uint8Array | Promise<Uint8Array>,
): Promise<Uint8Array<ArrayBufferLike>> {
  return new ContentCache({ directory: `${cacheDirectory()}/content` }).cached(key, make);
}

/** The SHA-256 of `bytes` in hexadecimal digits: the key of what is made from them. */
export async function contentKey(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function readEntry(path: string): Promise<Uint8Array | undefined> {
  let whole: Uint8Array;
  try {
    whole = await Deno.readFile(path);
  } catch (error) {
    if (isFileTrouble(error)) return undefined;
    throw error;
  }
  const content = checkedContent(whole);
  if (content === undefined) {
    await removeQuietly(path);
    return undefined;
  }
  // The time of last use is what eviction goes by; a file of another user may not let it be set.
  await Deno.utime(path, new Date(), new Date()).catch(() => {});
  return content;
}

function checkedContent(whole: Uint8Array): Uint8Array | undefined {
  if (whole.length < HEADER.size) return undefined;
  const { magic, length, checksum } = HEADER.view(whole);
  const content = whole.subarray(HEADER.size);
  const good = magic.every((byte, i) => byte === MAGIC[i]) && length === BigInt(content.length) &&
    checksum === xxh32(content);
  return good ? content : undefined;
}

function header(content: Uint8Array): Uint8Array {
  return HEADER.encode({ magic: MAGIC, length: BigInt(content.length), checksum: xxh32(content) });
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}

async function removeQuietly(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch(() => {});
}

/** True for what the file system may answer at any time; a mistake of ours is not among it. */
function isFileTrouble(error: unknown): boolean {
  return error instanceof Error &&
    ("code" in error || Object.values(Deno.errors).some((kind) => error instanceof kind));
}
