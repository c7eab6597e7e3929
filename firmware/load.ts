/**
 * Loads whatever is to be started into guest memory and says how the first processor begins.
 * @module
 */

import type { GuestMemory } from "../hvm/base/memory.ts";
import { ImageError, unreachable } from "../hvm/base/errors.ts";
import type { CpuState } from "../hvm/x86/state.ts";
import { readBzImage } from "./bzimage.ts";
import { memoryMap } from "./e820.ts";
import { readElf } from "./elf.ts";
import { loadFlat } from "./flat.ts";
import type { UnpackedKernel } from "./kernel.ts";
import { loadBzImage, loadLinuxElf } from "./linux.ts";
import { loadMultiboot } from "./multiboot.ts";
import { findMultiboot } from "./multiboot_header.ts";
import { Placement } from "./placement.ts";
import { loadPvh, pvhEntry } from "./pvh.ts";
import type { LoadContext, LoadedGuest, LoadRequest, Protocol } from "./request.ts";

/**
 * Puts a kernel and all that belongs to it into memory.
 * @param memory RAM as `request.layout` describes it.
 * @throws {ImageError} when the image is damaged, does not fit, or cannot be entered by the protocol asked for.
 * @throws {ConfigError} when the command line or the modules do not suit the kernel.
 */
export function loadGuest(request: LoadRequest, memory: GuestMemory): LoadedGuest {
  const map = memoryMap(request.layout);
  const context: LoadContext = { request, memory, map, placement: new Placement(map) };
  const { protocol, entry } = dispatch(context);
  return { protocol, entry, map, regions: context.placement.regions };
}

function dispatch(context: LoadContext): { protocol: Protocol; entry: CpuState } {
  const { kernel, protocol = "auto" } = context.request;
  if (protocol === "flat") {
    return { protocol, entry: loadFlat(context, kernel instanceof Uint8Array ? kernel : kernel.image) };
  }
  if (kernel instanceof Uint8Array) throw new TypeError("Cannot load raw bytes but as a flat image");
  switch (kernel.kind) {
    case "bzimage":
      return loadWhole(context, kernel, protocol);
    case "elf":
      return loadElf(context, kernel, protocol);
    case "multiboot": {
      const header = findMultiboot(kernel.image);
      if (protocol !== "auto" && protocol !== "multiboot") throw unfit(protocol);
      if (header === undefined) throw unfit("multiboot");
      return { protocol: "multiboot", entry: loadMultiboot(context, kernel.image, header) };
    }
    default:
      return unreachable(kernel.kind);
  }
}

function loadElf(
  context: LoadContext,
  kernel: UnpackedKernel,
  wanted: Protocol | "auto",
): ReturnType<typeof dispatch> {
  const elf = readElf(kernel.image);
  const pvh = wanted === "auto" || wanted === "pvh" ? pvhEntry(elf) : undefined;
  if (pvh !== undefined) return { protocol: "pvh", entry: loadPvh(context, elf, pvh) };
  const multiboot = wanted === "auto" || wanted === "multiboot" ? findMultiboot(kernel.image) : undefined;
  if (multiboot !== undefined) {
    return { protocol: "multiboot", entry: loadMultiboot(context, kernel.image, multiboot) };
  }
  const own = elf.bits === 64 ? "linux64" : "linux32";
  if (wanted !== "auto" && wanted !== own) throw unfit(wanted);
  return { protocol: own, entry: loadLinuxElf(context, elf) };
}

function loadWhole(
  context: LoadContext,
  kernel: UnpackedKernel,
  wanted: Protocol | "auto",
): ReturnType<typeof dispatch> {
  const image = readBzImage(kernel.image);
  const protocol = wanted === "auto" ? image.header.has64BitEntry ? "linux64" : "linux32" : wanted;
  if (protocol !== "linux64" && protocol !== "linux32") throw unfit(protocol);
  return { protocol, entry: loadBzImage(context, image, protocol === "linux64") };
}

function unfit(protocol: Protocol): ImageError {
  return new ImageError(`The kernel cannot be entered by the protocol ${protocol}: it has no such entry`);
}
