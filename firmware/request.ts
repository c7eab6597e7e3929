/**
 * What is to be loaded, and what came of it: the types every protocol's loader shares.
 * @module
 */

import type { GuestMemory } from "../hvm/base/memory.ts";
import type { CpuState } from "../hvm/x86/state.ts";
import type { MemoryLayout, MemoryMapEntry } from "./e820.ts";
import type { UnpackedKernel } from "./kernel.ts";
import type { PlacedRegion, Placement } from "./placement.ts";

/** How a guest is entered. */
export type Protocol = "pvh" | "linux64" | "linux32" | "multiboot" | "flat";

/** A file handed to the guest beside its kernel; PVH and multiboot take any number, the first being the initrd. */
export interface GuestModule {
  readonly bytes: Uint8Array;
  readonly commandLine?: string;
}

/** How bytes without any header are entered. */
export interface FlatOptions {
  /** Where the bytes go; 10000h for real mode, 100000h otherwise. */
  readonly address?: number;
  /** `real` (the default), `protected` (32 bits, flat, no paging) or `long` (64 bits, 4 GiB mapped to themselves). */
  readonly mode?: "real" | "protected" | "long";
  /** Where execution begins; at `address` when not given. Real mode begins at `address` always. */
  readonly entry?: number;
}

/** What to load. */
export interface LoadRequest {
  /** From `unpackKernel`; for the protocol `flat`, the bytes of the file. */
  readonly kernel: UnpackedKernel | Uint8Array;
  readonly commandLine: string;
  readonly initrd?: Uint8Array;
  readonly modules?: readonly GuestModule[];
  readonly layout: MemoryLayout;
  /** Where the ACPI root pointer was put; not provided when absent. */
  readonly rsdp?: number;
  /** `auto` (the default) takes PVH where the kernel has it, else multiboot, else Linux's entries. */
  readonly protocol?: Protocol | "auto";
  readonly flat?: FlatOptions;
  /** Guest memory is known to be all zeros, so that bss need not be cleared. */
  readonly zeroed?: boolean;
}

/** What was loaded. */
export interface LoadedGuest {
  readonly protocol: Protocol;
  /** How the first processor starts. */
  readonly entry: CpuState;
  /** What lies where in guest memory, in ascending order. */
  readonly regions: readonly PlacedRegion[];
  /** The memory map the guest was given. */
  readonly map: readonly MemoryMapEntry[];
}

/** What a protocol's loader works with. */
export interface LoadContext {
  readonly request: LoadRequest;
  readonly memory: GuestMemory;
  readonly placement: Placement;
  readonly map: readonly MemoryMapEntry[];
}
