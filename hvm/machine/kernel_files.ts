/**
 * Kernels as machines get them: unpacked through the cache, with the command line Linux needs.
 * @module
 */

import { type GuestModule, type UnpackedKernel, unpackKernel } from "../../firmware/mod.ts";
import { addr64, struct, u32 } from "../base/layout.ts";
import { cached, contentKey } from "../host/cache.ts";
import type { MachineConfig } from "./config.ts";

/** What is loaded into a machine. */
export interface GuestFiles {
  readonly kernel: UnpackedKernel | Uint8Array;
  readonly initrd?: Uint8Array;
  readonly modules: readonly GuestModule[];
  readonly commandLine: string;
}

/**
 * What every Linux kernel is told in front of the user's own text: where its console is, and to reboot at once after a
 * panic instead of hanging, which ends the run.
 */
const LINUX_DEFAULTS = "console=ttyS0 panic=-1";

/** The user's text, behind what Linux needs where the kernel is known to be Linux: later words win there. */
export function commandLineFor(kernel: UnpackedKernel | Uint8Array, append: string): string {
  const isLinux = !(kernel instanceof Uint8Array) &&
    (kernel.kind === "bzimage" || kernel.setupHeader !== undefined);
  return [isLinux ? LINUX_DEFAULTS : "", append].filter((part) => part !== "").join(" ");
}

/** In front of a cached kernel: the lengths of the two parts that follow it. */
const CACHE_HEADER = struct("cached kernel", { factsBytes: u32, setupBytes: u32, imageBytes: addr64 });
/** Raised when the form of the cache entry or the unpackers' work changes. */
const CACHE_FORM = "kernel-1";

/** {@linkcode unpackKernel}, with the work of unpacking kept in the user's cache. */
export async function unpackCached(
  file: Uint8Array<ArrayBuffer>,
  protocol: MachineConfig["protocol"] = "auto",
): Promise<UnpackedKernel> {
  const keepBzImage = protocol === "linux32";
  // An ELF or multiboot file has nothing to unpack, and is as quickly read as a cache entry.
  const mayBePacked = !keepBzImage && file.length > 0x206 && file[0x202] === 0x48; // 'H' of HdrS
  if (!mayBePacked) return await unpackKernel(file, { keepBzImage });
  const entry = await cached(
    `${CACHE_FORM}-${await contentKey(file)}`,
    async () => encodeKernel(await unpackKernel(file)),
  );
  return decodeKernel(entry);
}

function encodeKernel(kernel: UnpackedKernel): Uint8Array {
  const { image, setupHeader = new Uint8Array(0), ...rest } = kernel;
  const facts = new TextEncoder().encode(JSON.stringify(rest));
  const header = CACHE_HEADER.encode({
    factsBytes: facts.length,
    setupBytes: setupHeader.length,
    imageBytes: image.length,
  });
  const bytes = new Uint8Array(header.length + facts.length + setupHeader.length + image.length);
  let at = 0;
  for (const part of [header, facts, setupHeader, image]) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function decodeKernel(entry: Uint8Array): UnpackedKernel {
  const { factsBytes, setupBytes, imageBytes } = CACHE_HEADER.view(entry);
  let at = CACHE_HEADER.size;
  const take = (length: number) => entry.subarray(at, at += length);
  const facts = JSON.parse(new TextDecoder().decode(take(factsBytes)));
  const setupHeader = take(setupBytes);
  return {
    ...facts,
    ...(setupBytes > 0 ? { setupHeader } : {}),
    image: take(imageBytes),
  };
}
