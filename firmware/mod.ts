/**
 * Guest images: what they are, unpacking them, and putting them into memory as their boot protocol asks.
 * @module
 */

export { type CpioEntry, readCpio, writeCpio } from "./cpio.ts";
export { MEMORY_TYPE, type MemoryLayout, memoryMap, type MemoryMapEntry } from "./e820.ts";
export { type FileKind, type ImageKind, kindOf } from "./image.ts";
export {
  buildInitramfs,
  DEFAULT_STATUS_PORT,
  type GuestFile,
  type InitramfsRequest,
  quoteForShell,
} from "./initramfs.ts";
export { type UnpackedKernel, unpackKernel, type UnpackOptions } from "./kernel.ts";
export { loadGuest } from "./load.ts";
export {
  collectModules,
  type KernelModule,
  moduleName,
  type ModuleSource,
  resolveModules,
  unpackModule,
} from "./modules.ts";
export type { PlacedRegion } from "./placement.ts";
export type { FlatOptions, GuestModule, LoadedGuest, LoadRequest, Protocol } from "./request.ts";
export { type Packing, packingOf, unpack, UNPACKED_LIMIT } from "./unpack/unpack.ts";
