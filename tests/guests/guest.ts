/**
 * What a guest program is to those who run it: an image, how it is to end, and where it can run.
 * @module
 */

import type { IrqchipMode } from "../../hvm/vendor/ops.ts";
import { elf32, elf64Pvh } from "./build.ts";
import { Guest } from "./lib.ts";

/** How a program's machine ends, in the words of hvm's JSON result. */
export type End = "exit-port" | "poweroff" | "reboot" | "triple-fault" | "panic";

/** A quirk row (hvm/vendor/quirks.ts) that keeps a program from the hosts the row names. */
export interface Forbidden {
  readonly id: string;
  /** Absent: in every mode. */
  readonly irqchips?: readonly IrqchipMode[];
}

/** One guest program. */
export interface GuestProgram {
  readonly name: string;
  /** The way in; the value of `--protocol`. */
  readonly protocol: "pvh" | "multiboot" | "flat";
  build(): Uint8Array;
  readonly expect: {
    readonly end: End;
    /** hvm's exit status. */
    readonly status: number;
    /** What was written to the exit port, where that is the end. */
    readonly value: number;
    /** What the guest prints on COM1 and the debug port, among other things. */
    readonly output: string;
  };
  /** Modes whose machines have what the program tests. */
  readonly irqchips: readonly IrqchipMode[];
  readonly quirks: readonly Forbidden[];
  /** Far more than a slow host needs. */
  readonly timeoutS: number;
  readonly append?: string;
  /** Given as `--initrd`. */
  readonly initrd?: Uint8Array;
  /** Boot modules with their command lines. */
  readonly modules?: readonly { readonly content: Uint8Array; readonly text: string }[];
  /** How QEMU, the reference, is to be asked; `skip` says what it does not do. */
  readonly qemu: { readonly skip?: string; readonly args?: readonly string[]; readonly status?: number };
}

/** What differs from a PVH program in 64-bit mode that passes by writing 0 to the exit port in every mode. */
export interface GuestOptions extends Partial<Omit<GuestProgram, "name" | "build" | "expect">> {
  readonly mode?: 32 | 64;
  /** The container, `elf64` when absent. */
  readonly container?: "elf64" | "elf32" | "multiboot-elf" | "multiboot-flat";
  readonly end?: End;
  readonly status?: number;
  readonly value?: number;
  /** Absent: `name: ok`. */
  readonly output?: string;
}

/** The quirk rows that forbid `program` in a mode, on the hosts they name. */
export function forbidding(program: GuestProgram, irqchip: IrqchipMode): string[] {
  return program.quirks.filter(({ irqchips }) => irqchips?.includes(irqchip) ?? true).map(({ id }) => id);
}

/** Every mode. */
export const ALL_IRQCHIPS: readonly IrqchipMode[] = ["user", "split", "kernel"];

/** The exit status of a verdict of 0. */
export const PASSED = 1;

/** A program written with {@linkcode Guest}. */
export function guest(name: string, options: GuestOptions, body: (g: Guest) => void): GuestProgram {
  const { mode = 64, container = "elf64", end = "exit-port", status, value = 0, output, ...rest } = options;
  return {
    name,
    protocol: container.startsWith("multiboot") ? "multiboot" : "pvh",
    irqchips: ALL_IRQCHIPS,
    quirks: [],
    timeoutS: 20,
    qemu: {},
    ...rest,
    expect: {
      end,
      status: status ?? (end === "exit-port" ? PASSED : end === "triple-fault" || end === "panic" ? 255 : 0),
      value,
      output: output ?? `${name}: ok`,
    },
    build: () => {
      const g = new Guest(name, mode);
      body(g);
      if (container === "multiboot-flat") return g.finish({ multiboot: "flat" }).bytes;
      const loaded = g.finish(container === "multiboot-elf" ? { multiboot: "elf" } : {});
      return container === "elf64" ? elf64Pvh(loaded) : elf32(loaded, { pvh: container === "elf32" });
    },
  };
}
