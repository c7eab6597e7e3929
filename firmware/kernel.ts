/**
 * From the bytes of a kernel file to an image that can be put into memory: packed kernels are unpacked.
 * @module
 */

import { ImageError } from "../hvm/base/errors.ts";
import { checkSignedDigest } from "./authenticode.ts";
import { hasPayload, readBzImage, unpackPayload } from "./bzimage.ts";
import { readElf } from "./elf.ts";
import { type ImageKind, kindOf } from "./image.ts";
import { type Packing, unpack } from "./unpack/unpack.ts";

/** A kernel ready to be loaded: plain data, which a cache can keep as it is. */
export interface UnpackedKernel {
  /** What `image` is. */
  readonly kind: ImageKind;
  /** The ELF, the multiboot file, or the whole bzImage where it is to unpack itself. */
  readonly image: Uint8Array;
  /** Where `image` came out of a bzImage: the first bytes of that, up to the end of its setup header. */
  readonly setupHeader?: Uint8Array;
  /** What a bzImage says its version is; empty where the file does not say. */
  readonly version: string;
  /** How the image was packed. */
  readonly packing?: Packing;
}

/** How to read a kernel file. */
export interface UnpackOptions {
  /** Leave a bzImage as it is, to be entered by the boot protocol and unpack itself in the guest. */
  readonly keepBzImage?: boolean;
}

/**
 * Reads a kernel file.
 * @throws {ImageError} when it is empty, truncated, damaged, for another machine, or not a kernel.
 */
export async function unpackKernel(file: Uint8Array, options: UnpackOptions = {}): Promise<UnpackedKernel> {
  const kind = kindOf(file);
  if (typeof kind === "string") return await fromImage(kind, file, options);
  const image = await unpack(kind.packed, file);
  const inner = kindOf(image);
  if (typeof inner !== "string") throw new ImageError("The kernel file is packed twice");
  return { packing: kind.packed, ...await fromImage(inner, image, options) };
}

async function fromImage(kind: ImageKind, file: Uint8Array, options: UnpackOptions): Promise<UnpackedKernel> {
  if (kind === "elf") readElf(file); // says now what is wrong with it
  if (kind !== "bzimage") return { kind, image: file, version: "" };
  const image = readBzImage(file);
  const version = image.header.kernelVersion;
  await checkSignedDigest(file);
  if (options.keepBzImage || !hasPayload(image.header)) return { kind, image: file, version };
  const { kernel, packing } = await unpackPayload(image);
  try {
    readElf(kernel);
  } catch (cause) {
    if (!(cause instanceof ImageError)) throw cause;
    throw new ImageError(`The kernel inside the bzImage is damaged: ${cause.message}`, { cause });
  }
  return { kind: "elf", image: kernel, setupHeader: image.header.bytes, version, packing };
}
