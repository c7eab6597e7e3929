/**
 * What a complete configuration is, the rules between fields, and the defaults.
 * @module
 */

import type { DebuggerAddress } from "../gdb/server.ts";
import type { DebianChoice } from "../host/debian.ts";
import { DEBIAN_FORM, debuggerParts, type TypedText } from "./config_checks.ts";
import type { WORDS } from "./config_notes.ts";
import type { Fields } from "./config_schema.ts";
import { sizeText } from "./units.ts";

/** A module for a multiboot or PVH kernel. */
export interface BootModule {
  readonly file: string;
  /** Its command line. */
  readonly text: string;
}

/** A kernel file, or one of the default guests. */
export type KernelSource =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "debian"; readonly choice: DebianChoice };

/** Where the first serial port goes. */
export type SerialTarget =
  | { readonly kind: "stdio" }
  | { readonly kind: "null" }
  | { readonly kind: "file"; readonly path: string };

/** The same, checked and complete: plain data that crosses threads. */
export interface MachineConfig {
  readonly kernel: KernelSource;
  readonly initrd?: string;
  /** Empty when nothing was asked for. */
  readonly append: string;
  readonly modules: readonly string[];
  readonly bootModules: readonly BootModule[];
  readonly protocol: typeof WORDS.protocol[number];
  /** Empty: the default guest's shell. */
  readonly command: readonly string[];
  readonly memoryBytes: number;
  readonly cpus: number;
  readonly cpu: "host" | "baseline";
  readonly acpi: boolean;
  readonly lapic: boolean;
  readonly ioapic: boolean;
  readonly engine: "auto" | "kvm" | "soft";
  readonly irqchip: "auto" | "user" | "split" | "kernel";
  /** Absent when not asked for: the command line takes stdio, a script its console object only. */
  readonly serial?: SerialTarget;
  readonly clock: "host" | "instructions";
  readonly typed: readonly TypedText[];
  /** Bytes. */
  readonly blockCache: number;
  readonly onReboot: "exit" | "reset";
  readonly timeoutMs?: number;
  readonly json?: string;
  readonly trace?: string;
  /** Where debuggers connect; the guest waits for one before its first instruction. */
  readonly debugger?: DebuggerAddress;
}

const DEFAULT_MEMORY_BYTES = 512 * 2 ** 20;
const DEFAULT_BLOCK_CACHE_BYTES = 16 * 2 ** 20;

/** What is wrong with a field, as the end of a sentence. */
export interface Fault {
  readonly path: string;
  readonly message: string;
}

/** What is wrong between fields that are each fine. */
export function conflictIn(data: Fields, hostMemoryBytes: number | undefined): Fault | undefined {
  const memory = data.memory ?? DEFAULT_MEMORY_BYTES;
  if (hostMemoryBytes !== undefined && memory > hostMemoryBytes) {
    return { path: "memory", message: `the host has ${sizeText(hostMemoryBytes)}` };
  }
  const ownInit = !isDebian(data.kernel) || data.initrd !== undefined;
  const needsDefault = data.command !== undefined && data.command.length > 0 ? "command" : "modules";
  if (ownInit && (data[needsDefault]?.length ?? 0) > 0) {
    const other = isDebian(data.kernel) ? "an initrd" : "a kernel";
    return {
      path: needsDefault,
      message: `only the default guest takes it, and there is ${other} of your own`,
    };
  }
  if (isDebian(data.kernel) && (data.bootModules?.length ?? 0) > 0) {
    return {
      path: "bootModules",
      message: "the default guest takes none; its own are fields modules and initrd",
    };
  }
  if (data.lapic === false && data.ioapic === true) {
    return { path: "ioapic", message: "without a local APIC there is no I/O APIC" };
  }
  if (data.lapic === false && (data.irqchip === "split" || data.irqchip === "kernel")) {
    return {
      path: "irqchip",
      message: "KVM's interrupt controllers come with a local APIC, and lapic is off",
    };
  }
  if (data.clock === "instructions") {
    if (data.engine === "kvm") {
      return { path: "clock", message: "KVM does not count a guest's instructions; take engine soft" };
    }
  } else if ((data.typed?.length ?? 0) > 0) {
    return { path: "typed", message: "instructions are counted with clock instructions only" };
  }
  return undefined;
}

function isDebian(kernel: string | undefined): boolean {
  return kernel === undefined || DEBIAN_FORM.test(kernel);
}

/** Fills in what was not asked for. The fields must be free of conflicts. */
export function complete(data: Fields): MachineConfig {
  const lapic = data.lapic ?? true;
  const irqchip = data.irqchip ?? "auto";
  return {
    kernel: kernelSource(data.kernel ?? "debian"),
    ...(data.initrd === undefined ? {} : { initrd: data.initrd }),
    append: data.append ?? "",
    modules: data.modules ?? [],
    bootModules: (data.bootModules ?? []).map(({ file, text }) => ({ file, text: text ?? "" })),
    protocol: data.protocol ?? "auto",
    command: data.command ?? [],
    memoryBytes: data.memory ?? DEFAULT_MEMORY_BYTES,
    cpus: data.cpus ?? 1,
    cpu: data.cpu ?? "host",
    acpi: data.acpi ?? true,
    lapic,
    ioapic: lapic && (data.ioapic ?? true),
    engine: data.engine ?? "auto",
    irqchip: !lapic && irqchip === "auto" ? "user" : irqchip,
    ...(data.serial === undefined ? {} : { serial: serialTarget(data.serial) }),
    clock: data.clock ?? "host",
    typed: data.typed ?? [],
    blockCache: data.blockCache ?? DEFAULT_BLOCK_CACHE_BYTES,
    onReboot: data.onReboot ?? "exit",
    ...(data.timeout === undefined ? {} : { timeoutMs: data.timeout }),
    ...(data.json === undefined ? {} : { json: data.json }),
    ...(data.trace === undefined ? {} : { trace: data.trace }),
    ...(data.gdb === undefined ? {} : { debugger: debuggerAddress(data.gdb) }),
  };
}

function kernelSource(kernel: string): KernelSource {
  const match = DEBIAN_FORM.exec(kernel);
  if (match === null) return { kind: "file", path: kernel };
  const [, series, ofSeries, alone] = match;
  const flavour = (ofSeries ?? alone) === "generic" ? "generic" : "cloud";
  return { kind: "debian", choice: series === undefined ? { flavour } : { series, flavour } };
}

function debuggerAddress(where: string | number): DebuggerAddress {
  const { path, port } = debuggerParts(where);
  return path === undefined ? { kind: "port", port } : { kind: "unix", path };
}

function serialTarget(serial: string): SerialTarget {
  if (serial === "stdio" || serial === "null") return { kind: serial };
  return { kind: "file", path: serial.slice("file:".length) };
}
