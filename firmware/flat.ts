/**
 * Bytes without any header, put at an address and entered there: boot sectors, test programs.
 *
 * By default as kvmtool does: at 1000:0000 in real mode, with all segments there.
 * @module
 */

import { FOUR_GIB, MIB } from "../hvm/base/addr.ts";
import { hex } from "../hvm/base/bits.ts";
import { ConfigError, ImageError, unreachable } from "../hvm/base/errors.ts";
import type { CpuState } from "../hvm/x86/state.ts";
import { linux32State, linux64State, placeGdt, placePageTables, placeStack, realModeState } from "./entry.ts";
import { loadAt } from "./load_parts.ts";
import type { LoadContext } from "./request.ts";

const DEFAULT_ADDRESS = { real: 0x10000, protected: MIB, long: MIB } as const;

/** Loads the bytes. @throws {ConfigError} when the options contradict each other. */
export function loadFlat(context: LoadContext, content: Uint8Array): CpuState {
  const options = context.request.flat ?? {};
  const mode = options.mode ?? "real";
  const address = options.address ?? DEFAULT_ADDRESS[mode];
  const entry = options.entry ?? address;
  if (content.length === 0) throw new ImageError("The kernel file is empty");
  checkAddress("flat.address", address);
  if (entry < address || entry >= address + content.length) {
    throw new ConfigError(`The entry ${hex(entry)} is outside of the flat image`, { path: "flat.entry" });
  }
  loadAt(context, "kernel", { base: address, content, memorySize: content.length });
  const { placement, memory } = context;
  switch (mode) {
    case "real":
      if (address >= MIB || entry !== address || address >= 0x10000 && address % 16 !== 0) {
        throw new ConfigError(
          "A flat image in real mode begins at its own address, below 1 MiB and, from 64 KiB on, a multiple of 16",
          { path: "flat.address" },
        );
      }
      return realModeState(address);
    case "protected":
      return linux32State(entry, tables(context, false));
    case "long":
      return linux64State(entry, {
        ...tables(context, true),
        pageTables: placePageTables(placement, memory),
      });
    default:
      return unreachable(mode);
  }
}

/** A flat program is told nothing: its boot parameters are at 0. */
function tables(
  { placement, memory }: LoadContext,
  long: boolean,
): { bootParams: number; gdt: number; stack: number } {
  return { bootParams: 0, gdt: placeGdt(placement, memory, { long }), stack: placeStack(placement) };
}

function checkAddress(path: string, address: number): void {
  if (Number.isSafeInteger(address) && address >= 0 && address < FOUR_GIB) return;
  throw new ConfigError(`The address ${address} of a flat image is not between 0 and 4 GiB`, { path });
}
